"""The cheapest assignment in a grid: against every assignment, chains and least cuts."""

from itertools import product

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import maximum_flow

from dstft_cli.fit.path import Neighbours, cheapest_assignment
from fit.cases import each


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


@each("shape", [(1, 1), (1, 2), (2, 2), (4, 5), (17, 9)])
def test_free_and_forbidden_changes(shape):
    cost, positions, _ = random_case(shape, 5, 1.0, 4)
    free = cheapest_assignment(cost, positions, Neighbours(shape, (0.0, 0.0)))
    assert free.tolist() == cost.argmin(1).tolist()
    stiff = cheapest_assignment(cost, positions, Neighbours(shape, (1e6, 1e6)))
    assert stiff.tolist() == [int(cost.sum(0).argmin())] * len(cost)


def least_cut(excess: np.ndarray, prices: tuple[int, int]) -> int:
    """Least of `Σ_chosen excess + Σ price` over all choices of cells, by the greatest flow.

    Source: Greig, Porteous & Seheult, J. Royal Stat. Soc. B 51 (1989).
    """
    rows = np.arange(excess.size).reshape(excess.shape)
    source, sink = excess.size, excess.size + 1
    a, b, capacity = [], [], []
    for axis, step in enumerate(prices):
        before = rows.take(range(excess.shape[axis] - 1), axis).ravel()
        after = rows.take(range(1, excess.shape[axis]), axis).ravel()
        for x, y in ((before, after), (after, before)):
            a.append(x), b.append(y), capacity.append(np.full(len(x), step))
    flat = excess.ravel()
    wanted, shunned = np.flatnonzero(flat < 0), np.flatnonzero(flat > 0)
    a += [np.full(len(wanted), source), shunned]
    b += [wanted, np.full(len(shunned), sink)]
    capacity += [-flat[wanted], flat[shunned]]
    edges = np.concatenate(capacity).astype(np.int32), (np.concatenate(a), np.concatenate(b))
    graph = coo_array(edges, shape=(sink + 1, sink + 1)).tocsr()
    return int(flat[wanted].sum()) + int(maximum_flow(graph, source, sink).flow_value)


@each("shape", [(32, 32), (40, 21)])
def test_a_region_whose_lines_would_not_pay_alone(shape):
    """Each of its lines gains less than its borders cost; all together gain more."""
    excess = np.full(shape, 100)
    excess[7:23, 5:20] = -100
    cost = np.stack([np.zeros(excess.size), excess.ravel()], axis=1)
    positions, neighbours = np.array([0.0, 1.0]), Neighbours(shape, (150, 150))
    found = cheapest_assignment(cost, positions, neighbours)
    assert price(cost, positions, neighbours, found) == least_cut(excess, (150, 150))
    assert found.sum() > 200
