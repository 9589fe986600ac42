"""Runs a command line from start to exit code, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

COMPLETE_VARIABLE = "_DSTFT_COMPLETE"  # in which a shell asks for completions


@dataclass
class RunState:
    """What all commands of one run share."""

    verbose: bool = False  # once -v was read


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `dstft` and returns its exit code: 0, 1, 2, 130 (interrupted) or 143 (terminated).

    Args:
        arguments: the command line without the program's name; None for the process's own.
    """
    state = RunState()
    _occupy_closed_streams()
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments), state)
        return 0
    except BaseException as error:
        return _report(error, state)


def _occupy_closed_streams() -> None:
    """A closed standard stream leads nowhere, lest the next file that is opened take its number."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            with suppress(OSError):
                os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one


def _run(arguments: list[str], state: RunState) -> None:
    # imported within reach of main's handler, so that an interrupt is quiet here too
    from dstft_cli.cli import streams
    from dstft_cli.cli.group import dstft

    streams.tolerate_any_text()
    if COMPLETE_VARIABLE in os.environ:
        dstft.main(arguments, prog_name="dstft", complete_var=COMPLETE_VARIABLE)
    # not dstft.main(): it prints its own errors and makes an interrupt one of them
    with _sigterm_unwinds(), dstft.make_context("dstft", arguments, obj=state) as context:
        dstft.invoke(context)
        streams.flush()


def _report(error: BaseException, state: RunState) -> int:
    from dstft_cli.cli import streams
    from dstft_cli.cli.failures import explain

    code, text = explain(error)
    with suppress(OSError):  # standard error may be the stream that is closed or full
        if text and state.verbose:
            import traceback

            traceback.print_exception(error)
        if text:
            print(f"dstft: {text}", file=sys.stderr)
    streams.discard()
    return code


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    from dstft_cli.cli.failures import Terminated

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
