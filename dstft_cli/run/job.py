"""One recording under one set of settings: load, find its transform, write."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from multiprocessing import cpu_count
from pathlib import Path
from typing import Any, BinaryIO

import torch

from dstft_cli.audio import Signal
from dstft_cli.criteria import resolve
from dstft_cli.fit import optimize, resolve_device
from dstft_cli.fit.plan import default_hop_length
from dstft_cli.names import ONE_LENGTH, Progress, Report, default_smoothness
from dstft_cli.records import Result
from dstft_cli.results import check_emitted, peak_memory_mb, result_record
from dstft_cli.run.output import write_call, write_result
from dstft_cli.run.places import Places
from dstft_cli.run.preflight import check_pictures
from dstft_cli.run.recording import (
    input_record,
    load_recording,
    loaded_line,
    naming,
    recording_warnings,
)
from dstft_cli.settings import RUN_OPTIONS, Settings


@dataclass(frozen=True)
class JobOutcome:
    """What a run leaves behind.

    Attributes:
        result_json: the record that is `result.json`.
        output: the directory written; None where only a stream was asked for.
    """

    result_json: dict[str, Any]
    output: Path | None


def run_optimize(
    source: str,
    settings: Settings,
    *,
    extra: Mapping[str, Any] | None = None,
    stdout: BinaryIO | None = None,
    report: Report = lambda line: None,
    progress: Progress | None = None,
) -> JobOutcome:
    """Learns the transform of one recording and writes what the settings ask for.

    Args:
        source: a file, or `-` for standard input.
        settings: of the run.
        extra: further entries of `result.json`.
        stdout: where `--npy -`, `--png -` and `--json` go.
        report: takes lines of detail.
        progress: called as `progress(stage, done, total)`.

    Raises:
        DstftError: the input, the settings or the output are at fault; nothing is written then.
    """
    device = resolve_device(settings.device, settings.dtype)  # before a long file is read
    resolve(settings.criterion, settings.order)

    def fit(signal: Signal) -> Result:
        chosen: Any = device.type
        return _fit(signal, replace(settings, device=chosen), progress, report)

    return run_job(
        source,
        settings,
        fit,
        device=device,
        extra=extra,
        stdout=stdout,
        report=report,
        progress=progress,
    )


def run_job(
    source: str,
    settings: Settings,
    find: Callable[[Signal], Result],
    *,
    device: torch.device,
    learned_under: Settings | None = None,
    extra: Mapping[str, Any] | None = None,
    stdout: BinaryIO | None = None,
    report: Report = lambda line: None,
    progress: Progress | None = None,
) -> JobOutcome:
    """Loads a recording, finds a transform for it and writes what the settings ask for.

    Args:
        source, settings, extra, stdout, report, progress: as for `run_optimize`.
        find: from the recording to its transform.
        device: where to compute.
        learned_under: the settings that the parameters were learned with before; None where `find`
            learns them, so that there is a way there to be shown.
    """
    began = time.perf_counter()
    with ExitStack() as stack:
        places = stack.enter_context(Places(source, settings, stdout))
        with limited_threads(settings.threads):
            signal = stack.enter_context(load_recording(source, settings))
            check_pictures(settings, signal.sample_rate)
            loaded = time.perf_counter()
            report(loaded_line(signal, settings))
            if learned_under is None:
                check_emit(signal, settings)
            under = learned_under or settings
            torch.manual_seed(under.seed)  # for criteria of one's own; the rest draws nothing
            result = find(signal)
            found = time.perf_counter()
            learned = learned_under is None
            band = {name: getattr(under, name) for name in ("criterion_fmin", "criterion_fmax")}
            drawn = replace(settings, **band)  # pictures mark what the criterion looks at
            write_result(places, drawn, signal, result, device, progress, learned=learned)
            write_call(places, settings, result)
        now = time.perf_counter()
        record = result_record(
            result,
            settings=_resolved(settings, under, result, device),
            signal_info=input_record(signal),
            seconds={"load": loaded - began, "write": now - found, "total": now - began},
            peak_memory_mb=peak_memory_mb(),
            warnings=recording_warnings(signal, settings, result.length_bounds[0])
            if learned
            else signal.warnings,
            outputs=places.names(),
        )
        record.update(extra or {})
        places.write_record(record)
        report(_times(record))
    return JobOutcome(record, places.directory)


def check_emit(signal: Signal, settings: Settings) -> None:
    """UsageError where `--emit` cannot tell the transform, as far as that shows before the fit."""
    if settings.emit == "none":
        return
    n_fft = None if settings.n_fft == "auto" else settings.n_fft
    hop = None if settings.hop_length is None else settings.hop_length.samples(signal.sample_rate)
    if hop is None and n_fft is not None:
        shortest = settings.win_length_min
        low = None if shortest is None else shortest.samples(signal.sample_rate)
        hop = default_hop_length(n_fft, settings.overlap, low)
    if hop is not None:
        check_emitted(hop, n_fft or 0, signal.length, settings.emit)


def _times(record: Mapping[str, Any]) -> str:
    """Where time and memory went, in one line."""
    seconds = record["seconds"]
    parts = [
        f"{name} {seconds[name]:.2f}"
        for name in ("load", "search", "descent", "write")
        if seconds.get(name) is not None
    ]
    return (
        f"time: {seconds['total']:.2f} s ({', '.join(parts)}), {record['evaluations']} transforms of "
        f"the signal, peak memory {record['peak_memory_mb']:.0f} MB"
    )


def _fit(signal: Signal, settings: Settings, progress: Progress | None, report: Report) -> Result:
    with naming(signal):
        values = settings.request_values(signal.sample_rate)
        del values["sample_rate"], values["threads"]
        return optimize(
            signal.samples,
            signal.sample_rate,
            **values,
            peak=signal.peak,
            progress=progress,
            report=report,
        )


def _resolved(
    settings: Settings, under: Settings, result: Result, device: torch.device
) -> dict[str, Any]:
    """The settings with every `auto` and every default in words replaced by what was used.

    Args:
        settings: of the run; of them, what does not concern the recording is taken from `under`.
        under: what the parameters were learned with.
        result: of the run.
        device: that computed it.
    """
    low, high = (None, None) if under.window_mode == "fixed" else result.length_bounds
    shortest, longest = result.hop_bounds or (None, None)
    smoothness = under.smoothness
    if smoothness is None and under.window_mode not in ONE_LENGTH:
        smoothness = default_smoothness(under.window_mode)
    of_the_run = settings.as_dict()
    return {
        name: of_the_run[name] if name in RUN_OPTIONS else value
        for name, value in under.as_dict().items()
    } | {
        "sr": int(result.sample_rate),
        "n_fft": result.n_fft,
        "win_length": float(result.start_window_length[0, 0]),
        "win_length_min": low,
        "win_length_max": high,
        "hop_length": result.hop_length,
        "hop_length_min": shortest,
        "hop_length_max": longest,
        "smoothness": smoothness,
        "device": device.type,
        "threads": usable_threads(settings.threads),
    }


def usable_threads(count: int | None) -> int:
    """How many threads are used where so many are asked for: more than processors only cost memory."""
    return torch.get_num_threads() if count is None else min(count, cpu_count())


@contextmanager
def limited_threads(count: int | None) -> Iterator[None]:
    """torch uses that many threads within the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(usable_threads(count))
    try:
        yield
    finally:
        torch.set_num_threads(before)
