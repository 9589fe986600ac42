"""The state of a fit between two stages, and its steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.objective import Candidate
from dstft_cli.records import CriterionSummary, StopReason, Trajectory

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """A step of the trajectory.

    Sums are kept, not values: with learned hops all values are given for frames as dense as the final
    ones, so that they compare.
    """

    phase: str  # `start`, `table`, `search` or `descent`
    moment: float  # when it ended, of `time.perf_counter`
    evaluations: int  # transforms of the signal so far
    sums: Array  # as in `Candidate`
    cells: float
    lengths: NDArray[np.float32]  # in the shape in which the trajectory holds them, samples
    # distances of the centres, samples: one where they are equal, none of a single frame
    hops: NDArray[np.floating[Any]]


@dataclass(frozen=True)
class State:
    """The state of a fit."""

    evaluator: Evaluator  # of the frames as they stand
    start: Candidate  # the candidate of the start
    fixed: Candidate  # the best single window length with the frames of the start
    best: Candidate  # the candidate of the lowest total
    importance: Array  # share of each row in the criterion, `[R]`
    steps: tuple[Step, ...] = ()  # so far
    # sums and cells that no assignment of the table improves on; None where not proved
    bound: tuple[Array, float] | None = None
    featureless: bool = False  # all tabulated lengths score alike, as they do in noise
    stuck: bool = False  # a descent without a search did not improve on its start
    stop_reason: StopReason = StopReason.FIXED  # why the last stage ended

    def kept(self, candidate: Candidate) -> State:
        """With a candidate as the best if it is."""
        return replace(self, best=candidate) if candidate.total < self.best.total else self

    def with_steps(self, steps: Iterable[Step]) -> State:
        """With further steps."""
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
        value = float(criterion.value(torch.from_numpy(candidate.sums), candidate.cells))
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
        return CriterionSummary(
            name=criterion.name,
            direction=criterion.direction,
            start=start,
            best_fixed_win_length=float(self.fixed.row[0]) if searched else math.nan,
            best_fixed=fixed if searched else math.nan,
            final=best,
            table_bound=bound,
        )


def step_of(
    phase: str, evaluator: Evaluator, candidate: Candidate, evaluations: int | None = None
) -> Step:
    """The step that has just led to a candidate."""
    hops = np.diff(candidate.centers)
    if len(hops) and np.allclose(hops, hops[0], rtol=1e-9, atol=1e-6):
        hops = np.array([hops.mean()])
    shown = hops.astype(np.float32) if len(hops) > 1 else hops
    count = evaluator.evaluations if evaluations is None else evaluations
    lengths = evaluator.shown(candidate.row).astype(np.float32)
    return Step(phase, time.perf_counter(), count, candidate.sums, candidate.cells, lengths, shown)


def value_of(criterion: Criterion, sums: Array, cells: float, density: float) -> float:
    """In the criterion's own direction, as if there were `density` times as many frames."""
    return float(criterion.value(torch.from_numpy(sums * density), cells * density))
