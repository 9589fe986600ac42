"""`dstft optimize INPUT`: the main command."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dstft_cli.cli.group import CONTEXT_SETTINGS
from dstft_cli.cli.jobs import run_job
from dstft_cli.cli.options import (
    GroupedCommand,
    SettingType,
    file_options,
    general_options,
    setting_options,
)
from dstft_cli.settings import merge

if TYPE_CHECKING:
    from dstft_cli.run.optimize import JobOutcome


def run(
    source: str,
    config: Path | None,
    set_pairs: tuple[str, ...],
    quiet: bool,
    verbose: bool,
    **options: Any,
) -> None:
    """The body of the command; `options` has one entry per setting, None where not given."""
    given = {name: value for name, value in options.items() if value is not None}
    settings = merge(given, set_pairs, config)

    def job(**streams: Any) -> JobOutcome:
        from dstft_cli.run.optimize import run_optimize

        return run_optimize(source, settings, **streams)

    run_job(source, job, settings, quiet=quiet, verbose=verbose)


optimize = GroupedCommand(
    name="optimize",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["source"], metavar="INPUT", type=SettingType(path="file")),
        *setting_options(),
        *file_options(),
        *general_options(),
    ],
    help="Learn the best window length for the recording INPUT and write its spectrogram.\n\n"
    "INPUT is a sound file (WAV, FLAC, OGG, MP3, AIFF, CAF, ...) or -, a WAV on standard input. "
    "L is a length: samples (1024, 1024.5) or a time (23ms, 0.02s). auto stands for a "
    "default that is given in words, except for paths. Options overrule --set, and --set overrules "
    "--config.",
)
