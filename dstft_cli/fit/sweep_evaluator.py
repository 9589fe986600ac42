"""Sums of several criteria for several window lengths, each transform computed once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria import Criterion, Gini, Kurtosis, rows_together
from dstft_cli.criteria.gini import COARSE
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.segments import Segments
from dstft_cli.fit.sweep_grids import SweepGrid
from dstft_cli.stft import Transform

Array = NDArray[np.float64]

_ENDS = [0, -1]  # the bins at 0 and at half the sample rate


class SweepEvaluator(Evaluator):
    """An evaluator of the frames of a grid in segments of a signal, with equal weights.

    Where the grid asks for it, the first and the last bin count half, as in a trapezoid rule over
    frequency. Sums and numbers of cells are those of the whole signal and band, in the grid's `CELL`s,
    so that they compare with those of other grids.
    """

    def __init__(
        self, problem: Problem, segments: Segments, grid: SweepGrid, criterion: Criterion
    ) -> None:
        asked, centers = problem.request, segments.centers(grid.hop_length)
        super().__init__(
            problem.samples,
            centers,
            Transform(grid.n_fft, asked.window, asked.normalization),
            criterion,
            power=asked.power,
            bins=problem.band.bins(grid.n_fft, problem.sample_rate),
            hop_length=grid.hop_length,
            frame_weights=np.ones(len(centers)),
            peak=problem.peak,
            compute=problem.compute,
        )
        self.half_ends = grid.half_ends and self.cells_per_frame > self.frames.channels
        if self.half_ends:
            self.cells_per_frame -= self.frames.channels
        self.criterion = self._with_ends(self.criterion)
        self._weight = grid.area / segments.share(grid.hop_length)
        if grid.half_ends:
            rate = problem.sample_rate
            self._weight /= problem.band.covered(grid.n_fft, rate, half_ends=True)
        self.cells = self.cells_per_frame * len(self.frames) * self._weight

    def sums_of(self, criteria: Sequence[Criterion], lengths: Array) -> list[Array]:
        """Sums `[M, J]` of each criterion for each of M fixed lengths, samples, in one pass."""
        plain = [self._with_ends(criterion) for criterion in criteria if not criterion.ranked]
        totals = [np.zeros((len(lengths), criterion.sums_per_frame)) for criterion in plain]
        ranking = len(plain) < len(criteria)
        histograms = [Gini.empty_histogram(self.device, COARSE) for _ in lengths] if ranking else []
        windows = self._windows_of_all(lengths)
        locks = [threading.Lock() for _ in lengths]

        def work(start: int, stop: int) -> list[list[Array]]:
            block = self.frames.block(start, stop)
            fractions = self.frames.fractions(start, stop)
            found = []
            for m, length in enumerate(lengths):
                w = windows[m] if windows is not None else self._row(fractions, length)
                a = self._cells(block, w)
                found.append([row.sum(0).cpu().double().numpy() for row in self._rows_of(plain, a)])
                if ranking:
                    with locks[m]:
                        self._count(histograms[m], a)
            return found

        for found in self._drain("sweep", work):
            for m, rows in enumerate(found):
                for total, row in zip(totals, rows, strict=True):
                    total[m] += row
        self.evaluations += len(lengths)
        ranked = np.array([Gini.from_histogram(h)[1].numpy() for h in histograms])
        of_plain = iter(totals)
        of_each = [ranked if criterion.ranked else next(of_plain) for criterion in criteria]
        return [self._weight * sums for sums in of_each]

    def sums_and_slopes(self, length: float) -> tuple[Array, Array]:
        """Sums `[J]` of the evaluator's criterion and their derivatives by the length, per sample."""
        lengths = np.array([[length]])
        if self.criterion.ranked:
            self._rank_anew(lengths)
        sums = np.zeros((2, self._moments))

        def work(start: int, stop: int) -> Array:
            a, da = self._powers(start, stop, lengths, 1)
            both = self._total(a, da)
            if self.half_ends and not self.criterion.per_frame:
                both -= 0.5 * self._total(a[..., _ENDS], da[..., _ENDS])
            return both

        for part in self._drain("descent", work):
            sums += part
        self.evaluations += 1
        return self._weight * sums[0], self._weight * sums[1]

    def _total(self, a: Tensor, da: Tensor) -> Array:
        """Sums over cells and their derivatives, `[2, J]`."""
        rows, slopes = self.criterion.rows(a, da)
        assert slopes is not None
        total: Array = torch.stack([rows.sum(0), slopes.sum(0)]).cpu().double().numpy()
        return total

    def _rank_anew(self, lengths: Array) -> None:
        """Fixes the ranks of a ranked criterion at these lengths, `[1, 1]`."""
        histogram = Gini.empty_histogram(self.device, COARSE)

        for (a,) in self._drain("rank", partial(self._powers, lengths=lengths)):
            self._count(histogram, a)
        self.criterion = Gini.from_histogram(histogram)[0]

    def _rows_of(self, criteria: Sequence[Criterion], a: Tensor) -> list[Tensor]:
        """Sums per frame of criteria without ranks."""
        rows = rows_together(criteria, a)
        if not self.half_ends:
            return rows
        ends = rows_together(criteria, a[..., _ENDS])
        return [
            row if criterion.per_frame else row - 0.5 * end
            for criterion, row, end in zip(criteria, rows, ends, strict=True)
        ]

    def _count(self, histogram: Tensor, a: Tensor) -> None:
        weights = torch.ones(a.shape[1], dtype=self.dtype, device=self.device)
        Gini.add_to_histogram(histogram, a, weights)
        if self.half_ends:
            Gini.add_to_histogram(histogram, a[..., _ENDS], -0.5 * weights)

    def _with_ends(self, criterion: Criterion) -> Criterion:
        """A criterion that is not a sum over bins weighs the ends itself."""
        return Kurtosis(0.5) if self.half_ends and type(criterion) is Kurtosis else criterion
