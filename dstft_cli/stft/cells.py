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
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.transform import Transform

_BATCH_SAMPLES = 1 << 19  # of all pairs and channels transformed at a time
_ROW_VALUES = 1 << 24  # of windows that an operator keeps between calls


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


class CellOperator:
    """The transform of a block of frames, prepared once for many calls, and its adjoint.

    The inner product of spectra is that of the whole spectrum of K bins, over K,

        ⟨X, Y⟩ = 1/K · Σ_i Σ_f c_f · Re(X̄[f, i] · Y[f, i]),

    with `c_f = 1` at f = 0 and, where K is even, at f = K/2, and 2 between, where a bin stands for two.
    Under it the adjoint of the transform with one length is `w · irfft(X)`.

    Args:
        transform: FFT size K, window family, normalization.
        fractions: fractional parts of the centres, samples, `[n]`, or `[1]` where all are equal, in
            the dtype of the frames.
        lengths: window lengths, samples, `[F, n]`.

    Attributes:
        energies: `Σ_k w²` of the window of each cell, `[n, F]`.
    """

    def __init__(
        self, transform: Transform, fractions: Tensor, lengths: NDArray[np.floating[Any]]
    ) -> None:
        self._transform = transform
        self._pairs = pairs_of(lengths)
        self._of = torch.from_numpy(self._pairs.frames)
        self._index = torch.from_numpy(self._pairs.index)
        theta = torch.from_numpy(self._pairs.lengths).to(fractions.dtype)
        part = fractions.expand(len(theta)) if len(fractions) == 1 else fractions[self._of]
        distinct, which = np.unique(
            np.stack([part.double().numpy(), theta.double().numpy()]), axis=1, return_inverse=True
        )
        self._part, self._theta = torch.from_numpy(distinct).to(fractions.dtype)
        self._row = torch.from_numpy(which.reshape(-1))
        self._rows = None
        if len(self._part) * transform.n_fft <= _ROW_VALUES:
            self._rows = self._new_rows(slice(None))
        energies = torch.cat([w.square().sum(-1) for _, _, w in self._batches(1)])
        self.energies = energies[self._index]

    def spectra(self, frames: Tensor) -> Tensor:
        """`A x`: complex `[C, n, F]` for frames `[C, n, K]`."""
        channels = len(frames)
        kind = torch.complex64 if frames.dtype == torch.float32 else torch.complex128
        found = torch.empty((channels, *self._index.shape), dtype=kind)
        for rows, members, w in self._batches(channels):
            taken = (self._index[rows] - members.start).expand(channels, -1, -1)
            spectra = torch.fft.rfft(frames[:, self._of[members]].mul_(w))
            torch.gather(spectra, 1, taken, out=found[:, rows])
        return found

    def adjoint(self, X: Tensor) -> Tensor:
        """`A* X`: frames `[C, n, K]` for spectra `[C, n, F]`."""
        channels, n, bins = X.shape
        frames = torch.zeros((channels, n, self._transform.n_fft), dtype=X.real.dtype)
        for rows, members, w in self._batches(channels):
            taken = (self._index[rows] - members.start).expand(channels, -1, -1)
            parts = X.new_zeros((channels, len(w), bins)).scatter_(1, taken, X[:, rows])
            y = torch.fft.irfft(parts, n=self._transform.n_fft).mul_(w)
            frames.index_add_(1, self._of[members], y)
        return frames

    def squares(self, share: NDArray[np.float64]) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Sums of squared windows `w / ‖w‖` over bands of bins, in blocks of frames.

        Args:
            share: factor of each bin's window in each of B bands, `[F, B]`.

        Yields:
            Frames, `Σ_f share · w²` `[n, B, K]` and `Σ_f share · max_k w²` `[n, B]`.
        """
        bands = share.shape[1]
        bins, band = np.nonzero(share)
        for rows, members, w in self._batches(bands):
            pair = self._pairs.index[rows][:, bins] - members.start
            keys, inverse = np.unique(pair * bands + band, return_inverse=True)
            factors = np.bincount(
                inverse.reshape(-1), np.broadcast_to(share[bins, band], pair.shape).reshape(-1)
            )
            factor = torch.from_numpy(factors).to(w.dtype)[:, None]
            pair, band_of = torch.from_numpy(keys // bands), torch.from_numpy(keys % bands)
            count = rows.stop - rows.start
            target = (self._of[members][pair] - rows.start) * bands + band_of
            squared = w.square()
            squared /= squared.sum(-1, keepdim=True).clamp_min_(torch.finfo(w.dtype).tiny)
            sums = w.new_zeros((count * bands, w.shape[-1]))
            sums.index_add_(0, target, squared[pair].mul_(factor))
            tops = w.new_zeros(count * bands)
            tops.index_add_(0, target, squared.amax(-1)[pair] * factor[:, 0])
            yield rows, sums.reshape(count, bands, -1), tops.reshape(count, bands)

    def _batches(self, channels: int) -> Iterator[tuple[slice, slice, Tensor]]:
        """Frames, their pairs, and the windows of the pairs."""
        most = max(_BATCH_SAMPLES // (self._transform.n_fft * channels), 1)
        for rows, members in self._pairs.batches(most):
            which = self._row[members]
            yield rows, members, self._new_rows(which) if self._rows is None else self._rows[which]

    def _new_rows(self, which: slice | Tensor) -> Tensor:
        part, theta = self._part[which], self._theta[which]
        if not self._part.any():  # windows of whole centres are computed by halves
            part = part[:1]
        return self._transform.windows(part, theta)
