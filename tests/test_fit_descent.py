"""Every optimizer on problems with known minima, and why it stopped."""

import numpy as np
import pytest

from dstft_cli.fit.descent import Descent, descend
from dstft_cli.names import OPTIMIZERS
from dstft_cli.records import StopReason

LOW, HIGH = 2.0, 6.0
MINIMUM = np.array([3.0, 4.5, 5.0])
CURVATURE = np.array([1.0, 0.5, 2.0])
SCALE = np.array([0.5, 1.0, 0.125])  # powers of 2: what goes in comes out unrounded
# Adam overshoots, and the plateau schedule cools it down before it has swung back
NEAR = {"lbfgs": 1e-5, "sgd": 2e-3, "adam": 0.15}
every_optimizer = pytest.mark.parametrize("optimizer", [o for o in OPTIMIZERS if o != "auto"])


def quadratic(z: np.ndarray, minimum: np.ndarray = MINIMUM) -> tuple[float, np.ndarray]:
    gap = z - minimum
    return 7.0 + float(0.5 * CURVATURE @ gap**2), CURVATURE * gap


def run(objective, z, optimizer, steps=None, **options) -> Descent:
    settings = {"lr": None, "max_steps": 2000, "tolerance": 1e-12, "scale": SCALE, **options}
    return descend(
        objective,
        np.asarray(z, dtype=np.float64),
        np.full(len(z), LOW),
        np.full(len(z), HIGH),
        optimizer=optimizer,
        on_step=lambda at, value: steps.append((at.copy(), value)) if steps is not None else None,
        **settings,
    )


@every_optimizer
def test_known_minimum(optimizer):
    steps: list[tuple[np.ndarray, float]] = []
    found = run(quadratic, [4.0, 4.0, 4.0], optimizer, steps)
    np.testing.assert_allclose(found.z, MINIMUM, atol=NEAR[optimizer])
    assert found.value == quadratic(found.z)[0]
    assert found.stop_reason is StopReason.CONVERGED
    assert len(steps) > 1
    for at, value in steps:
        assert value == quadratic(at)[0]
        assert ((at >= LOW) & (at <= HIGH)).all()
    assert found.value <= min(value for _, value in steps)


@every_optimizer
def test_bounds_hold(optimizer):
    """The minimum lies outside in two variables: they end on their bounds."""
    beyond = np.array([1.0, 4.5, 9.0])
    found = run(lambda z: quadratic(z, beyond), [4.0, 4.0, 4.0], optimizer)
    np.testing.assert_allclose(found.z, [LOW, 4.5, HIGH], atol=NEAR[optimizer])
    assert found.z[0] == LOW
    assert found.z[2] == HIGH


@every_optimizer
@pytest.mark.parametrize("max_steps", [1, 2, 3])
def test_step_limit(optimizer, max_steps):
    steps: list[tuple[np.ndarray, float]] = []
    found = run(quadratic, [5.9, 2.1, 2.1], optimizer, steps, max_steps=max_steps)
    assert found.stop_reason is StopReason.STEP_LIMIT
    assert len(steps) == max_steps


@every_optimizer
def test_no_steps_give_the_start_back(optimizer):
    start = np.array([3.3, 3.3, 3.3])
    found = run(quadratic, start, optimizer, max_steps=0)
    assert found.stop_reason is StopReason.STEP_LIMIT
    np.testing.assert_array_equal(found.z, start)
    assert found.value == float("inf")


@every_optimizer
@pytest.mark.parametrize("where", ["value", "gradient"])
def test_not_finite_keeps_the_best_step(optimizer, where):
    calls = []

    def breaks(z):
        calls.append(z.copy())
        value, gradient = quadratic(z)
        if len(calls) >= 4:
            return (float("nan"), gradient) if where == "value" else (value, gradient + np.inf)
        return value, gradient

    found = run(breaks, [4.0, 4.0, 4.0], optimizer)
    assert found.stop_reason is StopReason.NON_FINITE
    assert len(calls) == 4
    values = [quadratic(z)[0] for z in calls[:3]]
    assert found.value == min(values)
    np.testing.assert_array_equal(found.z, calls[int(np.argmin(values))])


