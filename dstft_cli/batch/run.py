"""Submits jobs, collects them as they end, repeats jobs that lost their worker, writes `summary.csv`."""

from __future__ import annotations

import csv
import io
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from dstft_cli.audio import content_digest
from dstft_cli.batch.journal import Journal
from dstft_cli.batch.plan import SUMMARY, Plan, PlannedJob
from dstft_cli.batch.pools import Workers, each
from dstft_cli.batch.worker import (
    ENTRY,
    NOTHING_FOUND,
    Ending,
    Task,
    check_settings,
    digest_of_all,
    job_key,
    read_standing,
    run_task,
)
from dstft_cli.errors import (
    DstftError,
    InputError,
    OutputError,
    UsageError,
    as_flags,
    in_words,
    printable,
)
from dstft_cli.results import atomic_file, clear_leftovers
from dstft_cli.settings import merge
from dstft_cli.stage import Stage

_READERS = 4  # hashing releases the interpreter lock
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_LENGTHS = {"window_length": "median", "window_length_min": "min", "window_length_max": "max"}


@dataclass
class Watch:
    checked: Callable[[int, int], None] = lambda done, total: None  # earlier results
    begun: Callable[[int, int], None] = lambda kept, total: None  # jobs done earlier, jobs to run
    running: Callable[[Mapping[str, Stage | None]], None] = lambda what: None  # now
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
        parts, line = [content(source) for source in plan.sources(job)], lines[job.output]
        found = digest_of_all(parts) if job.shared else parts[0]
        key = found and job_key(found, plan.variants[job.variant].digest)
        if not key == standing.key == line.key:
            return None
        return _row(plan, job, "kept", key, line.seconds, standing.found)

    rows = {}
    with ThreadPoolExecutor(_READERS) as threads:
        try:
            for count, (job, row) in enumerate(zip(done, threads.map(kept, done), strict=True)):
                if isinstance(row, InputError):
                    watch.warn(f"{str(row).rsplit(': ', 1)[0]}: the job is run again")
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

    def all(
        self, todo: Sequence[PlannedJob], start: Callable[[int], Workers], fail_fast: bool
    ) -> None:
        workers = start(sum(len(self.plan.sources(job)) for job in todo))
        try:
            values = [dict(self.plan.variants[n].values) for n in sorted({j.variant for j in todo})]
            self.watch.running({"starting the workers": None})
            ((_, complaint),) = each(workers, check_settings, 1, lambda _: (values,))
            if isinstance(complaint, Exception):
                raise OutputError(
                    f"no job can be run: {complaint}: check the installation"
                ) from complaint
            if complaint is not None:
                raise UsageError(complaint)
            go_on = self._loop(workers, [job for job in todo if not job.shared], fail_fast)
            for job in todo:
                if go_on and job.shared:
                    go_on = self._keep(job, self._share(workers, job, fail_fast), fail_fast)
        finally:
            workers.abandon()  # idle, except after a stop or an interrupt
            clear_leftovers(map(self.plan.place, todo))

    def _loop(self, workers: Workers, jobs: Sequence[PlannedJob], fail_fast: bool) -> bool:
        """Runs jobs of one recording each; False after a failure that ends the batch."""

        def task(number: int) -> tuple[Task]:
            job = jobs[number]
            variant, line = self.plan.variants[job.variant], self.journal.entries.get(job.output)
            own = Task(
                source=self.plan.source(job),
                place=str(self.plan.place(job)),
                settings=dict(variant.values),
                digest=variant.digest,
                threads=variant.settings.threads or workers.threads,
                again=self.force,
                ours=line is not None and line.status == "done",
            )
            return (own,)

        def note(number: int, text: str) -> None:
            self.watch.note(f"{jobs[number].input}: {text}")

        def running(stages: dict[int, Stage | None]) -> None:
            self.watch.running({jobs[number].output: stage for number, stage in stages.items()})

        told = self.watch.warn, note, running
        for number, ended in each(workers, run_task, len(jobs), task, *told):
            ending = Ending(str(ended)) if isinstance(ended, Exception) else ended
            if not self._keep(jobs[number], ending, fail_fast):
                return False
        return True

    def _keep(self, job: PlannedJob, ending: Ending, fail_fast: bool) -> bool:
        """Writes and shows how a job ended; False if that ends the batch."""
        status = "skipped" if ending.skipped else "failed" if ending.error else "done"
        seconds = round(ending.seconds, 3)
        row = _row(self.plan, job, status, ending.key, seconds, ending.found, ending.error)
        self.journal.append(row)
        self.rows[job.index] = row
        self.watch.ended(row)
        if ending.detail:
            self.watch.note(ending.detail)
        return ending.error is None or ending.skipped or not fail_fast

    def _share(self, workers: Workers, job: PlannedJob, fail_fast: bool) -> Ending:
        """Runs a job whose recordings share one result; their tables are work for all workers."""
        from dstft_cli.batch.collection import Way, run_shared

        began, place, stage = time.perf_counter(), self.plan.place(job), Stage()
        variant, line = self.plan.variants[job.variant], self.journal.entries.get(job.output)
        ours, standing = self.force or (line is not None and line.status == "done"), None
        with suppress(InputError):  # damaged
            standing = read_standing(place)
        own = {"output": place, "force": ours or standing is not None}
        way = Way(
            lambda count: nullcontext(workers),
            str(variant.weigh),
            fail_fast,
            again=self.force,
            progress=stage,
            warn=self.watch.warn,
        )
        self.watch.running({job.output: stage})
        try:
            run_shared(
                self.plan.sources(job),
                (),
                merge({**variant.values, **own}),
                way,
                extra={ENTRY: {"settings": variant.digest}},
                ours=ours,
            )
            done = read_standing(place)
        except DstftError as error:
            return Ending(as_flags(in_words(error)), seconds=time.perf_counter() - began)
        finally:
            self.watch.running({})
        assert done is not None
        return Ending(None, done.key, time.perf_counter() - began, done.found)


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
        **{name: getattr(job, name) for name in ("index", "name", "input", "output")},
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
    with atomic_file(plan.folder / SUMMARY, force=True) as file:
        file.write(table_csv(table))


def table_csv(rows: Sequence[Mapping[str, Any]]) -> bytes:
    """Rows as CSV under the names of the longest; what a spreadsheet would take for a formula is quoted."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, max(map(list, rows), key=len), lineterminator="\n")
    writer.writeheader()
    for cells in rows:
        risky = (n for n, v in cells.items() if isinstance(v, str) and v.startswith(_FORMULA))
        writer.writerow({**cells, **{name: f"'{cells[name]}" for name in risky}})
    try:
        return text.getvalue().encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # from a damaged result
        return text.getvalue().encode("utf-8", "backslashreplace")


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
