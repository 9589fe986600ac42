"""One output file, written beside its place and renamed when complete."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from dstft_cli.errors import UsageError
from dstft_cli.results.leftovers import claim, clear_dead
from dstft_cli.results.place import (
    beside,
    disk_errors,
    make_parents,
    real_place,
    remove_empty,
    shown,
    written_meanwhile,
)


@contextmanager
def atomic_file(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Yields a binary file that appears at `path` when the block ends cleanly, and else nowhere.

    Parents are created, and removed again on failure. A link to a file is followed and stays. A
    device or a named pipe (`/dev/null`, `/dev/fd/63`) is written to directly, without a rename.

    Args:
        path: the place.
        force: replace an existing file.

    Raises:
        UsageError: the file exists and `force` is not given, or the place is a directory.
        OutputError: it cannot be written, the disk is full, or another run wrote it meanwhile.
    """
    place = Path(path)
    with disk_errors(place):
        final = real_place(place)
        direct = _check_place(place, force=force)
    if direct:
        with disk_errors(place):
            device = open(place, "wb")  # noqa: SIM115, the errors of the block are not those of opening
        with disk_errors(place, only_full=True), device:
            yield device
        return
    parents: list[Path] = []
    partial = beside(final, "partial")
    try:
        with disk_errors(place):
            parents = make_parents(final.parent)
            file = open(partial, "xb")  # noqa: SIM115
        with _claimed(partial):
            with disk_errors(place, only_full=True), file:
                clear_dead(final)
                yield file
            with disk_errors(place):
                _move(partial, final, place, force=force)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        remove_empty(parents)
        raise


@contextmanager
def _claimed(partial: Path) -> Iterator[None]:
    descriptor = claim(partial)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def _check_place(place: Path, *, force: bool) -> bool:
    """Whether `place` is to be written directly, a device or a pipe; refuses what must be kept."""
    try:
        mode = place.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    if stat.S_ISDIR(mode):
        raise UsageError(f"{shown(place)} is a directory: name a file in it")
    if not stat.S_ISREG(mode):
        return True
    if not force:
        raise UsageError(f"{shown(place)} exists: use --force to replace it or choose another name")
    return False


def _move(partial: Path, final: Path, place: Path, *, force: bool) -> None:
    if force:
        partial.replace(final)
        return
    try:
        os.link(partial, final)  # unlike a rename, it never replaces what has appeared meanwhile
    except FileExistsError as error:
        raise written_meanwhile(place) from error
    except OSError:  # a file system without hard links
        if os.path.lexists(final):
            raise written_meanwhile(place) from None
        partial.rename(final)
    else:
        partial.unlink()
