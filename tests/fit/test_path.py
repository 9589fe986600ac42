"""The cheapest path and the cheapest grid against every assignment; the price of change."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.fit import path as module
from dstft_cli.fit.path import (
    Neighbours,
    cheapest_assignment,
    cheapest_path,
    cheapest_paths,
)
from fit.cases import each


def chain_price(cost: np.ndarray, positions: np.ndarray, path: np.ndarray) -> float:
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
    cheapest = min(chain_price(cost, positions, np.array(p)) for p in product(range(M), repeat=T))
    assert chain_price(cost, positions, path) == pytest.approx(cheapest, abs=1e-9)


def textbook_price(cost: np.ndarray, positions: np.ndarray) -> float:
    """Price of the cheapest path, row by row."""
    distance = np.abs(positions[:, None] - positions[None, :])
    paid = cost[0]
    for row in cost[1:]:
        paid = (paid[:, None] + distance).min(0) + row
    return float(paid.min())


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
        found = chain_price(own, positions, paths[:, line])
        assert found == pytest.approx(textbook_price(own, positions), rel=1e-12)


def price(cost, positions, neighbours, assignment) -> float:
    unpaid = cost[np.arange(len(assignment)), assignment].sum()
    return float(unpaid + neighbours.change(positions[assignment]))


def random_case(shape, positions, stiffness, seed):
    """Costs of about 1, and prices of about `stiffness` for the whole way between positions."""
    rng = np.random.default_rng(seed)
    cost = rng.standard_normal((int(np.prod(shape)), positions))
    where = np.linspace(0, 1, positions) + rng.uniform(0, 0.3 / positions, positions)
    return cost, where, Neighbours(shape, tuple(stiffness * rng.uniform(0.3, 2, 2)))


def every_price(cost, positions, neighbours) -> np.ndarray:
    """Of all assignments."""
    rows, count = cost.shape
    every = np.array(list(product(range(count), repeat=rows)))
    grids = positions[every].reshape(-1, *neighbours.shape)
    total = cost[np.arange(rows), every].sum(1)
    for axis, step in enumerate(neighbours.prices, start=1):
        total = total + step * np.abs(np.diff(grids, axis=axis)).sum((1, 2))
    return total


@each("stiffness", [0.1, 0.3, 1.0, 3.0])
@each(("shape", "positions"), [((2, 3), 3), ((3, 3), 2), ((5, 2), 2)])
def test_nine_of_ten_small_grids_are_solved_exactly(shape, positions, stiffness):
    exact, lost = 0, 0.0
    for seed in range(60):
        cost, where, neighbours = random_case(shape, positions, stiffness, seed)
        least = every_price(cost, where, neighbours).min()
        before = cost.copy()
        found = price(cost, where, neighbours, cheapest_assignment(cost, where, neighbours))
        assert np.array_equal(cost, before)
        constant = cost.sum(0).min()
        assert least - 1e-9 <= found <= constant + 1e-9
        exact += found <= least + 1e-9
        lost += found - least
    assert exact >= 0.9 * 60
    assert lost <= 0.05 * 60


@each("stiffness", [0.2, 1.0, 5.0])
@each("shape", [(2, 3), (7, 4), (1, 9), (13, 22)])
def test_a_start_is_only_improved(shape, stiffness):
    for seed in range(4):
        cost, where, neighbours = random_case(shape, 4, stiffness, seed)
        start = np.random.default_rng(seed).integers(0, 4, len(cost))
        given = start.copy()
        found = cheapest_assignment(cost, where, neighbours, start)
        assert np.array_equal(start, given)
        before, after = (price(cost, where, neighbours, x) for x in (start, found))
        assert after < before
        again = cheapest_assignment(cost, where, neighbours, found)
        assert price(cost, where, neighbours, again) <= after + 1e-9


def test_the_best_start_is_kept_where_the_search_alone_misses_it():
    missed = 0
    for seed in range(60):
        cost, where, neighbours = random_case((3, 3), 2, 1.0, seed)
        totals = every_price(cost, where, neighbours)
        best = np.array(list(product(range(2), repeat=9))[int(totals.argmin())])
        kept = cheapest_assignment(cost, where, neighbours, best)
        assert price(cost, where, neighbours, kept) == pytest.approx(totals.min())
        alone = cheapest_assignment(cost, where, neighbours)
        missed += price(cost, where, neighbours, alone) > totals.min() + 1e-9
    assert missed


@each("shape", [(1, 1), (1, 2), (2, 2), (4, 5), (17, 9)])
def test_free_and_forbidden_changes(shape):
    cost, positions, _ = random_case(shape, 5, 1.0, 4)
    free = cheapest_assignment(cost, positions, Neighbours(shape, (0.0, 0.0)))
    assert free.tolist() == cost.argmin(1).tolist()
    stiff = cheapest_assignment(cost, positions, Neighbours(shape, (1e6, 1e6)))
    assert stiff.tolist() == [int(cost.sum(0).argmin())] * len(cost)
