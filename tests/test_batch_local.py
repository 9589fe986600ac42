"""The executor of worker processes: any of them may be lost, at any time."""

import operator
import os
import pickle
import signal
import threading
import time
from concurrent.futures import BrokenExecutor, wait

import pytest
from batch_example import PATIENCE, Seconds

from dstft_cli.batch.local import LocalExecutor, cores


def nothing():
    pass


@pytest.fixture
def executor():
    executor = LocalExecutor(2, nothing, silent=True)
    yield executor
    executor.abandon()


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_calls_run_in_processes_that_stay(executor):
    pids = {executor.submit(os.getpid).result(PATIENCE) for _ in range(6)}
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2
    assert executor.submit(operator.add, 2, 3).result(PATIENCE) == 5
    assert executor.capacity() == 4


def test_an_exception_comes_back_and_costs_nothing(executor):
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        executor.submit(operator.truediv, 1, 0).result(PATIENCE)
    assert executor.submit(operator.add, 1, 1).result(PATIENCE) == 2


def test_what_cannot_be_sent_is_an_error_of_its_call(executor):
    with pytest.raises((AttributeError, pickle.PicklingError), match="pickle"):
        executor.submit(operator.neg, lambda: 0).result(PATIENCE)
    assert executor.submit(operator.neg, 1).result(PATIENCE) == -1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ((os._exit, 3), "its worker process ended with exit code 3"),
        (
            (signal.raise_signal, signal.SIGKILL),
            r"its worker process was killed by SIGKILL \(out of memory\?\)",
        ),
        ((signal.raise_signal, signal.SIGSEGV), "its worker process was killed by SIGSEGV"),
    ],
)
def test_a_lost_process_costs_its_call_alone(executor, call, message):
    others = [executor.submit(time.sleep, 0.3) for _ in range(2)]
    lost = executor.submit(*call)
    after = [executor.submit(operator.neg, number) for number in range(4)]
    with pytest.raises(BrokenExecutor, match=f"^{message}$"):
        lost.result(PATIENCE)
    assert [future.result(PATIENCE) for future in after] == [0, -1, -2, -3]
    assert [future.result(PATIENCE) for future in others] == [None, None]


def test_abandoning_kills_what_runs_and_starts_nothing_more(executor):
    pids = {executor.submit(os.getpid).result(PATIENCE) for _ in range(4)}
    running = [executor.submit(time.sleep, 60) for _ in range(4)]
    time.sleep(0.2)
    timer = Seconds()
    executor.abandon()
    assert timer.stop() < 2
    wait(running, timeout=PATIENCE)
    for future in running:
        with pytest.raises(BrokenExecutor, match=r"was killed by SIGKILL|the batch was stopped"):
            future.result(0)
    assert not any(alive(pid) for pid in pids)


def test_shutting_down_waits_for_what_was_submitted():
    with LocalExecutor(1, nothing, silent=True) as executor:
        futures = [executor.submit(operator.neg, number) for number in range(3)]
        pid = executor.submit(os.getpid)
    assert [future.result(0) for future in futures] == [0, -1, -2]
    assert not alive(pid.result(0))


def test_nothing_is_started_before_the_first_call():
    threads = threading.active_count()
    other = LocalExecutor(3, nothing, silent=True)
    assert threading.active_count() == threads
    assert other.submit(operator.neg, 1).result(PATIENCE) == -1
    assert threading.active_count() == threads + 3
    other.shutdown()
    assert threading.active_count() == threads


def test_cancelled_calls_are_left_out():
    with LocalExecutor(1, nothing, silent=True) as executor:
        executor.submit(time.sleep, 0.2)
        futures = [executor.submit(operator.neg, number) for number in range(3)]
        assert futures[1].cancel()
    assert [future.cancelled() for future in futures] == [False, True, False]
    assert futures[2].result(0) == -2


def test_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr("dstft_cli.batch.local.cores", lambda: 8)
    for workers, threads in ((1, 8), (3, 2), (16, 1)):
        executor = LocalExecutor(workers, nothing, silent=True)
        executor.abandon()
        assert executor.threads == threads


def test_libraries_get_as_many_threads_unless_the_user_says(monkeypatch):
    monkeypatch.setattr("dstft_cli.batch.local.cores", lambda: 6)
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    before = dict(os.environ)
    with LocalExecutor(2, nothing, silent=True) as executor:
        found = [executor.submit(os.getenv, f"{name}_NUM_THREADS") for name in ("OMP", "OPENBLAS")]
    assert [future.result(0) for future in found] == ["5", "3"]
    assert dict(os.environ) == before


def test_cores_are_those_that_may_be_used():
    assert 1 <= cores() <= (os.cpu_count() or 1)
