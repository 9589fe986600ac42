"""What an experiment finds: a table, the sentences that go with it, every number, one picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

Cell = str | int | float | None
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Table:
    """Rows under named columns; a unit stands in the name of its column, an empty cell is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def text(self) -> list[list[str]]:
        """The rows as a person reads them: numbers to six digits."""
        return [[shown(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Findings:
    """The result of one experiment.

    Attributes:
        title: one line.
        settings: everything that the numbers depend on.
        table: the main numbers.
        notes: sentences on what the table shows and what it does not.
        figures: every number, in plain JSON types.
        picture: a PNG file.
    """

    title: str
    settings: Mapping[str, Any]
    table: Table
    notes: tuple[str, ...]
    figures: Mapping[str, Any]
    picture: bytes


def shown(cell: Cell) -> str:
    """The text of a cell: numbers to six digits, small ones to two."""
    if cell is None:
        return ""
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.2g}" if abs(cell) < 1e-3 else f"{cell:.6g}"


@dataclass(frozen=True)
class Spread:
    """Of the values of several seeds.

    Attributes:
        mean: of them.
        deviation: their standard deviation (n − 1 in the denominator); 0 for a single value.
        half_width: of the 95 % confidence interval of the mean, by Student's t; infinite for a
            single value.
    """

    mean: float
    deviation: float
    half_width: float


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
