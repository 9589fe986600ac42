"""The panel of learned window lengths over time, in time units and samples."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from dstft_cli.plot.pool import pool_curve
from dstft_cli.plot.scale import FloatArray, even_ticks, ladder
from dstft_cli.plot.style import COLOURS, fixed_ticks, panel_title

LOG_ABOVE = 4.0  # ratio of the longest to the shortest length from which the axis is logarithmic


def length_unit(samples: float, sample_rate: float) -> tuple[float, str]:
    """Unit for lengths up to `samples`: how many of it a sample lasts, and `ms` or `s`."""
    if samples / sample_rate >= 10:
        return 1 / sample_rate, "s"
    return 1000 / sample_rate, "ms"


def length_ticks(low: float, high: float, log: bool) -> FloatArray:
    """Some four ticks from `low` to `high`, of any unit."""
    if log:
        for mantissas in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0)):
            places = ladder(low, high, mantissas)
            if places.size >= 3:
                return places
    return even_ticks(low, high, steps=4)


def sample_ticks(low: float, high: float, log: bool) -> FloatArray:
    """Like `length_ticks`, but powers of two on a logarithmic axis."""
    if log:
        powers = np.arange(np.ceil(np.log2(low)), np.floor(np.log2(high)) + 1)
        if powers.size >= 2:
            return np.asarray(2.0 ** powers[:: -(-powers.size // 6)])
    return even_ticks(low, high, steps=4)


def describe_length(samples: float, sample_rate: float) -> str:
    """A window length as text: `1024 samples (23.2 ms)`."""
    unit, name = length_unit(samples, sample_rate)
    return f"{round(samples, 1):g} samples ({samples * unit:.3g} {name})"


def draw_lengths(
    axes: Axes,
    *,
    positions: ArrayLike,
    window_lengths: ArrayLike,
    sample_rate: float,
    start_length: float,
    best_fixed_length: float,
    length_bounds: tuple[float, float] | None = None,
) -> None:
    """Fill `axes`; see `figures.draw_comparison` for the arguments.

    `positions` are those of the lengths along the horizontal axis: frame centres in seconds, or
    frequencies in scale units.

    Raises:
        ValueError: window lengths that are neither one number nor one per position.
    """
    t = np.asarray(positions, dtype=np.float64)
    given = np.asarray(window_lengths, dtype=np.float64)
    theta = given.reshape(-1)
    if (
        theta.size not in (1, t.size)
        or given.ndim > 2
        or (given.ndim == 2 and 1 not in given.shape)
    ):
        raise ValueError(
            f"window lengths of shape {given.shape} are neither one "
            f"nor one for each of {t.size} positions"
        )
    marks = [start_length, best_fixed_length, *(length_bounds or ())]
    low, high = min(*marks, float(theta.min())), max(*marks, float(theta.max()))
    log = high > LOG_ABOVE * low
    pad = (high / low) ** 0.07 if log else 1 + 0.08 * (high - low) / high + 0.01
    low, high = (low / pad, high * pad) if log else (low - (pad - 1) * high, high * pad)
    unit, name = length_unit(high, sample_rate)

    for length, label, phase in (
        (start_length, "start", "start"),
        (best_fixed_length, "best fixed", "table"),
    ):
        axes.axhline(length * unit, lw=1.0, ls="--", color=COLOURS[phase], label=label)
    for bound in length_bounds or ():
        axes.axhline(bound * unit, lw=0.8, ls=":", color=COLOURS["start"])
    colour = COLOURS["descent"]
    if theta.size == 1:
        label = f"learned: {describe_length(float(theta[0]), sample_rate)}"
        axes.axhline(theta[0] * unit, lw=1.8, color=colour, label=label)
    else:
        curve = pool_curve(t, theta * unit)
        if curve.times.size < t.size:
            axes.fill_between(
                curve.times, curve.low, curve.high, step="mid", color=colour, alpha=0.25, lw=0
            )
        axes.plot(
            curve.times, curve.median, drawstyle="steps-mid", lw=1.4, color=colour, label="learned"
        )

    if log:
        axes.set_yscale("log")
    axes.set_ylim(low * unit, high * unit)
    places = length_ticks(low * unit, high * unit, log).tolist()
    fixed_ticks(axes.yaxis, places, [f"{p:g}" for p in places])
    axes.set_ylabel(f"Length ({name})")
    axes.grid(axis="y")
    axes.set_axisbelow(True)

    def to_samples(length: ArrayLike) -> FloatArray:
        return np.asarray(length) / unit

    def from_samples(length: ArrayLike) -> FloatArray:
        return np.asarray(length) * unit

    second = axes.secondary_yaxis("right", functions=(to_samples, from_samples))
    places = sample_ticks(low, high, log).tolist()
    fixed_ticks(second.yaxis, places, [f"{p:g}" for p in places])
    second.set_ylabel("Length (samples)")
    panel_title(axes, "Window length")
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=3, borderaxespad=0.1)
