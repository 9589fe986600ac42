"""Places on disk: one run at a time, hidden temporary names, errors in one line.

A run writes to a hidden name beside its place and renames it when it is complete. A directory is
written to `.NAME.XXXXXXXX.partial/new`. With `force` the old one is first renamed to `…partial/old`, and
removed after the new one is in place. A run holds the lock `.NAME.lock` beside its place; the system
releases it when the process ends. So the next run in the same place can clear what a killed run left:
it restores an `old` that was not replaced, and removes the rest.
"""

from __future__ import annotations

import errno
import hashlib
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from dstft_cli.errors import (
    DISK_FULL,
    InputError,
    OutputError,
    UsageError,
    printable,
    system_reason,
)

AGAIN = "run dstft optimize again"
_NAME_BYTES = 200  # bytes of 255, to leave room for what is added to a name
_UNLOCKABLE = {errno.ENOLCK, errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}
_LEFTOVER = re.compile(r"\.(.+?)(\.lock|\.[0-9a-f]{8}\.partial)", re.DOTALL)


@contextmanager
def disk_errors(place: Path | str, *, only_full: bool = False) -> Iterator[None]:
    """Turns an `OSError` of the block into an `OutputError` about `place`, as the user named it.

    Not `BrokenPipeError`; with `only_full` a full disk only, for blocks that do more than write.
    """
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.errno in DISK_FULL:
            raise OutputError(
                f"disk full while writing {printable(place)}: free some space or choose another place"
            ) from error
        if only_full:
            raise
        raise OutputError(
            f"cannot write {printable(place)}: {system_reason(error)}: choose another place"
        ) from error


def damaged(path: Path, what: str, remedy: str = AGAIN) -> InputError:
    """The error of a file or folder of results: what is wrong with it, and the remedy."""
    return InputError(f"{printable(path)} {what}: {remedy}")


def check_readable(path: Path, *, remedy: str = AGAIN) -> int:
    """Size of a file of a result, bytes; InputError unless it is a regular file, which ends."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        if not path.parent.exists():
            folder = printable(path.parent)
            raise InputError(f"{folder}: no such directory: check its name") from error
        raise damaged(path, "does not exist", remedy) from error
    except OSError as error:
        reason = system_reason(error)
        raise InputError(f"cannot read {printable(path)}: {reason}: {remedy}") from error
    if not stat.S_ISREG(status.st_mode):
        raise damaged(path, "is not a file", remedy)
    return status.st_size


def size_of(path: Path) -> int | None:
    """Bytes of a file, or of all files in a folder; None for anything else, and for a link."""
    try:
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            return sum(size_of(part) or 0 for part in path.iterdir())
    except (OSError, ValueError):
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) else None


def clear_leftovers(places: Iterable[Path]) -> None:
    """Removes leftovers of killed runs beside `places`; restores a result that was being replaced."""
    folders: dict[Path, dict[str, Path]] = {}  # by folder: the start of the hidden name, the place
    for place in places:
        folders.setdefault(place.parent, {})[_stem(place.name)] = place
    for folder, wanted in folders.items():
        stems = {found[1] for _, found in _hidden_in(folder)}
        for stem in stems & wanted.keys():
            with suppress(OutputError), reserved(wanted[stem], wanted[stem]):
                pass  # leftovers do no harm


def make_parents(folder: Path) -> list[Path]:
    """Creates `folder` and its parents; the new ones, outermost first. UsageError for a file."""
    missing = []
    while not folder.exists():
        missing.append(folder)
        folder = folder.parent
    if not folder.is_dir():
        raise UsageError(f"{printable(folder)} is a file, not a directory: choose another place")
    created: list[Path] = []
    try:
        for new in reversed(missing):
            with suppress(FileExistsError):  # another run may create them too
                new.mkdir()
                created.append(new)
    except BaseException:
        remove_empty(created)
        raise
    return created


def remove_empty(folders: list[Path]) -> None:
    """Removes what `make_parents` created, innermost first, while they are empty."""
    with suppress(OSError):
        for folder in reversed(folders):
            folder.rmdir()


@contextmanager
def reserved(final: Path, place: Path) -> Iterator[None]:
    """Creates parents, locks the place and clears leftovers, for the block."""
    with ExitStack() as stack:
        with disk_errors(place):
            stack.callback(remove_empty, make_parents(final.parent))  # not empty after success
            path = final.with_name(f".{_stem(final.name)}.lock")
            try:
                lock = FileLock(path, thread_local=False)
                lock.acquire(timeout=0)
            except Timeout:
                if not os.path.lexists(path):  # no lock can be made here: this says why
                    path.touch()
                raise OutputError(
                    f"{printable(place)} is being written by another run: wait for its end or choose "
                    "another place"
                ) from None
            except OSError as error:
                if error.errno not in _UNLOCKABLE:
                    raise
            else:
                stack.callback(lock.release)
                # removed before the release: a waiting run must not lock a deleted file
                stack.callback(_unlink, path)
                for hidden, found in _hidden_in(final.parent):
                    if found[1] == _stem(final.name) and hidden != path:
                        clear(hidden, final)
        yield


def clear(partial: Path, final: Path) -> None:
    """Removes an unfinished output, after restoring a directory that it had set aside."""
    old = partial / "old"
    with suppress(OSError):  # a leftover does no harm
        if not partial.is_dir():
            _unlink(partial)
            return
        if old.exists() and (partial / "new").exists():  # it was not replaced
            if holds_anything(final):
                return  # another file is there: remove nothing
            os.rename(old, final)
        elif old.exists():
            os.rename(old, partial / "gone")  # half removed: must not be restored
        shutil.rmtree(partial)


def _unlink(path: Path) -> None:
    with suppress(OSError):
        path.unlink()


def sync(*paths: Path) -> None:
    """Flushes a file to disk, where the file system supports it."""
    for path in paths:
        if os.name == "nt" and path.is_dir():
            continue
        handle = os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY)
        try:
            os.fsync(handle)
        except OSError as error:
            if error.errno not in _UNLOCKABLE:
                raise
        finally:
            os.close(handle)


def holds_anything(place: Path) -> bool:
    """Whether `place` exists and is not an empty directory."""
    try:
        with os.scandir(place) as entries:
            return next(entries, None) is not None
    except FileNotFoundError:
        return False
    except NotADirectoryError:
        return os.path.lexists(place)


def _stem(name: str) -> str:
    data = os.fsencode(name)
    if len(data) <= _NAME_BYTES:
        return name
    return f"{hashlib.sha256(data).hexdigest()[:32]}-{name[:16]}"


def partial_name(final: Path) -> Path:
    return final.with_name(f".{_stem(final.name)}.{secrets.token_hex(4)}.partial")


def _hidden_in(folder: Path) -> list[tuple[Path, re.Match[str]]]:
    try:
        with os.scandir(folder) as entries:
            return [
                (Path(entry.path), match)
                for entry in entries
                if (match := _LEFTOVER.fullmatch(entry.name)) is not None
            ]
    except OSError:
        return []
