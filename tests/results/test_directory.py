"""Directories and files appear whole or not at all, and spare what dstft did not write."""

# ruff: noqa: PT012, SIM117, the blocks under test are with statements of several lines

import errno
import json
import os
import re
import stat
import threading
from itertools import product
from pathlib import Path

import pytest

from dstft_cli.errors import OutputError, UsageError
from dstft_cli.results import OutputDirectory, atomic_file, disk_errors
from dstft_cli.results.directory import OURS

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals, links and permissions")
BOOM = (RuntimeError("boom"), KeyboardInterrupt("boom"), OSError("boom"))


def listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def both(text: str) -> dict[str, str]:
    record = json.dumps({"version": "0", "outputs": {}, "text": text})
    return {"result.json": record, "trajectory.csv": text}


def fill(place: Path, text: str, *, force: bool = False) -> None:
    with OutputDirectory(place, force=force) as out:
        for name, content in both(text).items():
            out.path(name).write_text(content)


def contents(place: Path) -> dict[str, str]:
    return {entry.name: entry.read_text() for entry in place.iterdir()}


def put(place: Path, data: bytes, *, force: bool = False, kind: str = "") -> None:
    with atomic_file(place, force=force, kind=kind) as file:
        file.write(data)


def test_a_directory_appears_at_the_end_and_nothing_else_stays(tmp_path):
    place = tmp_path / "new" / "song-dstft"
    with OutputDirectory(place, force=False) as out:
        out.path("result.json").write_text("{}")
        assert not place.exists()
        assert len(listing(place.parent)) == 2  # a lock and what is unfinished
        assert all(name.startswith(".song-dstft.") for name in listing(place.parent))
    assert contents(place) == {"result.json": "{}"}
    assert listing(place.parent) == ["song-dstft"]


def test_nothing_stays_after_an_exception(tmp_path):
    for error, folder in product(BOOM, ("new/deep", "old")):
        (tmp_path / "old").mkdir(exist_ok=True)
        whole = OutputDirectory(tmp_path / folder / "d", force=False)
        with pytest.raises(type(error), match="boom"), whole as out:
            out.path("result.json").write_text("half")
            raise error
        one = atomic_file(tmp_path / folder / "x.png", force=True)
        with pytest.raises(type(error), match="boom"), one as file:
            file.write(b"half")
            raise error
        assert (listing(tmp_path), listing(tmp_path / "old")) == (["old"], [])


def test_what_exists_needs_force(tmp_path):
    fill(tmp_path / "d", "first")
    put(tmp_path / "x.png", b"first")
    with pytest.raises(UsageError, match="exists: use `force`"):
        fill(tmp_path / "d", "second")
    with pytest.raises(UsageError, match="exists: use `force`"):
        put(tmp_path / "x.png", b"second")
    assert contents(tmp_path / "d") == both("first")
    (tmp_path / "d" / ".DS_Store").write_text("left by a file browser")
    (tmp_path / "d" / "report.html").write_text("drawn again from what is there")
    with OutputDirectory(tmp_path / "d", force=True) as out:
        out.path("result.json").write_text("third")
        assert contents(tmp_path / "d")["trajectory.csv"] == "first"
    put(tmp_path / "x.png", b"third", force=True)
    assert contents(tmp_path / "d") == {"result.json": "third"}
    assert (tmp_path / "x.png").read_bytes() == b"third"
    assert listing(tmp_path) == ["d", "x.png"]


@posix_only
def test_foreign_files_are_never_replaced(tmp_path):
    for name, make in (
        ("notes.txt", lambda path: path.write_text("mine")),
        ("spectrogram.npy", lambda path: path.mkdir()),
        ("spectrogram.png", lambda path: path.symlink_to("result.json")),
    ):
        for before in (True, False):
            folder = tmp_path / f"{name} {before}"
            place = folder / "d"
            fill(place, "old")
            if before:
                make(place / name)
            with pytest.raises(UsageError) as caught, OutputDirectory(place, force=True) as out:
                assert not before
                out.path("result.json").write_text("new")
                make(place / name)
            assert f"holds '{name}', which dstft did not write" in str(caught.value)
            assert (place / "result.json").read_text() == both("old")["result.json"]
            assert listing(place) == sorted([*both(""), name])
            assert listing(folder) == ["d"]


def test_a_folder_is_ours_by_its_record_and_not_by_names(tmp_path):
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "spectrogram.png").write_text("of another program")
    for record in (None, "", "{}", '{"version": "1"}', '{"outputs": {}}', "[]"):
        if record is not None:
            (tmp_path / "d" / "result.json").write_text(record)
        with pytest.raises(UsageError, match="holds no valid record"):
            fill(tmp_path / "d", "new", force=True)
        assert (tmp_path / "d" / "spectrogram.png").read_text() == "of another program"
    with OutputDirectory(tmp_path / "d", force=True, ours=True) as out:
        out.path("trajectory.csv").write_text("known to be ours")
    assert listing(tmp_path / "d") == ["trajectory.csv"]


def test_a_file_is_ours_by_how_it_begins(tmp_path):
    own = {
        "npy": [b"\x93NUMPY\x01"],
        "png": [b"\x89PNG\r\n\x1a\n", b"%PDF-1.4", b'<?xml version="1.0"?>\n<!DOCTYPE svg PUBLIC'],
        "csv": [b"criterion,direction,phase,window"],
        "audio": [b"RIFF....WAVE", b"fLaC"],
        "view": [
            b'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            b'<meta name="generator" content="dstft view 1">'
        ],
    }
    assert set(own) == set(OURS)
    place = tmp_path / "x"
    for kind, begins in own.items():
        for data in (*begins, b""):
            place.write_bytes(data)
            put(place, b"new", force=True, kind=kind)
            assert place.read_bytes() == b"new"
        for data in (b"years", begins[0]):  # of another kind before, or while it is written
            place.write_bytes(data)
            with (
                pytest.raises(UsageError, match="dstft did not write it"),
                atomic_file(place, force=True, kind=kind) as file,
            ):
                file.write(b"new")
                place.write_bytes(b"years")
            assert place.read_bytes() == b"years"


