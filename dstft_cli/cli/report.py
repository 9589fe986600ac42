"""`dstft report DIR`: one page of all results below a directory."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from dstft_cli.cli import console
from dstft_cli.cli.options import Directory, Force, command, some_path
from dstft_cli.settings.option import option


def run(
    directory: Directory,
    output: Annotated[
        Path | None,
        option(
            "Output",
            "HTML file to write.",
            "FILE",
            flags=("-o", "--output"),
            default="DIR/report.html",
            parser=some_path,
        ),
    ] = None,
    title: Annotated[
        str | None,
        option("Output", "Title of the page.", "TEXT", default="Results in DIR"),
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
