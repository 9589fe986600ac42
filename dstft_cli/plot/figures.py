"""Pictures of spectrograms: one alone, or several above the window lengths that made them."""

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
from dstft_cli.plot.lengths import draw_lengths
from dstft_cli.plot.pool import PixelPool
from dstft_cli.plot.scale import frequency_ticks, hz_to_scale
from dstft_cli.plot.style import (
    axes_at,
    check_cmap,
    check_format,
    fixed_ticks,
    panel_title,
    put_title,
    render,
    styled,
    time_axis,
)

LEFT, RIGHT, TOP, BOTTOM = 0.8, 0.95, 0.5, 0.58  # margins, inches
BAR_GAP, BAR_WIDTH = 0.14, 0.16


def to_db(magnitude: NDArray[Any], reference: float, db_range: float) -> NDArray[np.float32]:
    """20 log10(magnitude / reference), not below -db_range; all -db_range where reference is 0."""
    if reference <= 0:
        return np.full(magnitude.shape, -db_range, dtype=np.float32)
    ratio = magnitude.astype(np.float64) / reference
    return (20 * np.log10(np.maximum(ratio, 10 ** (-db_range / 20)))).astype(np.float32)


def draw_spectrogram(
    pool: PixelPool,
    *,
    title: str,
    db_range: float = 80.0,
    cmap: str = "magma",
    format: str = "png",
) -> bytes:
    """A spectrogram in dB below its maximum, over seconds and Hz.

    Args:
        pool: the picture's pixels, all frames added.
        title: any text, such as a file name; shown as it is, on one line.
        db_range: lowest level shown, dB below the maximum, > 0.
        cmap: a colour map of matplotlib.
        format: `png`, `svg` or `pdf`.

    Raises:
        UsageError: unknown colour map or format, a db_range that is not above 0.
    """
    check_format(format)
    figure = spectrogram_figure(pool, title=title, db_range=db_range, cmap=cmap)
    return render(figure, format)


def draw_comparison(
    panels: Sequence[tuple[str, PixelPool]],
    *,
    times: ArrayLike,
    window_lengths: ArrayLike,
    sample_rate: float,
    start_length: float,
    best_fixed_length: float,
    title: str,
    length_bounds: tuple[float, float] | None = None,
    frequencies: ArrayLike | None = None,
    db_range: float = 80.0,
    cmap: str = "magma",
    format: str = "png",
) -> bytes:
    """Spectrograms on one colour scale above the learned window lengths, on one time axis.

    Args:
        panels: label and pixels of each, from top to bottom.
        times: frame centres of the learned transform, s, [T].
        window_lengths: samples, a number, [1, 1], [T] or [1, T]; or [F, 1], drawn over frequency.
        sample_rate: Hz.
        start_length: window length at the start, samples.
        best_fixed_length: best single window length, samples.
        title: any text, shown as it is.
        length_bounds: shortest and longest length allowed, samples; drawn where given.
        frequencies: of the bins, Hz, [F]; needed for lengths [F, 1].
        db_range: lowest level shown, dB below the largest of all panels, > 0.
        cmap: a colour map of matplotlib.
        format: `png`, `svg` or `pdf`.

    Raises:
        UsageError: unknown colour map or format, a db_range that is not above 0.
        ValueError: no panels, or window lengths of another shape.
    """
    check_format(format)
    figure = comparison_figure(
        panels,
        times=times,
        window_lengths=window_lengths,
        sample_rate=sample_rate,
        start_length=start_length,
        best_fixed_length=best_fixed_length,
        title=title,
        length_bounds=length_bounds,
        frequencies=frequencies,
        db_range=db_range,
        cmap=cmap,
    )
    return render(figure, format)


@styled
def spectrogram_figure(
    pool: PixelPool, *, title: str, db_range: float = 80.0, cmap: str = "magma"
) -> Figure:
    """The figure of `draw_spectrogram`: axes 0 hold the image, axes 1 the colour bar."""
    _check_look(db_range, cmap)
    figure = Figure(figsize=(10.0, 5.0))
    width, height = 10.0 - LEFT - RIGHT, 5.0 - TOP - BOTTOM
    axes = axes_at(figure, LEFT, BOTTOM, width, height)
    image = pool.image
    shown = _show(axes, pool, to_db(image, float(image.max()), db_range), db_range, cmap)
    time_axis(axes, *pool.extent[:2])
    _colour_bar(figure, shown, BOTTOM, height)
    put_title(figure, title, LEFT)
    return figure


