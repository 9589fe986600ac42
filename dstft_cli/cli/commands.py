"""The commands `optimize`, `sweep`, `apply`, `plot`, `reconstruct`, `view`, `report` and `reproduce`.

What they run imports torch, NumPy or Pillow: later than errors of the command line, and not for `--help`.
"""

from __future__ import annotations

import csv
import io
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dstft_cli.cli import console, summary
from dstft_cli.cli.inputs import Inputs, Several, find_recordings
from dstft_cli.cli.options import (
    Config,
    Directory,
    Force,
    SetPairs,
    check_choice,
    command,
    some_path,
    some_text,
)
from dstft_cli.errors import InputError, UsageError, counted, shortened
from dstft_cli.settings import (
    EXPERIMENTS,
    OPTIONS,
    PICTURE_OPTIONS,
    RUN_OPTIONS,
    SUBTYPES,
    SWEEP_OPTIONS,
    Settings,
    SweepSettings,
    merge,
)
from dstft_cli.settings.option import option
from dstft_cli.settings.rules import TYPED

if TYPE_CHECKING:
    from dstft_cli.run.optimize import JobOutcome

_APPLY = {name: OPTIONS[name] for name in (*RUN_OPTIONS, "preset")}
_APPLY["criterion"] = OPTIONS["criterion"].varied(
    help="Criterion to evaluate. module:object is run only if it is named here.",
    show_default="that of DIR, unless it is module:object",
)

_PLOT = {name: OPTIONS[name] for name in (*PICTURE_OPTIONS, "force")}
_PLOT["panels"] = OPTIONS["panels"].varied(
    help="Panels, downwards: learned, plain (46 ms), best (single window), map and curve of the window "
    "lengths, hops. plain and best need the recording.",
    show_default="learned",
)

_output = partial(option, "Output")
_place = partial(_output, flags=("-o", "--output"))


def _run_job(
    job: Callable[..., JobOutcome],
    settings: Settings,
    lines: Callable[[Mapping[str, Any], Path | None], list[str]],
    source: str,
    *,
    quiet: bool,
    named: bool = False,
) -> None:
    """Runs a job on `source` and prints what `lines` makes of the record and its directory.

    Warnings begin with the source if they are to be `named`.

    The job imports torch when it is called, so that errors of the command line come first.
    """
    carrier = next(iter(settings.streams), "")  # the option that sends data to standard output
    binary = f"`{carrier}` -" if carrier in ("png", "npy") else ""
    stdout = console.data_output(binary) if carrier else None
    name = "standard input" if source == "-" else Path(source).name
    with console.progress_bar(quiet, name) as progress:
        outcome = job(stdout=stdout, progress=progress)
    if not quiet:
        found = [] if carrier else lines(outcome.result_json, outcome.output)
        about = f"{source}: " if named else ""
        console.print_outcome(outcome.result_json.get("warnings", []), found, about)
    if outcome.result_json.get("collection", {}).get("failed"):
        raise typer.Exit(1)


def _note(quiet: bool) -> Callable[[str], None]:
    return (lambda text: None) if quiet else console.note


# settings that have an effect with --labels
_LABELS = (
    *("sr", "highpass", "n_fft", "criterion", "scope", "order", "seed", "threads"),
    *("output", "json", "figures", "force", "preset"),
)
Labels = Annotated[
    bool,
    option(
        "Input",
        "INPUT is a folder with one of recordings for each class: learn the window with a small network "
        "that tells them apart, and say whether it matters.",
        flags=("--labels",),
    ),
]


def _named(sources: list[str]) -> str:
    """What a progress bar calls the recordings."""
    return sources[0] if len(sources) == 1 else counted(len(sources), "recording")


def _note_unused(several: Several, quiet: bool) -> None:
    for name in several.without_effect():
        _note(quiet)(f"`{name}` has no effect on one recording")


