"""Samples in an unnamed temporary file: memory does not grow with the recording."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import OutputError

FLOAT_BYTES = 4


class SpoolFile:
    """An unnamed temporary file, freed by `close` or with the object."""

    def __init__(self) -> None:
        try:
            with tempfile.TemporaryFile(buffering=0) as file:
                self.fd = os.dup(file.fileno())
        except OSError as error:
            raise no_room(0, error) from error
        self.size = 0
        self._moving = threading.Lock()
        self._free = weakref.finalize(self, os.close, self.fd)

    def write(self, data: memoryview | bytes) -> None:
        rest = memoryview(data).cast("B")
        while rest:
            try:
                written = os.write(self.fd, rest)
            except OSError as error:
                raise no_room(self.size, error) from error
            self.size += written
            rest = rest[written:]

    def read(self, size: int, offset: int) -> bytes:
        """`size` bytes from `offset`; thread-safe: no file position is shared."""
        if not self._free.alive:
            raise ValueError("the samples are closed: read them before the signal is closed")
        pieces = []
        while size > 0:
            piece = self._read_at(size, offset)
            if not piece:
                raise OSError("the temporary file of samples is too short: check the disk")
            pieces.append(piece)
            size -= len(piece)
            offset += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _read_at(self, size: int, offset: int) -> bytes:
        if hasattr(os, "pread"):
            return os.pread(self.fd, size, offset)
        with self._moving:  # as on Windows
            os.lseek(self.fd, offset, os.SEEK_SET)
            return os.read(self.fd, size)

    def close(self) -> None:
        """Free the file; a second call does nothing."""
        self._free()


class SpooledSamples:
    """Samples [C, N], float32, in a temporary file until `close`.

    `samples[:, a:b]` reads the piece into a new contiguous array [C, b-a] by one positioned read: the
    file holds the channels of a sample side by side. Not a memory map: its pages would count as memory
    of this process. Several threads may read at once; `close` after them.
    """

    ndim = 2
    dtype = np.dtype(np.float32)

    def __init__(self, file: SpoolFile, channels: int) -> None:
        self._file = file
        self.shape = (channels, file.size // (FLOAT_BYTES * channels))

    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[np.float32]:
        rows, columns = key
        start, stop, step = columns.indices(self.shape[1])
        assert step == 1
        channels, frame_bytes = self.shape[0], FLOAT_BYTES * self.shape[0]
        data = self._file.read(max(stop - start, 0) * frame_bytes, start * frame_bytes)
        frames = np.frombuffer(data, np.float32).reshape(-1, channels)
        return np.array(frames.T[rows], order="C")

    def close(self) -> None:
        """Free the temporary file; a second call does nothing."""
        self._file.close()


class SampleStore:
    """Collects blocks of samples: in memory up to a limit, in a temporary file above it."""

    def __init__(self, channels: int, memory_limit: int) -> None:
        self._channels = channels
        self._memory_limit = memory_limit
        self._blocks: list[NDArray[np.float32]] = []
        self._file: SpoolFile | None = None
        self.length = 0

    def append(self, block: NDArray[np.float32]) -> None:
        """Keep a copy of the block, [n, C]."""
        self.length += len(block)
        if self._file is None and self.length * self._channels * FLOAT_BYTES > self._memory_limit:
            self._file = SpoolFile()
            for kept in self._blocks:
                self._file.write(kept.data)
            self._blocks = []
        if self._file is None:
            self._blocks.append(block.copy())
        else:
            self._file.write(np.ascontiguousarray(block).data)

    def finish(self) -> NDArray[np.float32] | SpooledSamples:
        if self._file is not None:
            return SpooledSamples(self._file, self._channels)
        samples = np.empty((self._channels, self.length), np.float32)
        np.concatenate([block.T for block in self._blocks], axis=1, out=samples)
        return samples

    def close(self) -> None:
        self._blocks = []
        if self._file is not None:
            self._file.close()


def no_room(size: int, error: OSError) -> OutputError:
    """The error of a temporary file that cannot hold more than `size` bytes."""
    try:
        place = tempfile.gettempdir()
    except OSError:
        place = "any temporary directory"
    return OutputError(
        f"cannot keep the samples in {place} after {size / 1e6:.1f} MB"
        f" ({error.strerror}): free space there or set TMPDIR to a larger disk"
    )