@every_optimizer
def test_not_finite_at_once_keeps_the_start(optimizer):
    start = np.array([3.3, 3.3, 3.3])
    found = run(lambda z: (float("inf"), z), start, optimizer)
    assert found.stop_reason is StopReason.NON_FINITE
    np.testing.assert_array_equal(found.z, start)
    assert found.value == float("inf")


@every_optimizer
def test_start_at_the_minimum_stays(optimizer):
    found = run(quadratic, MINIMUM, optimizer)
    np.testing.assert_array_equal(found.z, MINIMUM)
    assert found.value == 7.0
    assert found.stop_reason is StopReason.CONVERGED


@pytest.mark.parametrize(("optimizer", "default"), [("adam", 0.05), ("sgd", 1.0)])
@pytest.mark.parametrize("lr", [None, 0.01, 0.3])
def test_learning_rate_is_the_first_step(optimizer, default, lr):
    steps: list[tuple[np.ndarray, float]] = []
    start = np.array([4.0, 4.0, 4.0])
    run(quadratic, start, optimizer, steps, lr=lr, max_steps=2)
    gradient = quadratic(start)[1]
    rate = default if lr is None else lr
    moved = rate * (np.sign(gradient) if optimizer == "adam" else gradient)
    np.testing.assert_allclose(steps[1][0], start - moved, atol=1e-7)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_plateau_halves_the_rate_and_ends_the_descent_in_the_end(optimizer):
    """A gradient that always points onwards, and a value that never falls."""
    steps: list[tuple[np.ndarray, float]] = []
    found = run(lambda z: (1.0, np.full(3, 1e-3)), [4.0, 4.0, 4.0], optimizer, steps)
    assert found.stop_reason is StopReason.CONVERGED
    assert len(steps) == 25
    moved = -np.diff([z[0] for z, _ in steps])
    assert moved[-1] == pytest.approx(moved[0] / 4, rel=1e-3)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_descent_goes_on_while_it_gains_what_is_asked_of_a_step_on_average(optimizer):
    for gain, ends in ((2e-4, False), (0.5e-4, True)):
        values = iter(5.0 - gain * np.arange(1000))
        steps: list[tuple[np.ndarray, float]] = []
        found = run(
            lambda z, values=values: (next(values), np.full(3, 1e-9)),
            [4.0, 4.0, 4.0],
            optimizer,
            steps,
            tolerance=2e-5,
            max_steps=60,
        )
        assert (len(steps) < 60) == ends
        assert (found.stop_reason is StopReason.CONVERGED) == ends


def test_tolerance_ends_lbfgs_early():
    steps = {}
    for tolerance in (1e-1, 1e-14):
        steps[tolerance] = []
        run(
            lambda z: (float(((z - MINIMUM) ** 4).sum()) + 1, 4 * (z - MINIMUM) ** 3),
            [5.9, 2.1, 2.1],
            "lbfgs",
            steps[tolerance],
            tolerance=tolerance,
        )
    assert len(steps[1e-1]) < len(steps[1e-14])


def test_scale_makes_a_long_valley_round():
    """With the root of the curvature as scale, L-BFGS needs a few steps where it needed many."""
    curvature = np.array([1.0, 1e-3, 1e-6])
    evaluations = {}
    for name, scale in (("plain", np.ones(3)), ("scaled", np.sqrt(curvature))):
        calls = []

        def valley(z, calls=calls):
            calls.append(z)
            gap = z - MINIMUM
            return 1e-3 + float(0.5 * curvature @ gap**2), curvature * gap

        found = run(valley, [4.0, 4.0, 4.0], "lbfgs", scale=scale, tolerance=1e-14)
        evaluations[name] = len(calls)
    np.testing.assert_allclose(found.z, MINIMUM, atol=1e-3)
    assert evaluations["scaled"] <= 6 < evaluations["plain"]


@pytest.mark.parametrize("optimizer", ["lbfgs", "adam", "sgd"])
def test_bounds_that_leave_no_room_end_it_at_once(optimizer):
    calls = []
    found = descend(
        lambda z: (calls.append(z), (0.0, z))[1],
        np.array([4.0]),
        np.array([4.0]),
        np.array([4.0]),
        scale=np.ones(1),
        optimizer=optimizer,
        lr=None,
        max_steps=5,
        tolerance=1e-6,
        on_step=lambda z, value: None,
    )
    assert found.stop_reason is StopReason.CONVERGED
    assert found.z.tolist() == [4.0]
    assert not calls
