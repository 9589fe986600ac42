"""Writes the table of collections.md: python docs/collection_table.py NAME=SWEEP.JSON ..."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from dstft_cli.settings.option import time_text

PAGE = Path(__file__).parent / "collections.md"
MARKS = "<!-- written by docs/collection_table.py -->\n", "<!-- end -->"
HEAD = (
    "| collection | recordings | best window | n_fft | half of them want | loss of 2048 "
    "| lose 0.1 or more |\n"
    "|---|---|---|---|---|---|---|\n"
)


def row(name: str, record: dict[str, Any]) -> str:
    """A line of the table from what `dstft sweep` wrote about a collection."""
    rate, entry, of = record["input"]["sample_rate"], record["criteria"][0], record["collection"]
    best, spread = entry["best"], entry["recordings"]["best"]
    cells = [
        name,
        f"{of['used']}, {time_text(record['input']['seconds'])}",
        f"{time_text(best['win_length'] / rate)} ({best['win_length']:.0f} at {rate:g} Hz)",
        str(best["n_fft"]),
        " to ".join(time_text(spread[q] / rate) for q in ("q1", "q3")),
        f"{entry['usual']['loss']:.2f} nats" if entry["usual"] else "not tried",
        f"{len(entry['recordings']['want_else'])}",
    ]
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    pairs = [argument.split("=", 1) for argument in sys.argv[1:]]
    table = HEAD + "".join(
        row(name, json.loads(Path(path).read_text("utf-8"))) for name, path in pairs
    )
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    PAGE.write_text(before + MARKS[0] + table + MARKS[1] + rest.partition(MARKS[1])[2], "utf-8")
