"""The best assignment of lengths to rows with a total-variation penalty on changes.

    minimise  Σ_r cost[r, m_r] + Σ_{r~s} price_rs · |x[m_r] − x[m_s]|

In a chain of rows this is a cheapest path, found exactly by dynamic programming. To keep Python out of
the inner loop, a few long lines are cut into about √L segments that advance in parallel, once for every
start position. The segments are then joined, and each is solved again from its best start.

A grid is solved by coordinate descent over lines: every second line exactly as such a path, then the lines
between, then the same along the other axis, and again. The total falls with every step. It starts with a
few blocks of the plane and halves them down to the patches of the grid, so that large regions also find
their length.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.variables import Neighbours

Array = NDArray[np.float64]
Assignment = NDArray[np.int64]
Path = NDArray[np.int64]

_ENOUGH = 40  # lines side by side, beside which the steps' own time is little
_LANES = 4096  # segments side by side
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
        neighbours: neighbouring rows and the penalty between them.
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
    """Solves line after line, in place, while a round gains enough."""
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


def cheapest_path(cost: Array, positions: Array) -> Path:
    """Index of the position of each row, `[T]`.

    Args:
        cost: cost of each position in each row, `[T, M]`, finite.
        positions: strictly increasing, in units of cost, `[M]`.
    """
    segments = max(math.isqrt(len(cost)), 1)
    return _in_segments(cost[..., None], positions, segments)[:, 0]


def cheapest_paths(cost: Array, positions: Array) -> Path:
    """Index of the position of each step of each line, `[L, B]`.

    Args:
        cost: cost of each position at each step of each line, `[L, M, B]`, finite; overwritten.
        positions: strictly increasing, in units of cost, `[M]`.
    """
    steps, _, lines = cost.shape
    segments = min(math.isqrt(steps), max(_LANES // lines, 1))
    if lines >= _ENOUGH or segments < 2:
        return _advance(cost, positions)
    return _in_segments(cost, positions, segments)


def _advance(cost: Array, positions: Array, ends: Path | None = None) -> Path:
    """The paths of all lines, step after step; they end at positions `[B]` where these are given."""
    paid = cost  # from here on with the cheapest way there
    for step in range(1, len(cost)):
        before = paid[step - 1].copy()
        _arrive(before, positions)
        paid[step] += before
    path = np.empty((len(cost), cost.shape[2]), dtype=np.int64)
    path[-1] = paid[-1].argmin(0) if ends is None else ends
    distance = np.abs(positions[:, None] - positions)
    for step in range(len(cost) - 2, -1, -1):
        path[step] = (paid[step] + distance[:, path[step + 1]]).argmin(0)
    return path


def _in_segments(cost: Array, positions: Array, segments: int) -> Path:
    """The same, each line cut into so many segments that advance side by side."""
    count, M, lines = cost.shape
    steps = -(-count // segments)
    side_by_side = np.zeros((steps, M, segments, lines))  # without a cost nothing changes
    full = count // steps
    whole = cost[: full * steps].reshape(full, steps, M, lines)
    side_by_side[:, :, :full] = whole.transpose(1, 2, 0, 3)
    if full < segments:
        side_by_side[: count - full * steps, :, full] = cost[full * steps :]
    rows = side_by_side.reshape(steps, M, -1)

    through = np.full((M, M, rows.shape[2]), np.inf)  # cheapest way to m from the first step's m'
    through[range(M), range(M)] = rows[0]
    for step in range(1, steps):
        _arrive(through, positions)
        through += rows[step][:, None]

    starts, ends = _join(through.reshape(M, M, segments, lines), positions)
    rows[0] = np.where(np.arange(M)[:, None] == starts, rows[0], np.inf)
    walked = _advance(rows, positions, ends).reshape(steps, segments, lines)
    return walked.swapaxes(0, 1).reshape(-1, lines)[:count]


def _arrive(paid: Array, positions: Array) -> None:
    """`min_m' paid[m', …] + |x[m'] − x[m]|`, in place: two sweeps along the sorted positions.

    With the positions first, each step of a sweep is one operation on all that lies beside it.
    """
    gaps = np.diff(positions)
    moved = np.empty_like(paid[0])
    for m, gap in enumerate(gaps):
        np.add(paid[m], gap, out=moved)
        np.minimum(paid[m + 1], moved, out=paid[m + 1])
    for m in range(len(gaps), 0, -1):
        np.add(paid[m], gaps[m - 1], out=moved)
        np.minimum(paid[m - 1], moved, out=paid[m - 1])


def _join(through: Array, positions: Array) -> tuple[Path, Path]:
    """First and last position of each segment on the cheapest paths, `[segments · B]` each."""
    M, _, segments, lines = through.shape
    entry = np.zeros((M, lines))
    left_from = np.empty((segments, M, lines), dtype=np.int64)
    exits = np.empty((segments, M, lines))
    for b in range(segments):
        ways = entry + through[:, :, b]
        left_from[b], exits[b] = ways.argmin(1), ways.min(1)
        entry = exits[b].copy()
        _arrive(entry, positions)
    distance = np.abs(positions[:, None] - positions)
    starts, ends = np.empty((2, segments, lines), dtype=np.int64)
    ends[-1] = exits[-1].argmin(0)
    for b in range(segments - 1, -1, -1):
        starts[b] = left_from[b, ends[b], range(lines)]
        if b:
            ends[b - 1] = (exits[b - 1] + distance[:, starts[b]]).argmin(0)
    return starts.ravel(), ends.ravel()
