"""Panels of a fit step by step: the criterion, the lengths, and the lengths at the last step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator, ScalarFormatter
from numpy.typing import NDArray

from dstft_cli.plot.lengths import LOG_ABOVE, length_ticks, length_unit, put_ticks
from dstft_cli.plot.scale import FEWEST_TICKS, FloatArray
from dstft_cli.plot.style import COLOURS, INK, MARKERS
from dstft_cli.settings.length import number_text

Phases = NDArray[np.str_]

FLAT = 0.05  # steps that fill no more of the axis than this are told in words
LEVEL = 0.2  # lengths likewise are shown as they lie at the last step
TOLD = 1e-3  # share of a gain from which that of the descent is told
SMALL = 1e-3  # values below are written with a power of ten each
FEW = 50  # steps up to which each has a mark of its own
LEAST_SPAN = 1e-4  # of its values, on an axis of the criterion
BARS = 32  # of a distribution, over the range of lengths


class Line(NamedTuple):
    """A value of the criterion to compare with, and how it is drawn."""

    label: str
    value: float
    colour: str
    style: str

    def draw(self, axes: Axes, *, named: bool) -> None:
        """Across the axes; with its label for a legend where it is named."""
        label = self.label if named else None
        axes.axhline(self.value, lw=1.0, ls=self.style, color=self.colour, label=label)
        axes.autoscale(axis="y")


def value_axis(axes: Axes) -> None:
    """Plain numbers: an offset or a power beside the axis makes two panels hard to compare."""
    if max(np.abs(axes.get_ylim())) < SMALL:
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    else:
        plain = ScalarFormatter(useOffset=False)
        plain.set_scientific(False)
        axes.yaxis.set_major_formatter(plain)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, min_n_ticks=FEWEST_TICKS))
    axes.margins(y=0.12)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def step_axis(axes: Axes, x: FloatArray) -> None:
    """Transforms computed, [S], along the horizontal axis, with room for three whole numbers."""
    first, last = float(x.min()), float(x.max())
    room = 1.0 if last - first < 2 else 0.04 * (last - first)
    axes.set_xlim(first - room, last + room)
    locator = MaxNLocator(integer=True, nbins=7, min_n_ticks=FEWEST_TICKS)
    axes.xaxis.set_major_locator(locator)


def draw_steps(axes: Axes, phase: Phases, x: FloatArray, value: FloatArray) -> None:
    """The criterion, [S], over the transforms computed; phases in their colours."""
    axes.plot(x, np.where(np.isfinite(value), value, np.nan), lw=1.0, color="#bbbbbb", zorder=1)
    size = 4.5 if x.size <= FEW else 2.5
    for which, colour in COLOURS.items():
        chosen = (phase == which) & np.isfinite(value)
        if chosen.any():
            axes.plot(x[chosen], value[chosen], MARKERS[which], ms=size, color=colour, label=which)
    value_axis(axes)


def keep_from_rounding(axes: Axes) -> None:
    """Gives the vertical axis a span above rounding, where all values are as good as equal."""
    low, high = axes.get_ylim()
    least = LEAST_SPAN * max(abs(low), abs(high))
    if high - low < least:
        middle = (low + high) / 2
        axes.set_ylim(middle - least / 2, middle + least / 2)


def say_gain(
    axes: Axes,
    phase: Phases,
    value: FloatArray,
    final: float,
    lines: Sequence[Line],
    direction: str,
) -> None:
    """Beside steps that look level: how far they lie from the first of the lines."""
    low, high = axes.get_ylim()
    seen = value[np.isfinite(value)]
    if not lines or not seen.size or float(np.ptp(seen)) > FLAT * (high - low):
        return
    gain = final - lines[0].value
    side = f"{number_text(abs(gain), 2)} {'below' if gain < 0 else 'above'}"
    text = f"{side if gain else 'equal to'} {lines[0].label}"
    searched = best_searched(phase, value, direction)
    by_descent = 0.0 if searched is None else (final - searched) * float(np.sign(gain))
    if TOLD * abs(gain) < by_descent < abs(gain):
        text += f", {number_text(by_descent, 1)} of it by descent"
    places = [low, high, *(line.value for line in lines)]
    above = min((place - final for place in places if place > final), default=0.0)
    below = min((final - place for place in places if place < final), default=0.0)
    up = above > below
    axes.annotate(
        text,
        (1.0, final),
        xycoords=axes.get_yaxis_transform(),
        xytext=(-6, 5 if up else -5),
        textcoords="offset points",
        ha="right",
        va="bottom" if up else "top",
        fontsize="small",
        color=INK,
    )


def best_searched(phase: Phases, value: FloatArray, direction: str) -> float | None:
    """Best criterion, [S], of the search before the descent; None where one of the two is missing."""
    descents = np.flatnonzero(phase == "descent")
    before = slice(descents[0] if descents.size else 0)
    found = value[before][(phase[before] == "search") & np.isfinite(value[before])]
    if not found.size:
        return None
    return float(found.min() if direction == "minimize" else found.max())


def spread(steps: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smallest, median and largest length of each step, samples, each [S]."""
    rows = [(float(np.min(v)), float(np.median(v)), float(np.max(v))) for v in steps]
    low, median, high = np.array(rows).T
    return low, median, high


