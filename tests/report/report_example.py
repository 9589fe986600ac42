"""Results for the tests of reports, and a reader that holds pages to being well formed."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from dstft_cli.results import write_json

HOSTILE = [
    *("a b", "50%", "%41", "what?x=1#part", "quo\"te's", "<script>alert(1)<\\script>", "&amp;"),
    *("javascript:alert(1)", "🎵 bird", "line\nbreak", "bad\udcff", "\u202edcba"),
    *("-rf", "{{ 7 * 7 }}"),
]
VOID = {"meta", "link", "input", "img"}
BOX = (50, 20, 250, 120)  # left, top, right, bottom of the axes of `a_picture`, the frame included


def a_record(**changes: Any) -> dict[str, Any]:
    """A record as `dstft optimize` writes it; `changes` replace fields, `a__b` those of groups."""
    record: dict[str, Any] = {
        "version": "0.1",
        "settings": {"window_mode": "time"},
        "input": {"path": "/sounds/owl.wav", "sha256": "", "sample_rate": 8000, "seconds": 75.2},
        "outputs": {},
        "criterion": {"name": "entropy", "direction": "minimize", "start": 3.5, "final": 0.25}
        | {"best_fixed": {"win_length": 48.5, "value": 1 / 3}, "table_bound": None},
        "window_length": {"min": 10.25, "median": 30.0, "max": 64.0},
        "hop_length": 4.0,
        "n_fft": 64,
        "warnings": ["the best length is the bound 64: raise --win-length-max"],
    }
    for name, value in changes.items():
        *groups, last = name.split("__")
        place = record
        for group in groups:
            place = place[group]
        place[last] = value
    return record


def a_picture(colour: str = "navy") -> Image.Image:
    """Like a spectrogram.png: a title, a dark frame with ticks, a picture in it, a colour bar."""
    picture = Image.new("RGB", (300, 150), "white")
    draw = ImageDraw.Draw(picture)
    draw.text((50, 2), "owl.wav", fill="black")
    left, top, right, bottom = BOX
    draw.rectangle((left, top, right - 1, bottom - 1), fill=colour, outline="#222222")
    draw.line((left - 5, top, left, top), fill="#222222")
    draw.rectangle((260, top, 270, bottom - 1), fill="gold", outline="#222222")
    return picture


def make_result(
    folder: Path, record: dict[str, Any] | str | None = None, *, pictures: bool = True
) -> Path:
    """A directory of results; `record` as text is written as it is."""
    folder.mkdir(parents=True)
    if isinstance(record, str):
        (folder / "result.json").write_text(record, encoding="utf-8")
    else:
        write_json(folder / "result.json", a_record() if record is None else record)
    if pictures:
        a_picture().save(folder / "spectrogram.png")
        a_picture("green").save(folder / "comparison.png")
    return folder


@dataclass
class Element:
    tag: str
    attributes: dict[str, str | None]
    parts: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(part if isinstance(part, str) else part.text for part in self.parts)

    def all(self, tag: str) -> list[Element]:
        """Every element of a tag inside this one, in order."""
        found = []
        for part in self.parts:
            if isinstance(part, Element):
                found += [part] if part.tag == tag else []
                found += part.all(tag)
        return found

    def one(self, tag: str) -> Element:
        (element,) = self.all(tag)
        return element

    def __getitem__(self, name: str) -> str | None:
        return self.attributes[name]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.root = Element("", {})
        self.open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), f"an attribute twice in {tag}: {attrs}"
        element = Element(tag, dict(attrs))
        self.open[-1].parts.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop().tag == tag, f"</{tag}> closes another element"

    def handle_data(self, data: str) -> None:
        self.open[-1].parts.append(data)


def read_page(path: Path) -> Element:
    """The elements of a page; fails where one is not closed, or closed twice."""
    reader = _Reader()
    text = path.read_bytes().decode("utf-8")
    assert text.startswith("<!DOCTYPE html>\n")
    reader.feed(text)
    reader.close()
    assert [element.tag for element in reader.open] == [""], "elements are left open"
    return reader.root


def table(page: Element) -> list[dict[str, Element]]:
    """The rows, each by the labels of the headings."""
    labels = headings(page)
    rows = []
    for row in page.one("tbody").all("tr"):
        cells = [part for part in row.parts if isinstance(part, Element)]
        assert [cell.tag for cell in cells] == ["th", *["td"] * (len(labels) - 1)]
        assert [cell["data-label"] for cell in cells[1:]] == labels[1:]
        rows.append(dict(zip(labels, cells, strict=True)))
    return rows


def headings(page: Element) -> list[str]:
    """The labels of the columns."""
    buttons = page.one("thead").all("button")
    return [button.parts[0] for button in buttons if isinstance(button.parts[0], str)]


def names(page: Element) -> list[str]:
    """The names of the results, in the order of the rows."""
    return [row["Result"].all("a")[-1].text for row in table(page)]


def plain(cell: Element) -> str:
    """The text of a cell, its spaces made plain."""
    return cell.text.replace("\u00a0", " ")
