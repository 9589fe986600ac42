"""The picture of a fit: every plain window tried, then the steps of search and descent."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from dstft_cli.plot.lengths import LOG_ABOVE, length_ticks, length_unit
from dstft_cli.plot.scale import FloatArray
from dstft_cli.plot.style import (
    COLOURS,
    INK,
    axes_at,
    check_format,
    fixed_ticks,
    panel_title,
    put_title,
    render,
    styled,
)
from dstft_cli.result import Trajectory

MARKERS = {"start": "D", "table": "o", "search": "s", "descent": "o"}


def draw_trajectory(
    trajectory: Trajectory,
    *,
    criterion_name: str,
    direction: str,
    sample_rate: float,
    best_fixed: float,
    table_bound: float | None,
    title: str,
    final: float | None = None,
    format: str = "png",
) -> bytes:
    """Criterion against plain window length (left), criterion and lengths step by step (right).

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
        format: `png`, `svg` or `pdf`.

    Raises:
        UsageError: an unknown format.
        ValueError: a trajectory without steps.
    """
    check_format(format)
    figure = trajectory_figure(
        trajectory,
        criterion_name=criterion_name,
        direction=direction,
        sample_rate=sample_rate,
        best_fixed=best_fixed,
        table_bound=table_bound,
        title=title,
        final=final,
    )
    return render(figure, format)


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
    """The figure of `draw_trajectory`: axes 0 plain windows, 1 criterion, 2 lengths by step."""
    if not len(trajectory):
        raise ValueError("a trajectory without steps")
    figure = Figure(figsize=(10.0, 5.3))
    plain = axes_at(figure, 0.95, 0.62, 4.0, 3.62)
    steps = axes_at(figure, 5.95, 2.6, 3.85, 1.64)
    lengths = axes_at(figure, 5.95, 0.62, 3.85, 1.5)

    phase = np.array(trajectory.phase)
    value = np.asarray(trajectory.criterion, dtype=np.float64)
    low, median, high = _spread(trajectory)
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
        bbox_to_anchor=(0.95 / 10.0, 1 - 0.4 / 5.3),
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
    steps.set_ylabel(criterion_name, parse_math=False)
    steps.tick_params(labelbottom=False)
    panel_title(steps, by_step)
    steps.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=2, borderaxespad=0.1)

    _lengths_by_step(lengths, x, *(v[learned] * unit for v in (low, median, high)))
    lengths.set_ylabel(f"Length ({name})")
    lengths.set_xlabel("Transforms computed")
    panel_title(lengths, "Window length: median and range over frames")
    lengths.sharex(steps)
    lengths.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=1))
    put_title(figure, title, 0.95)
    return figure


def _spread(trajectory: Trajectory) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smallest, median and largest window length of each step, samples, each [S]."""
    rows = [
        (float(np.min(v)), float(np.median(v)), float(np.max(v))) for v in trajectory.window_lengths
    ]
    low, median, high = np.array(rows).T
    return low, median, high


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


def _lengths_by_step(
    axes: Axes, x: FloatArray, low: FloatArray, median: FloatArray, high: FloatArray
) -> None:
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
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def _value_axis(axes: Axes) -> None:
    """Plain numbers: an offset beside the axis makes two panels hard to compare."""
    axes.yaxis.set_major_formatter(ScalarFormatter(useOffset=False))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6))
    axes.margins(y=0.12)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
