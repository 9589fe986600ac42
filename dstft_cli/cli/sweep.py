"""`dstft sweep INPUT`: criteria against the window length."""

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
    setting_option,
)
from dstft_cli.cli.table import printable
from dstft_cli.errors import UsageError
from dstft_cli.settings import OPTIONS, SWEEP_OPTIONS, SweepSettings, merge

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
    others = [name for name in OPTIONS if name not in SWEEP_OPTIONS]
    for pair in set_pairs:
        if (name := pair.partition("=")[0].strip()) in others:
            raise UsageError(f"--set {printable(pair)}: a sweep has no {name}: leave it out")
    settings = merge(given, set_pairs, config, SweepSettings, passed_over=others)
    assert isinstance(settings, SweepSettings)

    def job(**streams: Any) -> JobOutcome:
        from dstft_cli.run.sweep import run_sweep

        return run_sweep(source, settings, **streams)

    from dstft_cli.cli.sweep_text import sweep_lines

    run_job(source, job, settings, quiet=quiet, verbose=verbose, lines=sweep_lines)


sweep = GroupedCommand(
    name="sweep",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["source"], metavar="INPUT", type=SettingType(path="file")),
        *(setting_option(declaration) for declaration in SWEEP_OPTIONS.values()),
        *file_options(),
        *general_options(),
    ],
    help="Show a criterion against the window length for the recording INPUT: which n_fft to use, and "
    "whether it matters.\n\n"
    "INPUT is a sound file or -, a WAV on standard input. Nothing is learned but the optimum of each "
    "curve. Losses are in nats: 0.7 means twice as many occupied cells as with the best length. "
    "Settings of other commands in a --config file are passed over.",
)
