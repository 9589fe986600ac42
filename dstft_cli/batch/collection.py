"""One verdict, or one set of parameters, for many recordings: `dstft sweep` and `optimize --shared`.

This process reads headers, hands out recordings, adds what comes back and writes: everything that needs
torch runs in the workers, but for the choice of a hop from the scores that they send. Tables are a map over
recordings; what travels is a few kilobytes of each.
"""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dstft_cli.audio import content_digest, probe
from dstft_cli.batch.config import AnySettings, check_collection
from dstft_cli.batch.pools import Workers, each
from dstft_cli.batch.run import table_csv
from dstft_cli.batch.tables import (
    Answer,
    Question,
    find_grid,
    find_hops,
    find_table,
    fit_mean,
    judge_tables,
    mean_of,
)
from dstft_cli.batch.worker import digest_of_all
from dstft_cli.errors import DstftError, InputError, UsageError, as_flags, counted, printable
from dstft_cli.records import CollectionSweep, Progress, RecordingTable, Result, tell
from dstft_cli.results import (
    SWEEP,
    TRANSFORM,
    Output,
    result_record,
    sweep_record,
    write_parameters,
    write_trajectory,
)
from dstft_cli.run.emit import emitted_call
from dstft_cli.run.optimize import JobOutcome, Stopwatch, write_sweep
from dstft_cli.run.sentences import warnings_of
from dstft_cli.settings import SWEEP_OPTIONS, Settings, SweepSettings
from dstft_cli.stage import Stage

if TYPE_CHECKING:
    from dstft_cli.fit.optimize import Positioned

Array = NDArray[np.float64]
log = logging.getLogger("dstft_cli")

_MOST_NAMED = 20  # recordings in warnings; all are in recordings.csv
FIRST = ("recording", "status", "sample_rate", "seconds", "weight")


@dataclass(frozen=True)
class Way:
    """How a collection is worked on."""

    workers: Callable[[int], AbstractContextManager[Workers]]  # for so many recordings
    weigh: str = "recordings"
    fail_fast: bool = False
    again: bool = False  # tables that are kept are not used
    progress: Progress | None = None
    running: Callable[[Mapping[str, Stage | None]], None] = lambda what: None  # now
    warn: Callable[[str], None] = lambda line: None


@dataclass(frozen=True)
class Collection:
    """Recordings in the order given, and the tables of those that have one."""

    sources: Sequence[str]
    answers: Sequence[Answer]  # one per recording
    weigh: str
    sample_rate: float  # the commonest, Hz
    rates: Counter[float]
    seconds: tuple[float, ...]  # lengths that were tabulated

    @cached_property
    def used(self) -> list[tuple[str, RecordingTable]]:
        pairs = zip(self.sources, self.answers, strict=True)
        return [(source, answer.table) for source, answer in pairs if answer.table is not None]

    @cached_property
    def tables(self) -> list[RecordingTable]:
        return [table for _, table in self.used]

    @cached_property
    def weights(self) -> list[float]:
        return [t.heard if self.weigh == "duration" else 1.0 for t in self.tables]

    @property
    def longest(self) -> int:
        """Samples of the longest recording at the common rate."""
        return round(max(table.seconds for table in self.tables) * self.sample_rate)

    def warnings(self) -> list[str]:
        """A line for each recording that was left out, and for what was read only in part."""
        lines = []
        for source, answer in zip(self.sources, self.answers, strict=True):
            name = printable(source)
            if answer.table is None:
                error = answer.error or "every sample is the same"
                lines.append(f"left out: {error if error.startswith(name) else f'{name}: {error}'}")
            lines += [f"{name}: {text}" for text in answer.warnings]
        more = len(lines) - _MOST_NAMED
        rest = [f"{counted(more, 'more warning')}: see recordings.csv"] if more > 0 else []
        return lines[:_MOST_NAMED] + rest

    def record(self) -> dict[str, Any]:
        """For `result.json` and `sweep.json`."""
        statuses = Counter(answer.status for answer in self.answers)
        return {
            "recordings": len(self.sources),
            **{name: statuses[name] for name in ("used", "silent", "failed")},
            "tables_computed": sum(not a.kept and a.error is None for a in self.answers),
            "weigh": self.weigh,
            "sample_rates": {f"{rate:g}": count for rate, count in sorted(self.rates.items())},
        }

    def input_record(self, settings: Settings) -> dict[str, Any]:
        """As of one recording; `samples` are those of the longest, `seconds` those of all."""
        pairs = zip(self.sources, self.answers, strict=True)
        count = len(self.sources)
        return {
            "path": self.sources[0] if count == 1 else f"{count} recordings",
            "sha256": digest_of_all([a.sha256 or content_digest(s) for s, a in pairs]),
            "sample_rate": self.sample_rate,
            "samples": max(table.samples for table in self.tables),
            "seconds": math.fsum(table.seconds for table in self.tables),
            "offset": settings.offset,
        }

    def rows(self, found: Callable[[int], list[dict[str, Any]]]) -> bytes:
        """CSV with the recordings in order; `found` gives the rows of each that is used, by its number."""
        rows, number = [], 0
        for source, answer in zip(self.sources, self.answers, strict=True):
            first = dict.fromkeys(FIRST) | {"recording": source, "status": answer.status}
            last = {"warnings": " | ".join(answer.warnings), "error": answer.error}
            own: list[dict[str, Any]] = [{}]
            if (table := answer.table) is not None:
                first |= {"sample_rate": table.sample_rate, "seconds": table.seconds}
                first["weight"], own = self.weights[number], found(number)
                number += 1
            rows += [{**first, **cells, **last} for cells in own]
        return table_csv(rows)


