from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from plot_example import (
    BINS,
    FRAMES,
    RATE,
    TIMES,
    comparison,
    lies_inside,
    overlaps,
    pool_of,
    pool_on,
    titled,
)

from dstft_cli.plot.comparison import Comparison, comparison_figure
from dstft_cli.plot.scale import hz_to_scale
from dstft_cli.plot.style import render

UNEVEN = np.cumsum(np.geomspace(0.02, 0.3, FRAMES))
SHAPES = {"one": (1, 1), "frames": (1, FRAMES), "bins": (BINS, 1), "cells": (BINS, FRAMES)}


def lengths_of(kind: str) -> Any:
    shape = SHAPES[kind]
    return np.geomspace(64, 1024, shape[0] * shape[1]).reshape(shape)


def bars(figure: Figure) -> list[Any]:
    return [axes for axes in figure.axes if not axes.get_title(loc="left")]


def test_all_panels_share_one_colour_scale() -> None:
    axes = comparison().axes
    images = [a.images[0] for a in axes[:3]]
    assert {image.get_clim() for image in images} == {(-80.0, 0.0)}
    peaks = [float(image.get_array().max()) for image in images]
    np.testing.assert_allclose(peaks, 20 * np.log10([0.1 / 2, 1 / 2, 1]), atol=1e-4)


@pytest.mark.parametrize("kind", ["one", "frames", "cells"])
@pytest.mark.parametrize("hop", [None, 300.0])
def test_panels_share_place_and_time_axis(kind: str, hop: float | None) -> None:
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


def test_panels_of_other_frames_lie_on_one_axis() -> None:
    pools = [pool_of(times=times) for times in (TIMES, TIMES, UNEVEN)]
    figure = comparison_figure(
        Comparison(
            panels=[("a", pools[0]), ("b", pools[1]), ("c", pools[2])],
            times=UNEVEN,
            window_lengths=lengths_of("frames"),
            sample_rate=RATE,
            start_length=512.0,
            best_fixed_length=400.0,
        ),
        title="",
    )
    left = min(pool.grid.extent[0] for pool in pools)
    right = max(pool.grid.extent[1] for pool in pools)
    assert left < pools[2].grid.extent[0]
    assert right > pools[0].grid.extent[1]
    for axes, pool in zip(figure.axes, pools, strict=False):
        assert axes.get_xlim() == pytest.approx((left, right))
        assert tuple(axes.images[0].get_extent()) == pytest.approx(pool.grid.extent)
    assert figure.axes[3].get_xlim() == pytest.approx((left, right))


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize(("hop", "scale"), [(None, "linear"), (300.0, "log"), (300.0, "mel")])
def test_texts_lie_inside_the_picture_and_apart(kind: str, hop: float | None, scale: str) -> None:
    figure = comparison(
        lengths_of(kind),
        times=UNEVEN,
        start_hop=hop,
        length_bounds=(32.0, 2048.0),
        pool={"freq_scale": scale},
    )
    assert lies_inside(figure)
    assert overlaps(figure) == []


@pytest.mark.parametrize("shape", [(39,), (1, 1, 40), (40, 1), (2, 40), (64, 40), (65, 39)])
def test_other_lengths_are_refused(shape: tuple[int, ...]) -> None:
    message = "are neither one nor one for each of 40 frames, of 65 bins or of both"
    with pytest.raises(ValueError, match=message):
        comparison(np.full(shape, 300.0))


