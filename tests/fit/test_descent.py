"""Every optimizer on problems with known minima, why it stopped; and what descends when."""

import numpy as np
import pytest

from dstft_cli.fit.descent import Descent, Evaluated, Schedule, Variables, descend
from dstft_cli.records import StopReason
from fit.cases import each

LOW, HIGH = 2.0, 6.0
MINIMUM = np.array([3.0, 4.5, 5.0])
CURVATURE = np.array([1.0, 0.5, 2.0])
SCALE = np.array([0.5, 1.0, 0.125])  # powers of 2: what goes in comes out unrounded
# Adam overshoots, and the plateau schedule cools it down before it has swung back
NEAR = {"lbfgs": 1e-5, "sgd": 2e-3, "adam": 0.15}


def quadratic(z: np.ndarray, minimum: np.ndarray = MINIMUM) -> tuple[float, np.ndarray]:
    gap = z - minimum
    return 7.0 + float(0.5 * CURVATURE @ gap**2), CURVATURE * gap


def run(
    objective, z, optimizer, *, lr=None, max_steps=2000, tolerance=1e-12, scale=SCALE
) -> tuple[Descent, list[np.ndarray]]:
    """The descent, which finds the points themselves, and the point of each step."""
    steps = []
    ended = descend(
        lambda at: Evaluated(*objective(at), at.copy()),
        Variables(np.array(z), np.full(len(z), LOW), np.full(len(z), HIGH), scale),
        Schedule(optimizer, lr, max_steps, tolerance),
        steps.append,
    )
    return ended, steps


@each("optimizer", list(NEAR))
def test_known_minimum(optimizer):
    ended, steps = run(quadratic, [4.0, 4.0, 4.0], optimizer)
    np.testing.assert_allclose(ended.best.found, MINIMUM, atol=NEAR[optimizer])
    assert ended.best.value == quadratic(ended.best.found)[0]
    assert ended.stop_reason is StopReason.CONVERGED
    assert len(steps) > 1
    assert all(((at >= LOW) & (at <= HIGH)).all() for at in steps)
    assert ended.best.value <= min(quadratic(at)[0] for at in steps)


@each("optimizer", list(NEAR))
def test_bounds_hold(optimizer):
    """The minimum lies outside in two variables: they end on their bounds."""
    beyond = np.array([1.0, 4.5, 9.0])
    found = run(lambda z: quadratic(z, beyond), [4.0, 4.0, 4.0], optimizer)[0].best.found
    np.testing.assert_allclose(found, [LOW, 4.5, HIGH], atol=NEAR[optimizer])
    assert (found[0], found[2]) == (LOW, HIGH)


@each("optimizer", list(NEAR))
def test_limits(optimizer):
    for max_steps in (1, 2, 3):
        ended, steps = run(quadratic, [5.9, 2.1, 2.1], optimizer, max_steps=max_steps)
        assert ended.stop_reason is StopReason.STEP_LIMIT
        assert len(steps) == max_steps
    assert run(quadratic, [4.0] * 3, optimizer, max_steps=0)[0] == Descent(
        None, StopReason.STEP_LIMIT
    )
    at_minimum, _ = run(quadratic, MINIMUM, optimizer)
    assert at_minimum.best.value == 7.0
    assert at_minimum.stop_reason is StopReason.CONVERGED
    fixed = Variables(np.array([4.0]), np.array([4.0]), np.array([4.0]), np.ones(1))
    ended = descend(lambda z: 1 / 0, fixed, Schedule(optimizer, None, 5, 1e-6), print)
    assert ended == Descent(None, StopReason.CONVERGED)


@each("optimizer", list(NEAR))
@each("where", ["value", "gradient"])
def test_not_finite_keeps_the_best_step(optimizer, where):
    calls = []

    def breaks(z):
        calls.append(z.copy())
        value, gradient = quadratic(z)
        if len(calls) >= 4:
            return (float("nan"), gradient) if where == "value" else (value, gradient + np.inf)
        return value, gradient

    ended, _ = run(breaks, [4.0, 4.0, 4.0], optimizer)
    assert ended.stop_reason is StopReason.NON_FINITE
    assert len(calls) == 4
    values = [quadratic(z)[0] for z in calls[:3]]
    assert ended.best.value == min(values)
    np.testing.assert_array_equal(ended.best.found, calls[int(np.argmin(values))])
    ended, _ = run(lambda z: (float("inf"), z), [3.3] * 3, optimizer)
    assert ended == Descent(None, StopReason.NON_FINITE)


@each(("optimizer", "default"), [("adam", 0.05), ("sgd", 1.0)])
def test_learning_rate_is_the_first_step(optimizer, default):
    start = np.array([4.0, 4.0, 4.0])
    gradient = quadratic(start)[1]
    for lr in (None, 0.01, 0.3):
        _, steps = run(quadratic, start, optimizer, lr=lr, max_steps=2)
        moved = (lr or default) * (np.sign(gradient) if optimizer == "adam" else gradient)
        np.testing.assert_allclose(steps[1], start - moved, atol=1e-7)


@each("optimizer", ["adam", "sgd"])
def test_a_plateau_lowers_the_rate_and_ends_the_descent(optimizer):
    """A gradient that always points onwards, and a value that never falls."""
    ended, steps = run(lambda z: (1.0, np.full(3, 1e-3)), [4.0, 4.0, 4.0], optimizer)
    assert ended.stop_reason is StopReason.CONVERGED
    assert len(steps) == 25
    moved = -np.diff([z[0] for z in steps])
    assert moved[-1] == pytest.approx(moved[0] / 4, rel=1e-3)
    for gain, ends in ((2e-4, False), (0.5e-4, True)):  # while it gains what is asked of a step
        values = iter((5.0 - gain * step, np.full(3, 1e-9)) for step in range(1000))
        how = {"tolerance": 2e-5, "max_steps": 60}
        ended, steps = run(lambda z, values=values: next(values), [4.0] * 3, optimizer, **how)
        assert (len(steps) < 60) == ends == (ended.stop_reason is StopReason.CONVERGED)
