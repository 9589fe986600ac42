"""`dstft apply` and `dstft reconstruct`: what was learned, on another recording; the audio of results."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dstft_cli.audio import audio_format, content_digest, write_audio
from dstft_cli.errors import UsageError, counted, printable
from dstft_cli.records import Note, Progress, StoredParameters, tell
from dstft_cli.results import (
    Output,
    StoredRecord,
    StoredTransform,
    array_in,
    atomic_file,
    damaged,
    disk_errors,
    open_stft,
    read_result,
)
from dstft_cli.run.emit import check_emitted, check_global
from dstft_cli.run.optimize import JobOutcome, Stopwatch, cpu_threads, log, request_of, write_record
from dstft_cli.run.recording import check_recording, load_recording, naming
from dstft_cli.run.sizes import size_note
from dstft_cli.run.stored import read_learned
from dstft_cli.settings import OPTIONS, RUN_OPTIONS, Settings, settings_in_record
from dstft_cli.settings.rules import TYPED

if TYPE_CHECKING:
    from dstft_cli.stft import Inverse, LeastSquaresInverse

_FULL_SCALE = 1 + 1e-5  # up to half a step of PCM_16 above 1 is rounding, not clipping


def run_apply(
    directory: Path,
    source: str,
    own: Settings,
    *,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
    note: Callable[[str], None] = log.info,
) -> JobOutcome:
    """Computes the transform of a recording with the parameters in a directory of results.

    `note` is called, before anything is written, with a line about outputs that are large.
    """
    watch = Stopwatch()
    stored = read_learned(directory)
    if own.emit != "none":
        check_global(stored.window_length, stored.frame_centers, own.emit)
    record = read_result(directory / "result.json")
    under = _settings_of(record, own, directory)
    # code that a result.json names is run only if the command line names it too
    left_out = ":" in under.criterion and own.ranks.get("criterion") != TYPED
    with Output.open(source, own, stdout=stdout) as output:
        place = output.directory
        if place is not None and os.path.realpath(place) == os.path.realpath(directory):
            raise UsageError(
                f"{printable(place)} holds the parameters that are applied: choose another `output`"
            )
        check_recording(source, own)
        import torch

        from dstft_cli.fit import resolve_device
        from dstft_cli.fit.transfer import apply_learned
        from dstft_cli.run.output import write_result

        device = resolve_device(own.device, own.dtype)
        with (
            cpu_threads(own.threads) as threads,
            load_recording(source, own, progress, learns=False) as signal,
        ):
            watch.lap("load")
            request = request_of(under, signal.sample_rate, device=device.type, threads=threads)
            torch.manual_seed(under.seed)
            with naming(signal):
                result = apply_learned(
                    signal.samples,
                    stored,
                    request,
                    peak=signal.peak,
                    evaluate=not left_out,
                    progress=progress,
                )
            if own.emit != "none":
                learned_hop = result.hop_length * stored.sample_rate / result.sample_rate
                check_emitted(
                    own.emit,
                    result.hop_length,
                    result.n_fft,
                    result.length,
                    result.window,
                    again="run dstft optimize again with",
                    whole_at=stored.sample_rate if learned_hop % 1 == 0 else None,
                )
            watch.lap("fit")
            notes = [*result.notes, *_filter_notes(record, own, directory)]
            if left_out:
                notes.append(Note("criterion_left_out", "criterion", detail=under.criterion))
            result = replace(result, notes=tuple(notes))
            asked = replace(under, hop_length=None)  # it was not asked for here
            if text := size_note(asked, signal, (result.n_fft, result.hop_length)):
                note(text)
            write_result(output, asked, signal, result, device, progress, learned=False)
            watch.lap("write")
            resolved = under.as_dict() | {"device": device.type, "threads": threads}
            extra = {"learned_in": str(directory)}
            return write_record(
                output, asked, signal, result, watch, resolved, signal.warnings, extra
            )


def _filter_notes(record: StoredRecord, own: Settings, directory: Path) -> Iterator[Note]:
    """A note if the recording has another filter than the one learned from."""
    found = record.settings.get("highpass")
    highpass = float(found) if isinstance(found, (int, float)) else None
    if highpass != own.highpass:
        how, remedy = "without a filter", "leave `highpass` out"
        if highpass is not None:
            how, remedy = f"above {highpass:g} Hz", f"give `highpass` {highpass:g} too"
        text = (
            f"{printable(directory)} was learned from a recording {how}, this one has another "
            f"filter: {remedy}"
        )
        yield Note("learned_elsewhere", detail=text)


def _settings_of(record: StoredRecord, own: Settings, directory: Path) -> Settings:
    path = directory / "result.json"
    try:
        learned = settings_in_record(
            {name: record.settings[name] for name in OPTIONS.keys() - {*RUN_OPTIONS, "preset"}}
        )
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, "lacks the settings of a run or is damaged") from error
    if learned.hop_length is None:
        raise damaged(path, "holds no hop length")
    changes = {name: getattr(own, name) for name in RUN_OPTIONS}
    if own.ranks.get("criterion") == TYPED:
        changes["criterion"] = own.criterion
        if own.criterion != learned.criterion:
            changes["order"] = None
    return replace(learned, **changes)


def run_reconstruct(
    directory: Path,
    output: str | None = None,
    *,
    subtype: str | None = None,
    force: bool = False,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
) -> tuple[list[str], list[str]]:
    """Writes the audio whose transform a directory holds; lines of a summary, and warnings."""
    import torch

    from dstft_cli.stft import LeastSquaresInverse

    if output is None:
        output = f"{Path(os.path.realpath(directory)).name}-reconstructed.wav"
    path = None if output == "-" else Path(output)
    container, subtype = audio_format(path, subtype)
    stored = read_learned(directory, array=True)
    record, known = directory / "result.json", None if path is None else content_digest(path)
    if known and record.exists() and known == read_result(record).input.sha256:
        raise UsageError(f"{printable(path or '')} is the recording itself: name another file")
    tell(progress, "reconstruct")
    with ExitStack() as stack:
        transform = stack.enter_context(open_stft(array_in(directory, "stft")))
        inverse = _inverse(stored, transform, directory)
        file = stdout
        if path is not None:
            file = stack.enter_context(atomic_file(path, force=force, kind="audio"))
        assert file is not None
        beyond, frames = 0, transform.shape[-1]

        def blocks() -> Iterator[NDArray[np.float64]]:
            nonlocal beyond
            done = 0
            starts = inverse.starts()
            parts = (
                transform.frames(start, min(start + inverse.block, frames)) for start in starts
            )
            for block in inverse.samples(map(torch.from_numpy, parts)):
                if subtype != "FLOAT":
                    beyond += int(np.count_nonzero(np.abs(block) > _FULL_SCALE))
                done += block.shape[1]
                tell(progress, "reconstruct", done, stored.samples)
                yield block

        with disk_errors(path or "standard output"):
            write_audio(
                file,
                blocks(),
                samples=stored.samples,
                sample_rate=stored.sample_rate,
                channels=transform.channels,
                container=container,
                subtype=subtype,
            )
    summary = [
        f"reconstructed  {stored.samples} samples, {stored.samples / stored.sample_rate:.3f} s, "
        f"{stored.sample_rate:g} Hz, {counted(transform.channels, 'channel')}"
    ]
    if stored.offset:
        summary.append(f"begins at      {stored.offset:g} s of the recording")
    warnings = list(_doubts(inverse, stored.samples))
    if isinstance(inverse, LeastSquaresInverse):
        steps = counted(inverse.iterations, "iteration")
        summary.append(f"least squares  {steps}, residual {inverse.residual:.1g}")
    if path is not None:
        summary.append(f"audio          {path}")
    if beyond:
        warnings.append(f"{beyond} values are beyond [-1, 1] and clipped: use `subtype` FLOAT")
    return summary, warnings


def _doubts(inverse: Inverse | LeastSquaresInverse, samples: int) -> Iterator[str]:
    """Warnings where the audio may not be exact."""
    from dstft_cli.stft import LeastSquaresInverse

    remedy = "learn again with a lower `hop_length` or `overlap`"
    for count, what in (
        (inverse.uncovered, "covered by no window and set to zero"),
        (inverse.weak, "covered only by the ends of windows and inexact"),
    ):
        if count:
            yield f"{count} samples ({count / samples:.2g} of all) are {what}: {remedy}"
    if isinstance(inverse, LeastSquaresInverse) and not inverse.converged:
        yield (
            f"least squares stopped after {inverse.iterations} iterations, residual "
            f"{inverse.residual:.1g}, and the audio may be inexact: {remedy}"
        )


def _inverse(
    stored: StoredParameters, transform: StoredTransform, directory: Path
) -> Inverse | LeastSquaresInverse:
    import torch

    from dstft_cli.stft import LeastSquaresInverse, Transform, inverse_of

    if transform.shape[-2:] != (len(stored.frequencies), len(stored.frame_centers)):
        raise damaged(array_in(directory, "stft"), "does not fit parameters.npz")
    options: dict[str, Any] = {
        "channels": transform.channels,
        "dtype": torch.float64 if transform.dtype == np.complex128 else torch.float32,
        "threads": torch.get_num_threads(),
    }
    kind = Transform(stored.n_fft, stored.window, stored.normalization)
    tiles, centers, frequencies = stored.length_map, stored.frame_centers, stored.frequencies
    if tiles is None:
        return inverse_of(kind, centers, stored.window_length, stored.samples, **options)
    return LeastSquaresInverse(
        kind,
        centers,
        np.array([[float(tiles.lengths.max())]]),
        stored.samples,
        length_of=lambda start, stop: tiles.at(frequencies, centers[start:stop]),
        **options,
    )
