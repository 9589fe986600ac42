"""The result of an experiment: a table, conclusions, every number, one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

Cell = str | int | float | None
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Table:
    """Rows under named columns; units are in the column names, an empty cell is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def text(self) -> list[list[str]]:
        """The rows as text, numbers to six digits."""
        return [[shown(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Findings:
    """The result of one experiment."""

    title: str
    settings: Mapping[str, Any]  # all settings
    table: Table  # the main numbers
    notes: tuple[str, ...]  # conclusions and limits, in sentences
    figures: Mapping[str, Any]  # every number, in plain JSON types
    picture: bytes  # a PNG file


def shown(cell: Cell) -> str:
    """The text of a cell: numbers to six digits, small ones to two."""
    if cell is None:
        return ""
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.2g}" if abs(cell) < 1e-3 else f"{cell:.6g}"


class Spread(NamedTuple):
    """Statistics over several seeds."""

    mean: float
    deviation: float  # n − 1 in the denominator; 0 for a single value
    half_width: float  # of the mean's 95 % interval, by Student's t; infinite for a single value


def spread(values: Sequence[float]) -> Spread:
    """Mean, standard deviation and confidence interval of at least one value."""
    count = len(values)
    mean = float(np.mean(values))
    if count < 2:
        return Spread(mean, 0.0, math.inf)
    deviation = float(np.std(values, ddof=1))
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
    return Spread(mean, deviation, quantile * deviation / math.sqrt(count))


def verdict(ours: Spread, best: Spread, *, lower_is_better: bool) -> str:
    """`better`, `equal` or `worse` than `best`; `equal` is within the latter's deviation."""
    gain = best.mean - ours.mean if lower_is_better else ours.mean - best.mean
    if abs(gain) <= best.deviation:
        return "equal"
    return "better" if gain > 0 else "worse"
