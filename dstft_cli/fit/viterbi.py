"""The cheapest path through a table of costs when every change along it is paid for.

    minimise  Σ_i cost[i, m_i] + Σ_i |x[m_i] − x[m_{i+1}]|

over all assignments `m` of M positions `x` to T rows: dynamic programming, exact. To keep Python out
of the inner loop, the T rows are cut into about √T stretches that advance side by side, each once for
every position it may start from; the stretches are then joined and each is walked again from the
start that won.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def cheapest_path(cost: Array, positions: Array) -> NDArray[np.int64]:
    """Index of the position of each row, `[T]`.

    Args:
        cost: cost of each position in each row, `[T, M]`, finite.
        positions: strictly increasing, in units of cost, `[M]`.
    """
    T, M = cost.shape
    stretches = max(math.isqrt(T), 1)
    steps = -(-T // stretches)
    padded = np.zeros((stretches * steps, M))  # rows that cost nothing anywhere change nothing
    padded[:T] = cost
    rows = padded.reshape(stretches, steps, M)

    through = np.full((M, stretches, M), np.inf)  # cheapest way to m from the first row's m'
    through[range(M), :, range(M)] = rows[:, 0].T
    for step in range(1, steps):
        arrive(through, positions)
        through += rows[:, step].T[:, :, None]

    starts, ends = _join(through, positions)
    return _walk(rows, positions, starts, ends).reshape(-1)[:T]


def arrive(paid: Array, positions: Array) -> None:
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


def _join(through: Array, positions: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """First and last position of each stretch on the cheapest path through all of them."""
    M, stretches, _ = through.shape
    distance = np.abs(positions[:, None] - positions[None, :])
    arrived_from = np.zeros((stretches, M), dtype=np.int64)
    left_from = np.zeros((stretches, M), dtype=np.int64)
    entry = np.zeros(M)
    for b in range(stretches):
        ways = entry[:, None] + through[:, b].T
        left_from[b] = ways.argmin(0)
        exits = ways.min(0)
        moves = exits[:, None] + distance
        arrived_from[b] = moves.argmin(0)
        entry = moves.min(0)
    starts = np.empty(stretches, dtype=np.int64)
    ends = np.empty(stretches, dtype=np.int64)
    ends[-1] = exits.argmin()
    for b in range(stretches - 1, -1, -1):
        starts[b] = left_from[b, ends[b]]
        if b:
            ends[b - 1] = arrived_from[b - 1, starts[b]]
    return starts, ends


def _walk(
    rows: Array, positions: Array, starts: NDArray[np.int64], ends: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The path of every stretch from its start to its end, `[stretches, steps]`."""
    stretches, steps, M = rows.shape
    distance = np.abs(positions[:, None] - positions[None, :])
    every = np.arange(stretches)
    paid = np.full((stretches, M), np.inf)
    paid[every, starts] = rows[every, 0, starts]
    back = np.zeros((stretches, steps, M), dtype=np.uint8 if M <= 256 else np.int64)
    for step in range(1, steps):
        moves = paid[:, :, None] + distance
        back[:, step] = moves.argmin(1)
        paid = moves.min(1) + rows[:, step]
    path = np.empty((stretches, steps), dtype=np.int64)
    path[:, -1] = ends
    for step in range(steps - 1, 0, -1):
        path[:, step - 1] = back[every, step, path[:, step]]
    return path
