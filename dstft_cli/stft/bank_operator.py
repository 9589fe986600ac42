"""The transform with one window length per frequency bin, and its adjoint, by matrix products."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.bank import MatrixBank

_SQUARE_VALUES = 1 << 22  # of squared windows at a time


class BankOperator:
    """As `cells.CellOperator`, for lengths `[F]` and frames at few places between samples.

    Args:
        banks: matrices of each place; shared, for they are large.
        places: number of the place of each frame, `[n]`.

    Attributes:
        energies: `Σ_k w²` of the window of each cell, `[n, F]`.
    """

    def __init__(self, banks: list[AdjointBank], places: NDArray[np.int64]) -> None:
        self._banks = banks
        self._groups = [
            (bank, torch.from_numpy(np.nonzero(places == number)[0]))
            for number, bank in enumerate(banks)
            if (places == number).any()
        ]
        self._places = places
        self.energies = torch.stack([bank.energies for bank in banks])[torch.from_numpy(places)]

    def spectra(self, frames: Tensor) -> Tensor:
        """`A x`: complex `[C, n, F]` for frames `[C, n, K]`."""
        if len(self._groups) == 1:
            return self._groups[0][0].spectra(frames)
        kind = torch.complex64 if frames.dtype == torch.float32 else torch.complex128
        found = torch.empty((*frames.shape[:2], self._banks[0].bins), dtype=kind)
        for bank, members in self._groups:
            found[:, members] = bank.spectra(frames[:, members])
        return found

    def adjoint(self, X: Tensor) -> Tensor:
        """`A* X`: frames `[C, n, K]` for spectra `[C, n, F]`."""
        if len(self._groups) == 1:
            return self._groups[0][0].adjoint(X)
        frames = torch.empty((*X.shape[:2], self._banks[0].n_fft), dtype=X.real.dtype)
        for bank, members in self._groups:
            frames[:, members] = bank.adjoint(X[:, members])
        return frames

    def squares(self, share: NDArray[np.float64]) -> Iterator[tuple[slice, Tensor, Tensor]]:
        """As `CellOperator.squares`, frame by frame."""
        found = {place: self._banks[place].squares(share) for place in set(self._places.tolist())}
        for i, place in enumerate(self._places.tolist()):
            sums, tops = found[place]
            yield slice(i, i + 1), sums[None], tops[None]


class AdjointBank(MatrixBank):
    """A matrix bank with its adjoint, under the inner product of `cells.CellOperator`.

    Args:
        keep: hold large matrices too, for they are used in every iteration.
    """

    def __init__(
        self,
        n_fft: int,
        lengths: Tensor,
        fraction: float,
        window_name: str,
        normalization: str,
        *,
        keep: bool = False,
    ) -> None:
        self._kept: dict[int, tuple[Tensor, Tensor]] | None = {} if keep else None
        super().__init__(n_fft, lengths, fraction, window_name, normalization, False)
        turns = torch.arange(self.bins, dtype=torch.float64) * (n_fft // 2) / n_fft
        count = torch.full((self.bins,), 2.0, dtype=torch.float64)  # bins that a bin stands for
        count[0] = 1
        if n_fft % 2 == 0:
            count[-1] = 1
        self._back = torch.polar(count / n_fft, 2 * math.pi * (turns % 1.0))
        self.energies = torch.cat([w.square().sum(-1) for _, w in self._windows_in_parts()])

    def adjoint(self, X: Tensor) -> Tensor:
        """`A* X`: frames `[C, n, K]` for spectra `[C, n, F]`."""
        turned = X * self._back.to(X.dtype)
        re, im = turned.real, turned.imag
        even = odd = torch.zeros((), dtype=re.dtype)
        for bins in self._ranges:
            cosines, sines = self._whole or self._matrices(bins)
            even = even + re[..., bins] @ cosines.T
            odd = odd + im[..., bins] @ sines.T
        if not self._even:
            return even + odd
        frames = torch.zeros((*X.shape[:2], self.n_fft), dtype=re.dtype)
        middle = self.n_fft // 2
        frames[..., middle : middle + self._half] = even + odd
        frames[..., middle - self._half + 1 : middle] = (even - odd)[..., 1:].flip(-1)
        return frames

    def squares(self, share: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """`Σ_f share · w²` `[B, K]` and `Σ_f share · max_k w²` `[B]`, `[F, B]` shares, `‖w‖ = 1`."""
        factors = torch.from_numpy(share).to(self.lengths.dtype)
        sums = torch.zeros((share.shape[1], self.n_fft), dtype=self.lengths.dtype)
        tops = torch.zeros(share.shape[1], dtype=self.lengths.dtype)
        for bins, w in self._windows_in_parts():
            squared = w.square()
            squared /= squared.sum(-1, keepdim=True).clamp_min_(torch.finfo(w.dtype).tiny)
            sums += factors[bins].T @ squared
            tops += factors[bins].T @ squared.amax(-1)
        return sums, tops

    def _matrices(self, bins: slice) -> tuple[Tensor, Tensor]:
        if self._kept is None:
            return super()._matrices(bins)
        if bins.start not in self._kept:
            self._kept[bins.start] = super()._matrices(bins)
        return self._kept[bins.start]

    def _windows_in_parts(self) -> Iterator[tuple[slice, Tensor]]:
        step = max(_SQUARE_VALUES // self.n_fft, 1)
        for start in range(0, self.bins, step):
            bins = slice(start, start + step)
            yield bins, self._windows(self._offsets() - self.fraction, self.lengths[bins])[0]