def is_level(steps: Sequence[FloatArray]) -> bool:
    """Whether lengths that vary within a step hardly change from step to step."""
    curves = [np.log(curve) for curve in spread(steps)]
    room = float(curves[2].max() - curves[0].min())
    moved = max(float(np.ptp(curve)) for curve in curves)
    return steps[-1].size > 1 and room > 0 and moved <= LEVEL * room


def spread_over(steps: Sequence[FloatArray]) -> str:
    """What lengths of steps, [B, n] or [n] each, are for: `frames`, `bins`, `cells`; `` if one."""
    bins = max(v.shape[0] if v.ndim == 2 else 1 for v in steps)
    frames = max(v.shape[-1] if v.ndim else 1 for v in steps)
    if bins == frames == 1:
        return ""
    return "frames" if bins == 1 else "bins" if frames == 1 else "cells"


def draw_spread(
    axes: Axes, x: FloatArray, steps: Sequence[FloatArray], sample_rate: float, name: str
) -> None:
    """Low, median and high lengths, samples, over the transforms computed, [S]."""
    low, median, high = spread(steps)
    unit, unit_name = length_unit(float(high.max()), sample_rate)
    low, median, high = low * unit, median * unit, high * unit
    colour = COLOURS["descent"]
    if x.size > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
    if x.size <= FEW:
        axes.vlines(x, low, high, color=colour, lw=1.0, alpha=0.5)
    axes.plot(x, median, "-o", ms=4 if x.size <= FEW else 0, lw=1.2, color=colour)
    first, last = float(low.min()), float(high.max())
    log = last > LOG_ABOVE * first
    if log:
        axes.set_yscale("log")
    first, last = (first / 1.2, last * 1.2) if log else (first * 0.95, last * 1.05)
    axes.set_ylim(first, last)
    put_ticks(axes.yaxis, length_ticks(first, last, log))
    axes.set_ylabel(f"{name} ({unit_name})")
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def draw_distribution(axes: Axes, lengths: FloatArray, sample_rate: float, of: str) -> None:
    """Which share of frames, bins or cells has which window length, samples."""
    unit, unit_name = length_unit(float(lengths.max()), sample_rate)
    first, last = float(lengths.min()) * unit / 1.1, float(lengths.max()) * unit * 1.1
    edges = np.geomspace(first, last, BARS + 1)
    counts, _ = np.histogram(lengths.ravel() * unit, edges)
    axes.stairs(100 * counts / lengths.size, edges, fill=True, color=COLOURS["descent"], alpha=0.7)
    log_axis(axes, first, last)
    axes.set_xlabel(f"Window length ({unit_name})")
    axes.set_ylabel(f"{of.capitalize()} (%)")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=FEWEST_TICKS))
    axes.set_ylim(0)
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def log_axis(axes: Axes, first: float, last: float) -> None:
    """A logarithmic horizontal axis from `first` to `last`, of any unit of length."""
    axes.set_xscale("log")
    axes.set_xlim(first, last)
    put_ticks(axes.xaxis, length_ticks(first, last, log=last > LOG_ABOVE * first))
