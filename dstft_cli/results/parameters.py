"""parameters.npz: the learned transform and its trajectory, readable without pickle."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.npyio import NpzFile

from dstft_cli.errors import InputError, printable, system_reason
from dstft_cli.records import (
    LARGEST_FFT,
    NORMALIZATIONS,
    SHORTEST_WINDOW,
    WINDOWS,
    FloatArray,
    LengthMap,
    Result,
    StoredParameters,
)
from dstft_cli.results.arrays import read_header, write_header
from dstft_cli.results.place import AGAIN, check_readable, damaged, disk_errors

WORDS = {"window": WINDOWS, "normalization": NORMALIZATIONS}
SINGLE = ("window", "normalization", "sample_rate", "n_fft", "samples")
RISING = ("frame_centers", "times")
LARGEST_SINGLE = 256  # bytes of one number or word
MOST_PACKED = 200  # largest compression of values that all differ
MOST_GAPS = 1000  # a recording longer than this many times its frames is damaged
OFFSET = "offset"  # missing in files of earlier versions
NAMES = tuple(
    field.name for field in fields(StoredParameters) if field.name not in ("length_map", OFFSET)
)
FINER = {  # what describes the transform where the array has fewer frames
    "frame_centers": "transform_frame_centers",
    "window_length": "transform_window_length",
}
TILES = {"frequencies": "tile_frequencies", "times": "tile_times", "lengths": "tile_window_length"}
STEPS = "steps_per_octave"
MOST_STEPS = 1000  # per octave of lengths
MOST_CELLS = 1 << 22  # of a map of lengths that are computed at a time


def write_parameters(path: Path, result: Result, step: int = 1, offset: float = 0.0) -> None:
    """Writes the parameters and their trajectory; memory does not grow with the number of steps S.

    `times` count from the start of the recording, `offset` seconds before the first sample;
    `frame_centers` count from that sample. Frames are those of `spectrogram.npy`, each `step`-th of the
    transform; where there are more of them, `transform_frame_centers`, and where lengths vary from one
    to the next `transform_window_length`, describe the transform. Where lengths are kept on tiles,
    `tile_frequencies` [B] Hz, `tile_times` [U] samples, `tile_window_length` float32 [B, U] and
    `steps_per_octave` define those of all cells (`records.LengthMap`); `window_length` holds the cells,
    float32 [F, T], where `step` is 1, else the tiles.

    `trajectory_window_length` is float32 [S, *window_length.shape], or, where lengths vary with time
    and frequency, [S, R_f, R_t], on the grid of their patches, or of each eighth tile in time, to 1 %;
    `trajectory_hop_length` is [S, T-1] where any step has a hop length per frame, else [S, 1]; all other
    reals are float64. `window` and `normalization` are text.
    """
    lengths, trajectory, tiles = result.lengths, result.trajectory, result.length_map
    shown = trajectory.window_lengths
    if tiles is not None:
        shown = tuple(map(_thinned, shown))
    grid = max((step.shape for step in shown), key=math.prod, default=(1, 1))
    shape = grid if min(lengths.shape) > 1 else lengths.shape
    hops = max((hop.size for hop in trajectory.hop_lengths), default=1) or 1
    arrays = {
        "window_length": np.asarray(lengths[:, ::step] if tiles is None else [], np.float64),
        "frame_centers": np.asarray(result.frame_centers[::step], np.float64),
        "hop_lengths": np.diff(np.asarray(result.frame_centers[::step], np.float64)),
        "times": offset + np.asarray(result.times[::step], np.float64),
        OFFSET: np.asarray(offset, np.float64),
        "frequencies": np.asarray(result.frequencies, np.float64),
        "sample_rate": np.asarray(result.sample_rate, np.float64),
        "n_fft": np.asarray(result.n_fft, np.int64),
        "samples": np.asarray(result.length, np.int64),
        "window": np.asarray(result.window),
        "normalization": np.asarray(result.normalization),
        "trajectory_criterion": np.asarray(trajectory.criterion, np.float64),
    }
    if step > 1:
        arrays[FINER["frame_centers"]] = np.asarray(result.frame_centers, np.float64)
        if lengths.shape[1] > 1 and tiles is None:
            arrays[FINER["window_length"]] = np.asarray(lengths, np.float64)
    if tiles is not None:
        arrays["window_length"] = np.asarray(tiles.lengths, np.float32)
        arrays |= {name: np.asarray(getattr(tiles, field)) for field, name in TILES.items()}
        arrays[STEPS] = np.asarray(tiles.steps_per_octave, np.int64)
        if step == 1:
            del arrays["window_length"]  # written cell by cell below
    with (
        disk_errors(path.name),
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
    ):
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
        if tiles is not None and step == 1:  # all cells, float32 [F, T], some frames at a time
            frequencies, centers = result.frequencies, result.frame_centers
            block = max(MOST_CELLS // len(frequencies), 1)
            with archive.open("window_length.npy", "w", force_zip64=True) as member:
                sizes = len(frequencies), len(centers)
                write_header(member, sizes, np.float32, fortran_order=True)
                for start in range(0, len(centers), block):
                    cells = tiles.at(frequencies, centers[start : start + block])
                    member.write(np.ascontiguousarray(cells.T, np.float32).data)
        for name, rows, each, kind in (
            ("trajectory_window_length", shown, shape, np.float32),
            ("trajectory_hop_length", trajectory.hop_lengths, (hops,), np.float64),
        ):  # row by row; a row without values (no hop in one frame) becomes NaN
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                write_header(member, (len(rows), *each), kind, fortran_order=False)
                for row in rows:
                    filled = row if row.size else np.full(1, np.nan)
                    member.write(np.ascontiguousarray(np.broadcast_to(filled, each), kind).data)


def _thinned(lengths: FloatArray) -> FloatArray:
    """Each eighth tile in time, rounded to 32 lengths an octave: tiles overlap, and compress badly."""
    thin: FloatArray = np.exp2(np.rint(np.log2(lengths[:, ::8]) * 32) / 32)
    return thin


def read_parameters(path: Path) -> StoredParameters:
    """Reads the file of `write_parameters`, without the trajectory; nothing is unpickled.

    An array is read only if its size in the header fits the others and the file; InputError otherwise.
    """
    check_readable(path, remedy=f"{AGAIN} with parameters in `save`")
    try:
        with open(path, "rb") as file:
            if file.read(4) != b"PK\x03\x04":  # otherwise np.load tries other formats
                raise ValueError("not an .npz")
            file.seek(0)
            with np.load(file, allow_pickle=False) as stored:
                return _read(stored)
    except _WrongError as error:
        raise InputError(f"{printable(path)}: {error}: {AGAIN}") from None
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {system_reason(error)}") from error
    except DAMAGE as error:
        raise damaged(path, "is not an .npz of dstft or is damaged") from error


class _WrongError(Exception):
    """An error in the parameters of a file."""


# what NumPy and zipfile raise for damaged, encrypted and exotic archives
DAMAGE = (
    *(ValueError, KeyError, EOFError, RuntimeError, MemoryError, OverflowError, SyntaxError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError),  # the last of headers of NumPy
)


def _read(stored: NpzFile) -> StoredParameters:
    archive: Any = stored.zip
    there = {name.removesuffix(".npy") for name in archive.namelist()}
    tiled = STEPS in there
    places = {name: FINER[name] if FINER.get(name) in there else name for name in NAMES}
    places |= {name: name for name in (*TILES.values(), STEPS) if tiled}
    singles = (*SINGLE, OFFSET) if OFFSET in there else SINGLE
    places |= {name: name for name in singles}
    lacking = [place for place in places.values() if place not in there]
    if lacking:
        raise _WrongError(f"the array '{lacking[0]}' is missing")
    announced = {name: _announced(archive, place) for name, place in places.items()}
    for name in singles:
        if announced[name] != ():
            raise _WrongError(f"'{name}' is not one value")
    values: dict[str, Any] = {name: stored[f"{name}.npy"].item() for name in singles}
    _check_singles(values)
    finer = places["frame_centers"] != "frame_centers"
    _check_shapes(announced, values["n_fft"], values["samples"], finer=finer)
    for name in NAMES:
        if name not in SINGLE and not (tiled and name == "window_length"):
            values[name] = np.ascontiguousarray(stored[f"{places[name]}.npy"], np.float64)
    if tiled:
        values["length_map"] = _read_tiles(stored, announced)
        values["window_length"] = values["length_map"].lengths.astype(np.float64)
    _check_values(values)
    if finer:
        values["hop_lengths"] = np.diff(values["frame_centers"])
        values["times"] = values.get(OFFSET, 0.0) + values["frame_centers"] / values["sample_rate"]
    return StoredParameters(**values)


def _read_tiles(stored: NpzFile, announced: dict[str, tuple[int, ...]]) -> LengthMap:
    """The map of lengths, whose grid is checked; its lengths are those of `window_length`."""
    bands, tiles = (announced[TILES[name]] for name in ("frequencies", "times"))
    found = announced[TILES["lengths"]]
    if len(bands) != 1 or len(tiles) != 1 or found != (*bands, *tiles) or 0 in found:
        raise _WrongError(
            f"the tiles have shapes {bands}, {tiles} and {found}, not B, U and [B, U]"
        )
    values = {name: stored[f"{TILES[name]}.npy"] for name in TILES}
    for name in ("frequencies", "times"):
        values[name] = np.ascontiguousarray(values[name], np.float64)
        if not np.isfinite(values[name]).all() or not (np.diff(values[name]) > 0).all():
            raise _WrongError(f"'{TILES[name]}' does not increase")
    values["lengths"] = np.ascontiguousarray(values["lengths"], np.float32)
    steps = stored[f"{STEPS}.npy"]
    if steps.shape != () or steps.dtype.kind not in "iu" or not 1 <= int(steps) <= MOST_STEPS:
        raise _WrongError(f"'{STEPS}' is not a whole number from 1 to {MOST_STEPS}")
    return LengthMap(**values, steps_per_octave=int(steps))


def _announced(archive: zipfile.ZipFile, name: str) -> tuple[int, ...]:
    """The shape in the header of an array, checked against its size in the archive."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} has a compression that NumPy does not use")
    with archive.open(info) as file:
        shape, _, dtype = read_header(file)
        size = file.tell() + math.prod(shape) * dtype.itemsize
    large = name in (*SINGLE, STEPS, OFFSET) and dtype.itemsize > LARGEST_SINGLE
    if large or size != info.file_size or dtype.kind not in ("U" if name in WORDS else "fiu"):
        raise ValueError(f"{name} has another size than its header says, or holds {dtype}")
    if name in RISING and info.file_size > MOST_PACKED * info.compress_size:
        # values that all differ do not compress so well
        raise _WrongError(f"'{name}' does not increase")
    return shape


