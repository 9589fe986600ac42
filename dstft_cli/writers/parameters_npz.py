"""parameters.npz: the learned transform and the way to it, readable without pickle."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import InputError
from dstft_cli.names import NORMALIZATIONS, WINDOWS
from dstft_cli.result import FloatArray, Result
from dstft_cli.writers.npy import write_header
from dstft_cli.writers.place import disk_errors, shown


@dataclass(frozen=True)
class StoredParameters:
    """The transform that parameters.npz holds.

    Attributes:
        window_length: samples, [1, 1], [1, T], [F, 1] or [F, T], above 0 and at most n_fft.
        frame_centers: samples, [T], strictly increasing.
        hop_lengths: samples, [T-1].
        times: seconds, [T].
        frequencies: Hz, [F].
        sample_rate: Hz.
        n_fft: FFT size K, F = K // 2 + 1.
        samples: per channel N, >= 1; all frame centres lie within [0, N].
        window: window family, one of `names.WINDOWS`.
        normalization: one of `names.NORMALIZATIONS`.
    """

    window_length: FloatArray
    frame_centers: FloatArray
    hop_lengths: FloatArray
    times: FloatArray
    frequencies: FloatArray
    sample_rate: float
    n_fft: int
    samples: int
    window: str
    normalization: str


def write_parameters(path: Path, result: Result) -> None:
    """Writes the parameters and their trajectory; memory does not grow with the number of steps S.

    `trajectory_window_length` is float32 [S, *window_length.shape], or, where lengths vary with time
    and frequency, [S, R_f, R_t], on the grid of their patches; `trajectory_hop_length` is
    [S, T-1] where any step has a hop length per frame, else [S, 1]; all other reals are float64.
    `window` and `normalization` are text.

    Raises:
        OutputError: the file cannot be written.
    """
    lengths, trajectory = result.window_length, result.trajectory
    grid = max((step.shape for step in trajectory.window_lengths), key=math.prod, default=(1, 1))
    shape = grid if min(lengths.shape) > 1 else lengths.shape
    hops = max((hop.size for hop in trajectory.hop_lengths), default=1) or 1
    arrays = {
        "window_length": np.asarray(lengths, np.float64),
        "frame_centers": np.asarray(result.frame_centers, np.float64),
        "hop_lengths": np.asarray(result.hop_lengths, np.float64),
        "times": np.asarray(result.times, np.float64),
        "frequencies": np.asarray(result.frequencies, np.float64),
        "sample_rate": np.asarray(result.sample_rate, np.float64),
        "n_fft": np.asarray(result.n_fft, np.int64),
        "samples": np.asarray(result.length, np.int64),
        "window": np.asarray(result.window),
        "normalization": np.asarray(result.normalization),
        "trajectory_criterion": np.asarray(trajectory.criterion, np.float64),
    }
    with (
        disk_errors(path.name),
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        _write_rows(
            archive,
            "trajectory_window_length",
            trajectory.window_lengths,
            shape,
            np.float32,
        )
        _write_rows(archive, "trajectory_hop_length", trajectory.hop_lengths, (hops,), np.float64)


def _write_rows(
    archive: zipfile.ZipFile,
    name: str,
    rows: tuple[FloatArray, ...],
    shape: tuple[int, ...],
    kind: type[np.floating[Any]],
) -> None:
    """One array [S, *shape], row by row; a row without values (no hop in one frame) becomes NaN."""
    with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
        write_header(member, (len(rows), *shape), np.dtype(kind), fortran_order=False)  # type: ignore[arg-type]
        for row in rows:
            filled = row if row.size else np.full(1, np.nan)
            member.write(np.ascontiguousarray(np.broadcast_to(filled, shape), kind).data)


def read_parameters(path: Path) -> StoredParameters:
    """Reads what `write_parameters` wrote, the trajectory left aside; nothing is unpickled.

    Raises:
        InputError: no such file, not an .npz, an array is missing, or has a wrong shape or values.
    """
    place = shown(path)
    try:
        with open(path, "rb") as file:  # np.load leaves a path's file open when it finds it empty
            archive = np.load(file, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("a lone .npy array")
            with archive:
                arrays = dict(_arrays(archive, place))
    except FileNotFoundError as error:
        raise InputError(
            f"{place} does not exist: name a directory that dstft optimize has written"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    except (
        ValueError,
        EOFError,
        RuntimeError,  # an encrypted or exotic archive
        MemoryError,  # a header that announces more than there is
        OverflowError,
        SyntaxError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(
            f"{place} is not an .npz of dstft or is damaged: run dstft optimize again"
        ) from error
    return _checked(arrays, place)


NAMES = tuple(StoredParameters.__dataclass_fields__)
WORDS = {"window": WINDOWS, "normalization": NORMALIZATIONS}


def _arrays(archive: np.lib.npyio.NpzFile, place: str) -> Iterator[tuple[str, NDArray[Any]]]:
    for name in NAMES:
        if name not in archive.files:
            raise InputError(f"{place} lacks the array '{name}': run dstft optimize again")
        yield name, archive[name]


def _checked(arrays: dict[str, NDArray[Any]], place: str) -> StoredParameters:
    def refuse(what: str) -> InputError:
        return InputError(f"{place}: {what}: run dstft optimize again")

    words = {name: str(arrays.pop(name)) for name in WORDS}
    for name, word in words.items():
        if word not in WORDS[name]:
            raise refuse(f"'{name}' is {word!r}, not one of {', '.join(WORDS[name])}")
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
            raise refuse(f"'{name}' holds values that are not finite real numbers")
    for name in ("sample_rate", "n_fft", "samples"):
        if arrays[name].shape != () or arrays[name] <= 0:
            raise refuse(f"'{name}' is not one number above 0")
    for name in ("n_fft", "samples"):
        if arrays[name] != np.floor(arrays[name]):
            raise refuse(f"'{name}' {arrays[name]} is not an integer")
    n_fft, samples = int(arrays["n_fft"]), int(arrays["samples"])
    F, T = n_fft // 2 + 1, arrays["frame_centers"].size
    if T == 0:
        raise refuse("'frame_centers' is empty")
    shapes = {"frame_centers": (T,), "hop_lengths": (T - 1,), "times": (T,), "frequencies": (F,)}
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise refuse(f"'{name}' has shape {arrays[name].shape} where {shape} is expected")
    lengths = arrays["window_length"]
    if lengths.shape not in ((1, 1), (1, T), (F, 1), (F, T)):
        raise refuse(
            f"'window_length' has shape {lengths.shape}, which does not broadcast to {(F, T)}"
        )
    if not (lengths > 0).all() or not (lengths <= n_fft).all():
        raise refuse(f"'window_length' holds values outside (0, {n_fft}] samples")
    if not (np.diff(arrays["frame_centers"]) > 0).all():
        raise refuse("'frame_centers' does not increase")
    if arrays["frame_centers"][0] < 0 or arrays["frame_centers"][-1] > samples:
        raise refuse(f"'frame_centers' holds values outside [0, {samples}] samples")
    fields: dict[str, Any] = {**words, "n_fft": n_fft, "samples": samples}
    fields["sample_rate"] = float(arrays["sample_rate"])
    for name in ("window_length", *shapes):
        fields[name] = arrays[name].astype(np.float64)
    return StoredParameters(**fields)
