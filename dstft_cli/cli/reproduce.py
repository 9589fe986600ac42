"""`dstft reproduce NAME`: the method's experiments as tables and pictures."""

from __future__ import annotations

import csv
import io
import sys
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
from dstft_cli.cli.progress import progress_bar
from dstft_cli.cli.table import table
from dstft_cli.errors import UsageError
from dstft_cli.names import EXPERIMENTS, counted
from dstft_cli.settings import OPTIONS, merge

if TYPE_CHECKING:
    from dstft_cli.experiments import Findings, Reproduced


def run(
    name: str,
    output: Path | None,
    data: Path | None,
    as_csv: bool,
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """The body of the command."""
    check_verbosity(quiet, verbose)
    settings = merge({key: value for key, value in options.items() if value is not None})
    if name not in EXPERIMENTS:
        raise UsageError(f"experiment '{name}' is unknown: use {', '.join(EXPERIMENTS)}")
    # imported last: a wrong command line is refused at once, and --help needs no torch
    from dstft_cli.experiments import run_experiments

    with progress_bar(quiet) as progress:
        done = run_experiments(
            name,
            output=output,
            force=settings.force,
            seed=settings.seed,
            threads=settings.threads,
            data=data,
            progress=progress,
        )
    if verbose:
        for experiment, seconds in done.seconds.items():
            threads = counted(done.threads, "thread")
            click.echo(f"{experiment}: {seconds:.1f} s on {threads}", err=True)
    if as_csv:
        click.echo(csv_text(done), nl=False)
    elif not quiet:
        for experiment, found in done.findings.items():
            _print_findings(found, done.seconds[experiment])
        click.echo(f"output  {done.output}")


def csv_text(done: Reproduced) -> str:
    """The tables as CSV, numbers in full; an empty line between two experiments."""
    parts = []
    for found in done.findings.values():
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(found.table.columns)
        writer.writerows(found.table.rows)
        parts.append(file.getvalue())
    return "\n".join(parts)


def _print_findings(found: Findings, seconds: float) -> None:
    """A table as wide as it is, drawn by rich on a terminal, plain text elsewhere."""
    click.echo(found.title)
    if sys.stdout.isatty():
        _print_rich(found)
    else:
        for line in table(found.table.columns, found.table.text()):
            click.echo(line)
    for note in found.notes:
        click.echo(f"- {note}")
    click.echo(f"{seconds:.0f} s\n")


def _print_rich(found: Findings) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table()
    for column in found.table.columns:
        shown.add_column(column)
    for row in found.table.text():
        shown.add_row(*(Text(cell) for cell in row))
    Console().print(shown)


reproduce = GroupedCommand(
    name="reproduce",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["name"], metavar="NAME", type=SettingType(EXPERIMENTS)),
        GroupedOption(
            ["--data"],
            type=PathType(),
            metavar="DIR",
            group="input",
            help="Recordings for classification: one folder of sound files per class.  "
            "[default: synthetic sounds]",
        ),
        GroupedOption(
            ["-o", "--output"],
            type=PathType(),
            metavar="DIR",
            group="output",
            help="Directory of the results.  [default: NAME-dstft]",
        ),
        GroupedOption(
            ["--csv", "as_csv"],
            is_flag=True,
            group="output",
            help="Write the table to standard output as CSV, and nothing else there.",
        ),
        setting_option(OPTIONS["force"]),
        GroupedOption(
            ["--seed"],
            type=SettingType(),
            metavar="N",
            group="compute",
            help="Seed of all signals and weights.  [at least 0; default: 0]",
        ),
        setting_option(OPTIONS["threads"]),
        *general_options(),
    ],
    help="Run the experiment NAME and write NAME.json and pictures.\n\n"
    f"NAME is one of {', '.join(EXPERIMENTS)}. windows: all window modes against every whole window "
    "length. hops: frames that move. tracking and classification: a window learned together with a "
    "network against the same network on fixed windows. Each takes up to three minutes on two cores.",
)
