"""stft.npy read back in blocks of frames."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import InputError
from dstft_cli.results.npy import read_header
from dstft_cli.results.place import refuse_pipes, shown

MOST_CHANNELS = 1024  # of any sound file (libsndfile)


class StoredTransform:
    """An open stft.npy; made by `open_stft`.

    Attributes:
        shape: (F, T) or (C, F, T).
        dtype: complex64 or complex128.
    """

    def __init__(self, file: BinaryIO, place: str) -> None:
        self._file = file
        self._place = place
        self.shape, self._fortran, self.dtype = read_header(file)
        self._offset = file.tell()
        if self.dtype not in (np.complex64, np.complex128) or len(self.shape) not in (2, 3):
            raise InputError(
                f"{place} holds {self.dtype} of shape {self.shape}, where complex [F, T] or "
                "[C, F, T] is expected: run dstft optimize with --save-stft"
            )
        if not 0 < self.channels <= MOST_CHANNELS:
            raise InputError(
                f"{place} has {self.channels} channels, where 1 to {MOST_CHANNELS} are possible: "
                "run dstft optimize with --save-stft again"
            )
        self._array()  # a file that is shorter than its header says is refused here

    @property
    def channels(self) -> int:
        """Number of channels C."""
        return self.shape[0] if len(self.shape) == 3 else 1

    def frames(self, start: int, stop: int) -> NDArray[np.complexfloating]:
        """Frames `start … stop-1`, complex `[C, n, F]`.

        Raises:
            InputError: a value is NaN or infinite.
        """
        part = self._array()[..., start:stop]
        part = part if part.ndim == 3 else part[None]
        # copied, so that nothing of the mapping stays
        block = np.array(np.moveaxis(part, -1, -2), order="C")
        finite = np.isfinite(block)
        if not finite.all():
            frame = start + int(np.argwhere(~finite)[:, 1].min())
            raise InputError(
                f"{self._place}: frame {frame} holds NaN or infinity: run dstft optimize again"
            )
        return block

    def _array(self) -> NDArray[np.complexfloating]:
        """A mapping made anew each time: pages of an old one would count as this process's memory."""
        array: NDArray[np.complexfloating] = np.memmap(
            self._file,
            self.dtype,
            "r",
            self._offset,
            self.shape,
            "F" if self._fortran else "C",
        )
        return array


@contextmanager
def open_stft(path: Path) -> Iterator[StoredTransform]:
    """Opens the transform that `--save-stft` wrote; nothing is unpickled.

    Raises:
        InputError: no such file, damaged, or not a transform.
    """
    place = shown(path)
    try:
        refuse_pipes(path)
        file = open(path, "rb")  # noqa: SIM115, the errors of the block are not those of opening
    except FileNotFoundError as error:
        raise InputError(f"{place} does not exist: run dstft optimize with --save-stft") from error
    except OSError as error:
        raise InputError(f"cannot read {place}: {error.strerror or error}") from error
    with file:
        try:
            stored = StoredTransform(file, place)
        except (ValueError, KeyError, EOFError, OSError, OverflowError, SyntaxError) as error:
            raise InputError(
                f"{place} is not an .npy of dstft or is damaged: "
                "run dstft optimize with --save-stft again"
            ) from error
        yield stored
