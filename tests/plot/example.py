"""Pools, comparisons and results for the tests of pictures."""

from itertools import combinations
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text

from dstft_cli.plot.pixels import PixelGrid, PixelPool
from dstft_cli.plot.spectrogram import Comparison, comparison_figure
from dstft_cli.plot.style import PLAIN
from dstft_cli.settings import Settings

RATE = 8000.0
FRAMES, BINS = 40, 65
TIMES = np.arange(FRAMES) * 0.05


def pool_on(**grid: Any) -> PixelPool:
    return PixelPool(PixelGrid(**grid))


def pool_of(level: float = 1.0, times: Any = TIMES, bins: int = BINS, **grid: Any) -> PixelPool:
    """Noise of up to `level`, reached in one cell."""
    frames = len(times)
    pool = pool_on(times=times, frequencies=np.arange(bins) * RATE / 2 / (bins - 1), **grid)
    magnitude = np.random.default_rng(0).uniform(0.0, 1.0, (frames, bins)).astype(np.float32)
    magnitude[frames // 2, bins // 3] = 1.0
    pool.add(0, level * magnitude)
    return pool


def comparison(
    lengths: Any = 300.0, *, pool: dict[str, Any] | None = None, cmap: str = "magma", **shown: Any
) -> Figure:
    """Three panels of levels 0.1, 1 and 2, then lengths, then hops; `pool` goes to them."""
    times = shown.get("times", TIMES)
    panels = [
        (label, pool_of(level, **({"times": times} | (pool or {}))))
        for label, level in (("Start", 0.1), ("Best fixed", 1.0), ("Learned", 2.0))
    ]
    panels = shown.pop("panels", panels)
    varied = min((1, 1, *np.shape(lengths))[-2:]) > 1
    below = [] if lengths is None else ["map" if varied else "curve"]
    below += ["hops"] if shown.get("start_hop") else []
    given: dict[str, Any] = {"panels": [*panels, *below], "learned": panels[-1][1]}
    given |= {"window_lengths": 300.0 if lengths is None else lengths, "times": TIMES}
    given |= {"sample_rate": RATE, "start_length": 512.0, "best_fixed_length": 400.0}
    given |= {name: value for name, value in shown.items() if value is not None}
    return comparison_figure(Comparison(**given), title="a.wav", look=Settings(cmap=cmap))


def spectrogram_figure(
    pool: PixelPool, *, title: str = "", look: Settings = PLAIN, **shown: Any
) -> Figure:
    """A spectrogram alone; axes 1 hold the colour bar."""
    return comparison_figure(Comparison([("", pool)], pool, **shown), title=title, look=look)


def y_ticks(axes: Axes) -> list[str]:
    low, high = axes.get_ylim()
    return [
        t.get_text()
        for t, at in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
        if low <= at <= high
    ]


def titled(figure: Figure) -> dict[str, Axes]:
    """The axes by the titles of their panels."""
    return {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}


def labelled(axes: Axes) -> dict[str, Any]:
    """The lines by their labels."""
    return {str(line.get_label()): line for line in axes.lines}


def check_layout(figure: Figure) -> None:
    """Everything lies inside the picture, and no text is drawn over another."""
    for image in figure.findobj(AxesImage):
        image.set_visible(False)  # takes long to draw
    figure.draw_without_rendering()
    beyond = set()  # ticks outside the axes keep their labels, which are not drawn
    for axis in figure.findobj(Axis):
        low, high = sorted(axis.get_view_interval())
        for tick in axis.get_major_ticks():
            if not low <= tick.get_loc() <= high:
                beyond |= {tick.label1, tick.label2}
    drawn = [t for t in figure.findobj(Text) if t.get_visible() and t.get_text().strip()]
    boxes = [(str(t.get_text()), t.get_window_extent()) for t in drawn if t not in beyond]
    over = [(a, b) for (a, one), (b, other) in combinations(boxes, 2) if one.overlaps(other)]
    assert over == []
    boxes += [("axes", axes.get_window_extent()) for axes in figure.axes]
    page = figure.bbox
    inside = [box.x0 > 0 < box.y0 and box.x1 < page.x1 and box.y1 < page.y1 for _, box in boxes]
    assert [text for (text, _), within in zip(boxes, inside, strict=True) if not within] == []


def legend(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.get_legend().get_texts()]
