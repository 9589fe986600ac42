"""The search over a moment table against every assignment of small tables."""

from itertools import product

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.criteria import Criterion, QuasiConvex, resolve
from dstft_cli.fit.path import Neighbours
from dstft_cli.fit.table import TabulatedProblem
from fit.cases import CRITERIA, each

QUASI_CONVEX = [(name, None) for name in CRITERIA if isinstance(resolve(name), QuasiConvex)]
SEARCHED = [*QUASI_CONVEX, ("renyi", 0.5), ("renyi", 2.0), ("lp", 1.0), ("kurtosis", None)]
BINS = 9


def small_problem(
    criterion: Criterion, T: int, M: int, seed: int, *, even: bool = False
) -> TabulatedProblem:
    """Frames of random cells; one row may be silent, one may not depend on the length."""
    rng = np.random.default_rng(seed)
    a = np.exp(rng.uniform(0.5, 2) * rng.standard_normal((T * M, BINS)))
    a *= np.exp(rng.standard_normal((T, 1)).repeat(M, 0))
    if even:
        a **= 0.2  # no frame outweighs all others
    rows, _ = criterion.rows(torch.from_numpy(a)[None])
    table = rows.numpy().reshape(T, M, -1).astype(np.float32)
    if seed % 5 == 0 and T > 1:
        table[T // 2] = 0.0 if criterion.sums_per_frame == 2 else BINS * 1.0
    if seed % 7 == 0:
        table[-1] = table[-1, :1]
    weights = rng.uniform(0.5, 1.5, T)
    return TabulatedProblem(table, weights, criterion, cells=BINS * float(weights.sum()))


def all_scores(problem: TabulatedProblem) -> np.ndarray:
    T, M, _ = problem.table.shape
    assignments = np.array(list(product(range(M), repeat=T)))
    chosen = problem.table[np.arange(T), assignments].astype(np.float64)
    sums = np.einsum("t,atj->aj", problem.weights, chosen)
    return problem.criterion.score(torch.from_numpy(sums), problem.cells).numpy()


@each(("name", "order"), SEARCHED)
@settings(max_examples=12, deadline=None)
@given(T=st.integers(1, 5), M=st.integers(1, 4), seed=st.integers(0, 2**32 - 1))
def test_no_assignment_beats_the_bound(name, order, T, M, seed):
    criterion = resolve(name, order)
    problem = small_problem(criterion, T, M, seed)
    scores = all_scores(problem)
    found = problem.free()
    slack = 1e-9 * max(1.0, abs(found.score))
    assert found.score == pytest.approx(problem.score(problem.sums(found.assignment)), abs=slack)
    assert found.score >= scores.min() - slack
    assert found.bound is not None
    bound = problem.score(found.bound)
    assert bound <= scores.min() + slack
    # without a row that ties at the root, bound, found and best are one
    tied = False
    if name != "kurtosis":
        sums = problem.sums(found.assignment)
        root = float(criterion.multiplier(sums[1:] / sums[:1])[0])
        cost = root * problem.table[..., 0].astype(float) - problem.table[..., 1]
        tied = (cost[np.arange(T), found.assignment] > cost.min(1)).any()
    if not tied:
        assert bound == pytest.approx(scores.min(), abs=1e-6)
        assert found.score == pytest.approx(scores.min(), abs=1e-9)


@each(("name", "order"), [("renyi", None), ("l1l2", None), ("entropy", None)])
def test_best_of_all_assignments(name, order):
    """Rows that tie are decided: without a penalty nothing better is left, with one rarely."""
    criterion, gaps = resolve(name, order), []
    for seed in (*range(24), 77):  # of 77 two rows tie
        penalty = float(np.exp(np.random.default_rng(seed).uniform(np.log(1e-3), 0)))
        problem = small_problem(criterion, 5, 4, seed, even=seed % 2 == 0)
        scores, free = all_scores(problem), problem.free()
        assert free.score == pytest.approx(scores.min(), abs=1e-9)
        positions, neighbours = np.log(np.geomspace(32, 512, 4)), Neighbours((5,), (penalty,))
        z = positions[np.array(list(product(range(4), repeat=5)))]
        totals = scores + penalty * np.abs(np.diff(z, axis=1)).sum(1)
        gaps.append(problem.smooth(positions, neighbours, free.assignment).score - totals.min())
    assert min(gaps) >= -1e-9
    assert np.count_nonzero(np.array(gaps) > 1e-6) <= 3  # of 25: a score of sums is not convex
