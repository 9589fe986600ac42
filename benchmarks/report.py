"""What a run of benchmarks tells: printed as it is found, and kept for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.growth import Growth
from benchmarks.measure import Claim


@dataclass(frozen=True)
class Table:
    """Rows under a header, columns aligned, as Markdown."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[object]]

    def __str__(self) -> str:
        cells = [list(self.header), *([str(cell) for cell in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.header))]
        lines = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) + " |"
            for row in cells
        ]
        rule = "|" + "|".join("-" * (w + 2) for w in widths) + "|"
        return "\n".join([self.title, "", lines[0], rule, *lines[1:]])


@dataclass
class Section:
    """One benchmark.

    Attributes:
        name: as on the command line.
        title: of the page's section.
        blocks: paragraphs and tables in order.
        claims: with their verdicts.
        missing: what was not measured, and why.
    """

    name: str
    title: str
    blocks: list[str | Table] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


class Report:
    """Collects sections; everything is printed at once, for a run may be long.

    Attributes:
        sections: so far.
        growths: what grew with what, for the plot.
    """

    def __init__(self) -> None:
        self.sections: list[Section] = []
        self.growths: list[Growth] = []

    def begin(self, name: str, title: str) -> None:
        """What follows belongs to this section."""
        self.sections.append(Section(name, title))
        print(f"\n== {name}: {title}", flush=True)

    def text(self, paragraph: str) -> None:
        """A paragraph."""
        self._here.blocks.append(paragraph)
        print(f"\n{paragraph}", flush=True)

    def table(self, title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        """A table under its title."""
        table = Table(title, header, rows)
        self._here.blocks.append(table)
        print(f"\n{table}", flush=True)

    def claims(self, claims: Sequence[Claim]) -> None:
        """Claims with their verdicts, one a line."""
        self._here.claims.extend(claims)
        print("\n" + "\n".join(str(claim) for claim in claims), flush=True)

    def missing(self, what: str) -> None:
        """Something that was not measured, said loudly here and at the head of the page."""
        self._here.missing.append(what)
        print(f"\nNOT MEASURED: {what}", flush=True)

    def growth(self, growth: Growth) -> None:
        """A series for the plot."""
        self.growths.append(growth)

    @property
    def _here(self) -> Section:
        return self.sections[-1]
