"""Criterion and gradient over a whole signal, one block of frames at a time.

A block is small enough for the processor's cache, and blocks are spread over threads; nothing of a
block outlives it but the sums of its frames. So one evaluation with gradient costs about one
`torch.stft` of the signal and memory independent of its length.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria import Criterion, Gini
from dstft_cli.parameters import quadrature_weights
from dstft_cli.stft import Frames, Samples, Transform, map_in_order

FloatArray = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
Job = TypeVar("Job")
Done = TypeVar("Done")

_BLOCK_SAMPLES = {"cpu": 1 << 19, "cuda": 1 << 25, "mps": 1 << 23}


class Evaluator:
    """Moments of a criterion for given window lengths.

    Args:
        samples: signal `[C, N]`.
        centers: frame centres, samples, `[T]`.
        transform: FFT size, window family, normalization.
        criterion: what is evaluated.
        power: the criterion sees `a = |X|^power`, > 0.
        peak: largest absolute sample; scale-invariant criteria see the signal divided by it, so
            that no power of it leaves the range of float32.
        device, dtype: where and how it is computed.
        threads: blocks at a time (CPU only), >= 1.
        progress: called as `progress(stage, done, total)` with blocks done.

    A row is what may have a window length of its own: here a frame, in `FrequencyEvaluator` a bin.

    Attributes:
        evaluations: transforms of the whole signal computed so far.
        weights: of the rows in the sums, `[R]`: here the quadrature weights of the frames.
        cells: weighted number of time-frequency cells.
        variation: what one unit of `Σ|Δ ln θ|` along the rows counts: here n_fft/N, so that
            the price of a change depends neither on hop nor on duration.
    """

    def __init__(
        self,
        samples: Samples,
        centers: FloatArray,
        transform: Transform,
        criterion: Criterion,
        *,
        power: float = 2.0,
        peak: float = 1.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        threads: int = 1,
        progress: Progress | None = None,
    ) -> None:
        self.transform = transform
        self.criterion = criterion
        self.power = power
        self.device = torch.device(device)
        self.dtype = dtype
        scale = 1.0
        if criterion.scale_invariant:
            scale = 1.0 / (peak * _largest_gain(transform))
        self.frames = Frames(
            samples, centers, transform.n_fft, scale=scale, device=device, dtype=dtype
        )
        self.weights = quadrature_weights(centers)
        self.cells = self.frames.channels * transform.bins * float(self.weights.sum())
        self.variation = transform.n_fft / self.frames.length
        self.evaluations = 0
        self._moments = criterion.sums_per_frame
        self._progress = progress
        self._table_dtype = np.float64 if dtype == torch.float64 else np.float32
        count = _BLOCK_SAMPLES[self.device.type] // (transform.n_fft * self.frames.channels)
        self._block = min(max(count, 1), 4096)
        self._threads = threads if self.device.type == "cpu" else 1

    def arrange(self, row: FloatArray) -> FloatArray:
        """Lengths of the rows `[R]` in the shape of a parameter, `[1, T]`."""
        return row[None, :]

    def table(self, lengths: FloatArray) -> NDArray[np.floating[Any]]:
        """Moments per frame for each of M fixed lengths, `[T, M, J]`, in one read of the signal.

        In the dtype of the transform: float32 halves the memory of an hour's table; each entry is a
        float64 sum rounded once.
        """
        table = np.empty((len(self.frames), len(lengths), self._moments), dtype=self._table_dtype)
        windows = self._windows_of_all(lengths)

        def work(start: int, stop: int) -> None:
            block = self.frames.block(start, stop)
            fractions = self.frames.fractions(start, stop)
            for m, length in enumerate(lengths):
                w = windows[m] if windows is not None else self._row(fractions, length)
                moments = self.criterion.rows(self._cells(block, w))[0]
                table[start:stop, m] = moments.cpu().numpy()

        self._drain("search", work)
        self.evaluations += len(lengths)
        return table

    def rows(self, lengths: FloatArray) -> NDArray[np.float64]:
        """Moments per frame `[T, J]` for lengths `[1, 1]` or `[1, T]`, samples."""
        return self._rows(lengths, slopes=False)[0]

    def rows_and_slopes(
        self, lengths: FloatArray
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Moments and their derivative with respect to each frame's length, both `[T, J]`."""
        rows, slopes = self._rows(lengths, slopes=True)
        assert slopes is not None
        return rows, slopes

    def total(self, lengths: FloatArray) -> NDArray[np.float64]:
        """Sums `[J]` for lengths `[1, 1]` or `[1, T]`, ranks included where the criterion has them."""
        return self.rank(lengths) if self.criterion.ranked else self.sums(self.rows(lengths))

    def rank(self, lengths: FloatArray) -> NDArray[np.float64]:
        """Fixes the ranks of a ranked criterion at these lengths, and returns the sums `[J]`."""
        histogram = Gini.empty_histogram(self.device)
        lock = threading.Lock()

        def work(start: int, stop: int) -> None:
            a = self._cells(self.frames.block(start, stop), self._windows(start, stop, lengths))
            weights = torch.from_numpy(self.weights[start:stop]).to(self.dtype).to(self.device)
            with lock:
                Gini.add_to_histogram(histogram, a, weights)

        self._drain("rank", work)
        self.evaluations += 1
        self.criterion, sums = Gini.from_histogram(histogram)
        return sums.numpy()

    def sums(self, rows: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """Quadrature over frames: `[T, ..., J]` → `[..., J]`, float64."""
        flat = rows.reshape(len(rows), -1)
        total = np.zeros(flat.shape[1])
        for start in range(0, len(flat), 4096):
            stop = start + 4096
            total += self.weights[start:stop] @ flat[start:stop].astype(np.float64)
        return total.reshape(rows.shape[1:])

    def _rows(
        self, lengths: FloatArray, *, slopes: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        rows = np.empty((len(self.frames), self._moments))
        gradients = np.empty_like(rows) if slopes else None

        def work(start: int, stop: int) -> None:
            block = self.frames.block(start, stop)
            if gradients is None:
                a = self._cells(block, self._windows(start, stop, lengths))
                moments, _ = self.criterion.rows(a)
            else:
                w, dw = self._windows_and_slopes(start, stop, lengths)
                moments, derivatives = self.criterion.rows(*self._cells_and_slopes(block, w, dw))
                assert derivatives is not None
                gradients[start:stop] = derivatives.cpu().numpy()
            rows[start:stop] = moments.cpu().numpy()

        self._drain("descent" if slopes else "evaluate", work)
        self.evaluations += 1
        return rows, gradients

    def _drain(self, stage: str, work: Callable[[int, int], None]) -> None:
        """Runs `work(start, stop)` on all blocks of frames, for what it writes elsewhere."""
        T = len(self.frames)
        blocks = [(start, min(start + self._block, T)) for start in range(0, T, self._block)]
        for _ in self._each(stage, lambda block: work(*block), blocks):
            pass

    def _each(self, stage: str, work: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[Done]:
        """`work(job)` of all jobs in order, with progress."""
        for count, done in enumerate(map_in_order(work, jobs, self._threads), start=1):
            yield done
            if self._progress is not None:
                self._progress(stage, count, len(jobs))

    def _windows_of_all(self, lengths: FloatArray) -> list[Tensor] | None:
        """One row per length where all centres are whole, so that no block computes it again."""
        fractions = self.frames.fractions(0, len(self.frames))
        if len(fractions) > 1:
            return None
        return [self._row(fractions, length) for length in lengths]

    def _row(self, fractions: Tensor, length: float) -> Tensor:
        return self.transform.windows(fractions, fractions.new_tensor([float(length)]))

    def _lengths(self, start: int, stop: int, lengths: FloatArray) -> Tensor:
        row = lengths[0] if lengths.shape[1] == 1 else lengths[0, start:stop]
        return torch.as_tensor(row).to(self.dtype).to(self.device)

    def _windows(self, start: int, stop: int, lengths: FloatArray) -> Tensor:
        fractions = self.frames.fractions(start, stop)
        return self.transform.windows(fractions, self._lengths(start, stop, lengths))

    def _windows_and_slopes(
        self, start: int, stop: int, lengths: FloatArray
    ) -> tuple[Tensor, Tensor]:
        fractions = self.frames.fractions(start, stop)
        return self.transform.windows_and_slopes(fractions, self._lengths(start, stop, lengths))

    def _cells(self, block: Tensor, w: Tensor) -> Tensor:
        """`a = |X|^p`, `[C, n, F]`."""
        X = torch.view_as_real(torch.fft.rfft(block * w))
        return power_of(self.power, _pair_sum(X * X))

    def _cells_and_slopes(self, block: Tensor, w: Tensor, dw: Tensor) -> tuple[Tensor, Tensor]:
        """`a` and `∂a`, each `[C, n, F]`."""
        X = torch.view_as_real(torch.fft.rfft(block * w))
        dX = torch.view_as_real(torch.fft.rfft(block * dw))
        return power_and_slope(self.power, _pair_sum(X * X), _pair_sum(X * dX))


def power_of(power: float, squared: Tensor) -> Tensor:
    """`a = |X|^p` from `|X|²`."""
    return squared if power == 2 else squared.pow(power / 2)


def power_and_slope(power: float, squared: Tensor, inner: Tensor) -> tuple[Tensor, Tensor]:
    """`a` and `∂a = p |X|^(p−2) Re(X̄ ∂X)`, zero where X = 0, from `|X|²` and `Re(X̄ ∂X)`."""
    if power == 2:
        return squared, inner.mul_(2)
    a = squared.pow(power / 2)
    ratio = torch.where(squared > 0, a / squared, 0.0)
    return a, inner.mul_(ratio).mul_(power)


def _pair_sum(products: Tensor) -> Tensor:
    """Real part plus imaginary part, `[..., 2]` to `[...]`."""
    return products[..., 0] + products[..., 1]


def _largest_gain(transform: Transform) -> float:
    """Upper bound of |X| for a signal that does not exceed 1."""
    if transform.normalization == "amplitude":
        return 1.0
    gain: float = float(transform.n_fft)
    return math.sqrt(gain) if transform.normalization == "energy" else gain
