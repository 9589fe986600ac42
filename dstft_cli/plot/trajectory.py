"""The picture of a fit: every plain window tried, then the steps of search and descent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from dstft_cli.plot.lengths import LOG_ABOVE, length_ticks, length_unit
from dstft_cli.plot.scale import FloatArray
from dstft_cli.plot.style import (
    COLOURS,
    INK,
    MARKERS,
    axes_at,
    fixed_ticks,
    panel_title,
    put_title,
    styled,
)
from dstft_cli.result import Trajectory

WIDTH, TOP, BOTTOM = 10.0, 1.06, 0.62  # of the figure and its margins, inches
STEPS, LENGTHS, GAP = 1.64, 1.5, 0.48  # heights of the panels at the right, and between them
FLAT = 0.05  # steps that fill no more of the axis than this are told in words
CHANGE = 1e-6  # hops that differ by no more than this share are one hop


@styled
def trajectory_figure(
    trajectory: Trajectory,
    *,
    criterion_name: str,
    direction: str,
    sample_rate: float,
    best_fixed: float,
    table_bound: float | None,
    title: str,
    final: float | None = None,
) -> Figure:
    """Criterion against plain window length (left); criterion and lengths step by step (right).

    Axes 0 hold the plain windows, 1 the criterion by step, 2 the window lengths by step and, where
    the hop changes from step to step, 3 the hop lengths.

    Args:
        trajectory: of one step or more.
        criterion_name: for the axis, such as `entropy`.
        direction: `minimize` or `maximize`.
        sample_rate: Hz.
        best_fixed: criterion of the best single window length.
        table_bound: what no assignment of the tabulated lengths improves on; None: not drawn.
        title: any text, shown as it is.
        final: criterion of the learned parameters; None: that of the last finite step of search
            or descent.

    Raises:
        ValueError: a trajectory without steps.
    """
    if not len(trajectory):
        raise ValueError("a trajectory without steps")
    panels = [("Length", "Window length", trajectory.window_lengths)]
    if _changes(trajectory.hop_lengths):
        panels.append(("Hop", "Hop length", trajectory.hop_lengths))
    tall = STEPS + len(panels) * (GAP + LENGTHS)
    top = BOTTOM + tall
    figure = Figure(figsize=(WIDTH, top + TOP))
    plain = axes_at(figure, 0.95, BOTTOM, 4.0, tall)
    steps = axes_at(figure, 5.95, top - STEPS, 3.85, STEPS)

    phase = np.array(trajectory.phase)
    value = np.asarray(trajectory.criterion, dtype=np.float64)
    low, _, high = _spread(trajectory.window_lengths)
    learned = (phase == "search") | (phase == "descent")
    by_step = "Search and descent"
    if final is None:
        finite = value[learned & np.isfinite(value)]
        final = float(finite[-1]) if finite.size else None
    if not learned.any():  # the right side shows what there is
        learned = phase == "start" if (phase == "start").any() else np.ones(phase.size, bool)
        by_step = "No search, no descent"

    unit, name = length_unit(float(high.max()), sample_rate)
    _plain_windows(plain, phase, value, low * unit, high * unit)
    plain.axhline(best_fixed, lw=1.0, ls="--", color=COLOURS["table"], label="best fixed")
    if final is not None and np.isfinite(final):
        plain.axhline(final, lw=1.4, color=COLOURS["descent"], label="learned")
    if table_bound is not None:
        plain.axhline(table_bound, lw=1.0, ls=":", color=INK, label="proved bound")
    plain.set_xlabel(f"Window length ({name})")
    better = "lower" if direction == "minimize" else "higher"
    plain.set_ylabel(f"{criterion_name} ({better} is better)", parse_math=False)
    panel_title(plain, "One window length for all frames")
    figure.legend(
        *plain.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(0.95 / WIDTH, 1 - 0.4 / (top + TOP)),
        borderaxespad=0.0,
        borderpad=0.0,
        ncols=6,
        columnspacing=1.4,
        handletextpad=0.5,
    )

    x = np.asarray(trajectory.evaluations)[learned]
    _by_step(steps, phase[learned], x, value[learned])
    steps.axhline(best_fixed, lw=1.0, ls="--", color=COLOURS["table"])
    if table_bound is not None:
        steps.axhline(table_bound, lw=1.0, ls=":", color=INK)
    if final is not None and np.isfinite(final):
        _say_gain(steps, value[learned], final, best_fixed, table_bound)
    steps.set_ylabel(criterion_name, parse_math=False)
    steps.tick_params(labelbottom=False)
    panel_title(steps, by_step)
    steps.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=2, borderaxespad=0.1)

    for number, (quantity, panel, values) in enumerate(panels, start=1):
        bottom = top - STEPS - number * (GAP + LENGTHS)
        axes = axes_at(figure, 5.95, bottom, 3.85, LENGTHS)
        _spread_by_step(axes, x, [v[learned] for v in _spread(values)], sample_rate, quantity)
        panel_title(axes, panel + _spread_over(values))
        axes.sharex(steps)
        axes.tick_params(labelbottom=number == len(panels))
    axes.set_xlabel("Transforms computed")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
    put_title(figure, title, 0.95)
    return figure


def _changes(hops: Sequence[FloatArray]) -> bool:
    """Whether hops differ, within a step or between two; frames that stand alone have none."""
    given = [hop for hop in hops if hop.size]
    if not given:
        return False
    low, high = min(float(hop.min()) for hop in given), max(float(hop.max()) for hop in given)
    return len(given) == len(hops) and high > low * (1 + CHANGE)


def _spread(steps: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smallest, median and largest length of each step, samples, each [S]."""
    rows = [(float(np.min(v)), float(np.median(v)), float(np.max(v))) for v in steps]
    low, median, high = np.array(rows).T
    return low, median, high


