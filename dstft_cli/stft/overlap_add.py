"""Inverse of the transform: weighted overlap-add, in bounded memory.

With `y_i = irfft(X[:, i])`, the windowed frame, and `w_i` the window of frame `i` around its centre:

    x̂[n] = Σ_i w_i[n − t_i] · y_i[n − t_i] / Σ_i w_i[n − t_i]²

This is the signal whose transform is nearest to X in the least-squares sense. If X is the transform of a
signal, it is that signal, for any centres, lengths and family, if a window above zero reaches every sample.

Source: Griffin & Lim, IEEE TASSP 32 (1984), equation 6; Leiber et al., IEEE TSP 73 (2025).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.errors import UsageError
from dstft_cli.stft.frames import map_in_order
from dstft_cli.stft.transform import Transform

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]
Block = tuple[int, NDArray[np.float64], NDArray[np.float64]]

WEAK_ERROR = 1e-4  # share of the signal's level; a sample with a larger rounding error is weak
BLOCK_SAMPLES = 1 << 20  # of all frames and channels of a block
_BUFFER_SAMPLES = 1 << 16  # samples waiting for further frames, at least


def check_lengths(n_fft: int, centers: FloatArray, lengths: FloatArray) -> None:
    """UsageError where centres `[T]` and lengths do not belong together."""
    F, T = n_fft // 2 + 1, len(centers) if centers.ndim == 1 else 0
    if not T or lengths.shape not in ((1, 1), (1, T), (F, 1), (F, T)):
        raise UsageError(
            f"centres {centers.shape} with lengths {lengths.shape} and `n_fft` {n_fft}: "
            "give [T] with [1, 1], [1, T], [F, 1] or [F, T], F = n_fft // 2 + 1"
        )
    if not np.isfinite(centers).all():
        raise UsageError("centres are not all finite")
    low, high = float(lengths.min()), float(lengths.max())
    if not (low > 0 and high <= n_fft):
        raise UsageError(
            f"window lengths {low:g}…{high:g} samples are not all above 0 and up to `n_fft` {n_fft}"
        )


def incomplete(count: int, total: int) -> ValueError:
    return ValueError(f"{count} of {total} frames came: the signal is incomplete")


def lost_and_weak(
    weight: FloatArray, top: FloatArray, dtype: torch.dtype
) -> tuple[BoolArray, BoolArray]:
    """Samples of `Σ w²` that are only rounding errors, against the greatest `w²`, and inexact ones."""
    eps = torch.finfo(dtype).eps
    lost: BoolArray = weight <= eps**2 * top
    return lost, ~lost & (weight < (eps / WEAK_ERROR) ** 2 * top)


class BlockInverse:
    """Base of both inverses: takes X in blocks of frames in time order, yields samples in order.

    Memory depends on n_fft, channels and threads, not on the number of frames.

    Args:
        centers: frame centres, samples, `[T]`, not decreasing; frames may reach beyond the ends.
        lengths: window lengths, samples, in (0, n_fft]: of overlap-add `[1, 1]` or `[1, T]`, of least
            squares also `[F, 1]` or `[F, T]`.
        length: N, samples per channel, >= 1.
        dtype: float32 or float64, the precision in which X was computed and is given.
        threads: blocks or segments at a time.

    Attributes:
        block: frames in a block that suits the processor's cache.
        uncovered: samples that no window reaches, or only within rounding errors; set to zero.
        weak: further samples with a rounding error above `WEAK_ERROR` of the level around them.
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
        if length < 1:
            raise UsageError(f"signal `length` {length} samples: at least 1 is needed")
        check_lengths(transform.n_fft, centers, lengths)
        if not (np.diff(centers) >= 0).all():
            raise UsageError("the frame centres decrease: sort the frames by their centres")
        self.length = length
        self.channels = channels
        self.block = max(BLOCK_SAMPLES // (transform.n_fft * channels), 1)
        self.uncovered = 0
        self.weak = 0
        self._transform = transform
        self._centers = np.asarray(centers, np.float64)
        self._lengths = np.asarray(lengths, np.float64)
        self._dtype = dtype
        self._threads = threads

    def starts(self) -> range:
        """Number of the first frame of each block."""
        return range(0, len(self._centers), self.block)

    def samples(self, blocks: Iterable[Tensor]) -> Iterator[NDArray[np.float64]]:
        """Finished samples, in order; can be used once.

        Args:
            blocks: `X` as complex `[C, n, F]`, in all T frames, in order.

        Yields:
            `[C, m]`, float64, N samples in all.
        """
        raise NotImplementedError


class Inverse(BlockInverse):
    """Weighted overlap-add; arguments and attributes are those of `BlockInverse`.

    Windows are computed in the precision of the transform, so that their rounding cancels; the sums
    are float64.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        if len(self._lengths) != 1:
            raise UsageError(
                f"lengths {self._lengths.shape} vary with frequency: overlap-add takes [1, 1] or [1, T], "
                "use `inverse_of`"
            )
        K, floors = self._transform.n_fft, np.floor(self._centers)
        self._fractions = self._centers - floors
        self._firsts = floors.astype(np.int64) - K // 2
        capacity = max(2 * K, _BUFFER_SAMPLES)
        self._position = 0  # of the first sample in the buffers below
        self._sum = np.zeros((self.channels, capacity))  # Σ w y
        self._weight = np.zeros(capacity)  # Σ w²
        self._top = np.zeros(capacity)  # greatest w² of the windows that reach a sample

    def samples(self, blocks: Iterable[Tensor]) -> Iterator[NDArray[np.float64]]:
        K, done = self._transform.n_fft, 0
        half = np.broadcast_to(self._lengths[0] / 2, len(self._centers))
        middle = self._fractions + K // 2
        # where the window of a frame is not zero, and the sample is one that is kept
        low = np.maximum(np.floor(middle - half).clip(0, K), -self._firsts).astype(np.int64)
        high = np.minimum((np.ceil(middle + half) + 1).clip(0, K), self.length - self._firsts)
        for start, y, w in map_in_order(self._windowed, self._numbered(blocks), self._threads):
            squares = np.square(w)
            peaks = squares.max(axis=-1)
            for i in range(y.shape[1]):
                first, row = int(self._firsts[start + i]), 0 if len(w) == 1 else i
                if first + K > self._position + len(self._weight):
                    yield from self._finish(min(first, self.length))
                inside = slice(int(low[start + i]), int(high[start + i]))
                if inside.stop > inside.start:
                    shift = first - self._position
                    place = slice(inside.start + shift, inside.stop + shift)
                    self._sum[:, place] += y[:, i, inside]
                    self._weight[place] += squares[row, inside]
                    np.maximum(self._top[place], peaks[row], out=self._top[place])
            done = start + y.shape[1]
        if done != len(self._firsts):
            raise incomplete(done, len(self._firsts))
        yield from self._finish(self.length)

    def _numbered(self, blocks: Iterable[Tensor]) -> Iterator[tuple[int, Tensor]]:
        start = 0
        for X in blocks:
            yield start, X
            start += X.shape[1]

    def _windowed(self, job: tuple[int, Tensor]) -> Block:
        """`w · irfft(X)` `[C, n, K]` and `w` `[n or 1, K]` of a block, in float64."""
        start, X = job
        block = slice(start, start + X.shape[1])
        part, row = self._fractions[block], self._lengths[0]
        part = part if part.any() else np.zeros(1)
        row = row if len(row) == 1 else row[block]
        fractions, lengths = (torch.from_numpy(one).to(self._dtype) for one in (part, row))
        w = self._transform.windows(fractions, lengths).double()
        y = torch.fft.irfft(X.to("cpu", torch.complex128), n=self._transform.n_fft)
        return start, y.mul_(w).numpy(), w.numpy()

    def _finish(self, until: int) -> Iterator[NDArray[np.float64]]:
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
