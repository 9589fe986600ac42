"""What the commands that run a job share: where its data, details, progress and summary go."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import click

from dstft_cli.cli.progress import progress_bar
from dstft_cli.cli.streams import data_output
from dstft_cli.cli.table import printable
from dstft_cli.errors import UsageError
from dstft_cli.settings import Settings

if TYPE_CHECKING:
    from dstft_cli.run.job import JobOutcome

_TEXT = ("--json", "--csv -")  # may go to a terminal


def run_job(
    source: str,
    job: Callable[..., JobOutcome],
    settings: Settings,
    *,
    quiet: bool,
    verbose: bool,
    ending: str = "dstft",
) -> None:
    """Runs a job with its streams and prints what it found.

    Args:
        source: the recording.
        job: called with the keywords `stdout`, `report` and `progress`; it imports what it needs,
            so that a wrong command line is refused at once.
        settings: say what claims standard output.
        quiet, verbose: as given.
    """
    check_verbosity(quiet, verbose)
    carrier = data_carrier(settings)
    is_text = carrier in _TEXT or carrier.startswith("--emit")
    stdout = data_output("" if is_text else carrier) if carrier else None
    from dstft_cli.run.preflight import refuse_early

    refuse_early(source, settings, ending)
    with progress_bar(quiet) as progress:
        outcome = job(
            stdout=stdout,
            report=_print_detail if verbose else _say_nothing,
            progress=progress,
        )
    if not quiet:
        print_outcome(outcome.result_json.get("warnings", []), [] if carrier else outcome.summary)


def check_verbosity(quiet: bool, verbose: bool) -> None:
    """UsageError where both are asked for."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other: leave one out")


def data_carrier(settings: Settings) -> str:
    """The option that claims standard output for data, e.g. `--npy -`; empty where none does."""
    for name in ("png", "npy", "csv"):
        if getattr(settings, name, None) == "-":
            return f"--{name} -"
    if settings.emit != "none":
        return f"--emit {settings.emit}"
    return "--json" if settings.json else ""


def print_outcome(warnings: Iterable[str], summary: Iterable[str]) -> None:
    """Warnings on standard error, the summary on standard output."""
    for text in warnings:
        print(f"warning: {printable(text)}", file=sys.stderr)
    for line in summary:
        click.echo(printable(line))


def _print_detail(line: str) -> None:
    # not click.echo, which would write past the progress bar and into its line
    print(line, file=sys.stderr)


def _say_nothing(line: str) -> None:
    pass
