"""What a fit has tried: the best so far, and every step on the way."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion
from dstft_cli.records import CriterionSummary, Trajectory

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Candidate:
    """Parameters and what they attain.

    Attributes:
        row: window lengths of the rows, `[R]`, or one for all, `[1]`, samples.
        centers: of the frames, samples, `[T]`.
        sums: of the criterion, `[J]`, frames weighing their share of time in start hops.
        cells: number of cells, weighted likewise.
        total: score and penalty.
    """

    row: Array
    centers: Array
    sums: Array
    cells: float
    total: float


@dataclass(frozen=True)
class _Step:
    phase: str
    seconds: float
    evaluations: int
    sums: Array
    cells: float
    lengths: NDArray[np.float32]
    hops: NDArray[np.floating[Any]]


class Record:
    """Candidates and steps of one fit.

    Sums are kept rather than values: where hops are learned, all values are given for frames as
    dense as the final ones, so that they compare.

    Args:
        hop_length: of the start, samples.
        began: `time.perf_counter()` when the fit began.

    Attributes:
        best: the candidate of the lowest total.
        start: the first one.
        fixed: the best single window length with the frames of the start.
        bound: sums and cells that no assignment of the table improves on; None where not proved.
    """

    def __init__(self, hop_length: float, began: float) -> None:
        self.best: Candidate | None = None
        self.start: Candidate | None = None
        self.fixed: Candidate | None = None
        self.bound: tuple[Array, float] | None = None
        self._hop_length = hop_length
        self._began = began
        self._steps: list[_Step] = []

    def offer(self, candidate: Candidate) -> bool:
        """Keeps it if it is the best; whether it is."""
        if self.best is not None and not candidate.total < self.best.total:
            return False
        self.best = candidate
        return True

    def note(self, phase: str, evaluations: int, candidate: Candidate, lengths: Array) -> None:
        """Adds a step; one at which no window saw any sound has no value and is left out.

        Args:
            phase: `start`, `table`, `search` or `descent`.
            evaluations: transforms of the signal so far.
            candidate: where the step led.
            lengths: its window lengths in the shape in which the trajectory holds them.
        """
        if not math.isfinite(candidate.total):
            return
        seconds = time.perf_counter() - self._began
        hops = np.diff(candidate.centers)
        if len(hops) == 0:
            hops = np.array([self._hop_length])
        elif np.allclose(hops, hops[0], rtol=1e-9, atol=1e-6):
            hops = np.array([hops.mean()])
        self._steps.append(
            _Step(
                phase,
                seconds,
                evaluations,
                candidate.sums,
                candidate.cells,
                lengths.astype(np.float32),
                hops.astype(np.float32) if len(hops) > 1 else hops,
            )
        )

    def last_is_not(self, candidate: Candidate) -> bool:
        """Whether the last step led elsewhere."""
        return not np.array_equal(self._steps[-1].sums, candidate.sums)

    def summary(self, criterion: Criterion, final: Candidate, density: float) -> CriterionSummary:
        """The criterion before and after, for frames `density` times as dense as at the start."""
        assert self.start is not None
        assert self.fixed is not None
        bound = None
        if self.bound is not None:
            bound = _value(criterion, *self.bound, density)
        return CriterionSummary(
            name=criterion.name,
            direction=criterion.direction,
            start=_value(criterion, self.start.sums, self.start.cells, density),
            best_fixed_win_length=float(self.fixed.row[0]),
            best_fixed=_value(criterion, self.fixed.sums, self.fixed.cells, density),
            final=_value(criterion, final.sums, final.cells, density),
            table_bound=bound,
        )

    def trajectory(self, criterion: Criterion, density: float) -> Trajectory:
        """All steps so far, with the values that `summary` gives."""
        steps = self._steps
        return Trajectory(
            phase=tuple(step.phase for step in steps),
            seconds=np.array([step.seconds for step in steps]),
            evaluations=np.array([step.evaluations for step in steps], dtype=np.int64),
            criterion=np.array(
                [_value(criterion, step.sums, step.cells, density) for step in steps]
            ),
            window_lengths=tuple(step.lengths for step in steps),
            hop_lengths=tuple(step.hops for step in steps),
        )


def _value(criterion: Criterion, sums: Array, cells: float, density: float) -> float:
    """In the criterion's own direction, as if there were `density` times as many frames."""
    return float(criterion.value(torch.from_numpy(sums * density), cells * density))
