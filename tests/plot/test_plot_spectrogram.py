from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from dstft_cli.errors import UsageError
from dstft_cli.plot.axes import render
from dstft_cli.plot.spectrogram import spectrogram_figure, to_db

from .example import pool_of, pool_on, y_ticks


def drawn(**options: Any) -> bytes:
    return render(spectrogram_figure(pool_of(), title="a.wav"), **options)


def test_decibels_are_below_the_reference_and_clipped() -> None:
    db = to_db(np.array([[2.0, 0.2, 1e-9, 0.0]]), 2.0, 60.0)
    np.testing.assert_allclose(db, [[0.0, -20.0, -60.0, -60.0]], atol=1e-5)
    np.testing.assert_array_equal(to_db(np.zeros((2, 3)), 0.0, 60.0), np.full((2, 3), -60.0))


def test_a_spectrogram_shows_the_pool_in_decibels() -> None:
    pool = pool_of(3.0)
    figure = spectrogram_figure(pool, title="bell.wav", db_range=50.0, cmap="viridis")
    axes, bar = figure.axes
    (image,) = axes.images
    assert tuple(image.get_extent()) == pytest.approx(pool.grid.extent)
    assert image.origin == "lower"
    assert image.get_clim() == (-50.0, 0.0)
    assert image.get_cmap().name == "viridis"
    columns = image.get_array()[:, ::35]  # 40 frames, each drawn 35 columns wide
    np.testing.assert_allclose(columns, to_db(pool.image, pool.image.max(), 50.0))
    np.testing.assert_array_equal(image.get_array()[:, 34::35], columns)
    assert float(image.get_array().max()) == 0.0
    assert axes.get_ylim() == (0.0, 4000.0)
    assert axes.get_xlim() == pytest.approx(pool.grid.extent[:2])
    assert axes.get_xlabel() == "Time (s)"
    assert axes.get_ylabel() == "Frequency (kHz)"
    assert y_ticks(axes) == ["0", "1", "2", "3", "4"]
    assert bar.get_ylabel() == "Level (dB below the maximum)"
    assert [t.get_text() for t in figure.texts] == ["bell.wav"]


def test_the_picture_ends_with_the_recording_and_names_its_channels() -> None:
    pool = pool_of(span=(0.0, 1.96))
    axes, bar = spectrogram_figure(pool, title="", channels=3).axes
    assert axes.get_xlim() == (0.0, 1.96)
    assert bar.get_ylabel() == "Mean power of 3 channels (dB below the maximum)"


def test_scaled_axes_are_labelled_in_hz() -> None:
    for scale, labels in (
        ("log", ["100", "200", "500", "1000", "2000"]),
        ("mel", ["0", "200", "500", "1000", "2000", "3000"]),
    ):
        pool = pool_of(freq_scale=scale)
        axes = spectrogram_figure(pool, title="").axes[0]
        assert axes.get_ylabel() == "Frequency (Hz)"
        assert y_ticks(axes) == labels
        assert axes.get_ylim() == pytest.approx(pool.grid.freq_range)


def test_long_times_are_clock_times() -> None:
    for seconds, label, ticks in (
        (40.0, "Time (s)", [f"{s}" for s in range(0, 41, 5)]),
        (1800.0, "Time (min:s)", [f"{m}:00" for m in range(0, 31, 5)]),
        (10800.0, "Time (h:min:s)", [f"{m // 60}:{m % 60:02}:00" for m in range(0, 181, 30)]),
    ):
        pool = pool_on(times=np.linspace(0, seconds, 50), frequencies=np.arange(5) * 100.0)
        pool.add(0, np.ones((50, 5), np.float32))
        axes = spectrogram_figure(pool, title="").axes[0]
        low, high = axes.get_xlim()
        labels = zip(axes.get_xticklabels(), axes.get_xticks(), strict=True)
        assert axes.get_xlabel() == label
        assert [text.get_text() for text, at in labels if low <= at <= high] == ticks


def test_svg_and_pdf_carry_no_date_and_repeat_themselves() -> None:
    pdf = drawn(format="pdf")
    assert pdf.startswith(b"%PDF-")
    assert b"CreationDate" not in pdf
    assert pdf == drawn(format="pdf")
    data = drawn(format="svg")
    root = ElementTree.fromstring(data)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert 1 <= len(list(root.iter("{http://www.w3.org/2000/svg}image"))) <= 2
    assert b"<dc:date>" not in data
    assert data == drawn(format="svg")


def test_bad_looks_are_refused() -> None:
    for options, message in (
        ({"cmap": "virids"}, "'virids' .*viridis"),
        ({"db_range": 0.0}, "0 .*`db_range`"),
        ({"db_range": float("nan")}, "nan .*`db_range`"),
    ):
        with pytest.raises(UsageError, match=message):
            spectrogram_figure(pool_of(), title="", **options)


def test_the_ends_of_the_criterions_band_are_lines_where_they_are_in_the_picture() -> None:
    pool = pool_of(freq_scale="mel", fmin=200.0)

    def lines(*band: float | None) -> list[float]:
        axes = spectrogram_figure(pool, title="", band=band).axes[0]
        return [float(line.get_ydata()[0]) for line in axes.lines]

    assert lines(None, None) == lines(100.0, 4000.0) == []
    assert lines(500.0, 3000.0) == [500.0, 3000.0]
    assert lines(None, 1000.0) == [1000.0]
