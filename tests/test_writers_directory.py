"""The output directory appears whole or not at all, and spares what dstft did not write."""

# ruff: noqa: PT012, the blocks under test are with statements of several lines

import errno
import os
import re
import stat
from pathlib import Path

import pytest

from dstft_cli.errors import OutputError, UsageError
from dstft_cli.results import TRANSFORM, OutputDirectory, directory, disk_errors
from dstft_cli.results.place import shown

posix_only = pytest.mark.skipif(os.name == "nt", reason="POSIX signals, links and permissions")
not_root = pytest.mark.skipif(
    hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write anywhere"
)


def listing(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def fill(place: Path, text: str, *, force: bool = False) -> None:
    with OutputDirectory(place, force=force) as out:
        out.path("result.json").write_text(text)
        out.path("trajectory.csv").write_text(text)


def contents(place: Path) -> dict[str, str]:
    return {entry.name: entry.read_text() for entry in place.iterdir()}


def both(text: str) -> dict[str, str]:
    return {"result.json": text, "trajectory.csv": text}


def test_appears_at_the_end_and_nothing_else_stays(tmp_path: Path) -> None:
    place = tmp_path / "song-dstft"
    with OutputDirectory(place, force=False) as out:
        out.path("result.json").write_text("{}")
        assert not place.exists()
        (hidden,) = listing(tmp_path)
        assert re.fullmatch(r"\.song-dstft\.[0-9a-f]{8}\.partial", hidden)
        assert out.final("result.json") == place / "result.json"
    assert contents(place) == {"result.json": "{}"}
    assert listing(tmp_path) == ["song-dstft"]


def test_commit_within_the_block_outlives_a_later_error(tmp_path: Path) -> None:
    with (
        pytest.raises(RuntimeError, match="later"),
        OutputDirectory(tmp_path / "d", force=False) as out,
    ):
        out.path("result.json").write_text("x")
        out.commit()
        out.commit()
        raise RuntimeError("later")
    assert contents(tmp_path / "d") == {"result.json": "x"}


@pytest.mark.parametrize(
    "error", [RuntimeError("boom"), KeyboardInterrupt("boom"), OSError("boom")]
)
def test_nothing_stays_after_an_exception(tmp_path: Path, error: BaseException) -> None:
    with (
        pytest.raises(type(error), match="boom"),
        OutputDirectory(tmp_path / "new" / "deep" / "d", force=False) as out,
    ):
        out.path("result.json").write_text("half")
        raise error
    assert listing(tmp_path) == []


def test_parents_that_hold_something_stay(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with (
        pytest.raises(RuntimeError, match="boom"),
        OutputDirectory(tmp_path / "old" / "new" / "d", force=False),
    ):
        (tmp_path / "old" / "new" / "theirs").write_text("x")
        raise RuntimeError("boom")
    assert listing(tmp_path / "old" / "new") == ["theirs"]


def test_parents_are_created(tmp_path: Path) -> None:
    fill(tmp_path / "a" / "b" / "d", "x")
    assert contents(tmp_path / "a" / "b" / "d") == both("x")


def test_existing_is_refused_before_any_work(tmp_path: Path) -> None:
    place = tmp_path / "song-dstft"
    fill(place, "first")
    message = f"{place} exists: use --force to replace it or -o for another place"
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        OutputDirectory(place, force=False).__enter__()
    assert contents(place) == both("first")
    assert listing(tmp_path) == ["song-dstft"]


def test_force_replaces_all_that_was_there(tmp_path: Path) -> None:
    place = tmp_path / "d"
    with OutputDirectory(place, force=False) as out:
        for name in TRANSFORM.names:
            out.path(name).write_text("old")
    (place / ".DS_Store").write_text("left by a file browser")
    with OutputDirectory(place, force=True) as out:
        out.path("result.json").write_text("new")
        assert (place / "result.json").read_text() == "old"
    assert contents(place) == {"result.json": "new"}
    assert listing(tmp_path) == ["d"]


def test_force_without_anything_there(tmp_path: Path) -> None:
    fill(tmp_path / "d", "x", force=True)
    assert contents(tmp_path / "d") == both("x")


def test_force_keeps_the_old_when_the_run_fails(tmp_path: Path) -> None:
    fill(tmp_path / "d", "old")
    with pytest.raises(RuntimeError, match="boom"), OutputDirectory(tmp_path / "d", force=True):
        raise RuntimeError("boom")
    assert contents(tmp_path / "d") == both("old")
    assert listing(tmp_path) == ["d"]


def make_file(folder: Path) -> str:
    (folder / "notes.txt").write_text("mine")
    return "notes.txt"


def make_folder(folder: Path) -> str:
    (folder / "spectrogram.npy").mkdir()
    return "spectrogram.npy"


def make_link(folder: Path) -> str:
    (folder / "spectrogram.png").symlink_to(folder / "result.json")
    return "spectrogram.png"


@posix_only
@pytest.mark.parametrize("make", [make_file, make_folder, make_link])
@pytest.mark.parametrize("when", ["before", "during"])
def test_foreign_files_are_never_replaced(tmp_path: Path, make, when: str) -> None:  # type: ignore[no-untyped-def]
    place = tmp_path / "d"
    fill(place, "old")
    name = make(place) if when == "before" else ""
    with (
        pytest.raises(UsageError) as caught,
        OutputDirectory(place, force=True) as out,
    ):
        assert when == "during"
        out.path("result.json").write_text("new")
        name = make(place)
    message = f"{place} holds '{name}', which dstft did not write: choose another -o"
    assert str(caught.value) == message
    assert (place / "result.json").read_text() == "old"
    assert listing(place) == sorted([*both(""), name])
    assert listing(tmp_path) == ["d"]


@pytest.mark.parametrize("force", [False, True])
def test_an_empty_directory_is_taken(tmp_path: Path, force: bool) -> None:
    (tmp_path / "d").mkdir()
    fill(tmp_path / "d", "x", force=force)
    assert contents(tmp_path / "d") == both("x")
    assert listing(tmp_path) == ["d"]


def cannot(one: Path, other: Path) -> bool:
    """In place of `exchange`, on a file system that cannot."""
    return False


@posix_only
def test_old_is_put_back_when_the_new_cannot_be_renamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "d", "old")
    monkeypatch.setattr(directory, "exchange", cannot)
    rename = Path.rename

    def failing(self: Path, target: Path) -> Path:
        if self.name.endswith(".partial"):
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError, match=r"cannot write .*d: input/output error: choose another"):
        fill(tmp_path / "d", "new", force=True)
    assert contents(tmp_path / "d") == both("old")
    assert listing(tmp_path) == ["d"]


