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
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import UsageError
from dstft_cli.fit.plan import LONGEST_SHARE, LengthBounds, make_plan
from dstft_cli.fit.request import Request
from dstft_cli.records import LARGEST_FFT, SHORTEST_WINDOW, USUAL_LENGTH

Array = NDArray[np.float64]

CELL = 1 / 16  # hop / n_fft to which values of several grids are scaled
_HOPS_PER_FFT = 32
_SHORTEST_SECONDS, _SHORTEST_SAMPLES = 0.002, 32
_WIDEST = 500  # ratio of the longest to the shortest length
_LENGTHS_PER_OCTAVE = 4


@dataclass(frozen=True)
class SweepGrid:
    """Lengths that share an FFT size and a hop."""

    n_fft: int  # FFT size K, samples
    hop_length: float  # samples, real
    lengths: Array  # window lengths, samples, increasing, `[m]`
    # range in which a length may be learned on this grid, samples, and what widens that of the
    # sweep
    bounds: LengthBounds
    area: float = 1.0  # of a cell, in `CELL`s; 1 where there is one grid, whose values are its own
    # the first and the last bin count half, so that sums with other FFT sizes compare
    half_ends: bool = False


def sweep_grids(length: int, request: Request, *, shortest: float = 0.0) -> list[SweepGrid]:
    """The grids of a sweep, from short to long windows.

    With an `n_fft` the lengths are those that `fit` tabulates; else they go from 2 ms or 32 samples,
    whichever is longer, to 500 times that or a quarter of the signal, whichever is shorter. The hop is
    n_fft/32, with a given `n_fft` n_fft/16, or overlap · n_fft/4 where that is less.

    Args:
        length: of the signal, samples.
        request: its lengths and its overlap, below which no length goes either.
        shortest: no length below this, samples, unless it is asked for.

    Raises:
        UsageError: a length is out of its range, two contradict each other, or only one is left.
    """
    if request.n_fft is not None:
        plan = make_plan(
            int(request.n_fft),
            fixed=False,
            overlap=request.overlap,
            hop_length=request.hop_length,
            win_length_min=request.win_length_min,
            win_length_max=request.win_length_max,
        )
        _check_range(plan.bounds)
        lengths = _with_the_usual(plan.tabulated_lengths())
        return [SweepGrid(plan.n_fft, plan.hop_length, lengths, plan.bounds)]
    least = max(_SHORTEST_SECONDS * request.sample_rate, _SHORTEST_SAMPLES, shortest)
    bounds = _range(length, request, least)
    _check_range(bounds)
    return list(_octaves(bounds, request.hop_length, request.overlap))


def _octaves(bounds: LengthBounds, hop_length: float | None, overlap: float) -> Iterator[SweepGrid]:
    lengths = _with_the_usual(_spaced(bounds.low, bounds.high))
    exponents = np.ceil(np.log2(lengths) - 1e-9).astype(int)
    for exponent in np.unique(exponents):
        chosen, n_fft = lengths[exponents == exponent], 2 << int(exponent)
        hop = n_fft * min(1 / _HOPS_PER_FFT, overlap / 4) if hop_length is None else hop_length
        low = float(chosen[0])
        plan = make_plan(n_fft, fixed=False, overlap=overlap, hop_length=hop, win_length_min=low)
        low, high = max(bounds.low, plan.hop_length / overlap), min(bounds.high, n_fft)
        own = replace(bounds, low=low, high=high)
        area = plan.hop_length / n_fft / CELL
        yield SweepGrid(n_fft, plan.hop_length, chosen, own, area, True)


def _range(length: int, request: Request, shortest: float) -> LengthBounds:
    """The shortest and the longest length where the FFT size is free."""
    low, high, option = request.win_length_min, request.win_length_max, "win_length_min"
    covering = (request.hop_length or 0.0) / request.overlap
    if high is None:
        high = max(min(_WIDEST * shortest, length * LONGEST_SHARE), 16.0)
        high = max(min(high, LARGEST_FFT / 2), 4 * (low or 0.0))
    if high > LARGEST_FFT / 2:
        asked, most = request.win_length_max, LARGEST_FFT // 2
        end, longest = ("min", low or 0.0) if asked is None else ("max", asked)
        raise UsageError(
            f"window length {end} {longest:g} samples is above {most if asked else most // 4}: "
            f"lower `win_length_{end}`"
        )
    if low is None:
        low = max(min(shortest, high / 4), 4.0)
        if covering > low:
            low, option = covering, "hop_length"
    elif low < SHORTEST_WINDOW:
        raise UsageError(
            f"window length min {low:g} samples is below {SHORTEST_WINDOW:g}: "
            "a shorter window holds no sample; raise `win_length_min`"
        )
    elif low < covering * (1 - 1e-9):
        raise UsageError(
            f"window length min {low:g} samples is below hop length / overlap = {covering:g}: "
            "lower `hop_length`, or raise `overlap` or `win_length_min`"
        )
    return LengthBounds(low, high, option, "win_length_max")


def _check_range(bounds: LengthBounds) -> None:
    if not bounds.low < bounds.high * (1 - 1e-9):
        raise UsageError(
            f"window lengths from {bounds.low:g} to {bounds.high:g} samples leave nothing to sweep: "
            f"lower `{bounds.low_option}` or raise `{bounds.high_option}`"
        )


def _with_the_usual(lengths: Array) -> Array:
    """The lengths and, where it lies between them, the usual one, samples."""
    inside = lengths[0] < USUAL_LENGTH < lengths[-1]
    if not inside or np.isclose(lengths, USUAL_LENGTH, rtol=1e-9, atol=0).any():
        return lengths
    return np.sort(np.append(lengths, USUAL_LENGTH))


def _spaced(low: float, high: float) -> Array:
    """Both ends and all powers of 2^(1/4) between them, samples."""
    first = math.ceil(_LENGTHS_PER_OCTAVE * math.log2(low) + 0.25)
    last = math.floor(_LENGTHS_PER_OCTAVE * math.log2(high) - 0.25)
    inner = 2.0 ** (np.arange(first, last + 1) / _LENGTHS_PER_OCTAVE)
    return np.concatenate([[low], inner, [high]])
