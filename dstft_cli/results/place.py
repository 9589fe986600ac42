"""What a directory and a single file share: hidden names beside the place, parents, disk errors."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dstft_cli.errors import InputError, OutputError, UsageError

DISK_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
NAME_BYTES = 200  # of 255 that file systems allow, so that what is added to a name still fits


def shown(path: Path | str) -> str:
    """The path as one line of text: line breaks and bytes that are not UTF-8 are escaped."""
    text = str(path)
    return text if text.isprintable() else repr(text)


def refuse_pipes(path: Path) -> None:
    """InputError where a file of a result is a pipe or a device, which could be read for ever.

    Raises:
        OSError: there is nothing at the path.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{shown(path)} is not a file: run dstft optimize again")


@contextmanager
def disk_errors(place: Path | str, *, only_full: bool = False) -> Iterator[None]:
    """Turns an `OSError` of the block into one line about `place`.

    Args:
        place: what is being written, as the user named it.
        only_full: leave all but a full disk as it is, for blocks that do more than write.

    Raises:
        OutputError: for every `OSError` but `BrokenPipeError`: a closed pipe is no failure.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in DISK_FULL:
            raise OutputError(
                f"disk full while writing {shown(place)}: free some space or choose another -o"
            ) from error
        if only_full:
            raise
        reason = (error.strerror or str(error)).lower()
        raise OutputError(
            f"cannot write {shown(place)}: {reason}: choose another place with -o"
        ) from error


def real_place(place: Path) -> Path:
    """`place` absolute, with links followed, so that a link stays and what it names is replaced.

    Raises:
        UsageError: `place` is a link to nothing.
    """
    if os.path.islink(place) and not os.path.exists(place):
        raise UsageError(
            f"{shown(place)} is a link to {shown(os.readlink(place))}, which does not exist: "
            "remove the link or choose another place with -o"
        )
    return Path(os.path.realpath(place))


def beside(final: Path, ending: str) -> Path:
    """A fresh hidden name `.NAME.XXXXXXXX.ENDING` in the folder of `final`."""
    return final.with_name(f".{hidden_name(final.name)}.{secrets.token_hex(4)}.{ending}")


def hidden_name(name: str) -> str:
    """The part of `name` that stands in hidden names: it may be too long to be added to."""
    while len(os.fsencode(name)) > NAME_BYTES:
        name = name[:-1]
    return name


def make_parents(folder: Path) -> list[Path]:
    """Creates `folder` and its parents, like `mkdir -p`; returns the new ones, outermost first."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    created: list[Path] = []
    try:
        for new in reversed(missing):
            with suppress(FileExistsError):  # another run may create the same parents right now
                new.mkdir()
                created.append(new)
    except BaseException:
        remove_empty(created)
        raise
    return created


def remove_empty(folders: list[Path]) -> None:
    """Removes what `make_parents` created, innermost first, as far as it is still empty."""
    with suppress(OSError):
        for folder in reversed(folders):
            folder.rmdir()


def written_meanwhile(place: Path) -> OutputError:
    """The error of the run that comes second into one place."""
    return OutputError(
        f"{shown(place)} was written by another run meanwhile and is kept: "
        "run again with --force or with another -o"
    )
