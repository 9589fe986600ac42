"""The picture of spectrograms above the window and hop lengths that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from dstft_cli.plot import length_map
from dstft_cli.plot.hops import draw_hops
from dstft_cli.plot.length_map import draw_length_map
from dstft_cli.plot.lengths import draw_lengths
from dstft_cli.plot.plane import (
    BOTTOM,
    LEFT,
    RIGHT,
    TOP,
    WIDTH,
    bins_shown,
    colour_bar,
    frequency_axis,
)
from dstft_cli.plot.pool import PixelPool
from dstft_cli.plot.scale import FloatArray, hz_to_scale
from dstft_cli.plot.spectrogram import check_look, draw_levels, level_label, mark_band
from dstft_cli.plot.style import axes_at, panel_title, put_title, styled, time_axis

PLANE, CURVE, HOPS = 1.8, 1.6, 1.1  # heights of the panels, inches
ALONE = 3.8  # of a spectrogram without another
FIRST_GAP, GAP, LEGEND_GAP = 0.24, 0.36, 0.46  # above the first, another, one with a legend
LABELS = 0.45  # more above a panel that stands under an axis with labels
Over = Literal["time", "frequency", "plane"]  # what window lengths vary over, if they do


@dataclass(frozen=True)
class Comparison:
    """What a comparison shows.

    Attributes:
        panels: label and pixels of each spectrogram, from top to bottom, the learned one last.
        times: frame centres of the learned transform, s, [T].
        window_lengths: samples, a number, [1, 1], [T] or [1, T]: drawn over time; [F, 1]: over
            frequency; [F, T]: a map; None: not learned, and not drawn.
        sample_rate: Hz.
        start_length: window length at the start, samples.
        best_fixed_length: best single window length, samples; None where none was looked for.
        length_bounds: shortest and longest length allowed, samples; drawn beside curves.
        start_hop: hop length at the start, samples, where hops were learned and are to be drawn.
        band: ends of the band that the criterion looked at, Hz, drawn as lines; None: no end.
        channels: whose mean power the panels show.
    """

    panels: Sequence[tuple[str, PixelPool]]
    times: ArrayLike
    window_lengths: ArrayLike | None
    sample_rate: float
    start_length: float
    best_fixed_length: float | None
    length_bounds: tuple[float, float] | None = None
    start_hop: float | None = None
    band: tuple[float | None, float | None] = (None, None)
    channels: int = 1


@styled
def comparison_figure(
    shown: Comparison, *, title: str, db_range: float = 80.0, cmap: str = "magma"
) -> Figure:
    """Spectrograms on one colour scale above the learned lengths, on one time axis.

    The axes are those of the spectrograms, the window lengths, the hop lengths where they were
    learned, the bar of levels, and the bar of lengths where there is a map of them.

    Args:
        shown: what is compared.
        title: any text, shown as it is.
        db_range: lowest level shown, dB below the largest of all panels, > 0.
        cmap: a colour map of matplotlib.

    Raises:
        UsageError: unknown colour map, a db_range that is not above 0.
        ValueError: no panels, or window lengths of another shape.
    """
    check_look(db_range, cmap)
    if not shown.panels:
        raise ValueError("a comparison of no panels")
    times = np.asarray(shown.times, dtype=np.float64)
    grid = shown.panels[-1][1].grid
    over = _over(shown.window_lengths, times.size, grid.frequencies.size)

    spectrograms = len(shown.panels)
    plane = PLANE if spectrograms > 1 else ALONE
    apart = LEGEND_GAP + (LABELS if over == "frequency" else 0.0)
    rows = [(FIRST_GAP, plane), *[(GAP, plane)] * (spectrograms - 1)]
    if over is not None:
        rows.append((apart, PLANE if over == "plane" else CURVE))
    if shown.start_hop is not None:
        rows.append((apart, HOPS))
    figure, axes = _stacked(rows, length_map.RIGHT if over == "plane" else RIGHT)
    planes = axes[:spectrograms]
    below = axes[spectrograms] if over is not None else None

    reference = max(float(pool.image.max()) for _, pool in shown.panels)
    for panel, (label, pool) in zip(planes, shown.panels, strict=True):
        image = draw_levels(panel, pool, reference, db_range=db_range, cmap=cmap)
        mark_band(panel, pool.grid, shown.band)
        panel_title(panel, label)
    colour_bar(image, planes, level_label(shown.channels))
    limits = [pool.grid.time_limits for _, pool in shown.panels]
    left, right = min(t0 for t0, _ in limits), max(t1 for _, t1 in limits)
    if below is not None:
        _draw_lengths(below, shown, (left, right), over, cmap)
    if shown.start_hop is not None:
        draw_hops(axes[-1], times, sample_rate=shown.sample_rate, start_hop=shown.start_hop)
    for panel in axes:
        if over == "frequency" and panel is below:
            continue
        above_other = over == "frequency" and panel is planes[-1]
        time_axis(panel, left, right, label=above_other or panel is axes[-1])
        if panel is not axes[0]:
            panel.sharex(axes[0])
    put_title(figure, title, LEFT)
    return figure


def _over(lengths: ArrayLike | None, frames: int, bins: int) -> Over | None:
    """What window lengths vary over, if there are any; ValueError for another shape."""
    if lengths is None:
        return None
    shape = np.shape(lengths)
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


def _stacked(rows: Sequence[tuple[float, float]], right: float) -> tuple[Figure, list[Axes]]:
    """A figure of axes below each other, each a distance from the one above and a height, inches.

    The first distance includes that to the heading.
    """
    top = sum(gap + height for gap, height in rows) + BOTTOM
    figure = Figure(figsize=(WIDTH, top + TOP))
    axes = []
    for gap, height in rows:
        top -= gap + height
        axes.append(axes_at(figure, LEFT, top, WIDTH - LEFT - right, height))
    return figure, axes


def _draw_lengths(
    axes: Axes, shown: Comparison, span: tuple[float, float], over: Over | None, cmap: str
) -> None:
    """Fill the panel of window lengths; those of the outer frames reach to the ends of the span."""
    lengths = np.asarray(shown.window_lengths)
    grid = shown.panels[-1][1].grid
    if over == "plane":
        draw_length_map(
            axes,
            grid,
            lengths,
            sample_rate=shown.sample_rate,
            start_length=shown.start_length,
            best_fixed_length=shown.best_fixed_length,
            cmap=cmap,
        )
        return
    lengths = lengths.astype(np.float64).reshape(-1)
    positions: FloatArray = np.asarray(shown.times, dtype=np.float64)
    if over == "frequency":
        bins = bins_shown(grid)
        positions, lengths = hz_to_scale(grid.frequencies[bins], grid.freq_scale), lengths[bins]
    elif lengths.size > 1:
        positions = np.pad(positions, 1, constant_values=span)
        lengths = np.pad(lengths, 1, mode="edge")
    draw_lengths(
        axes,
        positions=positions,
        window_lengths=lengths,
        sample_rate=shown.sample_rate,
        start_length=shown.start_length,
        best_fixed_length=shown.best_fixed_length,
        length_bounds=shown.length_bounds,
    )
    if over == "frequency":
        frequency_axis(axes, grid)
