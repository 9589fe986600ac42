import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from dstft_cli.plot.style import render
from dstft_cli.plot.trajectory import trajectory_figure
from dstft_cli.records import CriterionSummary, Trajectory

from .example import check_layout, labelled, legend

TABLE = [1024.0, 64.0, 256.0]


def trajectory(*phases: str, last: float = 7.0) -> Trajectory:
    """The start at 512 samples and 9.5, TABLE at 9.4, 9.2, 9.0, then steps of four frames."""
    table = iter(zip(TABLE, [9.4, 9.2, 9.0], strict=True))
    values, lengths = [], []
    for i, phase in enumerate(phases):
        if phase == "start":
            length, value = np.array([[512.0]]), 9.5
        elif phase == "table":
            at, value = next(table)
            length = np.array([[at]])
        else:
            shrunk = 0.4 if phase == "descent" else 1.0
            length, value = shrunk * np.array([[100.0, 200.0, 300.0, 900.0]]), 8.5 - 0.1 * i
        values.append(value)
        lengths.append(length)
    if phases and phases[-1] == "descent":
        values[-1] = last
    n = len(phases)
    return Trajectory(
        phase=phases,
        seconds=np.arange(n) * 0.1,
        evaluations=np.arange(1, n + 1),
        criterion=np.array(values),
        window_lengths=tuple(lengths),
        hop_lengths=(np.array([64.0]),) * n,
    )


def figure_of(steps: Trajectory, *, compared: bool = True, **changes: Any) -> Figure:
    best = CriterionSummary("entropy", "minimize", 9.5, 256.0, 9.0, 7.0, 6.9)
    criterion = replace(best, **changes)
    return trajectory_figure(
        steps, criterion=criterion, sample_rate=8000.0, title="a.wav", best_fixed=compared
    )


FULL = trajectory("start", "table", "table", "table", "search", "descent", "descent")


def test_plain_windows_stand_by_length_and_lines_mark_what_was_reached():
    plain = figure_of(FULL).axes[0]
    lines = labelled(plain)
    np.testing.assert_allclose(lines["fixed windows"].get_xdata(), [8.0, 32.0, 128.0])
    np.testing.assert_allclose(lines["fixed windows"].get_ydata(), [9.2, 9.0, 9.4])
    np.testing.assert_allclose(lines["start"].get_xydata(), [[64.0, 9.5]])
    assert lines["best single"].get_ydata()[0] == 9.0
    assert lines["learned"].get_ydata()[0] == 7.0
    assert lines["best of the table, each part free"].get_ydata()[0] == 6.9
    assert plain.get_xscale() == "log"
    assert plain.get_xlabel() == "Window length (ms)"
    assert plain.get_ylabel() == "entropy (lower is better)"
    highest = figure_of(FULL, name="my_$kurtosis", direction="maximize")
    assert highest.axes[0].get_ylabel() == "my_$kurtosis (higher is better)"
    highest.draw_without_rendering()


GAINS = ["search: 0.9 below best single", "descent: 1.1 below the search"]


def test_search_and_descent_are_marked_apart_by_step_and_their_gains_told():
    # all at one time, as under the local criterion
    _, steps, lengths = figure_of(replace(FULL, evaluations=np.full(7, 3))).axes
    lines = labelled(steps)
    search, descent = (lines[label] for label in GAINS)
    np.testing.assert_allclose(search.get_xydata(), [[4, 8.1]])
    np.testing.assert_allclose(descent.get_xydata(), [[5, 8.0], [6, 7.0]])
    assert search.get_color() != descent.get_color()
    assert search.get_marker() != descent.get_marker()
    assert legend(steps) == GAINS
    assert lengths.get_xlabel() == "Step"
    points = [[4, 31.25], [5, 12.5], [6, 12.5]]
    np.testing.assert_allclose(lengths.lines[0].get_xydata(), points)
    band = lengths.collections[0].get_paths()[0].vertices
    np.testing.assert_allclose((band[:, 1].min(), band[:, 1].max()), (5.0, 112.5))
    assert lengths.get_ylabel() == "Length (ms)"
    lengths.set_xlim(2, 9)
    assert steps.get_xlim() == (2, 9)


def test_a_step_that_is_not_finite_is_left_out():
    steps = trajectory("start", "search", "descent", "descent", last=float("nan"))
    figure = figure_of(steps)
    lines = labelled(figure.axes[0])
    np.testing.assert_allclose(lines["descent: 1.4 below the search"].get_xydata(), [[2, 8.3]])
    gains = ["search: 1.1 below start", "descent: 0.1 below the search"]
    assert legend(figure_of(steps, compared=False, final=np.nan).axes[0])[:2] == gains


def test_one_or_two_steps_draw():
    for phases in (["start", "table"], ["start", "search"], ["descent"]):
        check_layout(figure_of(trajectory(*phases), table_bound=None))
    alone = figure_of(trajectory("start"), compared=False, table_bound=None)
    assert alone.axes == []
    said = "Nothing was learned: entropy 9.5 with a window of 512 samples (64 ms)."
    assert [text.get_text() for text in alone.texts] == [said, "a.wav"]
    assert imread(io.BytesIO(render(alone))).shape[1:] == (1300, 4)


