"""Workers: processes of this machine (Pebble), or a Dask cluster."""

from __future__ import annotations

import logging
import multiprocessing
import os
import re
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    ThreadPoolExecutor,
)
from concurrent.futures import wait as futures_wait
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import Any
from weakref import WeakKeyDictionary

from dstft_cli._version import __version__
from dstft_cli.errors import DstftError, InputError, OutputError, UsageError, shortened
from dstft_cli.stage import SIZE, Stage

RETRIES = 2  # of a job that loses its Dask worker
ATTEMPTS = 2  # of a call that loses its worker
_LOOK_AGAIN = 2.0  # s; the size of a cluster may change
_SAY_AGAIN = 30.0  # s between two warnings that no worker is there
_QUEUED = 2  # calls per worker, so that none is idle
_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_FRESH = 2.0  # s; the count of Dask's threads is then renewed
_ADDRESS = re.compile(r"((tcp|tls|ucx|ws|wss)://)?[^/\s]+:[0-9]+/?")


_stage = Stage()  # of this process


def report(stage: str, done: int, total: int) -> None:
    """Tells where the call of this process stands, as `records.Progress`; its executor may show it."""
    _stage(stage, done, total)


def cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalExecutor:
    """Processes, spawned, each running one call at a time after `prepare`; all end with this one.

    Each has a thread here and is a Pebble pool of its own: in a shared pool a killed process may hold the
    lock of the common pipe. A process that dies is replaced, and the future of its call raises
    `BrokenExecutor`. `silent` discards what libraries print in the processes.
    """

    def __init__(self, workers: int, prepare: Callable[[], None], *, silent: bool) -> None:
        self.threads = max(1, cores() // workers)  # of torch, for each worker
        self._workers, self._begin = workers, (prepare, silent)
        self._lock, self._ended = threading.Lock(), False
        self._own = threading.local()  # pool and stage of a thread
        self._threads = ThreadPoolExecutor(workers)
        self._calls: dict[Any, Future[Any]] = {}  # the last one of each pool
        self._stages = WeakKeyDictionary[Future[Any], list[Stage]]()
        # libraries read it when they are loaded; values set by the user are kept
        self._environment = [name for name in _LIBRARIES if name not in os.environ]
        os.environ.update(dict.fromkeys(self._environment, str(self.threads)))

    def capacity(self) -> int:
        """Number of calls that keep all workers busy."""
        return self._workers * _QUEUED

    def missing(self) -> None:
        """Nothing: why no call makes progress now, or, as `gone`, ever again."""

    gone = missing

    def stage(self, future: Future[Any]) -> Stage | None:
        """Where a call stands that runs; None before it has a process."""
        return next(iter(self._stages[future]), None)

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        """Runs `fn(*args)` in one of the processes; `fn` is at module level."""
        stage: list[Stage] = []
        with self._lock, _interrupts_held():
            future = self._threads.submit(self._call, stage, fn, args)
        self._stages[future] = stage
        return future

    def abandon(self) -> None:
        """Kills all processes and waits for their end."""
        with self._lock:
            self._ended = True
            for pool in self._calls:
                pool.stop()
            for process in multiprocessing.active_children():
                if process.name == "pebble_pool_worker":
                    process.kill()
            for call in self._calls.values():  # Pebble ends none of them
                call.cancel()
        self._threads.shutdown(cancel_futures=True)
        for pool in self._calls:
            pool.join()
        for name in self._environment:
            os.environ.pop(name, None)

    def _call(self, stage: list[Stage], fn: Callable[..., Any], args: tuple[Any, ...]) -> Any:
        """The result of `fn(*args)` in the process of this thread, which is started where it has none."""
        from pebble import ProcessExpired

        with self._lock:
            if self._ended:
                raise CancelledError
            if not hasattr(self._own, "pool"):
                self._own.pool, self._own.stage = self._start()
            pool: Any = self._own.pool
            self._own.stage.begin()
            stage.append(self._own.stage)
            try:
                call = pool.schedule(fn, args)
            except RuntimeError:  # the idle process was lost
                call = Future[Any]()
                call.set_exception(BrokenExecutor("its worker process was lost"))
            self._calls[pool] = call
        error = call.exception()
        if isinstance(error, (ProcessExpired, BrokenExecutor)):
            with self._lock:
                del self._own.pool, self._calls[pool]
            pool.stop()
            pool.join()
        if isinstance(error, ProcessExpired):
            raise BrokenExecutor(_cause(error.exitcode))
        return call.result()

    def _start(self) -> tuple[Any, Stage]:
        from pebble import ProcessPool

        context = multiprocessing.get_context("spawn")
        memory = context.RawArray("b", SIZE)
        pool: Any = ProcessPool(1, 0, _begin, (*self._begin, memory), context)
        assert pool.active  # reading this property starts it
        return pool, Stage(memory)


def _begin(prepare: Callable[[], None], silent: bool, memory: Any) -> None:
    global _stage
    _stage = Stage(memory)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)  # standard output is for results of the parent
    prepare()
    if silent:  # decoders write to standard error, into the progress bar
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _cause(exit_code: int) -> str:
    if exit_code >= 0:
        return f"its worker process ended with exit code {exit_code}"
    with suppress(ValueError):
        name = signal.Signals(-exit_code).name
        memory = " (out of memory?)" if name == "SIGKILL" else ""
        return f"its worker process was killed by {name}{memory}"
    return f"its worker process was killed by signal {-exit_code}"


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Threads and processes started in the block ignore keyboard interrupts; one is raised at its end."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    given = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore"  # of the tracker: it clears what killed workers leave
    resource_tracker.ensure_running()  # started later, it would reset this mask
    del os.environ["PYTHONWARNINGS"]
    os.environ.update({} if given is None else {"PYTHONWARNINGS": given})
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class ClusterExecutor:
    """The workers of a Dask scheduler at an address such as `tcp://host:8786`; UsageError without it."""

    threads = 1  # several workers may share a machine; `threads` in the settings allows more

    def __init__(self, address: str) -> None:
        start = f"`scheduler` {shortened(address)}"
        if not _ADDRESS.fullmatch(address):
            raise UsageError(
                f"{start}: not an address: write it as tcp://host:8786, which 'dask scheduler' prints"
            )
        try:
            import distributed
        except ImportError:
            raise UsageError(f"{start}: needs Dask: pip install 'dstft-cli[cluster]'") from None
        # lost workers are reported by the waiting job, not by Dask
        for name in ["distributed", *logging.root.manager.loggerDict]:
            if name.partition(".")[0] == "distributed":
                logging.getLogger(name).setLevel(logging.CRITICAL)
        client: Any = distributed.Client  # no type information
        try:
            self._client = client(address, timeout="5s", set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"{start}: no scheduler answers ({' '.join(str(error).split())}): "
                "start one with 'dask scheduler', and check host and port"
            ) from None
        self._address = address
        self._executor = self._client.get_executor(pure=False, retries=RETRIES)
        self._counted = float("-inf")
        self._threads = 0

    def capacity(self) -> int:
        return _QUEUED * max(1, self._count())

    def missing(self) -> str | None:
        if self._count():
            return None
        return f"no Dask worker has joined {self._address}: start one with 'dask worker {self._address}'"

    def gone(self) -> str | None:
        if self._client.status == "running":
            return None
        return f"the Dask scheduler at {self._address} is gone: start it again"

    def stage(self, future: Future[Any]) -> None:
        """Nothing: where a call stands that runs."""

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]:
        future: Future[Any] = self._executor.submit(at_version, __version__, fn, *args)
        return future

    def abandon(self) -> None:
        """Leaves the cluster: waiting calls are dropped, running ones finish."""
        with suppress(Exception):
            self._client.close(timeout=1)

    def _count(self) -> int:
        if time.monotonic() - self._counted > _FRESH and self.gone() is None:
            with suppress(Exception):  # the scheduler may stop at this moment; `gone` reports it
                self._threads = sum(self._client.nthreads().values())
            self._counted = time.monotonic()
        return self._threads


