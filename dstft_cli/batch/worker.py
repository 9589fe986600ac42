"""One job in a worker process: its input, its outcome, and the identity of a result."""

from __future__ import annotations

import gc
import hashlib
import os
import stat
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, NonNegativeInt, PositiveFloat, ValidationError

from dstft_cli._version import __version__
from dstft_cli.errors import (
    DstftError,
    InputError,
    SkippedError,
    as_flags,
    in_words,
    is_out_of_memory,
    printable,
)
from dstft_cli.results import read_record
from dstft_cli.results.place import size_of
from dstft_cli.results.store import zarr_library
from dstft_cli.settings import merge

ENTRY = "batch"  # key of result.json: the settings of the batch
_BLOCK = 1 << 20  # bytes
_one_at_a_time = threading.Lock()  # torch's threads and matplotlib's are those of the process


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class _Input(_Strict):
    sha256: str
    sample_rate: PositiveFloat


class _Asked(_Strict):
    settings: str


class _BestFixed(_Strict):
    win_length: float | None
    value: float | None


class _Criterion(_Strict):
    name: str
    scope: str
    direction: str
    start: float | None
    best_fixed: _BestFixed
    final: float | None
    table_bound: float | None


class _Spread(_Strict):
    min: float
    median: float
    max: float


class Record(_Strict):
    """What a batch reads of a `result.json`, its own or one from the disk."""

    version: str
    input: _Input
    batch: _Asked
    criterion: _Criterion
    window_length: float | _Spread
    hop_length: float | _Spread | None
    n_fft: int
    warnings: list[str]
    outputs: dict[str, str]
    sizes: dict[str, NonNegativeInt] = {}
    whole: bool = True  # whether every file is there, with its size

    @property
    def key(self) -> str:
        """Identity of the result: content of the recording, settings and version."""
        return job_key(self.input.sha256, self.batch.settings, self.version)

    @property
    def found(self) -> dict[str, Any]:
        """The values that a batch repeats, as JSON values."""
        values = {name: getattr(self, name) for name in NOTHING_FOUND.keys() & self.__dict__.keys()}
        plain = {n: v.model_dump() if isinstance(v, BaseModel) else v for n, v in values.items()}
        rate, files = self.input.sample_rate, sorted(self.outputs)
        return {**NOTHING_FOUND, **plain, "sample_rate": rate, "files": files}


# what a row holds of a job without a result
NOTHING_FOUND: dict[str, Any] = {
    **dict.fromkeys(("criterion", "window_length", "hop_length", "n_fft", "sample_rate")),
    "files": [],
    "warnings": [],
}


def job_key(content: str, digest: str, version: str = __version__) -> str:
    """One digest for the recording's content, the settings and the version: SHA-256."""
    text = f"{content} {digest} {version}"
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def read_standing(place: Path) -> Record | None:
    """The result of a batch at `place`, or None; InputError if its `result.json` is damaged."""
    path = place / "result.json"
    if not os.path.lexists(path):
        return None
    stored = read_record(path)
    if ENTRY not in stored:
        return None
    try:
        record = Record.model_validate(stored)
    except ValidationError as error:
        name = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{printable(path)}: {name} is missing or of a wrong type") from None
    record.whole = all(_is_there(place, name, record.sizes.get(name)) for name in record.outputs)
    return record


def _is_there(place: Path, name: str, size: int | None) -> bool:
    found = size_of(place / os.path.basename(name))
    return found is not None and found == (size or max(1, found))


def content_digest(path: str, stop: threading.Event | None = None) -> str | None:
    """SHA-256 of a regular file; None if it cannot be read, or after `stop` is set."""
    digest = hashlib.sha256()
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # opening a pipe may block
            return None
        with open(path, "rb", buffering=0) as file:
            while block := file.read(_BLOCK):
                if stop is not None and stop.is_set():
                    return None
                digest.update(block)
    except (OSError, ValueError):
        return None
    return digest.hexdigest()


@dataclass(frozen=True)
class Task:
    source: str
    place: str
    settings: Mapping[str, Any]  # as JSON values
    digest: str  # of the variant
    threads: int
    again: bool = False  # replace a result of dstft
    ours: bool = False  # the journal shows that a batch wrote the place
    version: str = __version__  # the same on both sides


@dataclass(frozen=True)
class Ending:
    """How a job ended; after success with the key and values of its `Record`."""

    error: str | None  # one line
    key: str | None = None
    seconds: float = 0.0
    found: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""  # traceback
    skipped: bool = False  # the recording is silent


def prepare(figures: bool) -> None:
    """Imports what every job needs, once per process; matplotlib only for figures."""
    import dstft_cli.run.output

    if figures:
        import dstft_cli.plot.pictures  # noqa: F401
    gc.collect()
    gc.freeze()  # saves a tenth of the drawing time: no garbage collection of torch's modules


def check_settings(variants: Sequence[Mapping[str, Any]]) -> str | None:
    """Errors of settings on this machine: devices, criteria and colour maps."""
    from dstft_cli.criteria import resolve
    from dstft_cli.fit import resolve_device
    from dstft_cli.run.recording import check_pictures

    try:
        for values in variants:
            settings = merge(values)
            resolve_device(settings.device, settings.dtype)
            resolve(settings.criterion, settings.order)
            check_pictures(settings, None)
            if settings.store == "zarr":
                zarr_library()
    except DstftError as error:
        return str(error)
    return None


def run_task(task: Task) -> Ending:
    """Runs a job; errors are returned, not raised, so that every executor can send them."""
    with _one_at_a_time:
        began = time.perf_counter()
        try:
            record = _run(task)
        except SkippedError as error:
            return Ending(str(error), seconds=time.perf_counter() - began, skipped=True)
        except Exception as error:
            text = as_flags(in_words(error))
            if is_out_of_memory(error):
                text = "out of memory: use a shorter duration, a lower n_fft or fewer workers"
            seconds = time.perf_counter() - began
            return Ending(text, seconds=seconds, detail=traceback.format_exc())
        return Ending(None, record.key, time.perf_counter() - began, record.found)


def _run(task: Task) -> Record:
    if task.version != __version__:
        raise InputError(
            f"the worker has dstft {__version__}, the batch {task.version}: install the same version"
        )
    from dstft_cli.run.optimize import run_optimize

    place = Path(task.place)
    ours = task.again or task.ours
    try:
        standing = read_standing(place)
    except InputError:  # damaged
        standing = None
    if standing is not None and not task.again and standing.whole:
        # an earlier worker may have been lost after finishing the job
        content = content_digest(task.source)
        if content is not None and standing.key == job_key(content, task.digest):
            return standing
    changes = {"output": place, "force": ours or standing is not None, "threads": task.threads}
    settings = merge({**task.settings, **changes})
    extra = {ENTRY: {"settings": task.digest}}
    outcome = run_optimize(task.source, settings, extra=extra, ours=ours)
    return Record.model_validate(outcome.result_json)
