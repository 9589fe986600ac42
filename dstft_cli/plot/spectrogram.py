"""Images of the time-frequency plane: one spectrogram, and several above their window and hop lengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from dstft_cli.errors import UsageError
from dstft_cli.plot.axes import (
    COLOURS,
    INK,
    LOG_ABOVE,
    MARKERS,
    WIDTH,
    axes_at,
    check_cmap,
    describe_length,
    frequency_axis,
    length_axis,
    length_ticks,
    length_unit,
    panel_title,
    put_legend,
    put_ticks,
    put_title,
    samples_axis,
    styled,
    time_axis,
)
from dstft_cli.plot.pixels import FloatArray, PixelGrid, PixelPool, pool_curve
from dstft_cli.records import LengthMap

HEIGHT = 5.0  # of the picture, inches
LEFT, RIGHT, TOP, BOTTOM = 0.8, 0.95, 0.5, 0.58  # margins, inches
BAR_GAP, BAR_WIDTH = 0.14, 0.16
COLUMNS = 1400  # of an image as it is given to matplotlib, at least half as many

Band = tuple[float | None, float | None]
PLANE, CURVE, HOPS, ZOOM = 2.0, 1.6, 1.1, 3.0  # heights of the panels, inches
ALONE = 3.8  # of a spectrogram without another
FIRST_GAP, GAP, LEGEND_GAP = 0.24, 0.36, 0.46  # above the first, another, one with a legend
LABELS = 0.45  # more above a panel that stands under an axis with labels
MAP_RIGHT, MAP_BAR_GAP = 1.52, 0.66  # margin and gap of a bar with labels on both sides
ZOOM_GAP, BESIDE = 0.92, 0.3  # above the zoomed second, and between its two panels
EQUAL = 1e-6  # hops that differ by no more than this share of the longest are one hop
FEW = 250  # frames up to which each centre has a mark, and each hop its exact span
Over = Literal["time", "frequency", "plane"]  # dimensions over which window lengths vary


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
    """A spectrogram in dB below its maximum, over seconds and Hz; axes 1 hold the colour bar."""
    check_look(db_range, cmap)
    figure = Figure(figsize=(WIDTH, HEIGHT))
    axes = axes_at(figure, LEFT, BOTTOM, WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM)
    shown = draw_levels(axes, pool, float(pool.image.max()), db_range, cmap, band)
    time_axis(axes, *pool.grid.time_limits)
    colour_bar(shown, [axes], level_label(channels))
    put_title(figure, title, LEFT)
    return figure


def check_look(db_range: float, cmap: str) -> None:
    check_cmap(cmap)
    if not (math.isfinite(db_range) and db_range > 0):
        raise UsageError(f"dB range {db_range:g} is not above 0: raise `db_range`")


def level_label(channels: int) -> str:
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
    """Pixels, [height', width'], even in the scale of the grid; `look` goes to matplotlib's `imshow`."""
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


@dataclass(frozen=True)
class Comparison:
    """The content of a comparison; window lengths are drawn over `over`."""

    panels: Sequence[tuple[str, PixelPool]]  # label and pixels, downwards, the learned last
    times: ArrayLike  # frame centres of the learned transform, s, [T]
    window_lengths: ArrayLike | LengthMap | None  # samples: one, [T], [F, 1] or [F, T]
    sample_rate: float
    start_length: float  # samples
    best_fixed_length: float | None  # samples
    length_bounds: tuple[float, float] | None = None  # samples; drawn beside curves
    start_hop: float | None = None  # samples, where hops were learned and are to be drawn
    band: Band = (None, None)  # ends of the criterion's band, Hz, drawn as lines; None: no end
    channels: int = 1  # whose mean power the panels show
    offset: float = 0.0  # s, where the samples begin in the recording, and a `LengthMap` too
    zoom: Sequence[tuple[str, PixelPool]] = ()  # two spectrograms of a short part, or none

    @property
    def over(self) -> Over | None:
        """The dimensions over which window lengths vary; ValueError for another shape."""
        if self.window_lengths is None:
            return None
        if isinstance(self.window_lengths, LengthMap):
            return "plane"
        bins, frames = self.panels[-1][1].grid.frequencies.size, np.size(self.times)
        shape = np.shape(self.window_lengths)
        if shape in ((), (1,), (1, 1), (frames,), (1, frames)):
            return "time"
        if shape == (bins, 1):
            return "frequency"
        if shape == (bins, frames):
            return "plane"
        raise ValueError(
            f"window lengths of shape {shape} are neither one nor one for each of "
            f"{frames} frames, of {bins} bins or of both"
        )

    @property
    def named_lengths(self) -> list[tuple[float, str, str]]:
        """Single lengths to compare with: samples, name, and the phase that gives the colour."""
        named = [(self.start_length, "start", "start")]
        if self.best_fixed_length is not None:
            named.append((self.best_fixed_length, "best single", "table"))
        return named


