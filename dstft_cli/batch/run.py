"""Submits jobs, collects them as they end, repeats jobs that lost their worker, writes `summary.csv`."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import (
    FIRST_COMPLETED,
    BrokenExecutor,
    CancelledError,
    Future,
    ThreadPoolExecutor,
    wait,
)
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from dstft_cli.batch.journal import Journal
from dstft_cli.batch.plan import SUMMARY, Plan, PlannedJob
from dstft_cli.batch.pools import Workers
from dstft_cli.batch.worker import (
    NOTHING_FOUND,
    Ending,
    Task,
    check_settings,
    content_digest,
    job_key,
    read_standing,
    run_task,
)
from dstft_cli.errors import InputError, OutputError, UsageError, printable
from dstft_cli.results import atomic_file, clear_leftovers

ATTEMPTS = 2  # of a job that loses its worker
_LOOK_AGAIN = 2.0  # s; the size of a cluster may change
_SAY_AGAIN = 30.0  # s between two warnings that no worker is there
_READERS = 4  # hashing releases the interpreter lock
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LENGTHS = {"window_length": "median", "window_length_min": "min", "window_length_max": "max"}


@dataclass
class Watch:
    checked: Callable[[int, int], None] = lambda done, total: None  # earlier results
    begun: Callable[[int, int], None] = lambda kept, total: None  # jobs done earlier, jobs to run
    running: Callable[[Collection[str]], None] = lambda what: None  # now, on this machine
    ended: Callable[[dict[str, Any]], None] = lambda row: None
    note: Callable[[str], None] = lambda line: None  # for `--verbose`
    warn: Callable[[str], None] = lambda line: None


def run_batch(
    plan: Plan,
    start: Callable[[int], Workers],
    *,
    force: bool = False,
    fail_fast: bool = False,
    watch: Watch | None = None,
) -> dict[int, dict[str, Any]]:
    """Runs jobs that are missing, failed or changed; writes the journal and `summary.csv`.

    `start` makes the workers, called with the number of jobs if there are any. `force` runs all jobs and
    replaces their results. Returns by index the `_row` of every job that has ended. UsageError for settings
    that the workers cannot use, before any job; OutputError if the journal or all workers are lost.
    """
    watch = watch or Watch()
    rows: dict[int, dict[str, Any]] = {}
    with Journal(plan.folder, force=force) as journal:
        if journal.damaged:
            watch.warn(
                f"{printable(journal.path)}: {journal.damaged} damaged lines are skipped: "
                "their jobs are run again"
            )
        kept = {} if force else kept_rows(plan, journal, watch)
        todo = [job for job in plan.jobs if job.index not in kept]
        clear_leftovers([plan.folder / SUMMARY, *map(plan.place, plan.jobs)])
        watch.begun(len(kept), len(todo))
        for index, row in kept.items():
            rows[index] = row
            watch.ended(row)
        if todo:
            _Run(plan, journal, rows, watch, force).all(todo, start, fail_fast)
        write_summary(plan, rows)
    return rows


def kept_rows(plan: Plan, journal: Journal, watch: Watch) -> dict[int, dict[str, Any]]:
    """By index, the row of every job whose result is whole, of the same content, settings and version."""
    lines = journal.entries
    done = [j for j in plan.jobs if j.output in lines and lines[j.output].status == "done"]
    stop = threading.Event()
    content = cache(partial(content_digest, stop=stop))  # jobs of a matrix share recordings

    def kept(job: PlannedJob) -> dict[str, Any] | InputError | None:
        try:
            standing = read_standing(plan.place(job))
        except InputError as error:
            return error
        if standing is None or not standing.whole:
            return None
        found, line = content(plan.source(job)), lines[job.output]
        key = found and job_key(found, plan.variants[job.variant].digest)
        if not key == standing.key == line.key:
            return None
        return _row(plan, job, "kept", key, line.seconds, standing.found)

    rows = {}
    with ThreadPoolExecutor(_READERS) as threads:
        try:
            for count, (job, row) in enumerate(zip(done, threads.map(kept, done), strict=True)):
                if isinstance(row, InputError):
                    watch.warn(f"{row}: the job is run again")
                elif row is not None:
                    rows[job.index] = row
                watch.checked(count + 1, len(done))
        except BaseException:
            stop.set()  # an interrupt does not wait for a long recording
            threads.shutdown(wait=False, cancel_futures=True)
            raise
    return rows


@dataclass
class _Run:
    plan: Plan
    journal: Journal
    rows: dict[int, dict[str, Any]]
    watch: Watch
    force: bool
    attempts: Counter[int] = field(default_factory=Counter)
    said: float = -_SAY_AGAIN  # time of the last warning about waiting

    def all(
        self, todo: Sequence[PlannedJob], start: Callable[[int], Workers], fail_fast: bool
    ) -> None:
        workers = start(len(todo))
        try:
            values = [dict(self.plan.variants[n].values) for n in sorted({j.variant for j in todo})]
            self.watch.running(["starting the workers"])
            future = workers.submit(check_settings, values)
            while not self._ended(workers, [future]):
                pass
            try:
                complaint = future.result()
            except BrokenExecutor as error:
                raise OutputError(f"no job can be run: {error}: check the installation") from error
            except CancelledError as error:
                raise _gone(workers, len(todo)) from error
            if complaint is not None:
                raise UsageError(complaint)
            self._loop(workers, deque(todo), fail_fast)
        finally:
            workers.abandon()  # idle, except after a stop or an interrupt
            clear_leftovers(map(self.plan.place, todo))

    def _loop(self, workers: Workers, waiting: deque[PlannedJob], fail_fast: bool) -> None:
        running: dict[Future[Ending], PlannedJob] = {}
        while waiting or running:
            while waiting and len(running) < workers.capacity():
                job = waiting.popleft()
                self.attempts[job.index] += 1
                variant = self.plan.variants[job.variant]
                line = self.journal.entries.get(job.output)
                task = Task(
                    source=self.plan.source(job),
                    place=str(self.plan.place(job)),
                    settings=dict(variant.values),
                    digest=variant.digest,
                    threads=variant.settings.threads or workers.threads,
                    again=self.force,
                    ours=line is not None and line.status == "done",
                )
                running[workers.submit(run_task, task)] = job
            self.watch.running([job.output for f, job in running.items() if f.running()])
            ended = self._ended(workers, running)
            for future in sorted(ended, key=Future.cancelled):
                job = running[future]
                try:
                    ending = future.result()
                except CancelledError as error:
                    raise _gone(workers, len(waiting) + len(running)) from error
                except BrokenExecutor as error:
                    if self.attempts[job.index] < ATTEMPTS:
                        self.watch.note(f"{job.input}: {error}: trying again")
                        waiting.appendleft(running.pop(future))
                        continue
                    ending = Ending(f"{error}, in {ATTEMPTS} attempts")
                except Exception as error:
                    text = " ".join(str(error).split())
                    ending = Ending(f"lost with its worker: {type(error).__name__}: {text}")
                del running[future]
                status = "skipped" if ending.skipped else "failed" if ending.error else "done"
                seconds = round(ending.seconds, 3)
                row = _row(self.plan, job, status, ending.key, seconds, ending.found, ending.error)
                self.journal.append(row)
                self.rows[job.index] = row
                self.watch.ended(row)
                if ending.detail:
                    self.watch.note(ending.detail)
                if ending.error is not None and fail_fast and not ending.skipped:
                    return

    def _ended(self, workers: Workers, futures: Collection[Future[Any]]) -> Iterable[Future[Any]]:
        """The jobs that ended within some seconds; warns from time to time if none can progress."""
        ended, waiting = wait(futures, timeout=_LOOK_AGAIN, return_when=FIRST_COMPLETED)
        if not ended and workers.gone() is not None:
            raise _gone(workers, len(waiting))
        line = workers.missing()
        now = time.monotonic()
        if line is None:
            self.said = now - _SAY_AGAIN
        elif now - self.said >= _SAY_AGAIN:
            self.watch.warn(line)
            self.said = now
        return ended


def _gone(workers: Workers, left: int) -> OutputError:
    why = workers.gone() or "the cluster has cancelled the jobs"
    return OutputError(f"{why}, then run the same command again: {left} jobs are left")


def _row(
    plan: Plan,
    job: PlannedJob,
    status: str,
    key: str | None,
    seconds: float | None,
    found: Mapping[str, Any],
    error: str | None = None,
) -> dict[str, Any]:
    return {
        "index": job.index,
        "name": job.name,
        "input": job.input,
        "output": job.output,
        "settings": plan.settings_that_vary(job),
        "status": status,
        "key": key,
        "seconds": seconds,
        **NOTHING_FOUND,
        **found,
        "error": error,
    }


def write_summary(plan: Plan, rows: Mapping[int, Mapping[str, Any]]) -> None:
    """Writes `summary.csv` into the plan's folder, over an earlier one; columns are those of `_cells`."""
    files = sorted({name for row in rows.values() for name in row["files"]})
    table = [_cells(plan, job, rows.get(job.index, {}), files) for job in plan.jobs]
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(table[0]), lineterminator="\n")
    writer.writeheader()
    for cells in table:
        risky = (n for n, v in cells.items() if isinstance(v, str) and v.startswith(_FORMULA))
        writer.writerow({**cells, **{name: f"'{cells[name]}" for name in risky}})
    try:
        data = text.getvalue().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # from a damaged result
        data = text.getvalue().encode("utf-8", "backslashreplace")
    with atomic_file(plan.folder / SUMMARY, force=True) as file:
        file.write(data)


