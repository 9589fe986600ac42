"""Window lengths as functions of a descent's variables, and the price of change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.fit.path import FreeLengths, Neighbours


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
