"""The `dstft` command: its list of subcommands, and a run from start to exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from dstft_cli._version import __version__
from dstft_cli.cli import console

# help texts are here, so that the list needs no imports
COMMANDS = {
    "optimize": "Learn the best window length for a recording and write its spectrogram.",
    "sweep": "Show which n_fft suits a recording, and whether it matters.",
    "apply": "Use the window learned from one recording on another.",
    "batch": "Run many recordings and settings. Resumes after a stop.",
    "reconstruct": "Compute the audio from a saved transform.",
    "view": "Open the interactive page of a result.",
    "plot": "Draw pictures of a result again: range, size, fonts, format.",
    "report": "Show all results below a directory on one HTML page.",
    "reproduce": "Run the experiments of the method; write tables and pictures.",
}
COMPLETE_VARIABLE = "_DSTFT_COMPLETE"  # set by a shell that asks for completions
CONTEXT = {"help_option_names": ["-h", "--help"]}


def _print_version(value: bool) -> None:
    if not value:
        return
    from importlib.metadata import version
    from platform import python_version

    parts = [f"{name} {version(name)}" for name in ("torch", "soundfile")]
    parts += [libsndfile_version(), f"Python {python_version()}"]
    typer.echo(f"dstft {__version__} ({', '.join(parts)})")
    raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", is_eager=True, callback=_print_version, help="Show the version and exit."
    ),
]


def libsndfile_version() -> str:
    """`libsndfile VERSION`, read from the library itself: soundfile would import NumPy."""
    import ctypes
    from ctypes.util import find_library
    from importlib.util import find_spec

    spec = find_spec("_soundfile_data")  # of soundfile's wheel; else the system has the library
    bundled = Path(spec.origin).parent.glob("libsndfile*.*") if spec and spec.origin else ()
    known = [str(path) for path in bundled if path.suffix in (".so", ".dylib", ".dll")]
    try:
        ask = ctypes.CDLL(min(known) if known else find_library("sndfile") or "").sf_version_string
    except (OSError, AttributeError):
        return "no libsndfile"
    ask.restype = ctypes.c_char_p
    return str(ask().decode().replace("-", " ", 1))


def bare_flags(params: list[Any]) -> list[Any]:
    """The parameters, without a type after those that take no value."""
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params


class Command(TyperCommand):
    """A command whose help shows flags as they are typed."""

    def get_params(self, ctx: Any) -> list[Any]:
        return bare_flags(super().get_params(ctx))


class LazyGroup(TyperGroup):
    """A group that lists `COMMANDS` and imports only the one that runs."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=text) for name, text in COMMANDS.items()}

    def get_params(self, ctx: Any) -> list[Any]:
        params = bare_flags(super().get_params(ctx))
        for param in params:  # all are flags; Typer would load pydantic to check None
            param.default = False
        return params

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None:
            command = load(name)
            if ctx.resilient_parsing:  # completion also offers the expert options
                for param in command.params:
                    param.hidden = False
        return name, command, rest


def load(name: str) -> Any:
    module = "batch" if name == "batch" else "commands"
    return get_command(getattr(import_module(f"dstft_cli.cli.{module}"), name))


app = typer.Typer(cls=LazyGroup, context_settings=CONTEXT, rich_markup_mode="rich")


@app.callback(invoke_without_command=True)
def dstft(ctx: typer.Context, version: Version = False) -> None:
    """`dstft` chooses the spectrogram window for you.

    One length for the file, or one that changes over time, frequency or both.

    Example: dstft optimize speech.wav --preset speech
    """
    if ctx.invoked_subcommand is None:
        with redirect_stdout(sys.stderr):
            typer.echo(ctx.get_help())
        raise typer.Exit(2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `dstft` and returns its exit code: 0, 1, 2, 130 (interrupted) or 143 (terminated).

    Args:
        arguments: the command line without the program's name; None: `sys.argv`.
    """
    console.occupy_closed_streams()
    # threads that wait for each other must not spin: on a busy machine a run took fifteen times as long
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        _run(words)
        return 0
    except BaseException as error:
        return console.report_error(error, words)
    finally:
        console.hide_log()


def _run(arguments: list[str]) -> None:
    console.tolerate_any_text()
    command: Any = get_command(app)
    if COMPLETE_VARIABLE in os.environ:
        command.main(arguments, prog_name="dstft", complete_var=COMPLETE_VARIABLE)
    # not command.main(): it prints errors and interrupts itself
    with console.sigterm_unwinds(), command.make_context("dstft", arguments) as context:
        command.invoke(context)
        console.flush()
