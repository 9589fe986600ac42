"""`dstft optimize INPUT`, and `run_job`, which sweep and apply use too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstft_cli.cli import console, summary
from dstft_cli.cli.options import Config, Input, SetPairs, command
from dstft_cli.settings import OPTIONS, Settings, merge

if TYPE_CHECKING:
    from dstft_cli.run.optimize import JobOutcome

_TEXT = ("`json`", "`csv` -")  # text, allowed on a terminal


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
    settings = merge(typed, set_pairs or (), config, note=note)

    def job(**streams: Any) -> JobOutcome:
        from dstft_cli.run.optimize import run_optimize

        return run_optimize(source, settings, **streams)

    run_job(job, settings, summary.result_lines, quiet=quiet)


def run_job(
    job: Callable[..., JobOutcome],
    settings: Settings,
    lines: Callable[[Mapping[str, Any], Path | None], list[str]],
    *,
    quiet: bool,
) -> None:
    """Runs a job with its streams and prints what `lines` makes of the record and its directory.

    The job imports torch when it is called, so that errors of the command line come first.
    """
    carrier = _carrier(settings)
    is_text = carrier in _TEXT or carrier.startswith("`emit`")
    stdout = console.data_output("" if is_text else carrier) if carrier else None
    with console.progress_bar(quiet) as progress:
        outcome = job(stdout=stdout, progress=progress)
    if not quiet:
        found = [] if carrier else lines(outcome.result_json, outcome.output)
        console.print_outcome(outcome.result_json.get("warnings", []), found)


def _carrier(settings: Settings) -> str:
    """The option that sends data to standard output, e.g. `npy` -; empty for none."""
    name = next(iter(settings.streams), "")
    if name in ("png", "npy", "csv"):
        return f"`{name}` -"
    return f"`{name}`" if name else ""


def ignore(text: str) -> None:
    """Drops a note (for `--quiet`)."""


app = command(
    run,
    help="Learn the best window length for the recording INPUT and write its spectrogram.\n\n"
    "L is a length: samples (1024) or a time (23ms). HZ takes units too (1kHz). Options override "
    "--set, --set overrides --config, --config overrides --preset.",
    examples="dstft optimize speech.wav --preset speech\n\n"
    "dstft optimize song.flac --window-mode time -o song\n\n"
    "dstft optimize bird.wav --highpass 500Hz --win-length-max 40ms --freq-scale mel",
    options=OPTIONS,
    short=True,
)
