"""Submitting, collecting and retrying, with an executor that ends calls as the test says."""

import csv
from concurrent.futures import BrokenExecutor, Future

import pytest
from batch_example import Seconds

from dstft_cli.batch import from_list, make_plan
from dstft_cli.batch.run import Watch, run_batch
from dstft_cli.batch.worker import Ending, check_settings, run_task
from dstft_cli.errors import OutputError, UsageError

FOUND = {
    "criterion": {"start": 3.0, "best_fixed": {"win_length": 64, "value": 2.0}, "final": 1.0},
    "window_length": {"min": 8.0, "median": 16.0, "max": 32.0},
    "sample_rate": 8000,
    "warnings": ["at a bound", "noisy"],
}


class Scripted:
    """An executor whose calls end with what `script` has for the input, one after the other."""

    threads = 3

    def __init__(self, script=(), complaint=None, capacity=2):
        self.script = {name: list(endings) for name, endings in dict(script).items()}
        self.complaint = complaint
        self.seen, self.tasks, self.most, self.open = [], [], 0, 0
        self.abandoned = False
        self._capacity = capacity

    def capacity(self):
        return self._capacity

    def submit(self, fn, /, *args):
        future = Future()
        if fn is check_settings:
            if isinstance(self.complaint, Exception):
                future.set_exception(self.complaint)
            else:
                future.set_result(self.complaint)
            return future
        assert fn is run_task
        (task,) = args
        name = task.source.rpartition("/")[2]
        self.seen.append(name)
        self.tasks.append(task)
        endings = self.script.get(name)
        ending = endings.pop(0) if endings else Ending(None, "key of " + name, 0.5, FOUND)
        if isinstance(ending, BaseException):
            future.set_exception(ending)
        else:
            future.set_result(ending)
        return future

    def abandon(self):
        self.abandoned = True


def run(folder, monkeypatch, executor, names=("a.wav", "b.wav", "c.wav"), **options):
    monkeypatch.chdir(folder)
    plan = make_plan(from_list(names, "list", output="out/{stem}"))
    ended = []
    rows = run_batch(plan, lambda jobs: executor, watch=Watch(ended=ended.append), **options)
    assert executor.abandoned
    assert [rows[row["index"]] for row in ended] == ended
    return {row["input"]: (row["status"], row["error"]) for row in ended}


LOST = BrokenExecutor("its worker process was killed by SIGKILL (out of memory?)")


def test_all_are_run_in_order_and_told(tmp_path, monkeypatch):
    executor = Scripted()
    assert run(tmp_path, monkeypatch, executor) == dict.fromkeys(
        ("a.wav", "b.wav", "c.wav"), ("done", None)
    )
    assert executor.seen == ["a.wav", "b.wav", "c.wav"]
    assert (executor.tasks[0].place, executor.tasks[0].threads) == (str(tmp_path / "out" / "a"), 3)


def test_a_failure_stops_no_other_job(tmp_path, monkeypatch):
    executor = Scripted({"a.wav": [Ending("a.wav: is empty")]})
    ended = run(tmp_path, monkeypatch, executor)
    assert ended["a.wav"] == ("failed", "a.wav: is empty")
    assert ended["c.wav"] == ("done", None)


def test_fail_fast_stops_at_the_first_failure(tmp_path, monkeypatch):
    executor = Scripted({"a.wav": [Ending("bad")]}, capacity=1)
    assert run(tmp_path, monkeypatch, executor, fail_fast=True) == {"a.wav": ("failed", "bad")}
    assert executor.seen == ["a.wav"]


def test_a_job_lost_once_is_tried_again(tmp_path, monkeypatch):
    executor = Scripted({"b.wav": [LOST]})
    assert run(tmp_path, monkeypatch, executor)["b.wav"] == ("done", None)
    assert sorted(executor.seen) == ["a.wav", "b.wav", "b.wav", "c.wav"]


def test_a_job_lost_twice_is_recorded_and_the_others_end(tmp_path, monkeypatch):
    executor = Scripted({"a.wav": [LOST, LOST, LOST]})
    ended = run(tmp_path, monkeypatch, executor)
    assert ended["a.wav"] == ("failed", f"{LOST}, in 2 attempts")
    assert ended["b.wav"] == ended["c.wav"] == ("done", None)
    assert executor.seen.count("a.wav") == 2


