import io
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from dstft_cli.errors import UsageError
from dstft_cli.plot import PixelPool, draw_comparison, draw_spectrogram
from dstft_cli.plot.figures import comparison_figure, spectrogram_figure, to_db
from dstft_cli.plot.lengths import describe_length, length_ticks, sample_ticks
from dstft_cli.plot.scale import hz_to_scale

RATE = 8000.0


def pool_of(level: float = 1.0, frames: int = 40, bins: int = 65, **options: Any) -> PixelPool:
    pool = PixelPool(
        times=np.arange(frames) * 0.05,
        frequencies=np.arange(bins) * RATE / 2 / (bins - 1),
        **options,
    )
    magnitude = np.random.default_rng(0).uniform(0.0, 1.0, (frames, bins)).astype(np.float32)
    magnitude[frames // 2, bins // 3] = 1.0
    pool.add(0, level * magnitude)
    return pool


def comparison(lengths: Any = 300.0, **options: Any) -> Figure:
    panels = [("Start", pool_of(0.1)), ("Best fixed", pool_of(1.0)), ("Learned", pool_of(2.0))]
    given: dict[str, Any] = {
        "times": np.arange(40) * 0.05,
        "window_lengths": lengths,
        "sample_rate": RATE,
        "start_length": 512.0,
        "best_fixed_length": 400.0,
        "title": "a.wav",
    }
    return comparison_figure(panels, **(given | options))


def y_ticks(axes: Any) -> list[str]:
    low, high = axes.get_ylim()
    return [
        t.get_text()
        for t, at in zip(axes.get_yticklabels(), axes.get_yticks(), strict=True)
        if low <= at <= high
    ]


def test_decibels_are_below_the_reference_and_clipped() -> None:
    db = to_db(np.array([[2.0, 0.2, 1e-9, 0.0]]), 2.0, 60.0)
    np.testing.assert_allclose(db, [[0.0, -20.0, -60.0, -60.0]], atol=1e-5)
    np.testing.assert_array_equal(to_db(np.zeros((2, 3)), 0.0, 60.0), np.full((2, 3), -60.0))


def test_a_spectrogram_shows_the_pool_in_decibels() -> None:
    pool = pool_of(3.0)
    figure = spectrogram_figure(pool, title="bell.wav", db_range=50.0, cmap="viridis")
    axes, bar = figure.axes
    (image,) = axes.images
    assert tuple(image.get_extent()) == pytest.approx(pool.extent)
    assert image.origin == "lower"
    assert image.get_clim() == (-50.0, 0.0)
    assert image.get_cmap().name == "viridis"
    np.testing.assert_allclose(image.get_array(), to_db(pool.image, pool.image.max(), 50.0))
    assert float(image.get_array().max()) == 0.0
    assert axes.get_ylim() == (0.0, 4000.0)
    assert axes.get_xlim() == pytest.approx(pool.extent[:2])
    assert axes.get_xlabel() == "Time (s)"
    assert axes.get_ylabel() == "Frequency (kHz)"
    assert y_ticks(axes) == ["0", "1", "2", "3", "4"]
    assert bar.get_ylabel() == "Level (dB below the maximum)"
    assert [t.get_text() for t in figure.texts] == ["bell.wav"]


@pytest.mark.parametrize(
    ("scale", "labels"),
    [
        ("log", ["100", "200", "500", "1k", "2k"]),
        ("mel", ["0", "100", "200", "300", "500", "1k", "2k", "3k"]),
    ],
)
def test_scaled_axes_are_labelled_in_hz(scale: str, labels: list[str]) -> None:
    pool = pool_of(freq_scale=scale)
    axes = spectrogram_figure(pool, title="").axes[0]
    assert axes.get_ylabel() == "Frequency (Hz)"
    assert y_ticks(axes) == labels
    assert axes.get_ylim() == pytest.approx(pool.extent[2:])


@pytest.mark.parametrize(
    ("seconds", "label", "ticks"),
    [
        (40.0, "Time (s)", ["0", "5", "10", "15", "20", "25", "30", "35", "40"]),
        (1800.0, "Time (min:s)", ["0:00", "5:00", "10:00", "15:00", "20:00", "25:00", "30:00"]),
        (10800.0, "Time (h:min)", ["0:00", "0:30", "1:00", "1:30", "2:00", "2:30", "3:00"]),
    ],
)
def test_long_times_are_clock_times(seconds: float, label: str, ticks: list[str]) -> None:
    pool = PixelPool(times=np.linspace(0, seconds, 50), frequencies=np.arange(5) * 100.0)
    pool.add(0, np.ones((50, 5), np.float32))
    axes = spectrogram_figure(pool, title="").axes[0]
    low, high = axes.get_xlim()
    shown = [
        text.get_text().replace("\N{MINUS SIGN}", "-")
        for text, at in zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
        if low <= at <= high
    ]
    assert axes.get_xlabel() == label
    assert shown == ticks


def test_png_has_the_size_of_the_figure() -> None:
    data = draw_spectrogram(pool_of(), title="a.wav")
    assert imread(io.BytesIO(data)).shape == (650, 1300, 4)


def test_svg_is_xml_with_the_image_inside_and_repeats_itself() -> None:
    data = draw_spectrogram(pool_of(), title="a.wav", format="svg")
    root = ElementTree.fromstring(data)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert 1 <= len(list(root.iter("{http://www.w3.org/2000/svg}image"))) <= 2
    assert b"<dc:date>" not in data
    assert data == draw_spectrogram(pool_of(), title="a.wav", format="svg")


def test_pdf_carries_no_date_and_repeats_itself() -> None:
    data = draw_spectrogram(pool_of(), title="a.wav", format="pdf")
    assert data.startswith(b"%PDF-")
    assert b"CreationDate" not in data
    assert data == draw_spectrogram(pool_of(), title="a.wav", format="pdf")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "gif"}, "figure format 'gif' is unknown: choose --format from png, svg, pdf"),
        ({"cmap": "virids"}, "colour map 'virids' is unknown: .*viridis"),
        ({"db_range": 0.0}, "dB range 0 is not above 0: raise --db-range"),
        ({"db_range": float("nan")}, "dB range nan is not above 0"),
    ],
)
def test_bad_looks_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        draw_spectrogram(pool_of(), title="", **options)


