"""The transform with one window length per frequency bin.

Where the window depends on the bin but not on the frame, all frames share one real matrix. At a whole
centre windows are even, so a frame splits into its even and its odd half and the matrix into cosines
and sines,

    Re X_c[f] =  Σ_{k≥0} (x[k] + x[−k]) w(k; θ_f) cos(2πfk/K),
    Im X_c[f] = −Σ_{k>0} (x[k] − x[−k]) w(k; θ_f) sin(2πfk/K),

which halves the work; `X[f] = X_c[f] · exp(−2πj f ⌊K/2⌋ / K)` restores the phase of the definition.
The derivative with respect to `θ_f` is the same product with `∂w/∂θ`. Where few lengths differ, as
smooth ones do, one FFT per distinct length costs less.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, frequency-varying window lengths.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor

from dstft_cli.stft.windows import window, window_and_slope

_BINS_PER_FFT = 20  # a matrix product for so many bins costs about as much as one FFT
_MATRIX_BYTES = 1 << 27  # a larger matrix is built in parts, anew for each block of frames
_LARGE_BLOCK = 1 << 23  # samples in a block of frames that pays for building a matrix


class FrequencyBank(ABC):
    """Windows of one length per bin at one fractional part of the centre.

    Attributes:
        block: frames that should be given at a time, at least.
    """

    block = 1

    def __init__(
        self,
        n_fft: int,
        lengths: Tensor,
        fraction: float,
        window_name: str,
        normalization: str,
        slopes: bool,
    ) -> None:
        self.n_fft = n_fft
        self.bins = n_fft // 2 + 1
        self.lengths = lengths
        self.fraction = fraction
        self.window_name = window_name
        self.normalization = normalization
        self.slopes = slopes

    @abstractmethod
    def parts(self, frames: Tensor) -> tuple[Tensor, ...]:
        """Real and imaginary parts, up to a phase that depends on the bin alone.

        Args:
            frames: `[C, n, K]`.

        Returns:
            `Re X`, `Im X` and, with slopes, `Re ∂X/∂θ`, `Im ∂X/∂θ`; each `[C, n, F]`.
        """

    @abstractmethod
    def spectra(self, frames: Tensor) -> Tensor:
        """`X` by the definition, complex `[C, n, F]`, for frames `[C, n, K]`."""

    def _windows(self, u: Tensor, lengths: Tensor) -> tuple[Tensor, ...]:
        if self.slopes:
            return window_and_slope(u, lengths[:, None], self.window_name, self.normalization)
        return (window(u, lengths[:, None], self.window_name, self.normalization),)

    def _offsets(self) -> Tensor:
        k = torch.arange(self.n_fft, dtype=self.lengths.dtype, device=self.lengths.device)
        return k - self.n_fft // 2


def frequency_bank(
    n_fft: int,
    lengths: Tensor,
    fraction: float = 0.0,
    *,
    window_name: str = "hann",
    normalization: str = "energy",
    slopes: bool = False,
) -> FrequencyBank:
    """The cheaper of the two banks.

    Args:
        n_fft: FFT size K.
        lengths: window lengths θ_f, samples, `[F]`, F = K // 2 + 1, in the dtype and on the device
            of the frames.
        fraction: fractional part of the frame centres, samples, in [0, 1).
        window_name: window family.
        normalization: `energy`, `amplitude` or `none`.
        slopes: also prepare the derivative with respect to the lengths.
    """
    few = len(torch.unique(lengths)) * _BINS_PER_FFT <= len(lengths)
    kind = FFTBank if few else MatrixBank
    return kind(n_fft, lengths, fraction, window_name, normalization, slopes)


class FFTBank(FrequencyBank):
    """One FFT per distinct length, of which the bins of that length are kept."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        distinct, index = torch.unique(self.lengths, return_inverse=True)
        self._members = [torch.nonzero(index == m).ravel() for m in range(len(distinct))]
        self._rows = self._windows(self._offsets() - self.fraction, distinct)

    def parts(self, frames: Tensor) -> tuple[Tensor, ...]:
        transforms = [self._transform(frames, row) for row in self._rows]
        return tuple(part for X in transforms for part in (X.real, X.imag))

    def spectra(self, frames: Tensor) -> Tensor:
        return self._transform(frames, self._rows[0])

    def _transform(self, frames: Tensor, rows: Tensor) -> Tensor:
        dtype = torch.complex64 if frames.dtype == torch.float32 else torch.complex128
        X = torch.empty((*frames.shape[:-1], self.bins), dtype=dtype, device=frames.device)
        for row, members in zip(rows, self._members, strict=True):
            X[..., members] = torch.fft.rfft(frames * row)[..., members]
        return X


class MatrixBank(FrequencyBank):
    """One matrix product for all bins."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._even = self.fraction == 0.0
        self._half = (self.n_fft + 1) // 2
        rows = self._half if self._even else self.n_fft
        per_bin = rows * self.lengths.element_size() * (4 if self.slopes else 2)
        step = max(_MATRIX_BYTES // per_bin, 1)
        self._ranges = [slice(f, min(f + step, self.bins)) for f in range(0, self.bins, step)]
        self._whole = self._matrices(self._ranges[0]) if len(self._ranges) == 1 else None
        if self._whole is None:
            self.block = _LARGE_BLOCK // self.n_fft

    def parts(self, frames: Tensor) -> tuple[Tensor, ...]:
        if self._even:
            middle = self.n_fft // 2
            after = frames[..., middle : middle + self._half]
            before = frames[..., middle - self._half + 1 : middle + 1].flip(-1)
            sums, differences = after + before, after - before
            sums[..., 0] *= 0.5  # the centre itself is no pair
        else:
            sums = differences = frames
        found: list[list[Tensor]] = []
        for bins in self._ranges:
            cosines, sines = self._whole or self._matrices(bins)
            count = bins.stop - bins.start
            real, imaginary = sums @ cosines, differences @ sines
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

    def spectra(self, frames: Tensor) -> Tensor:
        real, imaginary = self.parts(frames)[:2]
        turns = torch.arange(self.bins, dtype=torch.float64) * (self.n_fft // 2) / self.n_fft
        phase = torch.polar(torch.ones_like(turns), -2 * math.pi * (turns % 1.0))
        X = torch.complex(real.contiguous(), imaginary.contiguous())
        return X * phase.to(device=X.device, dtype=X.dtype)

    def _matrices(self, bins: slice) -> tuple[Tensor, Tensor]:
        """Cosines and sines under the windows of these bins, and under their slopes."""
        k = self._offsets()
        rows = self._windows(k - self.fraction, self.lengths[bins])
        if self._even:  # k = −K/2 of an even K has no partner: there every window has ended
            part = slice(self.n_fft // 2, self.n_fft // 2 + self._half)
            rows = tuple(row[:, part] for row in rows)
            k = k[part]
        f = torch.arange(bins.start, bins.stop, dtype=torch.float64)
        angle = 2 * math.pi * ((torch.outer(f, k.cpu().double()) / self.n_fft) % 1.0)
        cosines = angle.cos().to(self.lengths)
        sines = -angle.sin().to(self.lengths)
        return (
            torch.cat([row * cosines for row in rows]).T.contiguous(),
            torch.cat([row * sines for row in rows]).T.contiguous(),
        )
