"""The transform, its derivatives and its inverse as functions of a signal, centres and lengths.

For lengths `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`, by the cheapest method: one FFT per frame, one matrix
product per block of frames, or one FFT per length of each frame. `stft.transform` has the definition.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.errors import UsageError
from dstft_cli.stft.bank import BankOperator, MatrixBank, few_lengths
from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.cells import CellOperator
from dstft_cli.stft.frames import Frames
from dstft_cli.stft.least_squares import LeastSquaresInverse
from dstft_cli.stft.mapped import map_spectra
from dstft_cli.stft.overlap_add import Inverse, check_lengths
from dstft_cli.stft.transform import Transform

FloatArray = NDArray[np.floating[Any]]


def spectra(
    frames: Frames, transform: Transform, lengths: FloatArray, threads: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """The transform in blocks of frames, in order: memory does not grow with the signal.

    Args:
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

    elif lengths.shape[1] == 1 and few_lengths(lengths):
        distinct, index = np.unique(lengths, return_inverse=True)
        row = index.reshape(1, -1)
        return map_spectra(
            frames, transform, lambda a, b: (distinct, row.repeat(b - a, 0)), threads
        )

    elif lengths.shape[1] == 1 and frames.few_fractions:
        fractions, places = frames.places()
        theta = torch.as_tensor(lengths[:, 0]).to(frames.dtype).to(frames.device)
        banks = [MatrixBank(transform, theta, place) for place in fractions]
        block = max(block, banks[0].block)

        def work(start: int, stop: int) -> Tensor:
            return BankOperator(banks, places[start:stop]).spectra(frames.block(start, stop))

    else:

        def work(start: int, stop: int) -> Tensor:
            part = lengths if lengths.shape[1] == 1 else lengths[:, start:stop]
            part = np.broadcast_to(part, (transform.bins, stop - start))
            fractions = frames.fractions(start, stop)
            operator = CellOperator(transform, fractions, part)
            return operator.spectra(frames.block(start, stop))

    def numbered(start: int) -> tuple[int, Tensor]:
        return start, work(start, min(start + block, len(frames)))

    return map_in_order(numbered, range(0, len(frames), block), threads)


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
        window: window family, one of `records.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.

    Returns:
        Complex `[F, T]` or `[C, F, T]`, F = n_fft // 2 + 1, without autograd: derivatives come from
        `stft_derivatives` or `differentiable_stft`.

    Raises:
        UsageError: a length outside (0, n_fft], unknown window or normalization, wrong shapes.
    """
    source = _checked(signal, centers, lengths, n_fft)
    transform = Transform(n_fft, window, normalization)
    blocks = [block for _, block in spectra(source, transform, _array(lengths))]
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
        row = lengths[0].detach().to(device=signal.device, dtype=signal.dtype)
        windows = transform.rows(fractions, row, 2)
        found = tuple(torch.fft.rfft(block * w) for w in windows)
    else:
        theta = np.broadcast_to(_array(lengths), (len(lengths), len(centers)))
        found = CellOperator(transform, fractions, theta).transforms(block, 2)
    X, by_length, by_center = (_like(signal, part) for part in found)
    return X, by_length, by_center


def inverse_of(
    transform: Transform, centers: FloatArray, lengths: FloatArray, length: int, **options: Any
) -> Inverse | LeastSquaresInverse:
    """Overlap-add for lengths `[1, 1]` and `[1, T]`, least squares for `[F, 1]` and `[F, T]`.

    Args: as for `Inverse`.
    """
    kind = Inverse if len(lengths) == 1 else LeastSquaresInverse
    return kind(transform, centers, lengths, length, **options)


def istft(
    X: Tensor,
    centers: Tensor,
    lengths: Tensor,
    n_fft: int,
    length: int,
    *,
    window: str = "hann",
    normalization: str = "energy",
) -> Tensor:
    """The signal of a transform: the inverse of `stft` with the same arguments.

    For a transform in float32 the relative error of the whole signal is below 1e-5 (float64: 1e-9)
    where windows overlap enough: neighbouring centres at most 0.9, the first and the last sample at
    most 0.45 window lengths from the next centre; n_fft 40 at least, for a smaller one cuts off the
    end of a window that fills it. Where no window reaches, the signal is zero. Lengths that vary with
    frequency are inverted by least squares, with an error below 1e-4 (float64: 1e-9); iterations and
    residual are attributes of `LeastSquaresInverse`.

    Args:
        X: complex, `[F, T]` or `[C, F, T]`, F = n_fft // 2 + 1, any device.
        centers: frame centres, samples, `[T]`, not decreasing.
        lengths: window lengths, samples, in (0, n_fft], `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`.
        n_fft: FFT size K, samples.
        length: N, samples.
        window: window family, one of `records.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.

    Returns:
        Real, `[N]` or `[C, N]`, in the precision and on the device of X, without autograd.

    Raises:
        UsageError: wrong shapes, a length outside (0, n_fft], centres that decrease, unknown window.

    Warns:
        RuntimeWarning: least squares did not converge, as where windows hardly overlap.
    """
    F, T = n_fft // 2 + 1, len(centers)
    if X.dim() not in (2, 3) or X.shape[-2:] != (F, T) or not X.is_complex():
        raise UsageError(
            f"transform of shape {tuple(X.shape)} for `n_fft` {n_fft} and {T} centres: "
            f"give complex [{F}, {T}] or [C, {F}, {T}]"
        )
    frames = X.detach().reshape(-1, F, T).transpose(-1, -2)
    inverse = inverse_of(
        Transform(n_fft, window, normalization),
        _array(centers),
        _array(lengths),
        length,
        channels=len(frames),
        dtype=X.real.dtype,
    )
    blocks = (frames[:, start : start + inverse.block] for start in inverse.starts())
    signal = np.concatenate(list(inverse.samples(blocks)), axis=-1)
    if isinstance(inverse, LeastSquaresInverse) and not inverse.converged:
        warnings.warn(
            f"least squares stopped after {inverse.iterations} iterations with residual "
            f"{inverse.residual:.1e}: the signal may be inexact, let windows overlap more",
            RuntimeWarning,
            stacklevel=2,
        )
    back = torch.from_numpy(signal).to(X.device, X.real.dtype)
    return back.reshape(*X.shape[:-2], length)


def _checked(signal: Tensor, centers: Tensor, lengths: Tensor, n_fft: int) -> Frames:
    """Frames of the signal; UsageError if the arguments of `stft` do not match."""
    if signal.dim() not in (1, 2) or signal.is_complex():
        raise UsageError(f"signal of shape {tuple(signal.shape)}: give a real [N] or [C, N]")
    at = _array(centers)
    check_lengths(n_fft, at, _array(lengths))
    flat = signal.reshape(-1, signal.shape[-1])
    return Frames(flat, at, n_fft, device=signal.device, dtype=signal.dtype)


def _array(values: Tensor) -> NDArray[np.float64]:
    array: NDArray[np.float64] = values.detach().to("cpu", torch.float64).numpy()
    return array


def _like(signal: Tensor, X: Tensor) -> Tensor:
    """`[C, T, F]` to `[F, T]` or `[C, F, T]`, with channels where the signal has them."""
    X = X.transpose(-1, -2)
    return X.reshape(*signal.shape[:-1], *X.shape[-2:])
