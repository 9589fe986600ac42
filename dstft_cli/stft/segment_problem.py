"""The normal equations of least squares on one segment of a signal, and conjugate gradients on them.

Formulas and sources: see `stft.least_squares`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.coverage import lost_and_weak
from dstft_cli.stft.frames import Frames

Array64 = NDArray[np.float64]

MOST_ITERATIONS = 200
TOLERANCE = {
    torch.float32: 1e-7,
    torch.float64: 1e-11,
}  # of the gradient, relative to the transform
_BANDS = 16  # of bins, in each of which a sample should be covered


class Operator(Protocol):
    """`cells.CellOperator` or `bank_operator.BankOperator`."""

    energies: Tensor

    def spectra(self, frames: Tensor) -> Tensor: ...
    def adjoint(self, X: Tensor) -> Tensor: ...
    def squares(self, share: Array64) -> Iterator[tuple[slice, Tensor, Tensor]]: ...


class SegmentProblem:
    """The least-squares problem of one segment.

    Args:
        operator_of: the transform of the frames, given the fractional parts of their centres, `[n]`.
        centers: of the frames, samples from the start of the segment, `[n]`.
        size: M, samples of the segment.
        n_fft: FFT size K.
        dtype: precision of the transform.

    Attributes:
        lost, weak: samples of the segment that are not or hardly determined, `[M]`.
    """

    def __init__(
        self,
        operator_of: Callable[[Tensor], Operator],
        centers: Array64,
        size: int,
        n_fft: int,
        dtype: torch.dtype,
    ) -> None:
        self._n_fft = n_fft
        self._dtype = dtype
        self._size = size
        self._centers = centers
        self._firsts = (np.floor(centers).astype(np.int64) - n_fft // 2).tolist()
        probe = self._frames(np.zeros((1, 1)))
        self._operator = operator_of(probe.fractions(0, len(probe)))
        energies = self._operator.energies
        # a window shorter than a sample may fall between two: there is nothing of its cell
        self._weights = energies.reciprocal().masked_fill_(energies <= 0, 0)
        share = _band_shares(n_fft)
        self._count = torch.from_numpy(share.sum(axis=1))
        self._inverse_diagonal = self._covered(share)

    def energy(self, X: Tensor, frames: slice = slice(None)) -> Array64:
        """`⟨X, X⟩` of each channel, cells weighted, `[C]`."""
        squared = torch.view_as_real(X).square().sum(-1) * self._weights[frames]
        return (squared.sum(1, dtype=torch.float64) @ self._count).numpy()

    def solve(self, X: Tensor) -> tuple[Array64, Tensor, int, bool]:
        """Signal `[C, M]`, `X − A x`, iterations, and whether they sufficed."""
        limit = TOLERANCE[self._dtype] * np.sqrt(self.energy(X))
        x = np.zeros((len(X), self._size))
        rest = X.clone()
        gradient = self._adjoint(rest)
        step = gradient * self._inverse_diagonal
        slope = (gradient * step).sum(axis=1)
        direction = step
        iterations = 0
        while True:
            active = np.sqrt(slope) > limit
            if not active.any() or iterations == MOST_ITERATIONS:
                return x, rest, iterations, not active.any()
            change = self._spectra(direction)
            curvature = self.energy(change)
            active &= curvature > 0
            size = np.divide(slope, curvature, out=np.zeros_like(slope), where=active)
            x += size[:, None] * direction
            rest -= change.mul_(torch.from_numpy(size).to(self._dtype)[:, None, None])
            gradient = self._adjoint(rest)
            np.multiply(gradient, self._inverse_diagonal, out=step)
            before, slope = slope, (gradient * step).sum(axis=1)
            turn = np.divide(slope, before, out=np.zeros_like(slope), where=active)
            direction = step + turn[:, None] * direction
            iterations += 1

    def _spectra(self, x: Array64) -> Tensor:
        frames = self._frames(x)
        return self._operator.spectra(frames.block(0, len(frames)))

    def _adjoint(self, X: Tensor) -> Array64:
        frames = self._operator.adjoint(X * self._weights).numpy()
        K = self._n_fft
        padded = np.zeros((len(frames), self._size + 2 * K + 2))
        for i, first in enumerate(self._firsts):
            padded[:, first + K + 1 : first + 2 * K + 1] += frames[:, i]
        return padded[:, K + 1 : K + 1 + self._size]

    def _frames(self, x: Array64) -> Frames:
        return Frames(x, self._centers, self._n_fft, dtype=self._dtype)

    def _covered(self, share: Array64) -> Array64:
        """The preconditioner `1/D` `[M]`, zero where samples are lost; sets `lost` and `weak`."""
        K = self._n_fft
        kind = np.float32 if self._dtype == torch.float32 else np.float64
        weight = np.zeros((share.shape[1], self._size + 2 * K + 2), kind)
        top = np.zeros_like(weight)
        for rows, sums, tops in self._operator.squares(share):
            values, peaks = sums.numpy(), tops.numpy()[:, :, None]
            for i, first in enumerate(self._firsts[rows]):
                reach = slice(first + K + 1, first + 2 * K + 1)
                weight[:, reach] += values[i]
                np.maximum(top[:, reach], peaks[i], out=top[:, reach])
        inside = slice(K + 1, K + 1 + self._size)
        weight, top = weight[:, inside], top[:, inside]
        diagonal = weight.sum(axis=0)
        self.lost, weak = lost_and_weak(diagonal, top.sum(axis=0), self._dtype)
        for band, peak in zip(weight, top, strict=True):
            weak |= np.logical_or(*lost_and_weak(band, peak, self._dtype))
        self.weak = weak & ~self.lost
        inverse: Array64 = np.divide(1.0, diagonal, out=np.zeros(self._size), where=~self.lost)
        return inverse


def _band_shares(n_fft: int) -> Array64:
    """`c_f / K` of each bin in its band of the spectrum, `[F, B]`."""
    bins = n_fft // 2 + 1
    count = np.full(bins, 2.0)  # bins that a bin stands for
    count[0] = 1
    if n_fft % 2 == 0:
        count[-1] = 1
    share = np.zeros((bins, min(_BANDS, bins)))
    share[np.arange(bins), np.arange(bins) * share.shape[1] // bins] = count / n_fft
    return share
