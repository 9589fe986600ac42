"""Window lengths as functions of a descent's variables, and the price of change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.fit.variables import FreeLengths, Neighbours


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
    neighbours = Neighbours((6,), (0.5,))
    for alone in (
        FreeLengths.runs(lengths, neighbours, every_row=True),
        FreeLengths.runs(lengths, Neighbours((6,), (0.0,))),
    ):
        assert alone.index.tolist() == [0, 1, 2, 3, 4, 5]
        assert alone.variables(np.array([64.0])) == pytest.approx(np.log([64.0] * 6))
    assert Neighbours((3, 3), (0.5, 0.5)).change(np.log([100.0])) == 0.0
    # of patches only those that touch along an axis: the last has the length of the first
    grid = np.array([[100, 100, 200], [400, 100, 200], [400, 400, 100]], dtype=float).ravel()
    free = FreeLengths.runs(grid, Neighbours((3, 3), (0.5, 0.25)))
    assert free.index.reshape(3, 3).tolist() == [[0, 0, 1], [2, 0, 1], [2, 2, 3]]
    assert free.variables(grid) == pytest.approx(np.log([100, 200, 400, 100]))


@settings(max_examples=30, deadline=None)
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
