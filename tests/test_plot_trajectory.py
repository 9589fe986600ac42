import io
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from dstft_cli.errors import UsageError
from dstft_cli.plot import draw_trajectory
from dstft_cli.plot.trajectory import trajectory_figure
from dstft_cli.result import Trajectory

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
            length, value = np.array([[100.0, 200.0, 300.0, 900.0]]), 8.5 - 0.1 * i
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


def figure_of(steps: Trajectory, **options: Any) -> Figure:
    given: dict[str, Any] = {
        "criterion_name": "entropy",
        "direction": "minimize",
        "sample_rate": 8000.0,
        "best_fixed": 9.0,
        "table_bound": 6.9,
        "title": "a.wav",
    }
    return trajectory_figure(steps, **(given | options))


FULL = trajectory("start", "table", "table", "table", "search", "descent", "descent")


def labelled(axes: Any) -> dict[str, Any]:
    return {str(line.get_label()): line for line in axes.lines}


def test_plain_windows_stand_by_length_and_lines_mark_what_was_reached() -> None:
    plain = figure_of(FULL).axes[0]
    lines = labelled(plain)
    np.testing.assert_allclose(lines["fixed windows"].get_xdata(), [8.0, 32.0, 128.0])
    np.testing.assert_allclose(lines["fixed windows"].get_ydata(), [9.2, 9.0, 9.4])
    np.testing.assert_allclose(lines["start"].get_xydata(), [[64.0, 9.5]])
    assert lines["best fixed"].get_ydata()[0] == 9.0
    assert lines["learned"].get_ydata()[0] == 7.0
    assert lines["proved bound"].get_ydata()[0] == 6.9
    assert plain.get_xscale() == "log"
    assert plain.get_xlabel() == "Window length (ms)"
    assert plain.get_ylabel() == "entropy (lower is better)"


def test_search_and_descent_are_marked_apart_by_transforms_computed() -> None:
    _, steps, lengths = figure_of(FULL).axes
    lines = labelled(steps)
    np.testing.assert_allclose(lines["search"].get_xydata(), [[5, 8.1]])
    np.testing.assert_allclose(lines["descent"].get_xydata(), [[6, 8.0], [7, 7.0]])
    assert lines["search"].get_color() != lines["descent"].get_color()
    assert lines["search"].get_marker() != lines["descent"].get_marker()
    assert "start" not in lines
    legend = steps.get_legend()
    assert legend is not None
    assert [t.get_text() for t in legend.get_texts()] == ["search", "descent"]
    assert lengths.get_xlabel() == "Transforms computed"
    np.testing.assert_allclose(lengths.lines[0].get_xydata(), [[5, 31.25], [6, 31.25], [7, 31.25]])
    band = lengths.collections[0].get_paths()[0].vertices
    assert (band[:, 1].min(), band[:, 1].max()) == (12.5, 112.5)
    assert lengths.get_ylabel() == "Length (ms)"


def test_steps_and_lengths_share_their_axis() -> None:
    figure = figure_of(FULL)
    _, steps, lengths = figure.axes
    lengths.set_xlim(2, 9)
    assert steps.get_xlim() == (2, 9)
    assert steps.get_position().x0 == lengths.get_position().x0
    assert steps.get_position().x1 == lengths.get_position().x1


def test_the_bound_is_drawn_only_where_there_is_one() -> None:
    assert "proved bound" not in labelled(figure_of(FULL, table_bound=None).axes[0])


def test_higher_is_better_where_the_criterion_is_maximized() -> None:
    figure = figure_of(FULL, criterion_name="my_$kurtosis", direction="maximize")
    assert figure.axes[0].get_ylabel() == "my_$kurtosis (higher is better)"
    figure.draw_without_rendering()


def test_the_value_learned_may_be_given() -> None:
    assert labelled(figure_of(FULL, final=7.5).axes[0])["learned"].get_ydata()[0] == 7.5


def test_a_step_that_is_not_finite_is_left_out() -> None:
    steps = trajectory("start", "search", "descent", "descent", last=float("nan"))
    figure = figure_of(steps)
    lines = labelled(figure.axes[1])
    np.testing.assert_allclose(lines["descent"].get_xydata(), [[3, 8.3]])
    assert labelled(figure.axes[0])["learned"].get_ydata()[0] == pytest.approx(8.3)


@pytest.mark.parametrize(
    "phases", [("start",), ("start", "table"), ("start", "search"), ("table",), ("descent",)]
)
def test_one_or_two_steps_draw(phases: tuple[str, ...]) -> None:
    data = draw_trajectory(
        trajectory(*phases),
        criterion_name="entropy",
        direction="minimize",
        sample_rate=8000.0,
        best_fixed=9.0,
        table_bound=None,
        title="a.wav",
    )
    assert imread(io.BytesIO(data)).shape == (689, 1300, 4)


def test_with_the_start_alone_nothing_is_called_learned() -> None:
    plain, steps, lengths = figure_of(trajectory("start"), table_bound=None).axes
    assert sorted(k for k in labelled(plain) if not k.startswith("_")) == ["best fixed", "start"]
    np.testing.assert_allclose(labelled(steps)["start"].get_xydata(), [[1, 9.5]])
    assert steps.get_title(loc="left") == "No search, no descent"
    np.testing.assert_allclose(lengths.lines[0].get_xydata(), [[1, 64.0]])


def test_everything_lies_inside_the_picture() -> None:
    figure = figure_of(FULL, title="x" * 200)
    figure.draw_without_rendering()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 > 0
    assert box.y0 > 0
    assert box.x1 < width
    assert box.y1 < height


def test_no_steps_and_unknown_formats_are_refused() -> None:
    with pytest.raises(ValueError, match="a trajectory without steps"):
        figure_of(trajectory())
    with pytest.raises(UsageError, match="figure format 'bmp' is unknown"):
        draw_trajectory(
            FULL,
            criterion_name="entropy",
            direction="minimize",
            sample_rate=8000.0,
            best_fixed=9.0,
            table_bound=None,
            title="",
            format="bmp",
        )
