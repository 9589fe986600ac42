"""parameters.npz: the learned transform and its trajectory, readable without pickle."""

from __future__ import annotations

import math
import zipfile
import zlib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.lib.npyio import NpzFile

from dstft_cli.errors import InputError, printable, system_reason
from dstft_cli.names import LARGEST_FFT, NORMALIZATIONS, SHORTEST_WINDOW, WINDOWS
from dstft_cli.records import FloatArray, Result
from dstft_cli.results.arrays import read_header, write_header
from dstft_cli.results.place import check_readable, disk_errors

WORDS = {"window": WINDOWS, "normalization": NORMALIZATIONS}
SINGLE = ("window", "normalization", "sample_rate", "n_fft", "samples")
RISING = ("frame_centers", "times")
LARGEST_SINGLE = 256  # bytes of one number or word
MOST_PACKED = 200  # largest compression of values that all differ
MOST_GAPS = 1000  # a recording longer than this many times its frames is damaged


@dataclass(frozen=True)
class StoredParameters:
    """The transform that parameters.npz holds.

    Attributes:
        window_length: samples, [1, 1], [1, T], [F, 1] or [F, T], from 2 to n_fft.
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


NAMES = tuple(field.name for field in fields(StoredParameters))


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
    """Reads the file of `write_parameters`, without the trajectory; nothing is unpickled.

    An array is read only if its size in the header fits the others and the file.

    Raises:
        InputError: no such file, not an .npz, an array is missing, or has a wrong shape or values.
    """
    place = printable(path)
    check_readable(path)
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"PK\x03\x04":  # otherwise np.load tries other formats
                raise ValueError("not an .npz")
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                return _read(stored)
    except _WrongError as error:
        raise InputError(f"{place}: {error}: run dstft optimize again") from None
    except OSError as error:
        raise InputError(f"cannot read {place}: {system_reason(error)}") from error
    except (
        ValueError,
        KeyError,
        EOFError,
        RuntimeError,  # an encrypted or exotic archive
        MemoryError,
        OverflowError,
        SyntaxError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise InputError(
            f"{place} is not an .npz of dstft or is damaged: run dstft optimize again"
        ) from error


class _WrongError(Exception):
    """An error in the parameters of a file."""


def _read(stored: NpzFile) -> StoredParameters:
    archive = cast(zipfile.ZipFile, stored.zip)
    lacking = [name for name in NAMES if f"{name}.npy" not in archive.namelist()]
    if lacking:
        raise _WrongError(f"the array '{lacking[0]}' is missing")
    announced = {name: _announced(archive, name) for name in NAMES}
    for name in SINGLE:
        if announced[name] != ():
            raise _WrongError(f"'{name}' is not one value")
    values: dict[str, Any] = {name: stored[f"{name}.npy"].item() for name in SINGLE}
    _check_singles(values)
    _check_shapes(announced, values["n_fft"], values["samples"])
    for name in NAMES:
        if name not in SINGLE:
            values[name] = np.ascontiguousarray(stored[f"{name}.npy"], np.float64)
    _check_values(values)
    return StoredParameters(**values)


def _announced(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """The shape in the header of an array, checked against its size in the archive."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} has a compression that NumPy does not use")
    with archive.open(info) as file:
        shape, _, dtype = read_header(cast(BinaryIO, file))
        if info.file_size != file.tell() + math.prod(shape) * dtype.itemsize:
            raise ValueError(f"{name} has another size than its header says")
    if dtype.hasobject:
        raise ValueError(f"{name} holds Python objects")
    if dtype.kind not in ("U" if name in WORDS else "fiu"):
        raise _WrongError(
            f"'{name}' holds {dtype} where {'text' if name in WORDS else 'real numbers'} are expected"
        )
    if name in SINGLE and dtype.itemsize > LARGEST_SINGLE:
        raise ValueError(f"{name} is too large")
    if name in RISING and info.file_size > MOST_PACKED * info.compress_size:
        raise _WrongError(
            f"'{name}' does not increase"
        )  # values that all differ do not compress so well
    return shape


def _check_singles(values: dict[str, Any]) -> None:
    for name, known in WORDS.items():
        if values[name] not in known:
            raise _WrongError(f"'{name}' is {values[name]!r}, not one of {', '.join(known)}")
    for name in ("sample_rate", "n_fft", "samples"):
        if not (math.isfinite(values[name]) and values[name] > 0):
            raise _WrongError(f"'{name}' {values[name]:g} is not a number above 0")
    for name in ("n_fft", "samples"):
        if values[name] != int(values[name]):
            raise _WrongError(f"'{name}' {values[name]:g} is not an integer")
        values[name] = int(values[name])
    if values["n_fft"] > LARGEST_FFT:
        raise _WrongError(f"'n_fft' {values['n_fft']} is above {LARGEST_FFT}")


def _check_shapes(announced: dict[str, tuple[int, ...]], n_fft: int, samples: int) -> None:
    F, T = n_fft // 2 + 1, math.prod(announced["frame_centers"])
    if T == 0:
        raise _WrongError("'frame_centers' is empty")
    shapes = {"frame_centers": (T,), "hop_lengths": (T - 1,), "times": (T,), "frequencies": (F,)}
    for name, shape in shapes.items():
        if announced[name] != shape:
            raise _WrongError(f"'{name}' has shape {announced[name]}, where {shape} is expected")
    found = announced["window_length"]
    if found not in ((1, 1), (1, T), (F, 1), (F, T)):
        raise _WrongError(
            f"'window_length' has shape {found}, which does not broadcast to {(F, T)}"
        )
    if samples > MOST_GAPS * T * n_fft:
        raise _WrongError(f"'samples' {samples} is far beyond {T} frames of {n_fft} samples")


def _check_values(values: dict[str, Any]) -> None:
    for name, array in values.items():
        if name not in SINGLE and not np.isfinite(array).all():
            raise _WrongError(f"'{name}' holds values that are not finite real numbers")
    centers, lengths = values["frame_centers"], values["window_length"]
    if not (np.diff(centers) > 0).all():
        raise _WrongError("'frame_centers' does not increase")
    if centers[0] < 0 or centers[-1] > values["samples"]:
        raise _WrongError(f"'frame_centers' holds values outside [0, {values['samples']}] samples")
    shortest = SHORTEST_WINDOW * (1 - 1e-9)  # learned as a logarithm, so with a rounding error
    if lengths.min() < shortest or lengths.max() > values["n_fft"]:
        raise _WrongError(
            f"'window_length' holds values outside [{SHORTEST_WINDOW:g}, {values['n_fft']}] samples"
        )
