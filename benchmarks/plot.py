"""The picture of the page: how time and memory grow, on logarithmic axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from benchmarks.growth import Growth

_COLOURS = ("#2f6db3", "#e08214", "#b5367a")
_DPI = 110


def draw(growths: Sequence[Growth]) -> Figure:
    """A column for each axis, a row for each quantity, a fitted line for each series."""
    axes = list(dict.fromkeys(g.axis for g in growths))
    quantities = list(dict.fromkeys(g.quantity for g in growths))
    figure = Figure(figsize=(3.1 * len(axes), 3.0 * len(quantities)), layout="constrained")
    grid = figure.subplots(len(quantities), len(axes), squeeze=False)
    for row, quantity in enumerate(quantities):
        for column, axis in enumerate(axes):
            panel: Axes = grid[row, column]
            shown = [g for g in growths if (g.axis, g.quantity) == (axis, quantity)]
            _draw(panel, shown)
            if row == len(quantities) - 1:
                panel.set_xlabel(axis)
            if column == 0:
                panel.set_ylabel(quantity)
    return figure


def write(growths: Sequence[Growth], path: Path) -> None:
    """Draws into a PNG; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draw(growths).savefig(path, dpi=_DPI, facecolor="white")


def _draw(panel: Axes, growths: Sequence[Growth]) -> None:
    for growth, colour in zip(growths, _COLOURS, strict=False):
        label = f"{growth.name}: $x^{{{growth.exponent():.2f}}}$"
        panel.plot(growth.x, growth.y, "o", color=colour, markersize=5, label=label)
        panel.plot(*growth.line(), "-", color=colour, linewidth=1, alpha=0.6)
    panel.set_xscale("log")
    panel.set_yscale("log")
    low, high = panel.get_ylim()
    panel.set_ylim(low / 1.5, high * (high / low) ** 0.35 * 1.5)  # room for the legend
    for axis in (panel.xaxis, panel.yaxis):
        _ticks(axis)
    panel.grid(True, which="major", color="#dddddd", linewidth=0.6)
    panel.legend(fontsize=7.5, frameon=False, loc="upper left", handletextpad=0.2)
    panel.tick_params(labelsize=8)


def _ticks(axis: Axis) -> None:
    """Plain numbers at powers of ten, and at 2 and 5 times these where few would be left."""
    low, high = axis.get_view_interval()
    narrow = math.log10(high / low) < 1.8
    axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if narrow else (1.0,)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.set_minor_formatter(NullFormatter())