def _one(workers: Workers, way: Way, fn: Callable[..., Any], *call: Any) -> Any:
    """The result of one call in a worker."""
    ((_, found),) = each(workers, fn, 1, lambda _: call, way.warn)
    if isinstance(found, Exception):
        raise found
    return found


def collect(
    sources: Sequence[str], settings: Settings, workers: Workers, way: Way, cache: Path | None
) -> tuple[Collection, Question]:
    """The tables of all recordings, from headers on.

    Raises:
        InputError: no recording can be used, or with `fail_fast` one cannot be read.
        UsageError: the settings do not suit a collection.
    """
    answers: dict[int, Answer] = {}
    rates: dict[int, float] = {}
    for k, source in enumerate(sources):
        s = settings
        try:
            header = probe(source, channel=s.channel, sample_rate=s.sr, highpass=s.highpass)
            if header is None:
                raise InputError(f"{printable(source)} is a pipe: a collection is made of files")
            rates[k] = float(header.sample_rate)
        except DstftError as error:
            if way.fail_fast:
                raise
            answers[k] = Answer(error=as_flags(str(error)))
    counts = Counter(rates.values())
    common = max(counts, key=lambda rate: (counts[rate], rate), default=0.0)
    swept = isinstance(settings, SweepSettings)
    if not swept and settings.window_mode == "frequency" and len(counts) > 1:
        raise UsageError(
            f"`window_mode` frequency needs one sample rate, the recordings have {len(counts)}: use "
            f"`sr` {common:g}, or `window_mode` constant"
        )
    question = Question(settings.as_dict(), swept, common, cache=str(cache or ""), again=way.again)
    if rates:
        question = replace(question, seconds=_one(workers, way, find_grid, question))
    read = [sources[k] for k in rates]
    numbers = list(rates)

    def call(place: int) -> tuple[str, Question]:  # workers of a cluster have folders of their own
        return os.path.abspath(read[place]), question

    def running(stages: dict[int, Stage | None]) -> None:
        way.running({read[place]: stage for place, stage in stages.items()})

    ended = each(workers, find_table, len(read), call, way.warn, watch=running)
    for done, (place, answer) in enumerate(ended, start=1):
        if isinstance(answer, Exception):
            answer = Answer(error=str(answer))
        if answer.detail:
            log.info(answer.detail)
        if answer.error is not None:
            named = printable(call(place)[0]), printable(read[place])
            answer = replace(answer, error=answer.error.replace(*named))
            if way.fail_fast:
                raise InputError(answer.error)
        answers[numbers[place]] = answer
        tell(way.progress, "recordings", done, len(read))
    way.running({})
    ordered = [answers[k] for k in range(len(sources))]
    if not any(answer.table is not None for answer in ordered):
        errors = (answer.error for answer in ordered if answer.error is not None)
        why = next(errors, "every sample is the same")
        raise InputError(f"none of {counted(len(sources), 'recording')} can be used: {why}")
    return Collection(sources, ordered, way.weigh, common, counts, question.seconds), question


