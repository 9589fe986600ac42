"""`dstft report DIR`: one page of all results below a directory."""

from __future__ import annotations

from pathlib import Path

import click

from dstft_cli.cli.group import CONTEXT_SETTINGS
from dstft_cli.cli.jobs import check_verbosity, print_outcome
from dstft_cli.cli.options import (
    GroupedCommand,
    GroupedOption,
    PathType,
    general_options,
    setting_option,
)
from dstft_cli.cli.progress import progress_bar
from dstft_cli.settings import OPTIONS


def run(
    directory: Path,
    output: Path | None,
    title: str | None,
    force: bool | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """The body of the command."""
    check_verbosity(quiet, verbose)
    # imported last: --help needs neither NumPy nor Pillow
    from dstft_cli.report import build_report

    with progress_bar(quiet) as progress:
        done = build_report(
            directory, output=output, title=title, force=bool(force), progress=progress
        )
    if not quiet:
        print_outcome(done.warnings, done.summary)


report = GroupedCommand(
    name="report",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["directory"], metavar="DIR", type=PathType("dir")),
        GroupedOption(
            ["-o", "--output"],
            type=PathType(),
            metavar="FILE",
            group="output",
            help="HTML file to write.  [default: DIR/report.html]",
        ),
        GroupedOption(
            ["--title"],
            metavar="TEXT",
            group="output",
            help="Title of the page.  [default: Results in DIR]",
        ),
        setting_option(OPTIONS["force"]),
        *general_options(),
    ],
    help="Show all results in DIR and below it on one HTML page.\n\n"
    "The page stands alone and needs no network: a table with small pictures, which can be sorted and "
    "searched. Its links to full pictures are relative, so it stays with the results.",
)
