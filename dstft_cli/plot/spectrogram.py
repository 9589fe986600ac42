"""Images of the time-frequency plane, and the window and hop lengths, in panels on one time axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from dstft_cli.plot.axes import (
    LOG_ABOVE,
    describe_length,
    frequency_axis,
    length_axis,
    length_ticks,
    length_unit,
    put_ticks,
    samples_axis,
    time_axis,
)
from dstft_cli.plot.pixels import FloatArray, PixelGrid, PixelPool, pool_curve
from dstft_cli.plot.style import (
    BOTTOM,
    COLOURS,
    INK,
    LEFT,
    MARKERS,
    PLAIN,
    RIGHT,
    TOP,
    axes_at,
    check_look,
    is_narrow,
    new_page,
    page_of,
    page_size,
    panel_title,
    put_legend,
    put_title,
    styled,
)
from dstft_cli.records import LengthMap
from dstft_cli.settings import Settings

BARE_RIGHT, BARE_TOP = 0.3, 0.1  # margins without bars, without a title
BAR_GAP, BAR_WIDTH = 0.14, 0.16
COLUMNS = 1400  # of an image as it is given to matplotlib, at least half as many

Band = tuple[float | None, float | None]
PLANE, CURVE, HOPS, ZOOM = 2.0, 1.6, 1.1, 3.0  # heights of the panels, inches of the page
ALONE = 3.92  # of a spectrogram without another
HIGHEST = 0.75  # of its width: height of a panel
FIRST_GAP, GAP, LEGEND_GAP = 0.24, 0.36, 0.46  # above the first, another, one with a legend
LABELS = 0.45  # more above a panel that stands under an axis with labels
MAP_RIGHT, MAP_BAR_GAP = 1.52, 0.66  # margin and gap of a bar with labels on both sides
ZOOM_GAP, BESIDE = 0.92, 0.3  # above the zoomed second, and between its two panels
LETTER = 0.08  # width of a letter of a label
EQUAL = 1e-6  # hops that differ by no more than this share of the longest are one hop
QUARTILES = (0.25, 0.5, 0.75)
FEW = 250  # frames up to which each centre has a mark, and each hop its exact span
SHORT_TITLE = 60  # characters, beside which there is room for
WITHIN = 3e-3  # of its width: distance of the lines of the zoomed part from the frame
REMARK = "Frequencies without sound are not shown"
Over = Literal["time", "frequency", "plane"]  # dimensions over which window lengths vary
Panel = tuple[str, PixelPool] | Literal["map", "curve", "hops"]  # a spectrogram has a label


def level_label(channels: int, height: float) -> str:
    what = "Level" if channels == 1 else f"Mean power of {channels} channels"
    text = f"{what} (dB below the maximum)"
    return text if LETTER * len(text) <= height else "Level (dB)"


def draw_levels(
    axes: Axes, pool: PixelPool, reference: float, look: Settings, band: Band
) -> AxesImage:
    """Fill `axes` with levels relative to `reference`, a magnitude, and lines at the band's ends."""
    db = to_db(pool.image, reference, look.db_range)
    low, high = pool.grid.freq_range
    for end in band:
        if end is not None and low < end < high:
            dashes = (0, (6, 4))
            axes.axhline(end, lw=1.0, ls=dashes, color="white", alpha=0.8, gid="criterion band")
    return plane_image(axes, pool.grid, db, cmap=look.cmap, vmin=-look.db_range, vmax=0.0)


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
    """The axes of a colour bar, `gap` beside panels, from top to bottom, and as tall as they."""
    figure = panels[0].get_figure(root=True)
    assert isinstance(figure, Figure)
    width, _ = page_size(figure)
    top, bottom = panels[0].get_position(), panels[-1].get_position()
    place = (top.x1 + gap / width, bottom.y0, BAR_WIDTH / width, top.y1 - bottom.y0)
    axes = figure.add_axes(place)
    drawn = figure.colorbar(shown, cax=axes, **bar)
    drawn.set_label(label)
    drawn.outline.set_linewidth(0.6)
    return axes


