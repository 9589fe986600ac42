import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.errors import UsageError
from dstft_cli.plot import PixelGrid
from dstft_cli.plot.grid import is_uniform


def test_extent_reaches_half_a_hop_and_half_a_bin_over() -> None:
    grid = PixelGrid(times=[0.0, 0.5, 1.0], frequencies=np.arange(5) * 100.0)
    assert grid.extent == pytest.approx((-0.25, 1.25, -50.0, 450.0))
    assert grid.limits == (0.0, 400.0)
    np.testing.assert_allclose(grid.row_frequencies, np.arange(5) * 100.0)


def test_log_extent_and_rows() -> None:
    grid = PixelGrid(
        times=[0.0, 1.0],
        frequencies=np.arange(1001) * 10.0,
        freq_scale="log",
        fmin=100.0,
        fmax=10000.0,
        height=20,
    )
    assert grid.extent[2:] == pytest.approx((2.0, 4.0))
    assert grid.limits == pytest.approx((2.0, 4.0))
    np.testing.assert_allclose(np.log10(grid.row_frequencies), 2.05 + 0.1 * np.arange(20))


def test_bad_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="not a strictly increasing vector"):
        PixelGrid(times=[0.0, 0.0], frequencies=[0.0, 1.0])
    with pytest.raises(ValueError, match="frequencies of shape"):
        PixelGrid(times=[0.0], frequencies=[])
    with pytest.raises(ValueError, match="0 x 5 pixels"):
        PixelGrid(times=[0.0], frequencies=[0.0], width=0, height=5)
    with pytest.raises(UsageError, match="--fmax 9 Hz is above the highest frequency 4 Hz"):
        PixelGrid(times=[0.0], frequencies=np.arange(5.0), fmax=9.0)
    with pytest.raises(UsageError, match="'bark' is unknown"):
        PixelGrid(times=[0.0], frequencies=np.arange(5.0), freq_scale="bark")


@given(gaps=st.lists(st.floats(0.02, 3.0), min_size=2, max_size=50))
@settings(deadline=None, derandomize=True)
def test_a_frame_spans_from_midway_to_midway(gaps: list[float]) -> None:
    times = np.cumsum(gaps)
    grid = PixelGrid(times=times, frequencies=np.arange(3.0), width=4000)
    shown = np.full(grid.shape[1], -1)
    filled, begins = grid.columns_of(0, times.size)
    shown[filled] = begins
    copies, frames = grid.copies_of(0, times.size)
    assert not set(copies) & set(filled)
    shown[copies] = frames
    left, right = grid.extent[:2]
    assert left == pytest.approx(times[0] - (times[1] - times[0]) / 2)
    assert right == pytest.approx(times[-1] + (times[-1] - times[-2]) / 2)
    column = (right - left) / grid.shape[1]
    middles = (times[:-1] + times[1:]) / 2
    changes = left + column * (np.flatnonzero(np.diff(shown)) + 1)
    assert len(changes) == len(middles)
    np.testing.assert_allclose(changes, middles, atol=column * 1.001)


@pytest.mark.parametrize("step", [1, 3, 40])
def test_blocks_see_each_column_they_touch(step: int) -> None:
    times = np.array([0.0, 1.0, 2.0, 9.0, 10.0])
    grid = PixelGrid(times=times, frequencies=np.arange(3.0), width=5)
    # columns of 2.2 s from -0.5 s: frames 0 and 1, frame 2, none at 5 s, none at 7.2 s, 3 and 4
    assert list(grid.first_frame) == [0, 2, 3, 3, 3, 5]
    seen, copied = [], []
    for start in range(0, 5, step):
        stop = min(start + step, 5)
        columns, begins = grid.columns_of(start, stop)
        seen += [(int(c), start + int(b)) for c, b in zip(columns, begins, strict=True)]
        columns, frames = grid.copies_of(start, stop)
        copied += [(int(c), start + int(f)) for c, f in zip(columns, frames, strict=True)]
    assert copied == [(2, 2), (3, 3)]
    expected = {
        1: [(0, 0), (0, 1), (1, 2), (4, 3), (4, 4)],
        3: [(0, 0), (1, 2), (4, 3)],
        40: [(0, 0), (1, 2), (4, 3)],
    }
    assert seen == expected[step]


def test_uniform_frames_have_a_column_each_and_others_all_there_are() -> None:
    def columns(times: object) -> int:
        return PixelGrid(times=times, frequencies=np.arange(3.0), width=100).shape[1]

    uniform = np.arange(30) * 0.1
    assert columns(uniform) == 30
    assert columns(uniform + 0.037) == 30
    assert columns(np.append(uniform, 3.05)) == 100
    assert columns(np.arange(1000) * 0.1) == 100


def test_rounding_leaves_times_uniform() -> None:
    assert is_uniform(np.arange(10**6) * 0.0029024943310657598)
    assert is_uniform(np.cumsum(np.full(1000, 0.1)) + 1234.5)
    assert is_uniform(np.array([0.0, 1.0]))
    assert not is_uniform(np.array([0.0, 1.0, 2.01]))


def test_the_outer_frames_reach_to_the_ends_of_the_recording() -> None:
    def grid(times: object, span: tuple[float, float]) -> PixelGrid:
        return PixelGrid(times=times, frequencies=np.arange(3.0), span=span, width=100)

    uneven = grid([0.1, 0.2, 0.4], (0.0, 1.0))
    assert uneven.extent[:2] == uneven.time_limits == (0.0, 1.0)
    copies, frames = uneven.copies_of(0, 3)
    assert set(frames[copies < 10]) == {0}
    assert set(frames[copies > 41]) == {2}
    uniform = grid(np.arange(10) * 0.1 + 0.1, (0.0, 1.12))
    assert uniform.shape[1] == 12  # a column for each frame, and one more at either end
    assert uniform.extent[:2] == pytest.approx((-0.05, 1.15))
    assert uniform.time_limits == (0.0, 1.12)
    assert [list(found) for found in uniform.copies_of(0, 10)] == [[0, 11], [0, 9]]
    assert grid(np.arange(10) * 0.1, (0.0, 0.95)).shape[1] == 10
    alone = grid([0.3], (0.0, 4.0))
    assert (alone.shape[1], alone.time_limits) == (1, (0.0, 4.0))
    assert alone.extent[1] == 4.0
