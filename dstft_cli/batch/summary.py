"""`summary.csv`: a row per job."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from dstft_cli.batch.plan import SUMMARY, Plan, PlannedJob
from dstft_cli.results import atomic_file

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LENGTHS = {"window_length": "median", "window_length_min": "min", "window_length_max": "max"}


def write_summary(plan: Plan, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Writes `summary.csv` into the plan's folder, replacing an earlier one.

    The columns are those of `_cells`, with the settings that vary after `output`, and at the end a
    column per file of the results with its path, relative to the folder. UTF-8; bytes of names that are
    not UTF-8 are kept. Text that looks like a formula begins with an apostrophe. A job without a row,
    by index, has an empty status.
    """
    files = sorted({name for row in rows.values() for name in row["files"]})
    table = [_cells(plan, job, rows.get(job.index, {}), files) for job in plan.jobs]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _no_formula(cell) for name, cell in cells.items()} for cells in table)
    try:
        data = text.getvalue().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # from a damaged result
        data = text.getvalue().encode("utf-8", "backslashreplace")
    with atomic_file(plan.folder / SUMMARY, force=True) as file:
        file.write(data)


def _cells(plan: Plan, job: PlannedJob, row: Mapping[str, Any], files: list[str]) -> dict[str, Any]:
    """The cells of a job: lengths in samples and ms, gains as the report has them."""
    criterion = row.get("criterion") or {}
    start, final = criterion.get("start"), criterion.get("final")
    best = (criterion.get("best_fixed") or {}).get("value")
    sign = -1 if criterion.get("direction") == "maximize" else 1
    rate, varying = row.get("sample_rate"), plan.settings_that_vary(job)
    lengths = {name: _one(row.get("window_length"), key) for name, key in _LENGTHS.items()}
    lengths["hop"] = _one(row.get("hop_length"), "median")
    return {
        "job": job.index,
        "name": job.name,
        "input": job.input,
        "output": job.output,
        **varying,
        "status": row.get("status", ""),
        "start": start,
        "best_fixed": best,
        "final": final,
        "gain_over_start": _gain(sign, start, final),
        "gain_over_best_fixed": _gain(sign, best, final),
        **lengths,
        **{f"{n}_ms": None if v is None else 1000 * v / rate for n, v in lengths.items()},
        "n_fft": row.get("n_fft") or varying.get("n_fft"),
        "sample_rate": rate,
        "seconds": row.get("seconds"),
        "warnings": " | ".join(row.get("warnings", [])),
        "error": row.get("error"),
        **{name: f"{job.output}/{name}" if name in row.get("files", ()) else "" for name in files},
    }


def _one(length: Any, key: str) -> Any:
    return length[key] if isinstance(length, Mapping) else length


def _gain(sign: int, before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else sign * (before - after)


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
