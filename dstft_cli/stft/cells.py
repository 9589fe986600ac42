"""The transform with a window length for every time-frequency cell.

`X[f, i]` needs the window `w(·; θ[f, i])` on frame `i`, and its Fourier transform at bin `f` alone. So a
frame costs one FFT per length that occurs in it: few where lengths are equal over patches of the
plane, F at most. Each distinct pair of a frame and a length is transformed once, and every cell takes
its bin from its pair; the values are those of the definition, without interpolation.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, time- and frequency-varying lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

if TYPE_CHECKING:
    from dstft_cli.stft.transform import Transform

_BATCH_SAMPLES = 1 << 19  # of all pairs and channels transformed at a time


@dataclass(frozen=True)
class Pairs:
    """The distinct pairs of a frame and a window length in a block of n frames.

    Attributes:
        frames: number of the frame within the block, rising, `[P]`.
        lengths: samples, `[P]`.
        index: pair of each cell, `[n, F]`.
    """

    frames: NDArray[np.int64]
    lengths: NDArray[np.float64]
    index: NDArray[np.int64]

    def batches(self, most: int) -> Iterator[tuple[slice, slice]]:
        """Slices of frames and of their pairs, at most `most` pairs where a frame has no more."""
        counts = np.bincount(self.frames, minlength=len(self.index))
        ends = np.cumsum(counts)
        start = 0
        while start < len(ends):
            first = int(ends[start - 1]) if start else 0
            stop = max(int(np.searchsorted(ends, first + most, side="right")), start + 1)
            yield slice(start, stop), slice(first, int(ends[stop - 1]))
            start = stop


def pairs_of(lengths: NDArray[np.floating[Any]]) -> Pairs:
    """The pairs of lengths `[F, n]`, samples."""
    rows = np.ascontiguousarray(lengths.T, dtype=np.float64)
    starts = np.ones(rows.shape, dtype=bool)  # of runs of equal lengths along frequency
    np.not_equal(rows[:, 1:], rows[:, :-1], out=starts[:, 1:])
    frame, _ = np.nonzero(starts)
    distinct, inverse = np.unique(frame + 1j * rows[starts], return_inverse=True)
    run = np.cumsum(starts).reshape(rows.shape) - 1
    return Pairs(distinct.real.astype(np.int64), distinct.imag.copy(), inverse.reshape(-1)[run])


def cell_spectra(
    transform: Transform,
    frames: Tensor,
    fractions: Tensor,
    lengths: NDArray[np.floating[Any]],
    *,
    derivatives: bool = False,
) -> tuple[Tensor, ...]:
    """`X` of a block of frames, and on demand its derivatives.

    Args:
        transform: FFT size K, window family, normalization.
        frames: `[C, n, K]`.
        fractions: fractional parts of the centres, samples, `[n]`, or `[1]` where all are equal.
        lengths: window lengths, samples, `[F, n]`.
        derivatives: also `∂X/∂θ[f, i]` and `∂X/∂t_i`, per sample.

    Returns:
        `X`, or `X`, `∂X/∂θ`, `∂X/∂t`; each complex `[C, n, F]`.
    """
    pairs = pairs_of(lengths)
    channels, n, _ = frames.shape
    kind = torch.complex64 if frames.dtype == torch.float32 else torch.complex128
    found = tuple(
        torch.empty((channels, n, transform.bins), dtype=kind, device=frames.device)
        for _ in range(3 if derivatives else 1)
    )
    theta = torch.from_numpy(pairs.lengths).to(frames.dtype).to(frames.device)
    owner = torch.from_numpy(pairs.frames).to(frames.device)
    index = torch.from_numpy(pairs.index).to(frames.device)
    most = max(_BATCH_SAMPLES // (transform.n_fft * channels), 1)
    for rows, members in pairs.batches(most):
        of = owner[members]
        part = fractions if len(fractions) == 1 else fractions[of]
        windows = (
            transform.window_derivatives(part, theta[members])
            if derivatives
            else (transform.windows(part, theta[members]),)
        )
        taken = (index[rows] - members.start).expand(channels, -1, -1)
        picked = frames[:, of]
        for X, w in zip(found, windows, strict=True):
            X[:, rows] = torch.fft.rfft(picked * w).gather(1, taken)
    return found
