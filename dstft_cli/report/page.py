"""The page in pieces of HTML: what stands before the rows, each row, and what stands after them.

Every text from outside passes `_text`, and no address but a relative one or a `data:` of our own is
ever written. The policy of the page admits its own style and script alone, by their checksums.
"""

from __future__ import annotations

import base64
import hashlib
import os
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path

from dstft_cli._version import __version__
from dstft_cli.names import FIGURE_FORMATS
from dstft_cli.report.columns import COLUMNS, NONE, Cell, Column
from dstft_cli.report.entry import Summary
from dstft_cli.report.names import displayed, relative_url
from dstft_cli.report.thumbnail import Thumbnail, thumbnail

RESULT, NOTES = "Result", "Warnings and errors"


@dataclass(frozen=True)
class Row:
    """One directory of the page.

    Attributes:
        number: its place in the order of paths, from 0.
        name: path below the directory that was searched.
        directory: where it is, absolute.
        content: its result, or the reason why there is none.
    """

    number: int
    name: str
    directory: Path
    content: Summary | str


def head(title: str, count: int) -> str:
    """Everything before the first row.

    Args:
        title: any text.
        count: results.
    """
    style, script = _asset("style.css"), _asset("script.js")
    policy = (
        f"default-src 'none'; style-src {_checksum(style)}; script-src {_checksum(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    cells = [
        _heading(Column(RESULT, lambda summary: NONE)),
        *map(_heading, COLUMNS),
        _heading(Column(NOTES, lambda summary: NONE, best_first=True)),
    ]
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<meta name="generator" content="dstft {_text(__version__)}">
<link rel="icon" href="data:,">
<title>{_text(title)}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1><bdi>{_text(title)}</bdi></h1>
<form role="search" hidden>
<label for="search">Search</label>
<input id="search" type="search" autocomplete="off" spellcheck="false" aria-keyshortcuts="/">
<kbd aria-hidden="true">/</kbd>
</form>
<p role="status">{count:,} result{"s" * (count != 1)}</p>
<noscript><p>Sorting and searching need JavaScript.</p></noscript>
</header>
<main>
<table role="table" aria-label="Results">
<thead role="rowgroup"><tr role="row">{"".join(cells)}</tr></thead>
<tbody role="rowgroup">
"""


def row(entry: Row, page_folder: Path) -> str:
    """One row; `page_folder` is the absolute directory of the page, for its addresses."""
    content = entry.content
    if isinstance(content, Summary):
        cells = [column.cell(content) for column in COLUMNS]
        notes = _notes(content.warnings)
        problems = len(content.warnings)
    else:
        cells = [NONE] * len(COLUMNS)
        notes = f"<p><strong>Broken:</strong> {_text(content)}</p>"
        problems = 10**6  # above any number of warnings
    filled = "".join(_cell(column, cell) for column, cell in zip(COLUMNS, cells, strict=True))
    kind = "" if isinstance(content, Summary) else ' class="broken"'
    return (
        f'<tr role="row"{kind}><th role="rowheader" scope="row" data-sort="{entry.number}">'
        f"{_result(entry, page_folder)}</th>{filled}"
        f'<td role="cell" class="notes" data-label="{NOTES}" data-sort="{problems}">{notes}</td>'
        "</tr>\n"
    )


def foot(broken: int) -> str:
    """Everything after the last row; `broken` is the number of results that could not be read."""
    note = "Every result could be read."
    if broken:
        plural = "results are" if broken != 1 else "result is"
        note = f"{broken:,} {plural} broken: search for “broken”."
    return f"""</tbody>
</table>
</main>
<footer><p>{note} Written by dstft {_text(__version__)}.</p></footer>
<script>{_asset("script.js")}</script>
</body>
</html>
"""


def _heading(column: Column) -> str:
    kind = "number" if column.numeric else "text"
    first = "descending" if column.best_first else "ascending"
    order = "ascending" if column.label == RESULT else "none"
    detail = f"<small>{column.detail}</small>" if column.detail else ""
    return (
        f'<th role="columnheader" scope="col" aria-sort="{order}" data-kind="{kind}" '
        f'data-first="{first}"><button type="button">{column.label}{detail}</button></th>'
    )


def _cell(column: Column, cell: Cell) -> str:
    attributes = f' data-label="{column.label}"'
    if column.numeric:
        attributes += ' class="number"'
    if cell.key is not None:
        key = cell.key if isinstance(cell.key, str) else repr(float(cell.key))
        attributes += f' data-sort="{_text(key)}"'
    if cell.hint:
        attributes += f' title="{_text(cell.hint)}"'
    detail = f"<small>{_text(cell.detail)}</small>" if cell.detail else ""
    return f'<td role="cell"{attributes}><bdi>{_text(cell.text)}</bdi>{detail}</td>'


def _notes(warnings: tuple[str, ...]) -> str:
    if not warnings:
        return "–"
    return "<ul>" + "".join(f"<li>{_text(warning)}</li>" for warning in warnings) + "</ul>"


def _result(entry: Row, page_folder: Path) -> str:
    """The thumbnail, a link to the full picture, above the name, a link to the directory."""
    full = _picture(entry.directory, "comparison") or _picture(entry.directory, "spectrogram")
    plain = _picture(entry.directory, "spectrogram")
    small = None
    if plain is not None and plain.suffix == ".png":
        small = thumbnail(plain)
        inside = "" if small is None else _image(small, entry)
        reason = "" if small is not None else "spectrogram.png cannot be read"
    else:
        reason = "no picture" if plain is None else f"no thumbnail of {plain.suffix[1:]}"
        inside = ""
    if full is None:
        picture = f"<p>{reason}</p>"
    elif inside:
        picture = f'<a class="picture" href="{_url(full, page_folder)}">{inside}</a>'
    else:
        picture = (
            f'<p>{reason}: <a class="picture" href="{_url(full, page_folder)}">{full.name}</a></p>'
        )
    folder = _url(entry.directory, page_folder)
    return f'{picture}<a class="folder" href="{folder}/"><bdi>{_text(entry.name)}</bdi></a>'


def _picture(directory: Path, name: str) -> Path | None:
    places = (directory / f"{name}.{ending}" for ending in FIGURE_FORMATS)
    # unlike Path.is_file, it never raises, as for a directory that may be listed but not entered
    return next((place for place in places if os.path.isfile(place)), None)


def _image(small: Thumbnail, entry: Row) -> str:
    data = base64.b64encode(small.jpeg).decode("ascii")
    alternative = _text(f"Spectrogram of {entry.name}")
    return (
        f'<img width="{small.width}" height="{small.height}" loading="lazy" decoding="async" '
        f'alt="{alternative}" src="data:image/jpeg;base64,{data}">'
    )


def _text(text: str) -> str:
    return escape(displayed(text))


def _url(target: Path, page_folder: Path) -> str:
    return escape(relative_url(target, page_folder))


@cache
def _asset(name: str) -> str:
    # read as text, which turns any line end into the \n that browsers compute the checksum of
    return files(__package__).joinpath(name).read_text(encoding="utf-8")


def _checksum(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")
    return f"'sha256-{digest}'"
