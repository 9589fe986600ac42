"""What a page shows of one `result.json`, checked field by field."""

from __future__ import annotations

import math
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstft_cli.errors import InputError
from dstft_cli.report.find import RECORD
from dstft_cli.results import read_record

LARGEST = 32 * 2**20  # bytes; a record has some three thousand


@dataclass(frozen=True)
class Spread:
    """Least, median and greatest of some lengths, samples; all equal for a single length."""

    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Summary:
    """One result.

    Attributes:
        source: path of the recording as the run was given it, `-` for standard input.
        mode: window mode; None where the record does not say.
        criterion: its name.
        maximize: whether higher values are better.
        start, best_fixed, final: values of the criterion; None where there is none, as after
            `dstft apply`.
        best_fixed_length: samples.
        window_length: samples.
        hop_length: samples; None for a single frame.
        n_fft: samples.
        sample_rate: Hz, above 0.
        seconds: duration of the recording.
        warnings: one line each.
    """

    source: str
    mode: str | None
    criterion: str
    maximize: bool
    start: float | None
    best_fixed: float | None
    best_fixed_length: float | None
    final: float | None
    window_length: Spread | None
    hop_length: Spread | None
    n_fft: float
    sample_rate: float
    seconds: float
    warnings: tuple[str, ...]

    def gain(self, reference: float | None) -> float | None:
        """How much better the final value is than `reference`, in the criterion's unit."""
        if reference is None or self.final is None:
            return None
        return self.final - reference if self.maximize else reference - self.final


def read_summary(directory: Path) -> Summary:
    """The result in a directory.

    Raises:
        InputError: `result.json` is missing, unreadable, too large, not JSON, or not the record of a
            run; the message names the field, not the directory.
    """
    path = directory / RECORD
    try:
        status = path.stat()
    except OSError as error:
        raise InputError(
            f"cannot read {RECORD}: {(error.strerror or str(error)).lower()}"
        ) from error
    if not stat.S_ISREG(status.st_mode):  # to read a pipe could take for ever
        raise InputError(f"{RECORD} is not a file: remove it or run dstft optimize again")
    if status.st_size > LARGEST:
        raise InputError(
            f"{RECORD} has {status.st_size} bytes, above {LARGEST}: run dstft optimize again"
        )
    try:
        record = read_record(path)
    except InputError as error:
        raise InputError(str(error).replace(str(path), RECORD)) from error
    return _summary(record)


def _summary(record: Mapping[str, Any]) -> Summary:
    criterion = _mapping(record, "criterion")
    source = _mapping(record, "input")
    best = _mapping(criterion, "best_fixed", "criterion.")
    settings = record.get("settings")
    mode = settings.get("window_mode") if isinstance(settings, Mapping) else None
    direction = _text(criterion, "direction", "criterion.")
    if direction not in ("minimize", "maximize"):
        raise _wrong("criterion.direction", "minimize or maximize")
    n_fft, rate, seconds = (
        _number(record, "n_fft"),
        _number(source, "sample_rate", "input."),
        _number(source, "seconds", "input."),
    )
    for name, value in (("n_fft", n_fft), ("input.sample_rate", rate), ("input.seconds", seconds)):
        if value is None or value < 0 or (value == 0 and name != "input.seconds"):
            raise _wrong(name, "a number above 0")
    assert n_fft is not None
    assert rate is not None
    assert seconds is not None
    warnings = record.get("warnings")
    if not isinstance(warnings, list) or not all(isinstance(text, str) for text in warnings):
        raise _wrong("warnings", "a list of texts")
    return Summary(
        source=_text(source, "path", "input."),
        mode=mode if isinstance(mode, str) else None,
        criterion=_text(criterion, "name", "criterion."),
        maximize=direction == "maximize",
        start=_number(criterion, "start", "criterion."),
        best_fixed=_number(best, "value", "criterion.best_fixed."),
        best_fixed_length=_number(best, "win_length", "criterion.best_fixed."),
        final=_number(criterion, "final", "criterion."),
        window_length=_spread(record, "window_length"),
        hop_length=_spread(record, "hop_length"),
        n_fft=n_fft,
        sample_rate=rate,
        seconds=seconds,
        warnings=tuple(warnings),
    )


def _mapping(record: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    value = record.get(name)
    if not isinstance(value, Mapping):
        raise _wrong(prefix + name, "a group of fields")
    return value


def _text(record: Mapping[str, Any], name: str, prefix: str) -> str:
    value = record.get(name)
    if not isinstance(value, str):
        raise _wrong(prefix + name, "a text")
    return value


def _number(record: Mapping[str, Any], name: str, prefix: str = "") -> float | None:
    """A finite number; None for null, which stands for what is not finite or was not computed."""
    value = record.get(name, "missing")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _wrong(prefix + name, "a number")
    try:
        value = float(value)
    except OverflowError as error:
        raise _wrong(prefix + name, "a number of usual size") from error
    return value if math.isfinite(value) else None


def _spread(record: Mapping[str, Any], name: str) -> Spread | None:
    value = record.get(name)
    if isinstance(value, Mapping):
        parts = [_number(value, key, f"{name}.") for key in ("min", "median", "max")]
        low, median, high = parts
        if low is None or median is None or high is None:
            return None
        return Spread(low, median, high)
    length = _number(record, name)
    return None if length is None else Spread(length, length, length)


def _wrong(name: str, expected: str) -> InputError:
    return InputError(f"{RECORD}: {name} is missing or not {expected}: run dstft optimize again")
