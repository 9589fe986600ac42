"""The cheapest paths through tables of costs when every change along them is paid for.

    minimise  Σ_i cost[i, m_i] + Σ_i |x[m_i] − x[m_{i+1}]|

over all assignments `m` of M positions `x` to L steps: dynamic programming, exact, for many lines
side by side. To keep Python out of the inner loop, a few long lines are cut into about √L stretches
that advance side by side, each once for every position it may start from; the stretches are then
joined and each is walked again from the start that won.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Path = NDArray[np.int64]

_ENOUGH = 40  # lines side by side, beside which the steps' own time is little
_LANES = 4096  # stretches side by side


def cheapest_path(cost: Array, positions: Array) -> Path:
    """Index of the position of each row, `[T]`.

    Args:
        cost: cost of each position in each row, `[T, M]`, finite.
        positions: strictly increasing, in units of cost, `[M]`.
    """
    stretches = max(math.isqrt(len(cost)), 1)
    return _in_stretches(cost[..., None], positions, stretches)[:, 0]


def cheapest_paths(cost: Array, positions: Array) -> Path:
    """Index of the position of each step of each line, `[L, B]`.

    Args:
        cost: cost of each position at each step of each line, `[L, M, B]`, finite; overwritten.
        positions: strictly increasing, in units of cost, `[M]`.
    """
    steps, _, lines = cost.shape
    stretches = min(math.isqrt(steps), max(_LANES // lines, 1))
    if lines >= _ENOUGH or stretches < 2:
        return _advance(cost, positions)
    return _in_stretches(cost, positions, stretches)


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


def _in_stretches(cost: Array, positions: Array, stretches: int) -> Path:
    """The same, each line cut into so many stretches that advance side by side."""
    count, M, lines = cost.shape
    steps = -(-count // stretches)
    side_by_side = np.zeros((steps, M, stretches, lines))  # where nothing costs, nothing changes
    full = count // steps
    whole = cost[: full * steps].reshape(full, steps, M, lines)
    side_by_side[:, :, :full] = whole.transpose(1, 2, 0, 3)
    if full < stretches:
        side_by_side[: count - full * steps, :, full] = cost[full * steps :]
    rows = side_by_side.reshape(steps, M, -1)

    through = np.full((M, M, rows.shape[2]), np.inf)  # cheapest way to m from the first step's m'
    through[range(M), range(M)] = rows[0]
    for step in range(1, steps):
        _arrive(through, positions)
        through += rows[step][:, None]

    starts, ends = _join(through.reshape(M, M, stretches, lines), positions)
    rows[0] = np.where(np.arange(M)[:, None] == starts, rows[0], np.inf)
    walked = _advance(rows, positions, ends).reshape(steps, stretches, lines)
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
    """First and last position of each stretch on the cheapest paths, `[stretches · B]` each.

    Args:
        through: cheapest way to m from m' through each stretch of each line, `[M, M', stretches, B]`.
        positions: `[M]`.
    """
    M, _, stretches, lines = through.shape
    entry = np.zeros((M, lines))
    left_from = np.empty((stretches, M, lines), dtype=np.int64)
    exits = np.empty((stretches, M, lines))
    for b in range(stretches):
        ways = entry + through[:, :, b]
        left_from[b], exits[b] = ways.argmin(1), ways.min(1)
        entry = exits[b].copy()
        _arrive(entry, positions)
    distance = np.abs(positions[:, None] - positions)
    starts, ends = np.empty((2, stretches, lines), dtype=np.int64)
    ends[-1] = exits[-1].argmin(0)
    for b in range(stretches - 1, -1, -1):
        starts[b] = left_from[b, ends[b], range(lines)]
        if b:
            ends[b - 1] = (exits[b - 1] + distance[:, starts[b]]).argmin(0)
    return starts.ravel(), ends.ravel()
