"""Names as text and as addresses."""

import os
from pathlib import Path
from urllib.parse import unquote_to_bytes, urljoin, urlsplit

import pytest

from dstft_cli.report.names import displayed, relative_url

HOSTILE = [
    "a b",
    "50%",
    "%41",
    "what?x=1#part",
    "quo\"te's",
    "<script>alert(1)<\\script>",
    "&amp;",
    "javascript:alert(1)",
    "🎵 bird",
    "line\nbreak",
    "tab\there",
    "bad\udcff",
    "\u202edcba",
    "-rf",
    "..x",
]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_an_address_leads_to_its_file(tmp_path, name):
    page = tmp_path / "page"
    url = relative_url(tmp_path / name / name, page)
    assert url.isascii()
    assert urlsplit(url)[:2] == ("", "")
    assert urlsplit(url)[3:] == ("", "")
    joined = urljoin((page / "report.html").as_uri(), url)
    found = unquote_to_bytes(joined.removeprefix("file://"))
    assert found == os.fsencode(tmp_path / name / name)


def test_an_address_below_the_page_has_no_way_up():
    assert relative_url(Path("/a/b/c"), Path("/a")) == "b/c"
    assert relative_url(Path("/a:b"), Path("/")) == "a%3Ab"
    assert relative_url(Path("/a"), Path("/a")) == "."


def test_without_a_relative_address_the_whole_one_is_given(monkeypatch):
    def other_drive(path, start):
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("os.path.relpath", other_drive)
    assert relative_url(Path("/a b"), Path("/c")) == "file:///a%20b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\tc\0", r"a\nb\tc\x00"),
        ("bad\udcff", r"bad\udcff"),
        ("\u202eabc", r"\u202eabc"),
        ("line\u2028end", r"line\u2028end"),
        ("back\\slash", "back\\slash"),
        ("نرم\u200cافزار", "نرم\u200cافزار"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("日本\u3000語", "日本\u3000語"),
        ("Grünspecht & <b>", "Grünspecht & <b>"),
    ],
    ids=ascii,
)
def test_text_is_one_line_that_can_be_encoded(text, shown):
    assert displayed(text) == shown
    assert displayed(text).encode("utf-8").decode("utf-8") == shown
