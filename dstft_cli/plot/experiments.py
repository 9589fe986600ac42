"""The pictures of `dstft reproduce`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, NullLocator
from numpy.typing import NDArray

from dstft_cli.plot.lengths import length_ticks, put_ticks
from dstft_cli.plot.style import (
    COLOURS,
    INK,
    axes_at,
    fixed_ticks,
    panel_title,
    put_title,
    render,
    styled,
    time_axis,
)

WIDTH, PANEL, GAP = 10.0, 3.1, 0.62  # inches
LEFT, BOTTOM, TOP = 0.8, 0.62, 0.86
FOUND = {
    "constant": "#2f6db3",
    "time": "#e08214",
    "frequency": "#4d9221",
    "time-frequency": "#b5367a",
}
ROW = 0.42  # of the frames of one case, inches


@dataclass(frozen=True)
class GridPanel:
    """Scores over window lengths.

    Attributes:
        title: of the panel.
        figures: `fixed`, `joint` and perhaps `frozen`, as an experiment records them.
    """

    title: str
    figures: Mapping[str, Any]


@dataclass(frozen=True)
class WindowsPanel:
    """A criterion over whole window lengths, and what each mode reached.

    Attributes:
        title: of the panel.
        lengths: samples.
        values: of the criterion.
        finals: by window mode.
    """

    title: str
    lengths: Sequence[int]
    values: Sequence[float]
    finals: Mapping[str, float]


@dataclass(frozen=True)
class FramesRow:
    """Where frames stand and how far they reach: centres and window lengths, samples, `[T]`."""

    title: str
    centers: NDArray[np.floating[Any]]
    lengths: NDArray[np.floating[Any]]


@styled
def grid_figure(
    panels: Sequence[GridPanel], *, title: str, score: str, spread: str, logarithmic: bool
) -> bytes:
    """One column per panel: scores over window lengths above, learned lengths over steps below.

    Args:
        panels: one to three.
        title: of the figure.
        score: name of the vertical axis.
        spread: which entry of the figures the bars show.
        logarithmic: the vertical axis.
    """
    low = 1.9
    figure = Figure(figsize=(WIDTH, BOTTOM + low + GAP + PANEL + TOP))
    width = (WIDTH - LEFT - 0.2 - GAP * (len(panels) - 1)) / len(panels)
    for number, panel in enumerate(panels):
        left = LEFT + number * (width + GAP)
        upper = axes_at(figure, left, BOTTOM + low + GAP, width, PANEL)
        lower = axes_at(figure, left, BOTTOM, width, low)
        _scores(upper, panel, spread, logarithmic)
        _lengths(lower, panel)
        if number == 0:
            upper.set_ylabel(score)
            lower.set_ylabel("Learned length (samples)")
            figure.legend(
                *upper.get_legend_handles_labels(),
                loc="upper left",
                bbox_to_anchor=(LEFT / WIDTH, 1 - 0.38 / figure.get_figheight()),
                borderaxespad=0.0,
                borderpad=0.0,
                ncols=4,
            )
    put_title(figure, title, LEFT)
    return render(figure)


@styled
def windows_figure(panels: Sequence[WindowsPanel]) -> bytes:
    """One column per criterion: its value over every whole length, and a line for each mode."""
    figure = Figure(figsize=(WIDTH, BOTTOM + 3.6 + TOP))
    width = (WIDTH - LEFT - 0.2 - GAP * (len(panels) - 1)) / len(panels)
    for number, panel in enumerate(panels):
        axes = axes_at(figure, LEFT + number * (width + GAP), BOTTOM, width, 3.6)
        axes.plot(panel.lengths, panel.values, color=INK, lw=1.2, label="every whole length")
        for mode, final in panel.finals.items():
            if mode != "fixed":  # its start, a point of the curve
                axes.axhline(final, color=FOUND[mode], lw=1.4, ls="--", label=mode)
        axes.set_xlim(panel.lengths[0], panel.lengths[-1])
        axes.set_xlabel("Window length (samples)")
        panel_title(axes, panel.title)
        if number == 0:
            axes.set_ylabel("Entropy (nats; lower is better)")
            figure.legend(
                *axes.get_legend_handles_labels(),
                loc="upper left",
                bbox_to_anchor=(LEFT / WIDTH, 1 - 0.36 / figure.get_figheight()),
                borderaxespad=0.0,
                borderpad=0.0,
                ncols=5,
            )
    put_title(figure, "Learned windows, and every whole window length", LEFT)
    return render(figure)


@styled
def hops_figure(
    rows: Sequence[FramesRow],
    changes: Sequence[int] | NDArray[np.integer[Any]],
    signal: NDArray[np.floating[Any]],
    sample_rate: float,
) -> bytes:
    """The signal, and below it the windows of each case; lines mark the transitions."""
    tall = 0.9  # inches
    height = BOTTOM + len(rows) * (ROW + 0.34) + tall + 0.5
    figure = Figure(figsize=(WIDTH, height))
    stop = len(signal) / sample_rate
    top = axes_at(figure, 0.4, height - 0.5 - tall, WIDTH - 0.6, tall)
    top.plot(np.arange(len(signal)) / sample_rate, signal, color=INK, lw=0.3)
    top.set_yticks([])
    _mark(top, changes, sample_rate)
    time_axis(top, 0.0, stop, label=False)
    for number, row in enumerate(rows):
        bottom = height - 0.5 - tall - (number + 1) * (ROW + 0.34)
        axes = axes_at(figure, 0.4, bottom, WIDTH - 0.6, ROW)
        _mark(axes, changes, sample_rate)
        u = np.linspace(-0.5, 0.5, 61)
        for center, length in zip(row.centers, row.lengths, strict=True):
            shape = 0.5 + 0.5 * np.cos(2 * np.pi * u)
            axes.plot(
                (center + u * length) / sample_rate,
                shape,
                color=COLOURS["table"],
                lw=0.8,
                alpha=0.8,
            )
        axes.set_ylim(0, 1.05)
        axes.set_yticks([])
        panel_title(axes, row.title)
        time_axis(axes, 0.0, stop, label=number == len(rows) - 1)
    put_title(figure, "Six tones, where they change, and the windows of each case", 0.4)
    return render(figure)


def _mark(axes: Axes, changes: Any, sample_rate: float) -> None:
    for change in changes:
        axes.axvline(change / sample_rate, color=COLOURS["descent"], lw=1.0, ls="--")


def _scores(axes: Axes, panel: GridPanel, spread: str, logarithmic: bool) -> None:
    fixed = panel.figures["fixed"]
    lengths = [entry["win_length"] for entry in fixed]
    axes.errorbar(
        lengths,
        [entry["mean"] for entry in fixed],
        yerr=_finite([entry[spread] for entry in fixed]),
        color=COLOURS["table"],
        marker="o",
        ms=4,
        lw=1.2,
        capsize=3,
        label="fixed, one training each",
    )
    for name, colour, label in (
        ("joint", COLOURS["descent"], "learned with the network"),
        ("frozen", COLOURS["search"], "learned by optimize, then fixed"),
    ):
        if name in panel.figures:
            found = panel.figures[name]
            axes.errorbar(
                [float(np.exp(np.mean(np.log(found["win_lengths"]))))],
                [found["mean"]],
                yerr=_finite([found[spread]]),
                color=colour,
                marker="*",
                ms=12,
                lw=1.2,
                capsize=3,
                label=label,
                zorder=5,
            )
    axes.set_xscale("log")
    if logarithmic:
        axes.set_yscale("log")
        put_ticks(axes.yaxis, length_ticks(*axes.get_ylim(), log=True))
    _length_ticks(axes, lengths)
    axes.set_xlabel("Window length (samples)")
    panel_title(axes, panel.title)


def _lengths(axes: Axes, panel: GridPanel) -> None:
    for number, lengths in enumerate(panel.figures["joint"]["trajectories"]):
        axes.plot(lengths, color=COLOURS["descent"], lw=0.9, alpha=0.5 + 0.5 / (1 + number))
    best = panel.figures["best_fixed_win_length"]
    axes.axhline(best, color=COLOURS["table"], lw=1.2, ls="--")
    axes.set_yscale("log")
    places = [entry["win_length"] for entry in panel.figures["fixed"]]
    axes.set_ylim(0.85 * min(places), 1.15 * max(places))
    fixed_ticks(axes.yaxis, places[::2], [f"{place:g}" for place in places[::2]])
    axes.set_xlim(0, len(panel.figures["joint"]["trajectories"][0]) - 1)
    axes.set_xlabel("Step (dashed: the grid's best)")


def _length_ticks(axes: Axes, places: Sequence[float]) -> None:
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    shown = [place for place in places if place not in (24, 96, 192)] or list(places)
    fixed_ticks(axes.xaxis, shown, [f"{place:g}" for place in shown])


def _finite(values: Sequence[float]) -> list[float]:
    """No bar where a single seed gives none."""
    return [value if np.isfinite(value) else 0.0 for value in values]
