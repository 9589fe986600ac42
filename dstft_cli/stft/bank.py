"""The transform with one window length per frequency bin.

If the window depends on the bin but not on the frame, all frames share one real matrix. At a whole
centre windows are even, so a frame splits into its even and its odd half and the matrix into cosines
and sines,

    Re X_c[f] =  Σ_{k≥0} (x[k] + x[−k]) w(k; θ_f) cos(2πfk/K),
    Im X_c[f] = −Σ_{k>0} (x[k] − x[−k]) w(k; θ_f) sin(2πfk/K),

which halves the work; `X[f] = X_c[f] · exp(−2πj f ⌊K/2⌋ / K)` restores the phase of the definition.
The derivative with respect to `θ_f` is the same product with `∂w/∂θ`.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, frequency-varying window lengths.
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

_BINS_PER_FFT = 20  # a matrix product for so many bins costs about as much as one FFT
_MATRIX_BYTES = 1 << 27  # a larger matrix is built in parts, again for each block of frames
_LARGE_BLOCK = 1 << 23  # samples in a block of frames that pays for building a matrix
_SQUARE_VALUES = 1 << 22  # of squared windows at a time


def few_lengths(lengths: NDArray[np.floating[Any]]) -> bool:
    """Whether one FFT for each distinct length of bins `[F, 1]` costs less than a matrix."""
    return len(np.unique(lengths)) * _BINS_PER_FFT <= len(lengths)


class MatrixBank:
    """One matrix product for all bins, and its adjoints.

    Args:
        lengths: window lengths, samples, `[F]`.
        fraction: fractional part of the centres, samples.
        slopes: also prepare the derivative with respect to the lengths.
        keep: also keep a large matrix, for repeated use.

    Attributes:
        block: least number of frames for one call.
    """

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
        """Real and imaginary parts of frames `[C, n, K]`, up to a phase that depends on the bin alone.

        Returns:
            `Re X`, `Im X` and, with slopes, `Re ∂X/∂θ`, `Im ∂X/∂θ`; each `[C, n, F]`.
        """
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
        """As `cells.BandKernel.gradients`, for one length per bin; none of centres."""
        by_length = None
        if needs[2]:
            sums, differences = (
                part.flatten(0, 1) for part in split_halves(given.frames, self._even)
            )
            by_length = torch.cat(
                [self._by_length(G[..., bins], sums, differences, bins) for bins in self._ranges]
            )[:, None]
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

    def _by_length(self, G: Tensor, sums: Tensor, differences: Tensor, bins: slice) -> Tensor:
        """Gradient with respect to the lengths of these bins, `[B]`."""
        H = (G * self._phase[bins].conj()).flatten(0, 1)
        cosines, sines = self._transform.turns(bins, self._places)
        by_window = (H.real.T @ sums).mul_(cosines)
        by_window.addcmul_(H.imag.T @ differences, sines)
        by_length: Tensor = torch.linalg.vecdot(by_window, self._rows(bins, 1)[1])
        return by_length

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
    """The transform of frames at few places between samples, and its adjoint, as `cells.CellOperator`.

    There is a bank for each place; `places` has the number of that of each frame, `[n]`.
    """

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
