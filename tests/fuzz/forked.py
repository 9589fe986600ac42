"""Runs of `dstft` in forked processes, which need no import; limited in memory and time."""

import importlib
import os
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

COMPUTING = 20  # s of processor time
TIMEOUT = 120.0  # s of waiting; more than computing takes, for the machine may be busy
LARGEST_MB = 2000
MEMORY = 2 << 30  # bytes, above what the imports have mapped
WARMED = ("run.output", "run.apply", "run.view", "report", "plot.pictures", "cli.commands",
          "cli.batch")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A command to be run in a folder of its own."""

    number: int
    folder: Path
    arguments: Sequence[str]
    stdin: str | None = None  # a file there
    killed_after: float | None = None  # s, unless it has ended


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    run: Run
    code: int  # minus the signal that ended it
    seconds: float
    computing: float  # s of processors, that of processes it has waited for included
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


def campaign(
    runs: Iterable[Run],
    workers: int,
    problems: Callable[[Outcome], Iterable[str]],
    name: Callable[[Run], str],
) -> list[str]:
    """Runs all; prints how those from number 0 on ended, returns a line for each problem."""
    failures: list[str] = []
    codes, slowest, largest, began = Counter[tuple[str, int]](), 0.0, 0.0, time.monotonic()
    for outcome in outcomes(runs, workers):
        run, kind = outcome.run, name(outcome.run)
        if run.number >= 0:
            codes[kind, outcome.code] += 1
        slowest, largest = max(slowest, outcome.computing), max(largest, outcome.peak_mb)
        found = [*_beyond_limits(outcome), *problems(outcome)]
        failures += [f"case {run.number} ({kind}): {problem}" for problem in found]
        if not found:
            shutil.rmtree(run.folder)
    for (kind, code), count in sorted(codes.items()):
        print(f"{kind:11} {count} × exit {code}")
    print(
        f"{codes.total()} cases in {time.monotonic() - began:.0f} s; at most {slowest:.1f} s of "
        f"computing and {largest:.0f} MB each; {len(failures)} failures"
    )
    return failures


def _beyond_limits(outcome: Outcome) -> Iterator[str]:
    """What no run may do, whatever it was given."""
    if outcome.timed_out:
        yield f"not ended after {TIMEOUT:.0f} s"
    if outcome.code not in (0, 1, 2):
        yield f"exit code {outcome.code}"
    if outcome.computing > COMPUTING:
        yield f"{outcome.computing:.0f} s of computing"
    if outcome.peak_mb > LARGEST_MB:
        yield f"{outcome.peak_mb:.0f} MB of memory"
    for word in ("Traceback", "internal error: ", "out of memory"):
        if word in outcome.stderr:
            yield f"{word!r} on standard error: {outcome.stderr.splitlines()[-1]}"
    for path in outcome.run.folder.rglob(".*"):
        yield f"left behind: {path.relative_to(outcome.run.folder)}"


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
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limit = mapped + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        resource.setrlimit(resource.RLIMIT_CPU, (COMPUTING, COMPUTING + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        from dstft_cli.cli import main

        code = main(run.arguments)
    finally:
        os._exit(code)
