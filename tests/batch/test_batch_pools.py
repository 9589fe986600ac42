"""Worker processes: any of them may be lost, at any time."""

import multiprocessing
import operator
import os
import pickle
import signal
import time
from concurrent.futures import BrokenExecutor

import pytest

from batch.batch_calls import told
from batch.batch_example import PATIENCE
from dstft_cli._version import __version__
from dstft_cli.batch import pools
from dstft_cli.batch.pools import LocalExecutor, at_version, cores, each
from dstft_cli.errors import InputError


@pytest.fixture
def executor():
    executor = LocalExecutor(2, os.getpid, silent=True)
    yield executor
    executor.abandon()
    assert multiprocessing.active_children() == []


def test_calls_run_in_processes_that_stay_until_abandoned_and_errors_come_back(executor):
    futures = [executor.submit(os.getpid) for _ in range(8)]
    pids = {future.result(PATIENCE) for future in futures}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2
    assert executor.capacity() == 4
    with pytest.raises(ZeroDivisionError):
        executor.submit(operator.truediv, 1, 0).result(PATIENCE)
    with pytest.raises((AttributeError, pickle.PicklingError)):
        executor.submit(operator.neg, lambda: 0).result(PATIENCE)
    assert executor.submit(operator.neg, 1).result(PATIENCE) == -1
    for _ in range(4):
        executor.submit(time.sleep, 60)
    executor.abandon()  # kills what runs and starts nothing more
    assert multiprocessing.active_children() == []
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(operator.neg, 1)


def test_it_is_known_where_each_call_stands_and_a_killed_one_blocks_none(
    executor, tmp_path, monkeypatch
):
    monkeypatch.setattr(pools, "_LOOK_AGAIN", 0.05)
    seen, place = [], tmp_path / "go"

    def watch(stages):
        seen.append({n: stage.words() for n, stage in stages.items() if stage})  # None: just ended
        if {0, 2} <= seen[-1].keys() and "pass 2, 2 of 4" in seen[-1][0]:
            assert seen[-1][2] == "starting"  # the next call in a process starts anew
            place.touch()

    def call(number):
        return (number, str(place))

    ended = dict(each(executor, told, 4, call, watch=watch))
    assert place.exists()
    assert [ended[0], ended[2], ended[3]] == [0, 2, 3]
    assert isinstance(ended[1], InputError)
    assert not any("pass" in words for at in seen for n, words in at.items() if n)


def test_a_lost_process_costs_its_call_alone_and_is_replaced(executor):
    for call, message in (
        ((os._exit, 3), "ended with exit code 3"),
        ((signal.raise_signal, signal.SIGKILL), "killed by SIGKILL"),
    ):
        other = executor.submit(time.sleep, 0.1)
        lost = executor.submit(*call)
        after = [executor.submit(operator.neg, number) for number in range(4)]
        with pytest.raises(BrokenExecutor, match=message):
            lost.result(PATIENCE)
        assert [future.result(PATIENCE) for future in after] == [0, -1, -2, -3]
        assert other.result(PATIENCE) is None
    for process in multiprocessing.active_children():  # idle ones
        process.kill()
    for _ in range(10):  # a call that meets a process that is gone is lost with it
        future = executor.submit(operator.neg, 2)
        if future.exception(PATIENCE) is None:
            break
        assert isinstance(future.exception(), BrokenExecutor)
    assert future.result() == -2


def test_a_worker_of_another_version_refuses():
    assert at_version(__version__, operator.neg, 1) == -1
    with pytest.raises(InputError, match=r"the head 9\.9"):
        at_version("9.9", operator.neg, 1)


def test_cores_and_threads_of_libraries_are_shared_out(monkeypatch):
    assert 1 <= cores() <= (os.cpu_count() or 1)
    monkeypatch.setattr("dstft_cli.batch.pools.cores", lambda: 6)
    for workers, threads in ((1, 6), (4, 1), (16, 1)):
        executor = LocalExecutor(workers, os.getpid, silent=True)
        assert executor.threads == threads
        executor.abandon()
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    before = dict(os.environ)
    executor = LocalExecutor(1, os.getpid, silent=True)
    found = [executor.submit(os.getenv, f"{name}_NUM_THREADS") for name in ("OMP", "OPENBLAS")]
    assert [future.result(PATIENCE) for future in found] == ["5", "6"]
    executor.abandon()
    assert dict(os.environ) == before
