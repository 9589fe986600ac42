"""Runs of `dstft` in forked processes, which need no import; limited in memory and time."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COMPUTING = 20  # s of processor time
TIMEOUT = 120.0  # s of waiting; more than computing takes, for the machine may be busy
MEMORY = 2 << 30  # bytes, above what the imports have mapped
WARMED = ("run.output", "run.apply", "run.reconstruct", "report", "plot.pictures", "cli.optimize",
          "cli.batch", "cli.apply", "cli.reconstruct", "cli.report")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A command to be run in a folder of its own, standard input from a file there if named.

    With `killed_after`, in seconds, it is killed then unless it has ended.
    """

    number: int
    folder: Path
    arguments: Sequence[str]
    stdin: str | None = None
    killed_after: float | None = None


@dataclass(frozen=True)
class Outcome:
    """How a run ended: exit code (minus the signal that ended it), time, memory, standard error.

    `computing` is processor time, that of processes it has waited for included.
    """

    run: Run
    code: int
    seconds: float
    computing: float
    peak_mb: float
    stderr: str
    timed_out: bool


def warm_up() -> None:
    """Imports what the commands import; computes nothing, so that no thread is lost in a fork."""
    for name in WARMED:
        importlib.import_module(f"dstft_cli.{name}")


def outcomes(runs: Iterable[Run], workers: int) -> Iterator[Outcome]:
    """Runs the commands, so many at a time, and gives the outcomes as they come."""
    waiting, running = iter(runs), {}
    while True:
        while len(running) < workers and (run := next(waiting, None)) is not None:
            running[_start(run)] = (run, time.monotonic())
        if not running:
            return
        for pid, (run, began) in list(running.items()):
            seconds = time.monotonic() - began
            ended, status, usage = os.wait4(pid, os.WNOHANG)
            timed_out = not ended and seconds > TIMEOUT
            killed = run.killed_after is not None and seconds > run.killed_after
            if not ended and (timed_out or killed):
                os.killpg(pid, signal.SIGKILL)
                ended, status, usage = os.wait4(pid, 0)
            if ended:
                del running[pid]
                code = os.waitstatus_to_exitcode(status)
                text = (run.folder / "stderr.txt").read_text(errors="replace")
                peak = usage.ru_maxrss * 1024 / 1e6
                computing = usage.ru_utime + usage.ru_stime
                yield Outcome(run, code, seconds, computing, peak, text, timed_out)
        time.sleep(0.002)


def _start(run: Run) -> int:
    sys.stdout.flush()
    (run.folder / "stderr.txt").touch()  # for it may be killed before it writes
    pid = os.fork()
    if pid:
        os.setpgid(pid, pid)  # here too, for it may be killed before it gets that far
        return pid
    code = 99
    try:
        os.setpgid(0, 0)
        os.chdir(run.folder)
        for target, name, mode in (
            (0, run.stdin or os.devnull, os.O_RDONLY),
            (1, "stdout.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, "stderr.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            os.dup2(os.open(name, mode), target)
        limit = _mapped() + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CPU, (COMPUTING, COMPUTING + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from dstft_cli.cli import main

        code = main(run.arguments)
    finally:
        os._exit(code)


def _mapped() -> int:
    """Address space of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