@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
@pytest.mark.parametrize("hop", [None, 300.0])
def test_lengths_per_bin_are_drawn_over_frequency(scale: str, hop: float | None) -> None:
    frequencies = np.linspace(0, 4000, BINS)
    limits = {"freq_scale": scale, "fmin": 500.0, "fmax": 3000.0}
    lengths = np.linspace(800, 160, BINS)[:, None]
    figure = comparison(lengths, start_hop=hop, pool=limits)
    axes = titled(figure)
    time = ["Time (s)"] if hop else []
    assert [a.get_xlabel() for a in axes.values() if a is not axes["Window length"]] == [
        "",
        "",
        "Time (s)",
        *time,
    ]
    boxes = [
        a.get_tightbbox().transformed(figure.dpi_scale_trans.inverted()) for a in axes.values()
    ]
    assert all(above.y0 > below.y1 for above, below in pairwise(boxes))  # labels have room
    below = axes["Window length"]
    assert below.get_xlim() == pytest.approx(pool_of(**limits).grid.limits)
    assert "Frequency" in below.get_xlabel()
    curve = below.lines[-1]
    inside = (frequencies >= 500) & (frequencies <= 3000)
    assert np.asarray(curve.get_ydata()) == pytest.approx(lengths[inside, 0] / 8)
    expected = hz_to_scale(frequencies[inside], scale)
    assert np.asarray(curve.get_xdata()) == pytest.approx(expected)
    if hop:
        axes["Hop length"].set_xlim(0.3, 0.7)
        assert axes["Start"].get_xlim() == (0.3, 0.7)
        assert below.get_xlim() != (0.3, 0.7)


@pytest.mark.parametrize("hop", [None, 300.0])
@pytest.mark.parametrize("panels", [1, 2])
def test_what_was_not_learned_has_no_panel(hop: float | None, panels: int) -> None:
    shown = [(f"panel {number}", pool_of()) for number in range(panels)]
    figure = comparison(None, panels=shown, best_fixed_length=None, start_hop=hop, channels=12)
    names = [name for name, _ in shown]
    assert list(titled(figure)) == names + (["Hop length"] if hop else [])
    (bar,) = bars(figure)
    assert bar.get_ylabel() == "Mean power of 12 channels (dB below the maximum)"
    assert lies_inside(figure)
    assert overlaps(figure) == []


@pytest.mark.parametrize("kind", SHAPES)
def test_without_a_best_fixed_length_there_is_no_line_for_it(kind: str) -> None:
    figure = comparison(lengths_of(kind), best_fixed_length=None)
    legend = titled(figure)["Window length"].get_legend()
    named = [text.get_text() for text in legend.get_texts()]
    assert "start" in named
    assert "best fixed" not in named


def test_a_comparison_needs_a_panel() -> None:
    with pytest.raises(ValueError, match="no panels"):
        comparison(panels=[])


SHORT = [(1, 1), (1, 2), (3, 1), (3, 2), (1, 3), (3, 3)]


def short(shape: tuple[int, int], scale: str) -> Figure:
    """Silence of 3 bins, and of as many frames as there are lengths over time."""
    times = np.cumsum(np.arange(shape[1]) * 0.1 + 0.1)
    pool = pool_on(times=times, frequencies=np.arange(3) * 50.0, freq_scale=scale)
    pool.add(0, np.zeros((len(times), 3), np.float32))
    shown = Comparison(
        panels=[("a", pool), ("b", pool)],
        times=times,
        window_lengths=np.full(shape, 8.0),
        sample_rate=100.0,
        start_length=8.0,
        best_fixed_length=8.0,
        start_hop=10.0,
    )
    return comparison_figure(shown, title="t")


@pytest.mark.parametrize("shape", SHORT, ids=str)
@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
def test_silence_and_very_short_inputs_draw(shape: tuple[int, int], scale: str) -> None:
    figure = short(shape, scale)
    assert lies_inside(figure)
    assert figure.axes[0].images[0].get_array().max() == -80.0


@pytest.mark.parametrize("shape", [(1, 1), (3, 2)], ids=str)
@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
def test_every_format_draws(shape: tuple[int, int], format: str) -> None:
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert render(short(shape, "mel"), format).startswith(starts[format])


def test_the_ends_of_the_criterions_band_are_lines_in_every_spectrogram() -> None:
    *panels, lengths, _ = comparison(band=(500.0, None)).axes
    for panel in panels:
        assert [line.get_ydata()[0] for line in panel.lines] == [500.0]
    assert len(lengths.lines) == len(comparison().axes[3].lines)
