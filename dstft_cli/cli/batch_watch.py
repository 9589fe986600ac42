"""What `dstft batch` prints while it runs and at its end."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import typer

from dstft_cli.batch.plan import SUMMARY
from dstft_cli.cli.console import data_output, print_error, say, table
from dstft_cli.errors import counted, printable

if TYPE_CHECKING:
    from rich.progress import Progress

    from dstft_cli.batch import Plan
    from dstft_cli.batch.run import Watch


class BatchWatch:
    """Shows the progress of a batch: a bar on a terminal, lines elsewhere, JSON with `--json`.

    A context manager: the bar shows while its block runs.
    """

    def __init__(
        self, plan: Plan, *, as_json: bool, quiet: bool, verbose: bool, force: bool = False
    ) -> None:
        self._plan, self._as_json = plan, as_json
        self._quiet, self._verbose, self._force = quiet, verbose, force
        self._bars: Progress | None = None
        self._task: Any = None
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
        if sys.stderr is not None and sys.stderr.isatty() and not self._quiet:
            from rich import progress
            from rich.console import Console

            columns = (
                progress.TextColumn("{task.description}"),
                progress.BarColumn(),
                progress.MofNCompleteColumn(),
                progress.TextColumn("{task.fields[rate]}"),
                progress.TimeRemainingColumn(),
            )
            options: Any = {"transient": True, "redirect_stdout": False}
            bars = progress.Progress(
                *columns, console=Console(stderr=True), speed_estimate_period=600, **options
            )
            self._bars = self._stack.enter_context(bars)
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
            cells = [[str(row[name]) for name in ("index", "input", "error")] for row in failed]
            for line in table(["failed", "input", "error"], cells):
                print_error(line)
        jobs = len(self._plan.jobs)
        kept, skipped = (
            sum(row["status"] == status for row in rows.values()) for status in ("kept", "skipped")
        )
        counts = {
            "kept": kept,
            "skipped": skipped,
            "failed": len(failed),
            "not run": jobs - len(rows),
        }
        parts = [f"{len(rows) - kept - skipped - len(failed)} done"]
        parts += [f"{count} {what}" for what, count in counts.items() if count]
        seconds = time.perf_counter() - self._began
        self.line(f"{counted(jobs, 'job'):<13}  {', '.join(parts)} in {seconds:.1f} s")
        warned = [len(row["warnings"]) for row in rows.values() if row["warnings"]]
        if warned:
            place = printable(self._plan.folder / SUMMARY)
            self.line(f"warnings       {sum(warned)} in {counted(len(warned), 'job')}, see {place}")
        self.line(f"results        {printable(self._plan.folder)}")

    def line(self, text: str) -> None:
        """Prints one of the last lines: on standard output, unless that carries data."""
        if not self._quiet:
            (print_error if self._as_json else say)(text)

    def _on_checked(self, done: int, total: int) -> None:
        if self._bars is not None:
            if done == 1:
                self._bar("checking", total)
            self._bars.update(self._task, completed=done)

    def _on_begun(self, kept: int, total: int) -> None:
        self._bar("jobs", total)
        if self._bars is None and kept and not self._quiet:
            print_error(f"{counted(kept, 'job')} done earlier, {total} to run")

    def _on_ended(self, row: dict[str, Any]) -> None:
        failed, kept = row["status"] == "failed", row["status"] == "kept"
        self._ended += not kept
        self._standing += not failed
        if self._as_json:
            job = self._plan.jobs[row["index"] - 1]
            places = {"input": self._plan.source(job), "output": str(self._plan.place(job))}
            with suppress(BrokenPipeError):  # its reader has left; the jobs go on
                print_json({**row, **places})
                sys.stdout.flush()
        if self._bars is not None:
            if not kept:
                rate = self._ended / (time.perf_counter() - self._began)
                shown = f"{rate:.1f} jobs/s" if rate >= 1 else f"{60 * rate:.1f} jobs/min"
                self._bars.update(self._task, completed=self._ended, rate=shown)
            if failed:
                print_error(f"failed: {row['input']}: {row['error']}")
        elif not self._quiet and not kept:
            print_error(f"[{row['index']}/{len(self._plan.jobs)}] {_outcome(row)}")

    def _on_note(self, text: str) -> None:
        if self._verbose:
            for line in text.splitlines():
                print_error(line)

    def _bar(self, stage: str, total: int) -> None:
        if self._bars is not None:
            if self._task is not None:
                self._bars.remove_task(self._task)
            self._task = self._bars.add_task(stage, total=total, rate="")


def _outcome(row: Mapping[str, Any]) -> str:
    if row["status"] == "skipped":
        return str(row["error"])
    if row["status"] == "failed":
        return f"{row['input']}: failed: {row['error']}"
    start, final = row["criterion"]["start"], row["criterion"]["final"]
    values = "" if start is None or final is None else f", {start:.5g} to {final:.5g}"
    return f"{row['output']}: {row['seconds']:.1f} s{values}"


def print_plan(plan: Plan, *, as_json: bool) -> None:
    """The plan on standard output: a table, or a line of JSON per job."""
    if as_json:
        for job in plan.jobs:
            settings = dict(plan.variants[job.variant].values)
            row = {"index": job.index, "name": job.name, "input": job.input}
            print_json({**row, "output": str(plan.place(job)), "settings": settings})
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
