"""The page: well formed, complete, escaped, and what it admits."""

import base64
import hashlib
import os
import re
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin

import pytest
from report_example import a_picture, a_record, headings, make_result, plain, read_page, table
from test_report_names import HOSTILE

from dstft_cli._version import __version__
from dstft_cli.report import write_report

LABELS = [
    "Result",
    "Input",
    "Mode",
    "Criterion",
    "Start",
    "Best fixed",
    "Final",
    "Gain over start",
    "Gain over best fixed",
    "Window length",
    "Hop",
    "n_fft",
    "Duration",
    "Warnings and errors",
]


def page_of(folder, **options):
    return read_page(write_report(folder, force=True, **options))


def followed(page: Path, url: str) -> bytes:
    """The path that a browser opens for an address in the page."""
    return unquote_to_bytes(urljoin(page.as_uri(), url).removeprefix("file://"))


def test_one_result_with_all_its_figures(tmp_path):
    make_result(tmp_path / "a" / "owl-dstft")
    page = page_of(tmp_path)
    assert headings(page) == LABELS
    (row,) = table(page)
    assert {label: plain(row[label]) for label in LABELS} == {
        "Result": "a/owl-dstft",
        "Input": "owl.wav",
        "Mode": "time",
        "Criterion": "entropy",
        "Start": "3.5",
        "Best fixed": "0.33333at 6.06 ms",
        "Final": "0.25",
        "Gain over start": "+92.9 %+3.25",
        "Gain over best fixed": "+25 %+0.0833",
        "Window length": "1.28 / 3.75 / 8 ms10.25 / 30 / 64 samples",
        "Hop": "0.5 ms4 samples",
        "n_fft": "64",
        "Duration": "1 min 15 s8 kHz",
        "Warnings and errors": "the best length is the bound 64: raise --win-length-max",
    }
    assert {label: row[label].attributes.get("data-sort") for label in LABELS} == {
        "Result": "0",
        "Input": "owl.wav",
        "Mode": "time",
        "Criterion": "entropy",
        "Start": "3.5",
        "Best fixed": repr(1 / 3),
        "Final": "0.25",
        "Gain over start": repr(325 / 3.5),
        "Gain over best fixed": repr(100 * (1 / 3 - 0.25) / (1 / 3)),
        "Window length": "0.00375",
        "Hop": "0.0005",
        "n_fft": "64.0",
        "Duration": "75.2",
        "Warnings and errors": "1",
    }
    assert row["Input"]["title"] == "/recordings/owl.wav"


@pytest.mark.parametrize(
    ("changes", "label", "text", "key"),
    [
        ({"input__path": "-"}, "Input", "standard input", "standard input"),
        ({"window_length": 48.5}, "Window length", "6.06 ms48.5 samples", repr(48.5 / 8000)),
        ({"window_length": 7998.4}, "Window length", "1 s7998 samples", repr(7998.4 / 8000)),
        ({"window_length": 16000.4}, "Window length", "2 s16000 samples", repr(16000.4 / 8000)),
        ({"hop_length": None}, "Hop", "–", None),
        ({"criterion__start": None}, "Gain over start", "–", None),
        ({"criterion__start": 0.0}, "Gain over start", "-0.25", None),
        ({"criterion__direction": "maximize"}, "Gain over start", "-92.9 %-3.25", repr(-325 / 3.5)),
        ({"criterion__best_fixed__value": None}, "Best fixed", "–", None),
        ({"input__seconds": 0.0125}, "Duration", "0.0125 s8 kHz", "0.0125"),
        ({"input__seconds": 7260.0}, "Duration", "2 h 01 min8 kHz", "7260.0"),
        ({"warnings": []}, "Warnings and errors", "–", "0"),
        ({"settings": {}}, "Mode", "–", None),
    ],
    ids=str,
)
def test_cells_of_other_results(tmp_path, changes, label, text, key):
    make_result(tmp_path / "a", a_record(**changes))
    (row,) = table(page_of(tmp_path))
    assert (plain(row[label]), row[label].attributes.get("data-sort")) == (text, key)


def test_headings_are_buttons_that_say_how_the_rows_are_sorted(tmp_path):
    make_result(tmp_path / "a")
    cells = page_of(tmp_path).one("thead").all("th")
    assert [cell["aria-sort"] for cell in cells] == ["ascending"] + ["none"] * 13
    assert [cell.one("button")["type"] for cell in cells] == ["button"] * 14
    texts = [cell.one("button").parts[0] for cell in cells if cell["data-kind"] == "text"]
    assert texts == ["Input", "Mode", "Criterion"]


def test_the_search_field_has_a_label(tmp_path):
    make_result(tmp_path / "a")
    page = page_of(tmp_path)
    assert page.one("label")["for"] == page.one("input")["id"]
    assert page.one("label").text == "Search"


