"""Where frames lie in a signal that autograd sees: fetching them, and the adjoint of that.

Everything stays on the device of the signal, and nothing is read back from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]
Needs = tuple[bool, bool, bool]  # gradients with respect to signal, centres, lengths


@dataclass(frozen=True)
class Layout:
    """Frames around `t_i = i·H`, or around centres of their own.

    Attributes:
        length: signal length N, samples.
        n_fft: FFT size K, samples.
        count: number of frames T.
        hop: H, samples, whole; 0 where there are centres.
        centers: `[T]`, samples, detached; None where there is a hop.
    """

    length: int
    n_fft: int
    count: int
    hop: int
    centers: Tensor | None = None

    def blocks(self, channels: int, samples: int, *, most_channels: int) -> Iterator[Block]:
        """All frames of all channels in blocks of about `samples` samples."""
        wide = max(min(channels, most_channels), 1)
        n = min(max(samples // (self.n_fft * wide), 1), self.count)
        wide = max(wide, min(samples // (self.n_fft * n), channels))
        for first in range(0, channels, wide):
            for start in range(0, self.count, n):
                yield Block(
                    slice(first, min(first + wide, channels)), start, min(start + n, self.count)
                )

    def frames(self, signal: Tensor, start: int, stop: int) -> Tensor:
        """Samples of frames `start … stop-1` of `[C, N]`, zero outside it, `[C, n, K]`."""
        if self.centers is None:
            first, last = self._span(start, stop)
            a, b = min(max(first, 0), self.length), max(min(last, self.length), 0)
            part = signal[:, a : max(a, b)]
            if first < 0 or last > self.length:
                left = a - first
                right = last - first - left - part.shape[-1]
                part = torch.nn.functional.pad(part, (left, right))
            return part.unfold(-1, self.n_fft, self.hop)
        padded = torch.nn.functional.pad(signal, (0, 1))
        return padded[:, self._index(self.centers[start:stop])]

    def fractions(self, start: int, stop: int, dtype: torch.dtype) -> Tensor | None:
        """Fractional parts of the centres, `[n]`; None where a hop keeps all whole."""
        if self.centers is None:
            return None
        part = self.centers[start:stop]
        return (part - part.floor()).to(dtype)

    def fold(self, frames: Tensor) -> Tensor:
        """Frames `[C, n, K]` a hop apart added up where they overlap, `[C, (n−1)·H + K]`."""
        channels, n, K = frames.shape
        rows = -(-K // self.hop)
        total = frames.new_zeros((channels, n + rows - 1, self.hop))
        for row in range(rows):
            part = frames[..., row * self.hop : (row + 1) * self.hop]
            total[:, row : row + n, : part.shape[-1]] += part
        return total.reshape(channels, -1)[:, : (n - 1) * self.hop + K]

    def folded(self, frames: Tensor) -> Tensor:
        """What `add` takes: of frames a hop apart their sum, others as they are."""
        return self.fold(frames) if self.centers is None else frames

    def empty_total(self, signal: Tensor) -> Tensor:
        """What `add` adds to, `[C, N + 1]`: the last place takes what lies outside the signal."""
        return signal.new_zeros((signal.shape[0], self.length + 1))

    def add(self, total: Tensor, part: Tensor, start: int, stop: int) -> None:
        """Adds the adjoint of `frames`: of frames `[C, n, K]` around centres, or what `fold` gave."""
        if self.centers is None:
            first, last = self._span(start, stop)
            a, b = max(first, 0), min(last, self.length)
            if b > a:
                total[:, a:b] += part[:, a - first : b - first]
        else:
            index = self._index(self.centers[start:stop])
            total.index_add_(1, index.flatten(), part.flatten(1))

    def _span(self, start: int, stop: int) -> tuple[int, int]:
        first = start * self.hop - self.n_fft // 2
        return first, first + (stop - 1 - start) * self.hop + self.n_fft

    def _index(self, centers: Tensor) -> Tensor:
        """Sample of each place of each frame, `[n, K]`; N for what lies outside."""
        offsets = torch.arange(self.n_fft, device=centers.device) - self.n_fft // 2
        index = centers.floor().long()[:, None] + offsets
        return index.masked_fill((index < 0) | (index >= self.length), self.length)


@dataclass(frozen=True)
class Block:
    """Frames `start … stop-1` of some channels."""

    channels: slice
    start: int
    stop: int


def of_frames(lengths: Tensor, block: Block) -> Tensor:
    """The lengths of a block's frames, a view."""
    return lengths if lengths.shape[1] == 1 else lengths[:, block.start : block.stop]
