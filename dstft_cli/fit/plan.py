"""What stays fixed during a fit: FFT size, start and range of window lengths and hops."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import UsageError
from dstft_cli.fit.bounds import REACH, LengthBounds, length_bounds
from dstft_cli.fit.centers import FreeCenters, HopRange, centered_centers, uniform_centers
from dstft_cli.names import LARGEST_FFT, SHORTEST_WINDOW, counted

MOST_FRAMES = 1 << 25
SMALLEST_FFT = 4  # two bins besides zero
LENGTHS_PER_OCTAVE = 5
_MOST_OCTAVES = 6.2  # that are so densely covered


@dataclass(frozen=True)
class Plan:
    """All lengths in samples.

    Attributes:
        n_fft: FFT size K.
        hop_length: distance of frame centres H, at the start.
        start: start value of the window length.
        bounds: range of the window lengths.
        tail: from the last frame centre to the last sample.
        hops: what learned positions obey; None where they are not learned.
    """

    n_fft: int
    hop_length: float
    start: float
    bounds: LengthBounds
    tail: float = 0.0
    hops: HopRange | None = None

    def start_centers(self, length: int, hop_mode: str) -> NDArray[np.float64]:
        """Centres of the frames of the start in a signal of `length` samples, `[T]`.

        Where positions are learned they obey the constraints of `parameters.centers` already, so
        that the start may be the result.
        """
        if self.hops is None:
            return uniform_centers(length, self.hop_length)
        if hop_mode == "constant":
            return centered_centers(length, self.hop_length)
        wishes = uniform_centers(length - 1, self.hop_length)
        shortest = np.full(len(wishes), self.bounds.low)
        return FreeCenters(self.hops).place(wishes, shortest).centers

    def told(self, frames: int) -> str:
        """The plan in one line, for `frames` frames at the start."""
        low, high = self.bounds.low, self.bounds.high
        hop = f"hop {self.hop_length:g}"
        if self.hops is not None:
            hop += f" (learned, {self.hops.low:g} to {self.hops.high:g})"
        return (
            f"plan: n_fft {self.n_fft}, {hop}, {counted(frames, 'frame')}, windows of {low:g} to "
            f"{high:g} samples, {self.start:g} at the start"
        )

    def tabulated_lengths(self, per_octave: int = LENGTHS_PER_OCTAVE) -> NDArray[np.float64]:
        """Log-spaced lengths over the whole range, `[M]`: so many per octave, fewer over many octaves."""
        low, high = self.bounds.low, self.bounds.high
        if low == high:
            return np.array([low])
        count = 1 + math.ceil(per_octave * min(math.log2(high / low), _MOST_OCTAVES))
        return np.geomspace(low, high, max(count, 2), dtype=np.float64)


def make_plan(
    n_fft: int,
    *,
    fixed: bool,
    overlap: float,
    hop_length: float | None = None,
    win_length: float | None = None,
    win_length_min: float | None = None,
    win_length_max: float | None = None,
    hop_mode: str = "fixed",
    hop_length_min: float | None = None,
    hop_length_max: float | None = None,
    length: int = 0,
) -> Plan:
    """Checks the lengths against each other and fills in the defaults.

    Args:
        n_fft: FFT size, samples.
        fixed: the window length is not learned, so it has no range.
        overlap: η, in (0, 1].
        hop_length: samples; None: n_fft / 16, or less where the overlap asks for it, within the range
            of learned hops.
        win_length: start value, samples; None: n_fft / 2, or the middle of a range without it.
        win_length_min, win_length_max: samples; None: see `length_bounds`.
        hop_mode: `fixed`, `constant` or `time`.
        hop_length_min, hop_length_max: range of learned hops, samples; None: half of hop_length, and
            twice of it or what the windows allow.
        length: of the signal, samples.

    Raises:
        UsageError: a length is out of its range, or two contradict each other.
    """
    _check_sizes(n_fft, win_length)
    hop = hop_length
    if hop is None:
        hop = default_hop_length(n_fft, overlap, win_length_min)
        hop = min(hop, hop_length_max or math.inf)
        hop = max(hop, hop_length_min or 0.0)
    tail = 0.0 if hop_mode != "fixed" else max(length - 1 - length // hop * hop, 0.0)
    start = n_fft / 2 if win_length is None else win_length
    hops = None
    if hop_mode != "fixed":
        longest = start if fixed else (win_length_max or n_fft)
        shortest = win_length_min or win_length or longest
        hops = _hop_range(
            hop_mode, hop, hop_length_min, hop_length_max, overlap, longest, shortest, length
        )
    if fixed:
        option = "win_length"
        bounds = LengthBounds(start, start, option, option)
        return Plan(n_fft, hop, start, bounds, tail, hops)
    covered, hop_option = hop, "hop_length"
    if hops is not None and hop_mode == "constant":
        covered, hop_option = hops.high, "hop_length_max"
    bounds = length_bounds(
        n_fft, covered, overlap, win_length_min, win_length_max, tail=tail, hop_option=hop_option
    )
    return Plan(n_fft, hop, _start_within(bounds, start, win_length), bounds, tail, hops)


def default_hop_length(n_fft: int, overlap: float, win_length_min: float | None = None) -> float:
    """Samples: a sixteenth of n_fft, or less where windows of half of it are to overlap by η.

    Where a shortest window is given, whole samples, few enough that such windows overlap and reach the
    last sample.
    """
    hop = min(n_fft / 16, n_fft * overlap / 4)
    longest = math.inf if win_length_min is None else min(overlap, REACH) * win_length_min
    return hop if hop <= longest else max(math.floor(longest), min(longest, 1.0))


def _check_sizes(n_fft: int, win_length: float | None) -> None:
    """UsageError where the FFT size is out of its range, or the start length is for this size."""
    if n_fft < SMALLEST_FFT:
        raise UsageError(f"n_fft {n_fft}: at least {SMALLEST_FFT} is allowed")
    if n_fft > LARGEST_FFT:
        raise UsageError(f"n_fft {n_fft} is above {LARGEST_FFT}: lower `n_fft`")
    if win_length is not None:
        if win_length > n_fft:
            raise UsageError(
                f"window length {win_length:g} samples is above n_fft {n_fft}: "
                "lower `win_length` or raise `n_fft`"
            )
        if win_length < SHORTEST_WINDOW:
            raise UsageError(
                f"window length {win_length:g} samples is below {SHORTEST_WINDOW:g}: "
                "a shorter window holds no sample; raise `win_length`"
            )


def _start_within(bounds: LengthBounds, start: float, win_length: float | None) -> float:
    """Where the window length starts: as given, else the default or the middle of the range."""
    if bounds.low <= start <= bounds.high:
        return start
    if win_length is None:
        return math.sqrt(bounds.low * bounds.high)
    side, limit, option = "below the min", bounds.low, bounds.low_option
    if win_length > bounds.high:
        side, limit, option = "above the max", bounds.high, bounds.high_option
    raise UsageError(
        f"window length {win_length:g} samples is {side}, {limit:g}: "
        f"change `win_length` or `{option}`"
    )


def _hop_range(
    mode: str,
    hop: float,
    low: float | None,
    high: float | None,
    overlap: float,
    longest: float,
    shortest: float,
    length: int,
) -> HopRange:
    """Range of learned hops; UsageError where it does not hold the start or leaves gaps.

    Args:
        mode: `constant` or `time`.
        hop: of the start, samples.
        low, high: the user's own range, samples.
        overlap: η.
        longest: window length allowed, samples.
        shortest: window length that the default range is to allow, samples.
        length: of the signal, samples.
    """
    widest = overlap * longest
    if hop > widest * (1 + 1e-9):
        raise UsageError(
            f"hop length {hop:g} samples is above overlap × window length = {widest:g}: a learned "
            "hop needs windows that overlap; lower `hop_length` or raise `win_length` or `overlap`"
        )
    bottom = min(max(hop / 2, 1.0), hop) if low is None else low
    top = high
    if top is None:
        top = max(min(2 * hop, overlap * shortest if mode == "constant" else widest), hop)
    if bottom > hop or top < hop:
        raise UsageError(
            f"hop length {hop:g} samples lies outside {bottom:g}…{top:g}, the range of learned "
            "hops: change `hop_length`, `hop_length_min` or `hop_length_max`"
        )
    if mode == "constant" and top > widest * (1 + 1e-9):
        raise UsageError(
            f"hop length max {top:g} samples is above overlap × window length = {widest:g}: "
            "lower `hop_length_max` or raise `win_length` or `overlap`"
        )
    return HopRange(length, overlap, bottom, top)
