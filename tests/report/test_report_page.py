"""The page and its pictures: well formed, complete, escaped; what stays when it fails."""

import base64
import hashlib
import io
import json
import os
import random
import re
import struct
import tracemalloc
import zlib
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin

import numpy as np
import pytest
from PIL import Image

from dstft_cli.batch import plan
from dstft_cli.errors import InputError, UsageError
from dstft_cli.report import build_report, entry, write_report
from dstft_cli.report.entry import LARGEST, SIZES, axes_box, thumbnail
from dstft_cli.view.html import displayed, relative_url
from report.report_example import (
    BOX,
    HOSTILE,
    a_picture,
    a_record,
    headings,
    make_result,
    names,
    plain,
    read_page,
    table,
)

NOTES = "Warnings and errors"


def page_of(folder, **options):
    return read_page(write_report(folder, force=True, **options))


def row_of(folder, **options):
    (row,) = table(page_of(folder, **options))
    return row


def followed(page: Path, url: str) -> bytes:
    """The path that a browser opens for an address in the page."""
    return unquote_to_bytes(urljoin(page.as_uri(), url).removeprefix("file://"))


def test_one_result_with_all_its_figures(tmp_path):
    make_result(tmp_path / "a" / "owl-dstft")
    page = page_of(tmp_path)
    (row,) = table(page)
    gain = 100 * (1 / 3 - 0.25) / (1 / 3)
    cells = {
        "Result": ("a/owl-dstft", "0"),
        "Input": ("owl.wav", "owl.wav"),
        "Mode": ("time", "time"),
        "Criterion": ("entropy", "entropy"),
        "Start": ("3.5", "3.5"),
        "Best fixed": ("0.33333at 6.06 ms", repr(1 / 3)),
        "Final": ("0.25", "0.25"),
        "Gain over start": ("+92.9 %+3.25", repr(325 / 3.5)),
        "Gain over best fixed": ("+25 %+0.0833", repr(gain)),
        "Window length": ("1.28 / 3.75 / 8 ms10.25 / 30 / 64 samples", "0.00375"),
        "Hop": ("0.5 ms4 samples", "0.0005"),
        "n_fft": ("64", "64"),
        "Duration": ("1 min 15 s8 kHz", "75.2"),
        NOTES: ("the best length is the bound 64: raise --win-length-max", "1"),
    }
    assert headings(page) == list(cells)
    assert {c: (plain(row[c]), row[c].attributes.get("data-sort")) for c in cells} == cells
    assert row["Input"]["title"] == "/sounds/owl.wav"
    heads = page.one("thead").all("th")
    assert [cell["aria-sort"] for cell in heads] == ["ascending"] + ["none"] * 13
    assert [cell.one("button")["type"] for cell in heads] == ["button"] * 14
    assert page.one("label")["for"] == page.one("input")["id"]
    image = row["Result"].one("img")
    assert base64.b64decode(image["src"].split(",")[1]).startswith(b"\xff\xd8\xff")
    assert len(image["src"]) <= 10_000


def test_cells_of_other_results(tmp_path):
    def gain(start: float) -> str:
        return repr(100 * (start - 0.25) / start)

    for changes, label, text, key in (
        ({"input__path": "-"}, "Input", "standard input", "standard input"),
        ({"window_length": 48.5}, "Window length", "6.06 ms48.5 samples", repr(48.5 / 8000)),
        ({"hop_length": None}, "Hop", "–", None),
        ({"criterion__start": float("nan")}, "Start", "–", None),
        ({"criterion__start": 0.0}, "Gain over start", "-0.25", None),
        ({"criterion__start": 0.2502}, "Gain over start", "none", gain(0.2502)),
        ({"criterion__start": 0.2503}, "Gain over start", "+0.12 %+0.0003", gain(0.2503)),
        ({"criterion__direction": "maximize"}, "Gain over start", "-92.9 %-3.25", repr(-325 / 3.5)),
        ({"criterion__best_fixed": None}, "Gain over best fixed", "–", None),
        ({"input__seconds": 7260.0}, "Duration", "2 h 01 min8 kHz", "7260.0"),
        ({"warnings": []}, NOTES, "–", "0"),
        ({"settings": {}}, "Mode", "–", None),
    ):
        (tmp_path / "a").mkdir(exist_ok=True)
        (tmp_path / "a" / "result.json").write_text(json.dumps(a_record(**changes)))
        row = row_of(tmp_path)
        assert (plain(row[label]), row[label].attributes.get("data-sort")) == (text, key), changes


