"""Window lengths as functions of a descent's variables, and the price of change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.fit.variables import FreeLengths, Neighbours
from fit.cases import each


def test_one_length_for_all():
    free = FreeLengths.constant()
    z = free.variables(np.array([300.0]))
    assert z.shape == (1,)
    assert free.lengths(z) == pytest.approx(np.array([300.0]))
    # d/dz of Σ_i g_i exp(z) is exp(z) Σ g_i
    assert free.pull_back(z, np.array([1.0, 2.0, 4.0])) == pytest.approx([2100.0])
    assert free.smoothness(z)[0] == 0.0


def test_runs_share_a_variable():
    lengths = np.array([100.0, 100.0, 200.0, 100.0, 100.0, 100.0])
    free = FreeLengths.runs(lengths, Neighbours((6,), (0.5,)))
    assert free.index.tolist() == [0, 0, 1, 2, 2, 2]
    z = free.variables(lengths)
    assert z == pytest.approx(np.log([100, 200, 100]))
    assert free.lengths(z) == pytest.approx(lengths)
    gradient = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert free.total(gradient) == pytest.approx([3, 3, 15])
    assert free.pull_back(z, gradient) == pytest.approx([300, 600, 1500])


@each(("penalty", "every_row"), [(0.0, False), (0.5, True)])
def test_every_row_its_own_variable(penalty, every_row):
    free = FreeLengths.runs(
        np.array([100.0, 100.0, 200.0]), Neighbours((3,), (penalty,)), every_row=every_row
    )
    assert free.index.tolist() == [0, 1, 2]


def test_start_for_all_frames_spreads():
    free = FreeLengths.runs(np.full(4, 64.0), Neighbours((4,), (0.0,)))
    assert free.variables(np.array([64.0])) == pytest.approx(np.log([64.0] * 4))


def test_smoothness_and_its_gradient():
    free = FreeLengths.runs(np.arange(1.0, 6.0), Neighbours((5,), (0.25,)), every_row=True)
    z = np.array([1.0, 3.0, 2.5, 2.5, 4.0])
    penalty, gradient = free.smoothness(z)
    assert penalty == pytest.approx(0.25 * (2 + 0.5 + 0 + 1.5))
    assert gradient == pytest.approx(0.25 * np.array([-1, 2, -1, -1, 1]))
    for s in (0, 1, 4):  # where neighbours differ, the gradient is a derivative
        step = np.zeros(5)
        step[s] = 1e-6
        up, down = free.smoothness(z + step)[0], free.smoothness(z - step)[0]
        assert gradient[s] == pytest.approx((up - down) / 2e-6)


GRID = np.array([[1.0, 1.0, 2.0], [4.0, 1.0, 2.0], [4.0, 4.0, 1.0]]) * 100


def test_patches_of_equal_length_share_a_variable():
    """Only those that touch along an axis: the last cell has the length of the first, and none of it."""
    free = FreeLengths.runs(GRID.ravel(), Neighbours((3, 3), (0.5, 0.25)))
    assert free.index.reshape(3, 3).tolist() == [[0, 0, 1], [2, 0, 1], [2, 2, 3]]
    assert free.variables(GRID.ravel()) == pytest.approx(np.log([100, 200, 400, 100]))


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    seed=st.integers(0, 2**32 - 1),
    every_row=st.booleans(),
)
def test_the_price_of_change_is_that_between_neighbouring_cells(shape, seed, every_row):
    rng = np.random.default_rng(seed)
    grid = rng.choice([100.0, 200.0, 400.0], shape)
    neighbours = Neighbours(shape, (0.5, 0.125))
    z = np.log(grid)
    expected = 0.5 * np.abs(np.diff(z, axis=0)).sum() + 0.125 * np.abs(np.diff(z, axis=1)).sum()
    assert neighbours.change(z.ravel()) == pytest.approx(expected)
    free = FreeLengths.runs(grid.ravel(), neighbours, every_row=every_row)
    at = free.variables(grid.ravel())
    assert np.allclose(free.lengths(at), grid.ravel())
    assert free.smoothness(at)[0] == pytest.approx(expected)


def test_one_length_changes_nowhere():
    assert Neighbours((3, 3), (0.5, 0.5)).change(np.log([100.0])) == 0.0