def test_nothing_runs_or_loads_but_the_pages_own(tmp_path):
    make_result(tmp_path / "a")
    page = page_of(tmp_path)
    policy = next(m for m in page.all("meta") if "http-equiv" in m.attributes)
    assert policy["http-equiv"] == "Content-Security-Policy"
    rules = dict(rule.strip().split(" ", 1) for rule in policy["content"].split(";"))

    def checksum(tag):
        digest = hashlib.sha256(page.one(tag).text.encode("utf-8")).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    assert rules == {
        "default-src": "'none'",
        "style-src": checksum("style"),
        "script-src": checksum("script"),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"<[^>]*\s(on\w+|style)=", text.replace(page.one("script").text, ""))
    assert "://" not in text


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_shown_and_their_links_lead_to_the_files(tmp_path, name):
    folder = make_result(tmp_path / "x" / name, a_record(input__path=name, warnings=[name]))
    output = write_report(tmp_path)
    page = read_page(output)
    (row,) = table(page)
    assert len(page.all("script")) == 1
    shown = name.encode("unicode_escape").decode() if not name.isprintable() else name
    assert row["Result"].text == f"x/{shown}"
    assert row["Warnings and errors"].text == shown
    assert row["Input"]["title"] == shown
    assert row["Result"].one("img")["alt"] == f"Spectrogram of x/{shown}"
    picture, directory = row["Result"].all("a")
    assert followed(output, picture["href"]) == os.fsencode(folder / "comparison.png")
    assert followed(output, directory["href"]) == os.fsencode(folder) + b"/"
    assert os.path.isfile(followed(output, picture["href"]))


def test_hostile_texts_in_every_field_are_shown(tmp_path):
    text = "\"'><script>alert(1)</script><!--&amp;"
    record = a_record(
        settings={"window_mode": text},
        criterion__name=text,
        input__path=f"/a/{text}",
        warnings=[text],
    )
    make_result(tmp_path / "a", record)
    page = page_of(tmp_path, title=text)
    (row,) = table(page)
    assert page.one("title").text == page.one("h1").text == text
    assert row["Mode"].text == row["Criterion"].text == row["Warnings and errors"].text == text
    assert row["Input"].text == "script><!--&amp;"  # its last part, for / ends a directory
    assert row["Input"]["title"] == f"/a/{text}"
    assert len(page.all("script")) == 1


def test_links_lead_from_a_page_elsewhere(tmp_path):
    folder = make_result(tmp_path / "results" / "a b")
    (tmp_path / "link").symlink_to("results")
    output = write_report(tmp_path / "link", output=tmp_path / "pages" / "deep" / "all.html")
    (row,) = table(read_page(output))
    picture = row["Result"].one("img"), row["Result"].all("a")[0]
    assert picture[1]["href"] == "../../results/a%20b/comparison.png"
    assert followed(output, picture[1]["href"]) == os.fsencode(folder / "comparison.png")


def test_the_thumbnail_is_in_the_page(tmp_path):
    make_result(tmp_path / "a")
    (row,) = table(page_of(tmp_path))
    image = row["Result"].one("img")
    kind, data = image["src"].split(",")
    assert kind == "data:image/jpeg;base64"
    assert base64.b64decode(data, validate=True).startswith(b"\xff\xd8\xff")
    assert len(image["src"]) <= 10_000
    assert image["loading"] == "lazy"
    assert int(image["width"]) > int(image["height"]) > 20


@pytest.mark.parametrize(
    ("files", "text", "linked"),
    [
        ([], "no picture", None),
        (["spectrogram.svg", "comparison.svg"], "no thumbnail of svg", "comparison.svg"),
        (["spectrogram.pdf"], "no thumbnail of pdf", "spectrogram.pdf"),
        (["comparison.png"], "no picture", "comparison.png"),
        (["spectrogram.png (damaged)"], "spectrogram.png cannot be read", "spectrogram.png"),
        (["spectrogram.png"], "", "spectrogram.png"),
        (["spectrogram.png (a directory)"], "no picture", None),
    ],
    ids=str,
)
def test_what_there_is_of_pictures_is_said_and_linked(tmp_path, files, text, linked):
    folder = make_result(tmp_path / "a", pictures=False)
    for file in files:
        name, _, kind = file.partition(" ")
        if kind == "(a directory)":
            (folder / name).mkdir()
        elif kind or not name.endswith(".png"):
            (folder / name).write_text("<svg/>")
        else:
            a_picture().save(folder / name)
    (row,) = table(page_of(tmp_path))
    links = [link["href"] for link in row["Result"].all("a")]
    assert links == [*([f"a/{linked}"] if linked else []), "a/"]
    named = f": {linked}" if text and linked else ""
    assert row["Result"].text == f"{text}{named}a"
    assert len(row["Result"].all("img")) == (not text)


def test_a_broken_result_keeps_its_place_and_says_why(tmp_path):
    make_result(tmp_path / "a")
    make_result(tmp_path / "b<i>", "{")
    make_result(tmp_path / "c")
    page = page_of(tmp_path)
    rows = table(page)
    assert [row["Result"].text for row in rows] == ["a", "b<i>", "c"]
    assert [plain(rows[1][label]) for label in LABELS[1:-1]] == ["–"] * 12
    assert all("data-sort" not in rows[1][label].attributes for label in LABELS[1:-1])
    assert rows[1]["Warnings and errors"].text == (
        "Broken: result.json is not JSON or is damaged: run dstft optimize again"
    )
    assert len(rows[1]["Result"].all("img")) == 1
    assert page.one("footer").text == (
        f"1 result is broken: search for “broken”. Written by dstft {__version__}."
    )


def test_title_and_count(tmp_path):
    make_result(tmp_path / "owls & co" / "a")
    page = page_of(tmp_path / "owls & co")
    assert page.one("title").text == page.one("h1").text == "Results in owls & co"
    assert page.one("footer").text.startswith("Every result could be read. ")
    status = next(p for p in page.all("p") if p.attributes.get("role") == "status")
    assert status.text == "1 result"
    text = (tmp_path / "owls & co" / "report.html").read_text(encoding="utf-8")
    assert "<title>Results in owls &amp; co</title>" in text
    assert page_of(tmp_path, title="Owls of 2025").one("title").text == "Owls of 2025"
