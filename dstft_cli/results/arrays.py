"""Arrays [F, T], written frame by frame and read back in blocks of frames; here in .npy files.

Memory does not grow with T. Arrays can be written to a pipe. Nothing is pickled or unpickled.
"""

from __future__ import annotations

import tokenize
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from dstft_cli.errors import InputError, printable, system_reason
from dstft_cli.results.place import AGAIN, check_readable, damaged, disk_errors

KINDS: dict[str, tuple[DTypeLike, ...]] = {
    "complex": (np.complex64, np.complex128),
    "real": (np.float16, np.float32, np.float64),
}
MOST_CHANNELS = 1024  # of any sound file (libsndfile)
_LARGEST = 1e35  # magnitude: sums of larger ones do not fit float32
_REMEDIES = {"real": AGAIN, "complex": f"{AGAIN} with `save_stft`"}


def write_header(
    file: Any, shape: tuple[int, ...], dtype: DTypeLike, *, fortran_order: bool
) -> None:
    descr: Any = np.lib.format.dtype_to_descr(np.dtype(dtype))
    header = {"descr": descr, "fortran_order": fortran_order, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def read_header(file: Any) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether in Fortran order, and dtype; ValueError for other files than dstft writes."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("an .npy of a version other than 1.0")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # NumPy warns where it mends a header of Python 2
            shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(file)
    except (Warning, tokenize.TokenError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError("an .npy whose header is damaged") from error
    if min(shape, default=0) < 0:
        raise ValueError(f"an .npy of shape {shape}")
    return shape, fortran_order, dtype


class Stream:
    """An array [F, T] or [C, F, T] (channels, frequencies, frames), written frame by frame.

    A context manager, which checks at a clean end that all frames have arrived. Errors call it `name`.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike, name: str) -> None:
        self.name = name
        self.shape = tuple(int(size) for size in shape)
        self.dtype = np.dtype(dtype)
        self.frames_written = 0

    def write(self, block: NDArray[Any]) -> None:
        """Appends frames, [n, F] or [n, F, C], of the dtype of the stream."""
        assert (block.shape[1:], block.dtype) == (self.shape[-2::-1], self.dtype)
        with disk_errors(self.name):
            self._append(block)
        self.frames_written += len(block)

    def close(self) -> None:
        """Flushes, and raises ValueError unless all T frames have arrived."""
        with disk_errors(self.name):
            self._flush()
        written, frames = self.frames_written, self.shape[-1]
        if written != frames:
            raise ValueError(f"{written} of {frames} frames written: the array is incomplete")

    def _append(self, block: NDArray[Any]) -> None:
        raise NotImplementedError

    def _flush(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        if error is None:
            self.close()


class NpyStream(Stream):
    """A `Stream` into an .npy file.

    It is stored in Fortran order: each frame is contiguous, so frames can be appended. `np.load`, also
    with `mmap_mode="r"`, returns this shape. The file needs neither seek nor tell, and stays open.
    """

    def __init__(
        self, file: BinaryIO, shape: tuple[int, ...], dtype: DTypeLike, name: str = "the .npy array"
    ) -> None:
        super().__init__(shape, dtype, name)
        self.file = file
        with disk_errors(name):
            write_header(file, self.shape, self.dtype, fortran_order=True)

    def _append(self, block: NDArray[Any]) -> None:
        rest = np.ascontiguousarray(block).reshape(-1).view(np.uint8).data
        while len(rest):  # an unbuffered file may take less than it is given
            rest = rest[self.file.write(rest) :]

    def _flush(self) -> None:
        self.file.flush()


def mean_frames(frames: int, step: int) -> int:
    """Frames of an array whose every frame stands at each `step`-th of `frames`."""
    return 1 + (frames - 1) // step


class MeanFrames:
    """Energy means of frames: frame `j` is the root mean square around frame `j·step`.

    It reaches halfway to its neighbours; a frame that lies exactly there counts half for each. The last
    takes all that follow it. With step 1 frames pass as they are.
    """

    def __init__(self, frames: int, step: int) -> None:
        self._frames, self._step = frames, step
        self._count = mean_frames(frames, step)
        self._next = 0
        self._open: NDArray[np.float64] | float = 0.0  # sum of squares of the mean not finished
        self._weight = 0.0  # of it

    def add(self, block: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """The means that are complete with a block of frames, `[n, ...]`: `[m, ...]` of its dtype."""
        if self._step == 1:
            return block
        start, self._next = self._next, self._next + len(block)
        power = np.square(block, dtype=np.float64)
        ends = self._ends(start, self._next) - start
        parts = np.split(power, ends + 1)  # of each mean; the last may have no frame in the block
        sums = np.array([part.sum(0) for part in parts])  # much faster than `reduceat`
        weights = np.array([len(part) for part in parts], np.float64)
        sums[0] += self._open
        weights[0] += self._weight
        if self._step % 2 == 0:  # half of a frame at an end belongs to the next mean
            for values, halves in ((sums, 0.5 * power[ends]), (weights, np.full(len(ends), 0.5))):
                values[:-1] -= halves
                values[1:] += halves
        complete = len(ends) + (self._next == self._frames)
        self._open, self._weight = sums[-1], weights[-1]
        means = sums[:complete] / weights[:complete].reshape(-1, *[1] * (block.ndim - 1))
        return np.sqrt(means, out=means).astype(block.dtype)

    def _ends(self, start: int, stop: int) -> NDArray[np.int64]:
        """The last frames, within `start … stop-1`, of the means but the last one."""
        half = self._step // 2  # where the step is even, the frame there belongs to two
        first, last = (max(-(-(edge - half) // self._step), 0) for edge in (start, stop))
        return np.arange(first, min(last, self._count - 1)) * self._step + half


def array_in(directory: Path, name: str) -> Path:
    """The path of an array of a result, a zarr folder or, where there is none, an .npy file."""
    chunks = directory / f"{name}.zarr"
    return chunks if chunks.is_dir() else directory / f"{name}.npy"


class StoredTransform:
    """An open stft or spectrogram, .npy or .zarr, [F, T] or [C, F, T]; made by `open_stft`.

    `array` gives the array, of which only parts are read: pages of a mapping count as memory until it is
    freed, so each part may have its own.
    """

    def __init__(self, array: Callable[[], Any], path: Path, kinds: str) -> None:
        self._array, self._path, self._remedy = array, path, _REMEDIES[kinds]
        self.shape, self.dtype = array().shape, array().dtype
        what = f"holds {self.dtype} of shape {self.shape}, where {kinds} [F, T] or [C, F, T]"
        if self.dtype not in KINDS[kinds] or len(self.shape) not in (2, 3) or 0 in self.shape:
            raise damaged(path, f"{what} is expected", self._remedy)
        self.channels = self.shape[0] if len(self.shape) == 3 else 1
        if self.channels > MOST_CHANNELS:
            what += f" of {MOST_CHANNELS} channels at most is expected"
            raise damaged(path, what, self._remedy)

    def frames(self, start: int, stop: int) -> NDArray[Any]:
        """Frames `start … stop-1`, `[C, n, F]`; InputError if a value is NaN or beyond any sound."""
        try:
            part = self._array()[..., start:stop]
        except (OSError, ValueError, TypeError, RuntimeError) as error:  # of a damaged chunk
            raise damaged(self._path, "is damaged", self._remedy) from error
        part = part if part.ndim == 3 else part[None]
        # a copy, so that the mapping can be freed
        block = np.array(np.moveaxis(part, -1, -2), order="C")
        with np.errstate(over="ignore", invalid="ignore"):
            sound = np.abs(block) < _LARGEST
        if not sound.all():
            frame = start + int(np.argwhere(~sound)[:, 1].min())
            what = f"is damaged: frame {frame} holds NaN, infinity or a value beyond any sound"
            raise damaged(self._path, what)
        return block


def saved_array(directory: Path) -> tuple[Path, str]:
    """The spectrogram of a result, else its transform, and the kind for `open_stft`."""
    for name, kinds in (("spectrogram", "real"), ("stft", "complex")):
        for ending in ("zarr", "npy"):
            if (path := directory / f"{name}.{ending}").exists():
                return path, kinds
    raise damaged(directory, "holds no spectrogram", f"{AGAIN} with `save` spectrogram")


@contextmanager
def open_stft(path: Path, kinds: str = "complex") -> Iterator[StoredTransform]:
    """Opens stft.npy, without pickle, or stft.zarr; or, with the kind `real`, a spectrogram.

    InputError if it is missing or damaged.
    """
    if path.suffix == ".zarr":
        from dstft_cli.results.store import open_zarr  # needs no zarr otherwise

        array = open_zarr(path)
        yield StoredTransform(lambda: array, path, kinds)
        return
    remedy = _REMEDIES[kinds]
    check_readable(path, remedy=remedy)
    try:
        file = open(path, "rb")  # noqa: SIM115, the errors of the block are not those of opening
    except OSError as error:
        raise InputError(f"cannot read {printable(path)}: {system_reason(error)}") from error
    with file:
        try:
            shape, fortran, dtype = read_header(file)
            order: Any = "F" if fortran else "C"
            options: Any = {"offset": file.tell(), "shape": shape, "order": order}
            # raises if the file is shorter than its header says
            with np.errstate(over="ignore"):  # sizes of a damaged header
                stored = StoredTransform(
                    lambda: np.memmap(file, dtype, "r", **options), path, kinds
                )
        except (ValueError, KeyError, EOFError, OSError, OverflowError, SyntaxError) as error:
            raise damaged(path, "is not an .npy of dstft or is damaged", remedy) from error
        yield stored