def _check_singles(values: dict[str, Any]) -> None:
    """Checks single values, and makes `n_fft` and `samples` integers."""
    rate, n_fft, samples = (values[name] for name in ("sample_rate", "n_fft", "samples"))
    for name, right, expected in (
        *(
            (name, values[name] in known, f"one of {', '.join(known)}")
            for name, known in WORDS.items()
        ),
        ("sample_rate", 0 < rate < math.inf, "a number above 0"),
        ("n_fft", 0 < n_fft <= LARGEST_FFT and n_fft % 1 == 0, f"an integer of 1 to {LARGEST_FFT}"),
        ("samples", samples > 0 and samples % 1 == 0, "an integer above 0"),
        (OFFSET, 0 <= values.get(OFFSET, 0.0) < math.inf, "a number of at least 0"),
    ):
        if not right:
            raise _WrongError(f"'{name}' {values[name]} is not {expected}")
    values |= {"n_fft": int(n_fft), "samples": int(samples)}


def _check_shapes(
    announced: dict[str, tuple[int, ...]], n_fft: int, samples: int, *, finer: bool
) -> None:
    F, T = n_fft // 2 + 1, math.prod(announced["frame_centers"])
    if T == 0:
        raise _WrongError("'frame_centers' is empty")
    shown = min(max(math.prod(announced["times"]), 1), T) if finer else T  # frames of the array
    for name, shape in (
        *(("frame_centers", (T,)), ("hop_lengths", (shown - 1,))),
        *(("times", (shown,)), ("frequencies", (F,))),
    ):
        if announced[name] != shape:
            raise _WrongError(f"'{name}' has shape {announced[name]}, where {shape} is expected")
    found = announced["window_length"]
    tiles = announced.get(TILES["lengths"], (F, T))
    if found not in ((1, 1), (1, T), (F, 1), (F, T), tiles):
        raise _WrongError(
            f"'window_length' has shape {found}, which does not broadcast to {(F, T)}"
        )
    if samples > MOST_GAPS * T * n_fft:
        raise _WrongError(f"'samples' {samples} is far beyond {T} frames of {n_fft} samples")


def _check_values(values: dict[str, Any]) -> None:
    for name, array in values.items():
        if isinstance(array, np.ndarray) and not np.isfinite(array).all():
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
