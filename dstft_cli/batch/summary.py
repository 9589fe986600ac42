"""`summary.csv`: a row per job."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

from dstft_cli.batch.plan import SUMMARY, Plan
from dstft_cli.results import atomic_file

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
HEAD = ("job", "name", "input", "output")
TAIL = (
    *("status", "start", "best_fixed", "final", "window_length", "window_length_min"),
    *("window_length_max", "sample_rate", "seconds", "warnings", "error"),
)


def write_summary(plan: Plan, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Writes `summary.csv` into the plan's folder, replacing an earlier one.

    Columns: job (number), name, input and output (as in the plan), the settings that vary, status
    (`done`, `kept` from an earlier run, `skipped`, `failed`, empty: not run), the criterion at the
    start, of the best fixed window and at the end, window length in samples (median, minimum, maximum),
    sample rate in Hz, seconds, warnings (separated by ` | `) and error. UTF-8; bytes of names that are
    not UTF-8 are kept. Text that looks like a formula begins with an apostrophe.

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
        cells = [job.name, job.input, job.output, *varying, *_cells(rows.get(job.index, {}))]
        writer.writerow([job.index, *map(_no_formula, cells)])
    with atomic_file(plan.folder / SUMMARY, force=True) as file:
        file.write(text.getvalue().encode("utf-8", "surrogateescape"))


def _no_formula(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _cells(row: Mapping[str, Any]) -> Iterable[Any]:
    criterion = row.get("criterion") or {}
    length = row.get("window_length")
    same = dict.fromkeys(("median", "min", "max"), length)
    spread = length if isinstance(length, Mapping) else same
    return (
        row.get("status", ""),
        criterion.get("start"),
        (criterion.get("best_fixed") or {}).get("value"),
        criterion.get("final"),
        spread["median"],
        spread["min"],
        spread["max"],
        row.get("sample_rate"),
        row.get("seconds"),
        " | ".join(row.get("warnings", [])),
        row.get("error"),
    )
