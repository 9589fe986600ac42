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

from dataclasses import dataclass

import torch
from torch import Tensor

from dstft_cli.stft.windows import window, window_and_slope, window_derivatives


@dataclass(frozen=True)
class Transform:
    """What does not change while parameters are learned.

    Attributes:
        n_fft: FFT size K, samples, >= 2; window lengths stay within (0, K].
        window: window family, one of `names.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.
    """

    n_fft: int
    window: str = "hann"
    normalization: str = "energy"

    @property
    def bins(self) -> int:
        """Number of frequency bins F = K // 2 + 1."""
        return self.n_fft // 2 + 1

    def windows(self, fractions: Tensor, lengths: Tensor) -> Tensor:
        """Window rows `[n or 1, K]`; fractional centres `[n or 1]`, lengths `[n or 1]`, samples."""
        fractions, lengths, index = _distinct(fractions, lengths)
        u, mirror = self._offsets(fractions)
        w = window(u, lengths[:, None], self.window, self.normalization, mirror=mirror)
        return w if index is None else w.index_select(0, index)

    def windows_and_slopes(self, fractions: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Rows of `w` and `∂w/∂θ`, each `[n or 1, K]`; arguments as for `windows`."""
        fractions, lengths, index = _distinct(fractions, lengths)
        u, mirror = self._offsets(fractions)
        w, dw = window_and_slope(
            u, lengths[:, None], self.window, self.normalization, mirror=mirror
        )
        if index is None:
            return w, dw
        return w.index_select(0, index), dw.index_select(0, index)

    def window_derivatives(
        self, fractions: Tensor, lengths: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Rows of `w`, `∂w/∂θ` and `∂w/∂t`, each `[n, K]`; arguments as for `windows`."""
        u = self._sample_offsets(fractions) - fractions[:, None]
        return window_derivatives(u, lengths[:, None], self.window, self.normalization)

    def _offsets(self, fractions: Tensor) -> tuple[Tensor, int]:
        """Distances `u` from the centre; where centres are whole, one half, and K to mirror it."""
        if len(fractions) == 1 and float(fractions) == 0.0:
            half = torch.arange(self.n_fft // 2 + 1, dtype=fractions.dtype, device=fractions.device)
            return half[None, :], self.n_fft
        return self._sample_offsets(fractions) - fractions[:, None], 0

    def _sample_offsets(self, like: Tensor) -> Tensor:
        return torch.arange(self.n_fft, dtype=like.dtype, device=like.device) - self.n_fft // 2


def _distinct(fractions: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
    """Pairs of fraction and length without repetition, so that equal windows cost one row.

    Hops of a few milliseconds have few fractions, and smooth lengths come in runs.
    """
    frames = max(len(fractions), len(lengths))
    if frames == 1:
        return fractions, lengths, None
    if len(fractions) == 1:
        lengths_once, index = torch.unique(lengths, return_inverse=True)
        once = (fractions, lengths_once)
    elif len(lengths) == 1:
        fractions_once, index = torch.unique(fractions, return_inverse=True)
        once = (fractions_once, lengths)
    else:
        pairs = torch.stack([fractions, lengths], 1)
        pairs, index = torch.unique(pairs, dim=0, return_inverse=True)
        once = (pairs[:, 0], pairs[:, 1])
    if max(len(part) for part in once) > frames // 2:  # not worth the copy
        return fractions, lengths, None
    return *once, index
