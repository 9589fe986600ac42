"""Segments spread evenly over a long signal, a sample of the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.centers import uniform_centers
from dstft_cli.stft import Samples

_COUNT = 8
_FEW_FRAMES = 8  # that each is to hold at least
_QUIET = 0.01  # of the signal's peak; a segment below it is silent
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Segments:
    """The samples that are analysed, the same for every hop, so that values compare."""

    length: int  # of the signal, samples
    starts: tuple[int, ...] = ()  # of the segments, samples, increasing; empty for the whole signal
    size: int = 0  # of each segment, samples

    def centers(self, hop_length: float) -> NDArray[np.float64]:
        """Centres of the frames a hop apart that lie in the segments, samples, `[T]`.

        Windows may reach beyond a segment.
        """
        centers = uniform_centers(self.length, hop_length)
        if not self.starts:
            return centers
        starts = np.array(self.starts)
        nearest = starts[np.maximum(np.searchsorted(starts, centers, side="right") - 1, 0)]
        return centers[(centers >= nearest) & (centers < nearest + self.size)]

    def share(self, hop_length: float) -> float:
        """Share of the signal that is analysed, in (0, 1]."""
        return min(len(self.centers(hop_length)) * hop_length / self.length, 1.0)

    def weights(self, frames: int) -> NDArray[np.float64] | None:
        """Equal weights of frames, `[T]`; None for all frames of the signal."""
        return np.ones(frames) if self.starts else None


def spread_segments(samples: Samples, most: int, *, longest_hop: float, peak: float) -> Segments:
    """Segments in the middles of equal parts of the signal, or at the loudest sample of a quiet part."""
    length = int(samples.shape[-1])
    most = max(most, math.ceil(_FEW_FRAMES * _COUNT * longest_hop))
    if length <= most:
        return Segments(length)
    size = most // _COUNT
    ends = [number * length // _COUNT for number in range(_COUNT + 1)]
    starts = []
    for first, last in pairwise(ends):
        start = (first + last - size) // 2
        if _loudest(samples, start, start + size)[0] < _QUIET * peak:
            _, at = _loudest(samples, first, last)
            start = min(max(at - size // 2, first), last - size)
        starts.append(start)
    return Segments(length, tuple(starts), size)


def _loudest(samples: Samples, first: int, last: int) -> tuple[float, int]:
    """Largest absolute sample of a part of the signal, and where it is."""
    found = (-1.0, first)
    for start in range(first, last, _BLOCK):
        levels = np.abs(np.asarray(samples[:, start : min(start + _BLOCK, last)])).max(0)
        at = int(levels.argmax())
        if levels[at] > found[0]:
            found = float(levels[at]), start + at
    return found
