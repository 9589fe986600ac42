"""`dstft reconstruct DIR`: the audio back from a saved transform."""

from __future__ import annotations

from pathlib import Path

import click

from dstft_cli.cli.group import CONTEXT_SETTINGS
from dstft_cli.cli.jobs import check_verbosity, print_outcome
from dstft_cli.cli.options import (
    GroupedCommand,
    GroupedOption,
    PathType,
    SettingType,
    general_options,
    setting_option,
)
from dstft_cli.cli.progress import progress_bar
from dstft_cli.cli.streams import data_output
from dstft_cli.names import SUBTYPES
from dstft_cli.settings import OPTIONS


def run(
    directory: Path,
    output: str | None,
    subtype: str | None,
    force: bool | None,
    quiet: bool,
    verbose: bool,
) -> None:
    """The body of the command."""
    check_verbosity(quiet, verbose)
    to_stdout = output == "-"
    stdout = data_output("--output -") if to_stdout else None
    # imported last: a wrong command line is refused at once, and --help needs no torch
    from dstft_cli.run.reconstruct import run_reconstruct

    with progress_bar(quiet) as progress:
        done = run_reconstruct(
            directory, output, subtype=subtype, force=bool(force), stdout=stdout, progress=progress
        )
    if not quiet:
        print_outcome(done.warnings, [] if to_stdout else done.summary)


reconstruct = GroupedCommand(
    name="reconstruct",
    callback=run,
    context_settings=CONTEXT_SETTINGS,
    params=[
        click.Argument(["directory"], metavar="DIR", type=PathType("dir")),
        GroupedOption(
            ["-o", "--output"],
            type=SettingType(path="file"),
            metavar="PATH|-",
            group="output",
            help="Sound file to write, .wav or .flac; -: a WAV on standard output.  "
            "[default: DIR-reconstructed.wav]",
        ),
        GroupedOption(
            ["--subtype"],
            type=SettingType(SUBTYPES),
            metavar="|".join(SUBTYPES),
            group="output",
            help="Format of the samples.  [default: FLOAT, PCM_24 in .flac]",
        ),
        setting_option(OPTIONS["force"]),
        *general_options(),
    ],
    help="Write the audio whose transform is saved in DIR.\n\n"
    "DIR is a directory that dstft optimize or dstft apply has written with --save-stft: stft.npy "
    "and parameters.npz are read. Where the windows overlap, up to hops of 0.9 window lengths, the "
    "samples that were analysed come back exactly, but for rounding; where lengths vary with frequency "
    "by least squares, whose iterations and residual are told.",
)
