"""The picture of a fit: every single window tried, then the steps of search and descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dstft_cli.plot.axes import (
    FEWEST_TICKS,
    LOG_ABOVE,
    describe_length,
    length_axis,
    length_ticks,
    length_unit,
    put_ticks,
)
from dstft_cli.plot.pixels import FloatArray, IntArray
from dstft_cli.plot.style import (
    COLOURS,
    INK,
    MARKERS,
    PLAIN,
    WIDTH,
    axes_at,
    heading_legend,
    new_page,
    panel_title,
    put_title,
    styled,
)
from dstft_cli.records import CriterionSummary, Trajectory
from dstft_cli.settings import Settings
from dstft_cli.settings.option import number_text

Phases = NDArray[np.str_]

LEFT, RIGHT, BOTTOM = 1.1, 0.2, 0.62  # margins, inches
TOP, LEGEND = 0.82, 0.3  # above the panels: the heading, and more for a legend of all
CURVE, BETWEEN = 3.85, 1.1  # width of the panel at the left, and between that and the others
STEPS, ALONE, LENGTHS = 1.64, 2.3, 1.5  # heights of the steps beside and without it, of others
GAP, LABELS = 0.48, 0.42  # between these, and more under an axis with labels
CHANGE = 1e-6  # lengths or values that differ by no more than this share are the same
LEVEL = 0.2  # lengths that change less are shown for the last step only
SMALL = 1e-3  # values below are written with a power of ten each
FEW = 50  # steps up to which each has a marker
LEAST_SPAN = 1e-4  # of its values, on an axis of the criterion
BARS = 32  # of a distribution, over the range of lengths


class Line(NamedTuple):
    """A value of the criterion to compare with, and how it is drawn."""

    label: str
    value: float
    colour: str
    style: str


class Curve(NamedTuple):
    """Steps with one length for all frames: samples, NaN at steps of several, [S]; names by phase."""

    name: str
    lengths: FloatArray
    phases: dict[str, str]


class Panel(NamedTuple):
    """Lengths of each learned step, samples; or, `of` frames, bins or cells, those of the last."""

    name: str
    title: str
    lengths: Sequence[FloatArray]
    of: str = ""


@styled
def trajectory_figure(
    trajectory: Trajectory,
    *,
    criterion: CriterionSummary,
    sample_rate: float,
    title: str,
    best_fixed: bool = True,
    look: Settings = PLAIN,
) -> Figure:
    """Criterion against one length for all frames (left); criterion and lengths by step (right).

    The gains of search and descent are in words. Lengths that hardly change are shown as a distribution at
    the last step. An empty side is left out. Steps count from 0, as in `trajectory.csv`.
    """
    phase = np.array(trajectory.phase)
    value = np.where(np.isfinite(trajectory.criterion), trajectory.criterion, np.nan)
    learned = np.flatnonzero((phase == "search") | (phase == "descent"))
    curve = _curve(trajectory, phase)
    if curve is None and not learned.size:
        return _nothing_learned(trajectory, criterion.name, sample_rate, title)

    panels = _panels(trajectory, learned)
    upper = ALONE if curve is None or not panels else STEPS
    tall = upper + sum(GAP + LENGTHS + LABELS * bool(panel.of) for panel in panels)
    top = TOP + (LEGEND if curve is not None else 0.0)
    figure = new_page(WIDTH, BOTTOM + tall + top)
    lines = []  # values to compare with: the best fixed window or the start, and the bound
    started = value[(phase == "start") & np.isfinite(value)]
    if best_fixed and np.isfinite(criterion.best_fixed):
        lines.append(Line("best single", criterion.best_fixed, COLOURS["table"], "--"))
    elif started.size:
        lines.append(Line("start", float(started[0]), COLOURS["start"], "--"))
    if criterion.table_bound is not None:
        lines.append(Line("best of the table, each part free", criterion.table_bound, INK, ":"))
    direction = "lower" if criterion.direction == "minimize" else "higher"
    better = f"{criterion.name} ({direction} is better)"
    left, wide = LEFT, WIDTH - LEFT - RIGHT
    if curve is not None:
        plain = axes_at(figure, LEFT, BOTTOM, CURVE if learned.size else wide, tall)
        plain.set_ylabel(better, parse_math=False)
        _draw_curve(plain, curve, phase, value, sample_rate)
        _draw_lines(plain, [line for line in lines if line.label not in curve.phases.values()])
        if learned.size and np.isfinite(criterion.final):
            plain.axhline(
                criterion.final, lw=1.4, color=COLOURS["descent"], label="learned", zorder=1.5
            )
        heading_legend(figure, plain, LEFT)
        left, wide = LEFT + CURVE + BETWEEN, wide - CURVE - BETWEEN
    if learned.size:
        bottom = BOTTOM + tall - upper
        first = lowest = axes_at(figure, left, bottom, wide, upper)
        first.set_ylabel(better if curve is None else criterion.name, parse_math=False)
        gains = _gains(phase, value, criterion, lines[0] if lines else None)
        # beside the curve, whose lines they are, they would flatten the steps
        _draw_criterion(first, phase, value, gains, lines if curve is None else [])
        for panel in panels:
            bottom -= GAP + LENGTHS + LABELS * bool(panel.of)
            axes = axes_at(figure, left, bottom, wide, LENGTHS)
            panel_title(axes, panel.title)
            if panel.of:
                _draw_distribution(axes, panel.lengths[-1], sample_rate, panel.of)
                continue
            _draw_spread(axes, learned, panel.lengths, sample_rate, panel.name)
            axes.sharex(first)
            lowest.tick_params(labelbottom=False)
            lowest = axes
        lowest.set_xlabel("Step")
    put_title(figure, title, LEFT)
    return figure


def _curve(trajectory: Trajectory, phase: Phases) -> Curve | None:
    """The curve over single lengths, if more than one was tried."""

    def single(lengths: FloatArray) -> float:
        several = not lengths.size or lengths.max() > lengths.min() * (1 + CHANGE)
        return float("nan") if several else float(lengths.flat[0])

    table = (phase == "table").sum() > 1
    tried = {"search": "search", "start": "start", "descent": "descent"}
    windows = {"table": "fixed windows", "start": "start"} if table else tried
    for name, steps, phases in (
        ("Window length", trajectory.window_lengths, windows),
        ("Hop length", trajectory.hop_lengths, tried),
    ):
        lengths = np.array([single(step) for step in steps])
        shown = lengths[np.isin(phase, list(phases)) & np.isfinite(lengths)]
        if shown.size and shown.max() > shown.min() * (1 + CHANGE):
            return Curve(name, lengths, phases)
    return None


def _panels(trajectory: Trajectory, learned: IntArray) -> list[Panel]:
    """The panels of lengths that differ within a step or between two; a distribution comes last."""
    panels = []
    for name, title, every in (
        ("Length", "Window length", trajectory.window_lengths),
        ("Hop", "Hop length", trajectory.hop_lengths),
    ):
        if not (learned.size and all(lengths.size for lengths in every)):
            continue
        low, _, high = _spread(every)
        if high.max() <= low.min() * (1 + CHANGE):
            continue
        bins = max(v.shape[0] if v.ndim == 2 else 1 for v in every)
        frames = max(v.shape[-1] if v.ndim else 1 for v in every)
        over = "cells" if min(bins, frames) > 1 else "bins" if bins > 1 else "frames"
        lengths = [every[step] for step in learned]
        logs = [np.log(ends) for ends in _spread(lengths)]
        moved, room = max(float(np.ptp(log)) for log in logs), logs[2].max() - logs[0].min()
        if name == "Length" and lengths[-1].size > 1 and room > 0 and moved <= LEVEL * room:
            panels.append(Panel(name, "Window lengths at the last step", lengths, over))
        else:
            title += f": median and range over {over}" if max(bins, frames) > 1 else ""
            panels.append(Panel(name, title, lengths))
    return sorted(panels, key=lambda panel: bool(panel.of))


def _spread(steps: Sequence[FloatArray]) -> FloatArray:
    return np.array([(np.min(v), np.median(v), np.max(v)) for v in steps], dtype=float).T


def _draw_lines(axes: Axes, lines: Sequence[Line]) -> None:
    for line in lines:
        axes.axhline(line.value, lw=1.0, ls=line.style, color=line.colour, label=line.label)
    axes.autoscale(axis="y")


def _draw_curve(
    axes: Axes, curve: Curve, phase: Phases, value: FloatArray, sample_rate: float
) -> None:
    shown = np.isfinite(curve.lengths) & np.isfinite(value)
    lengths = curve.lengths[shown & np.isin(phase, list(curve.phases))]
    unit, unit_name = length_unit(float(lengths.max()), sample_rate)
    for which, label in curve.phases.items():
        chosen = np.flatnonzero(shown & (phase == which))
        if chosen.size:
            order = chosen[np.argsort(curve.lengths[chosen])]
            look: dict[str, Any] = {"color": COLOURS[which], "marker": MARKERS[which]}
            look |= {"ms": 7.0 if which == "start" else 4.5, "label": label}
            look["lw"] = float(which in ("table", "search"))
            axes.plot(curve.lengths[order] * unit, value[order], **look)
    _log_axis(axes, float(lengths.min()) * unit / 1.15, float(lengths.max()) * unit * 1.15)
    axes.set_xlabel(f"{curve.name} ({unit_name})")
    panel_title(axes, f"One {curve.name.lower()} for all frames")
    _value_axis(axes)


def _draw_criterion(
    axes: Axes,
    phase: Phases,
    value: FloatArray,
    gains: Sequence[tuple[str, str]],
    lines: Sequence[Line],
) -> None:
    """The criterion by step; the legend has the gains by phase, and the lines."""
    steps = np.flatnonzero((phase == "search") | (phase == "descent"))
    axes.plot(steps, value[steps], lw=1.0, color="#bbbbbb", zorder=1)
    for which, label in gains:
        at = (phase == which) & np.isfinite(value)
        look: dict[str, Any] = {"ms": 4.5 if steps.size <= FEW else 2.5, "color": COLOURS[which]}
        axes.plot(np.flatnonzero(at), value[at], MARKERS[which], label=label, **look)
    _value_axis(axes)
    _draw_lines(axes, lines)
    low, high = axes.get_ylim()
    least = LEAST_SPAN * max(abs(low), abs(high))
    if high - low < least:  # otherwise the axis shows rounding errors
        axes.set_ylim((low + high - least) / 2, (low + high + least) / 2)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0.0, 1.01)}
    place |= {"borderaxespad": 0, "borderpad": 0.1, "labelspacing": 0.3, "handletextpad": 0.5}
    axes.legend(ncols=2 if lines else 1, handlelength=1.6 if lines else 0.8, **place)
    first, last = float(steps[0]), float(steps[-1])
    room = 1.0 if last - first < 2 else 0.04 * (last - first)
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=FEWEST_TICKS))


def _gains(
    phase: Phases, value: FloatArray, criterion: CriterionSummary, known: Line | None
) -> list[tuple[str, str]]:
    """Each stage, and what it gained over `known` or the stage before, in two digits."""
    reached = {w: value[(phase == w) & np.isfinite(value)] for w in ("search", "descent")}
    stages = [which for which, values in reached.items() if values.size]
    gains = []
    for which in stages:
        now = float((np.min if criterion.direction == "minimize" else np.max)(reached[which]))
        if which == stages[-1] and np.isfinite(criterion.final):
            now = criterion.final
        label = which
        if known is not None:
            gain = now - known.value
            told = f"{number_text(abs(gain), 2)} {'below' if gain < 0 else 'above'}"
            same = abs(gain) <= CHANGE * abs(known.value)
            label = f"{which}: {'equal to' if same else told} {known.label}"
        gains.append((which, label))
        known = Line(f"the {which}", now, "", "")
    return gains


def _draw_spread(
    axes: Axes, x: IntArray, steps: Sequence[FloatArray], sample_rate: float, name: str
) -> None:
    low, median, high = _spread(steps)
    ends, colour = (float(low.min()), float(high.max())), COLOURS["descent"]
    unit = length_axis(axes, *ends, sample_rate, name, samples=False)
    if x.size > 1:
        axes.fill_between(x, low * unit, high * unit, color=colour, alpha=0.2, lw=0)
    if x.size <= FEW:
        axes.vlines(x, low * unit, high * unit, color=colour, lw=1.0, alpha=0.5)
    axes.plot(x, median * unit, "-o", ms=4 if x.size <= FEW else 0, lw=1.2, color=colour)


def _draw_distribution(axes: Axes, lengths: FloatArray, sample_rate: float, of: str) -> None:
    unit, unit_name = length_unit(float(lengths.max()), sample_rate)
    first, last = float(lengths.min()) * unit / 1.1, float(lengths.max()) * unit * 1.1
    edges = np.geomspace(first, last, BARS + 1)
    counts, _ = np.histogram(lengths.ravel() * unit, edges)
    axes.stairs(100 * counts / lengths.size, edges, fill=True, color=COLOURS["descent"], alpha=0.7)
    _log_axis(axes, first, last)
    axes.set_xlabel(f"Window length ({unit_name})")
    axes.set_ylabel(f"{of.capitalize()} (%)")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, min_n_ticks=FEWEST_TICKS))
    axes.set_ylim(0)
    axes.grid(axis="y")


def _log_axis(axes: Axes, first: float, last: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(first, last)
    put_ticks(axes.xaxis, length_ticks(first, last, log=last > LOG_ABOVE * first))


def _value_axis(axes: Axes) -> None:
    if max(np.abs(axes.get_ylim())) < SMALL:
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:.6g}")
    else:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=6, min_n_ticks=FEWEST_TICKS))
    axes.margins(y=0.12)
    axes.grid(axis="y")


def _nothing_learned(
    trajectory: Trajectory, criterion_name: str, sample_rate: float, title: str
) -> Figure:
    figure = new_page(WIDTH, 1.2)
    lengths, value = trajectory.window_lengths[-1], float(trajectory.criterion[-1])
    window = describe_length(float(lengths.min()), sample_rate)
    said = (
        f"Nothing was learned: {criterion_name} {number_text(value, 6)} with a window of {window}."
    )
    figure.text(LEFT / WIDTH, 0.3, said, va="center", parse_math=False)
    put_title(figure, title, LEFT)
    return figure
