"""`dstft batch CONFIG`: many recordings and settings."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstft_cli.cli.group import CONTEXT_SETTINGS
from dstft_cli.cli.jobs import check_verbosity
from dstft_cli.cli.options import (
    GroupedCommand,
    GroupedOption,
    PathType,
    SettingType,
    general_options,
    setting_option,
)
from dstft_cli.errors import DstftError, UsageError
from dstft_cli.settings import OPTIONS

if TYPE_CHECKING:
    from dstft_cli.batch import Plan
    from dstft_cli.cli.batch_told import Told

MOST_WORKERS = 4096


def run(
    config: Path | None,
    from_lines: str | None,
    from_nul: str | None,
    output: str | None,
    set_pairs: tuple[str, ...],
    figures: bool | None,
    dry_run: bool,
    workers: int | None,
    scheduler: str | None,
    fail_fast: bool,
    force: bool | None,
    no_report: bool,
    as_json: bool,
    quiet: bool,
    verbose: bool,
) -> None:
    """The body of the command."""
    check_verbosity(quiet, verbose)
    if workers is not None and scheduler is not None:
        raise UsageError("--workers and --scheduler exclude each other: the cluster has its own")
    if workers is not None and not 1 <= workers <= MOST_WORKERS:
        raise UsageError(f"--workers {workers}: must be at least 1 and at most {MOST_WORKERS}")
    if output == "-":
        raise UsageError("--output -: a batch writes directories: use --json for standard output")
    if figures is not None:
        set_pairs = (*set_pairs, f"figures={str(figures).lower()}")
    plan = _plan(config, from_lines, from_nul, output, set_pairs)
    if dry_run:
        from dstft_cli.cli.batch_text import print_plan

        print_plan(plan, as_json=as_json)
        return
    from dstft_cli.cli.batch_told import Told
    from dstft_cli.cli.failures import Terminated
    from dstft_cli.cli.table import printable

    told = Told(plan, as_json=as_json, quiet=quiet, verbose=verbose, force=bool(force))
    try:
        with told:
            rows = _execute(plan, told, workers, scheduler, bool(force), fail_fast, verbose)
        told.close(rows)
        if not no_report and any(row["status"] != "failed" for row in rows.values()):
            from dstft_cli.report import write_report

            told.line(f"report         {printable(str(write_report(plan.folder, force=True)))}")
    except (KeyboardInterrupt, Terminated) as error:
        code = 130 if isinstance(error, KeyboardInterrupt) else 143
        raise StoppedError(
            told.stopped("interrupted" if code == 130 else "terminated"), code
        ) from None
    if any(row["status"] == "failed" for row in rows.values()):
        click.get_current_context().exit(1)


class StoppedError(DstftError):
    """A batch that was ended from outside; what is done stays done."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def _execute(
    plan: Plan,
    told: Told,
    workers: int | None,
    scheduler: str | None,
    force: bool,
    fail_fast: bool,
    verbose: bool,
) -> dict[int, dict[str, Any]]:
    from dstft_cli.batch.pools import LocalExecutor, Workers, cores
    from dstft_cli.batch.run import run_batch
    from dstft_cli.batch.worker import prepare

    def start(jobs: int) -> Workers:
        if scheduler is not None:
            from dstft_cli.batch.pools import ClusterExecutor

            return ClusterExecutor(scheduler)
        figures = any(variant.settings.figures for variant in plan.variants)
        return LocalExecutor(
            min(jobs, workers or cores()), partial(prepare, figures), silent=not verbose
        )

    return run_batch(plan, start, force=force, fail_fast=fail_fast, watch=told.watch)


def _plan(
    config: Path | None,
    from_lines: str | None,
    from_nul: str | None,
    output: str | None,
    set_pairs: tuple[str, ...],
) -> Plan:
    """The plan of the config file, or of the list of inputs."""
    from dstft_cli.batch import from_list, make_plan, read_config

    ways = {"CONFIG": config, "--from": from_lines, "--from0": from_nul}
    given = [name for name, value in ways.items() if value is not None]
    if len(given) != 1:
        found = " and ".join(given) + " exclude each other" if given else "no jobs"
        raise UsageError(f"{found}: give one of CONFIG, --from FILE and --from0 FILE")
    if config is not None:
        return make_plan(read_config(config, set_pairs, output))
    from dstft_cli.cli.batch_text import read_list

    text, end = (from_lines, b"\n") if from_lines is not None else (from_nul, b"\0")
    assert text is not None
    return make_plan(from_list(read_list(text, end), f"{given[0]} {text}", set_pairs, output))


batch = GroupedCommand(
    name="batch",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["config"], required=False, type=PathType()),
        GroupedOption(
            ["--from", "from_lines"],
            type=SettingType(path="file"),
            metavar="FILE|-",
            group="input",
            help="Inputs from a list, one path a line; -: from standard input.",
        ),
        GroupedOption(
            ["--from0", "from_nul"],
            type=SettingType(path="file"),
            metavar="FILE|-",
            group="input",
            help="The same with NUL after each path, as find -print0 writes it.",
        ),
        GroupedOption(
            ["--set", "set_pairs"],
            multiple=True,
            metavar="KEY=VALUE",
            group="input",
            help="A setting of dstft optimize for all jobs, above those of CONFIG.  [repeatable]",
        ),
        GroupedOption(
            ["-o", "--output"],
            metavar="TEMPLATE",
            group="output",
            help="Directory of each job's results, with {stem}, {name}, {parent}, {folder}, {index} "
            "or {SETTING} in it, below CONFIG's folder; with --from below this one.  "
            "[default: {stem}-dstft]",
        ),
        setting_option(OPTIONS["figures"]),
        GroupedOption(
            ["--force", "force"], is_flag=True, group="output", help="Do again what is done."
        ),
        GroupedOption(
            ["--no-report"],
            is_flag=True,
            group="output",
            help="Leave out report.html, the page of all results.",
        ),
        GroupedOption(
            ["--json", "as_json"],
            is_flag=True,
            group="output",
            help="Write a line of JSON to standard output per finished job.",
        ),
        GroupedOption(
            ["--dry-run"], is_flag=True, group="run", help="Print the plan and run nothing."
        ),
        GroupedOption(
            ["--workers"],
            type=int,
            metavar="N",
            group="run",
            help="Processes, which share the cores out.  [at least 1; default: number of cores]",
        ),
        GroupedOption(
            ["--scheduler"],
            metavar="ADDRESS",
            group="run",
            help="Run on the Dask cluster of this scheduler, such as tcp://host:8786.",
        ),
        GroupedOption(
            ["--fail-fast"], is_flag=True, group="run", help="Stop at the first job that fails."
        ),
        *general_options(),
    ],
    help="Run dstft optimize on many recordings and settings, several at a time.\n\n"
    "CONFIG is a YAML file: defaults (settings), output (a template such as results/{stem}) and "
    "jobs, each with an input (a path, a list or a pattern such as field/**/*.wav), a name, settings of "
    "its own and a matrix of lists to multiply out. Its paths are relative to its folder. A job that "
    "fails does not stop the others. The same command again does what is missing, failed or changed.",
)
