"""`dstft sweep`: criteria of one recording against the window length."""

from __future__ import annotations

from typing import BinaryIO

from dstft_cli.errors import as_flags
from dstft_cli.records import Progress, Sweep
from dstft_cli.results import SWEEP, Output, peak_memory_mb, sweep_csv, sweep_record
from dstft_cli.run.optimize import JobOutcome, Stopwatch, cpu_threads, log, request_of
from dstft_cli.run.recording import (
    check_recording,
    input_record,
    load_recording,
    naming,
    picture_notes,
    picture_title,
    recording_warnings,
)
from dstft_cli.run.sentences import warnings_of
from dstft_cli.settings import ALL, CRITERIA, SWEEP_OPTIONS, SweepSettings


def run_sweep(
    source: str,
    settings: SweepSettings,
    *,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
) -> JobOutcome:
    """Sweeps one recording and writes the outputs of its settings."""
    watch = Stopwatch()
    with Output.open(source, settings, stdout=stdout, products=SWEEP) as output:
        check_recording(source, settings)
        from dstft_cli.criteria import resolve  # these import torch
        from dstft_cli.fit import resolve_device
        from dstft_cli.fit.sweep import sweep

        device = resolve_device(settings.device, settings.dtype)  # before a long file is read
        names = CRITERIA if settings.criterion == ALL else (settings.criterion,)
        criteria = [resolve(name, settings.order) for name in names]
        with cpu_threads(settings.threads) as threads, load_recording(source, settings) as signal:
            watch.lap("load")
            own = {"device": device.type, "threads": threads, "criterion": names[0]}
            request = request_of(settings, signal.sample_rate, **own)
            with naming(signal):
                found = sweep(
                    signal.samples, request, criteria=criteria, peak=signal.peak, progress=progress
                )
            log.info(
                f"swept {len(found.lengths)} window lengths in {found.seconds['search']:.2f} s over "
                f"{found.looked_at:.0%} of the signal, learned the optima in "
                f"{found.seconds['descent']:.2f} s"
            )
            watch.lap("sweep")
            _write(output, settings, found, picture_title(signal, settings))
            watch.lap("write")
            warnings = recording_warnings(signal, settings, float(found.lengths.min()))
            resolved = {name: settings.as_dict()[name] for name in SWEEP_OPTIONS}
            record = sweep_record(
                found,
                settings={**resolved, "device": device.type},
                signal_info=input_record(signal),
                seconds=watch.times("load", "write"),
                peak_memory_mb=peak_memory_mb(),
                warnings=[
                    *map(as_flags, warnings),
                    *warnings_of((*found.notes, *picture_notes(signal, settings))),
                ],
            )
            output.write_record(record)
    return JobOutcome(record, output.directory)


def _write(output: Output, settings: SweepSettings, found: Sweep, title: str) -> None:
    """Writes the curves and their picture to all outputs."""
    if output.draws:
        from dstft_cli.plot.sweep import draw_sweep

        picture = draw_sweep(found, title=title, format=settings.format)
        output.send("png", picture)
        if output.holds_figures:
            output.write(f"sweep.{settings.format}", picture)
    curves = sweep_csv(found)
    output.send("csv", curves)
    if output.directory is not None:
        output.write("sweep.csv", curves)
