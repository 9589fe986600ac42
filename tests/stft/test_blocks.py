"""Work in order on several threads, without gradients, and with torch left as it was."""

import os
import signal
import threading
import time
import warnings

import pytest
import torch

from dstft_cli.stft import map_in_order


@pytest.fixture(autouse=True)
def processors(monkeypatch):
    """Enough of them for every test, on any machine."""
    monkeypatch.setattr("dstft_cli.stft.frames.cpu_count", lambda: 8)


@pytest.fixture
def two_torch_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_torch_threads")
def test_results_come_in_order_without_gradients_from_threads_of_one_each():
    leaf, names = torch.ones(1, requires_grad=True), set()

    def work(job: int) -> tuple[torch.Tensor, int]:
        time.sleep(0.01 if job % 4 == 0 else 0)  # the first of four is the last to end
        names.add(threading.current_thread().name)
        return leaf * job, torch.get_num_threads()

    for threads in (1, 2, 3):
        names.clear()
        found = list(map_in_order(work, range(20), threads))
        assert [float(one) for one, _ in found] == list(range(20))
        assert not any(one.requires_grad for one, _ in found)
        assert {inside for _, inside in found} == {1 if threads > 1 else 2}
        assert (threading.current_thread().name in names) == (threads == 1)
        assert torch.get_num_threads() == 2
        assert leaf.mul(2).requires_grad


def test_few_results_wait_for_a_slow_consumer():
    begun = []
    results = map_in_order(begun.append, range(100), 2)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 6
    results.close()
    assert len(begun) <= 6


def threads_of(count: int) -> set[threading.Thread]:
    """That do the work of a call."""

    def work(job: int) -> threading.Thread:
        time.sleep(0.01)
        return threading.current_thread()

    return set(map_in_order(work, range(min(4 * count, 40)), count))


@pytest.mark.usefixtures("two_torch_threads")
def test_no_more_threads_than_processors_and_none_where_the_system_gives_none(monkeypatch):
    monkeypatch.setattr("dstft_cli.stft.frames.cpu_count", lambda: 3)
    assert len(threads_of(4000)) <= 3
    monkeypatch.setattr("dstft_cli.stft.frames.cpu_count", lambda: 8)
    start, count = threading.Thread.start, 0

    def refuse(thread: threading.Thread) -> None:
        nonlocal count
        count += 1
        if count > 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    threads_of(2)  # another number than that of the call below, so that threads are started
    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert threads_of(5) == {threading.current_thread()}
    assert torch.get_num_threads() == 2


def test_a_call_within_a_call_ends():
    def work(job: int) -> list[int]:
        return list(map_in_order(lambda inner: job * inner, range(3), 2))

    assert list(map_in_order(work, range(4), 2)) == [[0, j, 2 * j] for j in range(4)]


@pytest.mark.usefixtures("two_torch_threads")
def test_nothing_runs_once_a_failure_is_told():
    running, lock = 0, threading.Lock()

    def work(job: int) -> None:
        nonlocal running
        if job == 0:
            raise ValueError("job 0 fails")
        with lock:
            running += 1
        time.sleep(0.05)
        with lock:
            running -= 1

    for threads in (1, 3):
        with pytest.raises(ValueError, match="job 0"):
            list(map_in_order(work, range(100), threads))
        assert running == 0
        assert torch.get_num_threads() == 2


@pytest.mark.skipif(not hasattr(os, "fork"), reason="NOT TESTED: needs fork")
def test_a_forked_child_has_threads_of_its_own():
    assert list(map_in_order(abs, [-1, -2], 2)) == [1, 2]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads run while it forks
        child = os.fork()
    if not child:
        signal.alarm(300)  # without threads of its own it would wait for ever
        os._exit(list(map_in_order(abs, [-3, -4], 2)) != [3, 4])
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
