"""Runs that are killed, and two runs into one place: nothing is lost, mixed or cut short."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dstft_cli.errors import OutputError
from dstft_cli.results import OutputDirectory, atomic_file, clear_leftovers

pytestmark = pytest.mark.skipif(os.name == "nt", reason="POSIX signals and forks")
ROOT = Path(__file__).parents[2]

# Kills a run at its n-th call that touches the disk, for every n, and tells what the next one finds.
KILLED = """
import json, os, shutil, signal, sys
from pathlib import Path
from dstft_cli.results import OutputDirectory, atomic_file, clear_leftovers
from dstft_cli.errors import UsageError
root, kind, after = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
place = root / "d"
RECORD = json.dumps({"version": "0", "outputs": {}})

def write(text, force):
    if kind == "directory":
        with OutputDirectory(place, force=force) as out:
            out.path("result.json").write_text(RECORD)
            out.path("trajectory.csv").write_text(text * 1000)
    else:
        with atomic_file(place, force=force) as file:
            file.write(text.encode() * 1000)

def seen():
    if not place.exists():
        return "nothing"
    if kind == "file":
        return place.read_text().strip("\\n")[:3]
    assert sorted(os.listdir(place)) == ["result.json", "trajectory.csv"], os.listdir(place)
    text = (place / "trajectory.csv").read_text()
    assert len(text) == 3000, len(text)
    return text[:3]

def counted(call, left):
    def wrapper(*arguments, **options):
        left[0] -= 1
        if left[0] < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return call(*arguments, **options)
    return wrapper

ends = []
for calls in range(200):
    write("old", True)
    child = os.fork()
    if child == 0:
        left = [calls]
        for name in ("mkdir", "rename", "replace", "link", "unlink", "rmdir", "scandir", "fsync", "open"):
            setattr(os, name, counted(getattr(os, name), left))
        try:
            write("new", True)
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    killed = seen()
    if after == "clear":
        clear_leftovers([place])
    else:
        try:
            write("???", False)
        except UsageError:
            pass
    found = seen()
    write("old", True)
    ends.append((killed, found, sorted(os.listdir(root))))
    shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
    if status == 0:
        break
print(json.dumps({"ended": status, "ends": ends}))
"""


@pytest.mark.parametrize("after", ["clear", "run"])
@pytest.mark.parametrize("kind", ["directory", "file"])
def test_a_kill_at_any_step_loses_neither_the_old_nor_the_new(tmp_path, kind, after):
    done = subprocess.run(
        [sys.executable, "-c", KILLED, tmp_path, kind, after],
        cwd=ROOT, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["ended"] == 0
    killed = [entry[0] for entry in told["ends"]]
    found = [entry[1] for entry in told["ends"]]
    assert len(found) > 8
    assert set(found) == {"old", "new"}
    assert found == sorted(found, reverse=True)  # the old one until some step, then the new one
    assert set(killed) == ({"old", "nothing", "new"} if kind == "directory" else {"old", "new"})
    assert all(entry[2] == ["d"] for entry in told["ends"])  # and nothing is left beside it


def test_the_second_run_is_told_before_it_works(tmp_path):
    places = {tmp_path / "d": OutputDirectory, tmp_path / "x": atomic_file}
    for place, opened in places.items():
        with opened(place, force=True):
            before = sorted(os.listdir(tmp_path))
            with (
                pytest.raises(OutputError, match="is being written by another run"),
                opened(place, force=True),
            ):
                pass
            clear_leftovers([place])  # those of a living run stay
            assert sorted(os.listdir(tmp_path)) == before


def test_leftovers_of_other_places_stay(tmp_path):
    names = [".b.12345678.partial", ".a.1234567.partial", ".partial"]
    names += [".a.12345678.backup", ".b.lock"]
    for name in (*names, ".a.12345678.partial", ".a.lock"):
        (tmp_path / name).mkdir() if name.endswith("partial") else (tmp_path / name).touch()
    clear_leftovers([tmp_path / "a", tmp_path / "nowhere" / "else"])
    assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_a_result_set_aside_is_kept_where_something_else_took_its_place(tmp_path):
    for part in ("old", "new"):
        (tmp_path / ".d.12345678.partial" / part).mkdir(parents=True)
    (tmp_path / ".d.12345678.partial" / "old" / "result.json").write_text("whole")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "thesis").write_text("years")
    clear_leftovers([tmp_path / "d"])
    assert (tmp_path / ".d.12345678.partial" / "old" / "result.json").read_text() == "whole"
    assert os.listdir(tmp_path / "d") == ["thesis"]
