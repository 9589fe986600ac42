"""Window lengths as axes and text, in time units and samples; the panel of a curve of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from numpy.typing import ArrayLike

from dstft_cli.plot.curve import pool_curve
from dstft_cli.plot.scale import FEWEST_TICKS, FloatArray, even_ticks, ladder
from dstft_cli.plot.style import COLOURS, fixed_ticks, panel_title
from dstft_cli.settings.length import time_text

LOG_ABOVE = 4.0  # ratio of the longest to the shortest length from which the axis is logarithmic


def length_unit(samples: float, sample_rate: float) -> tuple[float, str]:
    """Unit for lengths up to `samples`: how many of it a sample lasts, and `ms`, from 1 s on `s`."""
    if samples >= sample_rate:
        return 1 / sample_rate, "s"
    return 1000 / sample_rate, "ms"


def length_ticks(low: float, high: float, log: bool) -> FloatArray:
    """Some four ticks, three at least, from `low` to `high`, of any unit."""
    if log:
        for mantissas in ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)):
            places = ladder(low, high, mantissas)
            if places.size >= FEWEST_TICKS:
                return places
    return even_ticks(low, high, steps=4)


def sample_ticks(low: float, high: float, log: bool) -> FloatArray:
    """Like `length_ticks`, but powers of two on a logarithmic axis that has three of them."""
    if log:
        first, last = np.ceil(np.log2(low) - 1e-9), np.floor(np.log2(high) + 1e-9)
        powers = np.arange(first, last + 1)
        if powers.size >= FEWEST_TICKS:
            return np.asarray(2.0 ** powers[:: -(-powers.size // 6)])
    return length_ticks(low, high, log)


def put_ticks(axis: Axis, places: FloatArray) -> None:
    """These ticks and no other, labelled with their numbers."""
    fixed_ticks(axis, places.tolist(), [f"{place:.10g}" for place in places])


def describe_length(low: float, sample_rate: float, high: float | None = None) -> str:
    """Window lengths as text: `1024 samples (23.2 ms)`, `128 to 1024 samples (2.9 ms to 23.2 ms)`."""
    ends = [low] if high is None else [low, high]
    samples = " to ".join(f"{round(end, 1):.10g}" for end in ends)
    return f"{samples} samples ({' to '.join(time_text(end / sample_rate) for end in ends)})"


def samples_axis(axes: Axes, low: float, high: float, unit: float, log: bool) -> None:
    """A second axis in samples, from `low` to `high`, at the right of one that counts `unit`s."""

    def to_samples(length: ArrayLike) -> FloatArray:
        return np.asarray(length) / unit

    def from_samples(length: ArrayLike) -> FloatArray:
        return np.asarray(length) * unit

    second = axes.secondary_yaxis("right", functions=(to_samples, from_samples))
    put_ticks(second.yaxis, sample_ticks(low, high, log))


def length_axis(axes: Axes, low: float, high: float, sample_rate: float, name: str) -> float:
    """A vertical axis that shows lengths from `low` to `high` samples with room around them.

    Left in time, right in samples; logarithmic where the range is wide.

    Args:
        axes: without an axis on the right yet.
        low, high: samples, 0 < low <= high.
        sample_rate: Hz.
        name: of the quantity, such as `Length`.

    Returns:
        Units of the axis that a sample lasts.
    """
    log = high > LOG_ABOVE * low
    pad = (high / low) ** 0.07 if log else 1 + 0.08 * (high - low) / high + 0.01
    low, high = (low / pad, high * pad) if log else (low - (pad - 1) * high, high * pad)
    unit, unit_name = length_unit(high, sample_rate)
    if log:
        axes.set_yscale("log")
    axes.set_ylim(low * unit, high * unit)
    put_ticks(axes.yaxis, length_ticks(low * unit, high * unit, log))
    axes.set_ylabel(f"{name} ({unit_name})")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    samples_axis(axes, low, high, unit, log)
    axes.child_axes[0].set_ylabel(f"{name} (samples)")
    return unit


def put_legend(axes: Axes, handles: Sequence[Artist] | None = None) -> None:
    """A legend in one line, above the axes at their right; of the axes' own artists by default."""
    own = axes.get_legend_handles_labels()[0]
    axes.legend(
        handles=own if handles is None else handles,
        loc="lower right",
        bbox_to_anchor=(1.0, 0.97),
        ncols=3,
        borderaxespad=0.1,
    )


def draw_curve(axes: Axes, positions: FloatArray, values: FloatArray) -> None:
    """Values of any unit, one for each of increasing positions; many of them as an envelope."""
    curve = pool_curve(positions, values)
    pooled = curve.times.size < positions.size
    if pooled:
        axes.fill_between(
            curve.times,
            curve.low,
            curve.high,
            step="mid",
            color=COLOURS["descent"],
            alpha=0.25,
            lw=0,
        )
    axes.plot(
        curve.times,
        curve.median,
        drawstyle="steps-mid",
        lw=1.4,
        color=COLOURS["descent"],
        label="learned: median and range" if pooled else "learned",
    )


def draw_lengths(
    axes: Axes,
    *,
    positions: FloatArray,
    window_lengths: FloatArray,
    sample_rate: float,
    start_length: float,
    best_fixed_length: float | None,
    length_bounds: tuple[float, float] | None = None,
) -> None:
    """Fill `axes` with window lengths that vary along one axis, or not at all.

    Args:
        axes: empty.
        positions: of the lengths along the horizontal axis, [P]: frame centres in seconds, or
            frequencies in scale units.
        window_lengths: samples, [1] or [P].
        sample_rate: Hz.
        start_length: window length at the start, samples.
        best_fixed_length: best single window length, samples; None where none was looked for.
        length_bounds: shortest and longest length allowed, samples; drawn where given.
    """
    named = [(start_length, "start", "start"), (best_fixed_length, "best fixed", "table")]
    lines = [(length, label, phase) for length, label, phase in named if length is not None]
    marks = [*(length for length, _, _ in lines), *(length_bounds or ())]
    low, high = float(window_lengths.min()), float(window_lengths.max())
    unit = length_axis(axes, min(*marks, low), max(*marks, high), sample_rate, "Length")
    for length, label, phase in lines:
        axes.axhline(length * unit, lw=1.0, ls="--", color=COLOURS[phase], label=label)
    for bound in length_bounds or ():
        axes.axhline(bound * unit, lw=0.8, ls=":", color=COLOURS["start"])
    if window_lengths.size == 1:
        draw_one(axes, low, unit, sample_rate)
    else:
        draw_curve(axes, positions, window_lengths * unit)
    panel_title(axes, "Window length")
    put_legend(axes)


def draw_one(axes: Axes, length: float, unit: float, sample_rate: float) -> None:
    """One learned length, samples, as a line with its value in the legend."""
    label = f"learned: {describe_length(length, sample_rate)}"
    axes.axhline(length * unit, lw=1.8, color=COLOURS["descent"], label=label)
