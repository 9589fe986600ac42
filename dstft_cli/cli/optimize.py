"""`dstft optimize INPUT`: the main command."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from dstft_cli.cli.group import CONTEXT_SETTINGS
from dstft_cli.cli.options import GroupedCommand, general_options, setting_options
from dstft_cli.cli.progress import progress_bar
from dstft_cli.cli.streams import data_output
from dstft_cli.errors import UsageError
from dstft_cli.settings import Settings, merge


def run(
    source: str,
    config: Path | None,
    set_pairs: tuple[str, ...],
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """The body of the command; `options` has one entry per setting, None where not given."""
    if quiet and verbose:
        raise UsageError("--quiet and --verbose exclude each other: leave one out")
    given = {name: value for name, value in options.items() if value is not None}
    settings = merge(given, set_pairs, config)
    carrier = data_carrier(settings)
    stdout = data_output("" if carrier == "--json" else carrier) if carrier else None
    # imported last: a wrong command line is refused at once, and --help needs no torch
    from dstft_cli.job import run_optimize

    with progress_bar(quiet) as progress:
        outcome = run_optimize(
            source,
            settings,
            stdout=stdout,
            report=_print_detail if verbose else _say_nothing,
            progress=progress,
        )
    if not quiet:
        _print_outcome(outcome.result_json, [] if carrier else outcome.summary)


def data_carrier(settings: Settings) -> str:
    """The option that claims standard output for data, e.g. `--npy -`; empty where none does."""
    for name in ("png", "npy"):
        if getattr(settings, name) == "-":
            return f"--{name} -"
    return "--json" if settings.json else ""


def _print_outcome(result_json: Mapping[str, Any], summary: list[str]) -> None:
    for text in result_json.get("warnings", []):
        print(f"warning: {text}", file=sys.stderr)
    for line in summary:
        click.echo(line)


def _print_detail(line: str) -> None:
    # not click.echo, which would write past the progress bar and into its line
    print(line, file=sys.stderr)


def _say_nothing(line: str) -> None:
    pass


optimize = GroupedCommand(
    name="optimize",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["source"], metavar="INPUT"),
        *setting_options(),
        *general_options(),
    ],
    help="Learn the best window length for the recording INPUT and write its spectrogram.\n\n"
    "INPUT is a sound file (WAV, FLAC, OGG, MP3, AIFF, CAF, ...) or -, a WAV on standard input. "
    "L is a length: samples (1024, 1024.5) or a time (23ms, 0.02s). auto stands for a "
    "default that is given in words, except for paths. Options overrule --set, and --set overrules "
    "--config.",
)
