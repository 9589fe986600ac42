"""`dstft batch CONFIG`: many recordings and settings, and what it prints."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dstft_cli.cli.console import (
    Activity,
    Terminated,
    data_output,
    print_error,
    progress_bar,
    say,
    table,
)
from dstft_cli.cli.inputs import (
    FromLines,
    FromNul,
    Scheduler,
    WorkerCount,
    check_workers,
    one_of,
    read_lists,
)
from dstft_cli.cli.options import command, some_path
from dstft_cli.errors import DstftError, UsageError, counted, printable, shortened
from dstft_cli.settings import OPTIONS
from dstft_cli.settings.option import option

if TYPE_CHECKING:
    from dstft_cli.batch import Plan
    from dstft_cli.batch.run import Watch

_input, _output, _run = (partial(option, panel) for panel in ("Input", "Output", "Run"))


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", parser=some_path, help="YAML file with the jobs."),
    ] = None
    from_lines: FromLines = None
    from_nul: FromNul = None
    set_pairs: Annotated[
        list[str] | None,
        _input(
            "A setting of dstft optimize for all jobs, above those of CONFIG. Repeatable.",
            "KEY=VALUE",
            flags=("--set",),
        ),
    ] = None
    preset: Annotated[str | None, _input(str(OPTIONS["preset"].option.help), "NAME")] = None
    output: Annotated[
        str | None,
        _output(
            "Directory of each job's results, with {stem}, {name}, {parent}, {folder}, {index} or "
            "{SETTING} in it. Relative to CONFIG's folder; with --from to this one.",
            "TEMPLATE",
            flags=("-o", "--output"),
            default="{stem}-dstft",
        ),
    ] = None
    figures: Annotated[
        bool | None, _output("Draw pictures.", flags=("--figures/--no-figures",))
    ] = None
    force: Annotated[bool, _output("Do again what is done.", flags=("--force",))] = False
    no_report: Annotated[
        bool, _output("Do not write report.html, the page of all results.", flags=("--no-report",))
    ] = False
    as_json: Annotated[
        bool,
        _output("Write a line of JSON to standard output per finished job.", flags=("--json",)),
    ] = False
    dry_run: Annotated[bool, _run("Print the plan and run nothing.", flags=("--dry-run",))] = False
    workers: WorkerCount = None
    scheduler: Scheduler = None
    fail_fast: Annotated[
        bool, _run("Stop at the first job that fails.", flags=("--fail-fast",))
    ] = False


def run(options: BatchOptions, quiet: bool = False, verbose: bool = False) -> None:
    check_workers(options.workers, options.scheduler)
    if options.output == "-":
        raise UsageError(
            "`output` - is not possible, a batch writes directories: use `json` for standard output"
        )
    with progress_bar(quiet, "list of jobs"):
        plan = _plan(options)
    if options.dry_run:
        print_plan(plan, as_json=options.as_json)
        return
    if verbose:
        from dstft_cli.batch.extent import extents, total_text

        print_error(f"{counted(len(plan.jobs), 'job')}, {total_text(extents(plan))}")
    watch = BatchWatch(plan, options, quiet, verbose)
    try:
        with progress_bar(quiet) as shown:
            watch.activity = shown or watch.activity
            from dstft_cli.batch.pools import Workers, start_workers
            from dstft_cli.batch.run import run_batch
            from dstft_cli.batch.worker import prepare

            def start(jobs: int) -> Workers:
                figures = any(variant.settings.figures for variant in plan.variants)
                chosen = options.workers, options.scheduler
                return start_workers(jobs, partial(prepare, figures), *chosen, silent=not verbose)

            how: Any = {"force": options.force, "fail_fast": options.fail_fast}
            rows = run_batch(plan, start, watch=watch.watch, **how)
        watch.close(rows)
        if not options.no_report and any(row["status"] != "failed" for row in rows.values()):
            from dstft_cli.report import build_report

            with progress_bar(quiet, "report.html") as progress:
                page = build_report(plan.folder, force=True, progress=progress).output
            watch.line(f"report         {printable(page)}")
    except (KeyboardInterrupt, Terminated) as error:
        interrupted = isinstance(error, KeyboardInterrupt)
        stopped = DstftError(watch.stopped("interrupted" if interrupted else "terminated"))
        stopped.exit_code = 130 if interrupted else 143
        raise stopped from None
    if any(row["status"] == "failed" for row in rows.values()):
        raise typer.Exit(1)


def _plan(options: BatchOptions) -> Plan:
    from dstft_cli.batch import from_list, make_plan, read_config

    own = {"preset": options.preset, "figures": options.figures}
    typed = {name: value for name, value in own.items() if value is not None}
    pairs = options.set_pairs or ()
    ways = {"CONFIG": options.config, "--from": options.from_lines, "--from0": options.from_nul}
    given = one_of(ways, "no jobs")
    if options.config is not None:
        return make_plan(read_config(options.config, pairs, options.output, typed))
    inputs = read_lists(options.from_lines, options.from_nul)
    where = f"{given} {shortened(options.from_lines or options.from_nul or '')}"
    return make_plan(from_list(inputs, where, pairs, options.output, typed))


class BatchWatch:
    """Shows the progress of a batch; JSON with `--json`."""

    def __init__(self, plan: Plan, options: BatchOptions, quiet: bool, verbose: bool) -> None:
        self._plan, self._as_json, self._force = plan, options.as_json, options.force
        self._quiet, self._verbose = quiet, verbose
        self.activity = Activity()  # not shown if quiet
        self._ended = self._todo = 0
        self._standing = 0  # jobs with a finished result
        self._began = time.perf_counter()
        if self._as_json:
            data_output()  # a closed one is an error before any work

    @property
    def watch(self) -> Watch:
        from dstft_cli.batch.run import Watch

        return Watch(
            partial(self.activity, "checking earlier results"),
            self._on_begun,
            self.activity.run,
            self._on_ended,
            self._on_note if self._verbose else (lambda text: None),
            print_error,
        )

    def stopped(self, how: str) -> str:
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
        counts = Counter(row["status"] for row in rows.values())
        counts["not run"] = jobs - len(rows)
        told = ("done", *filter(counts.get, ("kept", "skipped", "failed", "not run")))
        parts = [f"{counts[what]} {what}" for what in told]
        seconds = time.perf_counter() - self._began
        self.line(f"{counted(jobs, 'job'):<13}  {', '.join(parts)} in {seconds:.1f} s")
        warned = [len(row["warnings"]) for row in rows.values() if row["warnings"]]
        if warned:
            from dstft_cli.batch.plan import SUMMARY

            place = printable(self._plan.folder / SUMMARY)
            self.line(f"warnings       {sum(warned)} in {counted(len(warned), 'job')}, see {place}")
        self.line(f"results        {printable(self._plan.folder)}")

    def line(self, text: str) -> None:
        """Prints one of the last lines: on standard output, unless that carries data."""
        if not self._quiet:
            (print_error if self._as_json else say)(text)

    def _on_begun(self, kept: int, total: int) -> None:
        self._todo = total
        self.activity("jobs", 0, total)
        if kept and not (self.activity.live or self._quiet):
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
        if self._quiet or kept:
            return
        self.activity("jobs", self._ended, self._todo)
        if not self.activity.live:
            told = str(row["error"])
            if failed:
                told = f"{row['input']}: failed: {told}"
            elif row["status"] == "done":
                start, final = row["criterion"]["start"], row["criterion"]["final"]
                values = "" if None in (start, final) else f", {start:.5g} to {final:.5g}"
                told = f"{row['output']}: {row['seconds']:.1f} s{values}"
            print_error(f"[{row['index']}/{len(self._plan.jobs)}] {told}")
        elif failed:
            print_error(f"failed: {row['input']}: {row['error']}")

    def _on_note(self, text: str) -> None:
        for line in text.splitlines():
            print_error(line)


def print_plan(plan: Plan, *, as_json: bool) -> None:
    from dstft_cli.batch.extent import extents, total_text
    from dstft_cli.batch.plan import setting_text

    rows, found = [], list(extents(plan))
    for job, extent in zip(plan.jobs, found, strict=True):
        if as_json:
            row = {"index": job.index, "name": job.name, "input": job.input}
            row |= {"output": str(plan.place(job)), "sound_seconds": extent.seconds}
            row |= {"bytes": extent.size and round(extent.size)}
            print_json({**row, "settings": dict(plan.variants[job.variant].values)})
        varying = map(setting_text, plan.settings_that_vary(job).values())
        rows.append([str(job.index), job.input, job.output, *extent.texts(), *varying])
    total = f"{counted(len(plan.jobs), 'job')}, {total_text(found)}, results in {printable(plan.folder)}"
    if as_json:
        print_error(total)
        return
    for line in table(["job", "input", "output", "sound", "disk", *plan.varying], rows):
        typer.echo(line)
    typer.echo(total)


def print_json(record: Mapping[str, Any]) -> None:
    """One line of JSON in ASCII, whatever the locale; names that are not UTF-8 keep their bytes."""
    typer.echo(json.dumps(record, allow_nan=False))


batch = command(
    run,
    help="Run dstft optimize on many recordings and settings, several at a time.\n\n"
    "CONFIG has three keys. defaults: settings for all jobs. output: a template such as "
    "results/{stem}. jobs: each has an input (a path, a list, or a pattern such as field/**/*.wav), "
    "and may have a name, settings of its own and a matrix of values to combine. Paths are relative to "
    "CONFIG's folder.\n\n"
    "A failed job does not stop the others. Run the same command again for jobs that are missing, "
    "failed or changed.",
    examples="dstft batch batch.yaml --dry-run\n\n"
    "dstft batch batch.yaml --workers 8\n\n"
    "find field -name '*.wav' | dstft batch --from - --preset bioacoustics",
)
