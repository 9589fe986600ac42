"""The cheapest assignment of lengths to rows where changes between neighbours are paid for.

    minimise  Σ_r cost[r, m_r] + Σ_{r~s} price_rs · |x[m_r] − x[m_s]|

In a chain of rows this is a cheapest path, found exactly. In a grid every second line is solved
exactly as such a path, with its other neighbours held, then the lines between, then the same along
the other axis, again and again: the total falls with every step. So that large regions find their
length as easily as small ones, this begins with a few blocks of the plane and halves them until they are
the patches of the grid.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.viterbi import arrive, cheapest_path
from dstft_cli.parameters import Neighbours

Array = NDArray[np.float64]
Assignment = NDArray[np.int64]

_ROUNDS = 6  # over all lines of a grid
_WORTH = 1e-4  # of the total: what a round must gain for another
_COARSEST = 4  # lines of a grid that is not made coarser


def cheapest_assignment(
    cost: Array, positions: Array, neighbours: Neighbours, start: Assignment | None = None
) -> Assignment:
    """Index of the position of each row, `[R]`.

    Args:
        cost: of each position in each row, `[R, M]`, finite.
        positions: strictly increasing, `[M]`.
        neighbours: which rows border on each other, at which price.
        start: an assignment to improve, in a grid; None: from coarse to fine.
    """
    if len(neighbours.shape) == 1:
        return cheapest_path(cost, positions * neighbours.prices[0])
    grid = cost.reshape(*neighbours.shape, -1)
    if start is None:
        return _coarse_to_fine(grid, positions, neighbours).ravel()
    found = start.reshape(neighbours.shape).copy()
    _improve(grid, found, positions, neighbours)
    return found.ravel()


def _coarse_to_fine(grid: Array, positions: Array, neighbours: Neighbours) -> Assignment:
    """From the solution of a grid of half as many lines along each axis, `[R_f, R_t]`."""
    height, width, _ = grid.shape
    if max(height, width) <= _COARSEST:
        found = np.full((height, width), int(grid.sum((0, 1)).argmin()), dtype=np.int64)
    else:
        even = np.pad(grid, ((0, height % 2), (0, width % 2), (0, 0)))
        half = even[0::2] + even[1::2]
        half = half[:, 0::2] + half[:, 1::2]
        twice = Neighbours(half.shape[:2], tuple(2 * price for price in neighbours.prices))
        coarse = _coarse_to_fine(half, positions, twice)
        found = coarse.repeat(2, axis=0)[:height].repeat(2, axis=1)[:, :width]
    _improve(grid, found, positions, neighbours)
    return found


def _improve(grid: Array, found: Assignment, positions: Array, neighbours: Neighbours) -> None:
    """Solves line after line, in place, while a round is worth it."""
    total = _total(grid, found, positions, neighbours)
    for _ in range(_ROUNDS):
        for axis in (0, 1):
            for first in (0, 1):
                _solve_lines(grid, found, positions, neighbours, axis, first)
        before, total = total, _total(grid, found, positions, neighbours)
        if before - total <= _WORTH * abs(before):
            return


def _solve_lines(
    grid: Array,
    found: NDArray[np.int64],
    positions: Array,
    neighbours: Neighbours,
    axis: int,
    first: int,
) -> None:
    """Every second line along an axis, in place."""
    along = np.moveaxis(grid, axis, 0)[:, first::2]  # [L, B, M]: steps, lines, positions
    chosen = np.moveaxis(found, axis, 0)
    if along.size == 0:
        return
    step, across = neighbours.prices[axis], neighbours.prices[1 - axis] * positions
    beside, count = across[chosen], along.shape[1]
    before = beside[:, 1 - first :: 2][
        :, : count - 1 + first
    ]  # of all lines, but the plane's first
    after = beside[:, first + 1 :: 2]  # of all lines, but the plane's last

    def cost(i: int) -> Array:
        row = np.array(along[i].T, order="C")  # a copy: it is added to
        row[:, 1 - first :] += np.abs(across[:, None] - before[i])
        row[:, : after.shape[1]] += np.abs(across[:, None] - after[i])
        return row

    chosen[:, first::2] = _paths(cost, len(along), positions * step)


def _paths(cost: Callable[[int], Array], steps: int, positions: Array) -> NDArray[np.int64]:
    """The cheapest path of each of B lines, `[L, B]`, from the costs `[M, B]` of each of L steps."""
    paid = np.empty((steps, *(first := cost(0)).shape))
    paid[0] = first
    for step in range(1, steps):
        paid[step] = paid[step - 1]
        arrive(paid[step], positions)
        paid[step] += cost(step)
    path = np.empty((steps, paid.shape[2]), dtype=np.int64)
    path[-1] = paid[-1].argmin(0)
    for step in range(steps - 2, -1, -1):
        path[step] = (paid[step] + np.abs(positions[:, None] - positions[path[step + 1]])).argmin(0)
    return path


def _total(
    grid: Array, found: NDArray[np.int64], positions: Array, neighbours: Neighbours
) -> float:
    unpaid = float(np.take_along_axis(grid, found[..., None], -1).sum())
    return unpaid + neighbours.change(positions[found.ravel()])
