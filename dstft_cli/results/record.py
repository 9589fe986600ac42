"""result.json, sweep.json and their tables, trajectory.csv and sweep.csv.

Records hold plain JSON types. Tables are RFC 4180, UTF-8, with decimal points, in full precision.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, BinaryIO, Literal

import numpy as np
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
)

from dstft_cli._version import __version__
from dstft_cli.errors import InputError, printable, system_reason
from dstft_cli.records import (
    GOOD_ENOUGH,
    USUAL_LENGTH,
    FloatArray,
    Result,
    Sweep,
    SweepCurve,
    Trajectory,
)
from dstft_cli.results.place import AGAIN, check_readable, damaged, disk_errors, size_of
from dstft_cli.settings import FIGURE_FORMATS, STORES

VIEW = "view.html"
LARGEST_RECORD = 32 * 2**20  # bytes; a record has about three thousand
STAGES = ("load", "search", "descent", "write", "total")
TRAJECTORY_COLUMNS = (
    *("step", "phase", "seconds", "evaluations", "criterion"),
    *("window_length_min", "window_length_median", "window_length_max"),
    *("hop_length_min", "hop_length_median", "hop_length_max"),
)
SWEEP_COLUMNS = (
    *("criterion", "direction", "phase", "window_length", "milliseconds"),
    *("n_fft", "hop_length", "value", "loss", "unit"),
)


@dataclass(frozen=True)
class Products:
    """The files of one command."""

    ending: str  # of the default directory, STEM-ENDING
    record: str  # name of its JSON file
    names: frozenset[str]  # every file, and folder of chunks, that it may write into its directory
    singles: tuple[str, ...]  # options that name one more file, or `-` for standard output


def _figures(*names: str) -> frozenset[str]:
    return frozenset(f"{name}.{ending}" for name in names for ending in FIGURE_FORMATS)


COLLECTED = "recordings.csv"  # of several recordings: a row each
# files of `dstft optimize` and `dstft apply`, and those of `dstft sweep`
TRANSFORM = Products(
    "dstft",
    "result.json",
    _figures("spectrogram", "comparison", "trajectory")
    | {f"{name}.{store}" for name in ("spectrogram", "stft") for store in STORES}
    | {"parameters.npz", "trajectory.csv", "result.json", VIEW, COLLECTED},
    ("npy", "png"),
)
SWEEP = Products(
    "sweep",
    "sweep.json",
    _figures("sweep") | {"sweep.csv", "sweep.json", COLLECTED},
    ("png", "csv"),
)
LABELS = Products(  # of `dstft optimize --labels`
    "labels", "labels.json", frozenset({"labels.json", "labels.csv", "labels.png"}), ()
)
PRODUCTS = {products.ending: products for products in (TRANSFORM, SWEEP, LABELS)}


def result_record(
    result: Result,
    *,
    settings: Mapping[str, Any],
    signal_info: Mapping[str, Any],
    seconds: Mapping[str, float],
    warnings: Iterable[str],
    array_step: int = 1,
) -> dict[str, Any]:
    """The record of a run in plain JSON types; None replaces NaN and infinity.

    Args:
        settings: all of them, resolved.
        signal_info: path, sha256, sample_rate (Hz), channels, samples, seconds.
        seconds: wall time of the stages that `result.seconds` does not hold: load, write, total.
        array_step: frames of the transform that make one of `spectrogram.npy`. `hop_length` and
            `frames` are those of the array, `transform` has those of the transform.
    """
    summary, centers = result.criterion, result.frame_centers
    best = {"win_length": summary.best_fixed_win_length, "value": summary.best_fixed}
    record = {
        "version": __version__,
        "settings": settings,
        "input": signal_info,
        "criterion": {
            "name": summary.name,
            "scope": result.scope,
            "direction": summary.direction,
            "start": summary.start,
            "best_fixed": best,
            "final": summary.final,
            "table_bound": summary.table_bound,
        },
        "window_length": _spread(result.lengths),
        "hop_length": _hop_length(centers[::array_step]),
        "n_fft": result.n_fft,
        "frames": len(centers[::array_step]),
        "transform": {"hop_length": _hop_length(centers), "frames": result.frames},
        "stop_reason": result.stop_reason,
        "evaluations": result.evaluations,
        "seconds": {**dict.fromkeys(STAGES), **result.seconds, **seconds},
        "peak_memory_mb": peak_memory_mb(),
        "warnings": list(dict.fromkeys(warnings)),
        "outputs": {},
    }
    return {key: _plain(value) for key, value in record.items()}


def write_json(target: Path | BinaryIO, record: Mapping[str, Any]) -> None:
    """Writes `record` as UTF-8 JSON, indented by 2, with a line break at the end.

    A file name that is not UTF-8 has lone surrogates in Python. They are written as `\\udcXX`: the file
    is valid UTF-8, and `json.loads` returns the same name. NaN and infinities become null. A stream
    stays open.
    """
    text = json.dumps(_plain(record), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    data = re.sub("[\ud800-\udfff]", lambda found: f"\\u{ord(found[0]):04x}", text).encode()
    with disk_errors(target.name if isinstance(target, Path) else "the JSON record"):
        if isinstance(target, Path):
            target.write_bytes(data)
        else:
            target.write(data)
            target.flush()


def sweep_record(
    sweep: Sweep,
    *,
    settings: Mapping[str, Any],
    signal_info: Mapping[str, Any],
    seconds: Mapping[str, float],
    warnings: Iterable[str],
) -> dict[str, Any]:
    """sweep.json: per criterion its best length and how much that matters; else as `result_record`."""
    low, high, count = float(sweep.lengths[0]), float(sweep.lengths[-1]), len(sweep.lengths)
    return {
        "version": __version__,
        "settings": settings,
        "input": signal_info,
        "looked_at": sweep.looked_at,
        "window_length": {"min": low, "max": high, "count": count},
        "criteria": [_summary(curve, sweep.n_fft_of(curve)) for curve in sweep.curves],
        "seconds": {**sweep.seconds, **seconds},
        "peak_memory_mb": peak_memory_mb(),
        "warnings": list(warnings),
    }


def _summary(curve: SweepCurve, n_fft: int) -> dict[str, Any]:
    low, high = curve.good_lengths
    at, usual = curve.at(USUAL_LENGTH), None
    if at is not None:
        value, loss = float(curve.values[at]), float(curve.losses[at])
        usual = {"win_length": USUAL_LENGTH, "value": value, "loss": loss}
    return {
        "name": curve.name,
        "direction": curve.direction,
        "unit": curve.unit,
        "best": {"win_length": curve.best_length, "n_fft": n_fft, "value": curve.best_value},
        "usual": usual,
        "good_enough": {"min": low, "max": high, "loss": GOOD_ENOUGH},
        "off_by_two": curve.loss_off_by_two,
        "spread": curve.spread,
        "matters": curve.matters,
    }


def _finite(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value


_Number = Annotated[float | None, BeforeValidator(_finite)]


class _Stored(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class Spread(_Stored):
    """Minimum, median and maximum of lengths, samples."""

    min: _Number
    median: _Number
    max: _Number


class StoredBest(_Stored):
    win_length: _Number
    value: _Number


class StoredCriterion(_Stored):
    name: str
    scope: str | None = None
    direction: Literal["minimize", "maximize"]
    start: _Number
    best_fixed: StoredBest | None
    final: _Number
    table_bound: _Number = None


class StoredInput(_Stored):
    path: str
    sha256: str
    sample_rate: PositiveFloat
    seconds: NonNegativeFloat
    channels: PositiveInt = 1


class StoredBatch(_Stored):
    settings: str  # digest of the settings of the job


class StoredRecord(_Stored):
    """What is read of a `result.json`, by all commands; None for numbers that are not finite."""

    version: str
    settings: dict[str, Any]
    input: StoredInput
    criterion: StoredCriterion
    window_length: Spread | _Number
    hop_length: Spread | _Number
    n_fft: PositiveInt
    warnings: list[str]
    outputs: dict[str, str]  # name to path
    sizes: dict[str, NonNegativeInt] = {}  # of files and folders of the directory, bytes, by name
    batch: StoredBatch | None = None  # of a job of a batch

    @property
    def best_fixed(self) -> StoredBest:
        """That of the criterion; without values where there is none."""
        return self.criterion.best_fixed or StoredBest(win_length=None, value=None)

    def is_whole(self, place: Path) -> bool:
        """Whether everything named in it is in its directory, with its size."""
        for name in self.outputs:
            found, size = size_of(place / os.path.basename(name)), self.sizes.get(name)
            if found is None or found != (size or max(1, found)):
                return False
        return True


def read_result(path: Path) -> StoredRecord:
    """The record in a result.json; InputError as in `read_record`, or if it is that of no run."""
    try:
        return StoredRecord.model_validate(read_record(path))
    except ValidationError as error:
        where = ".".join(part for part in map(str, error.errors()[0]["loc"]) if part.isidentifier())
        what = f"{where} is missing or damaged"
        raise InputError(f"{printable(path)}: {what}: {AGAIN}") from error


def read_record(path: Path) -> dict[str, Any]:
    """The JSON object in a file such as result.json; InputError if there is none."""
    if check_readable(path) > LARGEST_RECORD:
        raise damaged(path, f"is above {LARGEST_RECORD} bytes")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {system_reason(error)}") from error
    except (ValueError, RecursionError) as error:
        raise damaged(path, "is not JSON or is damaged") from error
    if not isinstance(record, dict):
        raise damaged(path, "holds no record of a run")
    return record


def check_kind(directory: Path, *, array: bool = False) -> None:
    """InputError for a directory of another command, or with `array` for one of many recordings."""
    record = directory / TRANSFORM.record
    if not os.path.exists(record):
        for products in PRODUCTS.values():
            if os.path.exists(directory / products.record):
                what = f"holds {products.record} and no {TRANSFORM.record}"
                raise damaged(directory, what, "name a directory that dstft optimize has written")
    elif array and "collection" in read_record(record):
        what = "holds parameters for many recordings and no spectrogram"
        raise damaged(directory, what, "write one with dstft apply DIR INPUT")


def is_record(path: Path) -> bool:
    try:
        record = read_record(path)
    except InputError:
        return False
    of_a_run = any(isinstance(record.get(name), dict) for name in ("outputs", "experiments"))
    return of_a_run and isinstance(record.get("version"), str)


def records_in(folder: Path) -> bool:
    return any(is_record(folder / products.record) for products in PRODUCTS.values())


def peak_memory_mb() -> float | None:
    """Peak resident memory of this process in MB (10⁶ bytes); None where it is not known."""
    if sys.platform == "win32":
        return None
    try:  # on Linux getrusage also counts the parent process before exec
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        status = ""
    if found := re.search(r"^VmHWM:\s*(\d+) kB", status, re.MULTILINE):
        return int(found[1]) * 1024 / 1e6
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


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
    return str(value)  # a path, or an object of the user, written as text


def write_trajectory(path: Path, trajectory: Trajectory) -> None:
    """Writes one line per step of the fit; lengths in samples, no hop lengths for a single frame."""
    with disk_errors(path.name), open(path, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(TRAJECTORY_COLUMNS)
        for step, phase in enumerate(trajectory.phase):
            seconds, value = float(trajectory.seconds[step]), float(trajectory.criterion[step])
            row = [step, phase, seconds, int(trajectory.evaluations[step]), value]
            for lengths in (trajectory.window_lengths[step], trajectory.hop_lengths[step]):
                of = (np.min, np.median, np.max)
                row += [float(f(lengths)) for f in of] if lengths.size else ["", "", ""]
            lines.writerow(row)


def sweep_csv(sweep: Sweep) -> bytes:
    """A line per criterion and length (`phase` is `table`), and one per best length (`descent`)."""
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(SWEEP_COLUMNS)
    for curve in sweep.curves:
        rows = [
            ("table", length, m, curve.values[m], curve.losses[m])
            for m, length in enumerate(curve.lengths)
        ]
        rows.append(("descent", curve.best_length, curve.minimum, curve.best_value, 0.0))
        for phase, length, m, value, loss in rows:
            used = int(sweep.n_ffts[m]), float(sweep.hop_lengths[m])
            lengths = float(length), float(length) / sweep.sample_rate * 1000
            values = float(value), float(loss)
            lines.writerow(
                [curve.name, curve.direction, phase, *lengths, *used, *values, curve.unit]
            )
    return text.getvalue().encode("utf-8")
