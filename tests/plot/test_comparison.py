from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from dstft_cli.plot.spectrogram import Comparison, comparison_figure

from .example import (
    BINS,
    FRAMES,
    TIMES,
    check_layout,
    comparison,
    labelled,
    legend,
    pool_of,
    pool_on,
    titled,
    y_ticks,
)

UNEVEN = np.cumsum(np.geomspace(0.01, 0.3, FRAMES))
SHAPES = {"one": (1, 1), "frames": (1, FRAMES), "bins": (BINS, 1), "cells": (BINS, FRAMES)}


def lengths_of(kind: str) -> Any:
    shape = SHAPES[kind]
    return np.geomspace(64, 1024, shape[0] * shape[1]).reshape(shape)


def bars(figure: Figure) -> list[Any]:
    return [axes for axes in figure.axes if not axes.get_title(loc="left")]


def test_all_panels_share_one_colour_scale():
    axes = comparison().axes
    images = [a.images[0] for a in axes[:3]]
    assert {image.get_clim() for image in images} == {(-80.0, 0.0)}
    peaks = [float(image.get_array().max()) for image in images]
    np.testing.assert_allclose(peaks, 20 * np.log10([0.1 / 2, 1 / 2, 1]), atol=1e-4)


@pytest.mark.parametrize(("kind", "hop"), [("one", None), ("cells", 300.0)])
def test_panels_share_place_and_time_axis(kind, hop):
    figure = comparison(lengths_of(kind), start_hop=hop)
    figure.draw_without_rendering()
    panels = list(titled(figure).values())
    names = ["Start", "Best fixed", "Learned", "Window length"]
    assert list(titled(figure)) == names + (["Hop length"] if hop else [])
    places = [a.get_position() for a in panels]
    assert len({(p.x0, p.x1) for p in places}) == 1
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(places))
    bar = bars(figure)[0].get_position()
    assert bar.y0 == pytest.approx(places[2].y0)
    assert bar.y1 == pytest.approx(places[0].y1)
    assert bar.x0 > places[0].x1
    *above, last = panels
    last.set_xlim(0.3, 0.7)
    assert {a.get_xlim() for a in above} == {(0.3, 0.7)}
    assert [a.get_xlabel() for a in panels] == [""] * len(above) + ["Time (s)"]


@pytest.mark.parametrize("kind", ["bins", "cells"])
def test_texts_lie_inside_the_picture_and_apart(kind):
    shown = {"length_bounds": (32.0, 2048.0), "pool": {"freq_scale": "mel"}}
    figure = comparison(lengths_of(kind), times=UNEVEN, start_hop=300.0, **shown)
    check_layout(figure)


@pytest.mark.parametrize(("scale", "hop"), [("log", None), ("mel", 300.0)])
def test_lengths_per_bin_are_drawn_over_frequency(scale, hop):
    frequencies = np.linspace(0, 4000, BINS)
    limits = {"freq_scale": scale, "fmin": 500.0, "fmax": 3000.0}
    lengths = np.linspace(800, 160, BINS)[:, None]
    figure = comparison(lengths, start_hop=hop, pool=limits)
    axes = titled(figure)
    over_time = [a.get_xlabel() for a in axes.values() if a is not axes["Window length"]]
    assert over_time == ["", "", "Time (s)"] + ["Time (s)"] * bool(hop)
    boxes = [a.get_tightbbox() for a in axes.values()]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))  # labels have room
    below = axes["Window length"]
    assert below.get_xlim() == pytest.approx((500.0, 3000.0))
    assert "Frequency" in below.get_xlabel()
    curve = below.lines[-1]
    inside = (frequencies >= 500) & (frequencies <= 3000)
    assert np.asarray(curve.get_ydata()) == pytest.approx(lengths[inside, 0] / 8)
    assert np.asarray(curve.get_xdata()) == pytest.approx(frequencies[inside])
    if hop:
        axes["Hop length"].set_xlim(0.3, 0.7)
        assert axes["Start"].get_xlim() == (0.3, 0.7)
        assert below.get_xlim() != (0.3, 0.7)


@pytest.mark.parametrize(("hop", "panels"), [(None, 1), (300.0, 2)])
def test_what_was_not_learned_has_no_panel(hop, panels):
    shown = [(f"panel {number}", pool_of()) for number in range(panels)]
    figure = comparison(None, panels=shown, best_fixed_length=None, start_hop=hop, channels=12)
    names = [name for name, _ in shown]
    assert list(titled(figure)) == names + (["Hop length"] if hop else [])
    (bar,) = bars(figure)
    assert bar.get_ylabel() == "Mean power of 12 channels (dB below the maximum)"
    check_layout(figure)


@pytest.mark.parametrize(("shape", "scale"), [((1, 1), "linear"), ((3, 2), "log")])
def test_silence_and_very_short_inputs_draw(shape, scale):
    times = np.cumsum(np.arange(shape[1]) * 0.1 + 0.1)
    pool = pool_on(times=times, frequencies=np.arange(3) * 50.0, freq_scale=scale)
    pool.add(0, np.zeros((len(times), 3), np.float32))
    panels: list[Any] = [("a", pool), ("b", pool), "map", "curve", "hops"]
    shown = Comparison(panels, pool, times, np.full(shape, 8.0), 100.0, 8.0, 8.0, start_hop=10.0)
    figure = comparison_figure(shown, title="t")
    check_layout(figure)
    assert figure.axes[0].images[0].get_array().max() == -80.0