@styled
def comparison_figure(
    panels: Sequence[tuple[str, PixelPool]],
    *,
    times: ArrayLike,
    window_lengths: ArrayLike,
    sample_rate: float,
    start_length: float,
    best_fixed_length: float,
    title: str,
    length_bounds: tuple[float, float] | None = None,
    frequencies: ArrayLike | None = None,
    db_range: float = 80.0,
    cmap: str = "magma",
) -> Figure:
    """The figure of `draw_comparison`: axes of the panels, of the lengths, of the colour bar."""
    _check_look(db_range, cmap)
    if not panels:
        raise ValueError("a comparison of no panels")
    panel, gap, curve = 1.8, 0.36, 1.6
    lengths = np.asarray(window_lengths, dtype=np.float64)
    per_bin = lengths.ndim == 2 and len(lengths) > 1
    times_below = 0.45 if per_bin else 0.0  # room for a time axis of the panels' own
    tall = TOP + 0.24 + len(panels) * (panel + gap) + 0.1 + times_below + curve + BOTTOM
    figure = Figure(figsize=(10.0, tall))
    width = 10.0 - LEFT - RIGHT

    images = [pool.image for _, pool in panels]
    reference = max(float(image.max()) for image in images)
    left = min(pool.extent[0] for _, pool in panels)
    right = max(pool.extent[1] for _, pool in panels)
    bottom = tall - TOP - 0.24
    first: Axes | None = None
    for number, ((label, pool), image) in enumerate(zip(panels, images, strict=True), start=1):
        bottom -= panel
        axes = axes_at(figure, LEFT, bottom, width, panel)
        shown = _show(axes, pool, to_db(image, reference, db_range), db_range, cmap)
        panel_title(axes, label)
        time_axis(axes, left, right, label=per_bin and number == len(panels))
        if first is None:
            first = axes
        else:
            axes.sharex(first)
        bottom -= gap
    bottom += gap

    axes = axes_at(figure, LEFT, BOTTOM, width, curve)
    if per_bin and frequencies is None:
        raise ValueError(
            f"window lengths of shape {lengths.shape} need the frequencies of the bins"
        )
    positions = times
    if per_bin:
        shown_bins = _bins_shown(panels[0][1], frequencies)
        positions = hz_to_scale(np.asarray(frequencies)[shown_bins], panels[0][1].freq_scale)
        lengths = lengths[shown_bins]
    draw_lengths(
        axes,
        positions=positions,
        window_lengths=lengths,
        sample_rate=sample_rate,
        start_length=start_length,
        best_fixed_length=best_fixed_length,
        length_bounds=length_bounds,
    )
    if per_bin:
        _frequency_axis(axes, panels[0][1])
    else:
        time_axis(axes, left, right)
        if first is not None:
            axes.sharex(first)
    _colour_bar(figure, shown, bottom, tall - TOP - 0.24 - bottom)
    put_title(figure, title, LEFT)
    return figure


def _check_look(db_range: float, cmap: str) -> None:
    check_cmap(cmap)
    if not (math.isfinite(db_range) and db_range > 0):
        raise UsageError(f"dB range {db_range:g} is not above 0: raise --db-range")


def _show(
    axes: Axes, pool: PixelPool, db: NDArray[np.float32], db_range: float, cmap: str
) -> AxesImage:
    shown = axes.imshow(
        db,
        origin="lower",
        aspect="auto",
        extent=pool.extent,
        cmap=cmap,
        vmin=-db_range,
        vmax=0.0,
    )
    axes.set_ylim(*pool.limits)
    places, labels, name = _frequency_ticks(pool)
    fixed_ticks(axes.yaxis, places, labels)
    axes.set_ylabel(name)
    return shown


def _frequency_axis(axes: Axes, pool: PixelPool) -> None:
    """The frequency axis of the pool, laid horizontally."""
    axes.set_xlim(*pool.limits)
    places, labels, name = _frequency_ticks(pool)
    fixed_ticks(axes.xaxis, places, labels)
    axes.set_xlabel(name)


def _frequency_ticks(pool: PixelPool) -> tuple[list[float], list[str], str]:
    """Places in scale units, labels, and the name of the axis."""
    low, high = pool.freq_range
    places, labels = frequency_ticks(low, high, pool.freq_scale)
    kilo = pool.freq_scale == "linear" and high >= 2000
    if kilo:
        labels = [f"{p / 1000:g}" for p in places]
    name = "Frequency (kHz)" if kilo else "Frequency (Hz)"
    return hz_to_scale(places, pool.freq_scale).tolist(), labels, name


def _bins_shown(pool: PixelPool, frequencies: ArrayLike | None) -> NDArray[np.intp]:
    """Bins within the frequencies that the picture shows; on a log scale zero has no place."""
    hz = np.asarray(frequencies, dtype=np.float64)
    low, high = pool.freq_range
    inside = (hz >= low) & (hz <= high) & ((hz > 0) | (pool.freq_scale != "log"))
    return np.flatnonzero(inside) if inside.any() else np.array([hz.size - 1])


def _colour_bar(figure: Figure, shown: AxesImage, bottom: float, height: float) -> None:
    left = float(figure.get_size_inches()[0]) - RIGHT + BAR_GAP
    axes = axes_at(figure, left, bottom, BAR_WIDTH, height)
    bar = figure.colorbar(shown, cax=axes)
    bar.set_label("Level (dB below the maximum)")
    bar.outline.set_linewidth(0.6)
