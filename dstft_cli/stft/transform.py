"""The differentiable short-time Fourier transform, its derivatives, and its frames in blocks.

For a signal `x[n]` of `N` samples (zero outside), FFT size `K`, frame centres `t_i` and window
lengths `θ_i`:

    X[f, i] = Σ_k x[⌊t_i⌋ + k] · w(k − frac(t_i); θ_i) · exp(−2πj f (k + ⌊K/2⌋) / K),
              k = −⌊K/2⌋ … K−1−⌊K/2⌋,   f = 0 … K//2

`∂X/∂θ` and `∂X/∂t` are the same transform with the windows `∂w/∂θ` and `∂w/∂t` (⌊t⌋ held). For
integer centres, even `K` and an even Hann length without normalization this is
`torch.stft(..., center=True, pad_mode="constant")`.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, equations of sections II and III.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.errors import UsageError
from dstft_cli.stft.bank import FrequencyBank, frequency_bank
from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.windows import window, window_and_slope, window_derivatives

FloatArray = NDArray[np.floating[Any]]
MOST_FRACTIONS = 8  # fractional parts of the centres that lengths per bin allow: a matrix for each


class Samples(Protocol):
    """A signal of C channels: an array, a tensor, or anything that yields slices of a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, index: Any, /) -> Any: ...


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


