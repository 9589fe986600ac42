"""The panel of learned hop lengths over time, in time units and samples."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from dstft_cli.plot.lengths import draw_curve, draw_one, length_axis, put_legend
from dstft_cli.plot.scale import FloatArray
from dstft_cli.plot.style import COLOURS, INK, panel_title

EQUAL = 1e-6  # hops that differ by no more than this share of the longest are one hop
FEW = 250  # frames up to which each centre has a mark, and each hop its exact span


def draw_hops(axes: Axes, times: FloatArray, *, sample_rate: float, start_hop: float) -> None:
    """Fill `axes` with the distances of neighbouring frame centres.

    Args:
        axes: empty.
        times: frame centres, s, [T], increasing; a single frame has no hop.
        sample_rate: Hz.
        start_hop: hop length at the start, samples.
    """
    hops = np.diff(times) * sample_rate
    drawn = np.append(hops, start_hop)
    unit = length_axis(axes, float(drawn.min()), float(drawn.max()), sample_rate, "Hop")
    axes.axhline(start_hop * unit, lw=1.0, ls="--", color=COLOURS["start"], label="start")
    if hops.size and np.ptp(hops) <= EQUAL * hops.max():
        draw_one(axes, float(hops.mean()), unit, sample_rate)
    elif 0 < hops.size < FEW:
        axes.plot(
            times,
            np.append(hops, hops[-1]) * unit,
            drawstyle="steps-post",
            lw=1.4,
            color=COLOURS["descent"],
            label="learned",
        )
    elif hops.size:
        draw_curve(axes, (times[:-1] + times[1:]) / 2, hops * unit)
    if times.size <= FEW:
        axes.plot(
            times,
            np.full(times.size, 0.03),
            "|",
            ms=4,
            mew=0.7,
            color=INK,
            label="frame centres",
            transform=axes.get_xaxis_transform(),
        )
    panel_title(axes, "Hop length")
    put_legend(axes)