def _cells(plan: Plan, job: PlannedJob, row: Mapping[str, Any], files: list[str]) -> dict[str, Any]:
    """The cells of a job: lengths in samples and ms, gains as the report has them."""
    criterion = row.get("criterion") or {}
    start, final = criterion.get("start"), criterion.get("final")
    best = (criterion.get("best_fixed") or {}).get("value")
    sign = -1 if criterion.get("direction") == "maximize" else 1
    rate, varying = row.get("sample_rate"), plan.settings_that_vary(job)
    lengths = {name: _one(row.get("window_length"), key) for name, key in _LENGTHS.items()}
    lengths["hop"] = _one(row.get("hop_length"), "median")
    return {
        "job": job.index,
        "name": job.name,
        "input": job.input,
        "output": job.output,
        **varying,
        "status": row.get("status", ""),
        "start": start,
        "best_fixed": best,
        "final": final,
        "gain_over_start": _gain(sign, start, final),
        "gain_over_best_fixed": _gain(sign, best, final),
        **lengths,
        **{f"{n}_ms": None if v is None else 1000 * v / rate for n, v in lengths.items()},
        "n_fft": row.get("n_fft") or varying.get("n_fft"),
        "sample_rate": rate,
        "seconds": row.get("seconds"),
        "warnings": " | ".join(row.get("warnings", [])),
        "error": row.get("error"),
        **{name: f"{job.output}/{name}" if name in row.get("files", ()) else "" for name in files},
    }


def _one(length: Any, key: str) -> Any:
    return length[key] if isinstance(length, Mapping) else length


def _gain(sign: int, before: float | None, after: float | None) -> float | None:
    return None if before is None or after is None else sign * (before - after)
