"""One array of an .npz, whose announced shape is known before anything is read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from dstft_cli.results.npy import read_header

_LARGEST_SINGLE = 256  # bytes of one number or word
_BLOCK = 1 << 16  # values


class Member:
    """The array `NAME.npy` in an archive.

    Args:
        archive: open for reading.
        name: of the array.

    Attributes:
        dtype, shape: as announced; no Python objects.

    Raises:
        ValueError: damaged, of Python objects, or of another size than announced.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive = archive
        self._info = archive.getinfo(f"{name}.npy")
        if self._info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"{name} is packed in a way that NumPy does not use")
        with archive.open(self._info) as file:
            self.shape, self._fortran, self.dtype = read_header(cast(BinaryIO, file))
            size = math.prod(self.shape) * self.dtype.itemsize
            if self.dtype.hasobject:  # they would have to be unpickled
                raise ValueError(f"{name} holds Python objects")
            if self._info.file_size != file.tell() + size:
                raise ValueError(f"{name} has not the size that its header announces")

    def single(self) -> Any:
        """The one value of an array without axes."""
        if self.shape != () or self.dtype.itemsize > _LARGEST_SINGLE:
            raise ValueError(f"{self._info.filename} is no single value")
        with self._archive.open(self._info) as file:
            return np.lib.format.read_array(file, allow_pickle=False)[()]

    def values(self, check: Callable[[NDArray[np.float64]], None]) -> NDArray[np.float64]:
        """The array as float64, `check` being shown it piece by piece, flat, in its file's order."""
        flat = np.empty(math.prod(self.shape))  # no memory until it is filled
        with self._archive.open(self._info) as file:
            read_header(cast(BinaryIO, file))
            for start in range(0, len(flat), _BLOCK):
                part = flat[start : start + _BLOCK]
                data = file.read(part.size * self.dtype.itemsize)
                part[:] = np.frombuffer(data, self.dtype)
                check(part)
        return flat.reshape(self.shape, order="F" if self._fortran else "C")
