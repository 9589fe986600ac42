import numpy as np
import pytest
from matplotlib.axes import Axes
from plot_example import FRAMES, RATE, TIMES, comparison, labelled, titled, y_ticks

UNEVEN = np.cumsum(np.geomspace(0.01, 0.3, FRAMES))


def hops_of(times: np.ndarray, start_hop: float = 400.0, frames: int = FRAMES) -> Axes:
    figure = comparison(times=times, start_hop=start_hop, pool={"times": TIMES[:frames]})
    figure.draw_without_rendering()
    return titled(figure)["Hop length"]


def legend(axes: Axes) -> list[str]:
    shown = axes.get_legend()
    return [t.get_text() for t in shown.get_texts()]


def test_each_hop_is_a_step_from_centre_to_centre() -> None:
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


def test_the_start_is_a_dashed_line() -> None:
    start = labelled(hops_of(UNEVEN))["start"]
    assert start.get_linestyle() == "--"
    np.testing.assert_allclose(start.get_ydata(), [50.0, 50.0])
    assert hops_of(UNEVEN, start_hop=40_000.0).get_ylim()[1] > 5.0  # s


def test_one_learned_hop_is_a_line_with_its_value() -> None:
    axes = hops_of(0.0321 + np.arange(FRAMES) * 0.0625)
    line = labelled(axes)["learned: 500 samples (62.5 ms)"]
    np.testing.assert_allclose(line.get_ydata(), [62.5, 62.5])
    assert legend(axes) == ["start", "learned: 500 samples (62.5 ms)", "frame centres"]


def test_centres_are_marked_where_they_are_few() -> None:
    few, many = (np.cumsum(np.linspace(0.01, 0.02, n)) for n in (250, 251))
    marks = labelled(hops_of(few))["frame centres"]
    np.testing.assert_allclose(marks.get_xdata(), few)
    assert marks.get_marker() == "|"
    bottom = marks.get_transform().transform((0.0, marks.get_ydata()[0]))[1]
    box = marks.axes.get_window_extent()
    assert box.y0 <= bottom < box.y0 + 0.06 * box.height
    assert legend(hops_of(many)) == ["start", "learned"]


def test_many_hops_draw_as_an_envelope() -> None:
    hops = np.full(60_000, 0.01)
    hops[12_345] = 0.3
    axes = hops_of(np.cumsum(hops))
    assert len(labelled(axes)["learned: median and range"].get_xdata()) <= 1400
    (band,) = axes.collections
    assert band.get_paths()[0].vertices[:, 1].max() == pytest.approx(300.0)


def test_two_frames_have_one_hop_and_one_has_none() -> None:
    assert legend(hops_of(np.array([0.1, 0.2])))[1] == "learned: 800 samples (100 ms)"
    axes = hops_of(np.array([0.1]), start_hop=400.0)
    assert legend(axes) == ["start", "frame centres"]
    low, high = axes.get_ylim()
    assert low < 400.0 / RATE * 1000 < high


def test_without_learned_hops_there_is_no_panel() -> None:
    assert "Hop length" not in titled(comparison(times=UNEVEN))
