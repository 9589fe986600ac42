"""`dstft batch CONFIG`: many recordings and settings."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dstft_cli.cli.console import Terminated
from dstft_cli.cli.options import command, some_path, some_text
from dstft_cli.errors import DstftError, UsageError, printable, shortened, system_reason
from dstft_cli.settings import OPTIONS
from dstft_cli.settings.option import option

if TYPE_CHECKING:
    from dstft_cli.batch import Plan
    from dstft_cli.cli.batch_watch import BatchWatch

MOST_WORKERS = 4096
LARGEST_LIST = 1 << 28  # bytes: a million paths, and some
_input, _output, _run = (partial(option, panel) for panel in ("Input", "Output", "Run"))


@dataclass(frozen=True, kw_only=True)
class BatchOptions:
    """The arguments and options of the command."""

    config: Annotated[
        Path | None,
        typer.Argument(metavar="CONFIG", parser=some_path, help="YAML file with the jobs."),
    ] = None
    from_lines: Annotated[
        str | None,
        _input(
            "Inputs from a list, one path a line. -: from standard input.",
            "FILE|-",
            flags=("--from",),
            parser=some_text,
        ),
    ] = None
    from_nul: Annotated[
        str | None,
        _input(
            "The same with NUL after each path, as find -print0 writes it.",
            "FILE|-",
            flags=("--from0",),
            parser=some_text,
        ),
    ] = None
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
        bool,
        _output("Do not write report.html, the page of all results.", flags=("--no-report",)),
    ] = False
    as_json: Annotated[
        bool,
        _output("Write a line of JSON to standard output per finished job.", flags=("--json",)),
    ] = False
    dry_run: Annotated[bool, _run("Print the plan and run nothing.", flags=("--dry-run",))] = False
    workers: Annotated[
        int | None,
        _run(
            f"Processes, which share the cores. At least 1 and at most {MOST_WORKERS}.",
            "N",
            default="number of cores",
        ),
    ] = None
    scheduler: Annotated[
        str | None,
        _run("Run on the Dask cluster of this scheduler, such as tcp://host:8786.", "ADDRESS"),
    ] = None
    fail_fast: Annotated[
        bool, _run("Stop at the first job that fails.", flags=("--fail-fast",))
    ] = False


def run(options: BatchOptions, quiet: bool = False, verbose: bool = False) -> None:
    """The body of the command."""
    workers, output = options.workers, options.output
    if workers is not None and options.scheduler is not None:
        raise UsageError(
            "`workers` and `scheduler` exclude each other: a cluster has its own workers; drop one"
        )
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise UsageError(f"`workers` {workers}: must be at least 1 and at most {MOST_WORKERS}")
    if output == "-":
        raise UsageError(
            "`output` - is not possible, a batch writes directories: use `json` for standard output"
        )
    plan = _plan(options)
    from dstft_cli.cli.batch_watch import BatchWatch, print_plan

    if options.dry_run:
        print_plan(plan, as_json=options.as_json)
        return
    watch = BatchWatch(
        plan, as_json=options.as_json, quiet=quiet, verbose=verbose, force=options.force
    )
    try:
        with watch:
            rows = _execute(plan, watch, options, silent=not verbose)
        watch.close(rows)
        if not options.no_report and any(row["status"] != "failed" for row in rows.values()):
            from dstft_cli.report import write_report

            watch.line(f"report         {printable(write_report(plan.folder, force=True))}")
    except (KeyboardInterrupt, Terminated) as error:
        code = 130 if isinstance(error, KeyboardInterrupt) else 143
        how = "interrupted" if code == 130 else "terminated"
        raise StoppedError(watch.stopped(how), code) from None
    if any(row["status"] == "failed" for row in rows.values()):
        raise typer.Exit(1)


class StoppedError(DstftError):
    """The batch was interrupted or terminated. Finished jobs keep their results."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def _execute(
    plan: Plan, watch: BatchWatch, options: BatchOptions, *, silent: bool
) -> dict[int, dict[str, Any]]:
    from dstft_cli.batch.pools import ClusterExecutor, LocalExecutor, Workers, cores
    from dstft_cli.batch.run import run_batch
    from dstft_cli.batch.worker import prepare

    def start(jobs: int) -> Workers:
        if options.scheduler is not None:
            return ClusterExecutor(options.scheduler)
        figures = any(variant.settings.figures for variant in plan.variants)
        return LocalExecutor(
            min(jobs, options.workers or cores()), partial(prepare, figures), silent=silent
        )

    return run_batch(
        plan, start, force=options.force, fail_fast=options.fail_fast, watch=watch.watch
    )


def _plan(options: BatchOptions) -> Plan:
    """The plan of the config file, or of the list of inputs."""
    from dstft_cli.batch import from_list, make_plan, read_config

    own = {"preset": options.preset, "figures": options.figures}
    typed = {name: value for name, value in own.items() if value is not None}
    pairs = options.set_pairs or ()
    ways = {"CONFIG": options.config, "--from": options.from_lines, "--from0": options.from_nul}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) + " exclude each other" if given else "no jobs"
        raise UsageError(f"{found}: give one of CONFIG, --from FILE and --from0 FILE")
    if options.config is not None:
        return make_plan(read_config(options.config, pairs, options.output, typed))
    path = options.from_lines or options.from_nul or ""
    inputs = _read_list(path, b"\n" if options.from_lines else b"\0")
    where = f"{given[0]} {shortened(path)}"
    return make_plan(from_list(inputs, where, pairs, options.output, typed))


def _read_list(path: str, end: bytes) -> list[str]:
    """The paths in a file (`-`: standard input), each followed by `end`."""
    if path == "-" and sys.stdin is None:
        raise UsageError("standard input is closed: pipe a list of inputs into it")
    try:
        if path == "-":
            data = sys.stdin.buffer.read(LARGEST_LIST + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(LARGEST_LIST + 1)
    except (OSError, ValueError) as error:
        reason = system_reason(error) if isinstance(error, OSError) else error
        raise UsageError(f"{shortened(path)}: cannot be read: {reason}: check the path") from None
    if len(data) > LARGEST_LIST:
        raise UsageError(
            f"{shortened(path)}: is above {LARGEST_LIST >> 20} MiB, too large for a list: check the path"
        )
    entries = data.split(end)
    if end == b"\n":
        entries = [entry.removesuffix(b"\r") for entry in entries]
        if any(b"\0" in entry for entry in entries):
            raise UsageError(f"{shortened(path)}: holds NUL characters: use --from0")
    return [os.fsdecode(entry) for entry in entries if entry]


app = command(
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
