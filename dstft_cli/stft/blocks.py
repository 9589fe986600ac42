"""Work on blocks of frames, several at a time, results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import torch

from dstft_cli.stft.allocation import keep_freed_memory

Job = TypeVar("Job")
Done = TypeVar("Done")


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
        threads: >= 1; 1 runs in the calling thread, with torch's parallelism.
    """
    keep_freed_memory()
    if threads == 1:
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
    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    waiting: deque[Future[Done]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(run, job))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        torch.set_num_threads(before)
