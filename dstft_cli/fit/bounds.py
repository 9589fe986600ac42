"""The range of window lengths.

Window lengths have the shape `[1, 1]` (one for all), `[1, T]` (one per frame), `[F, 1]` (one per
bin) or `[F, T]` (one per cell), frequency first. All are real, in samples.
"""

from __future__ import annotations

from dataclasses import dataclass

from dstft_cli.errors import UsageError
from dstft_cli.names import SHORTEST_WINDOW

REACH = 0.45  # share of a window on either side of its centre that is well above zero
SHORTEST_SHARE = 1 / 32  # of n_fft, unless shorter windows are asked for


@dataclass(frozen=True)
class LengthBounds:
    """Where window lengths may lie, samples: `SHORTEST_WINDOW ≤ low ≤ high ≤ n_fft`.

    `low_option` and `high_option` name what to change if an optimum lies on that bound.
    """

    low: float
    high: float
    low_option: str
    high_option: str


def length_bounds(
    n_fft: int,
    hop_length: float,
    overlap: float,
    low: float | None = None,
    high: float | None = None,
    *,
    tail: float = 0.0,
    hop_option: str = "hop_length",
) -> LengthBounds:
    """The range of window lengths, so that neighbouring windows overlap.

    Frames a hop `H` apart overlap as asked where `H ≤ η·θ`: then every sample is seen by a window
    well above zero and the transform can be inverted.

    Args:
        n_fft: FFT size, samples.
        hop_length: hop H, samples.
        overlap: η, in (0, 1].
        low, high: the user's own bounds, samples; None: `max(n_fft/32, H/η, tail/0.45)` and
            `n_fft`.
        tail: from the last frame centre to the last sample, samples: a window must reach it too.
        hop_option: what lowers the hop.

    Raises:
        UsageError: the bounds contradict each other, n_fft, or the overlap.
    """
    covering = max(hop_length / overlap, SHORTEST_WINDOW)
    top = float(n_fft) if high is None else high
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
        if bottom > top * (1 + 1e-9):
            raise UsageError(
                f"hop length {hop_length:g} samples with overlap {overlap:g} needs windows of at "
                f"least {covering:g} samples, above the longest allowed, {top:g}: "
                f"lower `{hop_option}` or raise `overlap` or `win_length_max`"
            )
        bottom = min(bottom, top)
    else:
        bottom, low_option = low, "win_length_min"
        if bottom > top:
            raise UsageError(
                f"window length min {bottom:g} samples is above the max, {top:g}: "
                "lower `win_length_min` or raise `win_length_max`"
            )
        if bottom < SHORTEST_WINDOW:
            raise UsageError(
                f"window length min {bottom:g} samples is below {SHORTEST_WINDOW:g}: "
                "a shorter window holds no sample; raise `win_length_min`"
            )
        if bottom < covering * (1 - 1e-9):
            raise UsageError(
                f"window length min {bottom:g} samples is below hop length / overlap = "
                f"{covering:g}: lower `{hop_option}`, or raise `overlap` or `win_length_min`"
            )
    high_option = "n_fft" if high is None or high == n_fft else "win_length_max"
    return LengthBounds(bottom, top, low_option, high_option)
