"""The transform with one window length per frequency bin, as a matrix product.

Where the window depends on the bin but not on the frame, all frames share one real matrix. At a whole
centre windows are even, so a frame splits into its even and its odd half and the matrix into cosines
and sines,

    Re X_c[f] =  Σ_{k≥0} (x[k] + x[−k]) w(k; θ_f) cos(2πfk/K),
    Im X_c[f] = −Σ_{k>0} (x[k] − x[−k]) w(k; θ_f) sin(2πfk/K),

which halves the work; `X[f] = X_c[f] · exp(−2πj f ⌊K/2⌋ / K)` restores the phase of the definition.
The derivative with respect to `θ_f` is the same product with `∂w/∂θ`.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, frequency-varying window lengths.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from dstft_cli.stft.windows import window, window_and_slope


class FrequencyBank:
    """Windows of one length per bin at one fractional part of the centre.

    Args:
        n_fft: FFT size K.
        lengths: window lengths θ_f, samples, `[F]`, F = K // 2 + 1, in the dtype and on the device
            of the frames.
        fraction: fractional part of the frame centres, samples, in [0, 1).
        window: window family.
        normalization: `energy`, `amplitude` or `none`.
        slopes: also prepare the derivative with respect to the lengths.
    """

    def __init__(
        self,
        n_fft: int,
        lengths: Tensor,
        fraction: float = 0.0,
        *,
        window_name: str = "hann",
        normalization: str = "energy",
        slopes: bool = False,
    ) -> None:
        self.n_fft = n_fft
        self.bins = n_fft // 2 + 1
        self._even = fraction == 0.0
        self._middle = n_fft // 2
        k = torch.arange(n_fft, dtype=lengths.dtype, device=lengths.device) - self._middle
        u = k - fraction
        rows: tuple[Tensor, ...]
        if slopes:
            rows = window_and_slope(u, lengths[:, None], window_name, normalization)
        else:
            rows = (window(u, lengths[:, None], window_name, normalization),)
        if self._even:  # k = −K/2 of an even K has no partner: there every window has ended
            rows = tuple(row[:, self._middle : self._middle + (n_fft + 1) // 2] for row in rows)
            k = k[self._middle : self._middle + (n_fft + 1) // 2]
        turns = torch.outer(torch.arange(self.bins, dtype=torch.float64), k.double().cpu())
        angle = 2 * math.pi * ((turns / n_fft) % 1.0)
        cosines = angle.cos().to(lengths)
        sines = -angle.sin().to(lengths)
        self._cosines = torch.cat([row * cosines for row in rows]).T.contiguous()
        self._sines = torch.cat([row * sines for row in rows]).T.contiguous()

    def parts(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Real and imaginary parts, phase counted from the centre.

        Args:
            frames: `[C, n, K]`.

        Returns:
            `Re X_c`, `Im X_c` and, with slopes, `Re ∂X_c/∂θ`, `Im ∂X_c/∂θ`; each `[C, n, F]`.
        """
        if self._even:
            half = (self.n_fft + 1) // 2
            after = frames[..., self._middle : self._middle + half]
            before = frames[..., self._middle - half + 1 : self._middle + 1].flip(-1)
            sums, differences = after + before, after - before
            sums[..., 0] *= 0.5  # the centre itself is no pair
        else:
            sums = differences = frames
        real = sums @ self._cosines
        imaginary = differences @ self._sines
        F = self.bins
        return tuple(
            part[..., start : start + F]
            for start in range(0, real.shape[-1], F)
            for part in (real, imaginary)
        )

    def spectra(self, frames: Tensor) -> Tensor:
        """`X` by the definition, complex `[C, n, F]`, for frames `[C, n, K]`."""
        real, imaginary = self.parts(frames)[:2]
        turns = torch.arange(self.bins, dtype=torch.float64) * self._middle / self.n_fft
        phase = torch.polar(torch.ones_like(turns), -2 * math.pi * (turns % 1.0))
        X = torch.complex(real.contiguous(), imaginary.contiguous())
        return X * phase.to(device=X.device, dtype=X.dtype)
