"""Writes the page: finds, reads and draws one result at a time.

Addresses are relative or our own `data:`. How text from outside is escaped: `view.html`.
"""

from __future__ import annotations

import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from dstft_cli.errors import InputError, UsageError, printable, shortened, system_reason
from dstft_cli.records import Progress, tell
from dstft_cli.report.entry import RECORD, result_directories, thumbnail
from dstft_cli.results import Spread, atomic_file, read_result
from dstft_cli.results import StoredRecord as Summary
from dstft_cli.settings import FIGURE_FORMATS
from dstft_cli.settings.option import number_text, time_text
from dstft_cli.view.html import page_environment, relative_url

_AT_ONCE = 64  # rows in memory
_THREADS = 8  # at most; reading a PNG takes most of the time and releases the interpreter lock
_KINDS = 8  # of warnings that are counted above the table
_LITTLE = 1e-3  # gains of a smaller share of the reference are none
# settings that must be equal for values of a criterion, or gains in it, to compare
_OF_GAINS = ("scope", "order", "power", "criterion_fmin", "criterion_fmax")
_OF_VALUES = (*_OF_GAINS, "normalization", "n_fft")
_GAP = "\u00a0"  # non-breaking space between a number and its unit
_NUMBER = re.compile(r"\d[\d.]*(e[+-]?\d+)?")


@dataclass
class Report:
    """The page that was written."""

    output: Path
    results: int
    broken: int = 0  # or failed

    @property
    def warnings(self) -> list[str]:
        if not self.broken:
            return []
        return [
            f"{self.broken} of {self.results} results cannot be read or have failed: "
            "see the last column of the report"
        ]


class Cell(NamedTuple):
    """Text, a small second line, what it is sorted by (None: last), and a tooltip."""

    text: str
    detail: str = ""
    key: float | str | None = None
    hint: str = ""


NONE = Cell("–")


class Column(NamedTuple):
    """A column; `best_first` sorts downwards at the first click, within rows of one `group`."""

    label: str
    cell: Callable[[Summary], Cell] = lambda summary: NONE
    detail: str = ""
    numeric: bool = True
    best_first: bool = False
    group: str = ""


def write_report(
    directory: Path, *, output: Path | None = None, title: str | None = None, force: bool = False
) -> Path:
    """The path of the page that `build_report` writes."""
    return build_report(directory, output=output, title=title, force=force).output


