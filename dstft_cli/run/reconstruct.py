"""`dstft reconstruct`: the audio from a directory of results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.audio import audio_format, write_audio
from dstft_cli.errors import InputError, counted, printable
from dstft_cli.records import Progress
from dstft_cli.results import StoredParameters, StoredTransform, atomic_file, disk_errors, open_stft
from dstft_cli.run.apply import read_learned
from dstft_cli.stft import Inverse, LeastSquaresInverse, Transform, inverse_of

_FULL_SCALE = 1 + 1e-5  # up to half a step of PCM_16 above 1 is rounding, not clipping


def run_reconstruct(
    directory: Path,
    output: str | None = None,
    *,
    subtype: str | None = None,
    force: bool = False,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
) -> tuple[list[str], list[str]]:
    """Writes the audio whose transform a directory holds; lines of a summary, and warnings.

    Memory depends on n_fft and the number of channels, not on the duration.
    """
    if output is None:
        name = Path(os.path.realpath(directory)).name
        output = f"{name}-reconstructed.wav"
    path = None if output == "-" else Path(output)
    container, subtype = audio_format(path, subtype)
    stored = read_learned(directory)
    with ExitStack() as stack:
        transform = stack.enter_context(open_stft(directory / "stft.npy"))
        inverse = _inverse(stored, transform, directory)
        file = stdout
        if path is not None:
            file = stack.enter_context(atomic_file(path, force=force, kind="audio"))
        assert file is not None
        beyond = 0

        def blocks() -> Iterator[NDArray[np.float64]]:
            nonlocal beyond
            done = 0
            for block in inverse.samples(_read(transform, inverse)):
                if subtype != "FLOAT":
                    beyond += int(np.count_nonzero(np.abs(block) > _FULL_SCALE))
                done += block.shape[1]
                if progress is not None:
                    progress("reconstruct", done, stored.samples)
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
    if isinstance(inverse, LeastSquaresInverse):
        steps = counted(inverse.iterations, "iteration")
        summary.append(f"least squares  {steps}, residual {inverse.residual:.1g}")
    if path is not None:
        summary.append(f"audio          {path}")
    return summary, _warnings(inverse, stored.samples, beyond)


def _warnings(inverse: Inverse | LeastSquaresInverse, samples: int, beyond: int) -> list[str]:
    lines, remedy = [], "learn again with a lower `hop_length` or `overlap`"
    for count, what in (
        (inverse.uncovered, "covered by no window and set to zero"),
        (inverse.weak, "covered only by the ends of windows and inexact"),
    ):
        if count:
            lines.append(f"{count} samples ({count / samples:.2g} of all) are {what}: {remedy}")
    if isinstance(inverse, LeastSquaresInverse) and not inverse.converged:
        lines.append(
            f"least squares stopped after {inverse.iterations} iterations, residual "
            f"{inverse.residual:.1g}, and the audio may be inexact: {remedy}"
        )
    if beyond:
        lines.append(f"{beyond} values are beyond [-1, 1] and clipped: use `subtype` FLOAT")
    return lines


def _inverse(
    stored: StoredParameters, transform: StoredTransform, directory: Path
) -> Inverse | LeastSquaresInverse:
    expected = (len(stored.frequencies), len(stored.frame_centers))
    if transform.shape[-2:] != expected:
        raise InputError(
            f"{printable(directory / 'stft.npy')} has shape {transform.shape}, where parameters.npz "
            f"has {expected[0]} frequencies and {expected[1]} frames: run dstft optimize again"
        )
    double = transform.dtype == np.complex128
    options: dict[str, Any] = {
        "channels": transform.channels,
        "dtype": torch.float64 if double else torch.float32,
        "threads": torch.get_num_threads(),
    }
    kind = Transform(stored.n_fft, stored.window, stored.normalization)
    tiles, centers = stored.length_map, stored.frame_centers
    if tiles is None:
        return inverse_of(kind, centers, stored.window_length, stored.samples, **options)
    frequencies = stored.frequencies
    return LeastSquaresInverse(
        kind,
        centers,
        np.array([[float(tiles.lengths.max())]]),
        stored.samples,
        length_of=lambda start, stop: tiles.at(frequencies, centers[start:stop]),
        **options,
    )


def _read(transform: StoredTransform, inverse: Inverse | LeastSquaresInverse) -> Iterator[Tensor]:
    for start in inverse.starts():
        stop = min(start + inverse.block, transform.shape[-1])
        yield torch.from_numpy(transform.frames(start, stop))
