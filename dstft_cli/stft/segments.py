"""The segments in which least squares solve for a signal.

Each takes all frames that reach it and its margins, and the signal beyond the margins as zero: the
normal equations there are a principal part of those of the whole signal, as well-conditioned, and
since these are banded what is wrong beyond the margins decays by orders of magnitude per n_fft. Only
the inner part of a segment is kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

SEGMENT = 32  # n_fft that a segment keeps
_MARGIN = {torch.float32: 4, torch.float64: 8}  # n_fft that it solves for beyond, at each end
_MOST_VALUES = 1 << 22  # of the transform in a segment, where frames are dense


@dataclass(frozen=True)
class Segment:
    """Samples `start … stop-1` of the signal, solved for from `low … high-1` and some frames.

    Attributes:
        start, stop: samples that are kept.
        low, high: samples that are solved for, margins included.
        frames: all frames that reach the latter, `first … last-1`.
    """

    start: int
    stop: int
    low: int
    high: int
    frames: slice


def cut(
    centers: NDArray[np.float64], length: int, n_fft: int, values: int, dtype: torch.dtype
) -> Iterator[Segment]:
    """Segments of a signal, in order.

    Args:
        centers: of the frames, samples, `[T]`, not decreasing.
        length: N, samples.
        n_fft: K, samples.
        values: of the transform in one frame, all channels together.
        dtype: float32 or float64, in which is solved.
    """
    margin = _MARGIN[dtype] * n_fft
    most = _MOST_VALUES // values
    start = 0
    while start < length:
        low = max(start - margin, 0)
        first = int(np.searchsorted(centers, low - n_fft // 2 - 1))
        size = SEGMENT * n_fft
        while True:
            stop = min(start + size, length)
            high = min(stop + margin, length)
            last = int(np.searchsorted(centers, high + n_fft // 2 + 1, side="right"))
            if last - first <= most or size <= 4 * n_fft:
                break
            size //= 2
        yield Segment(start, stop, low, high, slice(first, last))
        start = stop
