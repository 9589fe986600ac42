"""The table of one recording in a worker process, kept on disk; and what is made of all tables.

A table is kept as `KEY.npz` under the content of the recording, the settings that decide it, the lengths
and the version of dstft. A damaged file is computed again: an npz holds checksums.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dstft_cli.audio import content_digest
from dstft_cli.batch.pools import report
from dstft_cli.batch.worker import job_key, one_at_a_time
from dstft_cli.errors import as_flags, in_words
from dstft_cli.records import CollectionSweep, RecordingTable, Result
from dstft_cli.results.parameters import DAMAGE
from dstft_cli.settings import CRITERIA, Settings, SweepSettings

if TYPE_CHECKING:
    from dstft_cli.fit import Request
    from dstft_cli.fit.optimize import Positioned

Array = NDArray[np.float64]

# settings that change a table; its lengths and whether bands have their own are part of its key too
DECISIVE = (
    *("channel", "sr", "offset", "duration", "highpass", "window", "power", "dtype", "device"),
    *("criterion", "order", "criterion_fmin", "criterion_fmax"),
)


@dataclass(frozen=True)
class Question:
    """What is asked of a collection, for any worker."""

    settings: Mapping[str, Any]  # as JSON values
    swept: bool  # for `dstft sweep`; else for `dstft optimize`
    sample_rate: float  # Hz, of the verdict
    seconds: tuple[float, ...] = ()  # lengths to tabulate
    cache: str = ""  # folder of the tables; empty: they are not kept
    again: bool = False  # tables are computed even if they are kept

    @property
    def criteria(self) -> tuple[str, ...]:
        asked = str(self.settings["criterion"])
        return tuple(n for n in CRITERIA if n != "gini") if asked == "all" else (asked,)

    @property
    def digest(self) -> str:
        """Of all that decides a table, besides the recording: SHA-256."""
        values = {name: self.settings[name] for name in DECISIVE}
        mode = "constant" if self.swept else self.settings["window_mode"]
        text = json.dumps([values, mode, self.swept, self.seconds], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def read(self) -> Settings:
        kind = SweepSettings if self.swept else Settings
        return kind(**self.settings)

    def request(self, threads: int = 1) -> Request:
        """At the sample rate of the verdict. With one thread sums do not depend on the machine's cores."""
        from dstft_cli.fit import resolve_device
        from dstft_cli.run.optimize import request_of

        settings = self.read()
        device = resolve_device(settings.device, settings.dtype).type
        own: dict[str, Any] = {"criterion": self.criteria[0], "device": device, "threads": threads}
        if self.swept:
            own |= {"window_mode": "constant", "hop_mode": "fixed"}
        return request_of(settings, self.sample_rate, **own)


@dataclass(frozen=True)
class Answer:
    """What became of one recording."""

    sha256: str | None = None  # of its content; None: it could not be read
    table: RecordingTable | None = None  # None: silent, or an error
    error: str | None = None  # one line
    kept: bool = False  # the table stood on disk
    warnings: tuple[str, ...] = ()
    detail: str = ""  # traceback

    @property
    def status(self) -> str:
        if self.error is not None:
            return "failed"
        return "silent" if self.table is None else "used"


def prepare_tables() -> None:
    """Imports what every call needs, once per process."""
    import dstft_cli.fit.collection
    import dstft_cli.run.optimize  # noqa: F401


def find_grid(question: Question) -> tuple[float, ...]:
    """The lengths to tabulate, seconds."""
    from dstft_cli.fit.collection import grid_of

    return tuple(grid_of(question.request(), swept=question.swept).tolist())


def find_table(source: str, question: Question) -> Answer:
    """The table of a recording; errors are returned, so that every executor can send them."""
    with one_at_a_time:
        try:
            return _kept_or_computed(source, question)
        except Exception as error:
            return Answer(error=as_flags(in_words(error)), detail=traceback.format_exc())


def _kept_or_computed(source: str, question: Question) -> Answer:
    place = None
    if question.cache and (content := content_digest(source)) is not None:
        place = Path(question.cache) / f"{job_key(content, question.digest)}.npz"
        if not question.again and (found := read_table(place)) is not None:
            return found
    found = compute_table(source, question)
    if place is not None:
        with suppress(OSError):  # a full disk costs the next run time, and nothing else
            write_table(place, found)
    return found


def compute_table(source: str, question: Question) -> Answer:
    from dstft_cli.fit.collection import table_of
    from dstft_cli.run.optimize import cpu_threads
    from dstft_cli.run.recording import read_signal

    s = question.read()
    with (
        cpu_threads(s.threads or 1) as threads,
        read_signal(source, s, allow_silence=True, progress=report) as signal,
    ):
        if signal.peak == 0 or signal.flat:
            return Answer(signal.sha256)
        report("window lengths", 0, 0)
        table = table_of(
            signal.samples,
            replace(question.request(threads), sample_rate=signal.sample_rate),
            np.array(question.seconds),
            swept=question.swept,
            peak=signal.peak,
            criteria=question.criteria,
        )
        return Answer(signal.sha256, table, warnings=signal.warnings)


def write_table(place: Path, answer: Answer) -> None:
    """Writes without an atomic rename, whose look for leftovers grows with the folder.

    A table that is damaged is computed again.
    """
    numbers = {} if answer.table is None else asdict(answer.table)
    file = io.BytesIO()
    np.savez(file, sha256=str(answer.sha256), warnings=np.array(answer.warnings, str), **numbers)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(file.getbuffer())


def read_table(place: Path) -> Answer | None:
    """What `write_table` wrote; None if there is nothing, or it is damaged."""
    try:
        with open(place, "rb") as opened, np.load(opened, allow_pickle=False) as file:
            stored = {name: file[name] for name in file.files}
        names = [part.name for part in fields(RecordingTable)]
        table = None
        if names[0] in stored:
            values = {n: v if v.ndim else v.item() for n, v in stored.items() if n in names}
            table = RecordingTable(**values)
        warnings = tuple(stored["warnings"].tolist())
        return Answer(stored["sha256"].item(), table, kept=True, warnings=warnings)
    except (OSError, TypeError, *DAMAGE):
        return None


def judge_tables(question: Question, mean: Array, tables: Array, samples: int) -> CollectionSweep:
    from dstft_cli.fit.collection import judge

    return judge(question.request(), question.criteria, mean, tables, samples)


def find_hops(source: str, question: Question, window: float, hops: Array) -> Array:
    """Scores and slopes of a recording at each hop under one window, all in seconds, `[2, K]`."""
    from dstft_cli.fit.collection import hop_request, hop_scores
    from dstft_cli.run.optimize import cpu_threads
    from dstft_cli.run.recording import read_signal

    s = question.read()
    with (
        one_at_a_time,
        cpu_threads(s.threads or 1) as threads,
        read_signal(source, s, progress=report) as signal,
    ):
        held = hop_request(question.request(threads), window, signal.sample_rate)
        return hop_scores(signal.samples, held, hops, signal.peak)


def fit_mean(
    question: Question, table: Array, shares: Array, samples: int, moved: Positioned | None
) -> tuple[Result, Array]:
    from dstft_cli.fit.collection import fit_table

    return fit_table(question.request(), table, shares, samples, moved)


def mean_of(tables: Sequence[Array], weights: Sequence[float]) -> Array:
    """The weighted mean of equal shapes, with exactly rounded sums: no order of tables changes a bit."""
    stacked = np.stack(tables).reshape(len(tables), -1) * np.asarray(weights)[:, None]
    total = math.fsum(weights)
    return np.array([math.fsum(column) / total for column in stacked.T]).reshape(tables[0].shape)
