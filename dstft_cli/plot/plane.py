"""Images of the time-frequency plane: their place in a figure, their axes, their colour bars."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from dstft_cli.plot.grid import PixelGrid
from dstft_cli.plot.scale import frequency_ticks, hz_to_scale
from dstft_cli.plot.style import fixed_ticks

WIDTH = 10.0  # of a figure, inches
LEFT, RIGHT, TOP, BOTTOM = 0.8, 0.95, 0.5, 0.58  # margins, inches
BAR_GAP, BAR_WIDTH = 0.14, 0.16
COLUMNS = 1400  # of an image as it is given to matplotlib, at least half as many


def plane_image(axes: Axes, grid: PixelGrid, pixels: ArrayLike, **look: Any) -> AxesImage:
    """Pixels, [height', width'], over time and frequency; `look` goes to matplotlib's `imshow`."""
    wide = max(1, COLUMNS // grid.shape[1])  # few columns would be smoothed into each other
    shown = axes.imshow(
        np.repeat(np.asarray(pixels), wide, axis=1),
        origin="lower",
        aspect="auto",
        extent=grid.extent,
        **look,
    )
    axes.set_ylim(*grid.limits)
    places, labels, name = _ticks(grid)
    fixed_ticks(axes.yaxis, places, labels)
    axes.set_ylabel(name)
    return shown


def frequency_axis(axes: Axes, grid: PixelGrid) -> None:
    """The frequency axis of the grid, laid horizontally."""
    axes.set_xlim(*grid.limits)
    places, labels, name = _ticks(grid)
    fixed_ticks(axes.xaxis, places, labels)
    axes.set_xlabel(name)


def bins_shown(grid: PixelGrid) -> NDArray[np.intp]:
    """Bins within the frequencies that the picture shows; on a log scale zero has no place."""
    hz = grid.frequencies
    low, high = grid.freq_range
    inside = (hz >= low) & (hz <= high) & ((hz > 0) | (grid.freq_scale != "log"))
    return np.flatnonzero(inside) if inside.any() else np.array([hz.size - 1])


def colour_bar(
    shown: AxesImage, panels: Sequence[Axes], label: str, gap: float = BAR_GAP, **bar: Any
) -> Axes:
    """A colour bar beside panels; returns its axes.

    Args:
        shown: what it explains.
        panels: from top to bottom; the bar is as tall as they are together.
        label: of the bar.
        gap: between panels and bar, inches.
        bar: further arguments of matplotlib's `colorbar`.
    """
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    top, bottom = panels[0].get_position(), panels[-1].get_position()
    place = (top.x1 + gap / WIDTH, bottom.y0, BAR_WIDTH / WIDTH, top.y1 - bottom.y0)
    axes = figure.add_axes(place)
    drawn = figure.colorbar(shown, cax=axes, **bar)
    drawn.set_label(label)
    drawn.outline.set_linewidth(0.6)
    return axes


def _ticks(grid: PixelGrid) -> tuple[list[float], list[str], str]:
    """Places in scale units, labels, and the name of the axis."""
    low, high = grid.freq_range
    places, labels = frequency_ticks(low, high, grid.freq_scale)
    kilo = grid.freq_scale == "linear" and high >= 2000
    if kilo:
        labels = [f"{p / 1000:g}" for p in places]
    name = "Frequency (kHz)" if kilo else "Frequency (Hz)"
    return hz_to_scale(places, grid.freq_scale).tolist(), labels, name
