"""Work on blocks of frames, several at a time, results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import lru_cache
from multiprocessing import cpu_count
from typing import TypeVar

import torch

Job = TypeVar("Job")
Done = TypeVar("Done")

_KEPT_BYTES = 31 << 20  # bytes; glibc adapts its threshold up to 32 MiB
_here = threading.local()  # `worker`: whether this thread belongs to a pool


def map_in_order(
    work: Callable[[Job], Done], jobs: Iterable[Job], threads: int = 1
) -> Iterator[Done]:
    """`work(job)` of every job, in order, on `threads` threads.

    Each thread runs whole blocks without the parallelism of torch, which does not help within a block
    that fits the cache. At most twice `threads` results wait for a slow consumer, so memory is bounded.

    Args:
        work: runs without gradients; it may be called from several threads at once.
        jobs: its arguments.
        threads: >= 1, at most the number of processors. 1, or a call from within `work`, runs in the
            calling thread with the parallelism of torch.
    """
    keep_freed_memory()
    threads = min(threads, cpu_count())
    pool = None if threads == 1 or getattr(_here, "worker", False) else _pool(threads)
    if pool is None:
        for job in jobs:
            with torch.no_grad():
                done = work(job)
            yield done
        return

    def run(job: Job) -> Done:
        with torch.no_grad():
            return work(job)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    waiting: deque[Future[Done]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(run, job))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        wait([future for future in waiting if not future.cancel()])
        torch.set_num_threads(before)


def _pool(threads: int) -> ThreadPoolExecutor | None:
    """Threads kept for the next call, because starting them takes longer than a block.

    None if the system cannot start more.
    """
    try:
        pool, workers = _started(threads)
        if not all(worker.is_alive() for worker in workers):  # a forked child has no threads
            _started.cache_clear()
            pool, _ = _started(threads)
    except RuntimeError:
        return None
    return pool


@lru_cache(maxsize=1)  # a replaced pool ends with the last call that uses it
def _started(threads: int) -> tuple[ThreadPoolExecutor, list[threading.Thread]]:
    """A pool with all threads started and the parallelism of torch off, and these threads.

    Raises:
        RuntimeError: not all of them can be started.
    """
    workers: list[threading.Thread] = []
    all_there = threading.Barrier(threads)

    def begin() -> None:
        torch.get_num_threads()  # otherwise torch takes the setting of the process at the first operation
        torch.set_num_threads(1)
        _here.worker = True
        workers.append(threading.current_thread())

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "dstft", initializer=begin)
    try:
        for _ in pool.map(lambda _: all_there.wait(), range(threads)):
            pass
    except BaseException:  # waiting threads must end
        all_there.abort()
        raise
    finally:
        torch.set_num_threads(before)
    return pool, workers


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Lets the C library reuse what blocks of frames free; once in a process.

    glibc returns freed memory above a threshold of 128 KiB to the system, so each result of the size of a
    block would be mapped and cleared again. Freeing a large mapping raises the threshold to its size. The
    mapping is never touched, so it takes no memory.

    Source: mallopt(3), M_MMAP_THRESHOLD, dynamic adjustment.
    """
    torch.empty(_KEPT_BYTES, dtype=torch.uint8)