def build_report(
    directory: Path,
    *,
    output: Path | None = None,
    title: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Writes a self-contained HTML page of all results and failed jobs in `directory` and below it.

    Without `output` it is `report.html` there, and never written through a link.
    """
    place = directory / "report.html" if output is None else output
    if str(place) == "-" or place.suffix.lower() not in (".html", ".htm", ""):
        raise UsageError(f"{printable(place)}: a report is HTML: name a file that ends in .html")
    found = _find(directory)
    if output is None and place.is_symlink():  # shared results must not overwrite other files
        raise UsageError(f"{printable(place)} is a link: remove it, or name a file with -o")
    top, page_folder = Path(os.path.realpath(directory)), Path(os.path.realpath(place.parent))
    counts = Report(place, len(found))

    def row(entry: tuple[Path, str]) -> dict[str, Any]:
        below = entry[0].relative_to(directory)
        return _row(str(below), top / below, entry[1], page_folder)

    def rows() -> Iterator[dict[str, Any]]:
        for start in range(0, len(found), _AT_ONCE):
            some = threads.map(row, found[start : start + _AT_ONCE])
            for done, content in enumerate(some, start=start + 1):
                yield content
                tell(progress, "report", done, len(found))

    with (
        atomic_file(place, force=force) as file,
        ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as threads,
    ):
        overview, kinds = _overview(found, counts, progress)
        environment = page_environment(__package__)
        for piece in environment.get_template("page.html.j2").generate(
            title=title or f"Results in {top.name or top}",
            overview=overview,
            kinds=kinds,
            result=Column("Result", numeric=True),
            notes=Column("Warnings and errors", best_first=True),
            columns=COLUMNS,
            rows=rows(),
            counts=counts,
        ):
            file.write(piece.encode("utf-8"))
    return counts


def _overview(
    found: list[tuple[Path, str]], counts: Report, progress: Progress | None
) -> tuple[str, list[str]]:
    """All results in one line, and the kinds of warnings (by first words); counts the broken ones."""
    seconds, lengths, kinds = 0.0, [], Counter[str]()
    for done, (directory, failure) in enumerate(found):
        tell(progress, "reading", done, len(found))
        summary, broken = _read(directory, failure)
        counts.broken += summary is None
        texts = [broken] if summary is None else [*[failure] * bool(failure), *summary.warnings]
        kinds.update(_NUMBER.sub("…", text.partition(": ")[0]) for text in texts)
        if summary is not None:
            seconds += summary.input.seconds
            spread = summary.window_length
            ends = (spread.min, spread.max) if isinstance(spread, Spread) else (spread,)
            lengths += [end / summary.input.sample_rate for end in ends if end is not None]
    line = f"{_clock(seconds)} of sound"
    if lengths:
        ends_text = dict.fromkeys(time_text(end) for end in (min(lengths), max(lengths)))
        line += f", windows of {' to '.join(ends_text)}"
    if counts.broken:
        line += f", {counts.broken:,} broken or failed"
    most = [f"{count} × {kind}" for kind, count in kinds.most_common(_KINDS)]
    return line, most + [f"{len(kinds) - _KINDS} other kinds"] * (len(kinds) > _KINDS)


def _find(directory: Path) -> list[tuple[Path, str]]:
    named = printable(directory)
    try:
        if not stat.S_ISDIR(directory.stat().st_mode):
            raise InputError(f"{named} is not a directory: name one that holds results of dstft")
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        reason = "no such directory" if missing else system_reason(error)
        raise InputError(f"{named}: {reason}: check the path") from error
    found = result_directories(directory)
    if found and found[0][0] == directory and found[0][1]:
        raise InputError(f"cannot read {named}: {found[0][1]}: check its permissions")
    if not found:
        raise InputError(
            f"{named} holds no {RECORD}, nor does any directory below it: "
            "name one in which dstft optimize or dstft batch has written"
        )
    return found


def _row(name: str, directory: Path, failure: str, page_folder: Path) -> dict[str, Any]:
    summary, broken = _read(directory, failure)
    warnings = [failure] if failure else []
    cells = [NONE] * len(COLUMNS)
    if summary is not None:
        warnings += summary.warnings
        cells = [column.cell(summary) for column in COLUMNS]
    plain = _picture(directory, "spectrogram")
    view = directory / "view.html"
    full = view if os.path.isfile(view) else _picture(directory, "comparison") or plain
    image = None
    reason = "no picture" if plain is None else f"no thumbnail of {plain.suffix[1:]}"
    if plain is not None and plain.suffix == ".png":
        image = thumbnail(plain)
        reason = "spectrogram.png cannot be read"
    return {
        "name": name,
        "folder": relative_url(directory, page_folder) if os.path.isdir(directory) else "",
        "picture": "" if full is None else relative_url(full, page_folder),
        "picture_name": "" if full is None else full.name,
        "image": image,
        "reason": reason,
        "cells": cells,
        "values_of": "" if summary is None else _alike(summary, _OF_VALUES),
        "gains_of": "" if summary is None else _alike(summary, _OF_GAINS),
        "broken": broken,
        "broken_as": "Failed" if broken == failure and "failed" in failure else "Broken",
        "warnings": warnings,
        "weight": 10**6 if broken else len(warnings),  # higher than any number of warnings
    }


def _alike(summary: Summary, names: tuple[str, ...]) -> str:
    """Equal for results whose values compare."""
    given = {**summary.settings, "n_fft": f"{summary.n_fft:.10g}"}
    found = (f"{name} {given[name]}" for name in names if given.get(name) is not None)
    return ", ".join(map(shortened, (summary.criterion.name, *found)))


def _read(directory: Path, failure: str) -> tuple[Summary | None, str]:
    if failure and not os.path.lexists(directory / RECORD):
        return None, failure
    path = directory / RECORD
    try:
        return read_result(path), ""
    except InputError as error:
        return None, str(error).replace(printable(path), RECORD)


def _picture(directory: Path, name: str) -> Path | None:
    places = (directory / f"{name}.{ending}" for ending in FIGURE_FORMATS)
    # unlike Path.is_file, it never raises
    return next((place for place in places if os.path.isfile(place)), None)


def _source(summary: Summary) -> Cell:
    path = summary.input.path
    name = "standard input" if path == "-" else PurePath(path).name or path
    return Cell(name, key=name, hint=path)


def _text(value: object) -> Cell:
    return Cell(value, key=value) if isinstance(value, str) else NONE


def _criterion(summary: Summary) -> Cell:
    scope = summary.settings.get("scope")
    return Cell(
        summary.criterion.name, scope if isinstance(scope, str) else "", summary.criterion.name
    )


def _number(value: float | None, detail: str = "") -> Cell:
    return NONE if value is None else Cell(f"{value:.5g}", detail, value)


def _at(summary: Summary) -> str:
    length = summary.best_fixed.win_length
    return "" if length is None else f"at{_GAP}{_times(summary, length)}"


def _gain(summary: Summary, reference: float | None) -> Cell:
    """The improvement of the final value over `reference`, as a share of it and in its unit."""
    final = summary.criterion.final
    if reference is None or final is None:
        return NONE
    gain = reference - final if summary.criterion.direction == "minimize" else final - reference
    share = 100 * gain / abs(reference or 100.0)
    if abs(share) < 100 * _LITTLE:
        return Cell("none", key=share)
    if not reference:
        return Cell(f"{gain:+.3g}")
    return Cell(f"{share:+.3g}{_GAP}%", f"{gain:+.3g}", share)


def _lengths(summary: Summary, spread: Spread | float | None) -> Cell:
    parts = (spread.min, spread.median, spread.max) if isinstance(spread, Spread) else (spread,)
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return NONE
    middle = known[len(known) // 2]
    known = [middle] if known[0] == known[-1] else known
    samples = " / ".join(number_text(value, 4) for value in known) + f"{_GAP}samples"
    return Cell(_times(summary, *known), samples, middle / summary.input.sample_rate)


def _times(summary: Summary, *samples: float) -> str:
    seconds = [value / summary.input.sample_rate for value in samples]
    unit = time_text(max(seconds)).split()[-1]
    factor = 1 if unit == "s" else 1000
    return " / ".join(number_text(value * factor, 3) for value in seconds) + _GAP + unit


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours:,}{_GAP}h {minutes:02}{_GAP}min"
    return f"{minutes}{_GAP}min {rest:02}{_GAP}s" if minutes else f"{seconds:.3g}{_GAP}s"


def _duration(summary: Summary) -> Cell:
    given = summary.input
    return Cell(_clock(given.seconds), f"{given.sample_rate / 1000:.5g}{_GAP}kHz", given.seconds)


COLUMNS = (
    Column("Input", _source, numeric=False),
    Column("Mode", lambda s: _text(s.settings.get("window_mode")), numeric=False),
    Column("Criterion", _criterion, numeric=False),
    Column("Start", lambda s: _number(s.criterion.start), group="values"),
    Column("Best fixed", lambda s: _number(s.best_fixed.value, _at(s)), group="values"),
    Column("Final", lambda s: _number(s.criterion.final), group="values"),
    Column(
        "Gain over start", lambda s: _gain(s, s.criterion.start), best_first=True, group="gains"
    ),
    Column(
        "Gain over best fixed",
        lambda s: _gain(s, s.best_fixed.value),
        best_first=True,
        group="gains",
    ),
    Column("Window length", lambda s: _lengths(s, s.window_length), "min / median / max"),
    Column("Hop", lambda s: _lengths(s, s.hop_length)),
    Column("n_fft", lambda s: Cell(f"{s.n_fft:.10g}", key=s.n_fft)),
    Column("Duration", _duration),
)