class Frames:
    """Frames of a signal, fetched in blocks: never more than one block is held.

    Args:
        samples: signal `[C, N]`; sliced as `samples[:, a:b]`.
        centers: frame centres, samples, `[T]`, float64.
        n_fft: FFT size K.
        scale: factor applied to the signal.
        device, dtype: of the frames returned.
    """

    def __init__(
        self,
        samples: Samples,
        centers: FloatArray,
        n_fft: int,
        *,
        scale: float = 1.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.samples = samples
        self.channels, self.length = samples.shape
        self.n_fft = n_fft
        self.scale = scale
        self.device = torch.device(device)
        self.dtype = dtype
        floors = np.floor(centers)
        self._floors = floors.astype(np.int64)
        self._fractions = centers - floors
        self._whole = not self._fractions.any()

    def __len__(self) -> int:
        return len(self._floors)

    def block(self, start: int, stop: int) -> Tensor:
        """Samples of frames `start … stop-1`, `[C, n, K]`; a view where the hop is uniform."""
        return self.pick(slice(start, stop))

    def pick(self, frames: slice | NDArray[np.int64]) -> Tensor:
        """Samples of these frames, one or more, as `block` gives them."""
        floors = self._floors[frames]
        first = int(floors.min()) - self.n_fft // 2
        last = int(floors.max()) - self.n_fft // 2 + self.n_fft
        block = self._read(first, last)
        hops = np.diff(floors)
        if len(hops) == 0:
            return block[:, None, :]
        if hops[0] > 0 and (hops == hops[0]).all():
            return block.unfold(-1, self.n_fft, int(hops[0]))
        offsets = torch.from_numpy(floors - floors.min()).to(self.device)
        index = offsets[:, None] + torch.arange(self.n_fft, device=self.device)
        return block[:, index]

    def fractions(self, start: int, stop: int) -> Tensor:
        """Fractional parts of the centres, samples, `[n]`, or `[1]` where all centres are whole."""
        part = np.zeros(1) if self._whole else self._fractions[start:stop]
        return torch.from_numpy(part).to(self.dtype).to(self.device)

    def groups(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[float, NDArray[np.int64]]]:
        """Fractional parts of the centres `start … stop-1`, and the frames that have each."""
        part = np.round(self._fractions[start:stop], 9)
        distinct, inverse = np.unique(part, return_inverse=True)
        order = start + np.argsort(inverse, kind="stable")
        ends = np.cumsum(np.bincount(inverse))
        for fraction, frames in zip(distinct, np.split(order, ends[:-1]), strict=True):
            yield float(fraction), frames

    def _read(self, first: int, last: int) -> Tensor:
        """Samples `first … last-1` `[C, last-first]`, zero outside the signal."""
        a, b = max(first, 0), max(min(last, self.length), 0)
        part = self.samples[:, min(a, b) : b]
        if self.scale != 1.0:
            part = part * self.scale  # before it is cast: 1e-46 is no float32
        if isinstance(part, np.ndarray):  # a copy: it may be read-only, reversed or big-endian
            part = torch.from_numpy(part.astype(np.dtype(str(self.dtype).removeprefix("torch."))))
        inside = part.to(device=self.device, dtype=self.dtype)
        left = min(a, b) - first if b > a else 0
        right = last - first - left - inside.shape[-1]
        return torch.nn.functional.pad(inside, (left, right)) if left or right else inside


def spectra(
    frames: Frames, transform: Transform, lengths: FloatArray, threads: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """The transform in blocks of frames, in order: memory does not grow with the signal.

    Args:
        frames: of the signal.
        transform: FFT size, window family, normalization.
        lengths: window lengths, samples, `[1, 1]`, `[1, T]` or `[F, 1]`.
        threads: blocks at a time.

    Yields:
        Number of the first frame, and `X` as complex `[C, n, F]`.
    """
    block = max((1 << 20) // (transform.n_fft * frames.channels), 1)

    def by_fft(start: int) -> tuple[int, Tensor]:
        stop = min(start + block, len(frames))
        row = lengths[0] if lengths.shape[1] == 1 else lengths[0, start:stop]
        row_here = torch.as_tensor(row).to(frames.dtype).to(frames.device)
        w = transform.windows(frames.fractions(start, stop), row_here)
        return start, torch.fft.rfft(frames.block(start, stop) * w)

    column = torch.as_tensor(lengths[:, 0]).to(frames.dtype).to(frames.device)

    @lru_cache(maxsize=MOST_FRACTIONS)
    def bank(fraction: float) -> FrequencyBank:
        return frequency_bank(
            transform.n_fft,
            column,
            fraction,
            window_name=transform.window,
            normalization=transform.normalization,
        )

    if lengths.shape[0] > 1:
        block = max(block, bank(0.0).block)

    def by_bank(start: int) -> tuple[int, Tensor]:
        stop = min(start + block, len(frames))
        groups = list(frames.groups(start, stop))
        parts = [bank(fraction).spectra(frames.pick(members)) for fraction, members in groups]
        order = np.argsort(np.concatenate([members for _, members in groups]))
        return start, torch.cat(parts, dim=1)[:, torch.from_numpy(order)]

    work = by_bank if lengths.shape[0] > 1 else by_fft
    return map_in_order(work, range(0, len(frames), block), threads)


def stft(
    signal: Tensor,
    centers: Tensor,
    lengths: Tensor,
    n_fft: int,
    *,
    window: str = "hann",
    normalization: str = "energy",
) -> Tensor:
    """Short-time Fourier transform with real-valued centres and window lengths.

    Args:
        signal: real, `[N]` or `[C, N]`, float32 or float64, any device.
        centers: frame centres, samples, `[T]`.
        lengths: window lengths, samples, in (0, n_fft], `[1, 1]`, `[1, T]` or `[F, 1]`.
        n_fft: FFT size K, samples.
        window: window family, one of `names.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.

    Returns:
        Complex `[F, T]` or `[C, F, T]`, F = n_fft // 2 + 1. Autograd reaches the signal only, and
        not through lengths `[F, 1]`: the derivatives with respect to lengths and centres come from
        `stft_derivatives`.

    Raises:
        UsageError: a length outside (0, n_fft], unknown window or normalization, wrong shapes.
    """
    if lengths.shape == (n_fft // 2 + 1, 1) and n_fft > 1:
        _check_lengths(lengths, n_fft)
        blocks = spectra(
            _frames(signal, centers, n_fft),
            Transform(n_fft, window, normalization),
            lengths.detach().to("cpu", torch.float64).numpy(),
        )
        X = torch.cat([block for _, block in blocks], dim=1).transpose(-1, -2)
        return X.reshape(*signal.shape[:-1], *X.shape[-2:])
    transform, frames, fractions, row = _prepare(
        signal, centers, lengths, n_fft, window, normalization
    )
    w = transform.windows(fractions, row)
    return _spectra(signal, frames, w)


def stft_derivatives(
    signal: Tensor,
    centers: Tensor,
    lengths: Tensor,
    n_fft: int,
    *,
    window: str = "hann",
    normalization: str = "energy",
) -> tuple[Tensor, Tensor, Tensor]:
    """The transform and its derivatives with respect to each frame's window length and centre.

    Args: as for `stft`.

    Returns:
        `X`, `∂X/∂θ` and `∂X/∂t`, each like the result of `stft`; the derivatives are per sample.
        Column `i` is the derivative with respect to the length or the centre of frame `i`.
    """
    transform, frames, fractions, row = _prepare(
        signal, centers, lengths, n_fft, window, normalization
    )
    w, dw_dlength, dw_dcenter = transform.window_derivatives(fractions, row)
    return (
        _spectra(signal, frames, w),
        _spectra(signal, frames, dw_dlength),
        _spectra(signal, frames, dw_dcenter),
    )


def _prepare(
    signal: Tensor, centers: Tensor, lengths: Tensor, n_fft: int, window: str, normalization: str
) -> tuple[Transform, Tensor, Tensor, Tensor]:
    if signal.dim() not in (1, 2) or signal.is_complex():
        raise UsageError(f"signal of shape {tuple(signal.shape)}: real [N] or [C, N] is needed")
    if centers.dim() != 1 or lengths.shape not in ((1, 1), (1, len(centers))):
        raise UsageError(
            f"centres {tuple(centers.shape)} with lengths {tuple(lengths.shape)}: "
            "shapes [T] with [1, 1] or [1, T] are needed"
        )
    _check_lengths(lengths, n_fft)
    transform = Transform(n_fft, window, normalization)
    source = _frames(signal, centers, n_fft)
    row = lengths[0].detach().to(device=signal.device, dtype=signal.dtype)
    return transform, source.block(0, len(source)), source.fractions(0, len(source)), row


def _check_lengths(lengths: Tensor, n_fft: int) -> None:
    low, high = float(lengths.min()), float(lengths.max())
    if not (low > 0 and high <= n_fft):
        raise UsageError(
            f"window lengths {low:g}…{high:g} samples: above 0 and up to n_fft {n_fft} are allowed"
        )


def _frames(signal: Tensor, centers: Tensor, n_fft: int) -> Frames:
    return Frames(
        signal.reshape(-1, signal.shape[-1]),
        centers.detach().to("cpu", torch.float64).numpy(),
        n_fft,
        device=signal.device,
        dtype=signal.dtype,
    )


def _spectra(signal: Tensor, frames: Tensor, w: Tensor) -> Tensor:
    spectra: Tensor = torch.fft.rfft(frames * w).transpose(-1, -2)
    return spectra.reshape(*signal.shape[:-1], *spectra.shape[-2:])