def place_of(inputs: Sequence[str], settings: AnySettings, ending: str) -> AnySettings:
    """With the directory of the results: by default named after a single folder, else `collection`."""
    if settings.output is not None or not settings.writes_directory:
        return settings
    single = Path(inputs[0]) if len(inputs) == 1 else None
    stem = single.resolve().name if single is not None and single.is_dir() else "collection"
    return replace(settings, output=Path(f"{stem}-{ending}"))


def run_collection_sweep(
    sources: Sequence[str],
    inputs: Sequence[str],
    settings: SweepSettings,
    way: Way,
    *,
    stdout: BinaryIO | None = None,
) -> JobOutcome:
    """`dstft sweep` on the recordings that the inputs name."""
    watch = Stopwatch()
    check_collection(settings)
    settings = place_of(inputs, settings, SWEEP.ending)
    with Output.open(sources[0], settings, stdout=stdout, products=SWEEP) as output:
        with way.workers(len(sources)) as workers:
            found, question = collect(sources, settings, workers, way, _tables_beside(output))
            watch.lap("sweep")
            tables = np.stack([table.costs[:, 0] for table in found.tables])
            mean = mean_of(list(tables), found.weights)
            call = question, mean, tables, found.longest
            verdict: CollectionSweep = _one(workers, way, judge_tables, *call)
        swept = verdict.sweep
        title = f"{counted(len(found.used), 'recording')}, each with its own best at 0"
        write_sweep(output, settings, swept, title, quartiles=verdict.quartiles)
        rows = found.rows(lambda number: _sweep_rows(found, verdict, number))
        output.send("csv", rows)
        if output.directory is not None:
            output.write("recordings.csv", rows)
        watch.lap("write")
        values = settings.as_dict()
        record = sweep_record(
            swept,
            settings={name: values[name] for name in SWEEP_OPTIONS},
            signal_info=found.input_record(settings),
            seconds=watch.times("sweep", "write"),
            warnings=[*found.warnings(), *warnings_of(swept.notes)],
        )
        record["collection"] = found.record()
        for number, entry in enumerate(record["criteria"]):
            quartiles = zip(("q1", "median", "q3"), verdict.spread(number), strict=True)
            entry["recordings"] = {
                "best": dict(quartiles),
                "want_else": [
                    {
                        "recording": found.used[r][0],
                        "win_length": float(verdict.best[number, r]),
                        "loss": float(verdict.losses[number, r]),
                    }
                    for r in verdict.outliers(number)
                ],
            }
        output.write_record(record)
    return JobOutcome(record, output.directory)


def _sweep_rows(found: Collection, verdict: CollectionSweep, number: int) -> list[dict[str, Any]]:
    rows = []
    for k, curve in enumerate(verdict.sweep.curves):
        seconds = float(verdict.best[k, number]) / verdict.sweep.sample_rate
        length = seconds * found.tables[number].sample_rate
        rows.append(
            {
                "criterion": curve.name,
                "best_ms": 1000 * seconds,
                "best_samples": length,
                "best_n_fft": 1 << max(math.ceil(math.log2(length) - 1e-6), 1),
                "loss": float(verdict.losses[k, number]),
                "unit": curve.unit,
            }
        )
    return rows


