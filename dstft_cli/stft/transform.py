"""The differentiable short-time Fourier transform and its windows.

For a signal `x[n]` of `N` samples (zero outside), FFT size `K`, frame centres `t_i` and window
lengths `θ[f, i]`:

    X[f, i] = Σ_k x[⌊t_i⌋ + k] · w(k − frac(t_i); θ[f, i]) · exp(−2πj f (k + ⌊K/2⌋) / K),
              k = −⌊K/2⌋ … K−1−⌊K/2⌋,   f = 0 … K//2

`∂X/∂θ` and `∂X/∂t` are the same transform with the windows `∂w/∂θ` and `∂w/∂t` (⌊t⌋ held). For
integer centres, even `K` and an even Hann length without normalization this is
`torch.stft(..., center=True, pad_mode="constant")`.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, equations of sections II and III.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstft_cli.stft.windows import window_and_slopes


@dataclass(frozen=True)
class Transform:
    """The fixed settings of a transform.

    Attributes:
        n_fft: FFT size K, samples, >= 2; window lengths stay within (0, K].
        window: window family, one of `records.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.
    """

    n_fft: int
    window: str = "hann"
    normalization: str = "energy"

    @property
    def bins(self) -> int:
        """Number of frequency bins F = K // 2 + 1."""
        return self.n_fft // 2 + 1

    def windows(self, fractions: Tensor | None, lengths: Tensor) -> Tensor:
        """Windows `[n or 1, K]` of lengths `[n or 1]`, samples; fractions as for `rows`."""
        return self.rows(fractions, lengths)[0]

    def rows(
        self, fractions: Tensor | None, lengths: Tensor, slopes: int = 0
    ) -> tuple[Tensor, ...]:
        """Rows of `w`, with 1 slope also `∂w/∂θ`, with 2 also `∂w/∂t`; equal windows cost one row.

        `fractions` are the fractional parts of the centres, samples, `[n or 1]`; None: all are 0.
        """
        fractions, lengths, index = _distinct(fractions, lengths)
        at_samples = fractions is None
        if fractions is not None and len(fractions) == 1 and fractions.device.type == "cpu":
            at_samples = not fractions.requires_grad and float(fractions) == 0.0
        mirror = self.n_fft if at_samples and slopes < 2 else 0  # ∂w/∂t is odd
        if mirror:
            u = torch.arange(self.bins, dtype=lengths.dtype, device=lengths.device)
        else:
            u = self.offsets(lengths)
        if fractions is not None and not at_samples:
            u = u - fractions[:, None]
        found = self.values(u, lengths[:, None], slopes=slopes, mirror=mirror)
        return found if index is None else tuple(row.index_select(0, index) for row in found)

    def values(self, u: Tensor, lengths: Tensor, **options: Any) -> tuple[Tensor, ...]:
        """`windows.window_and_slopes` of this family and normalization."""
        return window_and_slopes(u, lengths, self.window, self.normalization, **options)

    def offsets(self, like: Tensor) -> Tensor:
        """Places of a frame about its centre, `−⌊K/2⌋ … K−1−⌊K/2⌋`, samples, `[K]`."""
        return torch.arange(self.n_fft, dtype=like.dtype, device=like.device) - self.n_fft // 2

    def places(self, like: Tensor, *, even: bool) -> Tensor:
        """`offsets`, or, of even windows, the distances 0 … ⌈K/2⌉−1: at K/2 they have ended."""
        offsets = self.offsets(like)
        return offsets[self.n_fft // 2 :] if even else offsets

    def turns(self, bins: slice, places: Tensor) -> tuple[Tensor, Tensor]:
        """`cos` and `−sin` of `2π f u / K` for these bins f and places u, samples, each `[B, U]`."""
        K = self.n_fft
        table = torch.arange(K, dtype=torch.float64) * (2 * math.pi / K)  # MPS has no float64
        f = torch.arange(bins.start, bins.stop, device=places.device)
        turns = torch.outer(f, places.long()) % K
        return table.cos().to(places)[turns], table.sin().neg().to(places)[turns]

    def phase(self, bins: slice, like: Tensor) -> Tensor:
        """`exp(−2πj f ⌊K/2⌋ / K)` of these bins, `[B]`: of frames whose places count from their centre."""
        f = torch.arange(bins.start, bins.stop, dtype=torch.float64)
        angle = (f * (self.n_fft // 2) % self.n_fft) * (-2 * math.pi / self.n_fft)
        phase = torch.polar(torch.ones_like(angle), angle)
        return phase.to(like.device, like.dtype.to_complex())

    def bins_counted(self, like: Tensor) -> Tensor:
        """Number of bins of the full spectrum for each of the F bins: 1 or 2, `[F]`."""
        count = torch.full((self.bins,), 2.0, dtype=like.dtype, device=like.device)
        count[0] = 1.0
        if self.n_fft % 2 == 0:
            count[-1] = 1.0
        return count


def _distinct(
    fractions: Tensor | None, lengths: Tensor
) -> tuple[Tensor | None, Tensor, Tensor | None]:
    """Pairs of fraction and length without repetition, and which of them each row has.

    Hops of a few milliseconds have few fractions, and smooth lengths come in runs. None: keep all rows,
    because there are too many pairs, autograd is on, or the device would have to be synchronized.
    """
    frames = max(1 if fractions is None else len(fractions), len(lengths))
    if frames == 1 or lengths.requires_grad or lengths.device.type != "cpu":
        return fractions, lengths, None
    theta = lengths.numpy()
    part = np.zeros(1) if fractions is None else fractions.numpy()
    distinct, index = np.unique(part + 1j * theta, return_inverse=True)
    if len(distinct) > frames // 2:  # the copy does not pay
        return fractions, lengths, None
    once = torch.from_numpy(distinct.imag.copy()).to(lengths)
    places = torch.from_numpy(distinct.real.copy()).to(lengths)
    alike = fractions if fractions is None or len(fractions) == 1 else places
    return alike, once if len(lengths) > 1 else lengths, torch.from_numpy(index.reshape(-1))
