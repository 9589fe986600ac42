"""`dstft plot`: a picture drawn from the files of a result, without learning."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from dstft_cli.errors import InputError, printable
from dstft_cli.plot.pictures import FINE, Frames, Pictures
from dstft_cli.plot.style import check_look
from dstft_cli.records import Progress, Result, tell
from dstft_cli.results import (
    StoredTransform,
    atomic_file,
    check_kind,
    damaged,
    disk_errors,
    open_stft,
    read_result,
    saved_array,
)
from dstft_cli.results.load import load
from dstft_cli.results.output import check_ending
from dstft_cli.run.recording import clock_of, picture_title
from dstft_cli.run.stored import recording_of, result_of, settings_of
from dstft_cli.settings import FIGURE_FORMATS, PICTURE_OPTIONS, Settings

BLOCK = 1 << 22  # values of an array, read at a time
LOUDEST = 1e18  # magnitude, whose power single precision can hold


def drawn_with(directory: Path) -> Mapping[str, Any]:
    """The options of pictures that a result was drawn with; `panels` are the learned one by default."""
    check_kind(directory, array=True)
    used = settings_of(read_result(directory / "result.json"), directory).as_dict()
    return {"panels": "learned"} | {n: used[n] for n in PICTURE_OPTIONS if used[n] is not None}


def format_of(output: str | None, given: str | None) -> str | None:
    """The format that the ending of a file name asks for; UsageError if another one was given."""
    path = Path(output or "")
    ending = path.suffix.lower().removeprefix(".")
    if given is None and ending in FIGURE_FORMATS:
        return ending
    check_ending(f"`output` {printable(path)}", path, given or FIGURE_FORMATS[0])
    return given


def run_plot(
    directory: Path,
    settings: Settings,
    output: str | None = None,
    *,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
) -> str:
    """Draws a result into a file, by default NAME.FORMAT, or standard output; a line that tells from what.

    Spectrograms are those of the array, or, in a range that has few of its frames, of the recording.
    """
    record = read_result(directory / "result.json")
    learned = settings_of(record, directory)
    look = replace(learned, **{name: getattr(settings, name) for name in PICTURE_OPTIONS})
    check_look(look)
    recorded = clock_of(record.input.path, settings)
    name = output or f"{Path(os.path.realpath(directory)).name}.{look.format}"
    with ExitStack() as stack:
        file = stdout
        if name != "-":
            place = atomic_file(Path(name), force=settings.force, kind="png")
            file = stack.enter_context(place)
        assert file is not None
        stored = load(directory)
        p = stored.parameters
        array = stack.enter_context(open_stft(*saved_array(directory)))
        own: dict[str, Any] = {"title": picture_title(record.input, look), "recorded": recorded}
        own |= {"offset": p.offset, "channels": array.channels}
        result = fine = result_of(p, learned, record)
        pictures = Pictures(fine, look, **own)
        if stored.spectrogram is not None:
            centers, lengths = (stored.times - p.offset) * p.sample_rate, stored.window_length
            within = (lengths >= 1) & (lengths <= p.n_fft)
            if not (np.diff(centers) > 0).all() or not within.all():
                raise damaged(directory, "has a damaged parameters.npz")
            result = replace(fine, frame_centers=centers, lengths=lengths)
        coarse = Pictures(result, look, stored=True, **own)
        signal, plain = None, pictures.plain()
        if plain or coarse.learned.centers.size < FINE:
            try:
                signal = stack.enter_context(recording_of(record, learned))
            except InputError as error:
                if plain:
                    raise InputError(f"{error}: leave plain and best out of `panels`") from error
        if signal is not None:
            import torch  # only here: most pictures need none

            from dstft_cli.run.output import Passes

            passes = Passes(signal, fine, learned, torch.device("cpu"), progress)
            for frames in (pictures.learned, *plain):
                passes.fill(frames)
        elif array.shape[-2:] != (len(stored.frequencies), result.frames):
            raise damaged(directory, "has a spectrogram that does not fit parameters.npz")
        else:
            pictures = coarse
            _fill(coarse.learned, array, result, progress)
        with disk_errors("standard output" if name == "-" else name):
            file.write(pictures.comparison(plain))
            file.flush()
    source = "its array" if signal is None else printable(record.input.path)
    return f"picture  {name}, drawn from {source}"


def _fill(
    frames: Frames, array: StoredTransform, result: Result, progress: Progress | None
) -> None:
    """Pools the frames of the array, some at a time."""
    first = int(np.searchsorted(result.frame_centers, frames.centers[0]))
    size = max(BLOCK // (array.channels * array.shape[-2]), 1)
    for start in range(0, frames.centers.size, size):
        stop = min(start + size, frames.centers.size)
        block = np.abs(array.frames(first + start, first + stop)).astype(np.float64)
        power = np.square(np.minimum(block, LOUDEST))
        frames.pool.add(start, np.sqrt(power.mean(axis=0)))
        tell(progress, "spectrogram", stop, frames.centers.size)
