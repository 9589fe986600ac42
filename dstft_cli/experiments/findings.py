"""What an experiment finds: a table, the sentences that go with it, every number, one picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Cell = str | int | float | None


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