@styled
def comparison_figure(
    shown: Comparison, *, title: str, db_range: float = 80.0, cmap: str = "magma"
) -> Figure:
    """Spectrograms on one colour scale above the learned lengths, on one time axis.

    Axes: spectrograms, window lengths, hop lengths where learned, the zoomed part, the bar of levels, and
    that of lengths where there is a map. The lowest level is `db_range` dB below the learned maximum.
    """
    check_look(db_range, cmap)
    over, spectrograms = shown.over, len(shown.panels)
    tall = PLANE if spectrograms > 1 else ALONE
    apart = LEGEND_GAP + (LABELS if over == "frequency" else 0.0)
    rows = [(FIRST_GAP, tall), *[(GAP, tall)] * (spectrograms - 1)]
    if over is not None:
        rows.append((apart, PLANE if over == "plane" else CURVE))
    if shown.start_hop is not None:
        rows.append((apart, HOPS))
    right = MAP_RIGHT if over == "plane" else RIGHT
    under = ZOOM_GAP + ZOOM if shown.zoom else 0.0
    top = sum(gap + height for gap, height in rows) + under + BOTTOM
    figure = Figure(figsize=(WIDTH, top + TOP))
    axes = []
    for gap, height in rows:
        top -= gap + height
        axes.append(axes_at(figure, LEFT, top, WIDTH - LEFT - right, height))
    zoomed = []
    if shown.zoom:
        half = (WIDTH - LEFT - min(right, RIGHT) - BESIDE) / 2
        zoomed = [axes_at(figure, LEFT + x, BOTTOM, half, ZOOM) for x in (0.0, half + BESIDE)]
    planes = axes[:spectrograms]
    below = axes[spectrograms] if over is not None else None

    # of the learned panel: a constant offset leaks into short plain windows, and would darken all
    reference = float(shown.panels[-1][1].image.max())
    for panel, (label, pool) in zip((*planes, *zoomed), (*shown.panels, *shown.zoom), strict=True):
        image = draw_levels(panel, pool, reference, db_range, cmap, shown.band)
        panel_title(panel, label)
    colour_bar(image, planes, level_label(shown.channels))
    limits = [pool.grid.time_limits for _, pool in shown.panels]
    span = min(t0 for t0, _ in limits), max(t1 for _, t1 in limits)
    if below is not None and over == "plane":
        _draw_map(below, shown, cmap)
    elif below is not None:
        _draw_lengths(below, shown, span)
    if shown.start_hop is not None:
        _draw_hops(axes[-1], shown, shown.start_hop)
    for panel in axes:
        if over == "frequency" and panel is below:
            continue
        above_other = over == "frequency" and panel is planes[-1]
        time_axis(panel, *span, label=above_other or panel is axes[-1])
        if panel is not axes[0]:
            panel.sharex(axes[0])
    for panel in zoomed:
        part = shown.zoom[0][1].grid.time_limits
        time_axis(panel, *part)
        if panel is not zoomed[0]:
            panel.tick_params(axis="y", labelleft=False)
            panel.set_ylabel("")
            continue
        for plane in planes:
            for edge in part:
                plane.axvline(edge, lw=0.8, color="white", alpha=0.7, gid="zoom")
    put_title(figure, title, LEFT)
    return figure


def _draw_lengths(axes: Axes, shown: Comparison, span: tuple[float, float]) -> None:
    """Window lengths over time or frequency, or one for all; outer frames reach to the ends of the span."""
    lengths = np.asarray(shown.window_lengths, dtype=np.float64).reshape(-1)
    positions: FloatArray = np.asarray(shown.times, dtype=np.float64)
    grid = shown.panels[-1][1].grid
    if shown.over == "frequency":
        bins = grid.bins_shown()
        positions, lengths = grid.frequencies[bins], lengths[bins]
    elif lengths.size > 1:
        positions = np.pad(positions, 1, constant_values=span)
        lengths = np.pad(lengths, 1, mode="edge")
    bounds = shown.length_bounds or ()
    marks = [*(length for length, _, _ in shown.named_lengths), *bounds]
    low, high = float(lengths.min()), float(lengths.max())
    unit = length_axis(axes, min(*marks, low), max(*marks, high), shown.sample_rate, "Length")
    for length, label, phase in shown.named_lengths:
        axes.axhline(length * unit, lw=1.0, ls="--", color=COLOURS[phase], label=label)
    for bound in bounds:
        axes.axhline(bound * unit, lw=0.8, ls=":", color=COLOURS["start"])
    if lengths.size == 1:
        _draw_one(axes, low, unit, shown.sample_rate)
    else:
        _draw_curve(axes, positions, lengths * unit)
    if shown.over == "frequency":
        frequency_axis(axes, grid, "x")
    panel_title(axes, "Window length")
    put_legend(axes)


