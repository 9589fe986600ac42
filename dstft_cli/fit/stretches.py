"""Stretches spread evenly over a long signal, to look at a part of it that stands for the whole."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dstft_cli.parameters import uniform_centers

STRETCHES = 8
_FEW_FRAMES = 8


def spread_centers(length: int, hop_length: float, most: int) -> NDArray[np.float64]:
    """Centres of frames a hop apart, samples, `[T]`: all, or those in stretches of a longer signal.

    The stretches are the same for every hop, so that what is seen in them compares. Frames see what
    lies around them, in a stretch or not.

    Args:
        length: of the signal, samples.
        hop_length: samples.
        most: samples to look at in all, or more where a stretch would hold only a few frames.
    """
    centers = uniform_centers(length, hop_length)
    most = max(most, math.ceil(_FEW_FRAMES * STRETCHES * hop_length))
    if length <= most:
        return centers
    phase = centers * STRETCHES % length  # of a stretch and what is left out around it
    return centers[np.abs(phase - length / 2) * 2 < most]
