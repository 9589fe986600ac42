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
    COLOURS,
    FEWEST_TICKS,
    INK,
    LOG_ABOVE,
    MARKERS,
    WIDTH,
    axes_at,
    describe_length,
    heading_legend,
    length_ticks,
    length_unit,
    panel_title,
    put_legend,
    put_ticks,
    put_title,
    styled,
)
from dstft_cli.plot.pixels import FloatArray
from dstft_cli.records import Trajectory
from dstft_cli.settings.length import number_text

Phases = NDArray[np.str_]

LEFT, RIGHT, BOTTOM = 1.1, 0.2, 0.62  # margins, inches
TOP, LEGEND = 0.76, 0.3  # above the panels: the heading, and more for a legend of all
CURVE, BETWEEN = 3.85, 1.1  # width of the panel at the left, and between that and the others
STEPS, ALONE, LENGTHS = 1.64, 2.3, 1.5  # heights of the steps beside and without it, of others
GAP, LABELS = 0.48, 0.42  # between these, and more under an axis with labels
CHANGE = 1e-6  # lengths that differ by no more than this share are one length
FLAT = 0.05  # steps that cover less of the axis are described in words
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

    def draw(self, axes: Axes, *, named: bool) -> None:
        """Across the axes; with its label for a legend where it is named."""
        label = self.label if named else None
        axes.axhline(self.value, lw=1.0, ls=self.style, color=self.colour, label=label)
        axes.autoscale(axis="y")


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

    @property
    def gap(self) -> float:
        """To the panel above, inches."""
        return GAP + LABELS if self.of else GAP


class Steps(NamedTuple):
    """The learned steps: their phases, transforms computed, criterion, [S], and its final value."""

    phase: Phases
    x: FloatArray
    value: FloatArray
    final: float | None

    @property
    def shows_final(self) -> bool:
        return self.final is not None and bool(np.isfinite(self.final))


@styled
def trajectory_figure(
    trajectory: Trajectory,
    *,
    criterion_name: str,
    direction: str,
    sample_rate: float,
    best_fixed: float | None,
    table_bound: float | None,
    title: str,
    final: float | None = None,
) -> Figure:
    """Criterion against one length for all frames (left); criterion and lengths by step (right).

    Left: the single windows or hops that were tried. Right: the criterion by step and the learned lengths,
    or, if these hardly change, their distribution at the last step. An empty side is left out.

    Args:
        trajectory: of one step or more.
        criterion_name: for the axis, such as `entropy`.
        direction: `minimize` or `maximize`.
        sample_rate: Hz.
        best_fixed: criterion of the best single window length, or None.
        table_bound: bound of the criterion for tabulated lengths; None: not drawn.
        title: any text, shown as it is.
        final: criterion of the learned parameters; None: that of the last finite learned step.

    Raises:
        ValueError: a trajectory without steps.
    """
    if not len(trajectory):
        raise ValueError("a trajectory without steps")
    phase = np.array(trajectory.phase)
    value = np.asarray(trajectory.criterion, dtype=np.float64)
    learned = (phase == "search") | (phase == "descent")
    if final is None:
        finite = value[learned & np.isfinite(value)]
        final = float(finite[-1]) if finite.size else None
    x = np.asarray(trajectory.evaluations)[learned]
    steps = Steps(phase[learned], x, value[learned], final)
    curve = _curve(trajectory, phase)
    if curve is None and not x.size:
        return _nothing_learned(trajectory, criterion_name, sample_rate, title)

    panels = _panels(trajectory, learned)
    upper = ALONE if curve is None or not panels else STEPS
    tall = upper + sum(panel.gap + LENGTHS for panel in panels)
    top = TOP + (LEGEND if curve is not None else 0.0)
    figure = Figure(figsize=(WIDTH, BOTTOM + tall + top))
    lines = _lines(phase, value, best_fixed, table_bound)
    better = f"{criterion_name} ({'lower' if direction == 'minimize' else 'higher'} is better)"
    left, wide = LEFT, WIDTH - LEFT - RIGHT
    if curve is not None:
        plain = axes_at(figure, LEFT, BOTTOM, CURVE if x.size else wide, tall)
        plain.set_ylabel(better, parse_math=False)
        _draw_curve(plain, curve, phase, value, sample_rate)
        for line in lines:
            line.draw(plain, named=line.label not in curve.phases.values())
        if final is not None and steps.shows_final:
            plain.axhline(final, lw=1.4, color=COLOURS["descent"], label="learned", zorder=1.5)
        heading_legend(figure, plain, LEFT)
        left, wide = LEFT + CURVE + BETWEEN, wide - CURVE - BETWEEN
    if x.size:
        bottom = BOTTOM + tall - upper
        first, below = axes_at(figure, left, bottom, wide, upper), []
        for panel in panels:
            bottom -= panel.gap + LENGTHS
            below.append(axes_at(figure, left, bottom, wide, LENGTHS))
        first.set_ylabel(better if curve is None else criterion_name, parse_math=False)
        _draw_criterion(first, steps, lines, curve)
        _draw_panels(first, panels, x, sample_rate, below)
    put_title(figure, title, LEFT)
    return figure


