"""`dstft sweep INPUT`: criteria against the window length."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dstft_cli.cli import console, summary
from dstft_cli.cli.optimize import ignore, run_job
from dstft_cli.cli.options import Config, Input, SetPairs, command
from dstft_cli.settings import SWEEP_OPTIONS, SweepSettings, merge

if TYPE_CHECKING:
    from dstft_cli.run.optimize import JobOutcome


def run(
    source: Input,
    typed: Mapping[str, Any],
    config: Config = None,
    set_pairs: SetPairs = None,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """The body of the command."""
    note = ignore if quiet else console.note
    settings = merge(typed, set_pairs or (), config, SweepSettings, only=SWEEP_OPTIONS, note=note)

    assert isinstance(settings, SweepSettings)

    def job(**streams: Any) -> JobOutcome:
        from dstft_cli.run.sweep import run_sweep

        return run_sweep(source, settings, **streams)

    run_job(job, settings, summary.sweep_lines, quiet=quiet)


app = command(
    run,
    help="Show a criterion against the window length for the recording INPUT: which n_fft to use, and "
    "whether it matters.\n\n"
    "Only the optimum of each curve is learned. Losses are in nats: 0.7 means twice as many "
    "occupied cells as with the best length.",
    examples="dstft sweep speech.wav\n\n"
    "dstft sweep speech.wav --criterion all --csv curves.csv\n\n"
    "dstft sweep speech.wav --n-fft 2048 --json",
    options=SWEEP_OPTIONS,
)
