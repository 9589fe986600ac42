"""From the paths and patterns of an entry to files."""

from __future__ import annotations

import glob
import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from dstft_cli.batch.entries import Entry
from dstft_cli.errors import UsageError
from dstft_cli.results import shown


def input_files(entry: Entry, inputs: str, skipped: Path | None) -> Iterator[tuple[str, str]]:
    """Path of every input, once, and its folders below the fixed part of its pattern.

    Args:
        entry: paths and patterns.
        inputs: absolute folder that they are relative to.
        skipped: folder in which a pattern finds nothing; None for none.

    Raises:
        UsageError: a pattern matches nothing.
    """
    seen = set()
    for text, where in entry.inputs:
        found: list[tuple[str, str]] = []
        text = os.path.expanduser(text) if entry.patterns else text
        if (
            entry.patterns
            and glob.has_magic(text)
            and not os.path.lexists(os.path.join(inputs, text))
        ):
            found = _matches(text, inputs, skipped)
            if not found:
                raise UsageError(
                    f"{where}: input {text!r} matches no file: check the pattern and its folder, "
                    f"{shown(inputs)}"
                )
        else:
            found = [(text, "" if entry.patterns else _relative_folder(text))]
        for path, tree in found:
            if path not in seen:
                seen.add(path)
                yield path, tree


def _matches(pattern: str, inputs: str, skipped: Path | None) -> list[tuple[str, str]]:
    fixed: list[str] = []
    for part in pattern.split("/")[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    start = "/".join(fixed) + "/" if fixed else ""
    inside = None if skipped is None else str(skipped) + os.sep
    found = []
    for path in sorted(set(_glob(pattern, inputs))):
        full = os.path.join(inputs, path)
        if (inside is None or not full.startswith(inside)) and os.path.isfile(full):
            found.append((path, os.path.dirname(path[len(start) :])))
    return found


def _glob(pattern: str, inputs: str) -> Iterator[str]:
    """What `glob.glob(..., recursive=True)` finds, without going around in circles of links."""
    parts = pattern.split("/")
    if "**" not in parts:
        yield from glob.iglob(pattern, root_dir=inputs)
        return
    at = parts.index("**")
    head, rest = "/".join(parts[: at + 1])[:-2], "/".join(parts[at + 1 :]) or "*"
    for top in glob.iglob(head, root_dir=inputs) if head else [""]:
        for folder in _folders(top, inputs):
            yield from _glob(glob.escape(os.path.join(folder, "")) + rest, inputs)


def _folders(top: str, inputs: str) -> Iterator[str]:
    """A folder and those below it that are not hidden, each once, however many links lead to it.

    Links are followed after all that can be reached without them.

    Args:
        top: relative to `inputs`, or absolute.
        inputs: absolute.
    """
    waiting, seen = deque([top]), set()
    while waiting:
        folder = waiting.popleft()
        full = os.path.join(inputs, folder)
        here = os.path.realpath(full)
        if here in seen:
            continue
        seen.add(here)
        yield folder
        try:
            with os.scandir(full) as entries:
                below = sorted((e for e in entries if e.name[0] != "."), key=lambda e: e.name)
        except OSError:  # it may not be read: as for glob, nothing is there
            continue
        for entry in reversed(below):
            if entry.is_dir(follow_symlinks=False):
                waiting.appendleft(os.path.join(folder, entry.name))
        links = (entry for entry in below if entry.is_symlink() and entry.is_dir())
        waiting.extend(os.path.join(folder, entry.name) for entry in links)


def _relative_folder(path: str) -> str:
    """The folders of a listed file, for `{folder}`; none where they are not below this one."""
    folder = os.path.normpath(os.path.dirname(path) or ".")
    return "" if folder == "." or os.path.isabs(folder) else folder