def test_all_panels_share_one_colour_scale() -> None:
    axes = comparison().axes
    images = [a.images[0] for a in axes[:3]]
    assert {image.get_clim() for image in images} == {(-80.0, 0.0)}
    peaks = [float(image.get_array().max()) for image in images]
    np.testing.assert_allclose(peaks, 20 * np.log10([0.1 / 2, 1 / 2, 1]), atol=1e-4)


def test_panels_and_lengths_share_place_and_time_axis() -> None:
    figure = comparison()
    figure.draw_without_rendering()
    first, second, third, lengths, bar = figure.axes
    places = [a.get_position() for a in (first, second, third, lengths)]
    assert len({(p.x0, p.x1) for p in places}) == 1
    assert all(upper.y0 > lower.y1 for upper, lower in pairwise(places))
    assert bar.get_position().y0 == pytest.approx(third.get_position().y0)
    assert bar.get_position().y1 == pytest.approx(first.get_position().y1)
    assert bar.get_position().x0 > places[0].x1
    lengths.set_xlim(0.3, 0.7)
    assert [a.get_xlim() for a in (first, second, third)] == [(0.3, 0.7)] * 3
    assert [a.get_xlabel() for a in (first, second, third, lengths)] == ["", "", "", "Time (s)"]
    titles = [a.get_title(loc="left") for a in (first, second, third, lengths)]
    assert titles == ["Start", "Best fixed", "Learned", "Window length"]


def test_everything_lies_inside_the_picture() -> None:
    figure = comparison(np.geomspace(64, 1024, 40)[None], length_bounds=(32.0, 2048.0))
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 > 0
    assert box.y0 > 0
    assert box.x1 < width
    assert box.y1 < height


def test_varying_lengths_are_drawn_in_milliseconds() -> None:
    lengths = np.geomspace(64, 1024, 40)
    axes = comparison(lengths[None], length_bounds=(32.0, 2048.0)).axes[3]
    lines = {str(line.get_label()): line for line in axes.lines}
    np.testing.assert_allclose(lines["learned"].get_ydata(), lengths / 8)
    np.testing.assert_allclose(lines["learned"].get_xdata(), np.arange(40) * 0.05)
    assert list(lines["start"].get_ydata()) == [64.0, 64.0]
    assert list(lines["best fixed"].get_ydata()) == [50.0, 50.0]
    assert [float(line.get_ydata()[0]) for line in axes.lines][2:4] == [4.0, 256.0]
    assert axes.get_yscale() == "log"
    assert y_ticks(axes) == ["3", "10", "30", "100", "300"]
    assert axes.get_ylabel() == "Length (ms)"
    (samples,) = axes.child_axes
    samples.figure.draw_without_rendering()
    np.testing.assert_allclose(samples.get_ylim(), np.array(axes.get_ylim()) * 8)
    assert samples.get_ylabel() == "Length (samples)"
    assert y_ticks(samples) == ["32", "128", "512", "2048"]