def run_shared(
    sources: Sequence[str],
    inputs: Sequence[str],
    settings: Settings,
    way: Way,
    *,
    extra: Mapping[str, Any] | None = None,
    ours: bool = False,
    stdout: BinaryIO | None = None,
) -> JobOutcome:
    """`dstft optimize --shared`: one set of parameters for the recordings that the inputs name."""
    watch = Stopwatch()
    settings = place_of(inputs, check_collection(settings), TRANSFORM.ending)
    with Output.open(sources[0], settings, stdout=stdout, products=TRANSFORM, ours=ours) as output:
        with way.workers(len(sources)) as workers:
            found, question = collect(sources, settings, workers, way, _tables_beside(output))
            watch.lap("load")
            costs = [table.costs[0] for table in found.tables]
            mean = mean_of(costs, found.weights)
            shares = mean_of([table.shares[0] for table in found.tables], found.weights)
            moved, left_out = None, dict[int, str]()
            if settings.hop_mode == "constant":
                window = found.seconds[int(mean.sum(0).argmin())]
                moved = _hop_of_all(found, question, window, workers, way, left_out)
                watch.lap("hops")
            call = question, mean, shares, found.longest, moved
            learned: tuple[Result, Array] = _one(workers, way, fit_mean, *call)
        watch.lap("fit")
        result, final = learned
        if output.directory is not None:
            write_parameters(output.path("parameters.npz"), result)
            write_trajectory(output.path("trajectory.csv"), result.trajectory)
            output.write("recordings.csv", found.rows(_losses(found, final)))
        if output.holds_figures:
            from dstft_cli.plot.style import render
            from dstft_cli.plot.trajectory import trajectory_figure

            figure = trajectory_figure(
                result.trajectory,
                criterion=result.criterion,
                sample_rate=result.sample_rate,
                title=f"{counted(len(found.used), 'recording')}, one set of parameters",
                look=settings,
            )
            output.write(f"trajectory.{settings.format}", render(figure, look=settings))
        if settings.emit != "none":
            output.emit(emitted_call(result, settings.emit, settings))
        watch.lap("write")
        record = result_record(
            result,
            settings={**settings.as_dict(), **result.resolved},
            signal_info=found.input_record(settings),
            seconds=watch.times(*(stage for stage in watch.seconds if stage != "fit")),
            warnings=[*found.warnings(), *left_out.values(), *warnings_of(result.notes)],
        )
        record["collection"] = found.record()
        record["collection"]["failed"] += len(left_out)
        record.update(extra or {})
        output.write_record(record)
    return JobOutcome(record, output.directory)


def _hop_of_all(
    found: Collection,
    question: Question,
    window: float,
    workers: Workers,
    way: Way,
    left_out: dict[int, str],
) -> Positioned:
    """The hop under a window of so many seconds; each evaluation is a map over the recordings.

    `left_out` takes a line for each recording that cannot be evaluated, by its number among those used.
    """
    from dstft_cli.fit.collection import hop_request, learn_hop

    sources = [source for source, _ in found.used]

    def scores(hops: Array) -> Array:
        left, own = [n for n in range(len(sources)) if n not in left_out], dict[int, Array]()

        def call(place: int) -> tuple[str, Question, float, Array]:
            return os.path.abspath(sources[left[place]]), question, window, hops

        def running(stages: dict[int, Stage | None]) -> None:
            way.running({sources[left[place]]: stage for place, stage in stages.items()})

        ended = each(workers, find_hops, len(left), call, way.warn, watch=running)
        for done, (place, values) in enumerate(ended, start=1):
            number = left[place]
            if isinstance(values, Exception):
                error = f"{printable(sources[number])}: {values}"
                if way.fail_fast:
                    raise InputError(error)
                left_out[number] = f"left out for the hop: {error}"
            else:
                own[number] = values
            tell(way.progress, "hops", done, len(left))
        way.running({})
        if not own:
            raise InputError(f"no recording can be used: {next(iter(left_out.values()))}")
        order = sorted(own)
        return mean_of([own[n] for n in order], [found.weights[n] for n in order])

    here = replace(question, settings={**question.settings, "device": "cpu"})  # only plans are made
    held = hop_request(here.request(), window, found.sample_rate)
    return learn_hop(held, found.longest, scores)


def _losses(found: Collection, final: Array) -> Callable[[int], list[dict[str, Any]]]:
    """What each recording loses with shared ln θ `[R]` against the best lengths of its own rows."""
    from scipy.interpolate import CubicSpline

    logs = np.log(found.seconds)
    fine = np.linspace(logs[0], logs[-1], 16 * len(logs))

    def rows(number: int) -> list[dict[str, Any]]:
        table = found.tables[number].costs[0]
        costs = CubicSpline(logs, table.T, bc_type="natural")
        own = float(costs(fine).min(0).sum())
        return [{"loss": max(float(np.trace(costs(final))) - own, 0.0)}]

    return rows


def _tables_beside(output: Output) -> Path | None:
    """The folder of tables beside the results; none where no directory is written."""
    place = output.directory
    return None if place is None else Path(os.path.abspath(place)).with_name(f"{place.name}-tables")
