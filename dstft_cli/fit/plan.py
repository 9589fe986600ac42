"""The fixed values of a fit: FFT size, start and range of window lengths and hops, in samples.

Window lengths have the shape `[1, 1]` (one for all), `[1, T]` (one per frame), `[F, 1]` (one per
bin) or `[F, T]` (one per cell), frequency first. All are real.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import UsageError
from dstft_cli.fit.centers import HopRange, centered_centers, uniform_centers
from dstft_cli.fit.request import Request
from dstft_cli.records import LARGEST_FFT, SHORTEST_WINDOW

SMALLEST_FFT = 4  # two bins besides zero
SHORTEST_SHARE = 1 / 32  # of n_fft, unless shorter windows are asked for
LONGEST_SHARE = 1 / 4  # of the signal: longer windows do not show the time of events
REACH = 0.45  # share of a window on either side of its centre that is well above zero
MOST_FRAMES = 1 << 25
SHORTEST_HOP = 0.125  # samples; closer frames are the same
LENGTHS_PER_OCTAVE = 5
_MOST_OCTAVES = 6.2  # that are so densely covered
_ROUNDING = 1 + 1e-9


@dataclass(frozen=True)
class LengthBounds:
    """Range of window lengths, samples: `SHORTEST_WINDOW ≤ low ≤ high ≤ n_fft`."""

    low: float
    high: float
    low_option: str  # the parameter to change if an optimum lies on this bound
    high_option: str


@dataclass(frozen=True)
class Plan:
    """All lengths in samples."""

    n_fft: int  # FFT size K
    hop_length: float  # distance of frame centres H, at the start
    start: float  # start value of the window length
    bounds: LengthBounds  # range of the window lengths
    tail: float = 0.0  # from the last frame centre to the last sample
    hops: HopRange | None = None  # what learned positions obey; None where they are not learned

    def start_centers(self, length: int, hop_mode: str) -> NDArray[np.float64]:
        """Centres of the start, `[T]`, which obey the constraints of learned ones: it may be the result."""
        densest = self.hop_length if self.hops is None else self.hops.low
        if length / densest > MOST_FRAMES:
            names = "`hop_length`" if self.hops is None else "`hop_length` and `hop_length_min`"
            raise UsageError(
                f"hop length {densest:g} samples makes {length / densest:.3g} frames of this signal, "
                f"above {MOST_FRAMES}: raise {names}, or `overlap` if the hop follows from it"
            )
        if self.hops is None:
            return uniform_centers(length, self.hop_length)
        if hop_mode == "constant":
            return centered_centers(length, self.hop_length)
        wishes = uniform_centers(length - 1, self.hop_length)
        shortest = np.full(len(wishes), self.bounds.low)
        return self.hops.place(wishes, shortest)[0]

    def tabulated_lengths(self, per_octave: int = LENGTHS_PER_OCTAVE) -> NDArray[np.float64]:
        """Log-spaced lengths over the whole range, `[M]`: so many per octave, fewer over many octaves."""
        low, high = self.bounds.low, self.bounds.high
        if low == high:
            return np.array([low])
        count = 1 + math.ceil(per_octave * min(math.log2(high / low), _MOST_OCTAVES))
        return np.geomspace(low, high, max(count, 2), dtype=np.float64)


def make_plan(asked: Request, n_fft: int, length: int) -> Plan:
    """Checks the lengths of a request against each other, and fills in the defaults.

    A window length that is not learned has no range. The default start is n_fft / 2, or the middle of a
    range without it; the default of learned hops half of hop_length, and twice of it or what the windows
    allow.

    Raises:
        UsageError: a length is out of its range, or two contradict each other.
    """
    if n_fft < SMALLEST_FFT:
        raise UsageError(f"n_fft {n_fft}: at least {SMALLEST_FFT} is allowed")
    if n_fft > LARGEST_FFT:
        raise UsageError(f"n_fft {n_fft} is above {LARGEST_FFT}: lower `n_fft`")
    overlap, win_length, hop_mode = asked.overlap, asked.win_length, asked.hop_mode
    if win_length is not None and win_length > n_fft:
        raise UsageError(
            f"window length {win_length:g} samples is above n_fft {n_fft}: "
            "lower `win_length` or raise `n_fft`"
        )
    check_shortest("window length", win_length, "win_length")
    if asked.learns_lengths:
        check_shortest("window length max", asked.win_length_max, "win_length_max")
    hop = asked.hop_length
    if hop is None:
        hop = default_hop_length(n_fft, overlap, asked.win_length_min)
        hop = max(min(hop, asked.hop_length_max or math.inf), asked.hop_length_min or 0.0)
    else:
        check_hop(hop)
    tail = 0.0 if asked.learns_positions else max(length - 1 - length // hop * hop, 0.0)
    start = n_fft / 2 if win_length is None else win_length
    hops = None
    if asked.learns_positions:
        longest = (asked.win_length_max or n_fft) if asked.learns_lengths else start
        allowed = overlap * longest
        default = allowed
        if hop_mode == "constant":
            default = overlap * (asked.win_length_min or win_length or longest)
        low, high = asked.hop_length_min, asked.hop_length_max
        low = min(max(hop / 2, 1.0), hop) if low is None else low
        high = max(min(2 * hop, default), hop) if high is None else high
        _check_hops(hop_mode, hop, low, high, allowed)
        hops = HopRange(length, overlap, low, high)
    if not asked.learns_lengths:
        bounds = LengthBounds(start, start, "win_length", "win_length")
        return Plan(n_fft, hop, start, bounds, tail, hops)
    covered, hop_option = hop, "hop_length"
    if hops is not None and hop_mode == "constant":
        covered, hop_option = hops.high, "hop_length_max"
    bounds = _length_bounds(asked, n_fft, covered, tail, hop_option)
    if not bounds.low <= start <= bounds.high:
        if win_length is not None:
            side, limit, option = "below the min", bounds.low, bounds.low_option
            if win_length > bounds.high:
                side, limit, option = "above the max", bounds.high, bounds.high_option
            raise UsageError(
                f"window length {win_length:g} samples is {side}, {limit:g}: "
                f"change `win_length` or `{option}`"
            )
        start = math.sqrt(bounds.low * bounds.high)
    return Plan(n_fft, hop, start, bounds, tail, hops)


def default_hop_length(n_fft: int, overlap: float, win_length_min: float | None = None) -> float:
    """Samples: a sixteenth of n_fft, or less where windows of half of it are to overlap by η.

    Where a shortest window is given, whole samples, few enough that such windows overlap and reach the
    last sample.
    """
    hop = min(n_fft / 16, n_fft * overlap / 4)
    longest = math.inf if win_length_min is None else min(overlap, REACH) * win_length_min
    return hop if hop <= longest else max(math.floor(longest), min(longest, 1.0))


def check_hop(hop: float) -> None:
    if hop < SHORTEST_HOP:
        raise UsageError(
            f"hop length {hop:g} samples is below {SHORTEST_HOP:g}: raise `hop_length`; a time has a "
            "unit, 10ms"
        )


def check_shortest(what: str, win_length: float | None, name: str) -> None:
    if win_length is not None and win_length < SHORTEST_WINDOW:
        raise UsageError(
            f"{what} {win_length:g} samples is below {SHORTEST_WINDOW:g}: "
            f"a shorter window holds no sample; raise `{name}`; a time has a unit, 25ms"
        )


def _check_hops(mode: str, hop: float, low: float, high: float, allowed: float) -> None:
    """Raises UsageError if the range of learned hops excludes the start or leaves gaps."""
    if hop > allowed * _ROUNDING:
        raise UsageError(
            f"hop length {hop:g} samples is above overlap × window length = {allowed:g}: "
            "lower `hop_length`, or raise `win_length` or `overlap`"
        )
    if low > hop or high < hop:
        raise UsageError(
            f"hop length {hop:g} samples lies outside {low:g}…{high:g}, the range of learned "
            "hops: change `hop_length`, `hop_length_min` or `hop_length_max`"
        )
    if mode == "constant" and high > allowed * _ROUNDING:
        raise UsageError(
            f"hop length max {high:g} samples is above overlap × window length = {allowed:g}: "
            "lower `hop_length_max` or raise `win_length` or `overlap`"
        )


def check_covering(low: float, hop: float, overlap: float, hop_option: str) -> None:
    """Raises UsageError if windows of `low` samples that lie a hop apart leave gaps."""
    if low < hop / overlap * (2 - _ROUNDING):
        raise UsageError(
            f"window length min {low:g} samples is below hop length / overlap = {hop / overlap:g}: "
            f"lower `{hop_option}`, or raise `overlap` or `win_length_min`"
        )


def _length_bounds(
    asked: Request, n_fft: int, hop: float, tail: float, hop_option: str
) -> LengthBounds:
    """The range of window lengths: by default from `max(n_fft/32, H/η, tail/0.45)` to `n_fft`.

    With `H ≤ η·θ` every sample lies in a window that is well above zero, and the transform can be
    inverted. A window must also reach the last sample.
    """
    low, high = asked.win_length_min, asked.win_length_max
    covering = max(hop / asked.overlap, SHORTEST_WINDOW)
    top = float(n_fft) if high is None else high
    high_option = "n_fft" if top == n_fft else "win_length_max"
    if top > n_fft:
        raise UsageError(
            f"window length max {top:g} samples is above n_fft {n_fft}: "
            "lower `win_length_max` or raise `n_fft`"
        )
    if low is None:
        shortest = SHORTEST_SHARE * n_fft
        bottom = max(shortest, covering)
        low_option = "win_length_min" if shortest >= covering else hop_option
        if tail / REACH > bottom:
            bottom, low_option = min(tail / REACH, top), hop_option
        if bottom > top * _ROUNDING:
            raise UsageError(
                f"hop length {hop:g} samples needs windows of at least {covering:g}, above the longest, "
                f"{top:g}: lower `{hop_option}` or raise `overlap` or `win_length_max`"
            )
        return LengthBounds(min(bottom, top), top, low_option, high_option)
    if low > top:
        raise UsageError(
            f"window length min {low:g} samples is above the max, {top:g}: "
            "lower `win_length_min` or raise `win_length_max`"
        )
    check_shortest("window length min", low, "win_length_min")
    check_covering(low, hop, asked.overlap, hop_option)
    return LengthBounds(low, top, "win_length_min", high_option)