def _curve(trajectory: Trajectory, phase: Phases) -> Curve | None:
    """The curve over single lengths, if more than one was tried."""
    table = (phase == "table").sum() > 1
    tried = {"search": "search", "start": "start", "descent": "descent"}
    windows = {"table": "fixed windows", "start": "start"} if table else tried
    for name, steps, phases in (
        ("Window length", trajectory.window_lengths, windows),
        ("Hop length", trajectory.hop_lengths, tried),
    ):
        lengths = np.array([_single(step) for step in steps])
        shown = lengths[np.isin(phase, list(phases)) & np.isfinite(lengths)]
        if shown.size and shown.max() > shown.min() * (1 + CHANGE):
            return Curve(name, lengths, phases)
    return None


def _single(lengths: FloatArray) -> float:
    """The single length of all frames, samples; NaN if there are several or none."""
    if not lengths.size or lengths.max() > lengths.min() * (1 + CHANGE):
        return float("nan")
    return float(lengths.flat[0])


def _panels(trajectory: Trajectory, learned: NDArray[np.bool_]) -> list[Panel]:
    """The panels of learned lengths; a distribution comes last."""
    chosen = np.flatnonzero(learned)
    panels = []
    for name, title, every in (
        ("Length", "Window length", trajectory.window_lengths),
        ("Hop", "Hop length", trajectory.hop_lengths),
    ):
        if not chosen.size or not _changes(every):
            continue
        lengths, over = [every[step] for step in chosen], _spread_over(every)
        if name == "Length" and _is_level(lengths):
            panels.append(Panel(name, "Window lengths at the last step", lengths, over))
        else:
            title += f": median and range over {over}" if over else ""
            panels.append(Panel(name, title, lengths))
    return sorted(panels, key=lambda panel: bool(panel.of))


def _changes(steps: Sequence[FloatArray]) -> bool:
    """Whether lengths differ within a step or between two steps."""
    if not all(lengths.size for lengths in steps):
        return False
    low, _, high = _spread(steps)
    return bool(high.max() > low.min() * (1 + CHANGE))


