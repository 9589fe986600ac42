"""Score and penalty as a function of the variables of a descent: lengths, positions, or both."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion
from dstft_cli.fit.centers import LEAST_IMPORTANCE, Positions
from dstft_cli.fit.descent import Evaluated, Variables
from dstft_cli.fit.evaluator import Evaluator, Slopes
from dstft_cli.fit.path import FreeLengths
from dstft_cli.fit.plan import LengthBounds
from dstft_cli.records import CriterionSummary, StopReason, Trajectory

Array = NDArray[np.float64]

_CELLS_STEP = 1e-6  # relative, of the difference quotient by the number of cells


@dataclass(frozen=True)
class Candidate:
    row: Array  # window lengths of the rows, `[R]`, or one for all, `[1]`, samples
    centers: Array  # of the frames, samples, `[T]`
    sums: Array  # of the criterion, `[J]`, frames weighing their share of time in start hops
    cells: float  # number of cells, weighted likewise
    total: float  # score and penalty


Evaluate = Callable[[Array, Array], Slopes]


class Lengths:
    """Free window lengths: variables `z = ln θ`."""

    def __init__(self, free: FreeLengths, bounds: LengthBounds, importance: Array) -> None:
        self.free = free
        self._ends = bounds.low, bounds.high
        self._scale = np.sqrt(free.total(importance) + LEAST_IMPORTANCE)

    def variables(self, row: Array) -> Variables:
        """From lengths `[R]` or `[1]`, samples, at the start."""
        low, high = (np.full(len(self._scale), math.log(end)) for end in self._ends)
        return Variables(self.free.variables(row), low, high, self._scale)

    def row(self, z: Array) -> Array:
        """Lengths `[R]` or `[1]`, samples."""
        return np.clip(self.free.lengths(z), *self._ends)


class Objective:
    """Value and gradient of score and penalty as a function of the variables of a descent."""

    def __init__(
        self,
        evaluator: Evaluator,
        evaluate: Evaluate,
        candidate: Candidate,
        lengths: Lengths | None,
        positions: Positions | None = None,
    ) -> None:
        self._evaluator, self._evaluate, self._candidate = evaluator, evaluate, candidate
        self._lengths, self._positions = lengths, positions
        parts = [] if lengths is None else [lengths.variables(candidate.row)]
        self._split = sum(len(part.start) for part in parts)  # between lengths and positions
        parts += [] if positions is None else [positions.variables]
        self.variables = Variables(*map(np.concatenate, zip(*parts, strict=True)))

    def __call__(self, z: Array) -> Evaluated[Candidate]:
        row, centers = self._parameters(z)
        point = self._evaluate(row, centers)
        criterion = self._evaluator.criterion
        score, outer = criterion.score_gradient(point.sums, point.cells)
        by_row = point.by_length @ outer
        gradients = []
        if self._positions is not None:
            step = _CELLS_STEP * point.cells
            above, _ = criterion.score_gradient(point.sums, point.cells + step)
            below, _ = criterion.score_gradient(point.sums, point.cells - step)
            by_cells = (above - below) / (2 * step) * self._evaluator.cells_per_frame
            by_center = self._positions.by_center(
                centers, point.by_center @ outer, point.frames @ outer + by_cells
            )
            owner = self._owner(row, centers)
            by_z, by_shortest = self._positions.pull_back(z[self._split :], row[owner], by_center)
            by_row = by_row + np.bincount(owner, by_shortest, len(by_row))
            gradients = [by_z]
        penalty = 0.0
        if self._lengths is not None:
            free, part = self._lengths.free, z[: self._split]
            penalty, by_change = free.smoothness(part)
            gradients.insert(0, free.pull_back(part, by_row) + by_change)
        found = Candidate(row, centers, point.sums, point.cells, score + penalty)
        return Evaluated(score + penalty, np.concatenate(gradients), found)

    def _parameters(self, z: Array) -> tuple[Array, Array]:
        candidate = self._candidate
        row = candidate.row if self._lengths is None else self._lengths.row(z[: self._split])
        if self._positions is None:
            return row, candidate.centers
        shortest = row[self._owner(row, candidate.centers)]
        return row, self._positions.centers(z[self._split :], shortest)

    def _owner(self, row: Array, centers: Array) -> NDArray[np.int64]:
        """The row that holds the shortest length of each frame, `[T]`."""
        if len(row) == 1:
            return np.zeros(len(centers), dtype=np.int64)
        return self._evaluator.shortest(row)


@dataclass(frozen=True)
class Step:
    """A step of the trajectory, with sums: values are those of frames as dense as the final ones."""

    phase: str  # `start`, `table`, `search` or `descent`
    moment: float  # when it ended, of `time.perf_counter`
    evaluations: int  # transforms of the signal so far
    sums: Array  # as in `Candidate`
    cells: float
    lengths: NDArray[np.float32]  # in the shape in which the trajectory holds them, samples
    hops: NDArray[np.floating[Any]]  # of `hops_of`, samples


@dataclass(frozen=True)
class State:
    evaluator: Evaluator  # of the frames as they stand
    start: Candidate  # the candidate of the start
    fixed: Candidate  # the best single window length with the frames of the start
    best: Candidate  # the candidate of the lowest total
    importance: Array  # share of each row in the criterion, `[R]`
    steps: tuple[Step, ...] = ()  # so far
    bound: tuple[Array, float] | None = None  # sums and cells that the table has none better than
    featureless: bool = False  # all tabulated lengths score alike, as they do in noise
    stuck: bool = False  # a descent without a search did not improve on its start
    stop_reason: StopReason = StopReason.FIXED  # why the last stage ended

    def kept(self, candidate: Candidate) -> State:
        return replace(self, best=candidate) if candidate.total < self.best.total else self

    def with_steps(self, steps: Iterable[Step]) -> State:
        return replace(self, steps=(*self.steps, *steps))

    def noted(self, phase: str, candidate: Candidate, evaluations: int | None = None) -> State:
        """With a step to a candidate; a step without a value (silence) is left out."""
        if not math.isfinite(candidate.total):
            return self
        return self.with_steps([step_of(phase, self.evaluator, candidate, evaluations)])

    def offered(self, phase: str, candidate: Candidate, *, evaluations: int | None = None) -> State:
        """With a step to a candidate, kept if it is the best."""
        return self.kept(candidate).noted(phase, candidate, evaluations)

    def log_text(self, candidate: Candidate) -> str:
        """The value of a candidate, and whether it was kept, for the log."""
        criterion = self.evaluator.criterion
        value = value_of(criterion, candidate.sums, candidate.cells)
        return f"{criterion.name} {value:.5g}, {'kept' if self.best is candidate else 'not kept'}"

    def trajectory(
        self, criterion: Criterion, density: float, began: float, hop_length: float
    ) -> Trajectory:
        """All steps, valued for frames `density` times as dense as at the start."""
        steps, hop = self.steps, np.array([hop_length])
        values = [value_of(criterion, step.sums, step.cells, density) for step in steps]
        return Trajectory(
            phase=tuple(step.phase for step in steps),
            seconds=np.array([step.moment - began for step in steps]),
            evaluations=np.array([step.evaluations for step in steps], dtype=np.int64),
            criterion=np.array(values),
            window_lengths=tuple(step.lengths for step in steps),
            hop_lengths=tuple(step.hops if len(step.hops) else hop for step in steps),
        )

    def summary(self, criterion: Criterion, density: float) -> CriterionSummary:
        """The criterion before and after, likewise."""
        only = self.stop_reason is StopReason.FIXED  # the start is all that was looked at
        searched = only or any(step.phase == "table" for step in self.steps)
        start, fixed, best = (
            value_of(criterion, of.sums, of.cells, density)
            for of in (self.start, self.fixed, self.best)
        )
        bound = None
        if self.bound is not None:  # of a table that is rounded, so that no value lies beyond it
            bound = value_of(criterion, *self.bound, density)
            rounding = 2 * torch.finfo(self.evaluator.dtype).eps * abs(bound)
            bound += rounding if criterion.direction == "maximize" else -rounding
        length, fixed = (float(self.fixed.row[0]), fixed) if searched else (math.nan, math.nan)
        of = criterion.name, criterion.direction
        return CriterionSummary(*of, start, length, fixed, best, bound)


def step_of(
    phase: str, evaluator: Evaluator, candidate: Candidate, evaluations: int | None = None
) -> Step:
    count = evaluator.evaluations if evaluations is None else evaluations
    lengths, hops = evaluator.shown(candidate.row).astype(np.float32), hops_of(candidate.centers)
    return Step(phase, time.perf_counter(), count, candidate.sums, candidate.cells, lengths, hops)


def hops_of(centers: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Distances of frames as steps hold them: one where all are alike, none of a single frame."""
    hops = np.diff(centers)
    if len(hops) and np.allclose(hops, hops[0], rtol=1e-9, atol=1e-6):
        return np.array([hops.mean()])
    return hops.astype(np.float32)


def value_of(criterion: Criterion, sums: Array, cells: float, density: float = 1.0) -> float:
    """In the criterion's own direction, as if there were `density` times as many frames."""
    return float(criterion.value(torch.from_numpy(sums * density), cells * density))