# settings, and words of `save`, for what one recording has
_OF_ONE = ("save_stft", "store", "npy_dtype", "npy_hop", "audio", "on_silence")
_SAVED_OF_ONE = ("spectrogram", "stft", "view")


def _note_of_one(settings: Settings, quiet: bool) -> None:
    words = [word for word in settings.save.split(",") if word in _SAVED_OF_ONE]
    told = dict.fromkeys(_OF_ONE, "") | ({"save": " " + ",".join(words)} if words else {})
    for name, value in told.items():
        if settings.ranks.get(name) == TYPED:
            _note(quiet)(f"`{name}`{value} has no effect with `shared`")


def _optimize(
    typed: Mapping[str, Any],
    several: Several,
    inputs: Inputs = None,
    shared: Annotated[
        bool, option("Input", "Learn one set of parameters for all INPUTs.", flags=("--shared",))
    ] = False,
    labels: Labels = False,
    config: Config = None,
    set_pairs: SetPairs = None,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    only = _LABELS if labels else None
    settings = merge(typed, set_pairs or (), config, only=only, note=_note(quiet))
    if labels:
        folders = list(inputs or ())
        for name in ["shared"] * shared + several.without_effect():
            _note(quiet)(f"`{name}` has no effect with `labels`")
        if not folders:
            raise UsageError(
                "`labels` needs a folder with one of recordings for each class: name it"
            )
        from dstft_cli.labels.folders import class_files

        class_files([Path(folder) for folder in folders])  # its errors come before torch

        def compare(**streams: Any) -> JobOutcome:
            from dstft_cli.labels.compare import run_labels

            return run_labels(folders, settings, **streams)

        _run_job(compare, settings, summary.labels_lines, folders[0], quiet=quiet)
        return
    sources = several.recordings(inputs)
    if len(sources) > 1 and not shared:
        raise UsageError(
            f"optimize learns from one recording, {len(sources)} are given: use `shared` for one set of "
            "parameters for all, or dstft batch for a set of each"
        )

    if shared:
        _note_of_one(settings, quiet)

    def job(progress: Any, **streams: Any) -> JobOutcome:
        if shared:
            from dstft_cli.batch.collection import run_shared

            way = several.way(verbose=verbose, progress=progress)
            return run_shared(sources, inputs or (), settings, way, **streams)
        _note_unused(several, quiet)
        from dstft_cli.run.optimize import run_optimize

        return run_optimize(sources[0], settings, note=_note(quiet), progress=progress, **streams)

    _run_job(job, settings, summary.result_lines, _named(sources), quiet=quiet)


optimize = command(
    _optimize,
    help="Learn the best window length for the recording INPUT and write its spectrogram; with --shared "
    "one for many recordings.\n\n"
    "L is a length: samples (1024) or a time (23ms). HZ takes units too (1kHz). Options override "
    "--set, --set overrides --config, --config overrides --preset.",
    examples="dstft optimize speech.wav --preset speech\n\n"
    "dstft optimize song.flac --window-mode time -o song\n\n"
    "dstft optimize bird.wav --highpass 500Hz --win-length-max 40ms --freq-scale mel",
    options=OPTIONS,
    short=True,
)


def _sweep(
    typed: Mapping[str, Any],
    several: Several,
    inputs: Inputs = None,
    config: Config = None,
    set_pairs: SetPairs = None,
    quiet: bool = False,
    verbose: bool = False,
) -> None:
    own: Any = {"kind": SweepSettings, "only": SWEEP_OPTIONS, "note": _note(quiet)}
    settings = merge(typed, set_pairs or (), config, **own)
    assert isinstance(settings, SweepSettings)
    sources = several.recordings(inputs)

    def job(progress: Any, **streams: Any) -> JobOutcome:
        if len(sources) > 1:
            from dstft_cli.batch.collection import run_collection_sweep

            way = several.way(verbose=verbose, progress=progress)
            return run_collection_sweep(sources, inputs or (), settings, way, **streams)
        _note_unused(several, quiet)
        from dstft_cli.run.optimize import run_sweep

        return run_sweep(sources[0], settings, progress=progress, **streams)

    _run_job(job, settings, summary.sweep_lines, _named(sources), quiet=quiet)


sweep = command(
    _sweep,
    help="Show a criterion against the window length for the recording INPUT, or one curve for many: "
    "which n_fft to use, and whether it matters.\n\n"
    "Losses are in nats: below 0.1 matters little, above 0.3 a lot. With "
    "--scope plane 0.7 means twice as many occupied cells as with the best length.",
    examples="dstft sweep speech.wav\n\n"
    "dstft sweep speech.wav --criterion all --csv curves.csv\n\n"
    "dstft sweep speech.wav --n-fft 2048 --json\n\n"
    "dstft sweep recordings --workers 8",
    options=SWEEP_OPTIONS,
)


def _apply(
    directory: Directory, inputs: Inputs, typed: Mapping[str, Any], quiet: bool = False
) -> None:
    settings = merge(typed, only=_APPLY, note=_note(quiet))
    if directory.is_file() and inputs and Path(inputs[0]).is_dir():
        raise UsageError(
            f"{shortened(directory)} is a file and {shortened(inputs[0])} a directory: "
            "the order is dstft apply DIR INPUT"
        )
    sources, failed = find_recordings(inputs or ()), 0
    places = _places(sources, settings)
    if len(sources) > 1:
        from dstft_cli.run.stored import read_learned

        read_learned(directory)  # its faults are not those of a recording
    for source, own in places:

        def job(source: str = source, own: Settings = own, **streams: Any) -> JobOutcome:
            from dstft_cli.run.apply import run_apply

            return run_apply(directory, source, own, note=_note(quiet), **streams)

        try:
            _run_job(job, own, summary.result_lines, source, quiet=quiet, named=len(sources) > 1)
        except InputError as error:
            if len(sources) == 1:
                raise
            failed += 1
            console.print_error(f"failed: {error}")
    if failed:
        raise typer.Exit(1)


def _places(sources: list[str], settings: Settings) -> list[tuple[str, Settings]]:
    """Each recording with its settings: several have places of their own, named as in a batch."""
    if len(sources) == 1:
        return [(sources[0], settings)]
    from dstft_cli.batch import from_list, make_plan

    for name in ("png", "npy"):
        if getattr(settings, name) is not None:
            raise UsageError(f"`{name}` is one file, for {len(sources)} recordings: drop it")
    place = settings.output or Path()
    if "{" not in str(place):
        place /= "{stem}-dstft"
    template, folder = str(place.relative_to(place.anchor)), Path(place.anchor)
    plan = make_plan(from_list(sources, "INPUT", (), template, output_folder=folder))
    return [
        (job.input, replace(settings, output=Path(os.path.relpath(plan.place(job)))))
        for job in plan.jobs
    ]


apply = command(
    _apply,
    help="Write the spectrogram of INPUT with the window learned in DIR; of several, each into a "
    "directory named as by dstft batch.\n\n"
    "DIR was written by dstft optimize. A single window length fits any "
    "recording; at another sample rate it keeps its duration. Window lengths per frame need a recording "
    "of the same sample rate and duration.",
    examples="dstft apply speech-dstft other.wav\n\n"
    "dstft apply speech-dstft other.wav -o other --freq-scale mel\n\n"
    "dstft apply speech-dstft other.wav --json",
    options=_APPLY,
)


def _plot(
    directory: Directory,
    typed: Mapping[str, Any],
    output: Annotated[
        str | None,
        _place(
            "Picture to write; its ending sets the format. -: standard output.",
            "PATH|-",
            default="NAME.png here",
            parser=some_text,
        ),
    ] = None,
    config: Config = None,
    quiet: bool = False,
) -> None:
    # imports matplotlib: errors of the command line come first
    from dstft_cli.run.plot import drawn_with, format_of, run_plot

    format = format_of(output, typed.get("format"))
    typed = typed if format is None else {**typed, "format": format}
    stdout = console.data_output("`output` -") if output == "-" else None
    own: Any = {"only": _PLOT, "below": drawn_with(directory), "note": _note(quiet)}
    settings = merge(typed, (), config, **own)
    with console.progress_bar(quiet, directory.name) as progress:
        line = run_plot(directory, settings, output, stdout=stdout, progress=progress)
    if not quiet and output != "-":
        console.print_outcome([], [line])


plot = command(
    _plot,
    help="Draw a picture of the result in DIR again, without learning.\n\n"
    "Options that are not given are those that DIR was drawn with. They may also stand in the section "
    "plot of a YAML file.",
    examples="dstft plot speech-dstft --tmin 1s --tmax 2s\n\n"
    "dstft plot speech-dstft --panels plain,learned,map --size 90mm -o figure.pdf\n\n"
    "dstft plot speech-dstft --freq-scale note --no-title --format svg -o - > notes.svg",
    options=_PLOT,
)


def _reconstruct(
    directory: Directory,
    output: Annotated[
        str | None,
        _place(
            "Sound file to write, .wav or .flac. -: a WAV on standard output.",
            "PATH|-",
            default="NAME-reconstructed.wav here",
            parser=some_text,
        ),
    ] = None,
    subtype: Annotated[
        str | None,
        _output(
            f"Format of the samples: {', '.join(SUBTYPES)}.",
            "NAME",
            default="FLOAT; PCM_24 in .flac",
            autocompletion=lambda: list(SUBTYPES),
        ),
    ] = None,
    force: Force = False,
    quiet: bool = False,
) -> None:
    if subtype is not None:
        check_choice("`subtype`", subtype, SUBTYPES)
    to_stdout = output == "-"
    stdout = console.data_output("`output` -") if to_stdout else None
    with console.progress_bar(quiet, directory.name) as progress:
        # imports torch: errors of the command line come first
        from dstft_cli.run.apply import run_reconstruct

        lines, warnings = run_reconstruct(
            directory, output, subtype=subtype, force=force, stdout=stdout, progress=progress
        )
    if not quiet:
        console.print_outcome(warnings, [] if to_stdout else lines)


reconstruct = command(
    _reconstruct,
    help="Compute the audio from the transform saved in DIR.\n\n"
    "DIR was written with --save-stft; it holds stft.npy or stft.zarr, and parameters.npz. If the "
    "windows overlap, the samples are exact up to rounding. If lengths vary with frequency, least "
    "squares compute them.",
    examples="dstft reconstruct speech-dstft\n\ndstft reconstruct speech-dstft -o speech.flac",
)


def _view(
    directory: Directory,
    typed: Mapping[str, Any],
    open_page: Annotated[
        bool,
        _output(
            "Open the page in a browser, where there is a display.", flags=("--open/--no-open",)
        ),
    ] = True,
    quiet: bool = False,
) -> None:
    audio = merge(typed).audio
    with console.progress_bar(quiet, directory.name) as progress:
        # imports torch: errors of the command line come first
        from dstft_cli.run.view import run_view

        done = run_view(directory, audio, progress=progress)
    if not quiet:
        lines = [f"layer  {label}" for label in done.layers]
        console.print_outcome(done.warnings, [*lines, f"page   {done.page}"])
    if open_page and console.has_display():
        import webbrowser

        webbrowser.open(done.page.absolute().as_uri())


view = command(
    _view,
    help="Write view.html into DIR again, and open it: the spectrogram to zoom, compare and hear.\n\n"
    "DIR was written by dstft optimize or dstft apply. If its recording is still there, unchanged, the "
    "page has all layers and the sound, else the learned spectrogram.",
    examples="dstft view speech-dstft\n\ndstft view speech-dstft --audio link --no-open",
    options={"audio": OPTIONS["audio"]},
)


def _report(
    directory: Directory,
    output: Annotated[
        Path | None,
        _place("HTML file to write.", "FILE", default="DIR/report.html", parser=some_path),
    ] = None,
    title: Annotated[
        str | None, _output("Title of the page.", "TEXT", default="Results in DIR")
    ] = None,
    force: Force = False,
    quiet: bool = False,
) -> None:
    with console.progress_bar(quiet, directory.name) as progress:
        # --help must not import NumPy or Pillow
        from dstft_cli.report import build_report

        done = build_report(directory, output=output, title=title, force=force, progress=progress)
    if not quiet:
        lines = [f"results        {done.results}", f"report         {done.output}"]
        console.print_outcome(done.warnings, lines)


report = command(
    _report,
    help="Show all results in DIR and below it on one HTML page.\n\n"
    "The page needs no network: a table with small pictures, which can be sorted and searched. Its "
    "links to full pictures are relative, so it stays with the results.",
    examples="dstft report results",
)


def _reproduce(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"One of {', '.join(EXPERIMENTS)}.",
            autocompletion=lambda: list(EXPERIMENTS),
        ),
    ],
    typed: Mapping[str, Any],
    data: Annotated[
        Path | None,
        option(
            "Input",
            "Recordings for classification: one folder of sound files per class.",
            "DIR",
            default="synthetic sounds",
            parser=some_path,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        _place("Directory of the results.", "DIR", default="NAME-dstft", parser=some_path),
    ] = None,
    as_csv: Annotated[
        bool,
        _output(
            "Write the table to standard output as CSV, and nothing else there.", flags=("--csv",)
        ),
    ] = False,
    quiet: bool = False,
) -> None:
    settings = merge(typed)
    check_choice("experiment", name, EXPERIMENTS)
    with console.progress_bar(quiet, name) as progress:
        # imports torch: errors of the command line come first
        from dstft_cli.experiments import run_experiments

        done = run_experiments(
            name,
            output=output,
            force=settings.force,
            seed=settings.seed,
            threads=settings.threads,
            data=data,
            progress=progress,
        )
    for experiment, seconds in done.seconds.items():
        console.LOGGER.info(
            "%s: %.1f s on %s", experiment, seconds, counted(done.threads, "thread")
        )
    if as_csv:
        texts = []
        for found in done.findings.values():  # in full precision
            file = io.StringIO()
            lines = csv.writer(file, lineterminator="\n")
            lines.writerows([found.table.columns, *found.table.rows])
            texts.append(file.getvalue())
        typer.echo("\n".join(texts), nl=False)
    elif not quiet:
        for experiment, found in done.findings.items():
            typer.echo(found.title)
            if sys.stdout is not None and sys.stdout.isatty():
                from rich.console import Console
                from rich.table import Table
                from rich.text import Text

                shown = Table(*found.table.columns)
                for row in found.table.text():
                    shown.add_row(*map(Text, row))
                Console().print(shown)
            else:
                for line in console.table(found.table.columns, found.table.text()):
                    typer.echo(line)
            for note in found.notes:
                typer.echo(f"- {note}")
            typer.echo(f"{done.seconds[experiment]:.0f} s\n")
        typer.echo(f"output  {done.output}")


reproduce = command(
    _reproduce,
    help="Run the experiment NAME and write NAME.json and pictures.\n\n"
    "windows: all window modes against every whole window length. hops: frames that move. tracking "
    "and classification: a window learned together with a network, against fixed windows. Each takes "
    "up to three minutes on two cores.",
    examples="dstft reproduce windows",
    options={name: OPTIONS[name] for name in ("force", "threads")}
    | {"seed": OPTIONS["seed"].varied(help="Random seed of data and weights.")},
)
