"""Gradient descent on lengths, as logarithms, and positions: L-BFGS-B, Adam or plain gradient."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.fit.request import Request
from dstft_cli.records import StopReason

if TYPE_CHECKING:
    from scipy.optimize import OptimizeResult

Array = NDArray[np.float64]
Found = TypeVar("Found")

_PATIENCE = 10  # steps without progress before the plateau schedule lowers the learning rate
_SETTLED = 25  # steps over which the gain of `adam` and `sgd` is averaged
DEFAULT_LEARNING_RATE = {"adam": 0.05, "sgd": 1.0}


class Variables(NamedTuple):
    """The variables of a descent, `[V]` each."""

    start: Array  # natural logarithms of lengths in samples, positions in hops
    low: Array  # bounds
    high: Array
    scale: Array  # √ of shares in the objective: all curvatures in `z·scale` are about the same


@dataclass(frozen=True)
class Evaluated(Generic[Found]):
    """The objective at a point: value, gradient `[V]`, and its candidate."""

    value: float
    gradient: Array
    found: Found


Objective = Callable[[Array], Evaluated[Found]]
OnStep = Callable[[Found], None]


@dataclass(frozen=True)
class Descent(Generic[Found]):
    """The end of a descent: the best point, or None if none is finite, and the reason to stop."""

    best: Evaluated[Found] | None
    stop_reason: StopReason


@dataclass(frozen=True)
class Schedule:
    optimizer: str  # `lbfgs`, `adam` or `sgd`
    lr: float | None  # of `adam` (None: 0.05) or `sgd` (None: 1), in e-folds of length, or hops
    max_steps: int  # largest number of steps; 0: no evaluation
    tolerance: float  # relative gain of a step of `lbfgs`, or on average over 25 of the others

    @classmethod
    def of(cls, asked: Request, auto: str = "lbfgs") -> Schedule:
        """As requested; `auto`: the optimizer that is taken where none is named."""
        optimizer = auto if asked.optimizer == "auto" else asked.optimizer
        return cls(optimizer, asked.lr, asked.max_steps, asked.tolerance)


class _NonFiniteError(Exception):
    pass


def descend(
    objective: Objective[Found], variables: Variables, schedule: Schedule, on_step: OnStep[Found]
) -> Descent[Found]:
    """Minimises `objective` within the bounds of its variables; `on_step` gets what each step found."""
    if np.array_equal(variables.low, variables.high):  # nothing can move
        return Descent(None, StopReason.CONVERGED)
    if schedule.max_steps == 0:
        return Descent(None, StopReason.STEP_LIMIT)
    watched = _Watched(objective)
    run = _lbfgs if schedule.optimizer == "lbfgs" else _first_order
    try:
        reason = run(watched, variables, schedule, on_step)
    except _NonFiniteError:
        reason = StopReason.NON_FINITE
    return Descent(watched.best, reason)


class _Watched(Generic[Found]):
    """The objective; records the best and the last point."""

    def __init__(self, objective: Objective[Found]) -> None:
        self._objective = objective
        self.best: Evaluated[Found] | None = None
        self.last: Evaluated[Found] | None = None

    def __call__(self, z: Array) -> Evaluated[Found]:
        point = self.last = self._objective(z)
        if not (np.isfinite(point.value) and np.isfinite(point.gradient).all()):
            raise _NonFiniteError
        if self.best is None or point.value < self.best.value:
            self.best = point
        return point


def _lbfgs(
    objective: _Watched[Found], variables: Variables, schedule: Schedule, on_step: OnStep[Found]
) -> StopReason:
    from scipy.optimize import Bounds, minimize  # slow to import, and most runs do not need it

    scale = variables.scale

    def scaled(y: Array) -> tuple[float, Array]:
        point = objective(y / scale)
        return point.value, point.gradient / scale

    def callback(intermediate_result: OptimizeResult) -> None:
        assert objective.last is not None  # a step ends at the last evaluated point
        on_step(objective.last.found)

    outcome = minimize(
        scaled,
        variables.start * scale,
        jac=True,
        method="L-BFGS-B",
        bounds=Bounds(variables.low * scale, variables.high * scale),
        callback=callback,
        options={"maxiter": schedule.max_steps, "ftol": schedule.tolerance, "gtol": 0.0},
    )
    return StopReason.STEP_LIMIT if outcome.status == 1 else StopReason.CONVERGED


def _first_order(
    objective: _Watched[Found], variables: Variables, schedule: Schedule, on_step: OnStep[Found]
) -> StopReason:
    lr = DEFAULT_LEARNING_RATE[schedule.optimizer] if schedule.lr is None else schedule.lr
    z = torch.tensor(variables.start, dtype=torch.float64)
    z.grad = torch.zeros_like(z)
    adam = schedule.optimizer == "adam"
    steps = torch.optim.Adam([z], lr=lr) if adam else torch.optim.SGD([z], lr=lr)
    bounds = torch.from_numpy(variables.low), torch.from_numpy(variables.high)
    point = objective(variables.start)
    least = schedule.tolerance * max(1.0, abs(point.value))  # a gain, as for L-BFGS-B
    reached = deque([point.value], _SETTLED + 1)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
        steps, factor=0.5, patience=_PATIENCE, threshold=least, threshold_mode="abs"
    )
    for _ in range(schedule.max_steps):
        point = objective(z.numpy().copy())
        on_step(point.found)
        z.grad = torch.from_numpy(point.gradient)
        steps.step()
        z.clamp_(*bounds)
        plateau.step(point.value)
        assert objective.best is not None
        reached.append(objective.best.value)
        if len(reached) > _SETTLED and reached[0] - reached[-1] < _SETTLED * least:
            return StopReason.CONVERGED
    objective(z.numpy().copy())  # the point of the last step
    return StopReason.STEP_LIMIT
