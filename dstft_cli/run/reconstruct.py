"""`dstft reconstruct`: the audio from a directory of results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.audio import audio_format, write_audio
from dstft_cli.errors import InputError, printable
from dstft_cli.records import Progress
from dstft_cli.results import StoredParameters, StoredTransform, atomic_file, disk_errors, open_stft
from dstft_cli.run.apply import read_learned
from dstft_cli.stft import Inverse, LeastSquaresInverse, Transform, inverse_of

_FULL_SCALE = 1 + 1e-5  # up to half a step of PCM_16 above 1 is rounding, not clipping


@dataclass(frozen=True)
class Reconstruction:
    """The audio that was written."""

    output: Path | None  # its path; None for a stream
    samples: int  # per channel
    channels: int  # number of them
    sample_rate: float  # Hz
    uncovered: int  # samples that no window covers, set to zero
    weak: int  # samples near the ends of windows, with an error above 1e-4 of the level
    clipped: int  # values beyond the range of a PCM subtype
    iterations: int | None = None  # of least squares
    residual: float | None = None  # relative difference of its transform from the saved one
    converged: bool = True  # whether the iterations converged

    @property
    def summary(self) -> list[str]:
        """Lines for a person."""
        channels = f"{self.channels} channel{'s' * (self.channels > 1)}"
        lines = [
            f"reconstructed  {self.samples} samples, {self.samples / self.sample_rate:.3f} s, "
            f"{self.sample_rate:g} Hz, {channels}"
        ]
        if self.iterations is not None:
            steps = f"{self.iterations} iteration{'s' * (self.iterations != 1)}"
            lines.append(f"least squares  {steps}, residual {self.residual:.1g}")
        return lines if self.output is None else [*lines, f"audio          {self.output}"]

    @property
    def warnings(self) -> list[str]:
        """One line each, with the remedy."""
        lines = []
        for count, what in (
            (self.uncovered, "covered by no window and set to zero"),
            (self.weak, "covered only by the ends of windows and inexact"),
        ):
            if count:
                lines.append(
                    f"{count} samples ({count / self.samples:.2g} of all) are {what}: "
                    "learn again with a lower `hop_length` or `overlap`"
                )
        if not self.converged:
            lines.append(
                f"least squares stopped after {self.iterations} iterations, residual "
                f"{self.residual:.1g}, and the audio may be inexact: "
                "learn again with a lower `hop_length` or `overlap`"
            )
        if self.clipped:
            lines.append(
                f"{self.clipped} values are beyond [-1, 1] and clipped: use `subtype` FLOAT"
            )
        return lines


def run_reconstruct(
    directory: Path,
    output: str | None = None,
    *,
    subtype: str | None = None,
    force: bool = False,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
) -> Reconstruction:
    """Writes the audio whose transform a directory of results holds.

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
        limit = np.inf if subtype == "FLOAT" else _FULL_SCALE
        watch = _Watch(limit, stored.samples, progress)
        with disk_errors(path or "standard output"):
            write_audio(
                file,
                map(watch.look, inverse.samples(_read(transform, inverse))),
                samples=stored.samples,
                sample_rate=stored.sample_rate,
                channels=transform.channels,
                container=container,
                subtype=subtype,
            )
    solver = inverse if isinstance(inverse, LeastSquaresInverse) else None
    return Reconstruction(
        output=path,
        samples=stored.samples,
        channels=transform.channels,
        sample_rate=stored.sample_rate,
        uncovered=inverse.uncovered,
        weak=inverse.weak,
        clipped=watch.beyond,
        iterations=solver.iterations if solver else None,
        residual=solver.residual if solver else None,
        converged=solver.converged if solver else True,
    )


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


class _Watch:
    """Reports progress of blocks, and counts values beyond a limit."""

    def __init__(self, limit: float, samples: int, progress: Progress | None) -> None:
        self._limit, self._samples, self._progress = limit, samples, progress
        self._done = self.beyond = 0

    def look(self, block: NDArray[np.float64]) -> NDArray[np.float64]:
        self.beyond += int(np.count_nonzero(np.abs(block) > self._limit))
        self._done += block.shape[1]
        if self._progress is not None:
            self._progress("reconstruct", self._done, self._samples)
        return block
