"""Arrays [F, T] written frame by frame: memory does not grow with T, and a pipe will do."""

from __future__ import annotations

import tokenize
import warnings
from types import TracebackType
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dstft_cli.results.place import disk_errors


def write_header(
    file: BinaryIO, shape: tuple[int, ...], dtype: np.dtype[Any], *, fortran_order: bool
) -> None:
    """The .npy magic and header that announce `shape` and `dtype`."""
    header: dict[str, Any] = {
        "descr": np.lib.format.dtype_to_descr(dtype),
        "fortran_order": fortran_order,
        "shape": shape,
    }
    np.lib.format.write_array_header_1_0(file, header)


def read_header(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and dtype; `file` is left at the first value.

    Raises:
        ValueError: a negative size, or another version than 1.0, which is all that dstft writes and
            the one whose header cannot be long.
    """
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an .npy of another version than 1.0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns where it mends a header of Python 2
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    except (Warning, tokenize.TokenError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("an .npy whose header is damaged") from error
    if min(shape, default=0) < 0:
        raise ValueError(f"an .npy of shape {shape}")
    return shape, fortran_order, dtype


class NpyStream:
    """An .npy array [F, T] or [C, F, T] (channels, frequencies, frames) that arrives by frames.

    It is stored in Fortran order, where each frame is one contiguous run, so frames are appended as
    they come. `np.load`, also with `mmap_mode="r"`, gives the shape back as announced.

    Args:
        file: binary, open for writing; it needs neither seek nor tell. It stays open.
        shape: (F, T) or (C, F, T).
        dtype: of the array and of every block; no Python objects.
        name: what an error calls the file.

    Raises:
        ValueError: for a shape or dtype other than these.
        OutputError: the disk is full (here, in `write` and in `close`).
    """

    def __init__(
        self,
        file: BinaryIO,
        shape: tuple[int, ...],
        dtype: DTypeLike,
        *,
        name: str = "the .npy array",
    ) -> None:
        if len(shape) not in (2, 3) or min(shape) < 0:
            raise ValueError(f"shape {shape} is neither (F, T) nor (C, F, T)")
        self.file = file
        self.name = name
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)
        if self.dtype.hasobject:
            raise ValueError(f"dtype {self.dtype} holds Python objects: use a numeric one")
        self.frames_written = 0
        with disk_errors(name):
            write_header(file, self.shape, self.dtype, fortran_order=True)

    @property
    def frames(self) -> int:
        """Number of frames T that the header announces."""
        return self.shape[-1]

    def write(self, block: NDArray[Any]) -> None:
        """Appends frames.

        Args:
            block: [n, F], or [n, F, C] where the array has channels, in the stream's dtype.

        Raises:
            ValueError: wrong sizes or dtype, or too many frames; nothing is written then.
        """
        expected = self.shape[-2::-1]
        if block.ndim != len(self.shape) or block.shape[1:] != expected:
            sizes = ", ".join(map(str, expected))
            raise ValueError(f"block of shape {block.shape} does not fit (n, {sizes})")
        if block.dtype != self.dtype:
            raise ValueError(f"block of dtype {block.dtype} in a stream of {self.dtype}")
        frames = self.frames_written + len(block)
        if frames > self.frames:
            raise ValueError(f"{frames} frames written to an array of {self.frames}")
        rest = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
        with disk_errors(self.name):
            while len(rest):  # an unbuffered file may take less than it is given
                rest = rest[self.file.write(rest) :]
        self.frames_written = frames

    def close(self) -> None:
        """Flushes, and raises ValueError unless all T frames have arrived; leaves the file open."""
        with disk_errors(self.name):
            self.file.flush()
        if self.frames_written != self.frames:
            raise ValueError(
                f"{self.frames_written} of {self.frames} frames written: the array is incomplete"
            )

    def __enter__(self) -> NpyStream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