def _spread(steps: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Smallest, median and largest length of each step, samples, each [S]."""
    rows = [(float(np.min(v)), float(np.median(v)), float(np.max(v))) for v in steps]
    low, median, high = np.array(rows).T
    return low, median, high


def _is_level(steps: Sequence[FloatArray]) -> bool:
    """Whether lengths that vary within a step hardly change from step to step."""
    curves = [np.log(curve) for curve in _spread(steps)]
    room = float(curves[2].max() - curves[0].min())
    moved = max(float(np.ptp(curve)) for curve in curves)
    return steps[-1].size > 1 and room > 0 and moved <= LEVEL * room


def _spread_over(steps: Sequence[FloatArray]) -> str:
    """The unit of lengths of steps, [B, n] or [n] each: `frames`, `bins`, `cells`; empty for one length."""
    bins = max(v.shape[0] if v.ndim == 2 else 1 for v in steps)
    frames = max(v.shape[-1] if v.ndim else 1 for v in steps)
    if bins == frames == 1:
        return ""
    return "frames" if bins == 1 else "bins" if frames == 1 else "cells"


def _lines(
    phase: Phases, value: FloatArray, best_fixed: float | None, table_bound: float | None
) -> list[Line]:
    """Values to compare with: the best fixed window or the start, and the bound."""
    started = value[(phase == "start") & np.isfinite(value)]
    lines = []
    if best_fixed is not None and np.isfinite(best_fixed):
        lines.append(Line("best fixed", best_fixed, COLOURS["table"], "--"))
    elif started.size:
        lines.append(Line("start", float(started[0]), COLOURS["start"], "--"))
    if table_bound is not None:
        lines.append(Line("bound of the table", table_bound, INK, ":"))
    return lines


def _draw_curve(
    axes: Axes, curve: Curve, phase: Phases, value: FloatArray, sample_rate: float
) -> None:
    """Draws the criterion against one length for all frames."""
    shown = np.isfinite(curve.lengths) & np.isfinite(value)
    unit, unit_name = length_unit(float(curve.lengths[shown].max()), sample_rate)
    drawn = []
    for which, label in curve.phases.items():
        chosen = np.flatnonzero(shown & (phase == which))
        order = chosen[np.argsort(curve.lengths[chosen])]
        if not order.size:
            continue
        drawn.append(curve.lengths[order] * unit)
        size, width = (7.0 if which == "start" else 4.5), float(which in ("table", "search"))
        look: dict[str, Any] = {
            "color": COLOURS[which],
            "marker": MARKERS[which],
            "ms": size,
            "lw": width,
        }
        axes.plot(drawn[-1], value[order], label=label, **look)
    lengths = np.concatenate(drawn)
    _log_axis(axes, float(lengths.min()) / 1.15, float(lengths.max()) * 1.15)
    axes.set_xlabel(f"{curve.name} ({unit_name})")
    panel_title(axes, f"One {curve.name.lower()} for all frames")
    _value_axis(axes)


def _draw_criterion(axes: Axes, steps: Steps, lines: Sequence[Line], curve: Curve | None) -> None:
    """The criterion by step, with names for what has none in the legend of the curve."""
    x, value = steps.x, steps.value
    axes.plot(x, np.where(np.isfinite(value), value, np.nan), lw=1.0, color="#bbbbbb", zorder=1)
    size = 4.5 if x.size <= FEW else 2.5
    for which, colour in COLOURS.items():
        chosen = (steps.phase == which) & np.isfinite(value)
        if chosen.any():
            axes.plot(x[chosen], value[chosen], MARKERS[which], ms=size, color=colour, label=which)
    _value_axis(axes)
    for line in lines:
        line.draw(axes, named=curve is None)
    low, high = axes.get_ylim()
    least = LEAST_SPAN * max(abs(low), abs(high))
    if high - low < least:  # otherwise the axis shows rounding errors
        axes.set_ylim((low + high - least) / 2, (low + high + least) / 2)
    if steps.shows_final and lines:
        _say_gain(axes, steps, lines)
    stages = [stage for stage in ("search", "descent") if stage in steps.phase]
    panel_title(axes, " and ".join(stages).capitalize())
    if curve is None or "search" not in curve.phases:
        put_legend(axes, columns=5)
    first, last = float(x.min()), float(x.max())
    room = 1.0 if last - first < 2 else 0.04 * (last - first)
    axes.set_xlim(first - room, last + room)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=7, min_n_ticks=FEWEST_TICKS))


def _say_gain(axes: Axes, steps: Steps, lines: Sequence[Line]) -> None:
    """Writes the distance from the first line beside steps that look level."""
    low, high = axes.get_ylim()
    final, seen = float(steps.final or 0.0), steps.value[np.isfinite(steps.value)]
    if not seen.size or float(np.ptp(seen)) > FLAT * (high - low):
        return
    gain = final - lines[0].value
    side = f"{number_text(abs(gain), 2)} {'below' if gain < 0 else 'above'}"
    places = [low, high, *(line.value for line in lines)]
    above = min((place - final for place in places if place > final), default=0.0)
    below = min((final - place for place in places if place < final), default=0.0)
    up = above > below
    look: dict[str, Any] = {"ha": "right", "va": "bottom" if up else "top", "fontsize": "small"}
    look |= {"xycoords": axes.get_yaxis_transform(), "textcoords": "offset points", "color": INK}
    text = f"{side if gain else 'equal to'} {lines[0].label}"
    axes.annotate(text, (1.0, final), xytext=(-6, 5 if up else -5), **look)


def _draw_panels(
    first: Axes, panels: Sequence[Panel], x: FloatArray, sample_rate: float, below: Sequence[Axes]
) -> None:
    """Draws the lengths below the criterion."""
    lowest = first
    for panel, axes in zip(panels, below, strict=True):
        panel_title(axes, panel.title)
        if panel.of:
            _draw_distribution(axes, panel.lengths[-1], sample_rate, panel.of)
            continue
        _draw_spread(axes, x, panel.lengths, sample_rate, panel.name)
        axes.sharex(first)
        lowest.tick_params(labelbottom=False)
        lowest = axes
    lowest.set_xlabel("Transforms computed")


def _draw_spread(
    axes: Axes, x: FloatArray, steps: Sequence[FloatArray], sample_rate: float, name: str
) -> None:
    """Low, median and high lengths, samples, over the transforms computed, [S]."""
    low, median, high = _spread(steps)
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


def _draw_distribution(axes: Axes, lengths: FloatArray, sample_rate: float, of: str) -> None:
    """Draws the share of frames, bins or cells over window length, samples."""
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
    """A logarithmic horizontal axis from `first` to `last`, of any unit of length."""
    axes.set_xscale("log")
    axes.set_xlim(first, last)
    put_ticks(axes.xaxis, length_ticks(first, last, log=last > LOG_ABOVE * first))


def _value_axis(axes: Axes) -> None:
    """Plain numbers, without an offset or a power beside the axis."""
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
    """The value of the one transform there is, in words."""
    figure = Figure(figsize=(WIDTH, 1.2))
    lengths, value = trajectory.window_lengths[-1], float(trajectory.criterion[-1])
    window = describe_length(float(lengths.min()), sample_rate)
    said = (
        f"Nothing was learned: {criterion_name} {number_text(value, 6)} with a window of {window}."
    )
    figure.text(LEFT / WIDTH, 0.3, said, va="center", parse_math=False)
    put_title(figure, title, LEFT)
    return figure
