"""The directories that hold results."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

RECORD = "result.json"
_LEFTOVERS = (".partial", ".old")  # of a run that was killed: `.NAME.XXXXXXXX.partial`


def result_directories(top: Path) -> Iterator[tuple[Path, OSError | None]]:
    """Directories with an entry `result.json`, `top` included, in the order of their paths.

    A directory that cannot be listed comes with its error. Links to directories are not followed,
    and hidden directories that an interrupted run has left are passed over.
    """
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            with os.scandir(folder) as entries:
                listed = sorted(entries, key=lambda entry: os.fsencode(entry.name))
        except OSError as error:
            yield folder, error
            continue
        if any(entry.name == RECORD for entry in listed):
            yield folder, None
        waiting += [
            folder / entry.name
            for entry in reversed(listed)
            if not _is_leftover(entry.name) and entry.is_dir(follow_symlinks=False)
        ]


def _is_leftover(name: str) -> bool:
    return name.startswith(".") and name.endswith(_LEFTOVERS)
