"""The transform with one window length per frequency bin, or one per time-frequency cell.

If the window depends on the bin but not on the frame, all frames share one real matrix. At a whole
centre windows are even, so a frame splits into its even and its odd half and the matrix into cosines
and sines,

    Re X_c[f] =  Σ_{k≥0} (x[k] + x[−k]) w(k; θ_f) cos(2πfk/K),
    Im X_c[f] = −Σ_{k>0} (x[k] − x[−k]) w(k; θ_f) sin(2πfk/K),

which halves the work; `X[f] = X_c[f] · exp(−2πj f ⌊K/2⌋ / K)` restores the phase of the definition.
The derivative with respect to `θ_f` is the same product with `∂w/∂θ`.

With one per cell, `X[f, i]` is the Fourier transform of frame `i` under the window `w(·; θ[f, i])`, at
bin `f` only. With few distinct lengths per frame, as in patches of the plane, there is one FFT per
distinct pair of frame and length, and every cell takes its bin from its pair (`CellOperator`). Else sums
over samples cost less (`BandKernel`). With `C, S = cos, sin(2π f u / K)` and the phase
`φ_f = exp(−2πj f ⌊K/2⌋ / K)`,

    X[f, i] = φ_f · (A + jB),
    A = Σ_u w(u; θ[f, i])·s_i[u]·C[f, u],    B = −Σ_u w(u; θ[f, i])·d_i[u]·S[f, u].

Between samples u runs over all K places and `s = d` is the frame. At whole centres windows are even:
u runs over the distances 0 … ⌈K/2⌉−1, `s` and `d` being the sums and differences of the samples at ±u.
With `H = φ̄ G`, `G = ∂L/∂X`, the gradient with respect to a window is
`Q[u] = Re H · s · C − Im H · d · S`, summed over channels.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, time- and frequency-varying lengths.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.frames import Given, Gradients, Needs, joined_halves, split_halves
from dstft_cli.stft.transform import Transform

_BINS_PER_FFT = 120  # a matrix product for so many bins costs about as much as one FFT
_BINS_IN_PARTS = 30  # the same of a matrix that is built in parts
_MATRIX_BYTES = 1 << 27  # a larger matrix is built in parts, again for each block of frames
_LARGE_BLOCK = 1 << 23  # samples in a block of frames that pays for building a matrix
_SQUARE_VALUES = 1 << 22  # of squared windows at a time
_BATCH_SAMPLES = 1 << 19  # of all pairs and channels transformed at a time
_ROW_VALUES = 1 << 24  # of windows that an operator keeps between calls
_BAND_VALUES = 1 << 16  # of bins times places, to stay in the cache over several frames


def few_lengths(lengths: NDArray[np.floating[Any]]) -> bool:
    """Whether one FFT for each distinct length of bins `[F, 1]` costs less than a matrix."""
    whole = 8 * len(lengths) ** 2 <= _MATRIX_BYTES
    bins = _BINS_PER_FFT if whole else _BINS_IN_PARTS
    return len(np.unique(lengths)) * bins <= len(lengths)


class MatrixBank:
    """One matrix product for all bins with lengths `[F]`, and its adjoints."""

    block = 1
    windows = 1

    def __init__(
        self,
        transform: Transform,
        lengths: Tensor,
        fraction: float = 0.0,
        *,
        slopes: bool = False,
        keep: bool = False,
    ) -> None:
        self._transform = transform
        self._lengths = lengths
        self._fraction = fraction
        self._slopes = int(slopes)
        self._even = fraction == 0.0
        self.bins = slice(0, transform.bins)
        self._places = transform.places(lengths, even=self._even)
        self._phase = transform.phase(self.bins, lengths)
        per_bin = len(self._places) * lengths.element_size() * (4 if slopes else 2)
        step = transform.bins if keep else max(_MATRIX_BYTES // per_bin, 1)
        self._ranges = [
            slice(f, min(f + step, transform.bins)) for f in range(0, transform.bins, step)
        ]
        self._whole = self._matrices(self._ranges[0]) if len(self._ranges) == 1 else None
        if self._whole is None:
            self.block = _LARGE_BLOCK // transform.n_fft

    def parts(self, frames: Tensor) -> tuple[Tensor, ...]:
        """`Re X`, `Im X` and, with slopes, those of `∂X/∂θ`, `[C, n, F]`, up to a phase of each bin."""
        sums, differences = split_halves(frames, self._even)
        found: list[list[Tensor]] = []
        for bins in self._ranges:
            cosines, sines = self._whole or self._matrices(bins)
            count = bins.stop - bins.start
            real, imaginary = sums @ cosines.T, differences @ sines.T
            found.append(
                [
                    part[..., start : start + count]
                    for start in range(0, real.shape[-1], count)
                    for part in (real, imaginary)
                ]
            )
        if len(found) == 1:
            return tuple(found[0])
        return tuple(torch.cat(pieces, dim=-1) for pieces in zip(*found, strict=True))

    def spectra(self, frames: Tensor | Given) -> Tensor:
        """`X` of frames `[C, n, K]`, complex `[C, n, F]`."""
        real, imaginary = self.parts(frames.frames if isinstance(frames, Given) else frames)[:2]
        return torch.complex(real.contiguous(), imaginary.contiguous()) * self._phase

    def adjoint(self, G: Tensor) -> Tensor:
        """Gradient of `Re Σ Ḡ X` with respect to the frames, `[C, n, K]`, for G `[C, n, F]`."""
        even = odd = torch.zeros((), dtype=self._lengths.dtype, device=G.device)
        for bins in self._ranges:
            cosines, sines = self._whole or self._matrices(bins)
            H = G[..., bins] * self._phase[bins].conj()
            even = even + H.real.contiguous() @ cosines
            odd = odd + H.imag.contiguous() @ sines
        return joined_halves(even, odd, self._transform.n_fft, self._even)

    def gradients(self, G: Tensor, given: Given, needs: Needs) -> Gradients:
        """As `BandKernel.gradients`, for one length per bin; none of centres."""
        by_length = None
        if needs[2]:
            halves = split_halves(given.frames, self._even)
            sums, differences = (part.flatten(0, 1) for part in halves)
            parts = []
            for bins in self._ranges:
                H = (G[..., bins] * self._phase[bins].conj()).flatten(0, 1)
                cosines, sines = self._transform.turns(bins, self._places)
                by_window = (H.real.T @ sums).mul_(cosines)
                by_window.addcmul_(H.imag.T @ differences, sines)
                parts.append(torch.linalg.vecdot(by_window, self._rows(bins, 1)[1]))
            by_length = torch.cat(parts)[:, None]
        return self.adjoint(G) if needs[0] else None, None, by_length

    @cached_property
    def energies(self) -> Tensor:
        """`Σ_k w²` of each bin, `[F]`."""
        return torch.cat([w.square().sum(-1) for _, w in self._windows_in_parts()])

    def squares(self, share: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """`Σ_f share · w²` `[B, K]` and `Σ_f share · max_k w²` `[B]`, `[F, B]` shares, `‖w‖ = 1`."""
        factors = torch.from_numpy(share).to(self._lengths.dtype)
        sums = self._lengths.new_zeros((share.shape[1], self._transform.n_fft))
        tops = self._lengths.new_zeros(share.shape[1])
        for bins, w in self._windows_in_parts():
            squared = w.square()
            squared /= squared.sum(-1, keepdim=True).clamp_min_(torch.finfo(w.dtype).tiny)
            sums += factors[bins].T @ squared
            tops += factors[bins].T @ squared.amax(-1)
        return sums, tops

    def _matrices(self, bins: slice) -> tuple[Tensor, Tensor]:
        cosines, sines = self._transform.turns(bins, self._places)
        rows = self._rows(bins, self._slopes)
        return torch.cat([row * cosines for row in rows]), torch.cat([row * sines for row in rows])

    def _rows(self, bins: slice, slopes: int) -> tuple[Tensor, ...]:
        u, mirror = self._places - self._fraction, self._transform.n_fft if self._even else 0
        lengths = self._lengths[bins, None]
        return self._transform.values(u, lengths, slopes=slopes, mirror=mirror, whole=False)

    def _windows_in_parts(self) -> Iterator[tuple[slice, Tensor]]:
        step = max(_SQUARE_VALUES // self._transform.n_fft, 1)
        for start in range(0, self._transform.bins, step):
            bins = slice(start, start + step)
            u = self._transform.offsets(self._lengths) - self._fraction
            yield bins, self._transform.values(u, self._lengths[bins, None])[0]


class BankOperator:
    """The same at few places between samples: a bank for each, and the number of that of each frame."""

    def __init__(self, banks: Sequence[MatrixBank], places: NDArray[np.int64]) -> None:
        self._banks = banks
        self._places = places
        self._groups = [
            (banks[number], torch.from_numpy(np.nonzero(places == number)[0]))
            for number in np.unique(places)
        ]

    def spectra(self, frames: Tensor) -> Tensor:
        return self._grouped(MatrixBank.spectra, frames)

    def adjoint(self, G: Tensor) -> Tensor:
        return self._grouped(MatrixBank.adjoint, G)

    def energies(self) -> Tensor:
        return torch.stack([bank.energies for bank in self._banks])[torch.from_numpy(self._places)]

    def squares(self, share: NDArray[np.float64]) -> Iterator[tuple[slice, Tensor, Tensor]]:
        found = {place: self._banks[place].squares(share) for place in set(self._places.tolist())}
        for i, place in enumerate(self._places.tolist()):
            sums, tops = found[place]
            yield slice(i, i + 1), sums[None], tops[None]

    def _grouped(self, work: Callable[[MatrixBank, Tensor], Tensor], values: Tensor) -> Tensor:
        """`work` of the frames of each bank, `[C, n, ...]`, in their own order."""
        if len(self._groups) == 1:
            return work(self._groups[0][0], values)
        parts = [work(bank, values[:, members]) for bank, members in self._groups]
        order = torch.argsort(torch.cat([members for _, members in self._groups]))
        return torch.cat(parts, dim=1)[:, order]


class CellOperator:
    """One FFT per pair of frame and length, and its adjoint, for a block of lengths `[F, n]`."""

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
            frame = self._of[members] - rows.start
            factor = w.new_zeros((count, bands, number))  # zero for pairs of other frames
            factor[frame, :, torch.arange(number)] = (
                torch.from_numpy(factors).to(w).view(number, -1)
            )
            squared = w.square()
            squared /= squared.sum(-1, keepdim=True).clamp_min_(torch.finfo(w.dtype).tiny)
            sums, tops = factor @ squared, factor @ squared.amax(-1)
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
