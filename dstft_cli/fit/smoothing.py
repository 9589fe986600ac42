"""The cheapest assignment of lengths to rows where changes between neighbours are paid for.

    minimise  Σ_r cost[r, m_r] + Σ_{r~s} price_rs · |x[m_r] − x[m_s]|

In a chain of rows this is a cheapest path, found exactly. In a grid every second line is solved
exactly as such a path, with its other neighbours held, then the lines between, then the same along
the other axis, again and again: the total falls with every step. So that large regions find their
length as easily as small ones, this begins with a few blocks of the plane and halves them until they are
the patches of the grid.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.variables import Neighbours
from dstft_cli.fit.viterbi import cheapest_path, cheapest_paths

Array = NDArray[np.float64]
Assignment = NDArray[np.int64]

_ROUNDS = 6  # over all lines of a grid
_WORTH = 1e-4  # of the total: what a round must gain for another
_COARSEST = 4  # lines of a grid that is not made coarser
_STEPS = 256  # along lines, whose costs are computed together


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
    cost = np.empty((along.shape[0], along.shape[2], along.shape[1]))
    for block in (slice(a, a + _STEPS) for a in range(0, len(cost), _STEPS)):
        cost[block] = along[block].swapaxes(1, 2)
        beside = across[chosen[block]]
        before = beside[:, 1 - first :: 2]  # of all lines, but the plane's first
        before = before[:, : along.shape[1] - 1 + first]
        after = beside[:, first + 1 :: 2]  # of all lines, but the plane's last
        cost[block, :, 1 - first :] += np.abs(across[:, None] - before[:, None])
        cost[block, :, : after.shape[1]] += np.abs(across[:, None] - after[:, None])
    chosen[:, first::2] = cheapest_paths(cost, positions * step)


def _total(
    grid: Array, found: NDArray[np.int64], positions: Array, neighbours: Neighbours
) -> float:
    unpaid = float(np.take_along_axis(grid, found[..., None], -1).sum())
    return unpaid + neighbours.change(positions[found.ravel()])
