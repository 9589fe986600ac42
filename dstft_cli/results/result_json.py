"""result.json: the whole run in one record of plain JSON types."""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from pathlib import Path
from typing import Any, BinaryIO, TextIO

import numpy as np

from dstft_cli._version import __version__
from dstft_cli.errors import InputError
from dstft_cli.records import FloatArray, Result
from dstft_cli.results.place import disk_errors, refuse_pipes, shown

LARGEST_RECORD = 32 * 2**20  # bytes; a record has some three thousand
STAGES = ("load", "search", "descent", "write", "total")


def result_record(
    result: Result,
    *,
    settings: Mapping[str, Any],
    signal_info: Mapping[str, Any],
    seconds: Mapping[str, float],
    peak_memory_mb: float | None,
    warnings: Iterable[str],
    outputs: Mapping[str, Any],
) -> dict[str, Any]:
    """The record of a run, in plain JSON types: no NumPy, no paths, None for what is not finite.

    Args:
        result: what the fit returned.
        settings: all of them, resolved.
        signal_info: path, sha256, sample_rate (Hz), channels, samples, seconds.
        seconds: wall time of the stages that `result.seconds` does not hold: load, write, total.
        peak_memory_mb: MB, or None where unknown.
        warnings: of the recording and of the fit; one that is in both appears once.
        outputs: name to path.
    """
    summary = result.criterion
    times = {**dict.fromkeys(STAGES), **result.seconds, **seconds}
    record = {
        "version": __version__,
        "settings": settings,
        "input": signal_info,
        "criterion": {
            "name": summary.name,
            "direction": summary.direction,
            "start": summary.start,
            "best_fixed": {
                "win_length": summary.best_fixed_win_length,
                "value": summary.best_fixed,
            },
            "final": summary.final,
            "table_bound": summary.table_bound,
        },
        "window_length": _spread(result.window_length),
        "hop_length": _hop_length(result.frame_centers),
        "n_fft": result.n_fft,
        "frames": result.frames,
        "stop_reason": result.stop_reason,
        "evaluations": result.evaluations,
        "seconds": times,
        "peak_memory_mb": peak_memory_mb,
        "warnings": list(dict.fromkeys(warnings)),
        "outputs": outputs,
    }
    return {key: _plain(value) for key, value in record.items()}


def write_json(target: Path | BinaryIO | TextIO, record: Mapping[str, Any]) -> None:
    """Writes `record` as UTF-8 JSON, indented by 2, with a line break at the end.

    A file name that is not UTF-8 reaches Python with lone surrogates: they are written as
    `\\udcXX`, which leaves the file valid UTF-8, and `json.loads` gives the same name back. NaN and
    infinities become null.

    Args:
        target: a path, or an open stream, binary or text, which stays open.

    Raises:
        OutputError: it cannot be written.
    """
    text = json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    text = re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text)
    if isinstance(target, (str, os.PathLike)):
        with disk_errors(Path(target).name):
            Path(target).write_bytes(text.encode("utf-8"))
        return
    with disk_errors("the JSON record"):
        if isinstance(target, io.TextIOWrapper):
            target.flush()
            target.buffer.write(text.encode("utf-8"))  # whatever the locale's encoding is
        elif isinstance(target, io.TextIOBase):
            target.write(text)
        else:
            target.write(text.encode("utf-8"))  # type: ignore[arg-type]
        target.flush()


def read_record(path: Path) -> dict[str, Any]:
    """The record in a result.json.

    Raises:
        InputError: no such file, unreadable, too large, or no JSON object.
    """
    place = shown(path)
    try:
        refuse_pipes(path)
        if path.stat().st_size > LARGEST_RECORD:
            raise InputError(f"{place} is above {LARGEST_RECORD} bytes: run dstft optimize again")
        record = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{place} does not exist: name a directory that dstft optimize has written"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is not JSON or is damaged: run dstft optimize again") from error
    if not isinstance(record, dict):
        raise InputError(f"{place} holds no record of a run: run dstft optimize again")
    return record


def _spread(lengths: FloatArray) -> Any:
    """One number where all lengths are equal, else min, median and max."""
    low, high = float(lengths.min()), float(lengths.max())
    if low == high:
        return low
    return {"min": low, "median": float(np.median(lengths)), "max": high}


def _hop_length(centers: FloatArray) -> Any:
    """As `_spread` for the distances of the frame centres; None for a single frame."""
    if len(centers) < 2:
        return None
    hops = np.diff(centers)
    mean = float(centers[-1] - centers[0]) / len(hops)
    rounding = 4 * float(np.spacing(np.abs(centers).max()))
    return mean if float(np.abs(hops - mean).max()) <= rounding else _spread(hops)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return _plain(value.value)
    if isinstance(value, (np.generic, np.ndarray)):
        return _plain(value.tolist())
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return str(
        value
    )  # a path; or an object of the user's own, which must not cost the run its record
