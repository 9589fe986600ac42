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
from typing import Any, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from dstft_cli._version import __version__
from dstft_cli.batch.journal import Found
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
from dstft_cli.settings import merge

ENTRY = "batch"  # key of result.json: the settings of the batch
_BLOCK = 1 << 20  # bytes
_one_at_a_time = threading.Lock()  # torch's threads and matplotlib's are those of the process


class _Input(BaseModel):
    sha256: str


class _Asked(BaseModel):
    settings: str


class _Record(Found):
    version: str
    input: _Input
    batch: _Asked
    outputs: dict[str, str]
    sizes: dict[str, int] = Field(default={})


class Standing(NamedTuple):
    """A result of a batch.

    Attributes:
        key: its identity: content of the recording, settings and version.
        found: `criterion`, `window_length`, `sample_rate` (Hz) and `warnings`.
        whole: whether every file is there, with its size.
    """

    key: str
    found: Mapping[str, Any]
    whole: bool = True


def job_key(content: str, digest: str, version: str = __version__) -> str:
    """One digest for the recording's content, the settings and the version: SHA-256."""
    return hashlib.sha256(f"{content} {digest} {version}".encode()).hexdigest()


def read_standing(place: Path) -> Standing | None:
    """The result of a batch at `place`, or None.

    Raises:
        InputError: its `result.json` is damaged; the message names it.
    """
    path = place / "result.json"
    if not os.path.lexists(path):
        return None
    record = read_record(path)
    if ENTRY not in record:
        return None
    try:
        read = _Record.model_validate({**record, "sample_rate": None})
    except ValidationError as error:
        name = ".".join(map(str, error.errors()[0]["loc"]))
        raise InputError(f"{printable(path)}: {name} is missing or of a wrong type") from None
    key = job_key(read.input.sha256, read.batch.settings, read.version)
    whole = all(_is_there(place, name, read.sizes.get(name)) for name in read.outputs)
    return Standing(key, _found_in(record), whole)


def _is_there(place: Path, name: str, size: int | None) -> bool:
    try:
        status = (place / os.path.basename(name)).lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == (size or max(1, status.st_size))


def _found_in(record: Mapping[str, Any]) -> dict[str, Any]:
    found = {name: record.get(name) for name in ("criterion", "window_length")}
    rate = record["input"].get("sample_rate")
    return {**found, "sample_rate": rate, "warnings": record.get("warnings", [])}


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
    """A job as it is sent to a worker.

    Attributes:
        source: absolute path of the recording.
        place: absolute path of the results.
        settings: as JSON values.
        threads: of torch.
        again: run it even if it has a result, and replace what dstft wrote there.
        ours: the journal shows that a batch wrote the place.
        version: of dstft, which must be the same on both sides.
    """

    source: str
    place: str
    settings: Mapping[str, Any]
    digest: str
    threads: int
    again: bool = False
    ours: bool = False
    version: str = __version__


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        error: one line, or None; of a skipped job the reason.
        key: identity of the result; None after an error.
        found: as `Standing.found`, after success.
        detail: a traceback, after an error.
        skipped: the recording is silent, and such ones are skipped.
    """

    error: str | None
    key: str | None = None
    seconds: float = 0.0
    found: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""
    skipped: bool = False


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
    except DstftError as error:
        return str(error)
    return None


def run_task(task: Task) -> Ending:
    """Runs a job; errors are returned, not raised, so that every executor can send them."""
    with _one_at_a_time:
        began = time.perf_counter()
        try:
            standing = _run(task)
        except SkippedError as error:
            return Ending(str(error), seconds=time.perf_counter() - began, skipped=True)
        except Exception as error:
            seconds = time.perf_counter() - began
            return Ending(_in_words(error), None, seconds, {}, traceback.format_exc())
        return Ending(None, standing.key, time.perf_counter() - began, standing.found)


def _run(task: Task) -> Standing:
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
    record = outcome.result_json
    return Standing(job_key(record["input"]["sha256"], task.digest), _found_in(record))


def _in_words(error: Exception) -> str:
    if is_out_of_memory(error):
        return "out of memory: use a shorter duration, a lower n_fft or fewer workers"
    return as_flags(in_words(error))
