"""Hidden leftovers of killed runs: removed beside their places, and nothing else is."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dstft_cli.results import OutputDirectory, atomic_file, clear_leftovers
from dstft_cli.results.place import beside


def filled(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "spectrogram.npy").write_bytes(b"x")
    return path


def test_an_unfinished_directory_and_file_go(tmp_path):
    place = tmp_path / "deep" / "a.b"
    directory = OutputDirectory(place, force=False)
    directory.__enter__()
    directory.path("result.json").write_text("{}")
    beside(place, "partial").write_bytes(b"x")
    assert len(list(place.parent.iterdir())) == 2
    clear_leftovers([place, tmp_path / "nowhere" / "else"])
    assert list(place.parent.iterdir()) == []


def test_what_belongs_to_other_places_stays(tmp_path):
    others = {
        filled(beside(tmp_path / "other", "partial")),
        filled(tmp_path / ".a.12345678.backup"),
        filled(tmp_path / ".a.1234567.partial"),
        filled(tmp_path / ".partial"),
        filled(tmp_path / "a"),
    }
    clear_leftovers([tmp_path / "a"])
    assert set(tmp_path.iterdir()) == others


def test_a_directory_set_aside_comes_back_or_goes(tmp_path):
    place = tmp_path / "a"
    filled(beside(place, "old"))
    clear_leftovers([place])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    filled(beside(place, "old"))
    clear_leftovers([place])
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (place / "spectrogram.npy").read_bytes() == b"x"


def test_names_that_are_shortened_are_found(tmp_path):
    place = tmp_path / ("🐦" * 60)
    filled(beside(place, "partial"))
    clear_leftovers([place])
    assert list(tmp_path.iterdir()) == []


def settled(path: Path) -> Path:
    """As if it had been there for a while."""
    before = time.time() - 3600
    os.utime(path, (before, before))
    return path


FILL = """
import sys, time
from pathlib import Path
from dstft_cli.results import OutputDirectory
with OutputDirectory(Path("a"), force=False) as out:
    out.path("result.json").write_text("{}")
    print("ready", flush=True)
    time.sleep(60)
"""


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_the_next_run_removes_what_a_killed_one_left(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", FILL], cwd=tmp_path, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        (partial,) = map(settled, tmp_path.iterdir())
        with OutputDirectory(tmp_path / "a", force=False) as out:
            assert partial.exists()  # its run lives
            out.path("result.json").write_text("{}")
        process.send_signal(signal.SIGKILL)
    assert partial.exists()
    with OutputDirectory(tmp_path / "a", force=True) as out:
        assert not partial.exists()
        out.path("result.json").write_text("{}")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_young_ones_and_those_of_other_places_stay(tmp_path):
    place = tmp_path / "a.npy"
    young = filled(beside(place, "partial"))
    other = settled(filled(beside(tmp_path / "b.npy", "partial")))
    dead = beside(place, "partial")
    dead.write_bytes(b"x")
    settled(dead)
    with atomic_file(place, force=False) as file:
        file.write(b"y")
    assert set(tmp_path.iterdir()) == {young, other, place}


@pytest.mark.skipif(os.name != "posix", reason="locks of POSIX")
def test_a_file_that_is_being_written_stays(tmp_path):
    place = tmp_path / "a.npy"
    with atomic_file(place, force=True) as first:
        first.write(b"1")
        (partial,) = map(settled, tmp_path.iterdir())
        with atomic_file(place, force=True) as second:
            second.write(b"2")
        assert partial.exists()
    assert place.read_bytes() == b"1"
