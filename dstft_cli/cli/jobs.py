"""What the commands that run a job share: where its data, details, progress and summary go."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstft_cli.cli.progress import progress_bar
from dstft_cli.cli.streams import data_output
from dstft_cli.cli.table import printable
from dstft_cli.errors import UsageError, as_flags
from dstft_cli.settings import Settings

if TYPE_CHECKING:
    from dstft_cli.run.optimize import JobOutcome

_TEXT = ("--json", "--csv -")  # may go to a terminal


def run_job(
    source: str,
    job: Callable[..., JobOutcome],
    settings: Settings,
    *,
    quiet: bool,
    verbose: bool,
    lines: Callable[[dict[str, Any], Path | None], list[str]] | None = None,
) -> None:
    """Runs a job with its streams and prints what it found.

    Args:
        source: the recording.
        job: called with the keywords `stdout` and `progress`; it imports what it needs,
            so that a wrong command line is refused at once.
        settings: say what claims standard output.
        quiet, verbose: as given.
        lines: of the record and the directory, for a person.
    """
    check_verbosity(quiet, verbose)
    carrier = data_carrier(settings)
    is_text = carrier in _TEXT or carrier.startswith("--emit")
    stdout = data_output("" if is_text else carrier) if carrier else None
    from dstft_cli.run.summary import summary_lines

    with progress_bar(quiet) as progress, _details(verbose):
        outcome = job(stdout=stdout, progress=progress)
    record = outcome.result_json
    if not quiet:
        told = [] if carrier else (lines or summary_lines)(record, outcome.output)
        print_outcome(record.get("warnings", []), told)


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
        print(f"warning: {printable(as_flags(text))}", file=sys.stderr)
    for line in summary:
        click.echo(printable(line))


@contextmanager
def _details(verbose: bool) -> Iterator[None]:
    """With `--verbose` what is logged goes to standard error, past the progress bar."""
    logger = logging.getLogger("dstft_cli")
    if not verbose:
        yield
        return

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            print(as_flags(record.getMessage()), file=sys.stderr)

    handler = Lines()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
