"""Writes the tables of experiments.md again, from the records of `dstft reproduce`.

    dstft reproduce all -o all-dstft
    python docs/experiments.py all-dstft

Each table stands between `<!-- table NAME -->` and `<!-- end -->`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).with_name("experiments.md")
MARKED = re.compile(r"(<!-- table (\w+) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
DECIMALS = {  # of the numbers of a column; others are written to six digits
    **dict.fromkeys(("entropy, nats", "bound"), 4),
    **dict.fromkeys(("accuracy", "95 % from", "to"), 3),
    **dict.fromkeys(("MSE Hz²", "deviation", "frames on transitions", "s", "CPU s"), 2),
}
HOPS = ("hop from", "to")  # samples, in the table of `hops`


def cell(column: str, value: Any, columns: list[str]) -> str:
    """A cell of a table in Markdown."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return str(value).replace("|", "\\|")
    if column == "reconstruction error":
        return f"{value:.2g}" if value < 1e-3 else f"{value:.4g}"
    if column in HOPS and HOPS[0] in columns:
        return f"{value:.4g}"
    return f"{value:.{DECIMALS[column]}f}" if column in DECIMALS else f"{value:.6g}"


def table(experiment: Mapping[str, Any]) -> str:
    """The table of an experiment in Markdown."""
    columns, rows = experiment["table"]["columns"], experiment["table"]["rows"]
    lines = [[cell(c, v, columns) for c, v in zip(columns, row, strict=True)] for row in rows]
    head, *body = (f"| {' | '.join(line)} |\n" for line in (columns, *lines))
    return "".join([head, "|---" * len(columns), "|\n", *body])


def written(page: str, experiments: Mapping[str, Any]) -> str:
    """The page with the tables of these experiments; the others stay."""

    def replace(found: re.Match[str]) -> str:
        head, name, before, end = found.groups()
        return head + (table(experiments[name]) if name in experiments else before) + end

    return MARKED.sub(replace, page)


def read(folder: Path) -> dict[str, Any]:
    """The experiments of all records in a folder, by name."""
    experiments: dict[str, Any] = {}
    for path in sorted(folder.glob("*.json")):
        experiments |= json.loads(path.read_text(encoding="utf-8"))["experiments"]
    return experiments


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    found = read(Path(sys.argv[1]))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    print(f"{PAGE}: {', '.join(found)}")
