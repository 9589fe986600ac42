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

_KEPT_BYTES = 31 << 20  # what glibc still learns from ends at 32 MiB
_here = threading.local()  # `worker`: whether this thread is one of a pool


def map_in_order(
    work: Callable[[Job], Done], jobs: Iterable[Job], threads: int = 1
) -> Iterator[Done]:
    """`work(job)` of every job, in order, on `threads` threads.

    Each thread runs whole blocks with torch's own parallelism switched off: inside a block that fits
    the cache, threads would mostly wait for each other. No more than twice `threads` results wait
    for a slow consumer, so memory stays bounded.

    Args:
        work: runs without gradients; it may be called from several threads at once.
        jobs: its arguments.
        threads: >= 1, of which no more are used than there are processors; 1 runs in the calling
            thread, with torch's parallelism, and so does a call from within `work`.
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
    """Threads that stay for the next call, for to start them takes longer than a block.

    None where the system gives no more of them.
    """
    try:
        pool, workers = _started(threads)
        if not all(worker.is_alive() for worker in workers):  # in a forked child there are none
            _started.cache_clear()
            pool, _ = _started(threads)
    except RuntimeError:
        return None
    return pool


@lru_cache(maxsize=1)  # a pool that another has replaced ends with the last call that uses it
def _started(threads: int) -> tuple[ThreadPoolExecutor, list[threading.Thread]]:
    """A pool whose threads have all begun, with torch's own parallelism switched off, and these.

    Raises:
        RuntimeError: not all of them can be started.
    """
    workers: list[threading.Thread] = []
    all_there = threading.Barrier(threads)

    def begin() -> None:
        torch.get_num_threads()  # else torch takes the number of the process at the first operation
        torch.set_num_threads(1)
        _here.worker = True
        workers.append(threading.current_thread())

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "dstft", initializer=begin)
    try:
        for _ in pool.map(lambda _: all_there.wait(), range(threads)):
            pass
    except BaseException:  # those that wait must not wait for ever
        all_there.abort()
        raise
    finally:
        torch.set_num_threads(before)
    return pool, workers


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Lets the C library reuse what blocks of frames free; once in a process.

    glibc returns freed memory above a threshold of 128 KiB to the system, so every operation on a
    block would have its result mapped and cleared anew. The threshold rises to the size of the
    largest mapping that was freed: one that is never touched, and so takes no memory.

    Source: mallopt(3), M_MMAP_THRESHOLD, dynamic adjustment.
    """
    torch.empty(_KEPT_BYTES, dtype=torch.uint8)
