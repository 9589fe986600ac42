"""The picture of a sweep: one panel a criterion, all on the same axes of window length and loss."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from dstft_cli.plot.axes import (
    COLOURS,
    WIDTH,
    axes_at,
    describe_length,
    heading_legend,
    length_ticks,
    length_unit,
    panel_title,
    put_ticks,
    put_title,
    render,
    sample_ticks,
    styled,
)
from dstft_cli.records import GOOD_ENOUGH, USUAL_LENGTH, Sweep, SweepCurve

LEFT, RIGHT = 0.8, 0.2  # margins, inches
TOP, BOTTOM, GAP, BETWEEN = 1.42, 0.62, 0.42, 0.5  # margins, between rows, between columns
TALL, SHORT = 3.4, 1.35  # height of a panel that is alone, and of one of several
GOOD = "#cfe8d5"
EDGE = 1.06  # room beside the shortest and the longest length
UNDER_AXIS = 38  # of a title above the axis in time, points


def draw_sweep(sweep: Sweep, *, title: str, format: str = "png") -> bytes:
    """`sweep_figure` as the bytes of a file."""
    return render(sweep_figure(sweep, title=title), format)


@styled
def sweep_figure(sweep: Sweep, *, title: str) -> Figure:
    """Loss against window length, a panel for each criterion.

    Below the panels the length is in samples, above them in time. Panels share the axis of
    lengths, and criteria in nats share that of losses, so that slopes compare.
    """
    columns = 1 if len(sweep.curves) == 1 else 2
    rows = -(-len(sweep.curves) // columns)
    tall = TALL if rows == 1 else SHORT
    height = TOP + rows * tall + (rows - 1) * GAP + BOTTOM
    figure = Figure(figsize=(WIDTH, height))
    width = (WIDTH - LEFT - RIGHT - (columns - 1) * BETWEEN) / columns
    highest = max((c.spread for c in sweep.curves if c.in_nats), default=0.0)
    for number, curve in enumerate(sweep.curves):
        row, column = divmod(number, columns)
        bottom = height - TOP - (row + 1) * tall - row * GAP
        axes = axes_at(figure, LEFT + column * (width + BETWEEN), bottom, width, tall)
        _draw_curve(axes, curve, highest if curve.in_nats else curve.spread)
        best = describe_length(curve.best_length, sweep.sample_rate)
        panel_title(axes, f"{curve.name}: {best}", pad=4 if row else UNDER_AXIS)
        last = number + columns >= len(sweep.curves)
        _length_axes(axes, sweep, first=row == 0, last=last)
        if column == 0:
            axes.set_ylabel("Loss (nats)" if curve.in_nats else "Loss (share of best)")
    heading_legend(figure, figure.axes[0], LEFT)
    put_title(figure, title, LEFT)
    return figure


def _draw_curve(axes: Axes, curve: SweepCurve, highest: float) -> None:
    """The losses of one criterion, with minimum, optimum and good range."""
    blue, m = COLOURS["table"], curve.minimum
    axes.axvspan(*curve.good_lengths, color=GOOD, lw=0, label=f"within {GOOD_ENOUGH:g} of the best")
    if curve.at(USUAL_LENGTH) is not None:
        axes.axvline(USUAL_LENGTH, lw=1.0, ls="--", color=COLOURS["start"], label="2048, the usual")
    finite = np.where(np.isfinite(curve.losses), curve.losses, np.nan)
    axes.plot(curve.lengths, finite, "-o", ms=3, lw=1.2, color=blue, label="fixed windows")
    at = curve.lengths[m], curve.losses[m]
    axes.plot(*at, "o", ms=7, mfc="none", mew=1.4, color=blue, label="minimum")
    look: dict[str, Any] = {"ms": 6, "color": COLOURS["descent"], "clip_on": False}
    axes.plot(curve.best_length, 0.0, "D", label="learned", **look)
    top = max(highest, 1e-3) * 1.08
    axes.set_ylim(-0.06 * top, top)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.grid(axis="y")


def _length_axes(axes: Axes, sweep: Sweep, *, first: bool, last: bool) -> None:
    """Samples below, time above, both logarithmic; words at the outermost panels only."""
    low, high = float(sweep.lengths[0]) / EDGE, float(sweep.lengths[-1]) * EDGE
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    put_ticks(axes.xaxis, sample_ticks(low, high, log=True))
    axes.tick_params(axis="x", labelbottom=last)
    if last:
        axes.set_xlabel("Window length (samples)")
    if first:
        unit, name = length_unit(high, sweep.sample_rate)
        both = (lambda length: np.asarray(length) * unit, lambda time: np.asarray(time) / unit)
        second = axes.secondary_xaxis("top", functions=both)
        put_ticks(second.xaxis, length_ticks(low * unit, high * unit, log=True))
        second.set_xlabel(f"Window length ({name})")
