"""Everything printed: errors with exit codes, notes, warnings, tables, progress. And the streams."""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from itertools import pairwise
from types import FrameType
from typing import Any, BinaryIO

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
from dstft_cli.stage import Stage, clock

LOGGER = logging.getLogger("dstft_cli")
_NOTHING_WRITTEN = "nothing was written"
_EVERY = 30.0  # s between two lines about progress
_UNIT = re.compile("ms|s|k?hz", re.IGNORECASE)
_MOST_NAMES = 8  # of what runs side by side


class Terminated(BaseException):
    """SIGTERM arrived. Like KeyboardInterrupt, it runs every cleanup."""


def report_error(error: BaseException, arguments: Sequence[str] = ()) -> int:
    """Prints an error in one line, with `-v` after its traceback; returns the exit code."""
    code, text = explain(error, arguments)
    with suppress(OSError):  # standard error itself may be closed or full
        if text and _HANDLER in LOGGER.handlers:
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


def explain(error: BaseException, arguments: Sequence[str] = ()) -> tuple[int, str]:
    """Exit code and one line of text for `error`; the line may be empty."""
    if isinstance(error, typer.Exit):
        return error.exit_code, ""
    if isinstance(error, SystemExit):
        if isinstance(error.__context__, BrokenPipeError):  # rich makes 1 of it
            return 0, ""
        return (error.code, "") if isinstance(error.code, int) else (1, str(error.code or ""))
    if isinstance(error, (KeyboardInterrupt, typer.Abort)):
        return 130, f"interrupted; {_NOTHING_WRITTEN}"
    if isinstance(error, Terminated):
        return 143, f"terminated; {_NOTHING_WRITTEN}"
    if isinstance(error, BrokenPipeError):
        return 0, ""  # the reader closed the pipe
    if isinstance(error, typer.TyperException):
        return error.exit_code, _parted(arguments) or _usage(error, arguments)
    if isinstance(error, UsageError) and (slip := _parted(arguments)):
        return error.exit_code, slip
    code = error.exit_code if isinstance(error, DstftError) else 1
    return code, in_words(error, retry="run again with -v and report it")


def _parted(arguments: Sequence[str]) -> str:
    """The remedy for a space before a unit, or nothing."""
    for before, text in pairwise(arguments):
        if _UNIT.fullmatch(text) and before[-1:].isdigit() and not os.path.exists(text):
            return f"'{shortened(before)} {text}' is two words: write '{shortened(before)}{text}'"
    return ""


def _usage(error: typer.TyperException, arguments: Sequence[str]) -> str:
    for text in arguments:
        if text.startswith("-") and os.path.isfile(text):
            return f"'{shortened(text)}' looks like an option: write './{shortened(text)}'"
    option = getattr(error, "option_name", "")
    near, context = getattr(error, "possibilities", None), getattr(error, "ctx", None)
    text = one_line(error.format_message()).rstrip(".")
    if option and near is not None:
        from dstft_cli.settings import OPTIONS

        text = f"no such option '{shortened(option)}'"
        other = option.lstrip("-").replace("-", "_") in OPTIONS  # an option of another command
        known = [] if context is None else context.command.params
        ends = [name for one in known for name in one.opts if name.endswith(option[1:])]
        meant = "' or '".join(ends[:2] or near[:1])  # --mode: --window-mode or --hop-mode
        text += f": did you mean '{meant}'?" if meant and not other else ""
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
    if sys.stderr is None:  # else `print` takes standard output for it
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115


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
            try:
                stream.flush()
            except OSError as error:
                error.filename = "standard output" if stream is sys.stdout else "standard error"
                raise


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
        for line in record.getMessage().splitlines():
            print_error(line)


_HANDLER = _LogHandler(logging.INFO)


def show_log() -> None:
    """Sends the log to standard error; errors then show a traceback."""
    LOGGER.addHandler(_HANDLER)
    LOGGER.setLevel(logging.INFO)


def hide_log() -> None:
    LOGGER.removeHandler(_HANDLER)
    LOGGER.setLevel(logging.NOTSET)


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


def print_outcome(warnings: Iterable[str], summary: Iterable[str], about: str = "") -> None:
    """Prints warnings on standard error, with what they are about, and the summary on standard output."""
    for text in warnings:
        print_error(f"warning: {about}{text}")
    for line in summary:
        say(printable(line))


class Activity:
    """What runs now and since when, called as `records.Progress`: shown by rich, told in a line."""

    def __init__(self, name: str = "", clock: Callable[[], float] = time.monotonic) -> None:
        self.live = False  # on a terminal
        self._name, self._clock, self._began = name, clock, clock()
        self._stage = Stage(clock=clock)
        self._running: dict[str, tuple[float, Stage | None]] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        self._stage(stage, done, total)

    def run(self, running: Mapping[str, Stage | None]) -> None:
        """These run now, side by side, with their stages where these are known."""
        new, before = (self._clock(), None), self._running
        self._running = {n: (before.get(n, new)[0], stage) for n, stage in running.items()}

    def _rows(self) -> list[tuple[str, str]]:
        """Times and what runs."""
        now, running = self._clock(), list(self._running.items())
        text = self._stage.words()
        rows = [(clock(now - self._began), f"{self._name}: {text}" if self._name else text)]
        for name, (began, stage) in running[:_MOST_NAMES]:
            rows.append((clock(now - began), f"{name}: {stage.words()}" if stage else name))
        more = len(running) - _MOST_NAMES
        return rows + [("", f"and {more} more")] * (more > 0)

    def log(self, wait: Callable[[float], bool]) -> None:
        """Prints a line from time to time until `wait` returns True."""
        while not wait(_EVERY):
            print_error("; ".join(" ".join(row).strip() for row in self._rows()))

    def __rich__(self) -> Any:
        from rich.progress_bar import ProgressBar
        from rich.table import Table
        from rich.text import Text

        grid, (done, total) = Table.grid(padding=(0, 2, 0, 0)), self._stage.share
        bar = ProgressBar(total if 0 < done < total else None, done, width=20)
        for number, (seconds, text) in enumerate(self._rows()):
            grid.add_row(seconds, "" if number else bar, Text(printable(text)))
        return grid


@contextmanager
def progress_bar(quiet: bool, name: str = "") -> Iterator[Activity | None]:
    """Shows what runs: live on a terminal, elsewhere in a line every 30 s; None if quiet."""
    if quiet:
        yield None
        return
    activity = Activity(name)
    with ExitStack() as stack:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            file: Any = sys.stderr
            with suppress(OSError):  # a copy: decoders are silenced by closing descriptor 2
                copy = os.dup(sys.stderr.fileno())
                file = stack.enter_context(open(copy, "w", errors="backslashreplace"))
            terminal = Console(file=file)
            activity.live = not terminal.is_dumb_terminal
            if activity.live:  # rich must not redirect standard output: it may carry data
                live = Live(activity, console=terminal, transient=True, redirect_stdout=False)
                stack.enter_context(live)
        if not activity.live:
            stop = threading.Event()
            stack.callback(stop.set)
            threading.Thread(target=activity.log, args=(stop.wait,), daemon=True).start()
        yield activity


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines of columns, each as wide as its widest entry."""
    cells = [[printable(cell) for cell in row] for row in [header, *rows]]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
