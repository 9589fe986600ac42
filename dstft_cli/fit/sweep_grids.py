"""The window lengths of a sweep, and the grids of frames and bins each is evaluated on.

With `n_fft auto` a length θ in (n_fft/4, n_fft/2] has that n_fft, a power of two, and a hop of
n_fft/32: between a sixteenth and an eighth of the window, and bins at most half of 1/θ apart. The sums
of a criterion, in which the first and the last bin count half, then estimate integrals over time and
frequency well, single clicks and deep drones included. They are scaled to cells of one area `Δt·Δf`,
that of the usual hop of n_fft/16, so values of all lengths compare.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import UsageError
from dstft_cli.fit.plan import make_plan

Array = NDArray[np.float64]

CELL = 1 / 16  # hop / n_fft to which values of several grids are scaled
_HOPS_PER_FFT = 32
_SHORTEST_SECONDS, _SHORTEST_SAMPLES = 0.002, 32
_WIDEST = 100  # ratio of the longest to the shortest length
_SHARE_OF_SIGNAL = 4  # a window longer than a quarter of it no longer tells when something happens
_LENGTHS_PER_OCTAVE = 4


@dataclass(frozen=True)
class SweepGrid:
    """Lengths that share an FFT size and a hop.

    Attributes:
        n_fft: FFT size K, samples.
        hop_length: samples, real.
        lengths: window lengths, samples, increasing, `[m]`.
        bounds: range in which a length may be learned on this grid, samples.
        area: of a cell, in `CELL`s; 1 where there is one grid, whose values are its own.
        half_ends: the first and the last bin count half, so that sums with other FFT sizes compare.
    """

    n_fft: int
    hop_length: float
    lengths: Array
    bounds: tuple[float, float]
    area: float = 1.0
    half_ends: bool = False


def sweep_grids(
    length: int,
    sample_rate: float,
    *,
    n_fft: int | None = None,
    hop_length: float | None = None,
    win_length_min: float | None = None,
    win_length_max: float | None = None,
    overlap: float = 0.5,
) -> list[SweepGrid]:
    """The grids of a sweep, from short to long windows.

    Args:
        length: of the signal, samples.
        sample_rate: Hz.
        n_fft: samples; None: one for each octave of lengths.
        hop_length: samples; None: n_fft/32, with a given n_fft n_fft/16; overlap · n_fft/4 where
            that is less.
        win_length_min, win_length_max: samples; None: the range of `optimize` at this n_fft; with n_fft
            None from 2 ms or 32 samples, whichever is longer, to a hundred times that or a quarter of
            the signal, whichever is shorter.
        overlap: η; lengths stay above hop_length / η.

    Raises:
        UsageError: a length is out of its range, two contradict each other, or only one is left.
    """
    if n_fft is not None:
        plan = make_plan(
            n_fft,
            fixed=False,
            overlap=overlap,
            hop_length=hop_length,
            win_length_min=win_length_min,
            win_length_max=win_length_max,
        )
        _check_range(plan.bounds.low, plan.bounds.high)
        bounds = (plan.bounds.low, plan.bounds.high)
        return [SweepGrid(n_fft, plan.hop_length, plan.tabulated_lengths(), bounds)]
    low, high = _range(length, sample_rate, hop_length, win_length_min, win_length_max, overlap)
    _check_range(low, high)
    return list(_octaves(low, high, hop_length, overlap))


def _octaves(
    low: float, high: float, hop_length: float | None, overlap: float
) -> Iterator[SweepGrid]:
    lengths = _spaced(low, high)
    exponents = np.ceil(np.log2(lengths) - 1e-9).astype(int)
    for exponent in np.unique(exponents):
        chosen = lengths[exponents == exponent]
        n_fft = 2 << int(exponent)
        plan = make_plan(
            n_fft,
            fixed=False,
            overlap=overlap,
            hop_length=n_fft * min(1 / _HOPS_PER_FFT, overlap / 4)
            if hop_length is None
            else hop_length,
            win_length_min=float(chosen[0]),
        )
        shortest = max(low, plan.hop_length / overlap)
        area = plan.hop_length / n_fft / CELL
        yield SweepGrid(n_fft, plan.hop_length, chosen, (shortest, min(high, n_fft)), area, True)


def _range(
    length: int,
    sample_rate: float,
    hop_length: float | None,
    low: float | None,
    high: float | None,
    overlap: float,
) -> tuple[float, float]:
    shortest = max(_SHORTEST_SECONDS * sample_rate, _SHORTEST_SAMPLES)
    if high is None:
        high = max(min(_WIDEST * shortest, length / _SHARE_OF_SIGNAL), 16.0)
        high = max(high, 4 * (low or 0.0))
    if low is None:
        low = max(min(shortest, high / 4), 4.0, (hop_length or 0.0) / overlap)
    return low, high


def _check_range(low: float, high: float) -> None:
    if not low < high * (1 - 1e-9):
        raise UsageError(
            f"window lengths from {low:g} to {high:g} samples leave nothing to sweep: "
            "lower --win-length-min or --hop-length, or raise --win-length-max"
        )


def _spaced(low: float, high: float) -> Array:
    """Both ends and all powers of 2^(1/4) between them, samples."""
    first = math.ceil(_LENGTHS_PER_OCTAVE * math.log2(low) + 0.25)
    last = math.floor(_LENGTHS_PER_OCTAVE * math.log2(high) - 0.25)
    inner = 2.0 ** (np.arange(first, last + 1) / _LENGTHS_PER_OCTAVE)
    return np.concatenate([[low], inner, [high]])
