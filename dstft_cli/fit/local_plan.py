"""Range of window lengths, FFT size, hop and tiles of a fit under the local criterion."""

from __future__ import annotations

import math
from dataclasses import replace

from dstft_cli.criteria.tiling import Tiling, default_range, log_lengths
from dstft_cli.fit.band import Band
from dstft_cli.fit.n_fft import choose_n_fft, least_n_fft
from dstft_cli.fit.plan import Plan
from dstft_cli.fit.problem import Problem
from dstft_cli.records import LARGEST_FFT, SHORTEST_WINDOW


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
        one_hop = asked.hop_length_max if asked.hop_mode == "constant" else None
        low = max(low, max(hop or 0.0, one_hop or 0.0) / asked.overlap)
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
