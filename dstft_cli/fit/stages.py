"""The stages of a fit, in order: start, search over the moment table, descent.

Each stage offers what it found, and the best so far, penalty included, is kept: a run cannot end
worse than its start or than any single length of the table.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.errors import UsageError
from dstft_cli.fit.descent import descend
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.plan import Plan
from dstft_cli.fit.search import TabulatedProblem, keep_neighbours_where_silent
from dstft_cli.parameters import FreeLengths
from dstft_cli.result import CriterionSummary, StopReason, Trajectory

Array = NDArray[np.float64]
Table = NDArray[np.floating[Any]]

_LEAST_IMPORTANCE = 1e-9  # of a variable, so that silence stays movable
_RANK_ROUNDS = 3  # a ranked criterion is searched with the ranks of the solution before


@dataclass(frozen=True)
class _Candidate:
    lengths: Array  # [1, 1], [1, T] or [F, 1], samples
    total: float  # score and penalty
    value: float  # in the criterion's own direction


class Stages:
    """One fit in progress.

    Args:
        evaluator: of the whole signal.
        plan: start and range of the lengths.
        penalty: price of one e-fold change between neighbouring rows, in units of the score.
        began: `time.perf_counter()` when the fit began; None for now.
    """

    def __init__(
        self, evaluator: Evaluator, plan: Plan, penalty: float, began: float | None = None
    ) -> None:
        self.stop_reason = StopReason.FIXED
        # of each row, [R]; its share of the energy once that is known
        self.importance = evaluator.weights / evaluator.weights.sum()
        self._rows = 1  # lengths asked for
        self.seconds = {"search": 0.0, "descent": 0.0}
        self._evaluator = evaluator
        self._plan = plan
        self._penalty = penalty
        self._began = time.perf_counter() if began is None else began
        self._steps: list[tuple[str, float, int, float, Array]] = []
        self._best: _Candidate | None = None
        self._start: _Candidate | None = None
        self._fixed: _Candidate | None = None
        self._bound: float | None = None
        self._final_value = math.nan
        self.stuck = False  # a descent without a search that led nowhere

    def run(
        self,
        *,
        varying: bool,
        search: bool,
        optimizer: str,
        lr: float | None,
        max_steps: int,
        tolerance: float,
    ) -> None:
        """Start, search if asked for, descent if it has steps; one length, or one per row."""
        self._rows = len(self._evaluator.weights) if varying else 1
        self.start()
        began = self._began
        if search:
            table = self._tabulate()
            if varying:
                self._search(table)
            self.stop_reason = StopReason.SEARCH
        self.seconds["search"] = time.perf_counter() - began
        began = time.perf_counter()
        if max_steps > 0:
            self.stop_reason = self._descend(varying, search, optimizer, lr, max_steps, tolerance)
            self.stuck = not search and optimizer != "lbfgs" and self._best is self._start
        self.seconds["descent"] = time.perf_counter() - began

    def start(self) -> None:
        """Evaluates the start length; it is the best fixed one until a table is made."""
        lengths = np.array([[self._plan.start]])
        self._start = self._fixed = self._offer("start", lengths, self._weigh(lengths))
        if not (math.isfinite(self._start.value) and math.isfinite(self._start.total)):
            raise UsageError(
                f"criterion {self._evaluator.criterion.name} is {self._start.value:g} at the start: "
                "lower --order or --power, or use --dtype float64"
            )

    def finish(self) -> Array:
        """The best lengths `[1, 1]` or, where they may vary, `[1, T]` or `[F, 1]`.

        They are evaluated once more: what is reported is the value of what is kept.
        """
        assert self._best is not None
        lengths = self._best.lengths
        if self._best is self._start:
            self._final_value = self._best.value
        else:
            self._final_value = self._value(self._weigh(lengths))
        if lengths.size < self._rows:
            return self._evaluator.arrange(np.repeat(lengths[0], self._rows))
        return lengths

    def summary(self, name: str, direction: str) -> CriterionSummary:
        """The criterion before and after."""
        assert self._start is not None
        assert self._fixed is not None
        return CriterionSummary(
            name=name,
            direction=direction,
            start=self._start.value,
            best_fixed_win_length=float(self._fixed.lengths[0, 0]),
            best_fixed=self._fixed.value,
            final=self._final_value,
            table_bound=self._bound,
        )

    def trajectory(self) -> Trajectory:
        """All steps so far."""
        phase, seconds, evaluations, values, lengths = zip(*self._steps, strict=True)
        return Trajectory(
            phase=phase,
            seconds=np.array(seconds),
            evaluations=np.array(evaluations, dtype=np.int64),
            criterion=np.array(values),
            window_lengths=lengths,
            hop_lengths=(np.array([self._plan.hop_length]),) * len(phase),
        )

    def _weigh(self, lengths: Array) -> Array:
        """Sums at these lengths; the rows' shares in the first one become their importance."""
        evaluator = self._evaluator
        if evaluator.criterion.ranked:
            return evaluator.rank(lengths)
        rows = evaluator.rows(lengths)
        shares = evaluator.weights * np.abs(rows[:, 0])
        if 0 < shares.sum() < math.inf:
            self.importance = shares / shares.sum()
        return evaluator.sums(rows)

    def _tabulate(self) -> Table | None:
        """Offers every tabulated length for all frames; returns the moment table if there is one."""
        lengths = self._plan.tabulated_lengths()
        before = self._evaluator.evaluations
        scores, sums, table = fixed_scores(self._evaluator, lengths)
        candidates = [
            self._offer("table", np.array([[length]]), total, evaluations=before + m)
            for m, (length, total) in enumerate(zip(lengths, sums, strict=True), start=1)
        ]
        # once more, in full precision: the table is rounded, and the result is compared with this
        best = candidates[int(scores.argmin())]
        sums_again = self._evaluator.total(best.lengths)
        self._fixed = _Candidate(best.lengths, self._score(sums_again), self._value(sums_again))
        if self._best is best:
            self._best = self._fixed
        return table

    def _search(self, table: Table | None) -> None:
        """Offers the best assignment of tabulated lengths to rows."""
        assert self._best is not None
        lengths = self._plan.tabulated_lengths()
        ranked = self._evaluator.criterion.ranked
        for _ in range(_RANK_ROUNDS if ranked else 1):
            if ranked:
                self._evaluator.rank(self._best.lengths)
                table = self._evaluator.table(lengths)
            assert table is not None
            before = self._best
            found = search_lengths(self._evaluator, table, lengths, self._penalty)
            if found.bound is not None:
                self._bound = self._value(found.bound)
            sums = self._evaluator.total(found.lengths) if ranked else found.sums
            self._offer("search", found.lengths, sums)
            if self._best is before:
                break

    def _descend(
        self,
        varying: bool,
        searched: bool,
        optimizer: str,
        lr: float | None,
        max_steps: int,
        tolerance: float,
    ) -> StopReason:
        """Offers what a descent from the best lengths so far ends at."""
        assert self._best is not None
        evaluator, bounds = self._evaluator, self._plan.bounds
        free = FreeLengths.constant()
        if varying:
            row = np.broadcast_to(self._best.lengths.ravel(), len(evaluator.weights))
            free = FreeLengths.runs(row, self._penalty, every_row=not searched)

        def lengths_of(z: Array) -> Array:
            row = np.clip(free.lengths(z), bounds.low, bounds.high)
            return evaluator.arrange(row) if varying else row[:, None]

        values: dict[float, float] = {}

        def objective(z: Array) -> tuple[float, Array]:
            lengths = lengths_of(z)
            if evaluator.criterion.ranked:
                evaluator.rank(lengths)
            rows, slopes = evaluator.rows_and_slopes(lengths)
            sums = evaluator.sums(rows)
            score, gradient = evaluator.criterion.score_gradient(sums, evaluator.cells)
            per_length = evaluator.weights * (slopes @ gradient)
            penalty, penalty_gradient = free.smoothness(z)
            values[score + penalty] = self._value(sums)
            return score + penalty, free.pull_back(z, per_length) + penalty_gradient

        def on_step(z: Array, total: float) -> None:
            lengths = lengths_of(z)
            self._note("descent", evaluator.evaluations, values[total], lengths)

        descent = descend(
            objective,
            free.variables(self._best.lengths.ravel()),
            math.log(bounds.low),
            math.log(bounds.high),
            scale=np.sqrt(free.total(self.importance) + _LEAST_IMPORTANCE),
            optimizer=optimizer,
            lr=lr,
            max_steps=max_steps,
            tolerance=tolerance,
            on_step=on_step,
        )
        if descent.value < self._best.total:
            lengths = lengths_of(descent.z)
            self._best = _Candidate(lengths, descent.value, values[descent.value])
        return descent.stop_reason

    def _offer(
        self, phase: str, lengths: Array, sums: Array, *, evaluations: int | None = None
    ) -> _Candidate:
        """Notes a step and keeps it if it is the best."""
        changes = float(np.abs(np.diff(np.log(lengths.ravel()))).sum())
        value = self._value(sums)
        candidate = _Candidate(lengths, self._score(sums) + self._penalty * changes, value)
        if self._best is None or candidate.total < self._best.total:
            self._best = candidate
        count = self._evaluator.evaluations if evaluations is None else evaluations
        self._note(phase, count, value, lengths)
        return candidate

    def _note(self, phase: str, evaluations: int, value: float, lengths: Array) -> None:
        seconds = time.perf_counter() - self._began
        self._steps.append((phase, seconds, evaluations, value, lengths.astype(np.float32)))

    def _value(self, sums: Array) -> float:
        evaluator = self._evaluator
        return float(evaluator.criterion.value(torch.from_numpy(sums), evaluator.cells))

    def _score(self, sums: Array) -> float:
        evaluator = self._evaluator
        return float(evaluator.criterion.score(torch.from_numpy(sums), evaluator.cells))


