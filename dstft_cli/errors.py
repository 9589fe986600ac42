"""Errors with exit codes, and the words of messages that all rooms share.

A message names an option by its parameter name in backticks: "lower `win_length` or raise `n_fft`".
The command line shows flags instead (`as_flags`).
"""

from __future__ import annotations

import errno
import re
from pathlib import Path

DISK_FULL = frozenset({errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)})
_PARAMETER = re.compile(r"`([a-z][a-z0-9_]*)`")
_LONG_WORD = re.compile(r"\S{256,}")  # longer than any file name
_LONGEST_VALUE = 80  # characters of a value shown in a message


class DstftError(Exception):
    """Base of all errors of this package; `exit_code` is the exit code of `dstft`."""

    exit_code = 1


class InputError(DstftError):
    """A recording could not be read, or is too short or silent."""


class SkippedError(InputError):
    """A silent recording is left out, as asked; nothing is wrong."""

    exit_code = 0


class OutputError(DstftError):
    """A result could not be written. Existing files are unchanged."""


class UsageError(DstftError, ValueError):
    """An option, a setting or an argument is out of its range or contradicts another one."""

    exit_code = 2


def as_flags(text: str) -> str:
    """`text` with each parameter name in backticks replaced by its flag, e.g. `--n-fft`."""
    return _PARAMETER.sub(lambda found: "--" + found[1].replace("_", "-"), text)


def parameters_in(text: str) -> list[str]:
    """The names in backticks."""
    return _PARAMETER.findall(text)


def printable(text: Path | str) -> str:
    """`text` in one line, unprintable characters escaped."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode()
        for c in str(text)
    )


def shortened(text: Path | str) -> str:
    """`text` for a message: printable, and cut if long."""
    shown = printable(text)
    return shown if len(shown) <= _LONGEST_VALUE else f"{shown[: _LONGEST_VALUE - 1]}…"


def system_reason(error: OSError) -> str:
    """The reason of a system error in lower case, e.g. `permission denied` or `disk full`."""
    if error.errno in DISK_FULL:
        return "disk full"
    return (error.strerror or str(error)).lower()


def one_line(text: str) -> str:
    """`text` without line breaks, unprintable characters escaped, very long words cut."""
    line = printable(" ".join(part.strip() for part in text.splitlines() if part.strip()))
    return _LONG_WORD.sub(lambda found: shortened(found[0]), line)


def counted(number: int, noun: str) -> str:
    """`1 frame`, `2 frames`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def band_text(low: float | None, high: float | None) -> str:
    """The band of a criterion, e.g. `over 0 to 500 Hz`; empty for all frequencies."""
    if high is not None:
        return f"over {low or 0:g} to {high:g} Hz"
    return f"from {low:g} Hz on" if low else ""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out. torch has its own error types and words for it."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    known = "can't allocate memory|failed to map segment|[Cc]annot allocate memory"  # of libraries
    return isinstance(error, (RuntimeError, ImportError)) and bool(re.search(known, str(error)))


def in_words(error: BaseException, *, retry: str = "report it") -> str:
    """One line for an error, with the remedy."""
    if isinstance(error, DstftError):
        return one_line(str(error))
    if isinstance(error, ImportError) and is_out_of_memory(error):
        return "memory does not suffice to load a library: raise the limit (ulimit -v)"
    if is_out_of_memory(error):
        return "out of memory: use `duration` for a shorter part, or a lower `n_fft`"
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename is not None else ""
        remedy = "check the path and its permissions"
        if error.errno in DISK_FULL:
            remedy = "free some space or write elsewhere"
        return one_line(f"{system_reason(error)}{where}: {remedy}")
    return f"internal error: {one_line(f'{type(error).__name__}: {error}')}: {retry}"
