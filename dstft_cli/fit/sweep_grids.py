"""The window lengths of a sweep, and the grids of frames and bins each is evaluated on.

With `n_fft auto` a length θ in (n_fft/4, n_fft/2] has that n_fft, a power of two, and a hop of
n_fft/32: between a sixteenth and an eighth of the window, and bins at most half of 1/θ apart. The sums
of a criterion, in which the first and the last bin count half, then estimate integrals over time and
frequency well, single clicks and deep drones included. They are scaled to cells of one area `Δt·Δf`,
that of the usual hop of n_fft/16, so values of all lengths compare.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria import Criterion, Gini, Kurtosis, frame_sum, rows_together
from dstft_cli.criteria.builtin import COARSE
from dstft_cli.errors import UsageError
from dstft_cli.fit.centers import Segments
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.plan import (
    LONGEST_SHARE,
    LengthBounds,
    check_covering,
    check_hop,
    check_shortest,
    make_plan,
)
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.request import Request
from dstft_cli.records import LARGEST_FFT, USUAL_LENGTH

Array = NDArray[np.float64]

CELL = 1 / 16  # hop / n_fft to which values of several grids are scaled
_HOPS_PER_FFT = 32
_SHORTEST_SECONDS, _SHORTEST_SAMPLES = 0.002, 32
_WIDEST = 500  # ratio of the longest to the shortest length
_LENGTHS_PER_OCTAVE = 4
_ENDS = [0, -1]  # the bins at 0 and at half the sample rate


@dataclass(frozen=True)
class SweepGrid:
    """Lengths that share an FFT size and a hop."""

    n_fft: int  # FFT size K, samples
    hop_length: float  # samples, real
    lengths: Array  # window lengths, samples, increasing, `[m]`
    bounds: LengthBounds  # in which a length may be learned here, and what widens the sweep's
    area: float = 1.0  # of a cell, in `CELL`s; 1 where there is one grid, whose values are its own
    half_ends: bool = False  # first and last bin count half, to compare with other FFT sizes


def sweep_grids(length: int, request: Request, *, shortest: float = 0.0) -> list[SweepGrid]:
    """The grids of a sweep, from short to long windows; none below `shortest` unless asked for, samples."""
    if request.n_fft is not None:
        one = replace(request, window_mode="constant", hop_mode="fixed", win_length=None)
        plan = make_plan(one, int(request.n_fft), 0)
        _check_range(plan.bounds)
        lengths = _with_the_usual(plan.tabulated_lengths())
        return [SweepGrid(plan.n_fft, plan.hop_length, lengths, plan.bounds)]
    least = max(_SHORTEST_SECONDS * request.sample_rate, _SHORTEST_SAMPLES, shortest)
    bounds = _range(length, request, least)
    _check_range(bounds)
    # both ends and all powers of 2^(1/4) between them
    begin = math.ceil(_LENGTHS_PER_OCTAVE * math.log2(bounds.low) + 0.25)
    end = math.floor(_LENGTHS_PER_OCTAVE * math.log2(bounds.high) - 0.25)
    inner = 2.0 ** (np.arange(begin, end + 1) / _LENGTHS_PER_OCTAVE)
    lengths = _with_the_usual(np.concatenate([[bounds.low], inner, [bounds.high]]))
    hop_length, overlap, grids = request.hop_length, request.overlap, []
    exponents = np.ceil(np.log2(lengths) - 1e-9).astype(int)
    for exponent in np.unique(exponents):
        chosen, n_fft = lengths[exponents == exponent], 2 << int(exponent)
        hop = n_fft * min(1 / _HOPS_PER_FFT, overlap / 4) if hop_length is None else hop_length
        check_hop(hop)
        own = replace(bounds, low=max(bounds.low, hop / overlap), high=min(bounds.high, n_fft))
        grids.append(SweepGrid(n_fft, hop, chosen, own, hop / n_fft / CELL, True))
    return grids


def _range(length: int, request: Request, shortest: float) -> LengthBounds:
    """The shortest and the longest length where the FFT size is free."""
    low, high, option = request.win_length_min, request.win_length_max, "win_length_min"
    covering = (request.hop_length or 0.0) / request.overlap
    if high is None:
        high = max(min(_WIDEST * shortest, length * LONGEST_SHARE), 16.0)
        high = max(min(high, LARGEST_FFT / 2), 4 * (low or 0.0))
    if high > LARGEST_FFT / 2:
        asked, most = request.win_length_max, LARGEST_FFT // 2
        end, longest = ("min", low or 0.0) if asked is None else ("max", asked)
        raise UsageError(
            f"window length {end} {longest:g} samples is above {most if asked else most // 4}: "
            f"lower `win_length_{end}`"
        )
    if low is None:
        low = max(min(shortest, high / 4), 4.0)
        if covering > low:
            low, option = covering, "hop_length"
    else:
        check_shortest("window length min", low, "win_length_min")
        check_covering(low, request.hop_length or 0.0, request.overlap, "hop_length")
    return LengthBounds(low, high, option, "win_length_max")


def _check_range(bounds: LengthBounds) -> None:
    if not bounds.low < bounds.high * (1 - 1e-9):
        raise UsageError(
            f"window lengths from {bounds.low:g} to {bounds.high:g} samples leave nothing to sweep: "
            f"lower `{bounds.low_option}` or raise `{bounds.high_option}`"
        )


def _with_the_usual(lengths: Array) -> Array:
    """The lengths and, where it lies between them, the usual one, samples."""
    inside = lengths[0] < USUAL_LENGTH < lengths[-1]
    if not inside or np.isclose(lengths, USUAL_LENGTH, rtol=1e-9, atol=0).any():
        return lengths
    return np.sort(np.append(lengths, USUAL_LENGTH))


class SweepEvaluator(Evaluator):
    """An evaluator of the frames of a grid in segments of a signal, with equal weights.

    Where the grid asks for it, the first and the last bin count half, as in a trapezoid rule over
    frequency. Sums and numbers of cells are those of the whole signal and band, in the grid's `CELL`s,
    so that they compare with those of other grids.
    """

    def __init__(self, problem: Problem, segments: Segments, grid: SweepGrid) -> None:
        centers = segments.centers(grid.hop_length)
        weights = np.ones(len(centers))
        super().__init__(centers=centers, frame_weights=weights, **problem.evaluated(grid.n_fft))
        self.half_ends = grid.half_ends and self.cells_per_frame > self.frames.channels
        if self.half_ends:
            self.cells_per_frame -= self.frames.channels
        self.criterion = self._with_ends(self.criterion)
        self._weight = grid.area / segments.share(grid.hop_length)
        if grid.half_ends:
            rate = problem.sample_rate
            self._weight /= problem.band.covered(grid.n_fft, rate)
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
            found = []
            for m, a in enumerate(self._cells(start, stop, lengths, windows)):
                rows = rows_together(plain, a, self._pool)
                found.append([row.sum(0).cpu().double().numpy() for row in rows])
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

    def _pool(self, cells: Tensor) -> Tensor:
        """Sum of the cells of each frame, those at the ends by half, `[n]`."""
        sums = frame_sum(cells)
        return sums - 0.5 * frame_sum(cells[..., _ENDS]) if self.half_ends else sums

    def _count(self, histogram: Tensor, a: Tensor) -> None:
        weights = torch.ones(a.shape[1], dtype=self.dtype, device=self.device)
        Gini.add_to_histogram(histogram, a, weights)
        if self.half_ends:
            Gini.add_to_histogram(histogram, a[..., _ENDS], -0.5 * weights)

    def _with_ends(self, criterion: Criterion) -> Criterion:
        """A criterion that is not a sum over bins weighs the ends itself."""
        return Kurtosis(0.5) if self.half_ends and type(criterion) is Kurtosis else criterion
