"""`dstft optimize`: one recording under one set of settings, in eight steps; and `dstft sweep`.

1. The command line is parsed, and 2. becomes `Settings` (`cli`, `settings`). 3. `Output.open` reserves
every place. 4. The header is checked before torch is imported and the recording loaded. 5. The
settings become a `Request`, whose defaults the fit resolves once. 6. `fit` gives a `Result`. 7. `run`
writes it, and its record. 8. The command line shows it.
"""

from __future__ import annotations

import inspect
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, get_type_hints

from dstft_cli.audio import Signal, filtered
from dstft_cli.errors import UsageError, as_flags
from dstft_cli.records import FloatArray, Progress, Result, Sweep
from dstft_cli.results import SWEEP, Output, result_record, sweep_csv, sweep_record
from dstft_cli.run.emit import check_emitted, emitted_verdict
from dstft_cli.run.recording import (
    check_recording,
    input_record,
    load_recording,
    naming,
    of_preset,
    picture_notes,
    picture_title,
    precision_warnings,
    recording_warnings,
)
from dstft_cli.run.sentences import warnings_of
from dstft_cli.run.sizes import size_note
from dstft_cli.settings import ALL, CRITERIA, OPTIONS, SWEEP_OPTIONS, Settings, SweepSettings, merge

if TYPE_CHECKING:
    from dstft_cli.fit import Request

log = logging.getLogger("dstft_cli")


@dataclass(frozen=True)
class JobOutcome:
    result_json: dict[str, Any]  # the record that is `result.json`
    output: Path | None  # the directory written; None for a stream only


@dataclass
class Stopwatch:
    """Wall time of the stages of a run, seconds."""

    began: float = field(default_factory=time.perf_counter)
    seconds: dict[str, float] = field(default_factory=dict)

    def lap(self, stage: str) -> None:
        """Ends a stage, which began at the end of the one before."""
        self.seconds[stage] = time.perf_counter() - self.began - sum(self.seconds.values())

    def times(self, *stages: str) -> dict[str, float]:
        """Seconds of these stages, and in total."""
        total = time.perf_counter() - self.began
        return {stage: self.seconds[stage] for stage in stages} | {"total": total}


def run_optimize(
    source: str,
    settings: Settings,
    *,
    extra: Mapping[str, Any] | None = None,
    ours: bool = False,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] = log.info,
) -> JobOutcome:
    """Learns the transform of one recording and writes the outputs of its settings.

    `note` is called, before the fit, with a line about outputs that are large.
    """
    watch = Stopwatch()
    with of_preset(settings), Output.open(source, settings, stdout=stdout, ours=ours) as output:
        check_recording(source, settings)
        import torch

        from dstft_cli.criteria import resolve
        from dstft_cli.fit import fit, resolve_device
        from dstft_cli.run.output import write_result

        device = resolve_device(settings.device, settings.dtype)  # before a long file is read
        resolve(settings.criterion, settings.order)
        learns = not settings.window_mode == settings.hop_mode == "fixed"
        with (
            cpu_threads(settings.threads) as threads,
            load_recording(source, settings, progress, learns=learns) as signal,
        ):
            watch.lap("load")
            if text := size_note(settings, signal):
                note(text)
            request = request_of(settings, signal.sample_rate, device=device.type, threads=threads)
            if settings.emit != "none":  # as far as known before the fit
                from dstft_cli.fit.plan import default_hop_length

                hop = request.hop_length
                if hop is None and request.n_fft is not None:
                    shortest = request.win_length_min
                    hop = default_hop_length(request.n_fft, request.overlap, shortest)
                known = hop or 0.0, request.n_fft or 0, signal.length, request.window
                check_emitted(settings.emit, *known)
            torch.manual_seed(settings.seed)  # for criteria of the user; nothing else is random
            with naming(signal):
                result = fit(
                    signal.samples, request, peak=signal.peak, silence=True, progress=progress
                )
            watch.lap("fit")
            sounds = signal.peak > 0
            write_result(output, settings, signal, result, device, progress, learned=sounds)
            watch.lap("write")
            warnings = recording_warnings(signal, settings, result.length_bounds[0])
            resolved = settings.as_dict() | {"device": device.type, "threads": threads}
            return write_record(output, settings, signal, result, watch, resolved, warnings, extra)


def write_record(
    output: Output,
    settings: Settings,
    signal: Signal,
    result: Result,
    watch: Stopwatch,
    resolved: Mapping[str, Any],
    warnings: tuple[str, ...],
    extra: Mapping[str, Any] | None = None,
) -> JobOutcome:
    from dstft_cli.run.output import step_of

    record = result_record(
        result,
        array_step=step_of(settings, result),
        settings={**resolved, "sr": int(result.sample_rate), **result.resolved},
        signal_info=input_record(signal),
        seconds=watch.times("load", "write"),
        warnings=[
            *map(as_flags, (*warnings, *precision_warnings(signal, settings))),
            *warnings_of((*result.notes, *picture_notes(signal, settings))),
        ],
    )
    record.update(extra or {})
    output.write_record(record)
    seconds, memory = record["seconds"], record["peak_memory_mb"]
    stages = [f"{name} {spent:.2f}" for name, spent in seconds.items() if spent is not None][:-1]
    log.info(
        f"time: {seconds['total']:.2f} s ({', '.join(stages)}), {result.evaluations} transforms of the "
        f"signal, peak memory {memory or 0:.0f} MB"
    )
    return JobOutcome(record, output.directory)


def request_of(settings: Settings, sample_rate: float, **changes: Any) -> Request:
    """The `Request` of the settings at a sample rate, Hz, with some values changed."""
    from dstft_cli.fit import Request

    return Request(**{**settings.request_values(sample_rate), **changes})


