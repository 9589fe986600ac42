"""Each criterion against its formula, its slopes, and what is known of it."""

import numpy as np
import pytest
import torch
from criteria_reference import criterion_value

from dstft_cli.criteria import Criterion, Gini, resolve
from dstft_cli.names import CRITERIA

every_criterion = pytest.mark.parametrize("name", CRITERIA)
separable = pytest.mark.parametrize("name", [name for name in CRITERIA if name != "gini"])
HIGHER_IS_SPARSER = {"kurtosis", "concentration", "hoyer", "gini"}
SHAPE = (2, 7, 33)


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


def value(criterion: Criterion, a: torch.Tensor) -> float:
    sums = ranked(criterion, a).rows(a)[0].sum(0)
    return float(criterion.value(sums, float(a.numel())))


@every_criterion
@pytest.mark.parametrize("seed", range(3))
def test_value_is_the_formula(name, seed):
    a = plane(seed)
    expected = criterion_value(name, a.numpy())
    assert value(resolve(name), a) == pytest.approx(expected, rel=1e-6 if name == "gini" else 1e-10)


@pytest.mark.parametrize(
    ("name", "order"), [("renyi", 0.5), ("renyi", 2.0), ("renyi", 4.0), ("lp", 1.0), ("lp", 0.25)]
)
def test_order(name, order):
    expected = criterion_value(name, plane().numpy(), order)
    assert value(resolve(name, order), plane()) == pytest.approx(expected, rel=1e-10)
    assert abs(expected / criterion_value(name, plane().numpy()) - 1) > 0.01


def test_renyi_approaches_shannon():
    shannon = criterion_value("entropy", plane().numpy())
    for order in (0.9999, 1.0001):
        assert value(resolve("renyi", order), plane()) == pytest.approx(shannon, rel=1e-3)


@every_criterion
def test_single_precision(name):
    expected = criterion_value(name, plane().numpy())
    assert value(resolve(name), plane().float()) == pytest.approx(expected, rel=1e-5)


@every_criterion
def test_extremes(name):
    """One full cell is as sparse as can be, equal cells are not sparse at all."""
    n, bins = float(np.prod(SHAPE)), SHAPE[-1]
    flat = torch.ones(SHAPE, dtype=torch.float64)
    single = torch.zeros(SHAPE, dtype=torch.float64)
    single[0, 3, 5] = 2.0
    of_single = {
        "kurtosis": (bins + SHAPE[0] * SHAPE[1] - 1) / (SHAPE[0] * SHAPE[1]),  # others silent: 1
        "gini": 1 - 1 / n,
        "entropy": 0.0,
        "renyi": 0.0,
    }
    of_flat = {
        "entropy": np.log(n),
        "renyi": np.log(n),
        "kurtosis": 1.0,
        "concentration": 1 / n,
        "l1l2": np.sqrt(n),
        "hoyer": 0.0,
        "lp": n**0.75,
        "gini": 0.0,
    }
    criterion = resolve(name)
    assert value(criterion, flat) == pytest.approx(of_flat[name], abs=1e-9)
    assert value(criterion, single) == pytest.approx(of_single.get(name, 1.0), abs=1e-6)
    assert criterion.direction == ("maximize" if name in HIGHER_IS_SPARSER else "minimize")


@every_criterion
def test_scale_does_not_matter(name):
    criterion = resolve(name)
    for factor in (1e-3, 7.0, 1e4):
        assert value(criterion, factor * plane()) == pytest.approx(
            value(criterion, plane()), rel=1e-6 if name == "gini" else 1e-9
        )


@every_criterion
def test_score_falls_as_the_value_gets_better(name):
    criterion = resolve(name)
    values, scores = [], []
    for seed in range(20):
        a = plane(seed) ** (0.2 + seed / 10)  # from even to peaked
        sums = ranked(criterion, a).rows(a)[0].sum(0)
        values.append(float(criterion.value(sums, float(a.numel()))))
        scores.append(float(criterion.score(sums, float(a.numel()))))
    better = np.argsort(values)
    if name in HIGHER_IS_SPARSER:
        better = better[::-1]
    assert (np.diff(np.array(scores)[better]) > 0).all()


@separable
def test_slopes_are_the_derivatives_of_the_moments(name):
    criterion = resolve(name)
    a = plane()
    for j, slope in enumerate(criterion.slopes(a)):
        leaf = a.clone().requires_grad_()
        (expected,) = torch.autograd.grad(criterion.moments(leaf)[j].sum(), leaf)
        torch.testing.assert_close(torch.as_tensor(slope).expand(SHAPE).double(), expected)