@dataclass(frozen=True)
class Comparison:
    """The content of a figure; window lengths are drawn over `over`."""

    panels: Sequence[Panel]  # downwards
    learned: PixelPool  # its maximum is the level 0 of all, its grid that of the map
    times: ArrayLike = ()  # frame centres of the learned transform, s, [T]
    window_lengths: ArrayLike | LengthMap = 1.0  # samples: one, [T], [F, 1] or [F, T]
    sample_rate: float = 1.0
    start_length: float = 1.0  # samples
    best_fixed_length: float | None = None  # samples
    length_bounds: tuple[float, float] | None = None  # samples; drawn beside curves
    start_hop: float = 1.0  # samples
    hops_learned: bool = True
    band: Band = (None, None)  # ends of the criterion's band, Hz, drawn as lines; None: no end
    channels: int = 1  # whose mean power the panels show
    offset: float = 0.0  # s, where the samples begin in the recording, and a `LengthMap` too
    recorded: datetime | None = None  # when second 0 was, if times are to be those of a clock
    zoom: Sequence[tuple[str, PixelPool]] = ()  # two spectrograms of a short part, or none

    @property
    def over(self) -> Over:
        """The dimensions over which window lengths vary; `time` also for one length."""
        if isinstance(self.window_lengths, LengthMap):
            return "plane"
        bins, frames = np.atleast_2d(self.window_lengths).shape
        return "time" if bins == 1 else "frequency" if frames == 1 else "plane"

    @property
    def named_lengths(self) -> list[tuple[float, str, str]]:
        """Single lengths to compare with: samples, name, and the phase that gives the colour."""
        named = [(self.start_length, "start", "start")]
        if self.best_fixed_length is not None:
            named.append((self.best_fixed_length, "best single", "table"))
        return named

    def lengths_at_pixels(self) -> FloatArray:
        """Window lengths at the pixels of the learned panel, samples."""
        grid, learned = self.learned.grid, self.window_lengths
        if isinstance(learned, LengthMap):
            since = (grid.column_times - self.offset) * self.sample_rate
            return learned.at(grid.row_frequencies, since)
        row, column = (
            np.searchsorted((known[1:] + known[:-1]) / 2, wanted)
            for known, wanted in (
                (grid.frequencies, grid.row_frequencies),
                (np.asarray(self.times), grid.column_times),
            )
        )
        whole = grid.frequencies.size, np.size(self.times)
        return np.asarray(np.broadcast_to(np.asarray(learned), whole)[np.ix_(row, column)])


@styled
def comparison_figure(shown: Comparison, *, title: str, look: Settings = PLAIN) -> Figure:
    """Spectrograms on one colour scale, and learned lengths, on one time axis.

    Axes: the panels downwards, the zoomed part, the bars: of levels beside spectrograms that stand
    together, and of lengths beside a map. The lowest level is `db_range` dB below the learned maximum.
    """
    check_look(look)
    # panels over frequency; and those with labels below: these, and the last of those over time
    across = [panel == "curve" and shown.over == "frequency" for panel in shown.panels]
    labelled = [own or below for own, below in zip(across, [*across[1:], True], strict=True)]
    figure, axes, zoomed = _page(shown, look, labelled, bool(title))
    # of the learned panel: a constant offset leaks into short plain windows, and would darken all
    reference, span = float(shown.learned.image.max()), shown.learned.grid.time_limits

    def draw_plane(axes: Axes, label: str, pool: PixelPool) -> AxesImage:
        if title or len(shown.panels) > 1:
            panel_title(axes, label)
        return draw_levels(axes, pool, reference, look, shown.band)

    planes = []
    pairs = zip(axes, shown.panels, strict=True)
    for _, group in groupby(pairs, lambda pair: isinstance(pair[1], str)):
        together = []
        for one, panel in group:
            if panel == "map":
                _draw_map(one, shown, look)
            elif panel == "curve":
                _draw_lengths(one, shown, span, look)
            elif panel == "hops":
                _draw_hops(one, shown, look)
            else:
                image = draw_plane(one, *panel)
                together.append(one)
        if together and look.colorbar:
            top, bottom = together[0].get_position().y1, together[-1].get_position().y0
            label = level_label(shown.channels, (top - bottom) * page_size(figure)[1])
            colour_bar(image, together, label)
        planes += together
    clock: dict[str, Any] = {"unit": look.time_unit, "recorded": shown.recorded}
    first: Axes | None = None
    for one, below, not_time in zip(axes, labelled, across, strict=True):
        if not not_time:
            time_axis(one, *span, below, **clock)
            first = first or one
            if one is not first:
                one.sharex(first)
    for one, part in zip(zoomed, shown.zoom, strict=True):
        draw_plane(one, *part)
        begin, end = part[1].grid.time_limits
        time_axis(one, begin, end, **clock)
        if one is not zoomed[0]:
            one.tick_params(axis="y", labelleft=False)
            one.set_ylabel("")
            continue
        for plane in planes:
            left, right = plane.get_xlim()
            inside = WITHIN * (right - left)  # a line on the frame would not be seen
            for edge in (max(begin, left + inside), min(end, right - inside)):
                plane.axvline(edge, lw=0.8, color="white", alpha=0.7, gid="zoom")
    put_title(figure, title, LEFT)
    if shown.learned.grid.cropped and not is_narrow(look) and 0 < len(title) <= SHORT_TITLE:
        at = axes[0].get_position().x1, 1 - 0.16 / page_size(figure)[1]
        figure.text(*at, REMARK, ha="right", va="top", color="#666666", fontsize="small")
    return figure


