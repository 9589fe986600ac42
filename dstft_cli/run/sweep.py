"""One recording, swept over window lengths: load, compute, write."""

from __future__ import annotations

import time
from typing import Any, BinaryIO

import torch

from dstft_cli.audio import Signal
from dstft_cli.criteria import Criterion, resolve
from dstft_cli.fit import Request, resolve_device
from dstft_cli.fit.sweep import sweep
from dstft_cli.names import CRITERIA, Progress, Report
from dstft_cli.records import Sweep
from dstft_cli.results import SWEEP, peak_memory_mb, sweep_csv, sweep_record
from dstft_cli.run.job import JobOutcome, limited_threads
from dstft_cli.run.places import Places
from dstft_cli.run.recording import (
    input_record,
    load_recording,
    loaded_line,
    naming,
    picture_title,
    recording_warnings,
)
from dstft_cli.run.sentences import warnings_of
from dstft_cli.settings import ALL, OPTIONS, SWEEP_OPTIONS, SweepSettings, fit_arguments


def run_sweep(
    source: str,
    settings: SweepSettings,
    *,
    stdout: BinaryIO | None = None,
    report: Report = lambda line: None,
    progress: Progress | None = None,
) -> JobOutcome:
    """Sweeps one recording and writes what the settings ask for.

    Args: as for `run_optimize`.

    Raises:
        DstftError: the input, the settings or the output are at fault; nothing is written then.
    """
    began = time.perf_counter()
    device = resolve_device(settings.device, settings.dtype)  # before a long file is read
    names = CRITERIA if settings.criterion == ALL else (settings.criterion,)
    criteria = [resolve(name, settings.order) for name in names]
    with Places(source, settings, stdout, SWEEP) as places:
        with limited_threads(settings.threads), load_recording(source, settings) as signal:
            loaded = time.perf_counter()
            report(loaded_line(signal, settings))
            found = _sweep(signal, settings, criteria, device, progress)
            info = input_record(signal)
        report(
            f"swept {len(found.lengths)} window lengths in {found.seconds['search']:.2f} s over "
            f"{found.looked_at:.0%} of the signal, learned the optima in "
            f"{found.seconds['descent']:.2f} s"
        )
        swept = time.perf_counter()
        _write(places, settings, found, picture_title(signal, settings))
        now = time.perf_counter()
        record = sweep_record(
            found,
            settings=_resolved(settings, device),
            signal_info=info,
            seconds={"load": loaded - began, "write": now - swept, "total": now - began},
            peak_memory_mb=peak_memory_mb(),
            warnings=(
                *recording_warnings(signal, settings, float(found.lengths.min())),
                *warnings_of(found.notes),
            ),
            outputs=places.names(),
        )
        places.write_record(record)
    return JobOutcome(record, places.directory, [])


def _sweep(
    signal: Signal,
    settings: SweepSettings,
    criteria: list[Criterion],
    device: torch.device,
    progress: Progress | None,
) -> Sweep:
    values = fit_arguments(settings, OPTIONS, signal.sample_rate)
    values |= {"device": device.type, "threads": None}
    request = Request(sample_rate=signal.sample_rate, **values)
    with naming(signal):
        return sweep(
            signal.samples, request, criteria=criteria, peak=signal.peak, progress=progress
        )


def _resolved(settings: SweepSettings, device: torch.device) -> dict[str, Any]:
    """The settings of a sweep as JSON values."""
    values = {name: value for name, value in settings.as_dict().items() if name in SWEEP_OPTIONS}
    return {**values, "device": device.type}


def _write(places: Places, settings: SweepSettings, found: Sweep, title: str) -> None:
    """The curves and their picture, wherever they are wanted."""
    if places.draws:
        from dstft_cli.plot.sweep import draw_sweep

        picture = draw_sweep(found, title=title, format=settings.format)
        places.send("png", picture)
        if places.holds_figures:
            places.write(f"sweep.{settings.format}", picture)
    curves = sweep_csv(found)
    places.send("csv", curves)
    if places.directory is not None:
        places.write("sweep.csv", curves)
