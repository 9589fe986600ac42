"""Score and penalty as a function of the variables of a descent: lengths, positions, or both."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion
from dstft_cli.fit.centers import FreeCenters, FreeHop, quadrature_weights, weights_pull_back
from dstft_cli.fit.descent import Evaluated, Variables
from dstft_cli.fit.evaluator import Evaluator, Slopes
from dstft_cli.fit.plan import LengthBounds
from dstft_cli.fit.variables import FreeLengths

Array = NDArray[np.float64]

_LEAST_IMPORTANCE = 1e-9  # of a variable, so that silence stays movable
_CELLS_STEP = 1e-6  # relative, of the difference quotient by the number of cells


@dataclass(frozen=True)
class Candidate:
    """Parameters and their score."""

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
        self._bounds = bounds
        self.scale = np.sqrt(free.total(importance) + _LEAST_IMPORTANCE)
        self.low = np.full(len(self.scale), math.log(bounds.low))
        self.high = np.full(len(self.scale), math.log(bounds.high))

    def row(self, z: Array) -> Array:
        """Lengths `[R]` or `[1]`, samples."""
        return np.clip(self.free.lengths(z), self._bounds.low, self._bounds.high)


class Positions:
    """Free frame positions: `ln H` of one hop, or a target for each centre in units of the hop."""

    def __init__(
        self, free: FreeHop | FreeCenters, hop_length: float, start: Array, importance: Array
    ) -> None:
        self._free = free
        self._hop = hop_length
        if isinstance(free, FreeHop):
            self.low, self.high = free.bounds()
            mean = (start[-1] - start[0]) / max(len(start) - 1, 1) or hop_length
            self.start = np.clip(np.array([math.log(mean)]), self.low, self.high)
            self.scale = np.array([max((len(start) - 1) / 2, 1.0)])
        else:
            self.start = start / hop_length
            self.low = np.zeros(len(start))
            self.high = np.full(len(start), (free.range.length - 1) / hop_length)
            self.scale = np.sqrt(importance + _LEAST_IMPORTANCE)

    def centers(self, z: Array, shortest: Array) -> Array:
        """Centres `[T]`, samples; `shortest` length of each frame `[T]`."""
        if isinstance(self._free, FreeHop):
            return self._free.centers(z)
        return self._free.place(z * self._hop, shortest).centers

    def by_center(self, centers: Array, by_center: Array, by_weight: Array) -> Array:
        """Gradient with respect to the centres, what they do to the weights of frames included."""
        weights = quadrature_weights(centers, self._hop, self._free.range.length)
        return weights * by_center + weights_pull_back(by_weight, self._hop)

    def pull_back(self, z: Array, shortest: Array, gradient: Array) -> tuple[Array, Array]:
        """Gradients with respect to `z` and the shortest lengths, from that of the centres."""
        if isinstance(self._free, FreeHop):
            return self._free.pull_back(z, gradient), np.zeros_like(shortest)
        placed = self._free.place(z * self._hop, shortest)
        by_wish, by_length = self._free.pull_back(placed, shortest, gradient)
        return by_wish * self._hop, by_length


class Objective:
    """Value and gradient of score and penalty as a function of the variables of a descent.

    Attributes:
        variables: where the candidate is, and the bounds.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        evaluate: Evaluate,
        candidate: Candidate,
        lengths: Lengths | None,
        positions: Positions | None = None,
    ) -> None:
        self._evaluator = evaluator
        self._evaluate = evaluate
        self._candidate = candidate
        self._lengths = lengths
        self._positions = positions
        parts = [part for part in (lengths, positions) if part is not None]
        starts = [] if lengths is None else [lengths.free.variables(candidate.row)]
        starts += [] if positions is None else [positions.start]
        self.variables = Variables(
            np.concatenate(starts),
            *(
                np.concatenate([getattr(part, of) for part in parts])
                for of in ("low", "high", "scale")
            ),
        )
        self._split = 0 if lengths is None else len(lengths.low)

    def __call__(self, z: Array) -> Evaluated[Candidate]:
        row, centers = self._parameters(z)
        point = self._evaluate(row, centers)
        criterion = self._evaluator.criterion
        score, outer = criterion.score_gradient(point.sums, point.cells)
        by_row = point.by_length @ outer
        gradients = []
        if self._positions is not None:
            assert point.frames is not None
            assert point.by_center is not None
            by_cells = _by_cells(criterion, point) * self._evaluator.cells_per_frame
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


def _by_cells(criterion: Criterion, point: Slopes) -> float:
    """Derivative of the score with respect to the number of cells."""
    step = _CELLS_STEP * point.cells
    above, _ = criterion.score_gradient(point.sums, point.cells + step)
    below, _ = criterion.score_gradient(point.sums, point.cells - step)
    return (above - below) / (2 * step)