def _page(
    shown: Comparison, look: Settings, labelled: Sequence[bool], titled: bool
) -> tuple[Figure, list[Axes], list[Axes]]:
    """A figure with the axes of the panels and of the zoomed part, empty."""
    panels, right, narrow = shown.panels, BARE_RIGHT, is_narrow(look)
    width, height = page_of(look)
    if "map" in panels and look.colorbar and not narrow:
        right = MAP_RIGHT
    elif look.colorbar or (not narrow and {"curve", "hops"} & {*panels}):
        right = RIGHT
    wide = width - LEFT - right
    planes = sum(isinstance(panel, tuple) for panel in panels)
    sizes = {"map": PLANE, "curve": CURVE, "hops": HOPS}
    gaps, heights = [], []
    for number, panel in enumerate(panels):
        own = sizes[panel] if isinstance(panel, str) else PLANE if planes > 1 else ALONE
        heights.append(min(own, HIGHEST * wide))
        apart = LEGEND_GAP if isinstance(panel, str) else GAP
        gaps.append(apart + LABELS * labelled[number - 1])
    gaps[0] = FIRST_GAP
    if isinstance(panels[0], tuple) and len(panels) == 1 and not (titled and panels[0][0]):
        gaps[0] = 0.0  # it has no label
    above = TOP if titled else BARE_TOP
    around = above + sum(gaps) + (ZOOM_GAP + ZOOM if shown.zoom else 0.0) + BOTTOM
    if height is not None:
        stretch = (height - around) / sum(heights)
        heights = [own * stretch for own in heights]
    top = around + sum(heights)
    figure = new_page(width, top)
    top -= above
    axes = []
    for gap, height in zip(gaps, heights, strict=True):
        top -= gap + height
        axes.append(axes_at(figure, LEFT, top, wide, height))
    half = (width - LEFT - min(right, RIGHT) - BESIDE) / 2
    places = (LEFT, LEFT + half + BESIDE) if shown.zoom else ()
    return figure, axes, [axes_at(figure, left, BOTTOM, half, ZOOM) for left in places]


def _draw_lengths(axes: Axes, shown: Comparison, span: tuple[float, float], look: Settings) -> None:
    """Window lengths over time or frequency, or one for all; outer frames reach to the ends of the span.

    Those of a map are drawn over time, by their quartiles over frequency.
    """
    positions: FloatArray = np.asarray(shown.times, dtype=np.float64)
    grid, over = shown.learned.grid, shown.over
    if over == "plane":
        positions = grid.column_times
        lengths = np.quantile(shown.lengths_at_pixels(), QUARTILES, axis=0)
    else:
        lengths = np.asarray(shown.window_lengths, dtype=np.float64).reshape(1, -1)
    if over == "frequency":
        bins = grid.bins_shown()
        positions, lengths = grid.frequencies[bins], lengths[:, bins]
    elif lengths.shape[1] > 1:
        positions = np.clip(np.pad(positions, 1, constant_values=span), *span)
        lengths = np.pad(lengths, ((0, 0), (1, 1)), mode="edge")
    bounds = shown.length_bounds or ()
    marks = [*(length for length, _, _ in shown.named_lengths), *bounds]
    low, high = float(lengths.min()), float(lengths.max())
    unit = _length_axis(axes, min(*marks, low), max(*marks, high), shown, look, "Window length")
    for length, label, phase in shown.named_lengths:
        axes.axhline(length * unit, lw=1.0, ls="--", color=COLOURS[phase], label=label)
    for bound in bounds:
        axes.axhline(bound * unit, lw=0.8, ls=":", color=COLOURS["start"])
    if lengths.size == 1:
        _draw_one(axes, low, unit, shown.sample_rate, look)
    else:
        _draw_curve(axes, positions, lengths * unit, look)
    if over == "frequency":
        frequency_axis(axes, grid, "x")
    put_legend(axes)


