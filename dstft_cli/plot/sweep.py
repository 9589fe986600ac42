"""The pictures of `dstft sweep` and `dstft reproduce`.

A sweep has one panel a criterion, all on the same axes of window length and loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from dstft_cli.plot.axes import (
    describe_length,
    length_ticks,
    length_unit,
    put_ticks,
    sample_ticks,
    time_axis,
)
from dstft_cli.plot.style import (
    COLOURS,
    INK,
    PLAIN,
    WIDTH,
    axes_at,
    heading_legend,
    new_page,
    panel_title,
    put_title,
    render,
    styled,
)
from dstft_cli.records import GOOD_ENOUGH, USUAL_LENGTH, FloatArray, Sweep, SweepCurve
from dstft_cli.settings import Settings

LEFT, RIGHT, BOTTOM = 0.8, 0.2, 0.62  # margins, inches
ABOVE, ROW_APART, BETWEEN = 1.42, 0.42, 0.5  # top margin, between rows, between columns of a sweep
TALL, SHORT = 3.4, 1.35  # height of a panel that is alone, and of one of several
GOOD = "#cfe8d5"
EDGE = 1.06  # room beside the shortest and the longest length
UNDER_AXIS = 38  # of a title above the axis in time, points
UPPER, LOWER, GAP = 3.1, 1.9, 0.62  # heights of panels and the gaps between them, inches
ALONE = 3.6  # of a panel without one below
TOP = 0.86  # margin
SIGNAL, ROW, ROW_GAP = 0.9, 0.42, 0.34  # heights of the signal and of the frames of one case
FOUND = {
    "constant": "#2f6db3",
    "time": "#e08214",
    "frequency": "#4d9221",
    "time-frequency": "#b5367a",
}
CROWDED = (24, 96, 192)  # lengths of a grid without a label


def draw_sweep(
    sweep: Sweep, *, title: str, look: Settings, quartiles: FloatArray | None = None
) -> bytes:
    return render(sweep_figure(sweep, title=title, look=look, quartiles=quartiles), look=look)


@styled
def sweep_figure(
    sweep: Sweep, *, title: str, look: Settings = PLAIN, quartiles: FloatArray | None = None
) -> Figure:
    """Loss against window length, in samples and time, a panel for each criterion, on shared axes.

    `quartiles` `[K, 3, M]` of the losses of several recordings, whose mean the curves are, lie behind.
    """
    columns = 1 if len(sweep.curves) == 1 else 2
    rows = -(-len(sweep.curves) // columns)
    tall = TALL if rows == 1 else SHORT
    height = ABOVE + rows * tall + (rows - 1) * ROW_APART + BOTTOM
    figure = new_page(WIDTH, height)
    width = (WIDTH - LEFT - RIGHT - (columns - 1) * BETWEEN) / columns
    tops = [c.spread for c in sweep.curves]
    if quartiles is not None:
        tops = [max(top, float(own[2].max())) for top, own in zip(tops, quartiles, strict=True)]
    highest = max((t for c, t in zip(sweep.curves, tops, strict=True) if c.in_nats), default=0.0)
    for number, curve in enumerate(sweep.curves):
        row, column = divmod(number, columns)
        bottom = height - ABOVE - (row + 1) * tall - row * ROW_APART
        axes = axes_at(figure, LEFT + column * (width + BETWEEN), bottom, width, tall)
        if quartiles is not None:
            low, _, high = quartiles[number]
            behind: dict[str, Any] = {"color": COLOURS["table"], "alpha": 0.2, "lw": 0}
            behind |= {"label": "half of the recordings", "zorder": 1.5}  # above what is as good
            axes.fill_between(curve.lengths, low, high, **behind)
        _draw_curve(axes, curve, highest if curve.in_nats else tops[number])
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
    blue, m = COLOURS["table"], curve.minimum
    axes.axvspan(*curve.good_lengths, color=GOOD, lw=0, label=f"within {GOOD_ENOUGH:g} of the best")
    if curve.at(USUAL_LENGTH) is not None:
        axes.axvline(USUAL_LENGTH, lw=1.0, ls="--", color=COLOURS["start"], label="2048, the usual")
    finite = np.where(np.isfinite(curve.losses), curve.losses, np.nan)
    axes.plot(curve.lengths, finite, "-o", ms=3, lw=1.2, color=blue, label="fixed windows")
    at = curve.lengths[m], curve.losses[m]
    axes.plot(*at, "o", ms=7, mfc="none", mew=1.4, color=blue, label="minimum")
    look: dict[str, Any] = {"ms": 6, "color": COLOURS["descent"], "clip_on": False}
    axes.plot(curve.best_length, 0.0, "D", label="best length", **look)
    top = max(highest, 1e-3) * 1.08
    axes.set_ylim(-0.06 * top, top)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    axes.grid(axis="y")


def _length_axes(axes: Axes, sweep: Sweep, *, first: bool, last: bool) -> None:
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


@styled
def grid_figure(
    panels: Mapping[str, Mapping[str, Any]],
    *,
    title: str,
    score: str,
    spread: str,
    logarithmic: bool,
) -> bytes:
    """One column per title: scores over window lengths above, learned lengths over steps below."""
    figure = new_page(WIDTH, BOTTOM + LOWER + GAP + UPPER + TOP)
    for (name, figures), (left, width) in zip(panels.items(), _columns(len(panels)), strict=True):
        upper = axes_at(figure, left, BOTTOM + LOWER + GAP, width, UPPER)
        panel_title(upper, name)
        _scores(upper, figures, spread, logarithmic)
        _lengths(axes_at(figure, left, BOTTOM, width, LOWER), figures)
    figure.axes[0].set_ylabel(score)
    figure.axes[1].set_ylabel("Learned length (samples)")
    heading_legend(figure, figure.axes[0], LEFT)
    put_title(figure, title, LEFT)
    return render(figure)


@styled
def windows_figure(panels: Mapping[str, tuple[Mapping[int, float], Mapping[str, float]]]) -> bytes:
    """One column per title: the criterion by window length, samples, and a line for each window mode."""
    figure = new_page(WIDTH, BOTTOM + ALONE + TOP)
    columns = _columns(len(panels))
    for (name, (values, finals)), (left, width) in zip(panels.items(), columns, strict=True):
        axes = axes_at(figure, left, BOTTOM, width, ALONE)
        lengths = list(values)
        axes.plot(lengths, list(values.values()), color=INK, lw=1.2, label="every whole length")
        for mode, final in finals.items():
            if mode != "fixed":  # its start, a point of the curve
                axes.axhline(final, color=FOUND[mode], lw=1.4, ls="--", label=mode)
        axes.set_xlim(lengths[0], lengths[-1])
        axes.set_xlabel("Window length (samples)")
        panel_title(axes, name)
    figure.axes[0].set_ylabel("Entropy (nats; lower is better)")
    heading_legend(figure, figure.axes[0], LEFT)
    put_title(figure, "Learned windows, and every whole window length", LEFT)
    return render(figure)


@styled
def hops_figure(
    rows: Mapping[str, tuple[FloatArray, FloatArray]],
    changes: NDArray[np.integer[Any]],
    signal: NDArray[np.floating[Any]],
    sample_rate: float,
) -> bytes:
    """The signal, and below it the windows of each case; lines mark the transitions.

    A case has the centres and window lengths of its frames, samples, `[T]`.
    """
    left, wide, top = 0.4, WIDTH - 0.6, 0.5
    bottom = BOTTOM + len(rows) * (ROW + ROW_GAP)
    figure = new_page(WIDTH, bottom + SIGNAL + top)
    axes = axes_at(figure, left, bottom, wide, SIGNAL)
    axes.plot(np.arange(len(signal)) / sample_rate, signal, color=INK, lw=0.3)
    u = np.linspace(-0.5, 0.5, 61)
    hann = 0.5 + 0.5 * np.cos(2 * np.pi * u)
    for title, (centers, lengths) in rows.items():
        bottom -= ROW + ROW_GAP
        axes = axes_at(figure, left, bottom, wide, ROW)
        at = (centers + u[:, None] * lengths) / sample_rate
        axes.plot(at, np.broadcast_to(hann[:, None], at.shape), color=COLOURS["table"], lw=0.8)
        axes.set_ylim(0, 1.05)
        panel_title(axes, title)
    for axes in figure.axes:
        axes.set_yticks([])
        time_axis(axes, 0.0, len(signal) / sample_rate, label=axes is figure.axes[-1])
        for change in changes:
            axes.axvline(change / sample_rate, color=COLOURS["descent"], lw=1.0, ls="--")
    put_title(figure, "Six tones, where they change, and the windows of each case", left)
    return render(figure)


def _columns(count: int) -> list[tuple[float, float]]:
    width = (WIDTH - LEFT - RIGHT - GAP * (count - 1)) / count
    return [(LEFT + number * (width + GAP), width) for number in range(count)]


def _scores(axes: Axes, figures: Mapping[str, Any], spread: str, logarithmic: bool) -> None:
    fixed = figures["fixed"]
    lengths = [entry["win_length"] for entry in fixed]

    def plot(at: Sequence[float], entries: Sequence[Mapping[str, Any]], **look: Any) -> None:
        """With error bars; none for a single seed."""
        bars = np.transpose([np.broadcast_to(entry[spread], 2) for entry in entries])
        bars = np.where(np.isfinite(bars), bars, 0.0)  # below and above
        means = [entry["mean"] for entry in entries]
        axes.errorbar(at, means, yerr=bars, lw=1.2, capsize=3, **look)

    look: dict[str, Any] = {"color": COLOURS["table"], "marker": "o", "ms": 4}
    plot(lengths, fixed, label="fixed, one training each", **look)
    for name, phase, label in (
        ("joint", "descent", "learned with the network"),
        ("frozen", "search", "learned by optimize, then fixed"),
    ):
        if name in figures:
            found = figures[name]
            at = float(np.exp(np.mean(np.log(found["win_lengths"]))))
            look = {"color": COLOURS[phase], "marker": "*", "ms": 12, "zorder": 5}
            plot([at], [found], label=label, **look)
    axes.set_xscale("log")
    if logarithmic:
        axes.set_yscale("log")
        put_ticks(axes.yaxis, length_ticks(*axes.get_ylim(), log=True))
    put_ticks(axes.xaxis, [place for place in lengths if place not in CROWDED] or lengths)
    axes.set_xlabel("Window length (samples)")


def _lengths(axes: Axes, figures: Mapping[str, Any]) -> None:
    joint = figures["joint"]["trajectories"]
    for number, lengths in enumerate(joint):
        axes.plot(lengths, color=COLOURS["descent"], lw=0.9, alpha=0.5 + 0.5 / (1 + number))
    best = figures["best_fixed_win_length"]
    axes.axhline(best, color=COLOURS["table"], lw=1.2, ls="--")
    axes.set_yscale("log")
    places = [entry["win_length"] for entry in figures["fixed"]]
    axes.set_ylim(0.85 * min(places), 1.15 * max(places))
    put_ticks(axes.yaxis, places[::2])
    axes.set_xlim(0, len(joint[0]) - 1)
    axes.set_xlabel("Step (dashed: the grid's best)")