def _spread_over(steps: Sequence[FloatArray]) -> str:
    """The end of a title: what the spread of lengths, [B, n] or [n] each, is over."""
    bins = max(v.shape[0] if v.ndim == 2 else 1 for v in steps)
    frames = max(v.shape[-1] if v.ndim else 1 for v in steps)
    if bins == frames == 1:
        return ""
    over = "frames" if bins == 1 else "bins" if frames == 1 else "cells"
    return f": median and range over {over}"


def _plain_windows(
    axes: Axes, phase: FloatArray, value: FloatArray, low: FloatArray, high: FloatArray
) -> None:
    plain = (high <= low * (1 + 1e-9)) & np.isfinite(value)
    axes.set_xscale("log")
    for which, label in (("table", "fixed windows"), ("start", "start")):
        chosen = np.flatnonzero(plain & (phase == which))
        order = chosen[np.argsort(low[chosen])]
        if order.size:
            axes.plot(
                low[order],
                value[order],
                color=COLOURS[which],
                marker=MARKERS[which],
                ms=4.5 if which == "table" else 7,
                lw=1.0 if which == "table" else 0,
                label=label,
            )
    first, last = float(low.min()), float(high.max())
    first, last = first / 1.15, last * 1.15
    axes.set_xlim(first, last)
    places = length_ticks(first, last, log=last > LOG_ABOVE * first).tolist()
    fixed_ticks(axes.xaxis, places, [f"{p:g}" for p in places])
    _value_axis(axes)


def _by_step(axes: Axes, phase: FloatArray, x: FloatArray, value: FloatArray) -> None:
    axes.plot(x, np.where(np.isfinite(value), value, np.nan), lw=1.0, color="#bbbbbb", zorder=1)
    for which, colour in COLOURS.items():
        chosen = (phase == which) & np.isfinite(value)
        if chosen.any():
            axes.plot(
                x[chosen],
                value[chosen],
                MARKERS[which],
                ms=4.5,
                color=colour,
                label=which,
            )
    _value_axis(axes)


def _say_gain(
    axes: Axes, value: FloatArray, final: float, best_fixed: float, table_bound: float | None
) -> None:
    """Beside steps that look level: how far they lie from the best single window."""
    low, high = axes.get_ylim()
    seen = value[np.isfinite(value)]
    if not np.isfinite(best_fixed) or not seen.size or float(np.ptp(seen)) > FLAT * (high - low):
        return
    gain = final - best_fixed
    text = f"{abs(gain):.2g} {'below' if gain < 0 else 'above'} best fixed"
    lines = [low, high, best_fixed, low if table_bound is None else table_bound]
    above = min((line - final for line in lines if line > final), default=0.0)
    below = min((final - line for line in lines if line < final), default=0.0)
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


def _spread_by_step(
    axes: Axes, x: FloatArray, spread: Sequence[FloatArray], sample_rate: float, name: str
) -> None:
    """Low, median and high lengths, samples, over the transforms computed, all [S]."""
    unit, unit_name = length_unit(float(spread[2].max()), sample_rate)
    low, median, high = (v * unit for v in spread)
    colour = COLOURS["descent"]
    if x.size > 1:
        axes.fill_between(x, low, high, color=colour, alpha=0.2, lw=0)
    axes.vlines(x, low, high, color=colour, lw=1.0, alpha=0.5)
    axes.plot(x, median, "-o", ms=4, lw=1.2, color=colour)
    first, last = float(low.min()), float(high.max())
    log = last > LOG_ABOVE * first
    if log:
        axes.set_yscale("log")
    first, last = (first / 1.2, last * 1.2) if log else (first * 0.95, last * 1.05)
    axes.set_ylim(first, last)
    places = length_ticks(first, last, log).tolist()
    fixed_ticks(axes.yaxis, places, [f"{p:g}" for p in places])
    axes.set_ylabel(f"{name} ({unit_name})")
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _value_axis(axes: Axes) -> None:
    """Plain numbers: an offset beside the axis makes two panels hard to compare."""
    axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.margins(y=0.12)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