PATCHES = np.kron(np.geomspace(60, 1024, 20).reshape(5, 4), np.ones((13, 10)))


def test_the_map_has_the_axes_of_the_spectrograms():
    limits = {"freq_scale": "mel", "fmin": 300.0, "fmax": 3000.0}
    figure = comparison(PATCHES, pool=limits)
    axes = titled(figure)
    shown, learned = axes["Window length"], axes["Learned"]
    grid = pool_of(**limits).grid
    (image,) = shown.images
    assert tuple(image.get_extent()) == pytest.approx(grid.extent)
    assert shown.get_ylim() == learned.get_ylim() == pytest.approx(grid.freq_range)
    assert y_ticks(shown) == y_ticks(learned)
    assert shown.get_ylabel() == "Frequency (Hz)"
    assert shown.get_position().height == pytest.approx(learned.get_position().height)
    columns = image.get_array()[:, ::35]  # 40 frames, each drawn 35 columns wide
    bins = np.abs(grid.frequencies - grid.row_frequencies[:, None]).argmin(1)
    np.testing.assert_allclose(columns, PATCHES[bins] / 8)


def test_a_wide_range_has_a_logarithmic_bar_in_milliseconds_and_samples():
    figure = comparison(PATCHES, start_length=2100.0)
    figure.draw_without_rendering()
    (image,) = titled(figure)["Window length"].images
    assert isinstance(image.norm, LogNorm)
    assert image.get_clim() == pytest.approx((7.5, 262.5))  # 60 and 2100 samples at 8 kHz
    bar = figure.axes[-1]  # of lengths
    assert bar.get_yscale() == "log"
    assert bar.get_ylabel() == "Length (ms)"
    assert y_ticks(bar) == ["10", "30", "100"]
    (samples,) = bar.child_axes
    assert samples.get_ylabel() == "Length (samples)"
    np.testing.assert_allclose(samples.get_ylim(), np.array(bar.get_ylim()) * 8)
    assert y_ticks(samples) == ["64", "128", "256", "512", "1024", "2048"]
    assert bar.get_tightbbox().x0 > titled(figure)["Window length"].get_window_extent().x1
    place, panel = bar.get_position(), titled(figure)["Window length"].get_position()
    assert (place.y0, place.y1) == pytest.approx((panel.y0, panel.y1))


def test_varying_lengths_are_drawn_in_milliseconds():
    lengths = np.geomspace(64, 1024, 40)
    axes = comparison(lengths[None], length_bounds=(32.0, 2048.0)).axes[3]
    lines = labelled(axes)
    one = comparison([[300.0]]).axes[3]
    assert one.lines[-1].get_label() == "learned: 300 samples (37.5 ms)"
    np.testing.assert_allclose(one.lines[-1].get_ydata(), [37.5, 37.5])
    ends = np.pad(lengths, 1, mode="edge")  # the outer frames last until the picture ends
    np.testing.assert_allclose(lines["learned"].get_ydata(), ends / 8)
    np.testing.assert_allclose(lines["learned"].get_xdata(), [-0.025, *TIMES, 1.975])
    assert list(lines["start"].get_ydata()) == [64.0, 64.0]
    assert list(lines["best single"].get_ydata()) == [50.0, 50.0]
    assert [float(line.get_ydata()[0]) for line in axes.lines][2:4] == [4.0, 256.0]
    assert axes.get_yscale() == "log"
    assert y_ticks(axes) == ["3", "10", "30", "100", "300"]
    assert axes.get_ylabel() == "Length (ms)"
    (samples,) = axes.child_axes
    samples.figure.draw_without_rendering()
    np.testing.assert_allclose(samples.get_ylim(), np.array(axes.get_ylim()) * 8)
    assert samples.get_ylabel() == "Length (samples)"
    assert y_ticks(samples) == ["32", "128", "512", "2048"]


def hops_of(times: np.ndarray, start_hop: float = 400.0, frames: int = FRAMES) -> Axes:
    figure = comparison(times=times, start_hop=start_hop, pool={"times": TIMES[:frames]})
    figure.draw_without_rendering()
    return titled(figure)["Hop length"]


def test_each_hop_is_a_step_from_centre_to_centre():
    axes = hops_of(UNEVEN)
    line = labelled(axes)["learned"]
    assert line.get_drawstyle() == "steps-post"
    np.testing.assert_allclose(line.get_xdata(), UNEVEN)
    np.testing.assert_allclose(line.get_ydata()[:-1], np.diff(UNEVEN) * 1000)
    assert axes.get_ylabel() == "Hop (ms)"
    assert axes.get_yscale() == "log"
    (samples,) = axes.child_axes
    assert samples.get_ylabel() == "Hop (samples)"
    np.testing.assert_allclose(samples.get_ylim(), np.array(axes.get_ylim()) * 8)
    assert y_ticks(samples) == ["128", "256", "512", "1024", "2048"]


def test_centres_are_marked_where_they_are_few():
    few, many = (np.cumsum(np.linspace(0.01, 0.02, n)) for n in (250, 251))
    marks = labelled(hops_of(few))["frame centres"]
    np.testing.assert_allclose(marks.get_xdata(), few)
    assert marks.get_marker() == "|"
    bottom = marks.get_transform().transform((0.0, marks.get_ydata()[0]))[1]
    box = marks.axes.get_window_extent()
    assert box.y0 <= bottom < box.y0 + 0.06 * box.height
    assert legend(hops_of(many)) == ["start", "learned"]
