"""Criterion and gradient over a whole signal, one block of frames at a time.

A block fits the processor's cache, and blocks are spread over threads. Only the sums of its frames are
kept. So one evaluation with gradient costs about one
`torch.stft` of the signal and memory independent of its length.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria import Criterion, Gini
from dstft_cli.fit.centers import quadrature_weights
from dstft_cli.fit.path import Neighbours
from dstft_cli.records import Progress, tell
from dstft_cli.stft import Frames, Samples, Transform, map_in_order

FloatArray = NDArray[np.float64]
Moments = tuple[Tensor, Tensor | None]  # and their derivatives
Job = TypeVar("Job")
Done = TypeVar("Done")

_BLOCK_SAMPLES = {"cpu": 1 << 19, "cuda": 1 << 25, "mps": 1 << 23}


@dataclass(frozen=True)
class Compute:
    device: torch.device | str = "cpu"  # of torch
    dtype: torch.dtype = torch.float32
    threads: int = 1  # blocks at a time (CPU only), >= 1
    progress: Progress | None = None  # called as `progress(stage, done, total)` with blocks done


@dataclass(frozen=True)
class Slopes:
    """Sums of a criterion `[J]`, and derivatives with respect to lengths and centres, per sample."""

    sums: FloatArray
    cells: float  # weighted number of cells
    by_length: FloatArray  # of the sums, with respect to the length of each row, `[R, J]`
    # where positions move: moments, not weighted, and their derivative by the centre, `[T, J]`
    frames: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    by_center: FloatArray = field(default_factory=lambda: np.empty((0, 0)))


class Evaluator:
    """Moments of a criterion for given window lengths.

    Cells `[C, n, B]` are those of the B bins of the criterion. A row is a unit with its own window
    length: here a frame, in `FrequencyEvaluator` a bin. Frames weigh their share of time in the signal
    (`quadrature_weights`), or `frame_weights` `[T]` in a part of it. For scale-invariant criteria the
    signal is divided by its `peak`, so that powers stay in the range of float32.
    """

    def __init__(
        self,
        samples: Samples,
        centers: FloatArray,
        transform: Transform,
        criterion: Criterion,
        *,
        power: float = 2.0,
        bins: slice = slice(None),
        hop_length: float | None = None,
        learned_positions: bool = False,
        frame_weights: FloatArray | None = None,
        peak: float = 1.0,
        compute: Compute = Compute(),
    ) -> None:
        self.transform = transform
        self.criterion = criterion
        self.power = power
        self.bins = bins
        self.device, self.dtype = torch.device(compute.device), compute.dtype
        scale = 1.0
        if criterion.scale_invariant:
            scale = 1.0 / (peak * _largest_gain(transform))
        self.frames = Frames(
            samples, centers, transform.n_fft, scale=scale, device=self.device, dtype=self.dtype
        )
        self.centers = centers
        if frame_weights is None:
            frame_weights = quadrature_weights(
                centers, hop_length, self.frames.length if learned_positions else None
            )
        self.frame_weights = self.weights = frame_weights  # [T], and of the rows in the sums, [R]
        self.cells_per_frame = self.frames.channels * len(range(transform.bins)[bins])
        self.cells = self.cells_per_frame * float(self.weights.sum())  # weighted
        self.evaluations = 0  # transforms of the whole signal so far
        self._moments = criterion.sums_per_frame
        self._progress = compute.progress
        self._table_dtype = np.float64 if self.dtype == torch.float64 else np.float32
        count = _BLOCK_SAMPLES[self.device.type] // (transform.n_fft * self.frames.channels)
        self._block = min(max(count, 1), 4096)
        self._threads = compute.threads if self.device.type == "cpu" else 1

    def arrange(self, row: FloatArray) -> FloatArray:
        """Lengths of the rows `[R]` in the shape of a parameter, `[1, T]`; of all `[1]`, `[1, 1]`."""
        return row[None, :]

    def shown(self, row: FloatArray) -> FloatArray:
        """Lengths of the rows `[R]` or of all `[1]` in the shape in which steps are recorded."""
        return self.arrange(row)

    def neighbours(self, smoothness: float, over_time: float) -> Neighbours:
        """The penalty on change: μ per e-fold and n_fft of signal, for any hop and duration."""
        price = smoothness * self.transform.n_fft / self.frames.length
        return Neighbours((len(self.frames),), (price,))

    def shortest(self, row: FloatArray) -> NDArray[np.int64]:
        """Index of the row with the shortest length of each frame, `[T]`."""
        return np.arange(len(self.frames))

    def table(self, lengths: FloatArray) -> NDArray[np.floating[Any]]:
        """Moments per row for M fixed lengths, `[R, M, J]`, float64 sums in the dtype of the transform."""
        table = np.zeros((len(self.weights), len(lengths), self._moments), dtype=self._table_dtype)
        windows = self._windows_of_all(lengths)

        def work(start: int, stop: int) -> tuple[int, FloatArray]:
            cells = enumerate(self._cells(start, stop, lengths, windows))
            parts = [self._tabulated(start, stop, m, a) for m, a in cells]
            return start, torch.stack(parts, dim=-2).cpu().numpy()

        for start, part in self._drain("search", work):
            self._place(table, start, part)
        self.evaluations += len(lengths)
        return table

    def rows(self, lengths: FloatArray) -> FloatArray:
        """Moments per row `[R, J]` for lengths in the shape of a parameter, samples."""
        return self._rows(lengths, slopes=False)[0]

    def rows_and_slopes(self, lengths: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Moments and their derivative with respect to each row's length, both `[R, J]`."""
        return self._rows(lengths, slopes=True)

    def slopes(self, lengths: FloatArray) -> Slopes:
        """Sums and their derivatives with respect to lengths and centres; not for ranked criteria."""
        T = len(self.frames)
        frames, by_center = np.empty((T, self._moments)), np.empty((T, self._moments))
        by_length = np.zeros((len(self.weights), self._moments))

        def work(start: int, stop: int) -> tuple[int, FloatArray]:
            a, by_theta, by_t = self._powers(start, stop, lengths, 2)
            frames[start:stop], by_center[start:stop] = numbers(self.criterion.rows(a, by_t))
            return start, numbers(self._pooled(start, stop, a, by_theta))[1]

        for start, part in self._drain("descent", work):
            self._place(by_length, start, part)
        self.evaluations += 1
        by_length *= self.weights[:, None]
        return Slopes(self.frame_weights @ frames, self.cells, by_length, frames, by_center)

    def total(self, lengths: FloatArray) -> FloatArray:
        """Sums `[J]` for lengths in the shape of a parameter, with their ranks for a ranked criterion."""
        return self.rank(lengths) if self.criterion.ranked else self.sums(self.rows(lengths))

    def rank(self, lengths: FloatArray) -> FloatArray:
        """Fixes the ranks of a ranked criterion at these lengths, and returns the sums `[J]`."""
        histogram = Gini.empty_histogram(self.device)
        lock = threading.Lock()

        def work(start: int, stop: int) -> None:
            (a,) = self._powers(start, stop, lengths)
            weights = torch.from_numpy(self.frame_weights[start:stop])
            weights = weights.to(self.dtype).to(self.device)
            with lock:
                Gini.add_to_histogram(histogram, a, weights)

        for _ in self._drain("rank", work):
            pass
        self.evaluations += 1
        self.criterion, sums = Gini.from_histogram(histogram)
        return sums.numpy()

    def sums(self, rows: NDArray[np.floating[Any]]) -> FloatArray:
        """Quadrature over rows: `[R, ..., J]` → `[..., J]`, float64."""
        return weighted_sum(self.weights, rows)

    def _rows(self, lengths: FloatArray, *, slopes: bool) -> tuple[FloatArray, FloatArray]:
        """Moments and, with slopes, their derivatives, both `[R, J]`."""
        rows, gradients = np.zeros((2, len(self.weights), self._moments))

        def work(start: int, stop: int) -> tuple[int, list[FloatArray]]:
            found = self._powers(start, stop, lengths, int(slopes))
            return start, numbers(self._pooled(start, stop, *found[: 1 + slopes]))

        for start, parts in self._drain("descent" if slopes else "evaluate", work):
            for total, part in zip((rows, gradients), parts, strict=False):
                self._place(total, start, part)
        self.evaluations += 1
        return rows, gradients

    def _pooled(self, start: int, stop: int, a: Tensor, da: Tensor | None = None) -> Moments:
        """Moments of the rows of a block and their derivatives, each `[n, J]`."""
        return self.criterion.rows(a, da)

    def _tabulated(self, start: int, stop: int, m: int, a: Tensor) -> Tensor:
        """Moments of the rows of a block under length `m` of a table, `[n, J]`."""
        return self._pooled(start, stop, a)[0]

    def _place(self, total: NDArray[np.floating[Any]], start: int, part: FloatArray) -> None:
        """Adds what `_pooled` found from frame `start` on, in place."""
        total[start : start + len(part)] += part

    def _drain(self, stage: str, work: Callable[[int, int], Done]) -> Iterator[Done]:
        """`work(start, stop)` of all blocks of frames, in order."""
        T = len(self.frames)
        blocks = [(start, min(start + self._block, T)) for start in range(0, T, self._block)]
        return self._each(stage, lambda block: work(*block), blocks)

    def _each(self, stage: str, work: Callable[[Job], Done], jobs: Sequence[Job]) -> Iterator[Done]:
        """`work(job)` of all jobs in order, with progress."""
        for count, done in enumerate(map_in_order(work, jobs, self._threads), start=1):
            yield done
            tell(self._progress, stage, count, len(jobs))

    def _cells(
        self, start: int, stop: int, lengths: FloatArray, windows: list[Tensor] | None
    ) -> Iterator[Tensor]:
        """`a` of a block under one length after another, `[C, n, B]` each."""
        block, fractions = self.frames.block(start, stop), self.frames.fractions(start, stop)
        for m, length in enumerate(lengths):
            w = windows[m] if windows is not None else self._row(fractions, length)
            yield spectrum_powers(self.power, self._spectrum(block, w))[0]

    def _windows_of_all(self, lengths: FloatArray) -> list[Tensor] | None:
        """One row per length where all centres are whole, so that no block computes it again."""
        fractions = self.frames.fractions(0, len(self.frames))
        if len(fractions) > 1:
            return None
        return [self._row(fractions, length) for length in lengths]

    def _row(self, fractions: Tensor, length: float) -> Tensor:
        return self.transform.windows(fractions, fractions.new_tensor([float(length)]))

    def _powers(
        self, start: int, stop: int, lengths: FloatArray, derivatives: int = 0
    ) -> tuple[Tensor, ...]:
        """`a` of a block, with 1 its derivative by window length, with 2 also by centre, `[C, n, B]`."""
        row = torch.as_tensor(lengths[0] if lengths.shape[1] == 1 else lengths[0, start:stop])
        fractions = self.frames.fractions(start, stop)
        windows = self.transform.rows(fractions, row.to(self.dtype).to(self.device), derivatives)
        block = self.frames.block(start, stop)
        return spectrum_powers(self.power, *(self._spectrum(block, w) for w in windows))

    def _spectrum(self, block: Tensor, w: Tensor) -> Tensor:
        """The transform of a block in the bins of the criterion, up to phase, `[C, n, B]`."""
        spectrum: Tensor = torch.fft.rfft(block * w)
        return spectrum[..., self.bins]


