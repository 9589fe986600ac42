"""Range, size, type, axes and formats of pictures."""

import re
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib import rc_context
from matplotlib.figure import Figure

from dstft_cli.plot.axes import time_axis
from dstft_cli.plot.spectrogram import Comparison, comparison_figure
from dstft_cli.plot.style import axes_at, new_page, render, style_of
from dstft_cli.settings import Settings

from .example import BINS, FRAMES, TIMES, check_layout, legend, pool_of, titled, y_ticks

NIGHT = {"recorded": datetime(2023, 1, 31, 23, 59, 17), "width": 3.0}


def stacked(
    *panels: Any, title: str = "a.wav", shape: tuple[int, ...] = (BINS, FRAMES), **look: Any
) -> Figure:
    """The panels of a result; a word that is not one of lengths is a spectrogram's label."""
    pool = pool_of(freq_scale=look.pop("freq_scale", "log"))
    given = [word if word in ("map", "curve", "hops") else (word, pool) for word in panels]
    lengths = np.geomspace(16, 1024, int(np.prod(shape))).reshape(shape)
    shown = Comparison(given, pool, TIMES, lengths, 8000.0, 512.0, 400.0, start_hop=400.0)
    settings = Settings(**look)
    figure = comparison_figure(shown, title=title, look=settings)
    with rc_context(style_of(settings)):
        check_layout(figure)
    return figure


def ticks(start: float, stop: float, width: float = 8.25, **options: Any) -> tuple[list[str], str]:
    """Labels of a time axis of that width, inches, and its own."""
    axes = axes_at(new_page(10.0, 2.0), 0.8, 0.5, width, 1.0)
    time_axis(axes, start, stop, **options)
    shown = zip(axes.get_xticks(), axes.xaxis.get_ticklabels(), strict=True)
    inside = [text.get_text() for at, text in shown if start - 1e-9 <= at <= stop + 1e-9]
    return inside, axes.get_xlabel()


def test_times_are_whole_numbers_of_what_the_axis_counts():
    minutes, hours, wide = {"unit": "min"}, {"unit": "h", "width": 3.0}, NIGHT | {"width": 4.0}
    for start, stop, options, labels, name in (
        (0.0, 0.04, {"width": 2.0}, "0.00 0.02 0.04", "Time (s)"),
        (3600.1, 3600.3, {"width": 4.0}, "3600.10 3600.15 3600.20 3600.25 3600.30", "Time (s)"),
        (60.0, 63.0, minutes, "1:00.0 1:00.5 1:01.0 1:01.5 1:02.0 1:02.5 1:03.0", "Time (min:s)"),
        (0.0, 90.0, hours, "0:00:00 0:00:30 0:01:00 0:01:30", "Time (h:min:s)"),
        (0.0, 2.0, NIGHT, "23:59:17 23:59:18 23:59:19", "Time on 2023-01-31 (h:min:s)"),
        (40.0, 163.0, NIGHT, "00:00 00:01 00:02", "Time from 2023-01-31 (h:min)"),
        (8.64e4, 17.28e4, wide, "00:00 06:00 12:00 18:00", "Time from 2023-02-01 (h:min)"),
    ):
        assert ticks(start, stop, **options) == (labels.split(), name)


def test_an_axis_of_notes_has_as_many_as_there_is_room_for():
    (axes, _) = stacked("", freq_scale="note").axes
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "Note"
    names = y_ticks(axes)
    at = dict(zip(names, axes.get_yticks(), strict=False))
    assert at["C4"] == pytest.approx(261.6256, rel=1e-6)
    assert at["G5"] == pytest.approx(783.991, rel=1e-5)
    (small, _) = stacked("", freq_scale="note", size="4in", font_size=10).axes
    assert set(y_ticks(small)) < set(names)


SERIF = {"colorbar": False, "font": "serif"}
LONG = "20230131_235900 of a rather long name of a file.wav"
FOUR = ["Plain: 64 ms", "map", "Learned: 2 ms to 128 ms", "curve"]


@pytest.mark.parametrize(
    ("size", "panels", "title", "look"),
    [
        ("90mm", ["Learned: 2 ms to 128 ms"], LONG, {}),
        ("180mm", ["Learned: 2 ms to 128 ms"], LONG, SERIF),
        ("90x210mm", FOUR, "", SERIF),
        ("90mm", FOUR, "", {}),
        ("90x140mm", ["map", "curve", "hops"], "a.wav", {}),
    ],
)
def test_a_column_of_a_paper_has_room_for_every_text(size, panels, title, look):
    figure = stacked(*panels, title=title, size=size, **look)
    wide, _, high = size.removesuffix("mm").partition("x")
    assert figure.get_figwidth() == pytest.approx(float(wide) / 25.4)
    assert not high or figure.get_figheight() == pytest.approx(float(high) / 25.4)
    points = {text.get_fontsize() for axes in figure.axes for text in axes.get_xticklabels()}
    assert points == {0.9 * (8 if wide == "90" else 10)}


def test_panels_stand_in_the_order_asked_for_beside_their_own_bars():
    figure = stacked("Learned", "map", "Plain", "curve")
    places = [titled(figure)[name].get_position() for name in ("Learned", "Plain")]
    panels = figure.axes[:4]
    assert all(a.get_position().y0 > b.get_position().y1 for a, b in pairwise(panels))
    assert [axes.get_xlabel() for axes in panels] == ["", "", "", "Time (s)"]
    assert len({axes.get_xlim() for axes in panels}) == 1
    bars = [axes for axes in figure.axes[4:] if "Level" in axes.get_ylabel()]
    assert [bar.get_position().y0 for bar in bars] == pytest.approx([p.y0 for p in places])
    assert [bar.get_ylabel() for bar in bars] == ["Level (dB)"] * 2  # too low for more
    assert len(stacked("Learned", "map", colorbar=False).axes) == 2
    curve = panels[3]
    assert "learned: median and middle half" in legend(curve)
    median = np.asarray(curve.lines[-1].get_ydata())
    expected = np.median(np.asarray(panels[1].images[0].get_array())[:, ::35], axis=0)
    np.testing.assert_allclose(median[1:-1], expected)


def test_a_map_of_lengths_that_vary_in_one_dimension():
    for shape in ((1, FRAMES), (BINS, 1)):
        (image,) = titled(stacked("a", "map", shape=shape))["Window length"].images
        across = np.ptp(image.get_array(), axis=0).max(), np.ptp(image.get_array(), axis=1).max()
        assert [bool(change > 1e-9) for change in across] == [shape[0] > 1, shape[1] > 1]


def test_text_of_files_stays_text_in_fonts_that_can_be_embedded():
    figure = stacked("", title="", size="90mm", dpi=100)
    svg = render(figure, look=Settings(format="svg")).decode()
    assert re.search(r"<text[^>]*>Time \(s\)</text>", svg)
    pdf = render(stacked("", size="90mm"), look=Settings(format="pdf"))
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    assert int.from_bytes(render(figure)[16:20], "big") == round(90 / 25.4 * 100)
