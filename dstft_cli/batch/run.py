"""Submits the jobs, collects them as they end, tries again what was lost with its worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    wait,
)
from dataclasses import dataclass
from typing import Any, Protocol

from dstft_cli.batch.journal import Journal
from dstft_cli.batch.plan import SUMMARY, Plan, PlannedJob
from dstft_cli.batch.resume import kept_entries
from dstft_cli.batch.summary import write_summary
from dstft_cli.batch.worker import Ending, Task, check_settings, run_task
from dstft_cli.errors import OutputError, UsageError
from dstft_cli.results import clear_leftovers

ATTEMPTS = 2  # of a job whose worker is lost
_LOOK_AGAIN = 2.0  # s: a cluster may have grown


class Workers(Protocol):
    """A `concurrent.futures.Executor` that also says how much it takes.

    Attributes:
        threads: of torch, for each of its workers.
    """

    threads: int

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> Future[Any]: ...

    def capacity(self) -> int:
        """How many calls keep it busy."""

    def abandon(self) -> None:
        """Stops what is running, as far as that can be done, and starts nothing more."""


@dataclass
class Watch:
    """What a batch tells while it runs; each may be replaced.

    Attributes:
        checked: how many earlier results were looked at, and of how many.
        begun: how many jobs stand already, and how many are to be run.
        ended: the row of a job.
        note: a line of detail.
    """

    checked: Callable[[int, int], None] = lambda done, total: None
    begun: Callable[[int, int], None] = lambda kept, total: None
    ended: Callable[[dict[str, Any]], None] = lambda row: None
    note: Callable[[str], None] = lambda line: None


def run_batch(
    plan: Plan,
    start: Callable[[int], Workers],
    *,
    force: bool = False,
    fail_fast: bool = False,
    watch: Watch | None = None,
) -> dict[int, dict[str, Any]]:
    """Runs what is missing, failed or changed, and writes the journal and `summary.csv`.

    Args:
        plan: of the batch.
        start: makes the executor; called with the number of jobs, at least 1, if any are to be run.
        force: run all jobs, and replace what other runs wrote at their places.
        fail_fast: stop at the first failure.
        watch: is told what happens.

    Returns:
        By index, the row of every job that has ended: `index`, `name`, `input`, `output`, `settings`
        (that vary), `status` (`done`, `kept`, `failed`), `key`, `seconds`, `criterion`,
        `window_length` (samples), `sample_rate` (Hz), `warnings`, `error`.

    Raises:
        UsageError: settings that the workers refuse; nothing has been run.
        OutputError: the disk is full, or the output folder cannot be written or has vanished.
    """
    watch = watch or Watch()
    rows: dict[int, dict[str, Any]] = {}
    with Journal(plan.folder, force=force) as journal:
        kept = {} if force else kept_entries(plan, journal, watch.checked)
        todo = [job for job in plan.jobs if job.index not in kept]
        clear_leftovers([plan.folder / SUMMARY, *(plan.place(job) for job in todo)])
        watch.begun(len(kept), len(todo))
        for job in plan.jobs:
            if job.index in kept:
                rows[job.index] = {**kept[job.index], **_about(plan, job), "status": "kept"}
                watch.ended(rows[job.index])
        if todo:
            run = _Run(plan, journal, rows, watch, force=force, fail_fast=fail_fast)
            run.all(todo, start)
        write_summary(plan, rows)
    return rows


class _Run:
    """The jobs of one batch that are run, and those that have ended."""

    def __init__(
        self,
        plan: Plan,
        journal: Journal,
        rows: dict[int, dict[str, Any]],
        watch: Watch,
        *,
        force: bool,
        fail_fast: bool,
    ) -> None:
        self._plan = plan
        self._journal = journal
        self._rows = rows
        self._watch = watch
        self._force = force
        self._fail_fast = fail_fast
        self._running: dict[Future[Ending], PlannedJob] = {}
        self._attempts: dict[int, int] = {}

    def all(self, todo: Sequence[PlannedJob], start: Callable[[int], Workers]) -> None:
        """Runs them on an executor that lives as long as this takes."""
        workers = start(len(todo))
        try:
            self._check_settings(workers, todo)
            self._loop(workers, deque(todo))
        finally:
            workers.abandon()  # idle, but after a stop or an interrupt
            clear_leftovers(self._plan.place(job) for job in self._running.values())

    def _check_settings(self, workers: Workers, todo: Sequence[PlannedJob]) -> None:
        used = sorted({job.variant for job in todo})
        values = [dict(self._plan.variants[number].values) for number in used]
        try:
            complaint = workers.submit(check_settings, values).result()
        except BrokenExecutor as error:
            raise OutputError(f"no job can be run: {error}: check the installation") from error
        if complaint is not None:
            raise UsageError(complaint)

    def _loop(self, workers: Workers, waiting: deque[PlannedJob]) -> None:
        while waiting or self._running:
            while waiting and len(self._running) < workers.capacity():
                job = waiting.popleft()
                self._attempts[job.index] = self._attempts.get(job.index, 0) + 1
                task = self._task(job, workers.threads)
                self._running[workers.submit(run_task, task)] = job
            ended, _ = wait(self._running, timeout=_LOOK_AGAIN, return_when=FIRST_COMPLETED)
            for future in ended:
                job = self._running.pop(future)
                try:
                    ending = future.result()
                except BrokenExecutor as error:
                    clear_leftovers([self._plan.place(job)])
                    if self._attempts[job.index] < ATTEMPTS:
                        self._watch.note(f"{job.input}: {error}: trying again")
                        waiting.appendleft(job)
                        continue
                    ending = Ending(f"{error}, in {ATTEMPTS} attempts")
                except (Exception, CancelledError) as error:
                    ending = Ending(f"lost: {type(error).__name__}: {' '.join(str(error).split())}")
                self._end(job, ending, left=len(waiting) + len(self._running))
                if ending.error is not None and self._fail_fast:
                    return

    def _task(self, job: PlannedJob, threads: int) -> Task:
        variant = self._plan.variants[job.variant]
        return Task(
            self._plan.source(job),
            str(self._plan.place(job)),
            dict(variant.values),
            variant.digest,
            variant.settings.threads or threads,
            self._force,
        )

    def _end(self, job: PlannedJob, ending: Ending, left: int) -> None:
        row = {
            **_about(self._plan, job),
            "status": "done" if ending.error is None else "failed",
            "key": ending.key,
            "seconds": round(ending.seconds, 3),
            "criterion": ending.found.get("criterion"),
            "window_length": ending.found.get("window_length"),
            "sample_rate": ending.found.get("sample_rate"),
            "warnings": ending.found.get("warnings", []),
            "error": ending.error,
        }
        self._rows[job.index] = row
        if ending.hopeless:
            others = f"; {left} more job{'' if left == 1 else 's'} not run" if left else ""
            raise OutputError(f"{ending.error}{others}: then run the same command again")
        self._journal.append(row)
        self._watch.ended(row)
        if ending.detail:
            self._watch.note(ending.detail)


def _about(plan: Plan, job: PlannedJob) -> dict[str, Any]:
    return {
        "index": job.index,
        "name": job.name,
        "input": job.input,
        "output": job.output,
        "settings": plan.settings_that_vary(job),
    }
