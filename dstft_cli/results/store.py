"""Arrays in zarr folders: compressed chunks with coordinates and units, which xarray opens lazily.

A folder is a zarr group, format 3, that holds the array and its axes: `xarray.open_zarr(folder)`. A chunk
holds all frequencies of some frames. A missing chunk reads as NaN.
"""

from __future__ import annotations

import math
import stat
import struct
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dstft_cli.errors import UsageError
from dstft_cli.results.arrays import Stream
from dstft_cli.results.place import damaged, disk_errors

CHUNK_BYTES = 1 << 23  # of a chunk before compression
ATTRIBUTES = ("sample_rate", "n_fft", "window", "normalization")  # of the transform
UNITS = {"channel": "1", "frequency": "Hz", "time": "s"}
_CODECS = ("transpose", "bytes", "blosc", "crc32c")
_LARGEST_METADATA = 1 << 20  # bytes
_BLOSC = struct.Struct("<4x3I")  # the head of a chunk: its bytes, those of a block, and compressed


def zarr_library() -> Any:
    """The module zarr; UsageError if it is not installed, or xarray is not."""
    try:
        import xarray  # noqa: F401
        import zarr
    except ImportError:
        raise UsageError(
            "`store` zarr needs zarr and xarray: pip install 'dstft-cli[store]', with Python 3.11 or later"
        ) from None
    return zarr


class ZarrStream(Stream):
    """A `Stream` into a new zarr folder, whose array has the name of the folder without its ending.

    `axes` are the coordinates of frequencies, Hz, and frames, s.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        axes: Mapping[str, NDArray[Any]],
        attributes: Mapping[str, Any],
    ) -> None:
        super().__init__(shape, dtype, path.name)
        zarr = zarr_library()
        *plane, frames = (max(size, 1) for size in self.shape)
        frames = min(frames, max(CHUNK_BYTES // (math.prod(plane) * self.dtype.itemsize), 1))
        self._chunk = np.empty((frames, *self.shape[-2::-1]), self.dtype)
        self._held = self._stored = 0  # frames of it, and of all that came
        codec = zarr.codecs.BloscCodec(cname="zstd", clevel=5, shuffle="bitshuffle")
        with disk_errors(self.name):
            group = zarr.open_group(path, mode="w-", zarr_format=3, attributes=dict(attributes))
            for axis, values in axes.items():
                of: Any = {"dimension_names": (axis,), "attributes": {"units": UNITS[axis]}}
                group.create_array(axis, data=np.ascontiguousarray(values), **of)
            self._array = group.create_array(
                path.stem,
                shape=self.shape,
                dtype=self.dtype,
                chunks=(*plane, frames),
                filters=zarr.codecs.TransposeCodec(order=tuple(range(len(shape)))[::-1]),
                # frame by frame, as neighbouring frequencies are alike; Blosc does not see damage
                compressors=(codec, zarr.codecs.Crc32cCodec()),
                fill_value=np.nan,
                dimension_names=tuple(UNITS)[-len(shape) :],
            )
            with warnings.catch_warnings():  # xarray warns without this, zarr with it
                warnings.simplefilter("ignore")
                zarr.consolidate_metadata(group.store)

    def _append(self, block: NDArray[Any]) -> None:
        while len(block):
            part = block[: len(self._chunk) - self._held]
            self._chunk[self._held : self._held + len(part)] = part
            self._held += len(part)
            self._stored += len(part)
            block = block[len(part) :]
            if self._held == len(self._chunk):
                self._flush()

    def _flush(self) -> None:
        chunk = self._chunk[: self._held].T  # [F, n] or [C, F, n]
        self._array[..., self._stored - self._held : self._stored] = chunk
        self._held = 0


def open_zarr(path: Path) -> Any:
    """The array in a zarr folder of dstft, read in parts as they are sliced; InputError if damaged."""
    zarr = zarr_library()
    try:
        files = list(_files(path))
        array = zarr.open_group(path, mode="r", zarr_format=3)[path.stem]
        if tuple(codec.to_dict()["name"] for codec in array.metadata.codecs) != _CODECS:
            raise ValueError("other codecs than dstft writes")
        *plane, frames = array.chunks
        frame = math.prod(plane) * array.dtype.itemsize
        if array.shape[:-1] != tuple(plane) or frames * frame > max(CHUNK_BYTES, frame):
            raise ValueError(f"chunks {array.chunks}")
        for file, size in files:
            if file.name.isdigit() and file.is_relative_to(path / path.stem):  # as chunks are named
                _check_chunk(file, size, frames * frame)
    except Exception as error:  # of a damaged one zarr raises many kinds
        raise damaged(path, "is not a zarr folder of dstft or is damaged") from error
    return array


def _files(folder: Path) -> Iterator[tuple[Path, int]]:
    """Files and their bytes; ValueError for links and pipes, of which zarr would read without end."""
    for path in folder.rglob("*"):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            if path.name == "zarr.json" and status.st_size > _LARGEST_METADATA:
                raise ValueError(f"{path.name} of {status.st_size} bytes")
            yield path, status.st_size
        elif not stat.S_ISDIR(status.st_mode):
            raise ValueError(f"{path.name} is not a file")


def _check_chunk(path: Path, size: int, expected: int) -> None:
    """ValueError unless Blosc will read just the file, and write just the bytes of a chunk."""
    with open(path, "rb") as file:
        found, _, compressed = _BLOSC.unpack(file.read(_BLOSC.size).ljust(_BLOSC.size))
    if found != expected or compressed != size - 4:  # of the checksum
        raise ValueError(f"{path.name} would have {found} bytes")