def test_only_values_that_compare_are_sorted_together(tmp_path):
    settings = {"scope": "local", "normalization": "energy"}
    for name, changes in (
        ("a", {}),
        ("b", {"criterion__final": 9.0}),
        ("c", {"n_fft": 128}),
        ("d", {"criterion__name": "gini"}),
        ("e", {"settings": {**settings, "order": 3.0}}),
    ):
        make_result(tmp_path / name, a_record(**{"settings": settings, **changes}), pictures=False)
    make_result(tmp_path / "f", "{")
    page = page_of(tmp_path)
    heads = page.one("thead").all("th")
    of = {head.one("button").text: head.attributes.get("data-group") for head in heads}
    labels = "Start", "Final", "Gain over start", "Input"
    assert [of[label] for label in labels] == ["values", "values", "gains", None]
    a, b, c, d, e, broken = (row.attributes for row in page.one("tbody").all("tr"))
    assert a["data-values"] == b["data-values"]
    assert a["data-values"] == "entropy, scope local, normalization energy, n_fft 64"
    assert len({row["data-values"] for row in (a, c, d, e)}) == 4
    assert a["data-gains"] == c["data-gains"]
    assert len({row["data-gains"] for row in (a, d, e)}) == 3
    assert "data-values" not in broken


def test_nothing_runs_or_loads_but_the_pages_own(tmp_path):
    make_result(tmp_path / "a")
    page = page_of(tmp_path)
    policy = next(m for m in page.all("meta") if "http-equiv" in m.attributes)
    assert policy["http-equiv"] == "Content-Security-Policy"

    def checksum(tag):
        digest = hashlib.sha256(page.one(tag).text.encode("utf-8")).digest()
        return f"'sha256-{base64.b64encode(digest).decode()}'"

    assert dict(rule.strip().split(" ", 1) for rule in policy["content"].split(";")) == {
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


def test_hostile_names_are_shown_and_their_links_lead_to_the_files(tmp_path, monkeypatch):
    for name in HOSTILE:
        texts = {"settings": {"window_mode": name}, "criterion__name": name, "warnings": [name]}
        make_result(tmp_path / name, a_record(input__path=name, **texts))
    title = "\"'><script>alert(1)</script><!--&amp;{{ 7 }}"
    output = write_report(tmp_path, title=title)
    page = read_page(output)
    assert len(page.all("script")) == 1
    assert page.one("title").text == page.one("h1").text == title
    for row, name in zip(table(page), sorted(HOSTILE, key=os.fsencode), strict=True):
        shown = displayed(name)
        assert row["Result"].text == row[NOTES].text == row["Input"]["title"] == shown
        assert row["Mode"].text == row["Criterion"].text == shown
        assert row["Result"].one("img")["alt"] == f"Spectrogram of {shown}"
        picture, directory = row["Result"].all("a")
        assert followed(output, picture["href"]) == os.fsencode(tmp_path / name / "comparison.png")
        assert followed(output, directory["href"]) == os.fsencode(tmp_path / name) + b"/"
    assert displayed("a\0b\u202e\u2028نرم\u200cافزار") == "a\\x00b\\u202e\\u2028نرم\u200cافزار"
    monkeypatch.setattr("os.path.relpath", lambda path, start: int("another drive"))
    assert relative_url(Path("/a b"), Path("/c")) == "file:///a%20b"


def test_what_there_is_of_pictures_is_said_and_linked(tmp_path):
    for number, (files, text, linked) in enumerate(
        (
            (["spectrogram.svg", "comparison.svg"], "no thumbnail of svg", "comparison.svg"),
            (["comparison.png"], "no picture", "comparison.png"),
            (["spectrogram.png (damaged)"], "spectrogram.png cannot be read", "spectrogram.png"),
            (["spectrogram.png"], "", "spectrogram.png"),
            (["spectrogram.png (a directory)"], "no picture", None),
        )
    ):
        top = tmp_path / str(number)
        folder = make_result(top / "a", pictures=False)
        for file in files:
            name, _, kind = file.partition(" ")
            if kind == "(a directory)":
                (folder / name).mkdir()
            elif kind or not name.endswith(".png"):
                (folder / name).write_text("<svg/>")
            else:
                a_picture().save(folder / name)
        result = row_of(top)["Result"]
        links = [link["href"] for link in result.all("a")]
        assert links == [*([f"a/{linked}"] if linked else []), "a/"]
        assert result.text == f"{text}{f': {linked}' if text and linked else ''}a"
        assert len(result.all("img")) == (not text)


def test_broken_results_keep_their_place_and_name_the_field(tmp_path):
    make_result(tmp_path / "0")
    for number, (changes, field) in enumerate(
        (
            ({"criterion": 5}, "criterion"),
            ({"input": None}, "input"),
            ({"criterion__best_fixed": {}}, "criterion.best_fixed.win_length"),
            ({"criterion__direction": "up"}, "criterion.direction"),
            ({"criterion__final": 10**400}, "criterion.final"),
            ({"input__sample_rate": 0}, "input.sample_rate"),
            ({"input__seconds": -1}, "input.seconds"),
            ({"window_length": "long"}, "window_length"),
            ({"warnings": [1]}, "warnings"),
        )
    ):
        make_result(tmp_path / "1" / f"{number:02}", json.dumps(a_record(**changes)))
        row = table(page_of(tmp_path))[number + 1]
        assert row[NOTES].text.startswith(f"Broken: result.json: {field}"), row[NOTES].text
        assert plain(row["Final"]) == "–"
    for text in ("{", "[" * 100_000, "[1]"):
        (tmp_path / "0" / "result.json").write_text(text)
        assert table(page_of(tmp_path))[0][NOTES].text.startswith("Broken: result.json ")
    report = build_report(tmp_path, force=True)
    assert (report.results, report.broken, len(report.warnings)) == (10, 10, 1)


def test_what_is_no_file_or_too_large_is_not_read(tmp_path, monkeypatch):
    make_result(tmp_path / "zz", pictures=False)
    for name in ("dir", "fifo", "link", "zero"):
        (tmp_path / name).mkdir()
    (tmp_path / "dir" / "result.json").mkdir()
    os.mkfifo(tmp_path / "fifo" / "result.json")
    (tmp_path / "link" / "result.json").symlink_to("nowhere")
    (tmp_path / "zero" / "result.json").symlink_to("/dev/zero")
    (tmp_path / "huge").mkdir()
    with open(tmp_path / "huge" / "result.json", "wb") as file:
        file.truncate(3 << 30)
    rows = table(page_of(tmp_path))
    assert [row[NOTES].text.partition(":")[0] for row in rows[:-1]] == ["Broken"] * 5
    assert rows[-1]["Input"].text == "owl.wav"


def test_failed_jobs_of_a_batch_appear_with_their_reason(tmp_path):
    assert plan.JOURNAL == entry.JOURNAL
    make_result(tmp_path / "out" / "good", pictures=False)
    make_result(tmp_path / "out" / "old", pictures=False)
    lines = [
        {"output": "deep/er/bad", "status": "failed", "error": "<b>: is empty"},
        {"output": "good", "status": "failed", "error": "first"},
        {"output": "good", "status": "done"},
        {"output": "old", "status": "failed", "error": "later"},
        {"output": "../out", "status": "failed", "error": "elsewhere"},
        {"output": "/etc", "status": "failed", "error": "elsewhere"},
        {"output": 5, "status": "failed"},
    ]
    journal = "\n".join(["[", *map(json.dumps, lines), "{"])
    (tmp_path / "out" / "batch-journal.jsonl").write_text(journal)
    page = page_of(tmp_path)
    bad, good, old = table(page)
    assert bad["Result"].text.endswith("out/deep/er/bad")
    assert bad["Result"].all("a") == []
    assert bad[NOTES].text == "Failed: the last attempt failed: <b>: is empty"
    assert "failed" not in good[NOTES].text
    assert "later" in old[NOTES].text
    kinds = page.one("header").one("ul").all("li")
    assert "2 × the last attempt failed" in [kind.text for kind in kinds]
    assert old["Input"].text == "owl.wav"
    assert build_report(tmp_path, force=True).broken == 1
    os.unlink(tmp_path / "out" / "batch-journal.jsonl")
    os.mkfifo(tmp_path / "out" / "batch-journal.jsonl")
    assert names(page_of(tmp_path)) == ["out/good", "out/old"]


def test_results_are_found_at_every_depth_in_the_order_of_their_paths(tmp_path, monkeypatch):
    places = [".hidden", "Z", "a", "a/b/c/d", "a/z", "a-b", "a10", "a2", "b", "é"]
    for place in random.Random(0).sample(places, len(places)):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "result.json").write_text("{}")
    make_result(tmp_path / ".b.0123abcd.partial")
    (tmp_path / "again").symlink_to(".")
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refusing(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    page = page_of(tmp_path)
    assert names(page) == [*places[:-1], "closed", "é"]
    assert table(page)[-2][NOTES].text.endswith("cannot be listed: permission denied")
    make_result(tmp_path / "owl-dstft")
    assert names(page_of(tmp_path / "owl-dstft")) == ["."]


def test_an_existing_page_is_kept_and_no_link_is_followed(tmp_path):
    with pytest.raises(InputError, match=r"holds no result\.json"):
        write_report(tmp_path)
    make_result(tmp_path / "a", pictures=False)
    with pytest.raises(UsageError, match="is HTML"):
        write_report(tmp_path, output=tmp_path / "song.wav", force=True)
    page = tmp_path / "report.html"
    page.write_text("mine")
    with pytest.raises(UsageError, match=r"report\.html exists"):
        write_report(tmp_path)
    page.rename(tmp_path / "precious")
    page.symlink_to("precious")
    with pytest.raises(UsageError, match="is a link"):
        write_report(tmp_path, force=True)
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_summary_stands_above_the_table(tmp_path):
    warnings = ["the length is 64.5 samples: raise", "the length is 7 samples: lower it", "other"]
    make_result(tmp_path / "a", a_record(warnings=warnings), pictures=False)
    changes = {"window_length": 0.5, "input__seconds": 3525.0, "input__sample_rate": 1000}
    make_result(tmp_path / "b", a_record(warnings=warnings[1:2], **changes), pictures=False)
    make_result(tmp_path / "c", "{")
    header = page_of(tmp_path).one("header")
    assert [plain(p) for p in header.all("p")] == [
        "3 results",
        "1 h 00 min of sound, windows of 0.5 ms to 8 ms, 1 broken or failed",
        "Sorting and searching need JavaScript.",
    ]
    assert [li.text for li in header.all("li")][:2] == ["3 × the length is … samples", "1 × other"]
    many = [f"kind {chr(97 + kind)}" for kind in range(10)]
    make_result(tmp_path / "g" / "d", a_record(warnings=many), pictures=False)
    items = page_of(tmp_path / "g").one("header").all("li")
    assert [li.text for li in items[-2:]] == ["1 × kind h", "2 other kinds"]
    make_result(tmp_path / "e" / "f", a_record(warnings=[]), pictures=False)
    assert page_of(tmp_path / "e").one("header").all("ul") == []


def test_links_titles_and_counts_of_a_page_elsewhere(tmp_path):
    folder = make_result(tmp_path / "owls & co" / "a b")
    (tmp_path / "link").symlink_to("owls & co")
    output = tmp_path / "pages" / "deep" / "all.html"
    calls = []
    build_report(tmp_path / "link", output=output, progress=lambda *call: calls.append(call))
    assert calls == [("reading", 0, 1), ("report", 1, 1)]
    page = read_page(output)
    (row,) = table(page)
    link = row["Result"].all("a")[0]["href"]
    assert link == "../../owls%20%26%20co/a%20b/comparison.png"
    assert followed(output, link) == os.fsencode(folder / "comparison.png")
    (folder / "view.html").touch()  # the interactive page
    build_report(tmp_path / "link", output=output, force=True)
    (row,) = table(read_page(output))
    link = row["Result"].all("a")[0]["href"]
    assert followed(output, link) == os.fsencode(folder / "view.html")
    assert page.one("title").text == page.one("h1").text == "Results in owls & co"
    status = next(p for p in page.all("p") if p.attributes.get("role") == "status")
    assert status.text == "1 result"
    assert page_of(tmp_path, title="Owls of 2025").one("title").text == "Owls of 2025"


def test_the_picture_within_the_axes_is_found_whatever_its_colours():
    for colour in ("navy", "black", "white", "gold"):
        box = axes_box(a_picture(colour))
        assert all(0 < abs(at - edge) <= 12 for at, edge in zip(box, BOX, strict=True)), colour
        whole = axes_box(Image.new("RGB", (90, 40), colour))  # a picture without axes
        assert whole[2:] in ((90, 40), (87, 36))


def test_colours_survive_and_noise_of_any_kind_becomes_small(tmp_path):
    path, rng = tmp_path / "spectrogram.png", np.random.default_rng(0)
    a_picture("green").save(path)
    small = thumbnail(path)
    picture = Image.open(io.BytesIO(small.jpeg))
    assert (picture.format, picture.size) == ("JPEG", (small.width, small.height))
    assert np.abs(np.asarray(picture, dtype=int) - [0, 128, 0]).max() <= 8
    noise = Image.fromarray(rng.integers(0, 256, (600, 1300, 3), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 2**16, (600, 1300), dtype=np.uint16))
    for image in (deep, *map(noise.convert, ("RGB", "RGBA", "L", "P"))):
        image.save(path)
        small = thumbnail(path)
        assert len(small.jpeg) <= LARGEST
        assert small.width <= SIZES[0][0]
        assert small.height <= SIZES[0][1]


def test_no_thumbnail_of_what_cannot_be_read(tmp_path):
    path = tmp_path / "spectrogram.png"
    a_picture().save(path)
    png = path.read_bytes()
    a_picture().save(path, "JPEG")
    jpeg = path.read_bytes()
    Image.new("1", (2**14, 2**11)).save(path, "PNG")  # four kilobytes, and right
    large = path.read_bytes()
    second = png[8:33]  # its header once more, and larger
    second = second[:8] + struct.pack(">2I", 20_000, 20_000) + second[16:21]
    second += struct.pack(">I", zlib.crc32(second[4:]))
    for content in (
        b"",
        png[:60],
        png[: len(png) // 2],
        png[:16] + struct.pack(">2I", 2**31 - 1, 2**31 - 1) + png[24:],
        png[:33] + second + png[33:],
        png[:40] + bytes(50) + png[90:],
        jpeg,
        large,
        b"P6\n60 30\n255\n" + bytes(60 * 30 * 3),
    ):
        path.write_bytes(content)
        tracemalloc.start()
        assert thumbnail(path) is None
        assert tracemalloc.get_traced_memory()[1] < 2**25
        tracemalloc.stop()
    assert thumbnail(tmp_path / "missing.png") is None
    path.unlink()
    os.mkfifo(path)
    assert thumbnail(path) is None
