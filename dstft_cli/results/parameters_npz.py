"""parameters.npz: the learned transform and the way to it, readable without pickle."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dstft_cli.errors import InputError
from dstft_cli.names import LARGEST_FFT, NORMALIZATIONS, SHORTEST_WINDOW, WINDOWS
from dstft_cli.records import FloatArray, Result
from dstft_cli.results.npy import write_header
from dstft_cli.results.npz_member import Member
from dstft_cli.results.place import disk_errors, refuse_pipes, shown


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

    Nothing is read before its announced shape fits the others and the file, so that memory grows
    with what is there and not with what is promised.

    Raises:
        InputError: no such file, not an .npz, an array is missing, or has a wrong shape or values.
    """
    place = shown(path)
    try:
        refuse_pipes(path)
        with open(path, "rb") as file, zipfile.ZipFile(file) as archive:
            return _checked(
                {name: Member(archive, name) for name in _present(archive, place)}, place
            )
    except FileNotFoundError as error:
        raise InputError(
            f"{place} does not exist: name a directory that dstft optimize has written"
        ) from error
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    except (
        ValueError,
        KeyError,  # a format version that dstft does not write
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


NAMES = tuple(StoredParameters.__dataclass_fields__)
WORDS = {"window": WINDOWS, "normalization": NORMALIZATIONS}
NUMBERS = ("sample_rate", "n_fft", "samples")
Refuse = Callable[[str], InputError]
MOST_GAPS = 1000  # times what the frames reach, above which a recording's length is no real one


def _present(archive: zipfile.ZipFile, place: str) -> Iterator[str]:
    there = set(archive.namelist())
    for name in NAMES:
        if f"{name}.npy" not in there:
            raise InputError(f"{place} lacks the array '{name}': run dstft optimize again")
        yield name


def _checked(members: dict[str, Member], place: str) -> StoredParameters:
    def refuse(what: str) -> InputError:
        return InputError(f"{place}: {what}: run dstft optimize again")

    words = {name: str(members.pop(name).single()) for name in WORDS}
    for name, word in words.items():
        if word not in WORDS[name]:
            raise refuse(f"'{name}' is {word!r}, not one of {', '.join(WORDS[name])}")
    for name, member in members.items():
        if member.dtype.kind not in "fiu":
            raise refuse(f"'{name}' holds values that are not finite real numbers")
    numbers = _numbers(members, refuse)
    n_fft, samples = int(numbers["n_fft"]), int(numbers["samples"])
    _check_shapes(members, n_fft, samples, refuse)
    fields: dict[str, Any] = {**words, "n_fft": n_fft, "samples": samples}
    fields["sample_rate"] = numbers["sample_rate"]
    fields["frame_centers"] = members["frame_centers"].values(_centers(samples, refuse))
    for name in ("hop_lengths", "times", "frequencies", "window_length"):
        fields[name] = members[name].values(partial(_finite, name, refuse))
    lengths = fields["window_length"]
    shortest = SHORTEST_WINDOW * (1 - 1e-9)  # what is learned as a logarithm may be off by rounding
    if not (lengths >= shortest).all() or not (lengths <= n_fft).all():
        raise refuse(f"'window_length' holds values outside [{SHORTEST_WINDOW:g}, {n_fft}] samples")
    return StoredParameters(**fields)


def _numbers(members: dict[str, Member], refuse: Refuse) -> dict[str, float]:
    numbers = {}
    for name in NUMBERS:
        number = None if members[name].shape else float(members[name].single())
        if number is not None and not math.isfinite(number):
            raise refuse(f"'{name}' holds values that are not finite real numbers")
        if number is None or number <= 0:
            raise refuse(f"'{name}' is not one number above 0")
        numbers[name] = number
    for name in ("n_fft", "samples"):
        if not numbers[name].is_integer():
            raise refuse(f"'{name}' {numbers[name]:g} is not an integer")
    if numbers["n_fft"] > LARGEST_FFT:
        raise refuse(f"'n_fft' {numbers['n_fft']:.0f} is above {LARGEST_FFT}")
    return numbers


def _check_shapes(members: dict[str, Member], n_fft: int, samples: int, refuse: Refuse) -> None:
    F, T = n_fft // 2 + 1, math.prod(members["frame_centers"].shape)
    if T == 0:
        raise refuse("'frame_centers' is empty")
    shapes = {"frame_centers": (T,), "hop_lengths": (T - 1,), "times": (T,), "frequencies": (F,)}
    for name, shape in shapes.items():
        if members[name].shape != shape:
            raise refuse(f"'{name}' has shape {members[name].shape} where {shape} is expected")
    found = members["window_length"].shape
    if found not in ((1, 1), (1, T), (F, 1), (F, T)):
        raise refuse(f"'window_length' has shape {found}, which does not broadcast to {(F, T)}")
    if samples > MOST_GAPS * T * n_fft:
        raise refuse(f"'samples' {samples} is far beyond what {T} frames of {n_fft} samples reach")


def _finite(name: str, refuse: Refuse, part: FloatArray) -> None:
    if not np.isfinite(part).all():
        raise refuse(f"'{name}' holds values that are not finite real numbers")


def _centers(samples: int, refuse: Refuse) -> Callable[[FloatArray], None]:
    """A check of the frame centres piece by piece, so that no more of false ones is read."""
    last = -math.inf

    def check(part: FloatArray) -> None:
        nonlocal last
        _finite("frame_centers", refuse, part)
        if not (np.diff(part, prepend=last) > 0).all():
            raise refuse("'frame_centers' does not increase")
        if part[0] < 0 or part[-1] > samples:
            raise refuse(f"'frame_centers' holds values outside [0, {samples}] samples")
        last = float(part[-1])

    return check