def _length_axis(
    axes: Axes, low: float, high: float, shown: Comparison, look: Settings, name: str
) -> float:
    """As `length_axis`; the name stands above the axes, or, if there is no room, beside them."""
    if not is_narrow(look):
        panel_title(axes, name)
        name = name.removeprefix("Window ").removesuffix(" length").capitalize()
    return length_axis(axes, low, high, shown.sample_rate, name, samples=not is_narrow(look))


def _draw_hops(axes: Axes, shown: Comparison, look: Settings) -> None:
    times = np.asarray(shown.times, dtype=np.float64)
    hops = np.diff(times) * shown.sample_rate
    drawn = np.append(hops, shown.start_hop)
    unit = _length_axis(axes, float(drawn.min()), float(drawn.max()), shown, look, "Hop length")
    axes.axhline(shown.start_hop * unit, lw=1.0, ls="--", color=COLOURS["start"], label="start")
    colour = COLOURS["descent"]
    if hops.size and np.ptp(hops) <= EQUAL * hops.max():
        name = "learned" if shown.hops_learned else "fixed"
        _draw_one(axes, float(hops.mean()), unit, shown.sample_rate, look, name)
    elif 0 < hops.size < FEW:
        spans = np.append(hops, hops[-1]) * unit
        axes.plot(times, spans, drawstyle="steps-post", lw=1.4, color=colour, label="learned")
    elif hops.size:
        _draw_curve(axes, (times[:-1] + times[1:]) / 2, hops[None] * unit, look)
    if times.size <= FEW:
        place: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "label": "frame centres"}
        axes.plot(times, np.full(times.size, 0.03), "|", ms=4, mew=0.7, color=INK, **place)
    put_legend(axes)


def _draw_one(
    axes: Axes,
    length: float,
    unit: float,
    sample_rate: float,
    look: Settings,
    name: str = "learned",
) -> None:
    label = f"{name}: {describe_length(length, sample_rate, short=is_narrow(look))}"
    axes.axhline(length * unit, lw=1.8, color=COLOURS["descent"], label=label)


def _draw_curve(axes: Axes, positions: FloatArray, values: FloatArray, look: Settings) -> None:
    """Values of any unit at increasing positions, [T]: one each, [1, T], or their quartiles, [3, T]."""
    label, colour = "learned", COLOURS["descent"]
    if len(values) == len(QUARTILES):
        x, (low, median, high), what = positions, values, "median and middle half"
    else:
        (x, low, high, median), what = pool_curve(positions, values[0]), "median and range"
    if x.size < positions.size or len(values) > 1:
        label = label if is_narrow(look) else f"{label}: {what}"
        axes.fill_between(x, low, high, step="mid", color=colour, alpha=0.25, lw=0)
    axes.plot(x, median, drawstyle="steps-mid", lw=1.4, color=colour, label=label)


def _draw_map(axes: Axes, shown: Comparison, look: Settings) -> None:
    lengths = shown.lengths_at_pixels()
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
    # of evenly rising lightness, and not that of the spectrograms
    cmap = "cividis" if look.cmap.removesuffix("_r") == "viridis" else "viridis"
    colours: dict[str, Any] = {"cmap": cmap, "norm": norm, "interpolation": "nearest"}
    image = plane_image(axes, shown.learned.grid, pixels, **colours)
    if not (is_narrow(look) and look.colorbar):
        panel_title(axes, "Window length")
    if not look.colorbar:
        return
    label = f"Window length ({name})" if is_narrow(look) else f"Length ({name})"
    if is_narrow(look):
        bar = colour_bar(image, [axes], label)
    else:
        bar = colour_bar(image, [axes], label, MAP_BAR_GAP, ticklocation="left")
        samples_axis(bar, low, high, unit, log, "Length")
    put_ticks(bar.yaxis, length_ticks(low * unit, high * unit, log))
    handles = []
    for length, label, phase in shown.named_lengths:
        mark = Line2D([0.5], [length * unit], ls="", marker=MARKERS[phase], label=label)
        mark.set(ms=8.0 if phase == "start" else 5.0, mfc=COLOURS[phase], mec="white")
        mark.set(transform=bar.get_yaxis_transform(), clip_on=False, zorder=5)
        bar.add_artist(mark)
        handles.append(mark)
    put_legend(axes, handles)
