"""`n_fft auto`: an FFT size for the best window lengths; the plan under the local criterion."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from dstft_cli.criteria.local import Tiling, default_range, log_lengths
from dstft_cli.errors import UsageError
from dstft_cli.fit.plan import (
    LONGEST_SHARE,
    REACH,
    SHORTEST_SHARE,
    SMALLEST_FFT,
    Plan,
    default_hop_length,
)
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.request import Band, Request
from dstft_cli.fit.sweep import sweep
from dstft_cli.records import LARGEST_FFT, SHORTEST_WINDOW

Array = NDArray[np.float64]

LARGEST_AUTO_N_FFT = 65536
SMALLEST_AUTO_N_FFT = 32
_SWEPT_POINTS = 1 << 23  # frames × n_fft × channels for each length: half of those of a sweep
_SECONDS = 0.064  # where no length stands out, the power of two nearest to this
_log = logging.getLogger("dstft_cli")


def choose_n_fft(problem: Problem) -> int:
    """The requested FFT size, or a power of two, two to four times the best single window.

    That is the best of a coarse sweep; near 64 ms if lengths are equally good or none is learned. The
    size stays between 32 and 65536, and within a quarter of the signal: longer windows lose the time of
    events.

    Raises:
        UsageError: a length, or the criterion's band, needs more than `LARGEST_FFT`.
    """
    asked = problem.request
    if asked.n_fft is not None:
        return int(asked.n_fft)
    least = least_n_fft(asked, needed_by_band(problem), problem.length)
    floor = max(_power_of_two_above(least), SMALLEST_AUTO_N_FFT)
    limit = largest_auto_n_fft(problem.length)
    most = most_n_fft(asked) if asked.learns_lengths else math.inf
    if most < limit:
        limit = 1 << math.floor(math.log2(max(most, 1.0)))
    limit = max(limit, floor)
    if asked.win_length_max is not None:
        return max(_power_of_two_above(asked.win_length_max), floor)
    n_fft = 1 << round(math.log2(max(problem.sample_rate * _SECONDS, 1.0)))
    best = best_coarse_length(problem, limit / 2) if asked.learns_lengths else None
    if best is not None:
        n_fft = 2 * _power_of_two_above(best)
        _log.info("n_fft auto: best single window about %.4g samples", best)
    return min(max(n_fft, floor), limit)


def needed_by_band(problem: Problem) -> float:
    """FFT size that the criterion's band needs, samples; 0 without one, or where the size is given."""
    if problem.band == Band() or problem.request.n_fft is not None:
        return 0.0
    return problem.band.least_n_fft(problem.sample_rate)


def least_n_fft(asked: Request, band: float, length: int = 0) -> float:
    """Lower limit of `n_fft auto` for the given lengths and the criterion's band, samples.

    UsageError where they need more than can be had, or of a signal of some `length` more than a half.
    """
    hop = asked.hop_length or 0.0
    if length and hop / asked.overlap > max(length / 2, SMALLEST_FFT):
        raise UsageError(
            f"hop length {hop:.10g} needs windows of {hop / asked.overlap:.10g} samples or more, too "
            f"long for {length} samples: lower `hop_length`, or raise `overlap`"
        )
    needed = {
        "win_length": asked.win_length or 0.0,
        "win_length_min": (asked.win_length_min or 0.0) * 2,
        "hop_length": (asked.hop_length or 0.0) / asked.overlap * 2,
        "hop_length_max": (asked.hop_length_max or 0.0) / asked.overlap * 2,
    }
    if band > LARGEST_FFT:
        raise UsageError(
            f"the criterion's band needs n_fft {band:.0f}, above {LARGEST_FFT}: "
            "lower `criterion_fmin` or raise `criterion_fmax`"
        )
    for name, size in {**needed, "win_length_max": asked.win_length_max or 0.0}.items():
        if size > LARGEST_FFT:
            raise UsageError(f"n_fft {size:.0f} is above {LARGEST_FFT}: lower `{name}`")
    return max(*needed.values(), band)


def most_n_fft(asked: Request) -> float:
    """Upper limit of `n_fft auto`, samples: given lengths then lie in the default range."""
    if asked.win_length_min is not None:
        return asked.win_length_min / SHORTEST_SHARE
    if asked.win_length is None:
        return math.inf
    hop = default_hop_length(1, asked.overlap) if asked.hop_length is None else 0.0
    return asked.win_length / max(SHORTEST_SHARE, hop / asked.overlap, hop / REACH)


def largest_auto_n_fft(length: int) -> int:
    return min(LARGEST_AUTO_N_FFT, 1 << math.floor(math.log2(max(length * LONGEST_SHARE, 1.0))))


def best_coarse_length(problem: Problem, longest: float) -> float | None:
    """The best single length up to `longest`, samples, on a coarse grid; None where none stands out."""
    asked = replace(
        problem.request,
        scope="plane",
        n_fft=None,
        hop_length=None,
        win_length_min=None,
        win_length_max=longest,
    )
    try:
        found = sweep(
            problem.samples,
            asked,
            criteria=[problem.criterion],
            peak=problem.peak,
            most_points=_SWEPT_POINTS,
        )
    except UsageError:  # no range of lengths, or no finite value (an error in the fit)
        return None
    (curve,) = found.curves
    return None if curve.matters == "not at all" else curve.best_length


def _power_of_two_above(value: float) -> int:
    return 1 << math.ceil(math.log2(max(value, 1.0)))


def local_plan(problem: Problem) -> Plan:
    """FFT size, start and ranges of a fit under the local criterion; what is given stays.

    The FFT size is the power of two that holds the longest window. The hop is half the shortest window
    (`overlap` times it), so that no window of the range leaves a gap.

    Raises:
        UsageError: a length is out of its range, or two contradict each other.
    """
    asked = problem.request
    if not asked.learns_lengths:
        return problem.plan(choose_n_fft(problem))
    low, high = default_range(problem.sample_rate, problem.length)
    if asked.n_fft is not None:
        n_fft = int(asked.n_fft)
        high = float(n_fft)
    else:
        least = least_n_fft(asked, needed_by_band(problem), problem.length)
        high = max(high, least, asked.win_length or 0.0)
        high = float(min(1 << math.ceil(math.log2(high)), LARGEST_FFT))
        needed = max(least, asked.win_length_max or high, SMALLEST_FFT)
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


def lengths_before(request: Request, samples: int) -> tuple[int, float]:
    """FFT size and hop, samples, as far as they are known before the signal is, of so many samples.

    The FFT size that `auto` will choose by the signal is guessed; UsageError as in `make_plan`.
    """
    asked = replace(request, criterion="entropy")  # the user's own is not run here
    if request.scope == "plane" and request.n_fft is None:
        first = 1 << round(math.log2(max(request.sample_rate * _SECONDS, SMALLEST_FFT)))
        asked = replace(asked, n_fft=max(first, _power_of_two_above(least_n_fft(request, 0.0))))
    problem = Problem.unread(asked, samples)
    plan = local_plan(problem) if request.scope == "local" else problem.plan(int(asked.n_fft or 0))
    return plan.n_fft, plan.hop_length


def tiling_of(problem: Problem, plan: Plan) -> Tiling:
    """Tiles of its range of lengths, or where they are kept of the default one around them."""
    low, high = plan.bounds.low, plan.bounds.high
    if not problem.request.learns_lengths:
        low, high = default_range(problem.sample_rate, problem.length)
        low, high = min(low, plan.start), max(high, plan.start)
    band = problem.band
    return Tiling(problem.sample_rate, log_lengths(low, high), band.low, band.high)
