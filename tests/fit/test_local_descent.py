"""Exact path, splines and descents of the local criterion on small tables."""

import itertools
from functools import partial

import numpy as np
import torch

from dstft_cli.criteria import resolve
from dstft_cli.criteria.local import Tiling, log_lengths
from dstft_cli.fit.descent import Schedule
from dstft_cli.fit.evaluator import Compute
from dstft_cli.fit.local_descent import descend_freely, descend_rows, descend_tiles, spline_costs
from dstft_cli.fit.local_search import costs_of, exact_path, reference_level, soft_choice
from dstft_cli.fit.tiles import Sound, moments_of, smooth

LOGS = np.log(log_lengths(16, 512))
M = len(LOGS)


def table(rows: int, seed: int = 0) -> np.ndarray:
    """Smooth random costs `[R, M]`."""
    rng = np.random.default_rng(seed)
    best = rng.uniform(LOGS[0], LOGS[-1], (rows, 1))
    return rng.uniform(0.2, 1, (rows, 1)) * (LOGS - best) ** 2 / rows


def tiles(dtype: str = "float64", **changes) -> tuple[Tiling, torch.Tensor, torch.Tensor]:
    """Tiling, costs `[M, B, U]` and ω of a chirp."""
    n = np.arange(2000) / 4000
    rng = np.random.default_rng(0)
    x = np.sin(2 * np.pi * (300 * n + 1500 * n * n)) + 0.01 * rng.standard_normal(2000)
    tiling = Tiling(4000.0, log_lengths(16, 512))
    compute = Compute(dtype=getattr(torch, dtype))
    criterion = changes.get("criterion", "entropy")
    sound = Sound(x[None], moments_of(x[None])[1], resolve(criterion), 2.0, "hann", compute)
    found = list(costs_of(sound, tiling, reference_level(sound, tiling)))
    return tiling, torch.cat([c.cost for c in found], 2), torch.cat([c.weight for c in found], 1)


def test_path_is_the_best_of_all_assignments():
    for seed, price in itertools.product(range(5), (0.0, 0.003, 0.05, 1.0)):
        costs = np.random.default_rng(seed).uniform(0, 0.1, (5, 4))
        logs = np.log([16.0, 23, 32, 45])
        best = min(
            costs[range(5), list(m)].sum() + price * np.abs(np.diff(logs[list(m)])).sum()
            for m in itertools.product(range(4), repeat=5)
        )
        found = exact_path(costs, logs, price)
        assert np.isclose(found.value, best, rtol=1e-12, atol=0), (seed, price)
        attained = costs[range(5), found.index].sum()
        assert np.isclose(found.cost, attained)


def test_splines_pass_through_the_table_and_their_slope_is_the_gradient():
    costs = spline_costs(torch.from_numpy(table(3).T.copy()), LOGS)
    for m in range(M):
        values, _ = costs(torch.full((3,), LOGS[m], dtype=torch.float64))
        np.testing.assert_allclose(values.numpy(), table(3)[:, m], atol=1e-12)
    z = torch.from_numpy(np.random.default_rng(1).uniform(LOGS[0] + 0.1, LOGS[-1] - 0.1, 3))
    step = 1e-6
    quotient = (costs(z + step)[0] - costs(z - step)[0]) / (2 * step)
    np.testing.assert_allclose(costs(z)[1], quotient, rtol=1e-5, atol=1e-9)


def test_gradients_of_frames_bands_and_cells_are_those_of_j():
    tiling, cost, weight = tiles()
    weighted = cost * weight / weight.sum()
    of = {"frames": weighted.sum(1), "bands": weighted.sum(2), "cells": weighted}
    for name, costs in of.items():
        objective = spline_costs(costs.contiguous(), np.log(tiling.lengths))
        rng = torch.Generator().manual_seed(0)
        z = LOGS[0] + 0.2 + 3 * torch.rand(costs.shape[1:], generator=rng, dtype=torch.float64)
        total = partial(_j, objective, z)
        part = z.flatten()[:40].clone().requires_grad_()
        assert torch.autograd.gradcheck(total, part, atol=1e-7), name


