"""What runs that were killed left beside their places."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from dstft_cli.writers.place import hidden_name

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
                elif entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path)
                else:
                    os.unlink(entry.path)


def _hidden(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return [entry for entry in entries if entry.name.startswith(".")]
    except OSError:
        return []
