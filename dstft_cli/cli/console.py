"""All that is printed: errors and exit codes, notes, warnings, tables, progress; and the streams."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import BinaryIO

import typer

from dstft_cli.errors import DstftError, UsageError, as_flags, in_words, one_line, printable
from dstft_cli.names import Progress

LOGGER = logging.getLogger("dstft_cli")
_NOTHING_WRITTEN = "nothing was written"


class Terminated(BaseException):
    """SIGTERM came: like KeyboardInterrupt, it unwinds through every cleanup."""


# errors


def report_error(error: BaseException) -> int:
    """Prints the one line for an error, with `-v` the traceback before it; returns the exit code."""
    code, text = explain(error)
    with suppress(OSError):  # standard error may be the stream that is closed or full
        if text and _is_verbose():
            import traceback

            traceback.print_exception(error)
        if text:
            print(f"dstft: {as_flags(text)}", file=sys.stderr)
    _discard()
    return code


def explain(error: BaseException) -> tuple[int, str]:
    """The exit code for `error`, and one line of text; empty where there is nothing to say."""
    if isinstance(error, typer.Exit):
        return error.exit_code, ""
    if isinstance(error, SystemExit):
        return (error.code, "") if isinstance(error.code, int) else (1, str(error.code or ""))
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return 130, f"interrupted; {_NOTHING_WRITTEN}"
    if isinstance(error, Terminated):
        return 143, f"terminated; {_NOTHING_WRITTEN}"
    if isinstance(error, BrokenPipeError):
        return 0, ""  # the reader downstream has all it wanted
    if isinstance(error, typer.TyperException):
        return error.exit_code, _usage(error)
    code = error.exit_code if isinstance(error, DstftError) else 1
    return code, in_words(error, retry="run again with -v and report it")


def _usage(error: typer.TyperException) -> str:
    option = getattr(error, "option_name", "")
    near = getattr(error, "possibilities", None)
    text = one_line(error.format_message()).rstrip(".")
    if option and near is not None:
        from dstft_cli.settings import OPTIONS

        text = f"no such option '{printable(option)}'"
        other = option.lstrip("-").replace("-", "_") in OPTIONS  # meant, and of another command
        text += f": did you mean '{near[0]}'?" if near and not other else ""
    context = getattr(error, "ctx", None)
    command = "dstft" if context is None else context.command_path
    text = text[:1].lower() + text[1:]
    return text if text.endswith("?") else f"{text}: see '{command} --help'"


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Within the block SIGTERM raises `Terminated`."""

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not cut the cleanup short
        raise Terminated

    try:
        previous = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not in the main thread: signals are somebody else's
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


# streams


def occupy_closed_streams() -> None:
    """Opens a closed standard stream on nothing, so that no file that is opened gets its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


def tolerate_any_text() -> None:
    """A file name or a sign that the locale cannot show must not end the run."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def flush() -> None:
    """Everything printed reaches its reader, or the reader's absence shows here and not later.

    Raises:
        OSError: the reader of a pipe is gone, or the disk behind a redirection is full.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def _discard() -> None:
    """Points streams that cannot be flushed at nothing: the interpreter flushes them again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)


def data_output(binary: str = "") -> BinaryIO:
    """Standard output for data.

    Args:
        binary: the option that sends binary data there, e.g. `--npy -`; empty for text.

    Raises:
        UsageError: standard output is closed, or a terminal that binary data would garble.
    """
    if sys.stdout is None:
        raise UsageError("standard output is closed: redirect it to a file or a pipe")
    if binary and sys.stdout.isatty():
        raise UsageError(
            f"{binary} would write binary data to a terminal: "
            "redirect it (> FILE), pipe it, or give a path for -"
        )
    return sys.stdout.buffer


# what a run tells


class _Teller(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        tell(record.getMessage())


def tell_details() -> None:
    """From here on the package's log goes to standard error, and errors come with a traceback."""
    if not _is_verbose():
        LOGGER.addHandler(_Teller(logging.INFO))
        LOGGER.setLevel(logging.INFO)


def stop_telling() -> None:
    """Undoes `tell_details`."""
    for handler in [handler for handler in LOGGER.handlers if isinstance(handler, _Teller)]:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(logging.NOTSET)


def _is_verbose() -> bool:
    return any(isinstance(handler, _Teller) for handler in LOGGER.handlers)


def tell(text: str) -> None:
    """A line on standard error; above the progress bar, where there is one."""
    print(printable(as_flags(text)), file=sys.stderr)


def note(text: str) -> None:
    """`note: TEXT` on standard error."""
    tell(f"note: {text}")


def print_outcome(warnings: Iterable[str], summary: Iterable[str]) -> None:
    """Warnings on standard error, the summary on standard output."""
    for text in warnings:
        tell(f"warning: {text}")
    for line in summary:
        typer.echo(printable(line))


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress | None]:
    """A function (stage, done, total) that draws one bar per stage; None where nobody watches."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    tasks: dict[str, TaskID] = {}
    # standard output may carry data: rich must not put itself before it
    with Bars(console=Console(stderr=True), transient=True, redirect_stdout=False) as bars:

        def show(stage: str, done: int, total: int) -> None:
            if stage not in tasks:
                tasks[stage] = bars.add_task(stage, total=None)
            bars.update(tasks[stage], completed=done, total=total or None)

        yield show


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, each as wide as its widest entry."""
    cells = [[printable(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
