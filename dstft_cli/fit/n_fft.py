"""`n_fft auto`: the FFT size that fits the window lengths a signal wants."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from dstft_cli.errors import UsageError
from dstft_cli.fit.bounds import REACH, SHORTEST_SHARE
from dstft_cli.fit.plan import default_hop_length
from dstft_cli.names import LARGEST_FFT

_log = logging.getLogger("dstft_cli")
LARGEST_AUTO_N_FFT = 65536
SMALLEST_AUTO_N_FFT = 32
LONGEST_SHARE = 1 / 4  # of the signal: longer windows no longer tell when something happens
_FIRST_SECONDS = 0.064  # it starts at the power of two nearest to this
_ROUNDING = 1e-9


def choose_n_fft(
    length: int,
    sample_rate: float,
    *,
    at_least: float,
    at_most: float = math.inf,
    high: float | None,
    best_anywhere: Callable[[float], float | None] | None,
    best_fixed: Callable[[int], float] | None,
    score: Callable[[int], float] | None,
    tells_apart: Callable[[int], bool],
) -> int:
    """A power of two in whose range the best window lengths lie.

    It begins where the best single length of all lies, or near 64 ms where none stands out. It is doubled
    while the best single length lies above n_fft/2 and halved while it lies below n_fft/4, so that
    shorter and longer windows both have room. Where lengths vary, all sizes from half
    the least to twice the greatest of these are searched, and on in the direction of the best, and
    the one with the best score is taken. It stops at 32, at 65536 and at a quarter of the
    signal: longer windows no longer tell when something happens.

    Args:
        length: of the signal, samples.
        sample_rate: Hz.
        at_least: no n_fft below this, samples (a start value, a least length).
        at_most: no n_fft above this, samples, unless `at_least` or `high` asks for it.
        high: the user's own longest window length: then n_fft just holds it.
        best_anywhere: the best single length up to a longest one, samples, at whatever n_fft, or None
            where none stands out; None where scores at different n_fft do not compare.
        best_fixed: the best single length at an n_fft, samples; None where nothing is learned.
        score: what the search attains at an n_fft; None where the lengths do not vary.
        tells_apart: whether single lengths differ at an n_fft; where they do not, as in noise, no
            scores are compared: they would fall with n_fft by chance.
    """
    floor = max(_power_of_two_above(at_least), SMALLEST_AUTO_N_FFT)
    limit = largest_auto_n_fft(length)
    if at_most < limit:
        limit = 1 << math.floor(math.log2(max(at_most, 1.0)))
    limit = max(limit, floor)
    if high is not None:
        n_fft = max(_power_of_two_above(high), floor)
        _log.info(f"n_fft auto: {n_fft}, which holds the longest window allowed, {high:g} samples")
        return n_fft
    first = 1 << round(math.log2(max(sample_rate * _FIRST_SECONDS, 1.0)))
    first = min(max(first, floor), limit)
    if best_fixed is None:
        _log.info(f"n_fft auto: {first}, near {1000 * _FIRST_SECONDS:g} ms")
        return first
    n_fft = first
    best = None if best_anywhere is None else best_anywhere(limit / 2)
    if best is not None:  # doubling and halving alone end in the valley nearest to their start
        n_fft = min(max(2 * _power_of_two_above(best), floor), limit)
        _log.info(
            f"n_fft auto: {best:.6g} samples are about the best of all single windows: from {n_fft}"
        )
    n_fft = _with_room(n_fft, floor, limit, best_fixed)
    if score is None or not tells_apart(n_fft):
        return n_fft
    least, most = min(n_fft, first) // 2, max(n_fft, first) * 2
    return _of_best_score(least, most, floor, limit, score)


def _with_room(n_fft: int, floor: int, limit: int, best_fixed: Callable[[int], float]) -> int:
    """Doubled or halved until the best single length lies between a quarter and half of it.

    Never back again: where two sizes send to each other, chance is between their frames.
    """
    grown = halved = False
    while True:
        best = best_fixed(n_fft)
        found = f"n_fft auto: at {n_fft} the best single window has {best:.4g} samples"
        above = best > n_fft / 2 * (1 + _ROUNDING)
        if above and n_fft * 2 <= limit and not halved:
            n_fft, grown = n_fft * 2, True
            _log.info(f"{found}, more than half: doubled")
        elif best < n_fft / 4 * (1 - _ROUNDING) and n_fft // 2 >= floor and not grown:
            n_fft, halved = n_fft // 2, True
            _log.info(f"{found}, less than a quarter: halved")
        else:
            limited = n_fft * 2 > limit and above
            _log.info(f"{found}: {'the largest for this signal' if limited else 'kept'}")
            return n_fft


def _of_best_score(
    least: int, most: int, floor: int, limit: int, score: Callable[[int], float]
) -> int:
    """The best of the powers of two from `least` to `most`, and on in the direction of the best."""
    sizes = [1 << k for k in range(least.bit_length() - 1, most.bit_length())]
    scores = {size: score(size) for size in sizes if floor <= size <= limit}
    while True:
        best = min(scores, key=lambda size: scores[size])
        beyond = [size for size in (best // 2, best * 2) if size not in scores]
        beyond = [size for size in beyond if floor <= size <= limit]
        if not beyond:
            table = ", ".join(f"{scores[size]:.4g} at {size}" for size in sorted(scores))
            _log.info(f"n_fft auto: with varying lengths the score is {table}: {best} taken")
            return best
        scores |= {size: score(size) for size in beyond}


def least_n_fft(
    win_length: float | None,
    win_length_min: float | None,
    win_length_max: float | None,
    hop_length: float | None,
    hop_length_max: float | None,
    overlap: float,
    band: float,
) -> float:
    """What `n_fft auto` must not fall below for the lengths and the band that are given, samples.

    `band` is what the criterion's band needs, see `Band.least_n_fft`.

    Raises:
        UsageError: one of them, or the criterion's band, needs more than `LARGEST_FFT`.
    """
    needed = {
        "win_length": win_length or 0.0,
        "win_length_min": (win_length_min or 0.0) * 2,
        "hop_length": (hop_length or 0.0) / overlap * 2,
        "hop_length_max": (hop_length_max or 0.0) / overlap * 2,
    }
    if band > LARGEST_FFT:
        raise UsageError(
            f"the criterion's band needs n_fft {band:.0f}, above {LARGEST_FFT}: "
            "lower `criterion_fmin` or raise `criterion_fmax`"
        )
    for option, size in {**needed, "win_length_max": win_length_max or 0.0}.items():
        if size > LARGEST_FFT:
            raise UsageError(f"n_fft {size:.0f} is above {LARGEST_FFT}: lower `{option}`")
    return max(*needed.values(), band)


def most_n_fft(
    win_length: float | None,
    win_length_min: float | None,
    hop_length: float | None,
    overlap: float,
) -> float:
    """What `n_fft auto` must not pass, samples, for the lengths that are given.

    A start lies in the default range then, and a shortest window is no smaller a share of n_fft than
    by default.
    """
    if win_length_min is not None:
        return win_length_min / SHORTEST_SHARE
    if win_length is None:
        return math.inf
    hop = default_hop_length(1, overlap) if hop_length is None else 0.0
    return win_length / max(SHORTEST_SHARE, hop / overlap, hop / REACH)


def largest_auto_n_fft(length: int) -> int:
    """Where `n_fft auto` stops growing for a signal of `length` samples."""
    return min(LARGEST_AUTO_N_FFT, 1 << math.floor(math.log2(max(length * LONGEST_SHARE, 1.0))))


def _power_of_two_above(value: float) -> int:
    return 1 << math.ceil(math.log2(max(value, 1.0)))