def weighted_sum(weights: FloatArray, rows: NDArray[np.floating[Any]]) -> FloatArray:
    """Sum over the first axis, float64, in parts, so that little is in memory twice."""
    flat = rows.reshape(len(rows), -1)
    total = np.zeros(flat.shape[1])
    for start in range(0, len(flat), 4096):
        part = slice(start, start + 4096)
        total += weights[part] @ flat[part].astype(np.float64)
    return total.reshape(rows.shape[1:])


def numbers(moments: Moments) -> list[FloatArray]:
    """Of moments and, if there are any, their derivatives."""
    return [part.cpu().numpy() for part in moments if part is not None]


def _largest_gain(transform: Transform) -> float:
    """Upper bound of |X| for a signal that does not exceed 1."""
    if transform.normalization == "amplitude":
        return 1.0
    gain: float = float(transform.n_fft)
    return math.sqrt(gain) if transform.normalization == "energy" else gain


def powers(power: float, squared: Tensor, *inner: Tensor) -> tuple[Tensor, ...]:
    """`a`, and `∂a = p |X|^(p−2) Re(X̄ ∂X)`, 0 where X = 0; overwrites the `Re(X̄ ∂X)` given."""
    if power == 2:
        return squared, *(product.mul_(2) for product in inner)
    if not inner:
        return (squared.pow(power / 2),)
    # |X|^(p−2); where X = 0 it is finite, and Re(X̄ ∂X) is zero
    ratio = squared.clamp_min(torch.finfo(squared.dtype).tiny).pow_(power / 2 - 1)
    a = squared * ratio
    ratio.mul_(power)
    return a, *(product.mul_(ratio) for product in inner)


def spectrum_powers(power: float, X: Tensor, *changes: Tensor) -> tuple[Tensor, ...]:
    """`a` of a complex spectrum, and `∂a` for each `∂X`; overwrites them."""
    parts = torch.view_as_real(X)
    inner = [_pair_sum(torch.view_as_real(dX).mul_(parts)) for dX in changes]
    return powers(power, _pair_sum(parts.square_()), *inner)


def _pair_sum(products: Tensor) -> Tensor:
    return products[..., 0] + products[..., 1]
