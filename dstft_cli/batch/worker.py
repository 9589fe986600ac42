"""One job, within a worker process: what is sent there and what comes back."""

from __future__ import annotations

import errno
import gc
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dstft_cli._version import __version__
from dstft_cli.batch.identity import ENTRY, Contents, Standing, job_key, read_standing
from dstft_cli.errors import DstftError, InputError, as_flags
from dstft_cli.settings import merge

_FULL = (errno.ENOSPC, errno.EDQUOT)
_one_at_a_time = threading.Lock()  # torch's threads and matplotlib's are those of the process


@dataclass(frozen=True)
class Task:
    """A job as it travels.

    Attributes:
        source: absolute path of the recording.
        place: absolute path of the results.
        settings: as JSON values.
        digest: of the settings.
        threads: of torch.
        force: replace what the batch did not write, and do again what is done.
        version: of dstft, here and there.
    """

    source: str
    place: str
    settings: Mapping[str, Any]
    digest: str
    threads: int
    force: bool
    version: str = __version__


@dataclass(frozen=True)
class Ending:
    """How a job ended.

    Attributes:
        error: one line, or None.
        key: identity of the result; None after an error.
        seconds: wall time.
        found: `criterion`, `window_length`, `sample_rate` (Hz) and `warnings`, after success.
        detail: a traceback, after an error.
        hopeless: no other job can succeed either: the disk is full.
    """

    error: str | None
    key: str | None = None
    seconds: float = 0.0
    found: Mapping[str, Any] = field(default_factory=dict)
    detail: str = ""
    hopeless: bool = False


def prepare(figures: bool) -> None:
    """Imports what every job needs, once per process; what draws only where there are figures."""
    import dstft_cli.run.output

    if figures:
        import dstft_cli.plot.pictures  # noqa: F401
    gc.collect()
    gc.freeze()  # a tenth of the time to draw went into looking through torch's modules for garbage


def check_settings(variants: Sequence[Mapping[str, Any]]) -> str | None:
    """What is wrong with settings where they are to be run: devices, criteria and colour maps."""
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
        return as_flags(str(error))
    return None


def run_task(task: Task) -> Ending:
    """Runs a job; an error becomes part of what is returned, so that it crosses every executor."""
    with _one_at_a_time:
        began = time.perf_counter()
        try:
            standing = _run(task)
        except Exception as error:
            return Ending(
                _in_words(error),
                seconds=time.perf_counter() - began,
                detail=traceback.format_exc(),
                hopeless=_disk_is_full(error),
            )
        return Ending(None, standing.key, time.perf_counter() - began, found_in(standing.record))


def found_in(record: Mapping[str, Any]) -> dict[str, Any]:
    """Of a `result.json`, what tells about the result."""
    return {
        "criterion": record.get("criterion"),
        "window_length": record.get("window_length"),
        "sample_rate": record.get("input", {}).get("sample_rate"),
        "warnings": record.get("warnings", []),
    }


def _run(task: Task) -> Standing:
    if task.version != __version__:
        raise InputError(
            f"the worker has dstft {__version__}, the batch {task.version}: install the same version"
        )
    place = Path(task.place)
    standing = read_standing(place)
    if standing is not None and not task.force:
        # the worker before this one may have been lost after its work was done
        key = job_key(Contents().digest(task.source) or "", task.digest)
        if standing.key == key:
            return standing
    from dstft_cli.run.optimize import run_optimize

    settings = merge(
        {
            **task.settings,
            "output": place,
            "force": task.force or standing is not None,
            "threads": task.threads,
        }
    )
    outcome = run_optimize(task.source, settings, extra={ENTRY: {"settings": task.digest}})
    record = outcome.result_json
    return Standing(record["input"]["sha256"], task.digest, __version__, record)


def _in_words(error: Exception) -> str:
    if isinstance(error, DstftError):
        return as_flags(" ".join(str(error).split()))
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error):
        return "out of memory: use a shorter duration, a lower n_fft or fewer --workers"
    if isinstance(error, OSError):
        where = "" if error.filename is None else f": {error.filename}"
        return f"{error.strerror or error}{where}: check the path and its permissions"
    return f"internal error: {type(error).__name__}: {' '.join(str(error).split())}: report it"


def _disk_is_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _FULL:
            return True
        error = error.__cause__
    return False