@pytest.mark.parametrize("force", [False, True])
def test_a_file_in_the_place(tmp_path: Path, force: bool) -> None:
    (tmp_path / "d").write_text("mine")
    with pytest.raises(UsageError, match="d is not a directory: choose another place with -o"):
        fill(tmp_path / "d", "x", force=force)
    assert (tmp_path / "d").read_text() == "mine"


def test_a_file_among_the_parents(tmp_path: Path) -> None:
    (tmp_path / "song").write_text("mine")
    with pytest.raises(OutputError, match=r"cannot write .*d: .*: choose another place with -o"):
        fill(tmp_path / "song" / "deep" / "d", "x")
    assert listing(tmp_path) == ["song"]


@posix_only
def test_a_link_to_a_directory_is_followed_and_stays(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "d").symlink_to("real")
    fill(tmp_path / "d", "first")
    with pytest.raises(UsageError, match="d exists: use --force"):
        fill(tmp_path / "d", "second")
    fill(tmp_path / "d", "third", force=True)
    assert (tmp_path / "d").is_symlink()
    assert contents(tmp_path / "real") == both("third")
    assert listing(tmp_path) == ["d", "real"]


@posix_only
def test_a_link_to_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "d").symlink_to("gone")
    with pytest.raises(UsageError, match="d is a link to gone, which does not exist: remove"):
        fill(tmp_path / "d", "x", force=True)
    assert listing(tmp_path) == ["d"]


