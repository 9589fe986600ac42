"""Gradient descent on lengths, as logarithms, and positions: L-BFGS-B, Adam or plain gradient."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import Bounds, OptimizeResult, minimize

from dstft_cli.records import StopReason

Array = NDArray[np.float64]
Objective = Callable[[Array], tuple[float, Array]]
OnStep = Callable[[Array, float], None]

_PATIENCE = 10  # steps without progress before the plateau schedule lowers the learning rate
_SETTLED = 25  # steps in which a descent that goes up and down must gain what is asked of each
DEFAULT_LEARNING_RATE = {"adam": 0.05, "sgd": 1.0}


@dataclass(frozen=True)
class Descent:
    """Where a descent ended: the best `z` it saw, its value, and why it stopped."""

    z: Array
    value: float
    stop_reason: StopReason


class _NonFiniteError(Exception):
    pass


def descend(
    objective: Objective,
    z: Array,
    low: Array,
    high: Array,
    *,
    scale: Array,
    optimizer: str,
    lr: float | None,
    max_steps: int,
    tolerance: float,
    on_step: OnStep,
) -> Descent:
    """Minimises `objective` from `z` within `[low, high]`.

    Args:
        objective: value and gradient at `z`.
        z: start, `[V]`: natural logarithms of lengths in samples, positions in hops.
        low, high: bounds of the variables, `[V]`.
        scale: square root of each variable's share in the objective, `[V]`: in `z·scale` the
            curvature is about the same in all directions, which is what L-BFGS-B starts from.
        optimizer: `lbfgs`, `adam` or `sgd`.
        lr: learning rate of `adam` (default 0.05) or `sgd` (default 1), in e-folds of
            window length, or hops.
        max_steps: steps at most; 0 returns the start.
        tolerance: relative change of the value below which the descent has converged: in a step of
            `lbfgs`, and on average over 25 of the others, which go up and down.
        on_step: called with `z` and its value after each step.

    Returns:
        The best point seen, which is the start if nothing was better.
    """
    best = _Best(objective)
    if np.array_equal(low, high):  # nothing can move
        return Descent(z, float("inf"), StopReason.CONVERGED)
    if max_steps == 0:
        return Descent(z, float("inf"), StopReason.STEP_LIMIT)
    try:
        if optimizer == "lbfgs":
            reason = _lbfgs(best, z, low, high, scale, max_steps, tolerance, on_step)
        else:
            rate = DEFAULT_LEARNING_RATE[optimizer] if lr is None else lr
            reason = _first_order(
                best, z, low, high, optimizer, rate, max_steps, tolerance, on_step
            )
    except _NonFiniteError:
        reason = StopReason.NON_FINITE
    return Descent(z if best.z is None else best.z, best.value, reason)


class _Best:
    """The objective, remembering the best point it was asked for."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self.z: Array | None = None
        self.value = float("inf")

    def __call__(self, z: Array) -> tuple[float, Array]:
        value, gradient = self._objective(z)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            raise _NonFiniteError
        if value < self.value:
            self.z, self.value = z.copy(), value
        return value, gradient


def _lbfgs(
    objective: _Best,
    z: Array,
    low: Array,
    high: Array,
    scale: Array,
    max_steps: int,
    tolerance: float,
    on_step: OnStep,
) -> StopReason:
    def scaled(y: Array) -> tuple[float, Array]:
        value, gradient = objective(y / scale)
        return value, gradient / scale

    def callback(intermediate_result: OptimizeResult) -> None:
        on_step(intermediate_result.x / scale, float(intermediate_result.fun))

    outcome = minimize(
        scaled,
        z * scale,
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(low * scale, high * scale),
        callback=callback,
        options={"maxiter": max_steps, "ftol": tolerance, "gtol": 0.0},
    )
    return StopReason.STEP_LIMIT if outcome.status == 1 else StopReason.CONVERGED


def _first_order(
    objective: _Best,
    z: Array,
    low: Array,
    high: Array,
    optimizer: str,
    lr: float,
    max_steps: int,
    tolerance: float,
    on_step: OnStep,
) -> StopReason:
    variable = torch.tensor(z, dtype=torch.float64)
    variable.grad = torch.zeros_like(variable)
    steps: torch.optim.Optimizer
    if optimizer == "adam":
        steps = torch.optim.Adam([variable], lr=lr)
    else:
        steps = torch.optim.SGD([variable], lr=lr)
    bounds = torch.from_numpy(low), torch.from_numpy(high)
    first, _ = objective(z)
    least = tolerance * max(1.0, abs(first))  # gain, as for L-BFGS-B; a score may be negative
    reached = deque([first], _SETTLED + 1)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        steps,
        factor=0.5,
        patience=_PATIENCE,
        threshold=least,
        threshold_mode="abs",
    )
    for _ in range(max_steps):
        at = variable.numpy().copy()
        value, gradient = objective(at)
        on_step(at, value)
        variable.grad = torch.from_numpy(gradient)
        steps.step()
        variable.clamp_(*bounds)
        schedule.step(value)
        reached.append(objective.value)
        if len(reached) > _SETTLED and reached[0] - reached[-1] < _SETTLED * least:
            return StopReason.CONVERGED
    objective(variable.numpy().copy())  # where the last step led
    return StopReason.STEP_LIMIT