def test_what_else_an_executor_raises_is_recorded(tmp_path, monkeypatch):
    executor = Scripted({"a.wav": [RuntimeError("cannot\nunpickle")]})
    ended = run(tmp_path, monkeypatch, executor)
    assert ended["a.wav"] == ("failed", "lost: RuntimeError: cannot unpickle")
    assert ended["b.wav"] == ("done", None)


def test_settings_that_the_workers_refuse_run_nothing(tmp_path, monkeypatch):
    executor = Scripted(complaint="device cuda is not available here: use --device cpu or auto")
    with pytest.raises(UsageError, match=r"^device cuda is not available here: use --device cpu"):
        run(tmp_path, monkeypatch, executor)
    assert executor.seen == []


def test_workers_that_cannot_start_are_told_of(tmp_path, monkeypatch):
    executor = Scripted(complaint=BrokenExecutor("its worker process ended with exit code 1"))
    message = r"^no job can be run: its worker process ended with exit code 1: check the install"
    with pytest.raises(OutputError, match=message):
        run(tmp_path, monkeypatch, executor)


def test_a_full_disk_ends_the_batch(tmp_path, monkeypatch):
    full = Ending("disk full while writing x: free some space", hopeless=True)
    executor = Scripted({"b.wav": [full]}, capacity=1)
    message = r"^disk full while writing x: free some space; 1 more job not run: then run the"
    with pytest.raises(OutputError, match=message):
        run(tmp_path, monkeypatch, executor)
    assert executor.abandoned
    assert executor.seen == ["a.wav", "b.wav"]


def test_an_interrupt_stops_the_workers(tmp_path, monkeypatch):
    executor = Scripted()
    monkeypatch.chdir(tmp_path)
    plan = make_plan(from_list(["a.wav", "b.wav"], "list", output="out/{stem}"))

    def interrupt(row):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_batch(plan, lambda jobs: executor, watch=Watch(ended=interrupt))
    assert executor.abandoned


def test_an_interrupt_while_the_workers_start_stops_them(tmp_path, monkeypatch):
    class Interrupted(Scripted):
        def submit(self, fn, /, *args):
            raise KeyboardInterrupt

    executor = Interrupted()
    monkeypatch.chdir(tmp_path)
    plan = make_plan(from_list(["a.wav"], "list", output="out/{stem}"))
    with pytest.raises(KeyboardInterrupt):
        run_batch(plan, lambda jobs: executor)
    assert executor.abandoned
    assert not (tmp_path / "out").exists()


def test_a_thousand_jobs_take_little_time_and_stay_bounded(tmp_path, monkeypatch):
    names = [f"{number}.wav" for number in range(1000)]
    executor = Scripted(capacity=7)
    timer = Seconds()
    ended = run(tmp_path, monkeypatch, executor, names)
    assert timer.stop() < 15
    assert len(ended) == 1000


def test_summary(tmp_path, monkeypatch):
    executor = Scripted({"b\n.wav": [Ending("b: is empty", seconds=0.25)]})
    run(tmp_path, monkeypatch, executor, ["a.wav", "b\n.wav", "c\udcff.wav"])
    text = (tmp_path / "out" / "summary.csv").read_text("utf-8", "surrogateescape")
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    assert rows[0] == {
        "job": "1",
        "name": "a.wav",
        "input": "a.wav",
        "output": "a",
        "status": "done",
        "start": "3.0",
        "best_fixed": "2.0",
        "final": "1.0",
        "window_length": "16.0",
        "window_length_min": "8.0",
        "window_length_max": "32.0",
        "sample_rate": "8000",
        "seconds": "0.500",
        "warnings": "at a bound | noisy",
        "error": "",
    }
    assert [row["input"] for row in rows] == ["a.wav", "b\n.wav", "c\udcff.wav"]
    assert (rows[1]["status"], rows[1]["error"]) == ("failed", "b: is empty")
    assert rows[1]["final"] == rows[1]["window_length"] == ""