@every_criterion
def test_rows_hold_the_derivative_along_a_change(name):
    a = plane()
    da = a * torch.from_numpy(np.random.default_rng(9).uniform(-1, 1, SHAPE))
    criterion = ranked(resolve(name), a)
    rows, slopes = criterion.rows(a, da)
    assert rows.shape == slopes.shape == (SHAPE[1], criterion.sums_per_frame)
    step = 1e-9 if name == "gini" else 1e-6  # ranks are held: no cell may leave its bucket
    up, down = (criterion.rows(a + s * step * da)[0] for s in (1, -1))
    torch.testing.assert_close(slopes, (up - down) / (2 * step), rtol=1e-5, atol=1e-4)


@every_criterion
def test_rows_do_not_mix_frames(name):
    a = plane()
    criterion = ranked(resolve(name), a)
    alone = torch.cat([criterion.rows(a[:, i : i + 1])[0] for i in range(SHAPE[1])])
    torch.testing.assert_close(criterion.rows(a)[0], alone, rtol=1e-13, atol=0)


@every_criterion
def test_gradient_of_the_score(name):
    criterion = resolve(name)
    sums = ranked(criterion, plane()).rows(plane())[0].sum(0).numpy()
    score, gradient = criterion.score_gradient(sums, float(plane().numel()))
    assert score == float(criterion.score(torch.from_numpy(sums), float(plane().numel())))
    for j in range(len(sums)):
        step = np.zeros(len(sums))
        step[j] = 1e-6 * abs(sums[j])
        up, down = (criterion.score_gradient(sums + s * step, plane().numel())[0] for s in (1, -1))
        assert gradient[j] == pytest.approx((up - down) / (2 * step[j]), rel=1e-5)


@every_criterion
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_silent_frames_and_empty_cells_are_finite(name, dtype):
    a = plane().to(dtype)
    a[:, 2] = 0.0
    a[0, 4, ::3] = 0.0
    da = plane(1).to(dtype)
    criterion = ranked(resolve(name), a)
    rows, slopes = criterion.rows(a, torch.where(a > 0, da, 0.0))
    assert torch.isfinite(rows).all()
    assert torch.isfinite(slopes).all()
    _, gradient = criterion.score_gradient(rows.sum(0).numpy(), float(a.numel()))
    assert np.isfinite(gradient).all()
    assert slopes[2].tolist() == [0.0] * criterion.sums_per_frame


@every_criterion
def test_what_doubling_with_silence_does(name):
    """Sums over all cells do not see silence; means over cells, frames or ranks do."""
    a = plane()
    criterion = resolve(name)
    before = value(criterion, a)
    after = value(criterion, torch.cat([a, torch.zeros_like(a)], dim=1))
    n = a.numel()
    expected = {
        "kurtosis": (before + 1) / 2,  # a silent frame counts as flat
        "gini": (1 + before) / 2,
        "hoyer": (np.sqrt(2 * n) - value(resolve("l1l2"), a)) / (np.sqrt(2 * n) - 1),
    }
    assert after == pytest.approx(expected.get(name, before), rel=1e-6)


def test_kurtosis_is_a_mean_over_frames():
    """Frames at very different levels count alike."""
    a = plane()
    levels = torch.logspace(-12, 12, SHAPE[1], dtype=torch.float64)[None, :, None]
    kurtosis = resolve("kurtosis")
    expected = criterion_value("kurtosis", a.numpy())
    assert value(kurtosis, a * levels) == pytest.approx(expected, rel=1e-9)
    assert value(kurtosis, (a * levels).float()) == pytest.approx(expected, rel=1e-5)


def test_gini_weighs_frames_and_counts_in_any_order():
    a = plane()
    weights = torch.tensor([1.0, 2, 1, 1, 3, 1, 1], dtype=torch.float64)
    histogram = Gini.empty_histogram(a.device)
    for i in reversed(range(SHAPE[1])):
        Gini.add_to_histogram(histogram, a[:, i : i + 1], weights[i : i + 1])
    criterion, sums = Gini.from_histogram(histogram)
    repeated = a.repeat_interleave(weights.long(), dim=1)
    expected = criterion_value("gini", repeated.numpy())
    assert float(criterion.value(sums, 0.0)) == pytest.approx(expected, rel=1e-6)


def test_gini_needs_ranks():
    with pytest.raises(RuntimeError, match=r"^gini: the ranks are not known yet: call from_hist"):
        resolve("gini").rows(plane())