def test_steps_without_a_table_have_the_whole_width_and_are_compared_with_the_start():
    figure = figure_of(trajectory("start", "search", "descent"), compared=False)
    steps = figure.axes[0]
    assert labelled(steps)["start"].get_ydata()[0] == 9.5
    assert steps.get_ylabel() == "entropy (lower is better)"
    assert steps.get_position().width > 0.8
    gains = ["search: 1.1 below start", "descent: 1.4 below the search"]
    assert legend(steps) == [*gains, "start", "best of the table, each part free"]
    check_layout(figure)


def test_plain_hops_take_the_place_of_plain_windows_that_are_fixed():
    phases = ("start", "table", "search", "search", "search", "descent")
    hops = (64.0, 64.0, 32.0, 64.0, 128.0, 120.0)
    steps = replace(
        trajectory(*phases),
        window_lengths=(np.array([[512.0]]),) * 6,
        hop_lengths=tuple(np.array([hop]) for hop in hops),
    )
    figure = figure_of(steps, compared=False, table_bound=None)
    plain, by_step, by_hop = figure.axes
    assert plain.get_title(loc="left") == "One hop length for all frames"
    assert plain.get_xlabel() == "Hop length (ms)"
    np.testing.assert_allclose(labelled(plain)["search"].get_xdata(), [4.0, 8.0, 16.0])
    assert by_hop.get_title(loc="left") == "Hop length"
    assert legend(by_step)[0] == "search: 1.4 below start"
    names = [text.get_text() for text in figure.legends[0].get_texts()]
    assert names == ["search", "start", "descent", "learned"]


def test_lengths_that_stay_are_drawn_as_they_lie():
    lengths = np.array([[100.0, 200.0, 200.0, 900.0]])
    plain = FULL.window_lengths[:4]
    figure = figure_of(replace(FULL, window_lengths=(*plain, lengths, lengths * 1.05, lengths)))
    _, steps, learned = figure.axes
    assert learned.get_title(loc="left") == "Window lengths at the last step"
    assert learned.get_ylabel() == "Frames (%)"
    assert learned.get_xlabel() == "Window length (ms)"
    assert steps.get_xlabel() == "Step"
    (bars,) = learned.patches
    values, edges, _ = bars.get_data()
    assert sorted(values[values > 0]) == [25.0, 25.0, 50.0]
    (k,) = np.flatnonzero(values == 50)
    assert edges[k] <= 25.0 <= edges[k + 1]
    check_layout(figure)


@pytest.mark.parametrize("value", [3.2e-5, 1.7e8])
def test_every_axis_has_three_ticks_of_plain_numbers(value):
    figure = figure_of(
        replace(FULL, criterion=FULL.criterion / 9.5 * value), best_fixed=value, table_bound=None
    )
    figure.draw_without_rendering()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = axis.get_view_interval()
            assert sum(low <= at <= high for at in axis.get_majorticklocs()) >= 3
            assert axis.get_offset_text().get_text() == ""
    check_layout(figure)


def test_hops_that_change_have_a_panel():
    last = map(np.array, ([64.0, 64, 64], [60.0, 70, 90], [50.0, 80, 400]))
    figure = figure_of(replace(FULL, hop_lengths=(np.array([64.0]),) * 4 + tuple(last)))
    _, steps, lengths, hops = figure.axes
    assert hops.get_title(loc="left") == "Hop length: median and range over frames"
    assert hops.get_ylabel() == "Hop (ms)"
    np.testing.assert_allclose(hops.lines[0].get_xydata(), [[4, 8.0], [5, 8.75], [6, 10.0]])
    bars = hops.collections[1].get_segments()
    np.testing.assert_allclose([b[:, 1] for b in bars], [[8, 8], [7.5, 11.25], [6.25, 50]])
    assert hops.get_yscale() == "log"
    assert [a.get_xlabel() for a in (steps, lengths, hops)] == ["", "", "Step"]
    shown = [a.xaxis.get_tick_params()["labelbottom"] for a in (steps, lengths, hops)]
    assert shown == [False, False, True]
    hops.set_xlim(2, 9)
    assert steps.get_xlim() == lengths.get_xlim() == (2, 9)
    check_layout(figure)
    assert figure.get_size_inches()[1] > figure_of(FULL).get_size_inches()[1]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"final": 8.1}, [GAINS[0], "descent: equal to the search"]),
        (
            {"best_fixed": 8.1, "final": 8.2},
            ["search: equal to best single", "descent: 0.1 above the search"],
        ),
        ({"compared": False}, ["search: 1.4 below start", GAINS[1]]),
    ],
)
def test_gains_are_told_in_words(options, told):
    assert legend(figure_of(FULL, **options).axes[1]) == told
