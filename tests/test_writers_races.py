"""Two runs into one place, and runs that are killed: nothing is mixed, nothing is cut short."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dstft_cli.errors import OutputError
from dstft_cli.results import OutputDirectory


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


@pytest.mark.parametrize("existing", [False, True])
def test_of_two_runs_at_once_one_wins(tmp_path: Path, existing: bool) -> None:
    place = tmp_path / "new" / "d"
    if existing:
        fill(place, "old")
    message = "d was written by another run meanwhile and is kept: run again with --force or with"
    with (  # noqa: PT012
        pytest.raises(OutputError, match=message),
        OutputDirectory(place, force=existing) as slow,
    ):
        fill(place, "quick", force=existing)
        slow.path("result.json").write_text("slow")
        slow.path("parameters.npz").write_text("slow")
    assert contents(place) == both("quick")
    assert listing(place.parent) == ["d"]


WRITER = """
import sys
from pathlib import Path
from dstft_cli.errors import DstftError
from dstft_cli.results import OutputDirectory
place, text, runs, force = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4] == "force"
print("ready", flush=True)
sys.stdin.readline()
for _ in range(runs):
    try:
        with OutputDirectory(place, force=force) as out:
            for name in ("result.json", "trajectory.csv"):
                with open(out.path(name), "w") as file:
                    for _ in range(50):
                        file.write(text * 1000)
                        file.flush()
        print("won", flush=True)
    except DstftError as error:
        print(type(error).__name__, error, flush=True)
"""


def start(place: Path, text: str, runs: int, force: bool) -> "subprocess.Popen[str]":
    mode = "force" if force else "keep"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(place), text, str(runs), mode],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize(("runs", "force"), [(1, False), (40, True)])
def test_two_processes_never_mix(tmp_path: Path, runs: int, force: bool) -> None:
    place = tmp_path / "d"
    processes = [start(place, text, runs, force) for text in "ab"]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    lines = [process.communicate(timeout=60)[0].splitlines() for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    outcome = [*lines[0], *lines[1]]
    assert len(outcome) == 2 * runs
    losses = [line for line in outcome if line != "won"]
    clear = re.compile(r"OutputError .*d was written by another run|UsageError .*d exists: use")
    assert all(clear.match(line) for line in losses), losses
    if not force:
        assert len(losses) == 1
    assert set(contents(place).values()) <= {"a" * 50_000, "b" * 50_000}
    assert len(set(contents(place).values())) == 1
    assert listing(place) == sorted(both(""))


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_killed_run_leaves_nothing_cut_short(tmp_path: Path) -> None:
    place = tmp_path / "d"
    chance = random.Random(7)
    for text in "abcdefgh":
        process = start(place, text, 10_000, True)
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
        time.sleep(chance.uniform(0.0, 0.08))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        if place.exists():
            assert listing(place) == sorted(both(""))
            (whole,) = set(contents(place).values())
            assert len(whole) == 50_000
        assert all(name == "d" or name.startswith(".d.") for name in listing(tmp_path))
    fill(place, "after", force=True)
    assert contents(place) == both("after")


KILLED_AFTER = """
import ctypes, os, signal, sys
from pathlib import Path
from dstft_cli.results import OutputDirectory, directory
place, calls = Path(sys.argv[1]), int(sys.argv[2])
if sys.argv[3] == "in steps":
    directory.exchange = lambda one, other: False
def counted(call):
    def wrapper(*arguments, **options):
        global calls
        if calls == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        calls -= 1
        return call(*arguments, **options)
    return wrapper
for name in ("mkdir", "rename", "replace", "unlink", "rmdir", "scandir"):
    setattr(os, name, counted(getattr(os, name)))
directory.exchange = counted(directory.exchange)
with OutputDirectory(place, force=True) as out:
    for name in ("result.json", "trajectory.csv"):
        out.path(name).write_text("new")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: names are exchanged on Linux")
@pytest.mark.parametrize("how", ["exchanged", "in steps"])
def test_a_kill_at_any_step_leaves_the_old_or_the_new(tmp_path: Path, how: str) -> None:
    ends = []
    for calls in range(100):
        place = tmp_path / str(calls) / "d"
        fill(place, "old")
        command = [sys.executable, "-c", KILLED_AFTER, str(place), str(calls), how]
        ended = subprocess.run(command, cwd=Path(__file__).parents[1], timeout=60).returncode
        assert ended in (0, -signal.SIGKILL)
        if how == "in steps" and not place.exists():  # then it lies beside, and is whole
            (place,) = place.parent.glob(".d.*.old")
            ends.append("beside")
        else:
            ends.append("new" if contents(place) == both("new") else "old")
        assert contents(place) in (both("old"), both("new"))
        fill(tmp_path / str(calls) / "d", "after", force=True)
        assert contents(tmp_path / str(calls) / "d") == both("after")
        if ended == 0:
            break
    assert ended == 0
    assert ends == sorted(ends, key=["old", "beside", "new"].index)
    assert set(ends) == ({"old", "new"} if how == "exchanged" else {"old", "beside", "new"})
