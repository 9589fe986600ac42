"""One job in a worker process: its input, its outcome, and the identity of a result."""

from __future__ import annotations

import gc
import hashlib
import os
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dstft_cli._version import __version__
from dstft_cli.audio import content_digest
from dstft_cli.batch.pools import report
from dstft_cli.errors import (
    DstftError,
    InputError,
    SkippedError,
    as_flags,
    in_words,
    is_out_of_memory,
)
from dstft_cli.results import StoredRecord, read_result
from dstft_cli.settings import merge

ENTRY = "batch"  # key of result.json: the settings of the batch
one_at_a_time = threading.Lock()  # torch's threads and matplotlib's are those of the process


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


class Standing(NamedTuple):
    """The result of a job."""

    key: str  # identity: content of the recording, settings and version
    found: Mapping[str, Any]  # the values that a batch repeats, as JSON values
    whole: bool  # whether every file is there, with its size


def read_standing(place: Path) -> Standing | None:
    """The result of a batch at `place`, or None; InputError if its `result.json` is damaged."""
    path = place / "result.json"
    return _standing(read_result(path), place) if os.path.lexists(path) else None


def _standing(record: StoredRecord, place: Path) -> Standing | None:
    if record.batch is None:
        return None
    key = job_key(record.input.sha256, record.batch.settings, record.version)
    found = NOTHING_FOUND | record.model_dump(include=NOTHING_FOUND.keys() - {"sample_rate"})
    found |= {"sample_rate": record.input.sample_rate, "files": sorted(record.outputs)}
    return Standing(key, found, record.is_whole(place))


def digest_of_all(digests: Sequence[str | None]) -> str:
    """SHA-256 of the contents of several recordings, from those of each; None: it could not be read."""
    return hashlib.sha256(" ".join(map(str, digests)).encode()).hexdigest()


@dataclass(frozen=True)
class Task:
    source: str
    place: str
    settings: Mapping[str, Any]  # as JSON values
    digest: str  # of the variant
    threads: int
    again: bool = False  # replace a result of dstft
    ours: bool = False  # the journal shows that a batch wrote the place


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
    from dstft_cli.run.recording import check_outputs

    try:
        for values in variants:
            settings = merge(values)
            resolve_device(settings.device, settings.dtype)
            resolve(settings.criterion, settings.order)
            check_outputs(settings, None)
    except DstftError as error:
        return str(error)
    return None


def run_task(task: Task) -> Ending:
    """Runs a job; errors are returned, not raised, so that every executor can send them."""
    with one_at_a_time:
        began = time.perf_counter()
        try:
            done = _run(task)
        except SkippedError as error:
            return Ending(str(error), seconds=time.perf_counter() - began, skipped=True)
        except Exception as error:
            text = as_flags(in_words(error))
            if is_out_of_memory(error):
                text = "out of memory: use a shorter duration, a lower n_fft or fewer workers"
            seconds = time.perf_counter() - began
            return Ending(text, seconds=seconds, detail=traceback.format_exc())
        return Ending(None, done.key, time.perf_counter() - began, done.found)


def _run(task: Task) -> Standing:
    from dstft_cli.run.optimize import run_optimize

    place = Path(task.place)
    ours = task.again or task.ours
    standing = None
    with suppress(InputError):  # damaged
        standing = read_standing(place)
    if standing is not None and not task.again and standing.whole:
        # an earlier worker may have been lost after finishing the job
        content = content_digest(task.source)
        if content is not None and standing.key == job_key(content, task.digest):
            return standing
    changes = {"output": place, "force": ours or standing is not None, "threads": task.threads}
    settings = merge({**task.settings, **changes})
    extra = {ENTRY: {"settings": task.digest}}
    outcome = run_optimize(task.source, settings, extra=extra, ours=ours, progress=report)
    standing = _standing(StoredRecord.model_validate(outcome.result_json), place)
    assert standing is not None
    return standing
