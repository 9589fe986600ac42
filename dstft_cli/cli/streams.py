"""Standard output and standard error: encodings, closed pipes, binary data."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

from dstft_cli.errors import UsageError


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


def discard() -> None:
    """Points streams that cannot be flushed at nothing, for the interpreter flushes them again."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None and not stream.closed:
                stream.flush()
        except OSError:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, stream.fileno())
            os.close(nothing)


def data_output(binary: str) -> BinaryIO:
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
