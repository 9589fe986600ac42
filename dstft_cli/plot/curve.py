"""Pools a curve of many points to what a picture can show: its envelope and its median."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from dstft_cli.plot.scale import FloatArray


class PooledCurve(NamedTuple):
    """A curve reduced to columns that hold the same number of points but for one.

    Attributes:
        times: mean time of each column's points, s, [W].
        low: their smallest value, [W].
        high: their largest, [W].
        median: their median, [W].
    """

    times: FloatArray
    low: FloatArray
    high: FloatArray
    median: FloatArray


def pool_curve(times: ArrayLike, values: ArrayLike, width: int = 1400) -> PooledCurve:
    """Reduce a curve to at most `width` columns whose low and high are its true envelope.

    Args:
        times: s, [T], increasing.
        values: [T], any unit.
        width: most columns, >= 1; a curve of no more points comes back as it is.

    Raises:
        ValueError: times and values of different shapes, or empty.
    """
    t = np.asarray(times, dtype=np.float64)
    v = np.asarray(values, dtype=np.float64)
    if t.ndim != 1 or t.shape != v.shape or not t.size:
        raise ValueError(f"times of shape {t.shape} and values of shape {v.shape} are no curve")
    if t.size <= width:
        return PooledCurve(t, v, v, v)
    size = -(-t.size // width)
    whole = t.size // size * size
    blocks = [(t[:whole].reshape(-1, size), v[:whole].reshape(-1, size))]
    if whole < t.size:
        blocks.append((t[None, whole:], v[None, whole:]))
    reduced = [
        (bt.mean(axis=1), bv.min(axis=1), bv.max(axis=1), np.median(bv, axis=1))
        for bt, bv in blocks
    ]
    return PooledCurve(*(np.concatenate(part) for part in zip(*reduced, strict=True)))
