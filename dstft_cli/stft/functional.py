"""The transform as functions, and in blocks of frames: of a signal, centres and lengths.

For lengths of any shape, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`, by the cheapest way there is: one
FFT per frame, one matrix product per block of frames, or one FFT per length of each frame. The definition
is that of `stft.transform`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.errors import UsageError
from dstft_cli.stft.bank import FrequencyBank, frequency_bank
from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.cells import cell_spectra
from dstft_cli.stft.frames import MOST_FRACTIONS, Frames
from dstft_cli.stft.transform import Transform

FloatArray = NDArray[np.floating[Any]]


def spectra(
    frames: Frames, transform: Transform, lengths: FloatArray, threads: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """The transform in blocks of frames, in order: memory does not grow with the signal.

    Args:
        frames: of the signal.
        transform: FFT size, window family, normalization.
        lengths: window lengths, samples, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`.
        threads: blocks at a time.

    Yields:
        Number of the first frame, and `X` as complex `[C, n, F]`.
    """
    block = max((1 << 20) // (transform.n_fft * frames.channels), 1)
    work: Callable[[int, int], Tensor]
    if lengths.shape[0] == 1:

        def work(start: int, stop: int) -> Tensor:
            row = lengths[0] if lengths.shape[1] == 1 else lengths[0, start:stop]
            row_here = torch.as_tensor(row).to(frames.dtype).to(frames.device)
            w = transform.windows(frames.fractions(start, stop), row_here)
            X: Tensor = torch.fft.rfft(frames.block(start, stop) * w)
            return X

    elif lengths.shape[1] == 1 and frames.few_fractions:
        banks = _Banks(transform, lengths[:, 0], frames)
        block = max(block, banks.block)
        work = banks.spectra
    else:

        def work(start: int, stop: int) -> Tensor:
            part = lengths if lengths.shape[1] == 1 else lengths[:, start:stop]
            part = np.broadcast_to(part, (transform.bins, stop - start))
            fractions = frames.fractions(start, stop)
            return cell_spectra(transform, frames.block(start, stop), fractions, part)[0]

    def numbered(start: int) -> tuple[int, Tensor]:
        return start, work(start, min(start + block, len(frames)))

    return map_in_order(numbered, range(0, len(frames), block), threads)


class _Banks:
    """Lengths `[F]` with frames at few places between samples: one bank for each place."""

    def __init__(self, transform: Transform, lengths: FloatArray, frames: Frames) -> None:
        self._transform = transform
        self._lengths = torch.as_tensor(lengths).to(frames.dtype).to(frames.device)
        self._frames = frames
        self._bank = lru_cache(maxsize=MOST_FRACTIONS)(self._new_bank)
        self.block = self._bank(0.0).block

    def spectra(self, start: int, stop: int) -> Tensor:
        groups = list(self._frames.groups(start, stop))
        parts = [
            self._bank(fraction).spectra(self._frames.pick(members)) for fraction, members in groups
        ]
        order = np.argsort(np.concatenate([members for _, members in groups]))
        return torch.cat(parts, dim=1)[:, torch.from_numpy(order)]

    def _new_bank(self, fraction: float) -> FrequencyBank:
        return frequency_bank(
            self._transform.n_fft,
            self._lengths,
            fraction,
            window_name=self._transform.window,
            normalization=self._transform.normalization,
        )


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
        lengths: window lengths, samples, in (0, n_fft], `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`.
        n_fft: FFT size K, samples.
        window: window family, one of `names.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.

    Returns:
        Complex `[F, T]` or `[C, F, T]`, F = n_fft // 2 + 1. Autograd reaches the signal only, and
        only through lengths `[1, 1]` and `[1, T]`: the derivatives with respect to lengths and
        centres come from `stft_derivatives`.

    Raises:
        UsageError: a length outside (0, n_fft], unknown window or normalization, wrong shapes.
    """
    source = _checked(signal, centers, lengths, n_fft)
    transform = Transform(n_fft, window, normalization)
    if len(lengths) == 1:
        w = transform.windows(source.fractions(0, len(source)), _row(signal, lengths))
        return _like(signal, torch.fft.rfft(source.block(0, len(source)) * w))
    theta = lengths.detach().to("cpu", torch.float64).numpy()
    blocks = [block for _, block in spectra(source, transform, theta)]
    return _like(signal, torch.cat(blocks, dim=1))


def stft_derivatives(
    signal: Tensor,
    centers: Tensor,
    lengths: Tensor,
    n_fft: int,
    *,
    window: str = "hann",
    normalization: str = "energy",
) -> tuple[Tensor, Tensor, Tensor]:
    """The transform and its derivatives with respect to window lengths and frame centres.

    Args: as for `stft`.

    Returns:
        `X`, `∂X/∂θ` and `∂X/∂t`, each like the result of `stft`; the derivatives are per sample.
        Cell `[f, i]` holds the derivative with respect to the length of that cell and the centre of
        frame `i`: no other cell of the plane depends on the former, no other frame on the latter.
    """
    source = _checked(signal, centers, lengths, n_fft)
    transform = Transform(n_fft, window, normalization)
    block = source.block(0, len(source))
    fractions = source.fractions(0, len(source))
    if len(lengths) == 1:
        windows = transform.window_derivatives(fractions, _row(signal, lengths))
        found = tuple(torch.fft.rfft(block * w) for w in windows)
    else:
        theta = lengths.detach().to("cpu", torch.float64).expand(-1, len(centers)).numpy()
        found = cell_spectra(transform, block, fractions, theta, derivatives=True)
    X, by_length, by_center = (_like(signal, part) for part in found)
    return X, by_length, by_center


def _checked(signal: Tensor, centers: Tensor, lengths: Tensor, n_fft: int) -> Frames:
    """Frames of the signal; UsageError where the arguments of `stft` do not belong together."""
    if signal.dim() not in (1, 2) or signal.is_complex():
        raise UsageError(f"signal of shape {tuple(signal.shape)}: real [N] or [C, N] is needed")
    F, T = n_fft // 2 + 1, len(centers)
    if centers.dim() != 1 or lengths.shape not in ((1, 1), (1, T), (F, 1), (F, T)):
        raise UsageError(
            f"centres {tuple(centers.shape)} with lengths {tuple(lengths.shape)} and n_fft {n_fft}: "
            "shapes [T] with [1, 1], [1, T], [F, 1] or [F, T], F = n_fft // 2 + 1, are needed"
        )
    low, high = float(lengths.min()), float(lengths.max())
    if not (low > 0 and high <= n_fft):
        raise UsageError(
            f"window lengths {low:g}…{high:g} samples: above 0 and up to n_fft {n_fft} are allowed"
        )
    return Frames(
        signal.reshape(-1, signal.shape[-1]),
        centers.detach().to("cpu", torch.float64).numpy(),
        n_fft,
        device=signal.device,
        dtype=signal.dtype,
    )


def _row(signal: Tensor, lengths: Tensor) -> Tensor:
    return lengths[0].detach().to(device=signal.device, dtype=signal.dtype)


def _like(signal: Tensor, X: Tensor) -> Tensor:
    """`[C, T, F]` to `[F, T]` or `[C, F, T]`, with channels where the signal has them."""
    X = X.transpose(-1, -2)
    return X.reshape(*signal.shape[:-1], *X.shape[-2:])