def at_version(head: str, fn: Callable[..., Any], *args: Any) -> Any:
    """The result of `fn(*args)`; InputError in a worker of another version than the head."""
    if head != __version__:
        raise InputError(
            f"the worker has dstft {__version__}, the head {head}: install the same version"
        )
    return fn(*args)


# a future of `submit` raises `BrokenExecutor` without a worker
Workers = LocalExecutor | ClusterExecutor


def start_workers(
    jobs: int, prepare: Callable[[], None], workers: int | None, scheduler: str | None, silent: bool
) -> Workers:
    """Those of a scheduler, or so many processes (None: one per core), no more than there are jobs."""
    if scheduler is not None:
        return ClusterExecutor(scheduler)
    return LocalExecutor(min(jobs, workers or cores()), prepare, silent=silent)


def each(
    workers: Workers,
    fn: Callable[..., Any],
    count: int,
    call: Callable[[int], tuple[Any, ...]],
    warn: Callable[[str], None] = lambda line: None,
    note: Callable[[int, str], None] = lambda number, line: None,
    watch: Callable[[dict[int, Stage | None]], None] = lambda running: None,
) -> Iterator[tuple[int, Any]]:
    """Number and result of `fn(*call(number))` for numbers below `count`, as they end.

    A call that loses its worker is repeated. InputError is yielded in place of a result that was lost;
    OutputError is raised where no worker can answer any more. `warn` hears now and then that none is there,
    `watch` the numbers that run now, with the stages of those on this machine.
    """
    waiting, running = deque(range(count)), dict[Future[Any], int]()
    attempts, said = Counter[int](), -_SAY_AGAIN
    while waiting or running:
        while waiting and len(running) < workers.capacity():
            number = waiting.popleft()
            attempts[number] += 1
            running[workers.submit(fn, *call(number))] = number
        watch({n: workers.stage(future) for future, n in running.items() if future.running()})
        ended = futures_wait(running, timeout=_LOOK_AGAIN, return_when=FIRST_COMPLETED).done
        if not ended and workers.gone() is not None:
            raise _lost(workers, len(running) + len(waiting))
        line, now = workers.missing(), time.monotonic()
        if line is None:
            said = now - _SAY_AGAIN
        elif now - said >= _SAY_AGAIN:
            warn(line)
            said = now
        for future in sorted(ended, key=Future.cancelled):
            number = running[future]
            try:
                found = future.result()
            except CancelledError as error:
                raise _lost(workers, len(running) + len(waiting)) from error
            except BrokenExecutor as error:
                if attempts[number] < ATTEMPTS:
                    note(number, f"{error}: trying again")
                    waiting.appendleft(running.pop(future))
                    continue
                found = InputError(f"{error}, in {ATTEMPTS} attempts")
            except DstftError as error:
                found = error
            except Exception as error:
                text = " ".join(str(error).split())
                found = InputError(f"lost with its worker: {type(error).__name__}: {text}")
            del running[future]
            yield number, found


def _lost(workers: Workers, left: int) -> OutputError:
    why = workers.gone() or "the cluster has cancelled the jobs"
    return OutputError(f"{why}, then run the same command again: {left} jobs are left")
