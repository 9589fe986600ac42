"""`dstft apply DIR INPUT`: the parameters learned from one recording on another."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dstft_cli.cli import console, summary
from dstft_cli.cli.optimize import ignore, run_job
from dstft_cli.cli.options import Directory, Input, command
from dstft_cli.errors import UsageError, shortened
from dstft_cli.settings import OPTIONS, RUN_OPTIONS, merge

if TYPE_CHECKING:
    from dstft_cli.run.optimize import JobOutcome


_OPTIONS = {name: OPTIONS[name] for name in (*RUN_OPTIONS, "preset")}
_OPTIONS["criterion"] = OPTIONS["criterion"].varied(
    help="Criterion to evaluate. module:object is run only if it is named here.",
    show_default="that of DIR, unless it is module:object",
)


def run(
    directory: Directory,
    source: Input,
    typed: Mapping[str, Any],
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """The body of the command."""
    settings = merge(typed, only=_OPTIONS, note=ignore if quiet else console.note)
    if directory.is_file() and Path(source).is_dir():
        raise UsageError(
            f"{shortened(directory)} is a file and {shortened(source)} a directory: "
            "the order is dstft apply DIR INPUT"
        )

    def job(**streams: Any) -> JobOutcome:
        from dstft_cli.run.apply import run_apply

        return run_apply(directory, source, settings, **streams)

    run_job(job, settings, summary.result_lines, quiet=quiet)


app = command(
    run,
    help="Write the spectrogram of INPUT with the window learned in DIR.\n\n"
    "DIR was written by dstft optimize. A single window length fits any "
    "recording; at another sample rate it keeps its duration. Window lengths per frame need a recording "
    "of the same sample rate and duration.",
    examples="dstft apply speech-dstft other.wav\n\n"
    "dstft apply speech-dstft other.wav -o other --freq-scale mel\n\n"
    "dstft apply speech-dstft other.wav --json",
    options=_OPTIONS,
)
