"""Opens a path or standard input as a seekable file with its SHA-256."""

from __future__ import annotations

import errno
import hashlib
import io
import itertools
import os
import stat
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from dstft_cli.audio.headers import HEAD_BYTES, bytes_needed, recognized
from dstft_cli.audio.spool import SpoolFile
from dstft_cli.errors import InputError, printable

BLOCK_BYTES = 2**20
STDIN_NAME = "standard input"
ENDINGS = (  # of sound files in a folder
    *(".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".aifc", ".au"),
    *(".snd", ".caf", ".w64", ".rf64", ".m4a", ".aac", ".wma", ".mp4", ".webm", ".mkv"),
)
WAIT = 3.0  # s, waiting for the writer of a named pipe


def is_sound(path: str) -> bool:
    """Whether the name ends like that of a sound file."""
    return path.lower().endswith(ENDINGS)


def content_digest(path: str | Path, stop: threading.Event | None = None) -> str | None:
    """SHA-256 of a regular file; None if it cannot be read, or after `stop` is set."""
    digest = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe may block
            return None
        with open(path, "rb", buffering=0) as file:
            while block := file.read(BLOCK_BYTES):
                if stop is not None and stop.is_set():
                    return None
                digest.update(block)
    except (OSError, ValueError):
        return None
    return digest.hexdigest()


@dataclass(frozen=True)
class Source:
    name: str  # for messages
    file: io.FileIO  # seekable
    sha256: str
    path: str  # under which another program can open them
    cut: bool = False  # the stream is longer; these bytes hold the part that was asked for


@contextmanager
def open_source(
    source: str | Path, stdin: BinaryIO | None, seconds: float | None = None
) -> Iterator[Source]:
    """Open the recording; standard input or a pipe is copied to a temporary file first."""
    path = os.fspath(source)
    if path == "-":
        with _spooled(_blocks(_standard_input(stdin), STDIN_NAME), STDIN_NAME, seconds) as opened:
            yield opened
        return
    name = printable(path)
    with _opened(path, name) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            first = _from_pipe(file, name) if stat.S_ISFIFO(status.st_mode) else b""
            os.set_blocking(file.fileno(), True)
            blocks = itertools.chain([first] if first else [], _blocks(file, name))
            with _spooled(blocks, name, seconds) as opened:
                yield opened
            return
        _check_size(status.st_size, name)
        digest = hashlib.sha256()
        for block in _blocks(file, name):
            digest.update(block)
        yield Source(name, file, digest.hexdigest(), os.path.abspath(path))


@contextmanager
def glance(source: str | Path) -> Iterator[Source | None]:
    """Open the recording without reading or hashing it; None for a pipe, which can be read once."""
    path = os.fspath(source)
    if path == "-":
        _standard_input(None)
        yield None
        return
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        yield None  # a pipe has one reader
        return
    name = printable(path)
    with _opened(path, name) as file:
        _check_size(os.fstat(file.fileno()).st_size, name)
        yield Source(name, file, "", os.path.abspath(path))


def _opened(path: str, name: str) -> io.FileIO:
    try:
        # a named pipe without a writer would block; Windows has none
        flag = getattr(os, "O_NONBLOCK", 0)
        return open(path, "rb", buffering=0, opener=lambda p, f: os.open(p, f | flag))
    except (OSError, ValueError) as error:
        known = {
            errno.ENOENT: "no such file: check the path",
            errno.EISDIR: "is a directory: name a recording in it",
            errno.EACCES: "no permission to read it: check its mode and owner",
        }
        other = f"cannot be opened ({getattr(error, 'strerror', None) or error}): check the path"
        raise InputError(f"{name}: {known.get(getattr(error, 'errno', 0), other)}") from error


def _from_pipe(file: io.FileIO, name: str) -> bytes:
    """The bytes already in a pipe; InputError if it has no writer."""
    waited = 0.0
    while (first := file.read(BLOCK_BYTES)) == b"" and waited < WAIT:  # None: nothing sent yet
        time.sleep(0.05)
        waited += 0.05
    if first == b"":
        raise InputError(
            f"{name}: is a pipe without a writer: start its writer first, or pipe into -"
        )
    return first or b""


def _standard_input(stdin: BinaryIO | None) -> BinaryIO:
    if stdin is None:
        if sys.stdin is None:
            raise InputError("standard input is closed: pipe a WAV into it or name a file")
        stdin = sys.stdin.buffer
    if stdin.isatty():
        raise InputError("standard input is a terminal: pipe a WAV into it or name a file")
    return stdin


@contextmanager
def _spooled(blocks: Iterator[bytes], name: str, seconds: float | None) -> Iterator[Source]:
    """Copy the stream to a temporary file, block by block, hashing as it goes."""
    head = b""
    while len(head) < HEAD_BYTES and (block := next(blocks, b"")):
        head += block
        if seconds is not None and len(head) >= bytes_needed(head, seconds):
            break
    _check_size(len(head), name)
    if len(head) >= HEAD_BYTES and not recognized(head):
        raise InputError(f"{name}: does not begin like audio: check the program that writes to it")
    limit = None if seconds is None else bytes_needed(head, seconds)
    spool, digest = SpoolFile(), hashlib.sha256()
    try:
        for block in itertools.chain([head], blocks):
            piece = block if limit is None else block[: limit - spool.size]
            digest.update(piece)
            spool.write(piece)
            if spool.size == limit:
                break
        path = f"/proc/{os.getpid()}/fd/{spool.fd}"
        with open(spool.fd, "rb", buffering=0, closefd=False) as file:
            yield Source(name, file, digest.hexdigest(), path, cut=spool.size == limit)
    finally:
        spool.close()


def _blocks(stream: BinaryIO | io.FileIO, name: str) -> Iterator[bytes]:
    read = getattr(stream, "read1", stream.read)  # does not wait for a full block
    while True:
        try:
            block = read(BLOCK_BYTES)
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
        raise InputError(f"{name}: is empty (0 bytes): check the program that wrote it")
