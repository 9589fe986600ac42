"""Work on blocks of frames, several at a time, results in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import lru_cache
from multiprocessing import cpu_count, current_process
from typing import TypeVar

import torch

Job = TypeVar("Job")
Done = TypeVar("Done")

_KEPT_BYTES = 31 << 20  # bytes; glibc adapts its threshold up to 32 MiB
_here = threading.local()  # `worker`: whether this thread belongs to a pool


def map_in_order(
    work: Callable[[Job], Done], jobs: Iterable[Job], threads: int = 1
) -> Iterator[Done]:
    """`work(job)` of every job, in order, without gradients, on `threads` threads at once.

    Each thread runs whole blocks without the parallelism of torch, which does not help within a block
    that fits the cache. One thread, or a call from within `work`, is the caller's, with that parallelism.
    At most twice `threads` results wait for a slow consumer, so memory is bounded.
    """
    keep_freed_memory()
    threads = min(threads, cpu_count())
    pool = None
    if threads > 1 and not getattr(_here, "worker", False):
        with suppress(RuntimeError):  # the system gives no thread
            pool = _pool(threads, current_process().pid)
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


@lru_cache(maxsize=1)  # kept, because starting threads takes longer than a block
def _pool(threads: int, process: int | None) -> ThreadPoolExecutor:
    """All of these threads, started, without the parallelism of torch; RuntimeError if there are fewer.

    For each process its own, because a forked one has none of the threads.
    """
    all_there = threading.Barrier(threads)

    def begin() -> None:
        torch.get_num_threads()  # otherwise torch takes the setting of the process at the first operation
        torch.set_num_threads(1)
        _here.worker = True

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
    return pool


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Lets the C library reuse the memory of blocks of frames, which glibc maps and clears anew each time.

    Freeing a large mapping raises the threshold for that (mallopt(3), M_MMAP_THRESHOLD). It is never
    touched, so it takes no memory.
    """
    torch.empty(_KEPT_BYTES, dtype=torch.uint8)
