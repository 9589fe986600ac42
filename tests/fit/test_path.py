"""The cheapest path against every path."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.fit import path as module
from dstft_cli.fit.path import cheapest_path, cheapest_paths
from fit.cases import each


def price(cost: np.ndarray, positions: np.ndarray, path: np.ndarray) -> float:
    return float(cost[np.arange(len(path)), path].sum() + abs(np.diff(positions[path])).sum())


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32 - 1), st.floats(0.0, 3.0))
def test_cheapest_of_all_paths(T, M, seed, stiffness):
    rng = np.random.default_rng(seed)
    cost = rng.standard_normal((T, M))
    positions = stiffness * np.sort(rng.uniform(-1, 1, M)) + 1e-9 * np.arange(M)
    path = cheapest_path(cost, positions)
    assert path.shape == (T,)
    assert ((path >= 0) & (path < M)).all()
    cheapest = min(price(cost, positions, np.array(p)) for p in product(range(M), repeat=T))
    assert price(cost, positions, path) == pytest.approx(cheapest, abs=1e-9)


def textbook_price(cost: np.ndarray, positions: np.ndarray) -> float:
    """Price of the cheapest path, row by row."""
    distance = np.abs(positions[:, None] - positions[None, :])
    paid = cost[0]
    for row in cost[1:]:
        paid = (paid[:, None] + distance).min(0) + row
    return float(paid.min())


@each("T", [1, 2, 3, 99, 100, 101, 1000])
@each("stiffness", [0.0, 0.3, 1000.0])
def test_long_paths(T, stiffness):
    rng = np.random.default_rng(T)
    cost = rng.standard_normal((T, 9))
    positions = stiffness * np.arange(9.0)
    path = cheapest_path(cost, positions)
    assert len(path) == T
    assert price(cost, positions, path) == pytest.approx(textbook_price(cost, positions))
    changes = np.count_nonzero(np.diff(path))
    if stiffness == 0.0:
        np.testing.assert_array_equal(path, cost.argmin(1))
    elif stiffness == 1000.0:
        assert changes == 0


def test_more_positions_than_a_byte_counts():
    cost = np.ones((40, 300))
    cost[:20, 290] = 0.0
    cost[20:, 299] = 0.0
    path = cheapest_path(cost, 0.01 * np.arange(300))
    assert path.tolist() == [290] * 20 + [299] * 20


@each(("T", "lanes"), [(1, 9), (3, 9), (97, 4096), (97, 6), (1000, 30)])
@each("enough", [1, 100])
def test_every_line_of_many_gets_its_cheapest_path(T, lanes, enough):
    """Step after step, and in segments."""
    positions = np.array([0.0, 0.4, 0.5, 1.7])
    cost = np.random.default_rng(T).uniform(0, 1.5, (T, 4, 3))
    cost[..., 1] *= 3
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_ENOUGH", enough)
        patched.setattr(module, "_LANES", lanes)
        paths = cheapest_paths(cost.copy(), positions)
    assert paths.shape == (T, 3)
    for line in range(3):
        own = cost[..., line]
        found = price(own, positions, paths[:, line])
        assert found == pytest.approx(textbook_price(own, positions), rel=1e-12)
