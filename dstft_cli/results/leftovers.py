"""What runs that were killed left beside their places."""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: nothing is claimed, and so nothing is taken for dead
    fcntl = None  # type: ignore[assignment]

from dstft_cli.results.place import hidden_name

_SETTLED = 60  # s after which an output that is being filled has been claimed for sure
_LEFTOVER = re.compile(r"\.(.+)\.[0-9a-f]{8}\.(partial|old)", re.DOTALL)


def clear_leftovers(places: Iterable[Path]) -> None:
    """Removes the hidden unfinished outputs beside `places`, which nothing may be writing now.

    A directory that was set aside to be replaced comes back if its place is still empty.
    """
    names: dict[Path, dict[str, str]] = {}  # by folder: the hidden name to the name of the place
    for place in places:
        names.setdefault(place.parent, {})[hidden_name(place.name)] = place.name
    for folder, wanted in names.items():
        for entry in _hidden(folder):
            found = _LEFTOVER.fullmatch(entry.name)
            if found is None or found[1] not in wanted:
                continue
            final = folder / wanted[found[1]]
            with suppress(OSError):  # leftovers are untidy, not wrong
                if found[2] == "old" and not os.path.lexists(final):
                    os.rename(entry.path, final)
                else:
                    _remove(entry)


def claim(partial: Path) -> int | None:
    """Marks an unfinished output as that of a living run, until the descriptor is closed.

    Returns:
        A file descriptor that holds a lock, which the system drops when the process ends, however it
        ends; None where another holds it, or where the file system knows no locks.
    """
    if fcntl is None:
        return None
    descriptor = None
    try:
        descriptor = os.open(partial, os.O_RDONLY)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if descriptor is not None:
            os.close(descriptor)
        return None
    return descriptor


def clear_dead(final: Path) -> None:
    """Removes the unfinished outputs beside `final` whose runs were killed; those of living ones stay.

    An output whose run lives is locked (`claim`), or so young that it may not be yet.
    """
    for entry in _hidden(final.parent):
        found = _LEFTOVER.fullmatch(entry.name)
        if found is None or found[1] != hidden_name(final.name) or found[2] != "partial":
            continue
        with suppress(OSError):
            if time.time() - entry.stat(follow_symlinks=False).st_mtime < _SETTLED:
                continue
            descriptor = claim(Path(entry.path))
            if descriptor is None:
                continue
            try:
                _remove(entry)
            finally:
                os.close(descriptor)


def _remove(entry: os.DirEntry[str]) -> None:
    if entry.is_dir(follow_symlinks=False):
        shutil.rmtree(entry.path)
    else:
        os.unlink(entry.path)


def _hidden(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.startswith(".")]
    except OSError:
        return []
