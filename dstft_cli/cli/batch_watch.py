"""What `dstft batch` prints while it runs and at its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import typer

from dstft_cli.batch.plan import SUMMARY
from dstft_cli.cli.console import data_output, print_error, table
from dstft_cli.errors import counted, printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from dstft_cli.batch import Plan
    from dstft_cli.batch.run import Watch


class BatchWatch:
    """Shows the progress of a batch: a bar on a terminal, lines elsewhere, JSON with `--json`.

    A context manager: the bar shows while its block runs.

    Args:
        plan: of the batch.
        as_json: a line of JSON per job on standard output, and nothing else there.
        quiet: failures only.
        verbose: details too.
        force: earlier results are ignored.
    """

    def __init__(
        self, plan: Plan, *, as_json: bool, quiet: bool, verbose: bool, force: bool = False
    ) -> None:
        self._plan = plan
        self._as_json = as_json
        self._quiet = quiet
        self._verbose = verbose
        self._force = force
        self._terminal = sys.stderr is not None and sys.stderr.isatty()
        self._bars: Progress | None = None
        self._task: TaskID | None = None
        self._stack = ExitStack()
        self._ended = 0
        self._standing = 0  # jobs with a finished result
        self._began = time.perf_counter()
        if as_json:
            data_output()  # a closed one is an error before any work

    @property
    def watch(self) -> Watch:
        """The functions that the batch calls."""
        from dstft_cli.batch.run import Watch

        return Watch(self._on_checked, self._on_begun, self._on_ended, self._on_note, print_error)

    def __enter__(self) -> BatchWatch:
        if self._terminal and not self._quiet:
            from rich.console import Console
            from rich.progress import (
                BarColumn,
                MofNCompleteColumn,
                Progress,
                TextColumn,
                TimeRemainingColumn,
            )

            self._bars = self._stack.enter_context(
                Progress(
                    TextColumn("{task.description}"),
                    BarColumn(),
                    MofNCompleteColumn(),
                    TextColumn("{task.fields[rate]}"),
                    TimeRemainingColumn(),
                    console=Console(stderr=True),
                    transient=True,
                    redirect_stdout=False,
                    speed_estimate_period=600,
                )
            )
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        self._bars = None

    def stopped(self, how: str) -> str:
        """The message after an interrupt."""
        remedy = "run the same command again to resume"
        if self._force:
            remedy = "run the same command again to start over, or without --force to keep finished results"
        return (
            f"{how} with {self._standing} of {counted(len(self._plan.jobs), 'job')} done: {remedy}"
        )

    def close(self, rows: Mapping[int, Mapping[str, Any]]) -> None:
        """The table of failures on standard error, and the totals, warnings among them."""
        failed = [row for _, row in sorted(rows.items()) if row["status"] == "failed"]
        if failed:
            lines = table(
                ["failed", "input", "error"],
                [[str(row["index"]), str(row["input"]), str(row["error"])] for row in failed],
            )
            for line in lines:
                print_error(line)
        kept, skipped = (
            sum(row["status"] == status for row in rows.values()) for status in ("kept", "skipped")
        )
        parts = [f"{len(rows) - kept - skipped - len(failed)} done"]
        parts += [f"{kept} kept"] if kept else []
        parts += [f"{skipped} skipped"] if skipped else []
        parts += [f"{len(failed)} failed"] if failed else []
        missing = len(self._plan.jobs) - len(rows)
        parts += [f"{missing} not run"] if missing else []
        seconds = time.perf_counter() - self._began
        self.line(
            f"{counted(len(self._plan.jobs), 'job'):<13}  {', '.join(parts)} in {seconds:.1f} s"
        )
        warned = [len(row["warnings"]) for row in rows.values() if row.get("warnings")]
        if warned:
            place = printable(self._plan.folder / SUMMARY)
            self.line(f"warnings       {sum(warned)} in {counted(len(warned), 'job')}, see {place}")
        self.line(f"results        {printable(self._plan.folder)}")

    def line(self, text: str) -> None:
        """Prints one of the last lines: on standard output, unless that carries data."""
        if not self._quiet:
            typer.echo(text, err=self._as_json)

    def _on_checked(self, done: int, total: int) -> None:
        if self._bars is not None:
            self._bar("checking", total)
            self._bars.update(self._require_task(), completed=done)

    def _on_begun(self, kept: int, total: int) -> None:
        self._bar("jobs", total)
        if self._bars is None and kept and not self._quiet:
            print_error(f"{counted(kept, 'job')} done earlier, {total} to run")

    def _on_ended(self, row: dict[str, Any]) -> None:
        failed, kept = row["status"] == "failed", row["status"] == "kept"
        self._ended += not kept
        self._standing += not failed
        if self._as_json:
            plan = self._plan
            job = plan.jobs[row["index"] - 1]
            places = {"input": plan.source(job), "output": str(plan.place(job))}
            print_json({**row, **places})
            sys.stdout.flush()
        if self._bars is not None:
            if not kept:
                rate = self._ended / (time.perf_counter() - self._began)
                shown = f"{rate:.1f} jobs/s" if rate >= 1 else f"{60 * rate:.1f} jobs/min"
                self._bars.update(self._require_task(), completed=self._ended, rate=shown)
            if failed:
                print_error(f"failed: {row['input']}: {row['error']}")
        elif not self._quiet and not kept:
            print_error(f"[{row['index']}/{len(self._plan.jobs)}] {_outcome(row)}")

    def _on_note(self, text: str) -> None:
        if self._verbose:
            for line in text.splitlines():
                print_error(line)

    def _bar(self, stage: str, total: int) -> None:
        if self._bars is None:
            return
        known = self._task is not None and self._bars.tasks[-1].description == stage
        if not known:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(stage, total=total, rate="")

    def _require_task(self) -> TaskID:
        assert self._task is not None
        return self._task


def _outcome(row: Mapping[str, Any]) -> str:
    if row["status"] == "skipped":
        return str(row["error"])
    if row["status"] == "failed":
        return f"{row['input']}: failed: {row['error']}"
    criterion = row["criterion"] or {}
    start, final = criterion.get("start"), criterion.get("final")
    values = "" if start is None or final is None else f", {start:.5g} to {final:.5g}"
    return f"{row['output']}: {row['seconds']:.1f} s{values}"


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """The plan on standard output: a table, or a line of JSON per job."""
    if as_json:
        for job in plan.jobs:
            print_json(
                {
                    "index": job.index,
                    "name": job.name,
                    "input": job.input,
                    "output": str(plan.place(job)),
                    "settings": dict(plan.variants[job.variant].values),
                }
            )
        return
    from dstft_cli.batch.plan import setting_text

    rows = [
        [
            *(str(job.index), job.input, job.output),
            *map(setting_text, plan.settings_that_vary(job).values()),
        ]
        for job in plan.jobs
    ]
    for line in table(["job", "input", "output", *plan.varying], rows):
        typer.echo(line)
    typer.echo(f"{counted(len(plan.jobs), 'job')}, results in {printable(plan.folder)}")


def print_json(record: Mapping[str, Any]) -> None:
    """One line of JSON in ASCII, whatever the locale; names that are not UTF-8 keep their bytes."""
    typer.echo(json.dumps(record, allow_nan=False))
