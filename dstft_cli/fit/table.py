"""The moment table: moments of single windows, and the best assignment of tabulated lengths to rows.

`table[i, m]` holds the moments of frame `i` under window length `m`. A criterion of two sums `(A, B)`
whose level sets are convex is minimised over all assignments and mixtures at one Lagrange multiplier:
every frame takes `argmin_m λ·A[i, m] − B[i, m]`, and λ is the root of `λ = multiplier(B/A)` of the
sums so chosen, found by bisection. At the root the minimum of `λA − B` restricts every assignment to
a half plane. The lowest score in it is a bound for all assignments.

For `entropy` this reads `λ = 1 + S₂/S₁`, and the bound is `1 − λ + ln Σ_i min_m (λ·S₁[i, m] − S₂[i, m])`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion, Kurtosis, QuasiConvex
from dstft_cli.fit.evaluator import Evaluator, weighted_sum
from dstft_cli.fit.path import FreeLengths, Neighbours, cheapest_assignment
from dstft_cli.records import LITTLE

Array = NDArray[np.float64]
Table = NDArray[np.floating[Any]]
Assignment = NDArray[np.int64]

FEATURELESS = LITTLE  # nats between best and worst
CHANCE = 0.1  # nats that lengths which vary freely gain in white noise, rounded up
_TELLING_RANGE = 4  # longest over shortest length; a narrower range may be flat
_BISECTIONS = 60
_LINEARISATIONS = 12
_WORTH_REPEATING = {1: 1e-9, 2: 1e-6}  # of the score, in a chain and in a grid of rows
_SMALLEST_STEP = 0.05
_EXCHANGES = 32
_FEW_ROWS = 1 << 12
_WIDE_GAP = 1e-4  # nats above the bound, from which more assignments are tried
_WORTH_EXCHANGING = 1e-7  # nats
_NO_VALUE = np.errstate(divide="ignore", invalid="ignore")  # of windows in silence
_ROWS = 1 << 16  # rows of the table handled at a time, so that temporaries stay small


@dataclass(frozen=True)
class Found:
    assignment: Assignment  # index of the length of each frame, `[T]`
    score: float  # its score, with the penalty of `smooth` where there is one
    bound: Array | None  # sums `[J]` with a score that none is below (no penalty), if proved


class TabulatedProblem:
    """Choosing one of M lengths for each of T frames (rows)."""

    def __init__(self, table: Table, weights: Array, criterion: Criterion, cells: float) -> None:
        self.table = table
        self.weights = weights
        self.criterion = criterion
        self.cells = cells

    def score(self, sums: Array) -> float:
        return float(self.criterion.score(torch.from_numpy(sums), self.cells))

    def sums(self, assignment: Assignment) -> Array:
        chosen = self.table[np.arange(len(assignment)), assignment].astype(np.float64)
        return np.asarray(self.weights @ chosen)

    def free(self) -> Found:
        """The best assignment without a penalty."""
        if isinstance(self.criterion, QuasiConvex):
            return self._by_multiplier(self.criterion)
        found = self._by_linearisation(
            lambda cost, last: np.asarray(cost.argmin(1), dtype=np.int64), self._constant()
        )
        if isinstance(self.criterion, Kurtosis):  # linear in its one sum: the argmin is the optimum
            return Found(found.assignment, found.score, self.sums(found.assignment))
        return found

    def smooth(self, positions: Array, neighbours: Neighbours, start: Assignment) -> Found:
        """The best assignment found with a penalty on changes of the positions ln θ, from `start` on."""
        found = self._by_linearisation(
            lambda cost, last: cheapest_assignment(cost, positions, neighbours, last),
            start,
            lambda assignment: neighbours.change(positions[assignment]),
            _WORTH_REPEATING[len(neighbours.shape)],
        )
        if len(self.table) > _FEW_ROWS:  # one row, or one run, of many changes little
            return found
        return self._exchange_runs(found, positions, neighbours)

    @_NO_VALUE
    def _by_multiplier(self, criterion: QuasiConvex) -> Found:
        low, high = self._multiplier_range(criterion)
        best: Found | None = None
        sides: dict[bool, Assignment] = {}  # the last assignments below and above the root
        bound, bound_score = None, -np.inf
        for _ in range(_BISECTIONS):
            middle = 0.5 * (low + high)
            assignment, least = self._least(middle)
            sums = self.sums(assignment)
            score = self.score(sums)
            if best is None or score < best.score:
                best = Found(assignment, score, None)
            if least > 0:
                tangent = np.array(criterion.tangent(middle, least))
                if self.score(tangent) > bound_score:
                    bound, bound_score = tangent, self.score(tangent)
            wanted = float(criterion.multiplier(sums[1:] / sums[:1])[0])
            sides[wanted > middle] = assignment
            if wanted > middle:
                low = middle
            else:
                high = middle
            closed = bound is not None and best.score - bound_score <= 1e-12 * abs(bound_score)
            if closed or high - low <= 1e-14 * abs(high):
                break
        assert best is not None
        gap = best.score - bound_score
        starts = sides.values() if gap > _WIDE_GAP else [best.assignment]
        best = min(map(self._exchange, starts), key=lambda one: one.score)
        if bound_score > best.score:  # by rounding an optimum may lie below its bound
            bound = self.sums(best.assignment)
        return Found(best.assignment, best.score, bound)

    def _exchange(self, start: Assignment) -> Found:
        """Changes the length of one row at a time while that improves the score.

        The relaxed optimum may mix two lengths in a row that ties; this decides such rows.
        """
        assignment = start.copy()
        for _ in range(_EXCHANGES):
            sums = self.sums(assignment)
            reached, row, m = self._best_change(self.table, self.weights, assignment, sums)
            if not reached < self.score(sums) - _WORTH_EXCHANGING:
                break
            assignment[row] = m
        return Found(assignment, self.score(self.sums(assignment)), None)

    def _exchange_runs(self, found: Found, positions: Array, neighbours: Neighbours) -> Found:
        """The same with a penalty: of single rows, and of runs of equal rows, which change together."""
        assignment, score = found.assignment.copy(), found.score
        worth = max(_WORTH_REPEATING[len(neighbours.shape)] * abs(score), _WORTH_EXCHANGING)
        for number in range(2 * _EXCHANGES):
            every_row = number % 2 == 1
            runs = FreeLengths.runs(positions[assignment], neighbours, every_row=every_row)
            order = np.argsort(runs.index, kind="stable")
            firsts = np.searchsorted(runs.index[order], np.arange(runs.index.max() + 1))
            weighted = self.table[order] * self.weights[order, None, None]
            table, chosen = np.add.reduceat(weighted, firsts), assignment[order[firsts]]
            steps = self._penalty_changes(runs, positions, chosen)
            penalty = neighbours.change(positions[assignment]) + steps
            sums = self.sums(assignment)
            reached, run, m = self._best_change(table, np.ones(len(table)), chosen, sums, penalty)
            if reached < score - worth:
                score, assignment[runs.index == run] = reached, m
            elif every_row:
                break
        return Found(assignment, score, None)

    def _best_change(
        self,
        table: Table,
        weights: Array,
        chosen: Assignment,
        sums: Array,
        penalty: Array | None = None,
    ) -> tuple[float, int, int]:
        """The lowest score after a change in one row of a table: score, row and length."""
        best = (np.inf, 0, 0)
        for start in range(0, len(table), _ROWS):
            rows = slice(start, start + _ROWS)
            part = table[rows].astype(np.float64)
            now = np.take_along_axis(part, chosen[rows, None, None], axis=1)
            trial = sums + weights[rows, None, None] * (part - now)
            scores = self.criterion.score(torch.from_numpy(trial), self.cells).numpy()
            scores = np.where(np.isnan(scores), np.inf, scores)
            if penalty is not None:
                scores = scores + penalty[rows]
            i, m = np.unravel_index(scores.argmin(), scores.shape)
            best = min(best, (float(scores[i, m]), start + int(i), int(m)))
        return best

    @staticmethod
    def _penalty_changes(runs: FreeLengths, positions: Array, chosen: Assignment) -> Array:
        """What a change of a run to each length adds to the penalty, `[V, M]`."""
        changes = np.zeros((len(chosen), len(positions)))
        levels = positions[chosen]
        for of, beside in ((0, 1), (1, 0)):
            run, next_to = runs.pairs[:, of], levels[runs.pairs[:, beside], None]
            steps = np.abs(positions - next_to) - np.abs(levels[run, None] - next_to)
            np.add.at(changes, run, runs.prices[:, None] * steps)
        return changes

    def _multiplier_range(self, criterion: QuasiConvex) -> tuple[float, float]:
        """λ at the smallest and the largest `B/A` that any assignment can have."""
        least, most = np.inf, -np.inf
        for rows in self._row_blocks():
            part = self.table[rows].astype(np.float64)
            ratio = part[..., 1][part[..., 0] > 0] / part[..., 0][part[..., 0] > 0]
            if len(ratio):
                least, most = min(least, ratio.min()), max(most, ratio.max())
        low, high = criterion.multiplier(np.array([least, most]))
        return float(low), float(high)

    def _least(self, multiplier: float) -> tuple[Assignment, float]:
        """The assignment that minimises `λA − B`, and that minimum."""
        assignment = np.empty(len(self.table), dtype=np.int64)
        least = 0.0
        for rows in self._row_blocks():
            part = self.table[rows]
            cost = multiplier * part[..., 0].astype(np.float64) - part[..., 1]
            assignment[rows] = cost.argmin(1)
            least += float(self.weights[rows] @ cost.min(1))
        return assignment, least

    @_NO_VALUE
    def _by_linearisation(
        self,
        solve: Callable[[Array, Assignment | None], Assignment],
        start: Assignment,
        penalty: Callable[[Assignment], float] = lambda assignment: 0.0,
        worth: float = 1e-9,
    ) -> Found:
        """Solves for the gradient of the score at the last solution until nothing improves."""

        def objective(assignment: Assignment, sums: Array) -> float:
            return self.score(sums) + penalty(assignment)

        constant = self._constant()
        best = Found(constant, self.score(self.sums(constant)), None)
        last, sums = start, self.sums(start)
        if objective(start, sums) < best.score:
            best = Found(start, objective(start, sums), None)
        step = 1.0
        for number in range(_LINEARISATIONS):
            _, gradient = self.criterion.score_gradient(sums, self.cells)
            assignment = solve(self._cost(gradient), last if number else None)
            if np.array_equal(assignment, last):
                break
            last, reached = assignment, self.sums(assignment)
            value = objective(assignment, reached)
            gained = best.score - value
            if gained > 0:
                best = Found(assignment, value, None)
            else:  # the step is too long for the linearisation: shorten it (Frank & Wolfe 1956)
                step *= 0.5
            if abs(gained) < worth * abs(value) or step < _SMALLEST_STEP:
                break
            sums = sums + step * (reached - sums)
        return best

    def _cost(self, gradient: Array) -> Array:
        """Contribution of each length of each frame to the linearised score, `[T, M]`."""
        cost = np.empty(self.table.shape[:2])
        for rows in self._row_blocks():
            cost[rows] = (self.table[rows] @ gradient) * self.weights[rows, None]
        return cost

    def _constant(self) -> Assignment:
        """The best single length, for all frames."""
        sums = torch.from_numpy(weighted_sum(self.weights, self.table))
        scores = unusable_last(self.criterion.score(sums, self.cells).numpy())
        return np.full(len(self.table), int(scores.argmin()), dtype=np.int64)

    def _row_blocks(self) -> list[slice]:
        return [slice(a, a + _ROWS) for a in range(0, len(self.table), _ROWS)]


def keep_neighbours_where_silent(assignment: Assignment, table: Table) -> Assignment:
    """Silent frames take the length of the nearest frame with sound before, the first ones after."""
    telling = (table != table[:, :1]).any(axis=(1, 2))
    if not telling.any():
        return assignment
    last = np.maximum.accumulate(np.where(telling, np.arange(len(assignment)), -1))
    last[last < 0] = int(np.argmax(telling))
    return assignment[last]


def search_lengths(
    evaluator: Evaluator, table: Table, lengths: Array, neighbours: Neighbours
) -> tuple[Array, Array, float, Array | None]:
    """The best tabulated lengths `[R]` with the penalty on changes; their sums, score and bound."""
    problem = TabulatedProblem(table, evaluator.weights, evaluator.criterion, evaluator.cells)
    free = found = problem.free()
    if not neighbours.free:
        found = problem.smooth(np.log(lengths), neighbours, free.assignment)
    assignment = found.assignment
    if len(neighbours.shape) == 1:
        assignment = keep_neighbours_where_silent(assignment, table)
    elif neighbours.free:  # with a penalty lengths continue into silence
        lines = zip(
            assignment.reshape(neighbours.shape),
            table.reshape(*neighbours.shape, *table.shape[1:]),
            strict=True,
        )
        assignment = np.concatenate([keep_neighbours_where_silent(*line) for line in lines])
    return lengths[assignment], problem.sums(assignment), found.score, free.bound


def fixed_scores(evaluator: Evaluator, table: Table | None, lengths: Array) -> tuple[Array, Array]:
    """Score `[M]` and sums `[M, J]` of each length used for all frames; a ranked criterion has no table."""
    if table is None:
        sums = np.stack([evaluator.total(np.array([[length]])) for length in lengths])
    else:
        sums = evaluator.sums(table)
    scores = evaluator.criterion.score(torch.from_numpy(sums), evaluator.cells)
    return unusable_last(scores.numpy()), sums


def unusable_last(scores: Array) -> Array:
    """Scores, with infinity for NaN, which is then never chosen."""
    return np.where(np.isnan(scores), np.inf, scores)


def is_featureless(scores: Array, lengths: Array) -> bool:
    """Whether lengths over a wide range are equally good, as in noise; scores `[M]`, nats."""
    wide = lengths[-1] >= _TELLING_RANGE * lengths[0]
    return bool(wide and np.isfinite(scores).all() and np.ptp(scores) < FEATURELESS)