def test_places_that_are_refused(tmp_path, monkeypatch):
    (tmp_path / "d").write_text("mine")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for write, place, message in (
        (fill, tmp_path / "d", "is not a directory"),
        (fill, tmp_path / "d" / "deep" / "d", "not a directory"),
        (put, tmp_path / "d" / "x.npy", "not a directory"),
        (put, tmp_path, "is a directory: name a file in it"),
        *((fill, Path(p), "is the current directory or holds it") for p in (".", "..", "/")),
        *[(fill, Path("/proc"), "/proc is a mount point")] * os.path.ismount("/proc"),
    ):
        for force in (False, True):
            with pytest.raises(UsageError, match=message):
                write(place, "x" if write is fill else b"x", force=force)
    assert (tmp_path / "d").read_text() == "mine"
    assert (listing(tmp_path), listing(tmp_path / "here")) == (["d", "here"], [])


@posix_only
def test_links_are_followed_and_stay(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "d").symlink_to("real")
    fill(tmp_path / "d", "first")
    fill(tmp_path / "d", "second", force=True)
    assert contents(tmp_path / "real") == both("second")
    (tmp_path / "file").write_bytes(b"old")
    (tmp_path / "x.png").symlink_to("file")
    put(tmp_path / "x.png", b"new", force=True)
    assert (tmp_path / "file").read_bytes() == b"new"
    assert (tmp_path / "d").is_symlink()
    assert (tmp_path / "x.png").is_symlink()
    (tmp_path / "y").symlink_to("gone")
    for write in (lambda: put(tmp_path / "y", b"x", force=True), lambda: fill(tmp_path / "y", "x")):
        with pytest.raises(UsageError, match="y is a link to gone, which does not exist"):
            write()
    assert listing(tmp_path) == ["d", "file", "real", "x.png", "y"]


@posix_only
def test_links_in_a_folder_of_results_are_not_followed(tmp_path):
    fill(tmp_path / "d", "x")
    (tmp_path / "thesis").write_text("years")
    (tmp_path / "folder").mkdir()
    (tmp_path / "d" / "report.html").symlink_to(tmp_path / "thesis")
    (tmp_path / "d" / "sub").symlink_to(tmp_path / "folder")
    for place in ("report.html", "sub/x.npy"):
        with pytest.raises(UsageError, match="is a link in a folder of results"):
            put(tmp_path / "d" / place, b"x", force=True)
    with pytest.raises(UsageError, match="is a link in a folder of results"):
        fill(tmp_path / "d" / "sub", "x")
    assert (tmp_path / "thesis").read_text() == "years"
    assert listing(tmp_path / "folder") == []


def test_a_full_disk_is_one_line_and_the_old_stays(tmp_path, monkeypatch):
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    put(tmp_path / "x", b"old")
    for call, place in (("mkdir", "d"), ("rename", "d"), ("fsync", "d"), ("replace", "x")):
        with monkeypatch.context() as patch:
            patch.setattr(os, call, full)
            with pytest.raises(OutputError, match="disk full while writing"):
                put(tmp_path / "x", b"x", force=True) if place == "x" else fill(tmp_path / "d", "x")
        assert listing(tmp_path) == ["x"]
    assert (tmp_path / "x").read_bytes() == b"old"
    with pytest.raises(OutputError, match="disk full while writing"):
        with OutputDirectory(tmp_path / "d", force=False) as out:
            raise OSError(errno.ENOSPC, "No space", str(out.path("stft.npy")))
    with pytest.raises(BrokenPipeError), disk_errors("here"):  # not ours to explain
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@posix_only
def test_devices_and_pipes_are_written_directly(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    put(pipe, b"through")
    reader.join(timeout=10)
    assert received == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    put(Path(os.devnull), b"x")
    if os.path.exists("/dev/full"):
        with pytest.raises(OutputError, match="disk full while writing /dev/full"):
            put(Path("/dev/full"), b"x")


@pytest.mark.parametrize("links", [True, False])
def test_what_appears_meanwhile_is_kept(tmp_path, monkeypatch, links):
    def no_links(*_: object) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    put(tmp_path / "free", b"x")
    changed = re.compile("has changed since this run began and is kept")
    with pytest.raises(OutputError, match=changed):
        with atomic_file(tmp_path / "x.png", force=False) as file:
            file.write(b"slow")
            (tmp_path / "x.png").write_bytes(b"quick")
    with pytest.raises(OutputError, match=changed), OutputDirectory(tmp_path / "d", force=False):
        (tmp_path / "d").mkdir()
        (tmp_path / "d" / "thesis").write_text("years")
    assert (tmp_path / "x.png").read_bytes() == b"quick"
    assert listing(tmp_path / "d") == ["thesis"]
    fill(tmp_path / "e", "old")
    with pytest.raises(OutputError, match=changed), OutputDirectory(tmp_path / "e", force=True):
        (tmp_path / "e").rename(tmp_path / "away")
        fill(tmp_path / "other", "other")
        (tmp_path / "other").rename(tmp_path / "e")
    assert (contents(tmp_path / "e"), contents(tmp_path / "away")) == (both("other"), both("old"))
    assert listing(tmp_path) == ["away", "d", "e", "free", "x.png"]
