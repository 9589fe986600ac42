"""The transform with a window length for every time-frequency cell, in two ways.

`X[f, i]` is the Fourier transform of frame `i` under the window `w(·; θ[f, i])`, at bin `f` only.

With few distinct lengths per frame, as in patches of the plane, there is one FFT per distinct pair of frame
and length, and every cell takes its bin from its pair (`CellOperator`).

With a length per cell, sums over samples cost less (`BandKernel`). With
`C, S = cos, sin(2π f u / K)` and the phase `φ_f = exp(−2πj f ⌊K/2⌋ / K)`,

    X[f, i] = φ_f · (A + jB),
    A = Σ_u w(u; θ[f, i])·s_i[u]·C[f, u],    B = −Σ_u w(u; θ[f, i])·d_i[u]·S[f, u].

Between samples u runs over all K places and `s = d` is the frame. At whole centres windows are even:
u runs over the distances 0 … ⌈K/2⌉−1, `s` and `d` being the sums and differences of the samples at ±u.
With `H = φ̄ G`, `G = ∂L/∂X`, the gradient with respect to a window is
`Q[u] = Re H · s · C − Im H · d · S`, summed over channels.

Values are those of the definition, without interpolation.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, time- and frequency-varying lengths.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.frames import Given, Gradients, Needs, joined_halves, split_halves
from dstft_cli.stft.transform import Transform

_BATCH_SAMPLES = 1 << 19  # of all pairs and channels transformed at a time
_ROW_VALUES = 1 << 24  # of windows that an operator keeps between calls
_BAND_VALUES = 1 << 16  # of bins times places, to stay in the cache over several frames


class CellOperator:
    """The transform of a block of frames by one FFT per pair of frame and length, and its adjoint.

    Args:
        fractions: fractional parts of the centres, samples, `[n]`, or `[1]` where all are equal, in
            the dtype and on the device of the frames.
        lengths: window lengths, samples, `[F, n]`.
        keep: keep the windows for many calls.
    """

    def __init__(
        self,
        transform: Transform,
        fractions: Tensor,
        lengths: NDArray[np.floating[Any]],
        *,
        keep: bool = False,
    ) -> None:
        rows = np.ascontiguousarray(lengths.T, dtype=np.float64)
        starts = np.ones(rows.shape, dtype=bool)  # of runs of equal lengths along frequency
        np.not_equal(rows[:, 1:], rows[:, :-1], out=starts[:, 1:])
        frame, _ = np.nonzero(starts)
        pairs, inverse = np.unique(frame + 1j * rows[starts], return_inverse=True)
        run = np.cumsum(starts).reshape(rows.shape) - 1
        self._pair = inverse.reshape(-1)[run]  # of each cell, [n, F]
        frames = pairs.real.astype(np.int64)
        self._ends = np.cumsum(np.bincount(frames, minlength=len(rows)))  # of the pairs of a frame
        self._transform = transform
        self._of = torch.from_numpy(frames).to(fractions.device)
        self._index = torch.from_numpy(self._pair).to(fractions.device)
        self._theta = torch.from_numpy(pairs.imag.copy()).to(fractions)
        self._part = fractions if len(fractions) == 1 else fractions[self._of]
        self._kept: tuple[Tensor, Tensor] | None = None
        if keep:
            self._keep_rows()

    def spectra(self, frames: Tensor) -> Tensor:
        """`A x`, complex `[C, n, F]`, for frames `[C, n, K]`."""
        return self.transforms(frames)[0]

    def transforms(self, frames: Tensor, slopes: int = 0) -> tuple[Tensor, ...]:
        """`A x` and, with 2 slopes, its derivatives with respect to lengths and centres, per sample."""
        channels, n, _ = frames.shape
        shape, kind = (channels, n, self._transform.bins), frames.dtype.to_complex()
        found = tuple(frames.new_empty(shape, dtype=kind) for _ in range(1 + slopes))
        for rows, members, windows in self._batches(channels, slopes):
            taken = (self._index[rows] - members.start).expand(channels, -1, -1)
            picked = frames[:, self._of[members]]
            for X, w in zip(found, windows, strict=True):
                windowed = picked * w if slopes else picked.mul_(w)
                torch.gather(torch.fft.rfft(windowed), 1, taken, out=X[:, rows])
        return found

    def adjoint(self, G: Tensor) -> Tensor:
        """Gradient of `Re Σ Ḡ A x` with respect to the frames, `[C, n, K]`, for G `[C, n, F]`."""
        channels, n, bins = G.shape
        halved = G / self._transform.bins_counted(G.real)
        frames = G.real.new_zeros((channels, n, self._transform.n_fft))
        for rows, members, (w,) in self._batches(channels):
            taken = (self._index[rows] - members.start).expand(channels, -1, -1)
            parts = G.new_zeros((channels, members.stop - members.start, bins))
            parts.scatter_(1, taken, halved[:, rows])
            y = torch.fft.irfft(parts, n=self._transform.n_fft, norm="forward").mul_(w)
            frames.index_add_(1, self._of[members], y)
        return frames

    def energies(self) -> Tensor:
        """`Σ_k w²` of the window of each cell, `[n, F]`."""
        return torch.cat([w.square().sum(-1) for _, _, (w,) in self._batches(1)])[self._index]

    def squares(self, share: NDArray[np.float64]) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """Frames, `Σ_f share · w²` `[n, B, K]`, `Σ_f share · max_k w²` `[n, B]`; `‖w‖ = 1`."""
        bands = share.shape[1]
        bins, band = np.nonzero(share)
        for rows, members, (w,) in self._batches(bands):
            count, number = rows.stop - rows.start, members.stop - members.start
            pair = self._pair[rows][:, bins] - members.start
            factors = np.bincount(
                (pair * bands + band).reshape(-1),
                np.broadcast_to(share[bins, band], pair.shape).reshape(-1),
                number * bands,
            )
            factor = torch.from_numpy(factors).to(w.dtype).reshape(number, bands, 1)
            squared = w.square()
            squared /= squared.sum(-1, keepdim=True).clamp_min_(torch.finfo(w.dtype).tiny)
            frame = self._of[members] - rows.start
            sums = w.new_zeros((count, bands, w.shape[-1]))
            sums.index_add_(0, frame, squared[:, None] * factor)
            tops = w.new_zeros((count, bands))
            tops.index_add_(0, frame, squared.amax(-1, keepdim=True) * factor[..., 0])
            yield rows, sums, tops

    def _batches(
        self, channels: int, slopes: int = 0
    ) -> Iterator[tuple[slice, slice, tuple[Tensor, ...]]]:
        """Frames, at least one, their pairs, and the windows of the pairs with their slopes."""
        most = max(_BATCH_SAMPLES // (self._transform.n_fft * channels), 1)
        start = first = 0
        while start < len(self._ends):
            stop = int(np.searchsorted(self._ends, first + most, side="right"))
            stop = max(stop, start + 1)
            members = slice(first, int(self._ends[stop - 1]))
            if self._kept is not None and not slopes:
                w, which = self._kept
                windows: tuple[Tensor, ...] = (w[which[members]],)
            else:
                part = self._part if len(self._part) == 1 else self._part[members]
                windows = self._transform.rows(part, self._theta[members], slopes)
            yield slice(start, stop), members, windows
            start, first = stop, members.stop

    def _keep_rows(self) -> None:
        """Computes the distinct windows once, if they are few."""
        part = self._part.expand(len(self._theta)).double().cpu().numpy()
        both = np.stack([part, self._theta.double().cpu().numpy()])
        distinct, which = np.unique(both, axis=1, return_inverse=True)
        if distinct.shape[1] * self._transform.n_fft > _ROW_VALUES:
            return
        fractions, lengths = torch.from_numpy(distinct).to(self._theta)
        if not fractions.any():  # windows of whole centres are computed by halves
            fractions = fractions[:1]
        w = self._transform.windows(fractions, lengths)
        self._kept = w, torch.from_numpy(which.reshape(-1)).to(w.device)


class BandKernel:
    """A band of bins whose cells have windows of their own: spectra, and adjoint derivatives."""

    def __init__(self, transform: Transform, bins: slice, like: Tensor, *, whole: bool) -> None:
        self.bins = bins
        self.windows = bins.stop - bins.start
        self._transform = transform
        self._whole = whole
        self._places = transform.places(like, even=whole)
        self._cosines, self._sines = transform.turns(bins, self._places)
        self._phase = transform.phase(bins, like)

    def spectra(self, given: Given) -> Tensor:
        """`X` of the band, complex `[C, n, B]`; given are the lengths of all bins."""
        (w,) = self._windows(given)
        sums, differences = self._sides(given.frames)
        real = (w * self._cosines) @ sums
        imaginary = (w.mul_(self._sines)) @ differences
        return torch.complex(real, imaginary).permute(2, 0, 1) * self._phase

    def gradients(self, G: Tensor, given: Given, needs: Needs) -> Gradients:
        """Its part in the gradients of frames, centres and lengths, for that of X, G `[C, n, B]`."""
        w, *slope = self._windows(given, 2 if needs[1] else 1 if needs[2] else 0)
        H = (G * self._phase.conj()).permute(1, 2, 0)  # [n, B, C]
        real, imaginary = H.real.contiguous(), H.imag.contiguous()
        by_frames = by_center = by_length = None
        if slope:
            sums, differences = self._sides(given.frames)
            by_window = (real @ sums.transpose(1, 2)).mul_(self._cosines)
            by_window.addcmul_(imaginary @ differences.transpose(1, 2), self._sines)
            by_length = torch.linalg.vecdot(by_window, slope[0]).T
            if given.lengths.shape[1] == 1:
                by_length = by_length.sum(1, keepdim=True)
            if needs[1]:
                by_center = torch.linalg.vecdot(by_window.flatten(1), slope[1].flatten(1))
        if needs[0]:
            by_sums = (w * self._cosines).transpose(1, 2) @ real
            by_differences = (w.mul_(self._sines)).transpose(1, 2) @ imaginary
            sides = by_sums.permute(2, 0, 1), by_differences.permute(2, 0, 1)
            by_frames = joined_halves(*sides, self._transform.n_fft, self._whole)
        return by_frames, by_center, by_length if needs[2] else None

    def _windows(self, given: Given, slopes: int = 0) -> tuple[Tensor, ...]:
        """Windows of the band and their slopes, each `[n or 1, B, U]`."""
        shift = 0.0 if given.fractions is None else given.fractions[:, None]
        u = self._places - shift
        return self._transform.values(
            u.reshape(-1, 1, len(self._places)),
            given.lengths[self.bins].T[:, :, None],
            slopes=slopes,
            mirror=self._transform.n_fft if self._whole else 0,
            whole=False,
        )

    def _sides(self, frames: Tensor) -> Iterator[Tensor]:
        """`s` and `d`, each `[n, U, C]`."""
        return (part.permute(1, 2, 0) for part in split_halves(frames, self._whole))


def bands(transform: Transform) -> Iterator[slice]:
    """All bins, in bands small enough for the cache."""
    step = max(_BAND_VALUES // transform.n_fft, 1)
    for start in range(0, transform.bins, step):
        yield slice(start, min(start + step, transform.bins))
