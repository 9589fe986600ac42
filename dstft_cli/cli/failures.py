"""From an exception to an exit code and one line that says what, where and the remedy."""

from __future__ import annotations

import errno

import click

from dstft_cli.cli.table import printable
from dstft_cli.errors import DstftError, as_flags

_NOTHING_WRITTEN = "nothing was written"
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Terminated(BaseException):
    """SIGTERM came: like KeyboardInterrupt, it unwinds through every cleanup."""


def explain(error: BaseException) -> tuple[int, str]:
    """The exit code for `error`, and one line of text; empty where there is nothing to say."""
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code, ""
    if isinstance(error, SystemExit):
        return (error.code, "") if isinstance(error.code, int) else (1, str(error.code or ""))
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return 130, f"interrupted; {_NOTHING_WRITTEN}"
    if isinstance(error, Terminated):
        return 143, f"terminated; {_NOTHING_WRITTEN}"
    if isinstance(error, BrokenPipeError):
        return 0, ""  # the reader downstream has all it wanted
    if isinstance(error, DstftError):
        return error.exit_code, one_line(as_flags(str(error)))
    if isinstance(error, click.ClickException):
        return error.exit_code, _usage(error)
    if _is_out_of_memory(error):
        return 1, "out of memory: use --duration for a shorter part, or a lower --n-fft"
    if isinstance(error, OSError):
        return 1, _system(error)
    text = one_line(f"{type(error).__name__}: {error}")
    return 1, f"internal error: {text}: run again with -v and report it"


def one_line(text: str) -> str:
    """`text` without line breaks, and with what cannot be printed escaped."""
    return printable(" ".join(part.strip() for part in text.splitlines() if part.strip()))


def _usage(error: click.ClickException) -> str:
    text = one_line(error.format_message()).rstrip(".")
    text = text[:1].lower() + text[1:]
    context = getattr(error, "ctx", None)
    command = "dstft" if context is None else context.command_path
    return text if text.endswith("?") else f"{text}: see '{command} --help'"


def _is_out_of_memory(error: BaseException) -> bool:
    """torch says it in types and words of its own; to import torch here would load it for all."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _system(error: OSError) -> str:
    where = f": {error.filename}" if error.filename is not None else ""
    if error.errno in _FULL:
        return f"disk full{where}: free some space or write elsewhere"
    return one_line(f"{error.strerror or error}{where}: check the path and its permissions")
