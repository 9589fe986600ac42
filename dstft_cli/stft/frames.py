"""Frames of a signal around real-valued centres, in blocks, and the adjoint.

`Frames` reads them from any source of samples, `Layout` from a tensor with autograd, entirely on the device
of the signal.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import cpu_count, current_process
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.floating[Any]]
Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
Needs = tuple[bool, bool, bool]  # gradients with respect to signal, centres, lengths

_MOST_FRACTIONS = 8  # fractional positions; for more, one matrix each does not pay
_LARGEST = 1e38  # scale that a float32 holds
_WORTH_SKIPPING = 1 << 16  # samples; longer gaps between frames are not read
Job = TypeVar("Job")
Done = TypeVar("Done")

_KEPT_BYTES = 31 << 20  # bytes; glibc adapts its threshold up to 32 MiB
_here = threading.local()  # `worker`: whether this thread belongs to a pool


class Samples(Protocol):
    """A signal of C channels: an array, a tensor, or anything that yields slices of a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class Frames:
    """Frames of a signal `[C, N]` around centres `[T]`, in blocks; only one block is in memory."""

    def __init__(
        self,
        samples: Samples,
        centers: FloatArray,
        n_fft: int,
        *,
        scale: float = 1.0,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.samples = samples
        self.channels, self.length = samples.shape
        self.n_fft = n_fft
        self.scale = scale
        self.device = torch.device(device)
        self.dtype = dtype
        floors = np.floor(centers)
        self._floors = floors.astype(np.int64)
        self._fractions = centers - floors
        self._whole = not self._fractions.any()

    def __len__(self) -> int:
        return len(self._floors)

    def block(self, start: int, stop: int) -> Tensor:
        """Samples of frames `start … stop-1`, `[C, n, K]`; a view where the hop is uniform."""
        return self.pick(slice(start, stop))

    def pick(self, frames: slice | NDArray[np.int64]) -> Tensor:
        """Samples of these frames, one or more, as `block` gives them."""
        floors = self._floors[frames]
        apart = np.flatnonzero(np.diff(floors) > self.n_fft + _WORTH_SKIPPING) + 1
        runs = np.split(floors, apart)
        if len(runs) == 1:
            return self._run(floors)
        return torch.cat([self._run(run) for run in runs], 1)

    def places(self) -> tuple[list[float], NDArray[np.int64]]:
        """Distinct fractional parts of the centres, and the index of each frame, `[T]`."""
        distinct, inverse = np.unique(np.round(self._fractions, 9), return_inverse=True)
        return distinct.tolist(), inverse.reshape(-1)

    def _run(self, floors: NDArray[np.int64]) -> Tensor:
        """Samples of the frames with these centres, from one read."""
        first = int(floors.min()) - self.n_fft // 2
        last = int(floors.max()) - self.n_fft // 2 + self.n_fft
        block = self._read(first, last)
        hops = np.diff(floors)
        if len(hops) == 0:
            return block[:, None, :]
        if hops[0] > 0 and (hops == hops[0]).all():
            return block.unfold(-1, self.n_fft, int(hops[0]))
        offsets = torch.from_numpy(floors - floors.min()).to(self.device)
        index = offsets[:, None] + torch.arange(self.n_fft, device=self.device)
        return block[:, index]

    def fractions(self, start: int, stop: int) -> Tensor:
        """Fractional parts of the centres, samples, `[n]`, or `[1]` where all centres are whole."""
        part = np.zeros(1) if self._whole else self._fractions[start:stop]
        return torch.from_numpy(part).to(self.dtype).to(self.device)

    @property
    def few_fractions(self) -> bool:
        """Whether the centres have few distinct fractional parts, so that each may have a matrix."""
        return len(self.places()[0]) <= _MOST_FRACTIONS

    def _read(self, first: int, last: int) -> Tensor:
        """Samples `first … last-1` `[C, last-first]`, zero outside the signal."""
        a, b = max(first, 0), max(min(last, self.length), 0)
        part = self.samples[:, min(a, b) : b]
        if self.scale != 1.0:
            if self.scale > _LARGEST and isinstance(part, np.ndarray):
                part = part.astype(np.float64)
            part = part * self.scale  # before the cast: 1e-46 is not a float32
        if isinstance(part, np.ndarray):  # a copy: it may be read-only, reversed or big-endian
            part = torch.from_numpy(part.astype(np.dtype(str(self.dtype).removeprefix("torch."))))
        inside = part.to(device=self.device, dtype=self.dtype)
        left = min(a, b) - first if b > a else 0
        right = last - first - left - inside.shape[-1]
        return torch.nn.functional.pad(inside, (left, right)) if left or right else inside


class Given(NamedTuple):
    """The inputs of the transform of some frames, as tensors with autograd."""

    frames: Tensor  # [C, n, K]
    fractions: Tensor | None  # of the centres, samples, [n]; None: all are whole
    lengths: Tensor  # of windows, samples, [1, 1], [1, n], [F, 1] or [F, n]


@dataclass(frozen=True)
class Block:
    channels: slice
    frames: slice

    def lengths(self, lengths: Tensor) -> Tensor:
        """The window lengths `[F or 1, T or 1]` of these frames, a view."""
        return lengths if lengths.shape[1] == 1 else lengths[:, self.frames]


@dataclass(frozen=True)
class Layout:
    """Frames around `t_i = i·H`, or around centres of their own, of a signal tensor `[C, N]`."""

    length: int  # N, samples
    n_fft: int
    count: int  # T
    hop: int  # H, samples; 0 where there are centres
    centers: Tensor | None = None  # [T], samples, detached

    def blocks(self, channels: int, samples: int, *, most_channels: int) -> Iterator[Block]:
        """All frames of all channels in blocks of about `samples` samples."""
        wide = max(min(channels, most_channels), 1)
        n = min(max(samples // (self.n_fft * wide), 1), self.count)
        wide = max(wide, min(samples // (self.n_fft * n), channels))
        for first in range(0, channels, wide):
            for start in range(0, self.count, n):
                members = slice(first, min(first + wide, channels))
                yield Block(members, slice(start, min(start + n, self.count)))

    def frames(self, signal: Tensor, block: Block) -> Tensor:
        """Samples of the frames, zero outside the signal, `[C, n, K]`."""
        part = signal[block.channels]
        if self.centers is not None:
            padded = torch.nn.functional.pad(part, (0, 1))
            return padded[:, self._index(self.centers, block)]
        first, last = self._span(block)
        a, b = min(max(first, 0), self.length), max(min(last, self.length), 0)
        part = part[:, a : max(a, b)]
        if first < 0 or last > self.length:
            left = a - first
            part = torch.nn.functional.pad(part, (left, last - first - left - part.shape[-1]))
        return part.unfold(-1, self.n_fft, self.hop)

    def given(self, signal: Tensor, lengths: Tensor, block: Block) -> Given:
        """Frames of the block, fractional parts of their centres, and their lengths."""
        fractions = None
        if self.centers is not None:
            part = self.centers[block.frames]
            fractions = (part - part.floor()).to(signal.dtype)
        return Given(self.frames(signal, block), fractions, block.lengths(lengths))

    def folded(self, frames: Tensor) -> Tensor:
        """Input of `add`: frames `[C, n, K]` around centres, or the sum of those a hop apart."""
        if self.centers is not None:
            return frames
        channels, n, K = frames.shape
        rows = -(-K // self.hop)
        total = frames.new_zeros((channels, n + rows - 1, self.hop))
        for row in range(rows):
            part = frames[..., row * self.hop : (row + 1) * self.hop]
            total[:, row : row + n, : part.shape[-1]] += part
        return total.reshape(channels, -1)[:, : (n - 1) * self.hop + K]

    def empty_total(self, signal: Tensor) -> Tensor:
        """The accumulator of `add`, `[C, N + 1]`: the last place collects samples outside the signal."""
        return signal.new_zeros((signal.shape[0], self.length + 1))

    def add(self, total: Tensor, part: Tensor, block: Block) -> None:
        """Adds the adjoint of `frames`, of what `folded` gave."""
        total = total[block.channels]
        if self.centers is not None:
            total.index_add_(1, self._index(self.centers, block).flatten(), part.flatten(1))
            return
        first, last = self._span(block)
        a, b = max(first, 0), min(last, self.length)
        if b > a:
            total[:, a:b] += part[:, a - first : b - first]

    def _span(self, block: Block) -> tuple[int, int]:
        half, frames = self.n_fft // 2, block.frames
        return frames.start * self.hop - half, (frames.stop - 1) * self.hop - half + self.n_fft

    def _index(self, centers: Tensor, block: Block) -> Tensor:
        """Sample of each place of each frame, `[n, K]`; N for what lies outside."""
        offsets = torch.arange(self.n_fft, device=centers.device) - self.n_fft // 2
        index = centers[block.frames].floor().long()[:, None] + offsets
        return index.masked_fill((index < 0) | (index >= self.length), self.length)


def center_dtype(device: torch.device) -> torch.dtype:
    """Dtype of frame centres: float64, on MPS float32."""
    return torch.float32 if device.type == "mps" else torch.float64


def split_halves(frames: Tensor, even: bool) -> tuple[Tensor, Tensor]:
    """Sums and differences of the samples at ±u, u = 0 … ⌈K/2⌉−1 (twice the frames where not `even`)."""
    if not even:
        return frames, frames
    middle, half = frames.shape[-1] // 2, (frames.shape[-1] + 1) // 2
    after = frames[..., middle : middle + half]
    before = frames[..., middle - half + 1 : middle + 1].flip(-1)
    sums = after + before
    sums[..., 0] *= 0.5
    return sums, after - before


def joined_halves(sums: Tensor, differences: Tensor, n_fft: int, even: bool) -> Tensor:
    """The adjoint of `split_halves`, of parts that come from even windows: `[..., K]`."""
    total = sums + differences
    if not even:
        return total
    before = (sums - differences)[..., 1:].flip(-1)
    missing = n_fft - total.shape[-1] - before.shape[-1]  # the place −K/2 of an even K
    return torch.nn.functional.pad(torch.cat([before, total], -1), (missing, 0))


def map_in_order(
    work: Callable[[Job], Done], jobs: Iterable[Job], threads: int = 1
) -> Iterator[Done]:
    """`work(job)` of every job, in order, without gradients, on `threads` threads at once.

    Each thread runs whole blocks without the parallelism of torch, which does not help within a block
    that fits the cache. One thread, or a call from within `work`, is the caller's, with that parallelism.
    At most twice `threads` results wait for a slow consumer, so memory is bounded.
    """

    def run(job: Job) -> Done:
        with torch.no_grad():
            return work(job)

    keep_freed_memory()
    threads = min(threads, cpu_count())
    pool = None
    if threads > 1 and not getattr(_here, "worker", False):
        with suppress(RuntimeError):  # the system gives no thread
            pool = _pool(threads, current_process().pid)
    if pool is None:
        yield from map(run, jobs)
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    waiting: deque[Future[Done]] = deque()
    try:
        for job in jobs:
            waiting.append(pool.submit(run, job))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        wait([future for future in waiting if not future.cancel()])
        torch.set_num_threads(before)


@lru_cache(maxsize=1)  # kept, because starting threads takes longer than a block
def _pool(threads: int, process: int | None) -> ThreadPoolExecutor:
    """All of these threads, started, without the parallelism of torch; RuntimeError if there are fewer.

    For each process its own, because a forked one has none of the threads.
    """
    all_there = threading.Barrier(threads)

    def begin() -> None:
        torch.get_num_threads()  # otherwise torch takes the setting of the process at the first operation
        torch.set_num_threads(1)
        _here.worker = True

    before = torch.get_num_threads()
    pool = ThreadPoolExecutor(threads, "dstft", initializer=begin)
    try:
        for _ in pool.map(lambda _: all_there.wait(), range(threads)):
            pass
    except BaseException:  # waiting threads must end
        all_there.abort()
        raise
    finally:
        torch.set_num_threads(before)
    return pool


@lru_cache(maxsize=1)
def keep_freed_memory() -> None:
    """Lets the C library reuse the memory of blocks of frames, which glibc maps and clears anew each time.

    Freeing a large mapping raises the threshold for that (mallopt(3), M_MMAP_THRESHOLD). It is never
    touched, so it takes no memory.
    """
    torch.empty(_KEPT_BYTES, dtype=torch.uint8)
