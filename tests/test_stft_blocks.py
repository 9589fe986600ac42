"""Work in order on several threads, without gradients, and with torch left as it was."""

import threading
import time

import pytest
import torch

from dstft_cli.stft import map_in_order


@pytest.fixture
def two_torch_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_results_come_in_order(threads):
    def work(job: int) -> int:
        time.sleep(0.01 if job % 4 == 0 else 0)  # the first of four is the last to end
        return job * job

    assert list(map_in_order(work, range(20), threads)) == [job * job for job in range(20)]


@pytest.mark.parametrize("threads", [1, 2])
def test_no_gradients(threads):
    leaf = torch.ones(1, requires_grad=True)
    assert leaf.mul(2).requires_grad
    results = map_in_order(lambda job: leaf * job, range(3), threads)
    assert [result.requires_grad for result in results] == [False] * 3
    assert leaf.mul(2).requires_grad


@pytest.mark.usefixtures("two_torch_threads")
def test_threads_are_one_inside_and_put_back():
    names: set[str] = set()

    def work(job: int) -> int:
        names.add(threading.current_thread().name)
        return torch.get_num_threads()

    assert set(map_in_order(work, range(8), 2)) == {1}
    assert threading.current_thread().name not in names
    assert torch.get_num_threads() == 2


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.usefixtures("two_torch_threads")
def test_an_error_comes_out_and_threads_are_put_back(threads):
    def work(job: int) -> int:
        if job == 3:
            raise ValueError("job 3 fails")
        return job

    with pytest.raises(ValueError, match=r"^job 3 fails$"):
        list(map_in_order(work, range(100), threads))
    assert torch.get_num_threads() == 2


def test_few_results_wait_for_a_slow_consumer():
    begun = []
    results = map_in_order(begun.append, range(100), 2)
    next(results)
    time.sleep(0.05)
    assert len(begun) <= 6
    results.close()
    assert len(begun) <= 6
