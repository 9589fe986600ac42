"""`dstft apply DIR INPUT`: the parameters learned from one recording on another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstft_cli.cli.group import CONTEXT_SETTINGS
from dstft_cli.cli.jobs import run_job
from dstft_cli.cli.options import (
    GroupedCommand,
    PathType,
    SettingType,
    general_options,
    setting_options,
)
from dstft_cli.cli.table import printable
from dstft_cli.errors import UsageError
from dstft_cli.settings import RUN_GROUPS, merge

if TYPE_CHECKING:
    from dstft_cli.run.optimize import JobOutcome


def run(directory: Path, source: str, quiet: bool, verbose: bool, **options: Any) -> None:
    """The body of the command; `options` has one entry per setting, None where not given."""
    settings = merge({name: value for name, value in options.items() if value is not None})
    if directory.is_file() and Path(source).is_dir():
        raise UsageError(
            f"{printable(str(directory))} is a file and {printable(source)} a directory: "
            "the order is dstft apply DIR INPUT"
        )

    def job(**streams: Any) -> JobOutcome:
        from dstft_cli.run.apply import run_apply

        return run_apply(directory, source, settings, **streams)

    run_job(source, job, settings, quiet=quiet, verbose=verbose)


apply = GroupedCommand(
    name="apply",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["directory"], metavar="DIR", type=PathType("dir")),
        click.Argument(["source"], metavar="INPUT", type=SettingType(path="file")),
        *setting_options(RUN_GROUPS),
        *general_options(),
    ],
    help="Write the spectrogram of INPUT with the parameters that are learned in DIR.\n\n"
    "DIR is a directory that dstft optimize has written, INPUT a sound file or -, a WAV on standard "
    "input. One window length for all frames fits any recording; at another sample rate its "
    "duration is kept. Window lengths per frame fit recordings of the same sample rate and duration.",
)
