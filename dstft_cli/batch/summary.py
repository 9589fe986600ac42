"""`summary.csv`: a row per job."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dstft_cli.batch.plan import SUMMARY, Plan
from dstft_cli.results import atomic_file

HEAD = ("job", "name", "input", "output")
TAIL = (
    "status",
    "start",
    "best_fixed",
    "final",
    "window_length",
    "window_length_min",
    "window_length_max",
    "sample_rate",
    "seconds",
    "warnings",
    "error",
)


def write_summary(plan: Plan, rows: Mapping[int, Mapping[str, Any]]) -> Path:
    """Writes `summary.csv` into the plan's folder, replacing an earlier one.

    Columns: job (number), name, input and output (as in the plan), the settings that vary, status
    (`done`, `kept` from an earlier run, `failed`, empty: not run), the criterion at the start, of the
    best fixed window and at the end, window length in samples (the median where it varies, its least
    and its greatest), sample rate in Hz, seconds, warnings (separated by ` | `) and error. UTF-8; the
    bytes of names that are none stay as they are.

    Args:
        plan: of the batch.
        rows: by index, of the jobs that have ended.

    Raises:
        OutputError: it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*HEAD, *plan.varying, *TAIL])
    for job in plan.jobs:
        varying = plan.settings_that_vary(job).values()
        row = rows.get(job.index, {})
        writer.writerow([job.index, job.name, job.input, job.output, *varying, *_cells(row)])
    path = plan.folder / SUMMARY
    with atomic_file(path, force=True) as file:
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))
    return path


def _cells(row: Mapping[str, Any]) -> Iterable[Any]:
    criterion = row.get("criterion") or {}
    length = row.get("window_length")
    spread = (
        length if isinstance(length, Mapping) else dict.fromkeys(("min", "median", "max"), length)
    )
    seconds = row.get("seconds")
    return (
        row.get("status", ""),
        criterion.get("start"),
        (criterion.get("best_fixed") or {}).get("value"),
        criterion.get("final"),
        spread["median"],
        spread["min"],
        spread["max"],
        row.get("sample_rate"),
        None if seconds is None else f"{seconds:.3f}",
        " | ".join(row.get("warnings", [])),
        row.get("error"),
    )
