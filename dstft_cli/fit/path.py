"""A total-variation penalty on changes of length between rows, and the best lengths with it.

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
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Pairs = NDArray[np.int64]
Assignment = NDArray[np.int64]
Path = NDArray[np.int64]

_ENOUGH = 40  # lines side by side, beside which the steps' own time is little
_LANES = 4096  # segments side by side
_ROUNDS = 6  # over all lines of a grid
_WORTH = 1e-4  # of the total: what a round must gain for another
_COARSEST = 4  # lines of a grid that is not made coarser
_STEPS = 256  # along lines, whose costs are computed together


@dataclass(frozen=True)
class Neighbours:
    """Rows in a chain (frames, bins) or a grid (patches, frequency first): `Σ price·|ln θ_a − ln θ_b|`."""

    shape: tuple[int, ...]  # `(R,)` or `(R_f, R_t)`
    prices: tuple[float, ...]  # per axis, in units of the score, >= 0

    @property
    def free(self) -> bool:
        return not any(self.prices)

    def pairs(self) -> tuple[Pairs, Array]:
        """Neighbouring rows `[E, 2]` and the price of a change between them `[E]`."""
        rows = np.arange(int(np.prod(self.shape)), dtype=np.int64).reshape(self.shape)
        found, prices = [], []
        for axis, price in enumerate(self.prices):
            before = rows.take(range(self.shape[axis] - 1), axis).ravel()
            after = rows.take(range(1, self.shape[axis]), axis).ravel()
            found.append(np.stack([before, after], axis=1))
            prices.append(np.full(len(before), price))
        return np.concatenate(found), np.concatenate(prices)

    def change(self, z: Array) -> float:
        """Price of all changes of `z = ln θ`, of all rows `[R]` or of one length `[1]`."""
        if self.free or len(z) == 1:
            return 0.0
        grid = z.reshape(self.shape)
        return float(
            sum(
                price * np.abs(np.diff(grid, axis=axis)).sum()
                for axis, price in enumerate(self.prices)
            )
        )


@dataclass(frozen=True)
class FreeLengths:
    """Window lengths `θ_r = exp(z[index_r])` of rows that may share a variable.

    Neighbours with the same length after the search share one variable, so a curve that is constant over
    a syllable stays constant.
    """

    index: NDArray[np.int64]  # variable of each row, `[R]`; `[1]` for one length for all
    pairs: Pairs  # variables that border on each other, `[P, 2]`
    prices: Array  # of `|z_a − z_b|` for each pair, in units of the score, `[P]`

    @classmethod
    def constant(cls) -> FreeLengths:
        return cls(np.zeros(1, dtype=np.int64), np.zeros((0, 2), dtype=np.int64), np.zeros(0))

    @classmethod
    def runs(
        cls, lengths: Array, neighbours: Neighbours, *, every_row: bool = False
    ) -> FreeLengths:
        """One variable per run or patch of equal lengths `[R]`; or per row, as without a penalty."""
        rows = len(lengths)
        if neighbours.free:
            return cls(np.arange(rows), np.zeros((0, 2), dtype=np.int64), np.zeros(0))
        pairs, prices = neighbours.pairs()
        if every_row:
            return cls(np.arange(rows), pairs, prices)
        from scipy.sparse import coo_array  # slow to import, and most runs do not need it
        from scipy.sparse.csgraph import connected_components

        a, b = pairs[lengths[pairs[:, 0]] == lengths[pairs[:, 1]]].T
        links = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(rows, rows))
        _, labels = connected_components(links, directed=False)
        _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)  # variables in the order of their first rows
        rank[np.argsort(first)] = np.arange(len(first))
        index = rank[inverse]
        borders = np.sort(index[pairs], axis=1)
        apart = borders[:, 0] != borders[:, 1]
        distinct, where = np.unique(borders[apart], axis=0, return_inverse=True)
        total = np.bincount(where.ravel(), prices[apart], len(distinct))
        return cls(index, distinct, total.astype(np.float64))

    def variables(self, lengths: Array) -> Array:
        """`z` of the lengths `[1]` or `[R]`: taken from the first row of each variable."""
        row = np.broadcast_to(lengths, self.index.shape)
        _, first = np.unique(self.index, return_index=True)
        return np.asarray(np.log(row[first]))

    def lengths(self, z: Array) -> Array:
        """Lengths `[1]` or `[R]`, samples."""
        return np.asarray(np.exp(z)[self.index])

    def total(self, per_row: Array) -> Array:
        """Sum of a quantity `[R]` over the rows of each variable, `[V]`."""
        if len(self.index) == 1:
            return np.array([per_row.sum()])
        return np.bincount(self.index, per_row).astype(np.float64, copy=False)

    def pull_back(self, z: Array, gradient: Array) -> Array:
        """Gradient with respect to `z`, from that with respect to each row's length `[R]`."""
        return np.asarray(np.exp(z) * self.total(gradient))

    def smoothness(self, z: Array) -> tuple[float, Array]:
        """`Σ price · |z_a − z_b|` and its gradient (zero where two neighbours are equal)."""
        a, b = self.pairs.T
        steps = z[b] - z[a]
        pull = self.prices * np.sign(steps)
        gradient = np.bincount(b, pull, len(z)) - np.bincount(a, pull, len(z))
        return float(self.prices @ np.abs(steps)), gradient.astype(np.float64)


def cheapest_assignment(
    cost: Array, positions: Array, neighbours: Neighbours, start: Assignment | None = None
) -> Assignment:
    """Position of each row, `[R]`, for costs `[R, M]`; `start`: one to improve, in a grid."""
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
    """Position of each row, `[T]`, for finite costs `[T, M]` and increasing positions `[M]`."""
    segments = max(math.isqrt(len(cost)), 1)
    return _in_segments(cost[..., None], positions, segments)[:, 0]


def cheapest_paths(cost: Array, positions: Array) -> Path:
    """The same of each line, `[L, B]`; costs `[L, M, B]`, which are overwritten."""
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
    """`min_m' paid[m', …] + |x[m'] − x[m]|`, in place: two sweeps along the sorted positions."""
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
