"""Score and penalty of lengths and positions: gradients against differences, and what is held."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
import torch

from dstft_cli.criteria import resolve
from dstft_cli.fit.centers import (
    FreeCenters,
    FreeHop,
    HopRange,
    centered_centers,
    quadrature_weights,
)
from dstft_cli.fit.evaluator import Compute, Evaluator, Slopes
from dstft_cli.fit.objective import Candidate, Lengths, Objective
from dstft_cli.fit.path import FreeLengths
from dstft_cli.fit.plan import LengthBounds, Plan
from dstft_cli.fit.problem import Problem
from fit.cases import MODES, WINDOW_MODES, each, request

N, K, HOP = 150, 32, 6.0
SIGNAL = np.random.default_rng(3).standard_normal((2, N)) * np.geomspace(1, 8, N)
BOUNDS = LengthBounds(7.0, 32.0, "", "")
LEARNED = [modes for modes in MODES if modes != ("fixed", "fixed")]


@dataclass
class Case:
    """An objective, and what it was built from."""

    objective: Objective
    start: Evaluator
    row: np.ndarray


def build(window_mode, hop_mode, *, overlap=0.9, tight=False, **options) -> Case:
    """Random lengths and frames; `tight`: windows so short that they hold many of the frames."""
    rng = np.random.default_rng(0)
    options = {"smoothness": 0.0, "dtype": "float64", "threads": 1, **options}
    asked = request(100.0, window_mode=window_mode, hop_mode=hop_mode, **options)
    problem = Problem.of(SIGNAL, asked, None, None)
    plan = Plan(K, HOP, K, LengthBounds(K, K, "", ""))
    at = partial(problem.evaluator, plan)  # four bins share a length, where change is paid for
    hops = HopRange(N, overlap, 1.0, 2.5 * HOP)
    centers = np.linspace(1.7, N - 3.2, 25)
    if hop_mode == "time":
        centers = np.sort(centers + rng.uniform(-2, 2, len(centers)))
    elif hop_mode == "constant":
        centers = centered_centers(N, 6.1)
    evaluator = at(centers)
    count = 1 if window_mode in ("fixed", "constant") else len(evaluator.weights)
    row = rng.permutation(np.linspace(*((8.0, 9.0) if tight else (19.0, 28.0)), count))
    sums = evaluator.total(evaluator.arrange(row))
    candidate = Candidate(row, centers, sums, evaluator.cells, 0.0)
    lengths, positions = None, None
    if window_mode != "fixed":
        free = FreeLengths.constant()
        if count > 1:
            free = FreeLengths.runs(row, problem.neighbours(evaluator))
        lengths = Lengths(free, BOUNDS, evaluator.weights)
    if hop_mode != "fixed":
        positions = FreeHop(hops, HOP, centers, kept=True)
        if hop_mode == "time":
            positions = FreeCenters(hops, HOP, centers, np.ones(len(centers)) / len(centers))

    def evaluate(row: np.ndarray, centers: np.ndarray) -> Slopes:
        moved = at(centers)
        return moved.slopes(moved.arrange(row))

    return Case(Objective(evaluator, evaluate, candidate, lengths, positions), evaluator, row)


def check_gradient(objective: Objective, z: np.ndarray) -> np.ndarray:
    """Against difference quotients of single variables and along a random direction."""
    gradient = objective(z).gradient
    assert gradient.shape == z.shape
    rng = np.random.default_rng(4)
    few = rng.choice(len(z), min(3, len(z)), replace=False)
    for direction in (*np.eye(len(z))[few], rng.uniform(-1, 1, len(z))):
        step = 1e-6
        up, down = (objective(z + s * step * direction).value for s in (1, -1))
        expected = (up - down) / (2 * step)
        assert gradient @ direction == pytest.approx(expected, rel=2e-4, abs=2e-8)
    assert np.abs(gradient).max() > 1e-4
    return gradient


@each(("criterion", "power", "smoothness"), [("entropy", 2.0, 0.3), ("renyi", 1.0, 0.0)])
@each(("window_mode", "hop_mode"), LEARNED)
def test_gradient_is_the_difference_quotient(window_mode, hop_mode, **options):
    """The start of the descent is the candidate, within its bounds."""
    case = build(window_mode, hop_mode, **options)
    at = case.objective.variables
    assert (at.low <= at.start).all()
    assert (at.start <= at.high).all()
    assert at.start.shape == at.scale.shape
    found = case.objective(at.start).found
    np.testing.assert_allclose(found.row, case.row, rtol=1e-12)
    np.testing.assert_allclose(found.centers, case.start.centers, rtol=1e-9)
    aside = 1e-3 * np.random.default_rng(1).uniform(-1, 1, len(at.start))
    check_gradient(case.objective, at.start + aside)


@each("window_mode", WINDOW_MODES)
def test_gradient_where_windows_hold_the_frames(window_mode):
    """A frame as far from the one before as the windows allow moves with their lengths."""
    case = build(window_mode, "time", tight=True, overlap=0.8)
    z = case.objective.variables.start + 1e-4
    gradient = check_gradient(case.objective, z)
    lengths = 0 if window_mode == "fixed" else len(z) - 25
    held = gradient[lengths:] == 0
    assert 4 <= held.sum() < 25  # these are not where they wish to be


@each("window_mode", WINDOW_MODES)
def test_value_is_score_plus_penalty(window_mode):
    """Frames weigh their share of time; changes cost their price."""
    case = build(window_mode, "time", smoothness=0.3)
    point = case.objective(case.objective.variables.start)
    found = point.found
    assert found.total == point.value
    if window_mode in ("fixed", "constant", "time"):
        moved = Evaluator(
            SIGNAL, found.centers, case.start.transform, resolve("entropy"),
            peak=float(np.abs(SIGNAL).max()), compute=Compute(dtype=torch.float64),
        )  # fmt: skip
        sums = quadrature_weights(found.centers, HOP, N) @ moved.rows(found.row[None, :])
        np.testing.assert_allclose(found.sums, sums, rtol=1e-9)
    entropy = np.log(found.sums[0]) - found.sums[1] / found.sums[0]
    z, penalty = np.log(found.row), 0.0
    if window_mode == "time":
        penalty = 0.3 * K / N * np.abs(np.diff(z)).sum()
    elif window_mode == "frequency":
        penalty = 0.3 / 17 * np.abs(np.diff(z)).sum()
    elif window_mode == "time-frequency":
        patches = case.start.patches
        by_frequency, by_time = case.start.neighbours(0.3, 0.3).prices
        high, wide = patches.shape  # a change along all of one axis costs as in that mode alone
        assert by_frequency * wide == pytest.approx(0.3 / 17)
        assert by_time * high == pytest.approx(0.3 * K / N)
        grid = z.reshape(patches.shape)
        penalty = by_frequency * np.abs(np.diff(grid, axis=0)).sum()
        penalty += by_time * np.abs(np.diff(grid, axis=1)).sum()
    assert point.value == pytest.approx(entropy + penalty, rel=1e-9)
    assert window_mode in ("fixed", "constant") or penalty > 0.01