def _j(objective, z, few):
    """J where the first rows or tiles have other lengths, with the analytic gradient."""

    class J(torch.autograd.Function):
        @staticmethod
        def forward(ctx, at):
            value, slope = objective(at)
            ctx.save_for_backward(slope)
            return value.sum()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * ctx.saved_tensors[0]

    return J.apply(torch.cat([few, z.flatten()[len(few) :]]).reshape(z.shape))


def test_every_optimizer_lowers_the_cost_of_rows_and_keeps_equal_rows_together():
    costs, shares = table(40), np.full(40, 1 / 40)
    start = np.full(40, LOGS[2])
    for optimizer in ("lbfgs", "adam", "sgd"):
        schedule = Schedule(optimizer, None, 60, 1e-9)
        found = descend_rows(costs, shares, LOGS, start, 0.02, schedule, split=True)
        assert min(found.values) < found.values[0], optimizer
        assert np.ptp(found.steps[1].numpy()) == 0, "the first step moves all rows alike"
        logs = found.logs.numpy()
        assert (LOGS[0] - 1e-9 <= logs).all()
        assert (logs <= LOGS[-1] + 1e-9).all()
        free = descend_rows(costs, shares, LOGS, start, 0.0, schedule, split=True)
        assert min(free.values) <= min(found.values) + 1e-9, "a price never helps"


def test_descent_from_the_path_only_improves_on_it():
    costs, shares = table(30, 3), np.full(30, 1 / 30)
    path = exact_path(costs, LOGS, 0.004)
    found = descend_rows(
        costs, shares, LOGS, LOGS[path.index], 0.004, Schedule("lbfgs", None, 50, 1e-9)
    )
    assert np.isclose(found.values[0], path.value)
    assert min(found.values) <= path.value
    runs = np.flatnonzero(np.diff(path.index) == 0)
    assert np.allclose(np.diff(found.logs.numpy())[runs], 0)


def test_tiles_go_down_by_every_way_of_descending():
    tiling, cost, weight = tiles()
    logs, least = np.log(tiling.lengths), torch.full((cost.shape[1], 1), LOGS[0]).double()
    objective, start = spline_costs(cost, logs), soft_choice(cost, tiling)
    trust = torch.ones_like(start)
    own = descend_tiles(objective, start, weight, least, logs[-1], trust)
    assert (np.diff(own.values) <= 0).all()
    assert own.values[-1] < own.values[0]
    still = descend_tiles(objective, start, weight, least, logs[-1], 0 * trust)
    assert still.values[-1] == still.values[0]
    for optimizer in ("lbfgs", "adam", "sgd"):
        schedule = Schedule(optimizer, None, 30, 1e-9)
        found = descend_freely(objective, start, weight, least, logs[-1], schedule)
        assert min(found.values) < found.values[0], optimizer


def test_bands_add_up_to_one_and_narrow_towards_low_frequencies():
    for rate, low, high in ((44100.0, 128, 8192), (20.0, 16, 512), (8000.0, 2, 4)):
        tiling = Tiling(rate, log_lengths(low, high))
        frequencies = np.linspace(0, rate / 2, 500)
        np.testing.assert_allclose(tiling.triangles(frequencies).sum(0), 1)
        assert tiling.centers[0] == 0
        assert np.isclose(tiling.centers[-1], rate / 2)
        assert (np.diff(tiling.centers) > 0).all()
        assert tiling.allowed.any(0).all()
        whole = tiling.bin_weights(512).sum()
        assert np.isclose(whole, 1), "cells cover the plane once"


def test_smoothing_is_a_correlation():
    rows = torch.randn(3, 500, generator=torch.Generator().manual_seed(0))
    kernel = torch.rand(31, generator=torch.Generator().manual_seed(1))
    for stride in (1, 4):
        expected = torch.nn.functional.conv1d(rows[:, None], kernel[None, None], stride=stride)[
            :, 0
        ]
        torch.testing.assert_close(smooth(rows, kernel, stride), expected, rtol=1e-4, atol=1e-4)


def test_every_criterion_of_sums_has_a_finite_cost_in_silence():
    for name in ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp"):
        _, cost, weight = tiles("float32", criterion=name)
        assert torch.isfinite(cost).all(), name
        assert weight.sum() > 0
