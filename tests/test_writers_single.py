"""A single output file appears whole or not at all."""

# ruff: noqa: PT012, the blocks under test are with statements of several lines

import errno
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dstft_cli.errors import OutputError, UsageError
from dstft_cli.results import atomic_file

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX links, devices and pipes")


def listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def put(place: Path, data: bytes, *, force: bool = False) -> None:
    with atomic_file(place, force=force) as file:
        file.write(data)


def test_appears_at_the_end_with_parents(tmp_path: Path) -> None:
    place = tmp_path / "new" / "x.png"
    with atomic_file(place, force=False) as file:
        file.write(b"half")
        file.flush()
        assert not place.exists()
        file.write(b" whole")
    assert place.read_bytes() == b"half whole"
    assert listing(place.parent) == ["x.png"]


@pytest.mark.parametrize(
    "error", [RuntimeError("boom"), KeyboardInterrupt("boom"), OSError("boom")]
)
@pytest.mark.parametrize("force", [False, True])
def test_nothing_changes_after_an_exception(
    tmp_path: Path, error: BaseException, force: bool
) -> None:
    place = tmp_path / "x.png"
    if force:
        place.write_bytes(b"old")
    with pytest.raises(type(error), match="boom"), atomic_file(place, force=force) as file:
        file.write(b"half")
        raise error
    assert listing(tmp_path) == (["x.png"] if force else [])
    assert not force or place.read_bytes() == b"old"


def test_created_parents_go_with_the_failure(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="boom"),
        atomic_file(tmp_path / "a" / "b" / "x.npy", force=False),
    ):
        raise RuntimeError("boom")
    assert listing(tmp_path) == []


def test_existing_needs_force(tmp_path: Path) -> None:
    place = tmp_path / "x.png"
    put(place, b"old")
    message = f"{place} exists: use --force to replace it or choose another name"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        put(place, b"new")
    assert place.read_bytes() == b"old"
    put(place, b"new", force=True)
    assert place.read_bytes() == b"new"
    assert listing(tmp_path) == ["x.png"]


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a directory: name a file in it"):
        put(tmp_path, b"x", force=True)


def test_a_file_among_the_parents(tmp_path: Path) -> None:
    (tmp_path / "song").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*x.png: .*: choose another place"):
        put(tmp_path / "song" / "x.png", b"x")
    assert listing(tmp_path) == ["song"]


@pytest.mark.parametrize("links", [True, False])
def test_what_appears_meanwhile_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    if not links:
        monkeypatch.setattr(os, "link", no_links)
    place = tmp_path / "x.png"
    with (
        pytest.raises(OutputError, match=r"x.png was written by another run meanwhile and is kept"),
        atomic_file(place, force=False) as file,
    ):
        file.write(b"slow")
        put(place, b"quick")
    assert place.read_bytes() == b"quick"
    assert listing(tmp_path) == ["x.png"]


@posix_only
def test_a_link_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "x.png").symlink_to("real")
    put(tmp_path / "x.png", b"new", force=True)
    assert (tmp_path / "x.png").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"
    (tmp_path / "y.png").symlink_to("gone")
    with pytest.raises(UsageError, match=r"y.png is a link to gone, which does not exist"):
        put(tmp_path / "y.png", b"new", force=True)


@posix_only
def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        put(tmp_path / "x.png", b"x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.png").stat().st_mode) == 0o640


@posix_only
def test_a_named_pipe_is_written_directly(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()), daemon=True)
    reader.start()
    put(pipe, b"through")
    reader.join(timeout=10)
    assert received == [b"through"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device() -> None:
    with pytest.raises(OutputError, match="disk full while writing /dev/full: free some space"):
        put(Path("/dev/full"), b"x")


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    place = tmp_path / "x.png"
    put(place, b"old")
    message = "disk full while writing .*x.png: free some space or choose another -o$"
    with pytest.raises(OutputError, match=message), atomic_file(place, force=True) as file:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert place.read_bytes() == b"old"
    assert listing(tmp_path) == ["x.png"]


KILLED = """
import sys
from pathlib import Path
from dstft_cli.results import atomic_file
with atomic_file(Path(sys.argv[1]), force=False) as file:
    file.write(b"half")
    file.flush()
    print("half", flush=True)
    sys.stdin.readline()
"""


@posix_only
def test_a_killed_run_leaves_no_file_under_the_name(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path / "x.png")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "half\n"
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    (hidden,) = listing(tmp_path)
    assert re.fullmatch(r"\.x\.png\.[0-9a-f]{8}\.partial", hidden)
    put(tmp_path / "x.png", b"whole")
    assert (tmp_path / "x.png").read_bytes() == b"whole"