@contextmanager
def cpu_threads(count: int | None) -> Iterator[int]:
    """Sets the threads of torch within the block (None: all cores); yields their number."""
    from multiprocessing import cpu_count

    import torch

    before = torch.get_num_threads()
    threads = before if count is None else min(count, cpu_count())  # more threads only cost memory
    torch.set_num_threads(threads)
    try:
        yield threads
    finally:
        torch.set_num_threads(before)


def optimize(
    samples: Any, sample_rate: float, *, progress: Progress | None = None, **settings: Any
) -> Result:
    """Learns the best window lengths and frame positions for a signal.

    Args:
        samples: signal, `[N]` or `[C, N]` (all channels share one set of parameters); an array or a
            tensor.
        sample_rate: Hz.
        progress: called as `progress(stage, done, total)`.
        **settings: the options of `dstft optimize` for the transform, by name with `_`:
            lengths in samples or as text such as `"25ms"`. `criterion` may also be an object (see
            `criteria.base`).

    Returns:
        The learned parameters, never worse than the start or any single tabulated length; under
        `window_mode` fixed the lengths are those of the start.

    Raises:
        UsageError: a setting is unknown, out of its range or contradicts another.
        InputError: the signal is too short or silent.
    """
    from dstft_cli.fit import fit

    try:
        sample_rate = float(sample_rate)
    except (TypeError, ValueError):
        raise UsageError(f"`sample_rate` {sample_rate!r} is no number of Hz") from None
    criterion, changes = settings.get("criterion"), {}
    if criterion is not None and not isinstance(criterion, str):
        changes["criterion"] = settings.pop("criterion")
    for name in settings:
        if name in OPTIONS and name not in _decisive():
            raise UsageError(f"`{name}` is not a setting of the transform: leave it out")
    chosen = merge({name: value for name, value in settings.items() if value is not None})
    if chosen.highpass is not None:
        samples = filtered(samples, chosen.highpass, sample_rate)
    return fit(samples, request_of(chosen, sample_rate, **changes), progress=progress)


def _decisive() -> set[str]:
    return {*Settings().request_values(1.0).keys() - {"sample_rate"}, "preset", "highpass"}


def _signature() -> inspect.Signature:
    """The signature of `optimize`: every setting of the transform with its default."""
    own = list(inspect.signature(optimize).parameters.values())[:-1]
    decisive, types = _decisive(), get_type_hints(Settings)
    named = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=types[name])
        for name, parameter in inspect.signature(Settings).parameters.items()
        if name in decisive
    ]
    return inspect.Signature([*own[:2], *named, *own[2:]], return_annotation=Result)


optimize.__signature__ = _signature()  # type: ignore[attr-defined]


def run_sweep(
    source: str,
    settings: SweepSettings,
    *,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
) -> JobOutcome:
    watch = Stopwatch()
    with (
        of_preset(settings),
        Output.open(source, settings, stdout=stdout, products=SWEEP) as output,
    ):
        check_recording(source, settings)
        from dstft_cli.criteria import resolve  # these import torch
        from dstft_cli.fit import resolve_device
        from dstft_cli.fit.sweep import sweep

        device = resolve_device(settings.device, settings.dtype)  # before a long file is read
        names = CRITERIA if settings.criterion == ALL else (settings.criterion,)
        criteria = [resolve(name, settings.order) for name in names]
        with (
            cpu_threads(settings.threads) as threads,
            load_recording(source, settings, progress) as signal,
        ):
            watch.lap("load")
            own = {"device": device.type, "threads": threads, "criterion": names[0]}
            own["window_mode"] = OPTIONS["window_mode"].default  # with or without `emit`
            request = request_of(settings, signal.sample_rate, **own)
            if settings.emit != "none":  # as far as known before the sweep
                known = request.hop_length or 0.0, request.n_fft or 0, None, request.window
                check_emitted(settings.emit, *known)
            with naming(signal):
                found = sweep(
                    signal.samples, request, criteria=criteria, peak=signal.peak, progress=progress
                )
            log.info(
                f"swept {len(found.lengths)} window lengths in {found.seconds['search']:.2f} s over "
                f"{found.looked_at:.0%} of the signal"
            )
            watch.lap("sweep")
            if progress is not None and output.draws:
                progress("picture", 0, 0)
            write_sweep(output, settings, found, picture_title(signal, settings), signal)
            output.send("csv", sweep_csv(found))
            watch.lap("write")
            warnings = recording_warnings(signal, settings, float(found.lengths.min()))
            resolved = {name: settings.as_dict()[name] for name in SWEEP_OPTIONS}
            record = sweep_record(
                found,
                settings={**resolved, "device": device.type},
                signal_info=input_record(signal),
                seconds=watch.times("load", "write"),
                warnings=[
                    *map(as_flags, warnings),
                    *warnings_of((*found.notes, *picture_notes(signal, settings))),
                ],
            )
            output.write_record(record)
    return JobOutcome(record, output.directory)


def write_sweep(
    output: Output,
    settings: SweepSettings,
    found: Sweep,
    title: str,
    signal: Signal | None = None,
    quartiles: FloatArray | None = None,
) -> None:
    """Picture, verdict as code and curves of a sweep, of one recording or (None) of several."""
    if output.draws:
        from dstft_cli.plot.sweep import draw_sweep

        picture = draw_sweep(found, title=title, look=settings, quartiles=quartiles)
        output.send("png", picture)
        if output.holds_figures:
            output.write(f"sweep.{settings.format}", picture)
    if settings.emit != "none":
        output.emit(emitted_verdict(found, settings.emit, settings, signal))
    if output.directory is not None:
        output.write("sweep.csv", sweep_csv(found))
