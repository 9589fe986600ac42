"""`dstft report DIR`: one page of all results below a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dstft_cli.cli import console
from dstft_cli.cli.options import Directory, Force, command, some_path


def run(
    directory: Directory,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            parser=some_path,
            help="HTML file to write.",
            show_default="DIR/report.html",
            rich_help_panel="Output",
        ),
    ] = None,
    title: Annotated[
        str | None,
        typer.Option(
            metavar="TEXT",
            help="Title of the page.",
            show_default="Results in DIR",
            rich_help_panel="Output",
        ),
    ] = None,
    force: Force = False,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """The body of the command."""
    # --help must not import NumPy or Pillow
    from dstft_cli.report import build_report

    with console.progress_bar(quiet) as progress:
        done = build_report(directory, output=output, title=title, force=force, progress=progress)
    if not quiet:
        console.print_outcome(done.warnings, done.summary)


app = command(
    run,
    help="Show all results in DIR and below it on one HTML page.\n\n"
    "The page needs no network: a table with small pictures, which can be sorted and searched. Its "
    "links to full pictures are relative, so it stays with the results.",
    examples="dstft report results",
)
