"""The picture of a fit: every plain window tried, then the steps of search and descent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dstft_cli.plot.lengths import describe_length, length_unit
from dstft_cli.plot.scale import FloatArray
from dstft_cli.plot.steps import (
    Line,
    Phases,
    draw_distribution,
    draw_spread,
    draw_steps,
    is_level,
    keep_from_rounding,
    log_axis,
    say_gain,
    spread,
    spread_over,
    step_axis,
    value_axis,
)
from dstft_cli.plot.style import COLOURS, INK, MARKERS, axes_at, panel_title, put_title, styled
from dstft_cli.records import Trajectory
from dstft_cli.settings.length import number_text

WIDTH, LEFT, RIGHT, BOTTOM = 10.0, 1.1, 0.2, 0.62  # of the figure and its margins, inches
TOP, LEGEND = 0.76, 0.3  # above the panels: the heading, and more for a legend of all
CURVE, BETWEEN = 3.85, 1.1  # width of the panel at the left, and between that and the others
STEPS, ALONE, LENGTHS = 1.64, 2.3, 1.5  # heights of the steps beside and without it, of others
GAP, LABELS = 0.48, 0.42  # between these, and more under an axis with labels
CHANGE = 1e-6  # lengths that differ by no more than this share are one length


class Curve(NamedTuple):
    """Steps with one window length, or one hop length, for all frames.

    Attributes:
        name: of the quantity, such as `Window length`.
        lengths: samples, NaN at steps of several, [S].
        phases: what is drawn, and under which name.
    """

    name: str
    lengths: FloatArray
    phases: dict[str, str]


class Panel(NamedTuple):
    """Lengths below the criterion.

    Attributes:
        name: of the quantity, `Length` or `Hop`.
        title: of the panel.
        lengths: samples, of each learned step.
        of: what the lengths of the last step are for, `frames`, `bins` or `cells`, where their
            distribution is drawn; else empty.
    """

    name: str
    title: str
    lengths: Sequence[FloatArray]
    of: str = ""

    @property
    def gap(self) -> float:
        """To the panel above, inches."""
        return GAP + LABELS if self.of else GAP


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

    At the left stand the plain windows that were tried, or the plain hops where those were; at the
    right the criterion by step and the lengths that were learned, or, where these hardly change from step
    to step, how they are distributed at the last. A side without anything to show is left out.

    Args:
        trajectory: of one step or more.
        criterion_name: for the axis, such as `entropy`.
        direction: `minimize` or `maximize`.
        sample_rate: Hz.
        best_fixed: criterion of the best single window length; None where none was looked for.
        table_bound: what no assignment of the tabulated lengths improves on; None: not drawn.
        title: any text, shown as it is.
        final: criterion of the learned parameters; None: that of the last finite step of search
            or descent.

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
    curve = _curve(trajectory, phase)
    if curve is None and not learned.any():
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
        plain = axes_at(figure, LEFT, BOTTOM, CURVE if learned.any() else wide, tall)
        plain.set_ylabel(better, parse_math=False)
        _draw_curve(plain, curve, phase, value, sample_rate)
        for line in lines:
            line.draw(plain, named=line.label not in curve.phases.values())
        if final is not None and np.isfinite(final):
            plain.axhline(final, lw=1.4, color=COLOURS["descent"], label="learned", zorder=1.5)
        _legend_of_all(figure, plain)
        left, wide = LEFT + CURVE + BETWEEN, wide - CURVE - BETWEEN
    if learned.any():
        bottom = BOTTOM + tall - upper
        steps = axes_at(figure, left, bottom, wide, upper)
        steps.set_ylabel(better if curve is None else criterion_name, parse_math=False)
        x = np.asarray(trajectory.evaluations)[learned]
        _draw_criterion(steps, phase[learned], x, value[learned], final, lines, curve, direction)
        lowest = steps
        for panel in panels:
            bottom -= panel.gap + LENGTHS
            axes = axes_at(figure, left, bottom, wide, LENGTHS)
            panel_title(axes, panel.title)
            if panel.of:
                draw_distribution(axes, panel.lengths[-1], sample_rate, panel.of)
                continue
            draw_spread(axes, x, panel.lengths, sample_rate, panel.name)
            axes.sharex(steps)
            lowest.tick_params(labelbottom=False)
            lowest = axes
        lowest.set_xlabel("Transforms computed")
    put_title(figure, title, LEFT)
    return figure


def _draw_criterion(
    axes: Axes,
    phase: Phases,
    x: FloatArray,
    value: FloatArray,
    final: float | None,
    lines: Sequence[Line],
    curve: Curve | None,
    direction: str,
) -> None:
    """The criterion by step, with names for what has none in the legend of the curve."""
    draw_steps(axes, phase, x, value)
    for line in lines:
        line.draw(axes, named=curve is None)
    keep_from_rounding(axes)
    if final is not None and np.isfinite(final):
        say_gain(axes, phase, value, final, lines, direction)
    stages = [stage for stage in ("search", "descent") if stage in phase]
    panel_title(axes, " and ".join(stages).capitalize())
    if curve is None or "search" not in curve.phases:
        axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=5, borderaxespad=0.1)
    step_axis(axes, x)


def _panels(trajectory: Trajectory, learned: NDArray[np.bool_]) -> list[Panel]:
    """What was learned beside the criterion; a distribution comes last."""
    chosen = np.flatnonzero(learned)
    panels = []
    for name, title, every in (
        ("Length", "Window length", trajectory.window_lengths),
        ("Hop", "Hop length", trajectory.hop_lengths),
    ):
        if not chosen.size or not _changes(every):
            continue
        lengths, over = [every[step] for step in chosen], spread_over(every)
        if name == "Length" and is_level(lengths):
            panels.append(Panel(name, "Window lengths at the last step", lengths, over))
        else:
            title += f": median and range over {over}" if over else ""
            panels.append(Panel(name, title, lengths))
    return sorted(panels, key=lambda panel: bool(panel.of))


def _changes(steps: Sequence[FloatArray]) -> bool:
    """Whether lengths differ, within a step or between two; a frame that stands alone has no hop."""
    given = [lengths for lengths in steps if lengths.size]
    if not given:
        return False
    low, _, high = spread(given)
    return len(given) == len(steps) and bool(high.max() > low.min() * (1 + CHANGE))


def _curve(trajectory: Trajectory, phase: Phases) -> Curve | None:
    """What was tried for all frames alike, if that is more than one length."""
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
    """The one length, samples, of all frames; NaN where there are several or none."""
    if not lengths.size or lengths.max() > lengths.min() * (1 + CHANGE):
        return float("nan")
    return float(lengths.flat[0])


def _lines(
    phase: Phases, value: FloatArray, best_fixed: float | None, table_bound: float | None
) -> list[Line]:
    """What the learned value is compared with: the best fixed window, else the start; the bound."""
    started = value[(phase == "start") & np.isfinite(value)]
    lines = []
    if best_fixed is not None and np.isfinite(best_fixed):
        lines.append(Line("best fixed", best_fixed, COLOURS["table"], "--"))
    elif started.size:
        lines.append(Line("start", float(started[0]), COLOURS["start"], "--"))
    if table_bound is not None:
        lines.append(Line("proved bound", table_bound, INK, ":"))
    return lines


def _draw_curve(
    axes: Axes, curve: Curve, phase: Phases, value: FloatArray, sample_rate: float
) -> None:
    """The criterion against one length for all frames, and what the axis is."""
    shown = np.isfinite(curve.lengths) & np.isfinite(value)
    unit, unit_name = length_unit(float(curve.lengths[shown].max()), sample_rate)
    drawn = []
    for which, label in curve.phases.items():
        chosen = np.flatnonzero(shown & (phase == which))
        order = chosen[np.argsort(curve.lengths[chosen])]
        if not order.size:
            continue
        drawn.append(curve.lengths[order] * unit)
        axes.plot(
            drawn[-1],
            value[order],
            color=COLOURS[which],
            marker=MARKERS[which],
            ms=7 if which == "start" else 4.5,
            lw=1.0 if which in ("table", "search") else 0,
            label=label,
        )
    lengths = np.concatenate(drawn)
    log_axis(axes, float(lengths.min()) / 1.15, float(lengths.max()) * 1.15)
    axes.set_xlabel(f"{curve.name} ({unit_name})")
    panel_title(axes, f"One {curve.name.lower()} for all frames")
    value_axis(axes)


def _legend_of_all(figure: Figure, axes: Axes) -> None:
    """The legend of the axes in one line under the heading."""
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(LEFT / WIDTH, 1 - 0.4 / figure.get_figheight()),
        borderaxespad=0.0,
        borderpad=0.0,
        ncols=7,
        columnspacing=1.4,
        handletextpad=0.5,
    )


def _nothing_learned(
    trajectory: Trajectory, criterion_name: str, sample_rate: float, title: str
) -> Figure:
    """The value of the one transform there is, in words."""
    figure = Figure(figsize=(WIDTH, 1.2))
    lengths, value = trajectory.window_lengths[-1], float(trajectory.criterion[-1])
    window = describe_length(float(lengths.min()), sample_rate)
    figure.text(
        LEFT / WIDTH,
        0.3,
        f"Nothing was learned: {criterion_name} {number_text(value, 6)} with a window of {window}.",
        va="center",
        parse_math=False,
    )
    put_title(figure, title, LEFT)
    return figure
