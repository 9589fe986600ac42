from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plot_example import TIMES, comparison, labelled, y_ticks

from dstft_cli.plot.lengths import describe_length, length_ticks, length_unit, sample_ticks


def test_varying_lengths_are_drawn_in_milliseconds() -> None:
    lengths = np.geomspace(64, 1024, 40)
    axes = comparison(lengths[None], length_bounds=(32.0, 2048.0)).axes[3]
    lines = labelled(axes)
    ends = np.pad(lengths, 1, mode="edge")  # the outer frames last until the picture ends
    np.testing.assert_allclose(lines["learned"].get_ydata(), ends / 8)
    np.testing.assert_allclose(lines["learned"].get_xdata(), [-0.025, *TIMES, 1.975])
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
    assert [t.get_text() for t in legend.get_texts()] == [
        "start",
        "best fixed",
        "learned: 300 samples (37.5 ms)",
    ]


def test_a_million_lengths_draw_as_an_envelope() -> None:
    times = np.linspace(0.0, 2.0, 10**6)
    lengths = np.full(10**6, 500.0)
    lengths[123_456] = 900.0
    axes = comparison(lengths, times=times, pool={"times": TIMES}).axes[3]
    assert len(np.asarray(axes.lines[-1].get_xdata())) <= 1400
    (band,) = axes.collections
    assert band.get_visible()
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(900.0 / 8)


def test_lengths_as_text_and_ticks() -> None:
    assert describe_length(1024.0, 44100.0) == "1024 samples (23.2 ms)"
    assert describe_length(300.26, 8000.0) == "300.3 samples (37.5 ms)"
    assert describe_length(600.0, 10.0) == "600 samples (60 s)"
    assert describe_length(2.0**20, 22050.0) == "1048576 samples (47.6 s)"
    assert describe_length(4.0, 8.0, 28.5) == "4 to 28.5 samples (500 ms to 3.56 s)"
    np.testing.assert_allclose(length_ticks(1.0, 110.0, log=True), [1, 10, 100])
    np.testing.assert_allclose(length_ticks(6.0, 140.0, log=True), [10, 30, 100])
    np.testing.assert_allclose(length_ticks(110.0, 560.0, log=True), [150, 200, 300, 500])
    np.testing.assert_allclose(length_ticks(20.0, 60.0, log=False), [20, 30, 40, 50, 60])
    np.testing.assert_allclose(sample_ticks(60.0, 600.0, log=True), [64, 128, 256, 512])
    np.testing.assert_allclose(sample_ticks(66.0, 500.0, log=True), [100, 200, 500])
    np.testing.assert_allclose(sample_ticks(64 + 1e-12, 256 - 1e-12, log=True), [64, 128, 256])


def test_axes_of_one_second_and_more_are_in_seconds() -> None:
    below, above = (length_unit(samples, 8000.0) for samples in (7999.0, 8000.0))
    assert (below, above) == ((1 / 8, "ms"), (1 / 8000, "s"))
    axes = comparison(np.geomspace(64, 20_000, 40)[None]).axes[3]
    assert axes.get_ylabel() == "Length (s)"
    assert y_ticks(axes) == ["0.01", "0.1", "1"]


@given(low=st.floats(1e-3, 1e5), octaves=st.floats(0.01, 12.0))
@settings(deadline=None, derandomize=True)
def test_every_axis_has_three_ticks(low: float, octaves: float) -> None:
    high = low * 2**octaves
    for log in (True, False):
        for places in (length_ticks(low, high, log), sample_ticks(low, high, log)):
            assert places.size >= 3
            assert low * (1 - 1e-6) <= places[0] < places[-1] <= high * (1 + 1e-6)
