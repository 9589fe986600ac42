"""Everything printed: errors with exit codes, notes, warnings, tables, progress. And the streams."""

from __future__ import annotations

import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, BinaryIO

import typer

from dstft_cli.errors import (
    DstftError,
    UsageError,
    as_flags,
    in_words,
    one_line,
    printable,
    shortened,
)

if TYPE_CHECKING:
    from dstft_cli.records import Progress

LOGGER = logging.getLogger("dstft_cli")
_NOTHING_WRITTEN = "nothing was written"


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt, it runs every cleanup."""


def report_error(error: BaseException) -> int:
    """Prints an error in one line, with `-v` after its traceback; returns the exit code."""
    code, text = explain(error)
    with suppress(OSError):  # standard error itself may be closed or full
        if text and _is_verbose():
            traceback.print_exception(error)
        if text:
            print(f"dstft: {as_flags(text)}", file=sys.stderr)
    for stream in (sys.stdout, sys.stderr):  # the interpreter flushes them once more at exit
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:  # a broken one then goes to the null device
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)
    return code


def explain(error: BaseException) -> tuple[int, str]:
    """Exit code and one line of text for `error`; the line may be empty."""
    if isinstance(error, typer.Exit):
        return error.exit_code, ""
    if isinstance(error, SystemExit):
        return (error.code, "") if isinstance(error.code, int) else (1, str(error.code or ""))
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return 130, f"interrupted; {_NOTHING_WRITTEN}"
    if isinstance(error, Terminated):
        return 143, f"terminated; {_NOTHING_WRITTEN}"
    if isinstance(error, BrokenPipeError):
        return 0, ""  # the reader closed the pipe
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

        text = f"no such option '{shortened(option)}'"
        other = option.lstrip("-").replace("-", "_") in OPTIONS  # an option of another command
        text += f": did you mean '{near[0]}'?" if near and not other else ""
    context = getattr(error, "ctx", None)
    command = "dstft" if context is None else context.command_path
    text = text[:1].lower() + text[1:]
    return text if text.endswith("?") else f"{text}: see '{command} --help'"


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # no second one during the cleanup
        raise Terminated

    try:
        previous = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # signals can be set in the main thread only
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)


def occupy_closed_streams() -> None:
    """Opens closed standard streams on the null device: no file, nor one of a worker, gets their number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):  # the lowest free number: this one
                os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def tolerate_any_text() -> None:
    """Escapes characters that the locale cannot show, instead of raising an error."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def has_display() -> bool:
    """Whether a window can be opened."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def flush() -> None:
    """Flushes both streams, so that a closed pipe or a full disk raises OSError here."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and not stream.closed:
            stream.flush()


def data_output(binary: str = "") -> BinaryIO:
    """Standard output for data; `binary` names the option of binary data, which no terminal shows."""
    if sys.stdout is None:
        raise UsageError("standard output is closed: redirect it to a file or a pipe")
    if binary and sys.stdout.isatty():
        raise UsageError(
            f"{binary} would write binary data to a terminal: "
            "redirect it (> FILE), pipe it, or give a path for -"
        )
    return sys.stdout.buffer


class _LogHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        print_error(record.getMessage())


def show_log() -> None:
    """Sends the log to standard error; errors then show a traceback."""
    if not _is_verbose():
        LOGGER.addHandler(_LogHandler(logging.INFO))
        LOGGER.setLevel(logging.INFO)


def hide_log() -> None:
    for handler in [handler for handler in LOGGER.handlers if isinstance(handler, _LogHandler)]:
        LOGGER.removeHandler(handler)
        LOGGER.setLevel(logging.NOTSET)


def _is_verbose() -> bool:
    return any(isinstance(handler, _LogHandler) for handler in LOGGER.handlers)


def print_error(text: str) -> None:
    """Prints a line on standard error, above the progress bar."""
    with suppress(OSError):  # its reader may have left: that must not end the work
        print(printable(as_flags(text)), file=sys.stderr)


def say(text: str) -> None:
    """Prints a line on standard output, whose reader may have left."""
    with suppress(BrokenPipeError):
        typer.echo(text)


def note(text: str) -> None:
    print_error(f"note: {text}")


def print_outcome(warnings: Iterable[str], summary: Iterable[str]) -> None:
    """Prints warnings on standard error, the summary on standard output."""
    for text in warnings:
        print_error(f"warning: {text}")
    for line in summary:
        say(printable(line))


@contextmanager
def progress_bar(quiet: bool) -> Iterator[Progress | None]:
    """A function (stage, done, total) that draws one bar per stage; None without a terminal."""
    if quiet or sys.stderr is None or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    tasks: dict[str, TaskID] = {}
    # rich must not redirect standard output: it may carry data
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