def _draw_hops(axes: Axes, shown: Comparison, start_hop: float) -> None:
    times = np.asarray(shown.times, dtype=np.float64)
    hops = np.diff(times) * shown.sample_rate
    drawn = np.append(hops, start_hop)
    unit = length_axis(axes, float(drawn.min()), float(drawn.max()), shown.sample_rate, "Hop")
    axes.axhline(start_hop * unit, lw=1.0, ls="--", color=COLOURS["start"], label="start")
    colour = COLOURS["descent"]
    if hops.size and np.ptp(hops) <= EQUAL * hops.max():
        _draw_one(axes, float(hops.mean()), unit, shown.sample_rate)
    elif 0 < hops.size < FEW:
        spans = np.append(hops, hops[-1]) * unit
        axes.plot(times, spans, drawstyle="steps-post", lw=1.4, color=colour, label="learned")
    elif hops.size:
        _draw_curve(axes, (times[:-1] + times[1:]) / 2, hops * unit)
    if times.size <= FEW:
        place: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "label": "frame centres"}
        axes.plot(times, np.full(times.size, 0.03), "|", ms=4, mew=0.7, color=INK, **place)
    panel_title(axes, "Hop length")
    put_legend(axes)


def _draw_one(axes: Axes, length: float, unit: float, sample_rate: float) -> None:
    label = f"learned: {describe_length(length, sample_rate)}"
    axes.axhline(length * unit, lw=1.8, color=COLOURS["descent"], label=label)


def _draw_curve(axes: Axes, positions: FloatArray, values: FloatArray) -> None:
    """Values of any unit, one for each of increasing positions; many of them as an envelope."""
    (x, low, high, median), colour = pool_curve(positions, values), COLOURS["descent"]
    label = "learned"
    if x.size < positions.size:
        label = "learned: median and range"
        axes.fill_between(x, low, high, step="mid", color=colour, alpha=0.25, lw=0)
    axes.plot(x, median, drawstyle="steps-mid", lw=1.4, color=colour, label=label)


def _draw_map(axes: Axes, shown: Comparison, cmap: str) -> None:
    grid, learned = shown.panels[-1][1].grid, shown.window_lengths
    if isinstance(learned, LengthMap):
        since = (grid.column_times - shown.offset) * shown.sample_rate
        lengths: FloatArray = learned.at(grid.row_frequencies, since)
    else:
        row, column = (
            np.searchsorted((known[1:] + known[:-1]) / 2, wanted)
            for known, wanted in (
                (grid.frequencies, grid.row_frequencies),
                (np.asarray(shown.times), grid.column_times),
            )
        )
        lengths = np.asarray(learned)[np.ix_(row, column)]
    marks = [length for length, _, _ in shown.named_lengths]
    low, high = min(*marks, float(lengths.min())), max(*marks, float(lengths.max()))
    log = high > LOG_ABOVE * low
    if not log:  # equal lengths have a colour, too
        room = max(0.0, 0.02 * high - (high - low))
        low, high = low - room / 2, high + room / 2
    unit, name = length_unit(high, shown.sample_rate)
    norm = (LogNorm if log else Normalize)(low * unit, high * unit)
    # exp(log(x)) may leave the range by a rounding error
    pixels = np.clip(lengths * unit, low * unit, high * unit)
    look: dict[str, Any] = {"cmap": map_colours(cmap), "norm": norm, "interpolation": "nearest"}
    image = plane_image(axes, grid, pixels, **look)
    panel_title(axes, "Window length")

    bar = colour_bar(image, [axes], f"Length ({name})", MAP_BAR_GAP, ticklocation="left")
    put_ticks(bar.yaxis, length_ticks(low * unit, high * unit, log))
    samples_axis(bar, low, high, unit, log, "Length")
    handles = []
    for length, label, phase in shown.named_lengths:
        mark = Line2D([0.5], [length * unit], ls="", marker=MARKERS[phase], label=label)
        mark.set(ms=8.0 if phase == "start" else 5.0, mfc=COLOURS[phase], mec="white")
        mark.set(transform=bar.get_yaxis_transform(), clip_on=False, zorder=5)
        bar.add_artist(mark)
        handles.append(mark)
    put_legend(axes, handles)


def map_colours(cmap: str) -> str:
    """A map of evenly rising lightness that is not the spectrogram's, `cmap`."""
    return "cividis" if cmap.removesuffix("_r") == "viridis" else "viridis"
