"""The panel of window lengths that vary over time and frequency: a map with a colour bar."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.lines import Line2D

from dstft_cli.plot.grid import PixelGrid
from dstft_cli.plot.lengths import (
    LOG_ABOVE,
    length_ticks,
    length_unit,
    put_legend,
    put_ticks,
    samples_axis,
)
from dstft_cli.plot.plane import colour_bar, plane_image
from dstft_cli.plot.scale import FloatArray
from dstft_cli.plot.style import COLOURS, MARKERS, panel_title

RIGHT = 1.52  # margin of the panels beside a bar with labels on both sides, inches
BAR_GAP = 0.66
BLOCK_CELLS = 2**18  # lengths taken at a time


def pool_lengths(grid: PixelGrid, lengths: FloatArray) -> FloatArray:
    """The geometric mean of the lengths in each pixel, in memory bounded by the pixels.

    Args:
        grid: which pixels show which frames and bins.
        lengths: [F, T], > 0, any unit.

    Returns:
        [height', width']. A row without a bin shows the nearest one, a column without a frame the
        nearest one.

    Raises:
        ValueError: lengths of another shape.
    """
    if lengths.shape != (grid.frequencies.size, grid.frames):
        raise ValueError(
            f"window lengths of shape {lengths.shape} are not "
            f"[{grid.frequencies.size}, {grid.frames}]"
        )
    total = np.zeros(grid.shape)
    step = max(1, BLOCK_CELLS // grid.frequencies.size)
    for start in range(0, grid.frames, step):
        stop = min(start + step, grid.frames)
        rows = _rows(grid, np.log(lengths[:, start:stop], dtype=np.float64))
        columns, begins = grid.columns_of(start, stop)
        total[:, columns] += np.add.reduceat(rows, begins, axis=1)
        columns, shown = grid.copies_of(start, stop)
        total[:, columns] = rows[:, shown]
    frames = np.maximum(np.diff(grid.first_frame), 1)
    return np.asarray(np.exp(total / frames))


def _rows(grid: PixelGrid, values: FloatArray) -> FloatArray:
    """[F, n] values per bin to [height', n] means per row."""
    rows = np.empty((grid.row_frequencies.size, values.shape[1]))
    if grid.full_rows.size:
        bins = np.diff(grid.first_bin, append=grid.last_bin)
        sums = np.add.reduceat(values[: grid.last_bin], grid.first_bin, axis=0)
        rows[grid.full_rows] = sums / bins[:, None]
    nearest = np.where(grid.share <= 0.5, grid.below, grid.above)
    rows[grid.rows_between] = values[nearest]
    return rows


def map_colours(cmap: str) -> str:
    """A map of evenly rising lightness that is not the spectrogram's, `cmap`."""
    return "cividis" if cmap.removesuffix("_r") == "viridis" else "viridis"


def draw_length_map(
    axes: Axes,
    grid: PixelGrid,
    window_lengths: FloatArray,
    *,
    sample_rate: float,
    start_length: float,
    best_fixed_length: float | None,
    cmap: str,
) -> None:
    """Fill `axes`, and put a colour bar with marks for start and best fixed length beside them.

    Args:
        axes: empty, `RIGHT` inches from the right edge of the figure.
        grid: of the learned spectrogram.
        window_lengths: samples, [F, T].
        sample_rate: Hz.
        start_length: window length at the start, samples.
        best_fixed_length: best single window length, samples; None where none was looked for.
        cmap: colour map of the spectrograms.
    """
    marks = [length for length in (start_length, best_fixed_length) if length is not None]
    low = min(*marks, float(window_lengths.min()))
    high = max(*marks, float(window_lengths.max()))
    log = high > LOG_ABOVE * low
    if not log:  # equal lengths have a colour, too
        room = max(0.0, 0.02 * high - (high - low))
        low, high = low - room / 2, high + room / 2
    unit, name = length_unit(high, sample_rate)
    norm = (LogNorm if log else Normalize)(low * unit, high * unit)
    pixels = pool_lengths(grid, window_lengths) * unit
    # exp(log(x)) may leave the range by a rounding error
    pixels = np.clip(pixels, low * unit, high * unit)
    shown = plane_image(
        axes, grid, pixels, cmap=map_colours(cmap), norm=norm, interpolation="nearest"
    )
    panel_title(axes, "Window length")

    bar = colour_bar(shown, [axes], f"Length ({name})", BAR_GAP, ticklocation="left")
    put_ticks(bar.yaxis, length_ticks(low * unit, high * unit, log))
    samples_axis(bar, low, high, unit, log)
    bar.child_axes[0].set_ylabel("Length (samples)")
    handles = []
    for length, label, phase, size in (
        (start_length, "start", "start", 8.0),
        (best_fixed_length, "best fixed", "table", 5.0),
    ):
        if length is None:
            continue
        mark = Line2D(
            [0.5],
            [length * unit],
            ls="",
            marker=MARKERS[phase],
            ms=size,
            mfc=COLOURS[phase],
            mec="white",
            label=label,
            transform=bar.get_yaxis_transform(),
            clip_on=False,
            zorder=5,
        )
        bar.add_artist(mark)
        handles.append(mark)
    put_legend(axes, handles)
