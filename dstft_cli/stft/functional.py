"""The transform, its derivatives and its inverse as functions of a signal, centres and lengths.

For lengths `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`, by the cheapest method: one FFT per frame, one matrix
product per block of frames, or one FFT per length of each frame. `stft.transform` has the definition.

With few lengths (`map_spectra`) bins are cut into tiles of 64. A tile of a frame takes the FFT of each
length that occurs in it, mostly one.

In float32 a length θ up to about K/4 takes an FFT of N = K/R ≥ 2θ samples only, R up to 8. A frame under
such a window ends within half of these N samples, so its spectrum is smooth and 8R bins in a row are a
fixed linear combination of 14 values of the short spectrum:

    X[8Rj + φ] ≈ Σ_γ C[γ, φ] Y[8j − 3 + γ],   φ = 0 … 8R−1,  γ = 0 … 13.

C solves `min_C Σ_u w(u)² |Σ_γ C[γ, φ] exp(−2πj (γ−3) u/N) − exp(−2πj φ u/K)|²`, so its error is that of
white noise: below 1e-6 of the spectrum, near the rounding of float32. In float64 all FFTs have K samples.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.errors import UsageError
from dstft_cli.stft.bank import BankOperator, CellOperator, MatrixBank, few_lengths
from dstft_cli.stft.frames import Frames, map_in_order
from dstft_cli.stft.least_squares import LeastSquaresInverse
from dstft_cli.stft.overlap_add import Inverse, check_lengths
from dstft_cli.stft.transform import Transform

FloatArray = NDArray[np.floating[Any]]
IndexOf = Callable[[int, int], tuple[NDArray[np.floating[Any]], NDArray[np.integer[Any]]]]

_BLOCK_SAMPLES = 1 << 20  # of frames: few enough for the cache, and threads seldom wait
_LEAST_FRAMES = 8  # of a block
_TILE = 64  # bins
# values of a short spectrum: between rows of C, before, and of a row
_STEP, _BEFORE, _TAPS = 8, 3, 14
_OVERSAMPLED = 1.95  # N over the window length, at least
_SHORTEST = 128  # N: its mirrored ends are as wide as the rows of C beyond them
_KEPT = 64  # lengths, with their windows
_POINTS = 512  # of a window, for C


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
    if X.dim() not in (2, 3) or X.shape[-2:] != (F, T) or not X.is_complex() or not X.numel():
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
    if signal.dim() not in (1, 2) or signal.dtype not in (torch.float32, torch.float64):
        raise UsageError(
            f"signal of shape {tuple(signal.shape)}: give a real [N] or [C, N], float32 or float64"
        )
    if not signal.numel():
        raise UsageError(f"signal of shape {tuple(signal.shape)}: it holds no samples")
    at = _array(centers)
    check_lengths(n_fft, at, _array(lengths))
    flat = signal.reshape(-1, signal.shape[-1])
    return Frames(flat, at, n_fft, device=signal.device, dtype=signal.dtype)


def _array(values: Tensor) -> NDArray[np.float64]:
    return np.asarray(values.detach().to("cpu", torch.float64).numpy())


def _like(signal: Tensor, X: Tensor) -> Tensor:
    """`[C, T, F]` to `[F, T]` or `[C, F, T]`, with channels where the signal has them."""
    X = X.transpose(-1, -2)
    return X.reshape(*signal.shape[:-1], *X.shape[-2:])


def map_spectra(
    frames: Frames, transform: Transform, index_of: IndexOf, threads: int = 1
) -> Iterator[tuple[int, Tensor]]:
    """The transform in blocks of frames, in order, as `spectra`, with the lengths of a block at a time.

    Args:
        frames: of the signal.
        transform: FFT size, window family, normalization.
        index_of: called with the numbers `start` and `stop` of frames, gives some window lengths,
            samples, `[M]`, and which of them each cell has, `[stop − start, F]`; from several threads
            at once. Few lengths within 64 bins, and near each other in `[M]`, cost least.
        threads: blocks at a time.

    Yields:
        Number of the first frame, and `X` as complex `[C, n, F]`.
    """
    block = max(_BLOCK_SAMPLES // (transform.n_fft * frames.channels), _LEAST_FRAMES)
    short = frames.dtype == torch.float32
    spectrum_of = lru_cache(_KEPT)(lambda length: _Spectrum(transform, length, short=short))

    def work(start: int) -> tuple[int, Tensor]:
        stop = min(start + block, len(frames))
        parts, fractions = frames.block(start, stop), frames.fractions(start, stop)
        lengths, index = index_of(start, stop)
        tiles = np.pad(index, ((0, 0), (0, -index.shape[1] % _TILE)), "edge").reshape(-1, _TILE)
        tiles = np.tile(tiles, (len(parts), 1))
        low = tiles[:, 0].copy()
        high = low.copy()
        several = np.flatnonzero((tiles != low[:, None]).any(1))
        low[several], high[several] = tiles[several].min(1), tiles[several].max(1)
        found = parts.new_empty(tiles.shape, dtype=parts.dtype.to_complex())
        for number in range(int(low.min()), int(high.max()) + 1):
            taken = np.flatnonzero((low <= number) & (number <= high))
            if not len(taken):
                continue
            rows = torch.from_numpy(taken).to(parts.device)
            values = spectrum_of(float(lengths[number]))(parts, fractions, rows)
            again = np.flatnonzero(low[taken] < number)  # others have all bins of the tile, so far
            if len(again):
                mask = torch.from_numpy(tiles[taken[again]] == number).to(parts.device)
                which = torch.from_numpy(again).to(parts.device)
                before = found.index_select(0, rows[which])
                blend = torch.where(mask, values.index_select(0, which), before)
                values.index_copy_(0, which, blend)
            found.index_copy_(0, rows, values)
        return start, found.view(len(parts), stop - start, -1)[..., : transform.bins]

    return map_in_order(work, range(0, len(frames), block), threads)


class _Spectrum:
    """The transform with one window length, of 64 bins of a frame at a time."""

    def __init__(self, transform: Transform, length: float, *, short: bool) -> None:
        K = transform.n_fft
        fit = [
            R
            for R in (8, 4, 2)
            if K % (_TILE * R) == 0 and R * max(_OVERSAMPLED * length, _SHORTEST) <= K
        ]
        ratio = fit[0] if short and fit else 1
        self._length = length
        self._transform = Transform(K // ratio, transform.window, transform.normalization)
        self._first = K // 2 - self._transform.n_fft // 2
        self._count = -(-transform.bins // _TILE)  # tiles of a frame
        self._rows = _TILE // (_STEP * ratio)  # of C in a tile
        self._matrix = _matrix(self._transform, length, ratio) if ratio > 1 else None
        self._window: Tensor | None = None  # at whole centres

    def __call__(self, parts: Tensor, fractions: Tensor, tiles: Tensor) -> Tensor:
        """`X` at some tiles of frames `[C, n, K]`, `[P, 64]`."""
        window = self._window
        if window is None or len(fractions) > 1:
            window = self._transform.windows(fractions, fractions.new_tensor([self._length]))
            self._window = window if len(fractions) == 1 else None
        N = self._transform.n_fft
        Y = torch.fft.rfft(parts[..., self._first : self._first + N] * window).flatten(0, 1)
        bins = Y.shape[1]
        if self._matrix is None:
            wide = Y.new_empty((len(Y), self._count * _TILE))
            wide[:, :bins] = Y
            return torch.index_select(wide.view(-1, _TILE), 0, tiles)
        after = (self._count * self._rows + 1) * _STEP - _BEFORE - bins
        left, right = Y[:, 1 : _BEFORE + 1].flip(1).conj(), Y[:, -1 - after : -1].flip(1).conj()
        Y = torch.cat([left, Y, right], 1)
        near = Y.as_strided((Y.numel() // _STEP - 1, _TAPS), (_STEP, 1))
        # a frame has one row more than its tiles have
        rows = tiles * self._rows + tiles // self._count
        rows = rows[:, None] + torch.arange(self._rows, device=Y.device)
        inputs = torch.view_as_real(near.index_select(0, rows.flatten())).flatten(1)
        X = inputs @ self._matrix.to(Y.device)
        return torch.view_as_complex(X.view(len(tiles), _TILE, 2))


def _matrix(short: Transform, length: float, ratio: int) -> Tensor:
    """C for real and imaginary parts in turn, `[28, 16R]`."""
    u = torch.linspace(-0.5, 0.5, _POINTS, dtype=torch.float64) * (length + 2)
    w = short.values(u, torch.tensor([length + 2.0], dtype=torch.float64))[0].numpy()
    places, offsets = np.arange(_TAPS) - _BEFORE, np.arange(_STEP * ratio) / ratio
    A, B = (np.outer(u.numpy(), part) * (2 * np.pi / short.n_fft) for part in (places, offsets))
    A, B = (np.concatenate([np.cos(part).T * w, np.sin(part).T * w], 1).T for part in (A, B))
    # torch's: NumPy's takes a hundred times as long where its threads wait for a core
    given = torch.from_numpy(A), torch.from_numpy(B)
    C = torch.linalg.lstsq(*given, rcond=1e-8, driver="gelsd").solution.numpy()
    # phases count from the start of the frame, K/2 and N/2 before its centre
    C *= np.where((np.arange(_TAPS)[:, None] - _BEFORE + np.arange(_STEP * ratio)) % 2, -1.0, 1.0)
    return torch.from_numpy(np.kron(C, np.eye(2))).to(torch.float32)