@dataclass(frozen=True)
class FoundLengths:
    """Lengths of the rows that solve the tabulated problem, their sums, score and bound."""

    lengths: Array
    sums: Array
    score: float
    bound: Array | None


def search_lengths(
    evaluator: Evaluator, table: Table, lengths: Array, penalty: float
) -> FoundLengths:
    """The best of the tabulated lengths for each row, changes paid for if `penalty > 0`."""
    problem = TabulatedProblem(table, evaluator.weights, evaluator.criterion, evaluator.cells)
    free = found = problem.free()
    if penalty > 0:
        found = problem.smooth(np.log(lengths), penalty, free.assignment)
    assignment = keep_neighbours_where_silent(found.assignment, table)
    return FoundLengths(
        evaluator.arrange(lengths[assignment]), problem.sums(assignment), found.score, free.bound
    )


def fixed_scores(evaluator: Evaluator, lengths: Array) -> tuple[Array, Array, Table | None]:
    """Score `[M]` and sums `[M, J]` of each length used for all frames, and the moment table.

    A ranked criterion ranks the cells anew for each length, so it has no table.
    """
    table = None
    if evaluator.criterion.ranked:
        sums = np.stack([evaluator.total(np.array([[length]])) for length in lengths])
    else:
        table = evaluator.table(lengths)
        sums = evaluator.sums(table)
    scores = evaluator.criterion.score(torch.from_numpy(sums), evaluator.cells)
    return np.nan_to_num(scores.numpy(), nan=np.inf), sums, table
