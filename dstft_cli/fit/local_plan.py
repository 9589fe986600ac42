"""Range of window lengths, FFT size and hop under the local criterion, from sample rate and duration.

What sounds ask of a window is set by hearing and by their sources: 3 ms to 186 ms in audio from 8 to
48 kHz. Below and above, sample rates follow the sources (a seismometer at 20 Hz, a bat detector at
384 kHz), so there the range is one in samples.
"""

from __future__ import annotations

import math
from dataclasses import replace

from dstft_cli.criteria.tiling import Tiling, log_lengths
from dstft_cli.fit.band import Band
from dstft_cli.fit.n_fft import choose_n_fft, least_n_fft
from dstft_cli.fit.plan import LARGEST_FFT, SHORTEST_WINDOW, Plan
from dstft_cli.fit.problem import Problem

SHORTEST, LONGEST = 2.9e-3, 186e-3  # seconds
_SHORTEST_RANGE = (16, 256)  # samples: below a Hann window is coarse, above bats are missed
_LONGEST_RANGE = (512, 32768)  # samples
_LEAST_RANGE = 4  # longest over shortest window, at least


def default_range(sample_rate: float, samples: int) -> tuple[float, float]:
    """Shortest and longest window, samples, for a recording of so many samples."""
    low = min(max(_power_of_two(SHORTEST * sample_rate), _SHORTEST_RANGE[0]), _SHORTEST_RANGE[1])
    high = min(max(_power_of_two(LONGEST * sample_rate), _LONGEST_RANGE[0]), _LONGEST_RANGE[1])
    # a window longer than the recording says nothing that one of its length does not
    whole = 1 << max(0, math.floor(math.log2(max(samples, 1))))
    return float(low), float(max(min(high, whole), _LEAST_RANGE * low))


def local_plan(problem: Problem) -> Plan:
    """FFT size, start and ranges of a fit under the local criterion; what is given stays.

    The FFT size is the power of two that holds the longest window. The hop is half the shortest window
    (`overlap` times it), so that no window of the range leaves a gap.

    Raises:
        UsageError: a length is out of its range, or two contradict each other.
    """
    asked = problem.request
    if not asked.learns_lengths:
        return problem.plan(choose_n_fft(problem).n_fft)
    low, high = default_range(problem.sample_rate, problem.length)
    if asked.n_fft is not None:
        n_fft = int(asked.n_fft)
        high = float(n_fft)
    else:
        band = 0.0 if problem.band == Band() else problem.band.least_n_fft(problem.sample_rate)
        high = max(high, least_n_fft(asked, band), asked.win_length or 0.0)
        high = float(min(1 << math.ceil(math.log2(high)), LARGEST_FFT))
        needed = max(least_n_fft(asked, band), asked.win_length_max or high)
        n_fft = 1 << math.ceil(math.log2(needed))
    high = asked.win_length_max or high
    hop = asked.hop_length
    if hop is None and asked.learns_positions:
        hop = min(n_fft / 16, n_fft * asked.overlap / 4)
    shortest = asked.win_length_min
    if shortest is None:
        low = max(min(low, high, asked.win_length or high), SHORTEST_WINDOW)
        low = max(low, (hop or 0.0) / asked.overlap)
        shortest = low if low <= high else None  # else the plan says what is wrong
    if hop is None:
        hop = asked.overlap * (shortest or SHORTEST_WINDOW)
        hop = max(float(math.floor(hop)), min(hop, 1.0))
    request = replace(asked, hop_length=hop, win_length_min=shortest)
    return replace(problem, request=request).plan(n_fft)


def tiling_of(problem: Problem, plan: Plan) -> Tiling:
    """The tiles of a plan: its range of lengths, or where they are kept the default one around them."""
    low, high = plan.bounds.low, plan.bounds.high
    if not problem.request.learns_lengths:
        low, high = default_range(problem.sample_rate, problem.length)
        low, high = min(low, plan.start), max(high, plan.start)
    band = problem.band
    return Tiling(problem.sample_rate, log_lengths(low, high), band.low, band.high)


def _power_of_two(samples: float) -> int:
    return 1 << max(0, round(math.log2(max(samples, 1.0))))
