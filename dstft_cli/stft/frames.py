"""Frames of a signal around real-valued centres, fetched in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.floating[Any]]
MOST_FRACTIONS = 8  # places between samples where lengths per bin pay for a matrix at each

_WORTH_SKIPPING = 1 << 16  # samples between frames, which are not read then


class Samples(Protocol):
    """A signal of C channels: an array, a tensor, or anything that yields slices of a file."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __getitem__(self, index: Any, /) -> Any: ...


class Frames:
    """Frames of a signal, fetched in blocks: never more than one block is held.

    Args:
        samples: signal `[C, N]`; sliced as `samples[:, a:b]`.
        centers: frame centres, samples, `[T]`, float64.
        n_fft: FFT size K.
        scale: factor applied to the signal.
        device, dtype: of the frames returned.
    """

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
        return (
            torch.cat([self._run(run) for run in runs], 1) if len(runs) > 1 else self._run(floors)
        )

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

    def groups(
        self, start: int = 0, stop: int | None = None
    ) -> Iterator[tuple[float, NDArray[np.int64]]]:
        """Fractional parts of the centres `start … stop-1`, and the frames that have each."""
        part = np.round(self._fractions[start:stop], 9)
        distinct, inverse = np.unique(part, return_inverse=True)
        order = start + np.argsort(inverse, kind="stable")
        ends = np.cumsum(np.bincount(inverse))
        for fraction, frames in zip(distinct, np.split(order, ends[:-1]), strict=True):
            yield float(fraction), frames

    @property
    def few_fractions(self) -> bool:
        """Whether the centres lie at so few places between samples that each may have a matrix."""
        return sum(1 for _ in self.groups()) <= MOST_FRACTIONS

    def _read(self, first: int, last: int) -> Tensor:
        """Samples `first … last-1` `[C, last-first]`, zero outside the signal."""
        a, b = max(first, 0), max(min(last, self.length), 0)
        part = self.samples[:, min(a, b) : b]
        if self.scale != 1.0:
            part = part * self.scale  # before it is cast: 1e-46 is no float32
        if isinstance(part, np.ndarray):  # a copy: it may be read-only, reversed or big-endian
            part = torch.from_numpy(part.astype(np.dtype(str(self.dtype).removeprefix("torch."))))
        inside = part.to(device=self.device, dtype=self.dtype)
        left = min(a, b) - first if b > a else 0
        right = last - first - left - inside.shape[-1]
        return torch.nn.functional.pad(inside, (left, right)) if left or right else inside
