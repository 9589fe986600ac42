"""The way back from the transform to the signal: weighted overlap-add, in bounded memory.

With `y_i = irfft(X[:, i])`, the windowed frame, and `w_i` the window of frame `i` around its centre:

    x̂[n] = Σ_i w_i[n − t_i] · y_i[n − t_i] / Σ_i w_i[n − t_i]²

This is the signal whose transform is nearest to X in the least-squares sense, and the signal itself
where X is its transform: whatever the centres, lengths and family, as long as a window above zero
reaches every sample.

Source: Griffin & Lim, IEEE TASSP 32 (1984), equation 6; Leiber et al., IEEE TSP 73 (2025).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.errors import UsageError
from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.coverage import check_invertible, lost_and_weak
from dstft_cli.stft.least_squares import LeastSquaresInverse
from dstft_cli.stft.transform import Transform

FloatArray = NDArray[np.floating[Any]]
Block = tuple[int, NDArray[np.float64], NDArray[np.float64]]

BLOCK_SAMPLES = 1 << 20  # of all frames and channels of a block
_BUFFER_SAMPLES = 1 << 16  # that wait for frames which still add to them, at least


class Inverse:
    """Weighted overlap-add of frames that come in blocks, in time order.

    Windows are computed in the precision of the transform, so that their rounding cancels; the sums
    are float64. Memory depends on n_fft, channels and threads, not on the number of frames.

    Args:
        transform: FFT size, window family, normalization.
        centers: frame centres, samples, `[T]`, not decreasing; frames may reach beyond the ends.
        lengths: window lengths, samples, in (0, n_fft], `[1, 1]` or `[1, T]`.
        length: N, samples per channel, >= 1.
        channels: C.
        dtype: float32 or float64, the precision in which X was computed and is given.
        threads: blocks at a time.

    Attributes:
        uncovered: samples that no window reaches, or so weakly that rounding is all that is left of
            them: they are zero. Complete, as `weak` is, once `samples` has ended.
        weak: further samples whose error from rounding may exceed `WEAK_ERROR` of the level
            around them, because they lie at the very ends of all windows that reach them.

    Raises:
        UsageError: shapes, lengths or the order of the centres are not as above.
    """

    def __init__(
        self,
        transform: Transform,
        centers: FloatArray,
        lengths: FloatArray,
        length: int,
        *,
        channels: int = 1,
        dtype: torch.dtype = torch.float32,
        threads: int = 1,
    ) -> None:
        check_invertible(transform.n_fft, centers, lengths, length)
        if len(lengths) != 1:
            raise UsageError(
                f"lengths {lengths.shape} vary with frequency: overlap-add needs [1, 1] or [1, T], "
                "use inverse_of"
            )
        floors = np.floor(centers)
        self.length = length
        self.channels = channels
        self.block = max(BLOCK_SAMPLES // (transform.n_fft * channels), 1)
        self.uncovered = 0
        self.weak = 0
        self._transform = transform
        self._dtype = dtype
        self._threads = threads
        self._fractions = centers - floors
        self._lengths = np.asarray(lengths[0], np.float64)
        self._firsts = (floors.astype(np.int64) - transform.n_fft // 2).tolist()
        capacity = max(2 * transform.n_fft, _BUFFER_SAMPLES)
        self._position = 0  # of the first sample in the buffers below
        self._sum = np.zeros((channels, capacity))  # Σ w y
        self._weight = np.zeros(capacity)  # Σ w²
        self._top = np.zeros(capacity)  # greatest w² of the windows that reach a sample

    def starts(self) -> range:
        """Number of the first frame of each block that suits the processor's cache."""
        return range(0, len(self._firsts), self.block)

    def samples(self, blocks: Iterable[Tensor]) -> Iterator[NDArray[np.float64]]:
        """Finished samples, in order; can be used once.

        Args:
            blocks: `X` as complex `[C, n, F]`, in all T frames, in order.

        Yields:
            `[C, m]`, float64, N samples in all.
        """
        done = 0
        for start, y, w in map_in_order(self._windowed, self._numbered(blocks), self._threads):
            squares = np.square(w)
            peaks = squares.max(axis=-1).tolist()
            low, high = self._supports(start, y.shape[1])
            for i in range(y.shape[1]):
                first = self._firsts[start + i]
                if first + self._transform.n_fft > self._position + len(self._weight):
                    yield from self._finish(min(first, self.length))
                row = 0 if len(w) == 1 else i
                self._add(first, low[i], high[i], y[:, i], squares[row], peaks[row])
            done = start + y.shape[1]
        if done != len(self._firsts):
            raise ValueError(f"{done} of {len(self._firsts)} frames came: the signal is incomplete")
        yield from self._finish(self.length)

    def _numbered(self, blocks: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
        start = 0
        for X in blocks:
            yield start, X
            start += X.shape[1]

    def _windowed(self, job: tuple[int, Tensor]) -> Block:
        """`w · irfft(X)` `[C, n, K]` and `w` `[n or 1, K]` of a block, in float64."""
        start, X = job
        stop = start + X.shape[1]
        row = self._lengths if len(self._lengths) == 1 else self._lengths[start:stop]
        part = self._fractions[start:stop]
        part = part if part.any() else np.zeros(1)
        w = self._transform.windows(
            torch.from_numpy(part).to(self._dtype), torch.from_numpy(row).to(self._dtype)
        ).double()
        y = torch.fft.irfft(X.to("cpu", torch.complex128), n=self._transform.n_fft)
        return start, y.mul_(w).numpy(), w.numpy()

    def _supports(self, start: int, count: int) -> tuple[list[int], list[int]]:
        """The part `low … high-1` of each frame that its window does not zero."""
        K = self._transform.n_fft
        half = self._lengths if len(self._lengths) == 1 else self._lengths[start : start + count]
        middle = self._fractions[start : start + count] + K // 2
        low = np.clip(np.floor(middle - half / 2), 0, K).astype(np.int64)
        high = np.clip(np.ceil(middle + half / 2) + 1, 0, K).astype(np.int64)
        return low.tolist(), high.tolist()

    def _add(
        self,
        first: int,
        low: int,
        high: int,
        y: NDArray[np.float64],
        squares: NDArray[np.float64],
        peak: float,
    ) -> None:
        low = max(low, self._position - first)  # nothing before sample 0 is kept
        high = min(high, self.length - first)
        if high <= low:
            return
        a, b = first + low - self._position, first + high - self._position
        self._sum[:, a:b] += y[:, low:high]
        self._weight[a:b] += squares[low:high]
        top = self._top[a:b]
        np.maximum(top, peak, out=top)

    def _finish(self, until: int) -> Iterator[NDArray[np.float64]]:
        """The samples up to `until`, which no further frame reaches."""
        while self._position < until:
            count = min(until - self._position, len(self._weight))
            weight, top = self._weight[:count], self._top[:count]
            lost, weak = lost_and_weak(weight, top, self._dtype)
            self.uncovered += int(np.count_nonzero(lost))
            self.weak += int(np.count_nonzero(weak))
            done = np.zeros((self.channels, count))
            np.divide(self._sum[:, :count], weight, out=done, where=~lost)
            for buffer in (self._sum, self._weight, self._top):
                rest = buffer.shape[-1] - count
                buffer[..., :rest] = buffer[..., count:].copy()
                buffer[..., rest:] = 0
            self._position += count
            yield done


def inverse_of(
    transform: Transform,
    centers: FloatArray,
    lengths: FloatArray,
    length: int,
    *,
    channels: int = 1,
    dtype: torch.dtype = torch.float32,
    threads: int = 1,
) -> Inverse | LeastSquaresInverse:
    """Overlap-add for lengths `[1, 1]` and `[1, T]`, least squares for `[F, 1]` and `[F, T]`.

    Args: as for `Inverse`.
    """
    kind = Inverse if len(lengths) == 1 else LeastSquaresInverse
    return kind(
        transform, centers, lengths, length, channels=channels, dtype=dtype, threads=threads
    )


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
        window: window family, one of `names.WINDOWS`.
        normalization: `energy`, `amplitude` or `none`.

    Returns:
        Real, `[N]` or `[C, N]`, in the precision and on the device of X, without autograd.

    Raises:
        UsageError: wrong shapes, a length outside (0, n_fft], centres that decrease, unknown window.

    Warns:
        RuntimeWarning: least squares came to no end, as where windows hardly overlap.
    """
    shape = (n_fft // 2 + 1, len(centers))
    if X.dim() not in (2, 3) or X.shape[-2:] != shape or not X.is_complex():
        raise UsageError(
            f"transform of shape {tuple(X.shape)}: complex {list(shape)} or [C, "
            f"{shape[0]}, {shape[1]}] belongs to n_fft {n_fft} and {shape[1]} centres"
        )
    frames = X.detach().reshape(-1, *shape).transpose(-1, -2)
    inverse = inverse_of(
        Transform(n_fft, window, normalization),
        centers.detach().to("cpu", torch.float64).numpy(),
        lengths.detach().to("cpu", torch.float64).numpy(),
        length,
        channels=len(frames),
        dtype=X.real.dtype,
    )
    blocks = (frames[:, start : start + inverse.block] for start in inverse.starts())
    signal = np.concatenate(list(inverse.samples(blocks)), axis=-1)
    if isinstance(inverse, LeastSquaresInverse) and not inverse.converged:
        warnings.warn(
            f"least squares stopped after {inverse.iterations} iterations with residual "
            f"{inverse.residual:.1e}: samples may be inexact, windows that overlap more would help",
            RuntimeWarning,
            stacklevel=2,
        )
    back = torch.from_numpy(signal).to(X.device, X.real.dtype)
    return back.reshape(*X.shape[:-2], length)
