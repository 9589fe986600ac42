"""Images of the time-frequency plane, their colour bars, and the picture of one spectrogram."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from dstft_cli.errors import UsageError
from dstft_cli.plot.axes import (
    WIDTH,
    axes_at,
    check_cmap,
    frequency_axis,
    put_title,
    styled,
    time_axis,
)
from dstft_cli.plot.pixels import PixelGrid, PixelPool

HEIGHT = 5.0  # of the picture, inches
LEFT, RIGHT, TOP, BOTTOM = 0.8, 0.95, 0.5, 0.58  # margins, inches
BAR_GAP, BAR_WIDTH = 0.14, 0.16
COLUMNS = 1400  # of an image as it is given to matplotlib, at least half as many

Band = tuple[float | None, float | None]


@styled
def spectrogram_figure(
    pool: PixelPool,
    *,
    title: str,
    db_range: float = 80.0,
    cmap: str = "magma",
    band: Band = (None, None),
    channels: int = 1,
) -> Figure:
    """A spectrogram in dB below its maximum, over seconds and Hz; axes 1 hold the colour bar.

    `band` are the ends of that of the criterion, Hz; `db_range` is that of the levels shown, dB. Of
    several `channels` the pool holds the mean power. UsageError as for `check_look`.
    """
    check_look(db_range, cmap)
    figure = Figure(figsize=(WIDTH, HEIGHT))
    axes = axes_at(figure, LEFT, BOTTOM, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
    shown = draw_levels(axes, pool, float(pool.image.max()), db_range, cmap, band)
    time_axis(axes, *pool.grid.time_limits)
    colour_bar(shown, [axes], level_label(channels))
    put_title(figure, title, LEFT)
    return figure


def check_look(db_range: float, cmap: str) -> None:
    """Raises UsageError for an unknown colour map or a range that is not above 0 dB."""
    check_cmap(cmap)
    if not (math.isfinite(db_range) and db_range > 0):
        raise UsageError(f"dB range {db_range:g} is not above 0: raise `db_range`")


def level_label(channels: int) -> str:
    """The label of the colour bar."""
    what = "Level" if channels == 1 else f"Mean power of {channels} channels"
    return f"{what} (dB below the maximum)"


def draw_levels(
    axes: Axes, pool: PixelPool, reference: float, db_range: float, cmap: str, band: Band
) -> AxesImage:
    """Fill `axes` with levels relative to `reference`, a magnitude, and lines at the band's ends."""
    db = to_db(pool.image, reference, db_range)
    low, high = pool.grid.freq_range
    for end in band:
        if end is not None and low < end < high:
            dashes = (0, (6, 4))
            axes.axhline(end, lw=1.0, ls=dashes, color="white", alpha=0.8, gid="criterion band")
    return plane_image(axes, pool.grid, db, cmap=cmap, vmin=-db_range, vmax=0.0)


def to_db(magnitude: NDArray[Any], reference: float, db_range: float) -> NDArray[np.float32]:
    """20 log10(magnitude / reference), not below -db_range; all -db_range where reference is 0."""
    if reference <= 0:
        return np.full(magnitude.shape, -db_range, dtype=np.float32)
    ratio = magnitude.astype(np.float64) / reference
    return (20 * np.log10(np.maximum(ratio, 10 ** (-db_range / 20)))).astype(np.float32)


def plane_image(axes: Axes, grid: PixelGrid, pixels: ArrayLike, **look: Any) -> AxesImage:
    """Pixels, [height', width'], over time and frequency; `look` goes to matplotlib's `imshow`.

    The rows of the grid are even in the frequency scale and are placed in its units.
    """
    wide = max(1, COLUMNS // grid.shape[1])  # no interpolation between few columns
    repeated = np.repeat(np.asarray(pixels), wide, axis=1)
    frequency_axis(axes, grid)
    look |= {"transform": axes.transLimits + axes.transAxes, "aspect": "auto", "origin": "lower"}
    return axes.imshow(repeated, extent=grid.extent, **look)


def colour_bar(
    shown: AxesImage, panels: Sequence[Axes], label: str, gap: float = BAR_GAP, **bar: Any
) -> Axes:
    """The axes of a colour bar, `gap` inches beside panels, from top to bottom, and as tall as they."""
    figure = panels[0].get_figure(root=True)
    assert figure is not None
    top, bottom = panels[0].get_position(), panels[-1].get_position()
    place = (top.x1 + gap / WIDTH, bottom.y0, BAR_WIDTH / WIDTH, top.y1 - bottom.y0)
    axes = figure.add_axes(place)
    drawn = figure.colorbar(shown, cax=axes, **bar)
    drawn.set_label(label)
    drawn.outline.set_linewidth(0.6)
    return axes
