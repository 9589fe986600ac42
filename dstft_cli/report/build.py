"""From a directory to the page: find, read, draw small, write, one result at a time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from dstft_cli.errors import InputError, UsageError
from dstft_cli.names import Progress
from dstft_cli.report.entry import Summary, read_summary
from dstft_cli.report.find import RECORD, result_directories
from dstft_cli.report.page import Row, foot, head, row
from dstft_cli.results import atomic_file, shown

_AT_ONCE = 64  # rows in memory
_THREADS = 8  # at most; reading a PNG is most of the work, and leaves the interpreter free


@dataclass(frozen=True)
class Report:
    """The page that was written.

    Attributes:
        output: its path.
        results: rows of the page.
        broken: those of them that could not be read.
    """

    output: Path
    results: int
    broken: int

    @property
    def summary(self) -> list[str]:
        """Lines for a person."""
        return [f"results        {self.results}", f"report         {self.output}"]

    @property
    def warnings(self) -> list[str]:
        """One line each, with the remedy."""
        if not self.broken:
            return []
        return [
            f"{self.broken} of {self.results} results cannot be read: "
            "the last column of the report says why"
        ]


def build_report(
    directory: Path,
    *,
    output: Path | None = None,
    title: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """As `write_report`, with counts of what was found; memory does not grow with the pictures."""
    place = directory / "report.html" if output is None else output
    if str(place) == "-":
        raise UsageError(
            "a report on standard output could not link to its pictures: name a file with -o"
        )
    found = _find(directory)
    top, page_folder = Path(os.path.realpath(directory)), Path(os.path.realpath(place.parent))

    def entry(number: int) -> tuple[str, bool]:
        folder, error = found[number]
        below = folder.relative_to(directory)
        content = _read(folder) if error is None else _unlisted(error)
        text = row(Row(number, str(below), top / below, content), page_folder)
        return text, isinstance(content, str)

    broken = 0
    with (
        atomic_file(place, force=force) as file,
        ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads,
    ):
        file.write(head(title or f"Results in {top.name or top}", len(found)).encode("utf-8"))
        for start in range(0, len(found), _AT_ONCE):
            numbers = range(start, min(start + _AT_ONCE, len(found)))
            for number, (text, is_broken) in zip(numbers, threads.map(entry, numbers), strict=True):
                file.write(text.encode("utf-8"))
                broken += is_broken
                if progress is not None:
                    progress("report", number + 1, len(found))
        file.write(foot(broken).encode("utf-8"))
    return Report(place, len(found), broken)


def _find(directory: Path) -> list[tuple[Path, OSError | None]]:
    named = shown(directory)
    try:
        directory.stat()
    except OSError as error:
        reason = "no such directory" if isinstance(error, FileNotFoundError) else error.strerror
        raise InputError(f"{named}: {str(reason).lower()}: check the path") from error
    if not directory.is_dir():
        raise InputError(f"{named} is not a directory: name one that holds results of dstft")
    found = list(result_directories(directory))
    if found and found[0][0] == directory and found[0][1] is not None:
        raise InputError(f"cannot read {named}: {_unlisted(found[0][1])}: check its permissions")
    if not any(error is None for _, error in found):
        raise InputError(
            f"{named} holds no {RECORD}, nor does any directory below it: "
            "name one in which dstft optimize or dstft batch has written"
        )
    return found


def _read(folder: Path) -> Summary | str:
    try:
        return read_summary(folder)
    except InputError as error:
        return str(error)


def _unlisted(error: OSError) -> str:
    return f"the directory cannot be listed: {(error.strerror or str(error)).lower()}"
