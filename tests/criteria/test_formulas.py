"""Each criterion against its formula, its slopes, and what is known of it."""

import numpy as np
import pytest
import torch

from criteria.reference import criterion_value
from dstft_cli.criteria import Criterion, Gini, QuasiConvex, resolve, rows_together

CRITERIA = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")
ORDERS = (("renyi", 0.5), ("renyi", 2.0), ("renyi", 4.0), ("lp", 1.0), ("lp", 0.25))
HIGHER_IS_SPARSER = {"kurtosis", "concentration", "hoyer", "gini"}
SHAPE = (2, 7, 33)
CELLS = float(np.prod(SHAPE))


def plane(seed: int = 0) -> torch.Tensor:
    """Powers over some eight orders of magnitude, `[C, T, F]`."""
    rng = np.random.default_rng(seed)
    return torch.from_numpy(np.exp(3 * rng.standard_normal(SHAPE)))


def ranked(criterion: Criterion, a: torch.Tensor) -> Criterion:
    """The criterion, with the ranks of this plane if it needs them."""
    if not isinstance(criterion, Gini):
        return criterion
    histogram = Gini.empty_histogram(a.device)
    Gini.add_to_histogram(histogram, a, torch.ones(a.shape[1], dtype=torch.float64))
    return Gini.from_histogram(histogram)[0]


def sums_of(criterion: Criterion, a: torch.Tensor) -> torch.Tensor:
    return ranked(criterion, a).rows(a)[0].sum(0)


def value(criterion: Criterion, a: torch.Tensor) -> float:
    return float(criterion.value(sums_of(criterion, a), float(a.numel())))


def test_values_are_the_formulas():
    for name, order in (*((name, None) for name in CRITERIA), *ORDERS):
        criterion = resolve(name, order)
        for seed in range(3):
            expected = criterion_value(name, plane(seed).numpy(), order)
            exact = 1e-6 if name == "gini" else 1e-10
            assert value(criterion, plane(seed)) == pytest.approx(expected, rel=exact), name
            assert value(criterion, plane(seed).float()) == pytest.approx(expected, rel=1e-5), name
        if order is not None:
            usual = criterion_value(name, plane(2).numpy())
            assert abs(expected / usual - 1) > 0.01, name
    shannon = criterion_value("entropy", plane().numpy())  # the limit of Rényi's
    assert value(resolve("renyi", 1.0001), plane()) == pytest.approx(shannon, rel=1e-3)


def test_one_full_cell_is_as_sparse_as_can_be_and_equal_cells_are_not_sparse():
    n, bins, frames = CELLS, SHAPE[-1], SHAPE[0] * SHAPE[1]
    flat = torch.ones(SHAPE, dtype=torch.float64)
    single = torch.zeros(SHAPE, dtype=torch.float64)
    single[0, 3, 5] = 2.0
    known = {  # of the single cell, of the flat plane
        "entropy": (0.0, np.log(n)),
        "renyi": (0.0, np.log(n)),
        "kurtosis": ((bins + frames - 1) / frames, 1.0),  # frames without sound count as flat
        "concentration": (1.0, 1 / n),
        "l1l2": (1.0, np.sqrt(n)),
        "hoyer": (1.0, 0.0),
        "lp": (1.0, n**0.75),
        "gini": (1 - 1 / n, 0.0),
    }
    for name, (of_single, of_flat) in known.items():
        criterion = resolve(name)
        assert value(criterion, single) == pytest.approx(of_single, abs=1e-6), name
        assert value(criterion, flat) == pytest.approx(of_flat, abs=1e-9), name
        assert criterion.direction == ("maximize" if name in HIGHER_IS_SPARSER else "minimize")


def test_rows_hold_the_derivative_along_a_change():
    a = plane()
    da = a * torch.from_numpy(np.random.default_rng(9).uniform(-1, 1, SHAPE))
    for name in CRITERIA:
        criterion = ranked(resolve(name), a)
        rows, slopes = criterion.rows(a, da)
        assert rows.shape == slopes.shape == (SHAPE[1], criterion.sums_per_frame)
        step = 1e-9 if name == "gini" else 1e-6  # ranks are held: no cell may leave its bucket
        up, down = (criterion.rows(a + s * step * da)[0] for s in (1, -1))
        torch.testing.assert_close(slopes, (up - down) / (2 * step), rtol=1e-5, atol=1e-4)


def test_rows_do_not_mix_frames_and_several_criteria_share_a_pass():
    a = plane()
    separable = [resolve(name) for name in CRITERIA if name != "gini"]
    separable += [resolve(*given) for given in ORDERS]
    together = rows_together(separable, a)
    for criterion, rows in zip(separable, together, strict=True):
        alone = torch.cat([criterion.rows(a[:, i : i + 1])[0] for i in range(SHAPE[1])])
        torch.testing.assert_close(criterion.rows(a)[0], alone, rtol=1e-13, atol=0)
        torch.testing.assert_close(rows, alone, rtol=1e-13, atol=0)


def test_the_tangent_bounds_every_score_of_its_half_plane():
    rng = np.random.default_rng(0)
    for name, order in (*((name, None) for name in CRITERIA), *ORDERS):
        criterion = resolve(name, order)
        if not isinstance(criterion, QuasiConvex):
            continue
        sums = torch.stack([sums_of(criterion, plane(seed)) for seed in range(6)])
        parts = torch.from_numpy(rng.dirichlet(np.ones(6), 200)) @ sums
        for multiplier in rng.uniform(1.5, 30, 20):
            least = float((multiplier * parts[:, 0] - parts[:, 1]).min())
            if least > 0:
                bound = torch.tensor(criterion.tangent(multiplier, least), dtype=torch.float64)
                scores = criterion.score(parts, CELLS)
                assert float(criterion.score(bound, CELLS)) <= float(scores.min()) + 1e-9, name


def test_silent_frames_and_empty_cells_are_finite():
    for dtype in (torch.float32, torch.float64):
        a = plane().to(dtype)
        a[:, 2] = 0.0
        a[0, 4, ::3] = 0.0
        da = torch.where(a > 0, plane(1).to(dtype), 0.0)
        for name in CRITERIA:
            criterion = ranked(resolve(name), a)
            rows, slopes = criterion.rows(a, da)
            assert torch.isfinite(rows).all(), name
            assert torch.isfinite(slopes).all(), name
            _, gradient = criterion.score_gradient(rows.sum(0).numpy(), CELLS)
            assert np.isfinite(gradient).all(), name
            assert slopes[2].tolist() == [0.0] * criterion.sums_per_frame, name


def test_gini_weighs_frames_and_counts_in_any_order():
    a = plane()
    weights = torch.tensor([1.0, 2, 1, 1, 3, 1, 1], dtype=torch.float64)
    histogram = Gini.empty_histogram(a.device)
    for i in reversed(range(SHAPE[1])):
        Gini.add_to_histogram(histogram, a[:, i : i + 1], weights[i : i + 1])
    criterion, sums = Gini.from_histogram(histogram)
    expected = criterion_value("gini", a.repeat_interleave(weights.long(), dim=1).numpy())
    assert float(criterion.value(sums, 0.0)) == pytest.approx(expected, rel=1e-6)
    with pytest.raises(RuntimeError, match="ranks are not known"):
        resolve("gini").rows(a)
