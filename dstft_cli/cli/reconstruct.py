"""`dstft reconstruct DIR`: the audio from a saved transform."""

from __future__ import annotations

from typing import Annotated

from dstft_cli.cli import console
from dstft_cli.cli.options import Directory, Force, check_choice, command, some_text
from dstft_cli.settings import SUBTYPES
from dstft_cli.settings.option import option


def run(
    directory: Directory,
    output: Annotated[
        str | None,
        option(
            "Output",
            "Sound file to write, .wav or .flac. -: a WAV on standard output.",
            "PATH|-",
            flags=("-o", "--output"),
            default="DIR-reconstructed.wav",
            parser=some_text,
        ),
    ] = None,
    subtype: Annotated[
        str | None,
        option(
            "Output",
            f"Format of the samples: {', '.join(SUBTYPES)}.",
            "NAME",
            default="FLOAT; PCM_24 in .flac",
            autocompletion=lambda: list(SUBTYPES),
        ),
    ] = None,
    force: Force = False,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    """The body of the command."""
    if subtype is not None:
        check_choice("`subtype`", subtype, SUBTYPES)
    to_stdout = output == "-"
    stdout = console.data_output("`output` -") if to_stdout else None
    # imports torch: errors of the command line come first
    from dstft_cli.run.reconstruct import run_reconstruct

    with console.progress_bar(quiet) as progress:
        summary, warnings = run_reconstruct(
            directory, output, subtype=subtype, force=force, stdout=stdout, progress=progress
        )
    if not quiet:
        console.print_outcome(warnings, [] if to_stdout else summary)


app = command(
    run,
    help="Compute the audio from the transform saved in DIR.\n\n"
    "DIR was written with --save-stft; it holds stft.npy and parameters.npz. If the windows overlap, the "
    "samples are exact up to rounding. If lengths vary with frequency, least squares compute them.",
    examples="dstft reconstruct speech-dstft\n\ndstft reconstruct speech-dstft -o speech.flac",
)