@pytest.mark.parametrize("place", [".", "..", "/"])
def test_the_current_directory_and_its_parents_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(UsageError, match="is the current directory or holds it: name a new"):
        fill(Path(place), "x", force=True)
    assert listing(tmp_path / "here") == []


@posix_only
@pytest.mark.skipif(not os.path.ismount("/proc"), reason="needs a mount point")
def test_a_mount_point_is_refused() -> None:
    message = "/proc is a mount point: name a new directory in it with -o, such as /proc/dstft"
    with pytest.raises(UsageError, match=f"^{message}$"):
        fill(Path("/proc"), "x")


@posix_only
@not_root
def test_an_unwritable_parent(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OutputError, match=r"cannot write .*d: permission denied: choose"):
            OutputDirectory(tmp_path / "d", force=False).__enter__()
    finally:
        tmp_path.chmod(0o700)


def test_a_name_at_the_limit_of_the_file_system(tmp_path: Path) -> None:
    fill(tmp_path / ("ä" * 120), "x")
    assert contents(tmp_path / ("ä" * 120)) == both("x")


@posix_only
def test_a_name_beyond_the_limit_fails_before_any_work(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*: file name too long: choose another"):
        OutputDirectory(tmp_path / ("a" * 256), force=False).__enter__()
    assert listing(tmp_path) == []


@posix_only
@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_permissions_follow_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        fill(tmp_path / "d", "x")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o777 & ~mask


def test_names_that_force_could_not_replace_are_not_written(tmp_path: Path) -> None:
    with OutputDirectory(tmp_path / "d", force=False) as out:
        with pytest.raises(ValueError, match=r"'notes.txt' is not among the files"):
            out.path("notes.txt")
        out.path("result.json").write_text("x")
    with pytest.raises(ValueError, match="is not open for writing"):
        out.path("result.json")


def test_other_commands_bring_their_own_names(tmp_path: Path) -> None:
    for text in ("old", "new"):
        with OutputDirectory(tmp_path / "d", force=True, known={"table.csv"}) as out:
            out.path("table.csv").write_text(text)
    assert contents(tmp_path / "d") == {"table.csv": "new"}


@pytest.mark.parametrize("code", [errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)])
def test_a_full_disk_is_one_line(tmp_path: Path, code: int) -> None:
    message = "disk full while writing .*/d: free some space or choose another -o$"
    with pytest.raises(OutputError, match=message), OutputDirectory(tmp_path / "d", force=False):
        raise OSError(code, os.strerror(code))
    message = "disk full while writing .*/d/spectrogram.png: free some space"
    with (
        pytest.raises(OutputError, match=message),
        OutputDirectory(tmp_path / "d", force=False) as out,
    ):
        raise OSError(code, os.strerror(code), str(out.path("spectrogram.png")))
    assert listing(tmp_path) == []


def test_a_disk_that_is_full_elsewhere_is_not_ours_to_explain(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="No space") as caught,
        OutputDirectory(tmp_path / "d", force=False),
    ):
        raise OSError(errno.ENOSPC, "No space left on device", "/elsewhere/cache")
    assert not isinstance(caught.value, OutputError)


def test_a_full_disk_on_entering_and_on_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Path, *rest: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(self))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", full)
        with pytest.raises(OutputError, match=r"disk full while writing .*/d: free"):
            fill(tmp_path / "new" / "d", "x")
    assert listing(tmp_path) == []
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OutputError, match=r"disk full while writing .*/d: free"):
        fill(tmp_path / "d", "x")
    assert listing(tmp_path) == []


def test_a_closed_pipe_is_no_failure() -> None:
    with pytest.raises(BrokenPipeError), disk_errors("here"):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_odd_names_stay_on_one_line() -> None:
    assert shown(Path("song ä.wav")) == "song ä.wav"
    assert shown(Path("a\nb")) == r"'a\nb'"
    assert shown(Path("a\udcff")) == r"'a\udcff'"
