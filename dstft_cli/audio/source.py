"""From a path or standard input to a seekable file of bytes and their SHA-256."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dstft_cli.audio.spool import SpoolFile
from dstft_cli.errors import InputError

BLOCK_BYTES = 2**20
STDIN_NAME = "standard input"


@dataclass(frozen=True)
class Source:
    """Bytes of a recording: `name` for messages, `file` seekable, its `sha256` in hexadecimal."""

    name: str
    file: io.FileIO
    sha256: str


def printable_name(path: str) -> str:
    """The path on one line: control characters and bytes that are not UTF-8 are escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


@contextmanager
def open_source(source: str | Path, stdin: BinaryIO | None) -> Iterator[Source]:
    """Open the recording; what cannot be sought in (standard input, a FIFO) is spooled first.

    Raises:
        InputError: it cannot be opened or read, or holds no bytes.
        OutputError: there is no room for the spool.
    """
    path = os.fspath(source)
    if path == "-":
        with _spooled(_standard_input(stdin), STDIN_NAME) as opened:
            yield opened
        return
    name = printable_name(path)
    with _opened(path, name) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            with _spooled(file, name) as opened:
                yield opened
            return
        digest, size = hashlib.sha256(), 0
        for block in _blocks(file, name):
            digest.update(block)
            size += len(block)
        _check_size(size, name)
        yield Source(name, file, digest.hexdigest())


@contextmanager
def glance(source: str | Path) -> Iterator[Source | None]:
    """Open the recording without reading or hashing it; None where a look would use it up.

    Raises:
        InputError: it cannot be opened, holds no bytes, or standard input is closed or a terminal.
    """
    path = os.fspath(source)
    if path == "-":
        _standard_input(None)
        yield None
        return
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        yield None  # a pipe has one reader
        return
    name = printable_name(path)
    with _opened(path, name) as file:
        _check_size(os.fstat(file.fileno()).st_size, name)
        yield Source(name, file, "")


def _opened(path: str, name: str) -> io.FileIO:
    try:
        return open(path, "rb", buffering=0)
    except FileNotFoundError as error:
        raise InputError(f"{name}: no such file: check the path") from error
    except IsADirectoryError as error:
        raise InputError(f"{name}: is a directory: name a recording in it") from error
    except PermissionError as error:
        raise InputError(f"{name}: no permission to read it: check its mode and owner") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{name}: cannot be opened ({reason}): check the path") from error


def _standard_input(stdin: BinaryIO | None) -> BinaryIO:
    if stdin is None:
        if sys.stdin is None:
            raise InputError("standard input is closed: pipe a WAV into it or name a file")
        stdin = sys.stdin.buffer
    if stdin.isatty():
        raise InputError("standard input is a terminal: pipe a WAV into it or name a file")
    return stdin


@contextmanager
def _spooled(stream: BinaryIO | io.FileIO, name: str) -> Iterator[Source]:
    """Copy the stream to a temporary file, block by block, hashing as it goes."""
    spool, digest = SpoolFile(), hashlib.sha256()
    try:
        for block in _blocks(stream, name):
            digest.update(block)
            spool.write(block)
        _check_size(spool.size, name)
        with open(spool.fd, "rb", buffering=0, closefd=False) as file:
            yield Source(name, file, digest.hexdigest())
    finally:
        spool.close()


def _blocks(stream: BinaryIO | io.FileIO, name: str) -> Iterator[bytes]:
    while True:
        try:
            block = stream.read(BLOCK_BYTES)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"{name}: cannot be read ({reason}): check the disk or pipe"
            ) from error
        if not block:
            return
        yield block


def _check_size(size: int, name: str) -> None:
    if size == 0:
        raise InputError(f"{name}: is empty (0 bytes): check what wrote it")
