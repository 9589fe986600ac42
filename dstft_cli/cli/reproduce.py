"""`dstft reproduce NAME`: the method's experiments as tables and pictures."""

from __future__ import annotations

import csv
import io
import logging
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dstft_cli.cli import console
from dstft_cli.cli.options import check_choice, command, some_path
from dstft_cli.errors import counted
from dstft_cli.settings import EXPERIMENTS, OPTIONS, merge
from dstft_cli.settings.option import option

if TYPE_CHECKING:
    from dstft_cli.experiments import Findings, Reproduced


def run(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"One of {', '.join(EXPERIMENTS)}.",
            autocompletion=lambda: list(EXPERIMENTS),
        ),
    ],
    typed: Mapping[str, Any],
    data: Annotated[
        Path | None,
        option(
            "Input",
            "Recordings for classification: one folder of sound files per class.",
            "DIR",
            default="synthetic sounds",
            parser=some_path,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        option(
            "Output",
            "Directory of the results.",
            "DIR",
            flags=("-o", "--output"),
            default="NAME-dstft",
            parser=some_path,
        ),
    ] = None,
    as_csv: Annotated[
        bool,
        option(
            "Output",
            "Write the table to standard output as CSV, and nothing else there.",
            flags=("--csv",),
        ),
    ] = False,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """The body of the command."""
    settings = merge(typed)
    check_choice("experiment", name, EXPERIMENTS)
    # imports torch: errors of the command line come first
    from dstft_cli.experiments import run_experiments

    with console.progress_bar(quiet) as progress:
        done = run_experiments(
            name,
            output=output,
            force=settings.force,
            seed=settings.seed,
            threads=settings.threads,
            data=data,
            progress=progress,
        )
    log = logging.getLogger("dstft_cli")
    for experiment, seconds in done.seconds.items():
        log.info("%s: %.1f s on %s", experiment, seconds, counted(done.threads, "thread"))
    if as_csv:
        typer.echo(csv_text(done), nl=False)
    elif not quiet:
        for experiment, found in done.findings.items():
            typer.echo(found.title)
            if sys.stdout is not None and sys.stdout.isatty():
                _print_rich(found)
            else:
                for line in console.table(found.table.columns, found.table.text()):
                    typer.echo(line)
            for note in found.notes:
                typer.echo(f"- {note}")
            typer.echo(f"{done.seconds[experiment]:.0f} s\n")
        typer.echo(f"output  {done.output}")


def csv_text(done: Reproduced) -> str:
    """The tables as CSV in full precision, separated by empty lines."""
    parts = []
    for found in done.findings.values():
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(found.table.columns)
        writer.writerows(found.table.rows)
        parts.append(file.getvalue())
    return "\n".join(parts)


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


app = command(
    run,
    help="Run the experiment NAME and write NAME.json and pictures.\n\n"
    "windows: all window modes against every whole window length. hops: frames that move. tracking "
    "and classification: a window learned together with a network, against fixed windows. Each takes "
    "up to three minutes on two cores.",
    examples="dstft reproduce windows",
    options={name: OPTIONS[name] for name in ("force", "seed", "threads")},
)
