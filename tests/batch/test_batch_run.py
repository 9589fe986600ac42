"""Submitting, collecting and retrying, with workers that end calls as the test says."""

import csv
from concurrent.futures import BrokenExecutor, Future

import pytest

from dstft_cli.batch import from_list, make_plan, pools
from dstft_cli.batch.run import Watch, run_batch
from dstft_cli.batch.worker import Ending, check_settings, run_task
from dstft_cli.errors import OutputError, UsageError

BEST = {"win_length": 64, "value": 2.0}
FOUND = {
    "criterion": {"direction": "minimize", "start": 3.0, "best_fixed": BEST, "final": 1.0},
    "window_length": {"min": 8.0, "median": 16.0, "max": 32.0},
    "hop_length": 4.0,
    "n_fft": 64,
    "sample_rate": 8000,
    "files": ["result.json", "spectrogram.npy"],
    "warnings": ["at a bound", "noisy"],
}
LOST = BrokenExecutor("its worker process was killed by SIGKILL")
CANCELLED = Ending("cancelled")


class Scripted:
    """Workers whose calls end with what `script` has for the input, one after the other."""

    threads = 3

    def __init__(self, script=(), complaint=None, capacity=2):
        self.script = {name: list(endings) for name, endings in dict(script).items()}
        self.complaint = complaint
        self.tasks = []
        self.abandoned = False
        self.reason = self.absent = None
        self._capacity = capacity

    def capacity(self):
        return self._capacity

    def missing(self):
        return self.absent

    def gone(self):
        return self.reason

    def stage(self, future):
        return "search" if future.running() else None

    @property
    def seen(self):
        return [task.source.rpartition("/")[2] for task in self.tasks]

    def submit(self, fn, /, *args):
        future = Future()
        ending = self.complaint
        if fn is not check_settings:
            assert fn is run_task
            self.tasks.append(args[0])
            endings = self.script.get(self.seen[-1])
            ending = endings.pop(0) if endings else Ending(None, "key", 0.5, FOUND)
        if ending is CANCELLED:
            future.cancel()
            future.set_running_or_notify_cancel()
        elif isinstance(ending, BaseException):
            future.set_exception(ending)
        else:
            future.set_result(ending)
        return future

    def abandon(self):
        self.abandoned = True


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Runs inputs on scripted workers; status and error of each that has ended."""
    monkeypatch.chdir(tmp_path)

    def run(workers, names=("a.wav", "b.wav", "c.wav"), watch=None, **options):
        plan = make_plan(from_list(names, "list", output="out/{stem}"))
        ended = []
        watch = watch or Watch()
        watch.ended = ended.append
        try:
            rows = run_batch(plan, lambda jobs: workers, watch=watch, **options)
        finally:
            assert workers.abandoned
        assert [rows[row["index"]] for row in ended] == ended
        return {row["input"]: (row["status"], row["error"]) for row in ended}

    return run


def test_all_are_run_in_order_and_a_failure_stops_no_other(run, tmp_path):
    workers = Scripted({"b.wav": [Ending("b.wav: is empty")]})
    done = ("done", None)
    assert run(workers) == {"a.wav": done, "b.wav": ("failed", "b.wav: is empty"), "c.wav": done}
    assert workers.seen == ["a.wav", "b.wav", "c.wav"]
    assert (workers.tasks[0].place, workers.tasks[0].threads) == (str(tmp_path / "out" / "a"), 3)
    assert not workers.tasks[0].ours
    again = Scripted()
    run(again)  # its results were never there
    assert [task.ours for task in again.tasks] == [True, False, True]


def test_fail_fast_stops_at_the_first_failure(run):
    workers = Scripted({"a.wav": [Ending("bad")]}, capacity=1)
    assert run(workers, fail_fast=True) == {"a.wav": ("failed", "bad")}
    assert workers.seen == ["a.wav"]


def test_a_job_that_loses_its_worker_is_tried_once_more(run):
    workers = Scripted({"a.wav": [LOST, LOST, LOST], "b.wav": [LOST]})
    ended = run(workers)
    assert ended["a.wav"] == ("failed", f"{LOST}, in 2 attempts")
    assert ended["b.wav"] == ended["c.wav"] == ("done", None)
    assert sorted(workers.seen) == ["a.wav", "a.wav", "b.wav", "b.wav", "c.wav"]


def test_settings_that_the_workers_refuse_run_nothing(run, tmp_path):
    workers = Scripted(complaint="device cuda is not available here")
    with pytest.raises(UsageError, match=r"^device cuda is not available here$"):
        run(workers)
    assert workers.seen == []
    with pytest.raises(OutputError, match="no job can be run: its worker process was killed"):
        run(Scripted(complaint=LOST))
    assert not (tmp_path / "out").exists()


def test_workers_that_are_gone_end_the_batch_and_what_stands_is_told(run):
    workers = Scripted({"b.wav": [CANCELLED]})
    workers.reason = "the Dask scheduler is gone: start it again"
    with pytest.raises(OutputError, match=r"scheduler is gone.* 2 jobs are left"):
        run(workers)


def test_a_word_where_there_is_no_worker(run, monkeypatch):
    lines = []
    workers = Scripted()
    workers.absent = "no Dask worker has joined"
    monkeypatch.setattr(pools, "_SAY_AGAIN", 0.0)
    monkeypatch.setattr(pools, "_LOOK_AGAIN", 0.0)
    run(workers, watch=Watch(warn=lines.append))
    assert set(lines) == {"no Dask worker has joined"}


def test_what_runs_now_is_told_and_what_waits_is_not(run, monkeypatch):
    class One(Scripted):
        def submit(self, fn, /, *args):
            if fn is check_settings:
                return super().submit(fn, *args)
            self.tasks.append(args[0])
            futures.append(Future())
            return futures[-1]

    def told(names):
        """Ends the job that runs, and starts the next."""
        seen.append(names)
        if futures and futures[0].running():
            futures.pop(0).set_result(Ending(None, "key", 0.5, FOUND))
        if futures:
            futures[0].set_running_or_notify_cancel()

    monkeypatch.setattr(pools, "_LOOK_AGAIN", 0.0)
    seen, futures, workers = [], [], One()
    run(workers, watch=Watch(running=told))
    assert seen[1:] == [{}, {"a": "search"}, {"b": "search"}, {"c": "search"}]


def test_leftovers_of_jobs_that_are_run_or_kept_are_removed(run, tmp_path):
    for name in (".a.01234567.partial", ".b.89abcdef.partial", ".other.01234567.partial"):
        (tmp_path / "out" / name).mkdir(parents=True)
    run(Scripted(), force=True)
    left = {path.name for path in (tmp_path / "out").glob(".*")}
    assert not left & {".a.01234567.partial", ".b.89abcdef.partial"}
    assert ".other.01234567.partial" in left


def test_the_summary_is_a_table_without_formulas(run, tmp_path):
    names = ["a.wav", "b\n.wav", "c\udcff.wav", "=1+1.wav", "-x.wav", "@y.wav", "+z.wav"]
    run(Scripted({"b\n.wav": [Ending("b: is empty", seconds=0.25)]}), names)
    text = (tmp_path / "out" / "summary.csv").read_text("utf-8", "surrogateescape")
    rows = list(csv.DictReader(text.splitlines(keepends=True)))
    told = "job=1 name=a.wav output=a status=done start=3.0 best_fixed=2.0 gain_over_start=2.0 "
    told += "window_length_max=32.0 window_length_min_ms=1.0 window_length_max_ms=4.0 hop_ms=0.5 "
    told += "sample_rate=8000 seconds=0.5 result.json=a/result.json"
    expected = dict(pair.split("=") for pair in told.split()) | {"warnings": "at a bound | noisy"}
    assert {name: rows[0][name] for name in expected} == expected
    assert (rows[1]["status"], rows[1]["error"], rows[1]["final"]) == ("failed", "b: is empty", "")
    assert [row["input"] for row in rows[1:]] == [
        *("b\n.wav", "c\udcff.wav", "'=1+1.wav", "'-x.wav", "'@y.wav", "'+z.wav")
    ]
