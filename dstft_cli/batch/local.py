"""Worker processes of this machine, as an executor that survives the loss of any of them."""

from __future__ import annotations

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

_QUEUED = 1  # calls per worker that wait beside the one that runs, so that none is ever idle
_LIBRARIES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_DYING = 5.0  # s: the longest wait for a process that has been killed
_Item = tuple["Future[Any]", Callable[..., Any], tuple[Any, ...]]


def cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class LocalExecutor(Executor):
    """Processes, spawned, each running one call at a time.

    `ProcessPoolExecutor` gives up all its processes and all calls in flight when one of them dies,
    and cannot say which call killed it. Here a lost process costs the call it was running, whose
    future raises `BrokenExecutor`, and is replaced for the next one. All are started by the first
    call. A process ends by itself when this one does.

    Args:
        workers: number of processes, at least 1.
        prepare: called once in every process before its first call; module level.
        silent: nothing that libraries print in the processes is shown.

    Attributes:
        threads: each process's share of the cores.
    """

    def __init__(self, workers: int, prepare: Callable[[], None], *, silent: bool) -> None:
        self.threads = max(1, cores() // workers)
        self._workers = workers
        self._begin = (prepare, silent)
        self._calls: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._processes: set[BaseProcess] = set()
        self._abandoned = False
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def capacity(self) -> int:
        """How many calls keep all processes busy."""
        return self._workers * (1 + _QUEUED)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs `fn(*args)` in one of the processes; `fn` is at module level."""
        if kwargs:
            raise TypeError("calls take positional arguments only")
        # not before: an interrupt that comes while an executor is made would leave them to nobody
        with self._starting:
            while len(self._threads) < self._workers:
                thread = threading.Thread(target=self._serve, daemon=True)
                thread.start()
                self._threads.append(thread)
        future: Future[Any] = Future()
        self._calls.put((future, fn, args))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Ends the processes, after all calls where `wait`, else at once."""
        for _ in self._threads:
            self._calls.put(None)
        if wait and not cancel_futures:
            for thread in self._threads:
                thread.join()
        self.abandon()

    def abandon(self) -> None:
        """Kills all processes; returns when they are gone. No further one is started."""
        with self._lock:
            self._abandoned = True
            for process in self._processes:
                process.kill()
            for process in self._processes:
                process.join(_DYING)

    def _serve(self) -> None:
        """One worker's thread: keeps its process alive and hands it one call after the other."""
        worker = self._start()
        while (item := self._calls.get()) is not None:
            future, fn, args = item
            if not future.set_running_or_notify_cancel():
                continue
            worker = worker or self._start()
            if worker is None:
                future.set_exception(BrokenExecutor("the batch was stopped"))
                continue
            process, connection = worker
            try:
                good, value = _call(process, connection, fn, args)
            except (EOFError, OSError):
                self._forget(process, connection)
                worker = None
                future.set_exception(BrokenExecutor(_cause(process.exitcode)))
                continue
            except Exception as error:  # what cannot be sent or read; the process waits for more
                good, value = False, error
            if good:
                future.set_result(value)
            else:
                future.set_exception(value)
        if worker is not None:
            worker[0].kill()  # it is idle; to let it unload its libraries takes half a second
            self._forget(*worker)

    def _start(self) -> tuple[BaseProcess, Connection] | None:
        context = multiprocessing.get_context("spawn")
        with self._lock:
            if self._abandoned:
                return None
            ours, theirs = context.Pipe()
            _leave_interrupts_to_the_parent()
            process = context.Process(target=_work, args=(theirs, *self._begin), daemon=True)
            with _threads_of_libraries(self.threads):
                process.start()
            theirs.close()  # so that the end of the process is the end of the pipe
            self._processes.add(process)
        return process, ours

    def _forget(self, process: BaseProcess, connection: Connection) -> None:
        with self._lock:  # of two threads that wait for one process, the second learns no exit code
            process.join(_DYING)
            self._processes.discard(process)
        connection.close()


@contextmanager
def _threads_of_libraries(count: int) -> Iterator[None]:
    """Processes started in this block find how many threads NumPy's libraries may take.

    They read it as they are loaded; what the user has set stays.
    """
    new = [name for name in _LIBRARIES if name not in os.environ]
    os.environ.update(dict.fromkeys(new, str(count)))
    try:
        yield
    finally:
        for name in new:
            del os.environ[name]


def _leave_interrupts_to_the_parent() -> None:
    """Processes started by this thread are deaf to the keyboard, from their first instruction on."""
    if hasattr(signal, "pthread_sigmask"):
        resource_tracker.ensure_running()  # begun later, it would take this mask away
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})


def _call(
    process: BaseProcess, connection: Connection, fn: Callable[..., Any], args: tuple[Any, ...]
) -> tuple[bool, Any]:
    connection.send((fn, args))
    wait([connection, process.sentinel])
    if not connection.poll():
        raise EOFError
    good, value = connection.recv()
    return bool(good), value


def _cause(exit_code: int | None) -> str:
    """Why a process ended, in words."""
    if exit_code is None:
        return "its worker process no longer answers"
    if exit_code >= 0:
        return f"its worker process ended with exit code {exit_code}"
    with suppress(ValueError):
        name = signal.Signals(-exit_code).name
        memory = " (out of memory?)" if name == "SIGKILL" else ""
        return f"its worker process was killed by {name}{memory}"
    return f"its worker process was killed by signal {-exit_code}"


def _work(connection: Connection, prepare: Callable[[], None], silent: bool) -> None:
    """The life of a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)  # standard output belongs to the parent's results
    prepare()
    if silent:  # decoders write about broken files to standard error, into the progress bar
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, 1)
        os.dup2(nothing, 2)
    while True:
        try:
            fn, args = connection.recv()
        except (EOFError, OSError):
            return
        try:
            answer = True, fn(*args)
        except Exception as error:
            answer = False, error
        connection.send(answer)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
