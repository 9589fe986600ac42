"""The picture of one spectrogram, and the panel of one among several."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from dstft_cli.errors import UsageError
from dstft_cli.plot.grid import PixelGrid
from dstft_cli.plot.plane import BOTTOM, LEFT, RIGHT, TOP, WIDTH, colour_bar, plane_image
from dstft_cli.plot.pool import PixelPool
from dstft_cli.plot.scale import hz_to_scale
from dstft_cli.plot.style import axes_at, check_cmap, put_title, styled, time_axis


def level_label(channels: int) -> str:
    """What the colours of a spectrogram of so many channels show."""
    what = "Level" if channels == 1 else f"Mean power of {channels} channels"
    return f"{what} (dB below the maximum)"


def to_db(magnitude: NDArray[Any], reference: float, db_range: float) -> NDArray[np.float32]:
    """20 log10(magnitude / reference), not below -db_range; all -db_range where reference is 0."""
    if reference <= 0:
        return np.full(magnitude.shape, -db_range, dtype=np.float32)
    ratio = magnitude.astype(np.float64) / reference
    return (20 * np.log10(np.maximum(ratio, 10 ** (-db_range / 20)))).astype(np.float32)


def check_look(db_range: float, cmap: str) -> None:
    """UsageError for an unknown colour map or a range of levels that is not above 0 dB."""
    check_cmap(cmap)
    if not (math.isfinite(db_range) and db_range > 0):
        raise UsageError(f"dB range {db_range:g} is not above 0: raise --db-range")


def draw_levels(
    axes: Axes, pool: PixelPool, reference: float, *, db_range: float, cmap: str
) -> AxesImage:
    """Fill `axes` with levels relative to `reference`, a magnitude."""
    db = to_db(pool.image, reference, db_range)
    return plane_image(axes, pool.grid, db, cmap=cmap, vmin=-db_range, vmax=0.0)


def mark_band(axes: Axes, grid: PixelGrid, band: tuple[float | None, float | None]) -> None:
    """Lines at the ends of the band that a criterion looked at, Hz, where they lie in the picture."""
    low, high = grid.freq_range
    for end in band:
        if end is not None and low < end < high:
            (at,) = hz_to_scale([end], grid.freq_scale)
            axes.axhline(at, lw=1.0, ls=(0, (6, 4)), color="white", alpha=0.8, gid="criterion band")


@styled
def spectrogram_figure(
    pool: PixelPool,
    *,
    title: str,
    db_range: float = 80.0,
    cmap: str = "magma",
    band: tuple[float | None, float | None] = (None, None),
    channels: int = 1,
) -> Figure:
    """A spectrogram in dB below its maximum, over seconds and Hz.

    Axes 0 hold the image, axes 1 the colour bar.

    Args:
        pool: the picture's pixels, all frames added.
        title: any text, such as a file name; shown as it is, on one line.
        db_range: lowest level shown, dB below the maximum, > 0.
        cmap: a colour map of matplotlib.
        band: ends of the band that the criterion looked at, Hz; None: no end.
        channels: whose mean power the pool holds.

    Raises:
        UsageError: unknown colour map, a db_range that is not above 0.
    """
    check_look(db_range, cmap)
    figure = Figure(figsize=(WIDTH, 5.0))
    axes = axes_at(figure, LEFT, BOTTOM, WIDTH - LEFT - RIGHT, 5.0 - TOP - BOTTOM)
    shown = draw_levels(axes, pool, float(pool.image.max()), db_range=db_range, cmap=cmap)
    mark_band(axes, pool.grid, band)
    time_axis(axes, *pool.grid.time_limits)
    colour_bar(shown, [axes], level_label(channels))
    put_title(figure, title, LEFT)
    return figure
