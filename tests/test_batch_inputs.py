"""Paths and patterns: which files they name, each once, and by which way."""

import re

import pytest

from dstft_cli.batch.entries import Entry
from dstft_cli.batch.inputs import input_files
from dstft_cli.errors import UsageError


@pytest.fixture
def files(tmp_path):
    def found(*texts: str, patterns: bool = True) -> list[tuple[str, str]]:
        entry = Entry([(text, "batch.yaml:1") for text in texts], patterns, "", ())
        return list(input_files(entry, str(tmp_path), None))

    for name in ("a.wav", "b.wav", "in/one/a.wav", "in/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return found


def test_overlapping_patterns_of_one_job_count_once(files):
    assert files("*.wav", "a.wav", "[ab].wav") == [("a.wav", ""), ("b.wav", "")]


def test_folders_below_the_fixed_part_of_a_pattern(files):
    assert files("in/**/*.wav") == [("in/one/a.wav", "one")]
    assert files("**/one/*.wav") == [("in/one/a.wav", "in/one")]
    assert files("in/one/a.wav", patterns=False) == [("in/one/a.wav", "in/one")]


def test_links_that_go_in_circles_are_not_followed_around(files, tmp_path):
    for folder in ("to/a", "to/b"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("to/top.wav", "to/b/low.wav"):
        (tmp_path / name).touch()
    (tmp_path / "to" / "again").symlink_to(".")
    (tmp_path / "to" / "up").symlink_to("..")
    (tmp_path / "to" / "a" / "to_b").symlink_to("../b")
    (tmp_path / "to" / "b" / "to_a").symlink_to("../a")
    assert [path for path, _ in files("to/**/*.wav")] == [
        "to/b/low.wav",
        "to/top.wav",
        "to/up/a.wav",
        "to/up/b.wav",
        "to/up/in/one/a.wav",
    ]
    found = [path for path, _ in files("to/*/../*/low.wav")]
    assert {path.rpartition("/..")[2] for path in found} == {"/b/low.wav"}


def test_a_name_that_looks_like_a_pattern_is_a_name_where_it_exists(files, tmp_path):
    assert [path for path, _ in files("[ab].wav")] == ["a.wav", "b.wav"]
    (tmp_path / "[ab].wav").touch()
    assert files("[ab].wav") == [("[ab].wav", "")]


def test_a_pattern_that_matches_nothing_is_refused(files, tmp_path):
    message = (
        f"batch.yaml:1: input '*.mp3' matches no file: check the pattern and its folder, {tmp_path}"
    )
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        files("*.mp3")
