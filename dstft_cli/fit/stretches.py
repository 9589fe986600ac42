"""Stretches spread evenly over a long signal, to look at a part of it that stands for the whole."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstft_cli.parameters import uniform_centers
from dstft_cli.stft import Samples

_MOST_STRETCHES = 64
_FEW_FRAMES = 8


@dataclass(frozen=True)
class Part:
    """Samples to transform, and where frames lie in them.

    Attributes:
        samples: `[C, N']`: the signal, or its stretches one after the other, each with what the
            longest window sees before and after it.
        starts: of the stretches within `samples`.
        size: samples that each stretch holds frame centres for.
        whole: it is the whole signal.
        share: of the signal that frame centres lie in, in (0, 1].
    """

    samples: Samples
    starts: tuple[int, ...]
    size: int
    whole: bool
    share: float

    def centers(self, hop_length: float) -> NDArray[np.float64]:
        """Centres of frames a hop apart, in every stretch anew, samples, `[T]`."""
        if self.whole:
            return uniform_centers(self.size, hop_length)
        inside = np.arange(math.ceil(self.size / hop_length - 1e-9)) * hop_length
        return np.concatenate([start + inside for start in self.starts])


def spread_centers(
    length: int, hop_length: float, most: int, stretches: int
) -> NDArray[np.float64]:
    """Centres of frames a hop apart, samples, `[T]`: all, or those in stretches of a longer signal.

    The stretches are the same for every hop, so that what is seen in them compares.

    Args:
        length: of the signal, samples.
        hop_length: samples.
        most: samples to look at in all, or more where a stretch would hold only a few frames.
        stretches: how many of equal length, where the signal is longer than that.
    """
    centers = uniform_centers(length, hop_length)
    most = max(most, math.ceil(_FEW_FRAMES * stretches * hop_length))
    if length <= most:
        return centers
    phase = centers * stretches % length  # of a stretch and what is left out around it
    return centers[np.abs(phase - length / 2) * 2 < most]


def part_of(samples: Samples, most: int, reach: int) -> Part:
    """The signal if it has at most `most` samples, else stretches of that many together.

    Args:
        samples: signal `[C, N]`.
        most: samples per channel to look at.
        reach: samples that a frame sees before and after its centre.
    """
    channels, length = samples.shape
    if length <= most:
        return Part(samples, (0,), length, whole=True, share=1.0)
    count = min(max(most // (4 * reach), 1), _MOST_STRETCHES)
    size = most // count
    piece = size + 2 * reach
    kind = samples[:, :1].dtype
    joined: Any = np.zeros((channels, count * piece), dtype=str(kind).removeprefix("torch."))
    for number in range(count):
        first = round((number + 0.5) * length / count - size / 2) - reach
        a, b = max(first, 0), min(first + piece, length)
        at = number * piece + a - first
        joined[:, at : at + b - a] = np.asarray(samples[:, a:b])
    starts = tuple(number * piece + reach for number in range(count))
    return Part(joined, starts, size, whole=False, share=size * count / length)