@pytest.mark.parametrize("lengths", [300.0, [[300.0]], np.array([300.0])])
def test_one_length_is_a_labelled_line(lengths: Any) -> None:
    axes = comparison(lengths).axes[3]
    line = axes.lines[-1]
    assert line.get_label() == "learned: 300 samples (37.5 ms)"
    np.testing.assert_allclose(line.get_ydata(), [37.5, 37.5])
    assert axes.get_yscale() == "linear"
    legend = axes.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == [
        "start",
        "best fixed",
        "learned: 300 samples (37.5 ms)",
    ]


def test_a_million_lengths_draw_as_an_envelope() -> None:
    times = np.linspace(0.0, 2.0, 10**6)
    lengths = np.full(10**6, 500.0)
    lengths[123_456] = 900.0
    axes = comparison(lengths, times=times).axes[3]
    assert len(np.asarray(axes.lines[-1].get_xdata())) <= 1400
    (band,) = axes.collections
    assert band.get_visible()
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(900.0 / 8)


@pytest.mark.parametrize("shape", [(39,), (1, 1, 40)])
def test_other_lengths_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="are neither one nor one for each of 40 positions"):
        comparison(np.full(shape, 300.0))


@pytest.mark.parametrize("shape", [(40, 1), (2, 40)])
def test_lengths_per_bin_need_the_frequencies(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"need the frequencies of the bins"):
        comparison(np.full(shape, 300.0))


@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
def test_lengths_per_bin_are_drawn_over_frequency(scale: str) -> None:
    frequencies = np.linspace(0, 4000, 65)
    pools = []
    for _ in range(2):
        pool = PixelPool(
            times=np.arange(5) * 0.1,
            frequencies=frequencies,
            freq_scale=scale,
            fmin=500,
            fmax=3000,
        )
        pool.add(0, np.ones((5, 65)))
        pools.append(pool)
    lengths = np.linspace(800, 160, 65)[:, None]
    figure = comparison_figure(
        [("start", pools[0]), ("learned", pools[1])],
        times=np.arange(5) * 0.1,
        window_lengths=lengths,
        sample_rate=8000.0,
        start_length=400.0,
        best_fixed_length=300.0,
        title="",
        frequencies=frequencies,
    )
    assert [panel.get_xlabel() for panel in figure.axes[:2]] == ["", "Time (s)"]
    below, above = (
        a.get_tightbbox().transformed(figure.dpi_scale_trans.inverted())
        for a in (figure.axes[2], figure.axes[1])
    )
    assert below.y1 < above.y0  # the labels of the time axis have room
    axes = figure.axes[2]
    assert axes.get_xlim() == pytest.approx(pools[0].limits)
    assert "Frequency" in axes.get_xlabel()
    curve = axes.lines[-1]
    inside = (frequencies >= 500) & (frequencies <= 3000)
    assert np.asarray(curve.get_ydata()) == pytest.approx(lengths[inside, 0] / 8)
    expected = hz_to_scale(frequencies[inside], scale)
    assert np.asarray(curve.get_xdata()) == pytest.approx(expected)


def test_a_comparison_needs_a_panel() -> None:
    with pytest.raises(ValueError, match="no panels"):
        draw_comparison(
            [],
            times=[0.0],
            window_lengths=1.0,
            sample_rate=1.0,
            start_length=1.0,
            best_fixed_length=1.0,
            title="",
        )


@pytest.mark.parametrize("format", ["png", "svg", "pdf"])
@pytest.mark.parametrize("frames", [1, 2])
@pytest.mark.parametrize("scale", ["linear", "log", "mel"])
def test_silence_and_very_short_inputs_draw(frames: int, scale: str, format: str) -> None:
    pool = PixelPool(
        times=np.arange(frames) * 0.1, frequencies=np.arange(3) * 50.0, freq_scale=scale
    )
    pool.add(0, np.zeros((frames, 3), np.float32))
    data = draw_comparison(
        [("a", pool), ("b", pool)],
        times=np.arange(frames) * 0.1,
        window_lengths=np.full((1, frames), 8.0),
        sample_rate=100.0,
        start_length=8.0,
        best_fixed_length=8.0,
        title="t",
        format=format,
    )
    starts = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}
    assert data.startswith(starts[format])


def test_lengths_as_text_and_ticks() -> None:
    assert describe_length(1024.0, 44100.0) == "1024 samples (23.2 ms)"
    assert describe_length(300.26, 8000.0) == "300.3 samples (37.5 ms)"
    assert describe_length(600.0, 10.0) == "600 samples (60 s)"
    np.testing.assert_allclose(length_ticks(1.0, 110.0, log=True), [1, 10, 100])
    np.testing.assert_allclose(length_ticks(6.0, 140.0, log=True), [10, 30, 100])
    np.testing.assert_allclose(length_ticks(20.0, 60.0, log=False), [20, 30, 40, 50, 60])
    np.testing.assert_allclose(sample_ticks(60.0, 600.0, log=True), [64, 128, 256, 512])
