"""Descent on the local criterion over ln θ, from costs at the tabulated lengths.

The cost of a tile, a frame, a band or the whole plane is smooth in ln θ, and its values at the tabulated
lengths are known. A cubic spline through them gives cost and slope anywhere without another FFT.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.fit.descent import Evaluated, Schedule, Variables, descend
from dstft_cli.records import StopReason

Array = NDArray[np.float64]
Found = tuple[float, Tensor]  # objective and ln θ of the rows
CostsAt = Callable[[Tensor], tuple[Tensor, Tensor]]  # ln θ → costs and their slopes, all [...]

CELL_STEPS = 4  # of the default descent of tiles: what more gain does not pay
_FIRST = 0.3  # first step of a tile, (ln θ)² per nat
_FIRST_OF_ALL, _LARGER = 0.1, 1e3  # of L-BFGS; most by which the objective is enlarged for it
_PLAIN = 0.05  # likewise, of plain descent at learning rate 1: costs curve by 20 or less
_LARGEST = 0.35  # most that ln θ moves in one step: half an octave
_LONGER, _SHORTER = 1.5, 0.4  # a tile's step after a success, after a failure
MOST_SHOWN = 1 << 23  # lengths in all steps of a trajectory: 32 MB
_USUAL_STEPS = 50
_EQUAL = 1e-9  # ln θ of neighbouring rows that move together


def spline_costs(table: Tensor, logs: Array) -> CostsAt:
    """Natural cubic spline through costs `[M, ...]` at evenly spaced ln θ: value and slope."""
    count = len(logs)
    if count < 2:
        return lambda z: (table[0].expand_as(z), torch.zeros_like(z))
    width, first = float(logs[-1] - logs[0]) / (count - 1), float(logs[0])
    system, right = np.eye(count), np.zeros((count, count))
    for i in range(1, count - 1):
        system[i, i - 1 : i + 2] = (1, 4, 1)
        right[i, i - 1 : i + 2] = (6, -12, 6)
    bend = torch.from_numpy(np.linalg.solve(system, right)).to(table)
    bent = torch.tensordot(bend, table, 1)  # second derivatives · width²

    def at(z: Tensor) -> tuple[Tensor, Tensor]:
        place = ((z - first) / width).clamp(0, count - 1)
        i = place.long().clamp(max=count - 2)
        b = place - i
        a = 1 - b
        c0, c1 = table.gather(0, i[None])[0], table.gather(0, i[None] + 1)[0]
        d0, d1 = bent.gather(0, i[None])[0], bent.gather(0, i[None] + 1)[0]
        value = a * c0 + b * c1 + ((a**3 - a) * d0 + (b**3 - b) * d1) / 6
        slope = (c1 - c0 + ((3 * b**2 - 1) * d1 - (3 * a**2 - 1) * d0) / 6) / width
        return value, slope

    return at


@dataclass(frozen=True)
class Descended:
    logs: Tensor  # ln θ, in the shape of the start
    steps: list[Tensor]  # ln θ after each step, the start first
    values: list[float]  # the objective there
    stop_reason: StopReason


def descend_tiles(
    costs: CostsAt,
    start: Tensor,
    weight: Tensor,
    least: Tensor,
    most: float,
    trust: Tensor,
    count: int = CELL_STEPS,
) -> Descended:
    """Gradient steps of tiles, each with a step size of its own; one that does not help is not taken.

    The objective is `Σ ω·cost` with weights ω. Trust in slopes is 0 to 1: a tile of noise stays.
    """
    z = start.clamp(max=most).maximum(least)
    value, slope = costs(z)
    size = _FIRST * trust
    steps, values = [z], [_total(weight, value)]
    for _ in range(count):
        move = (-size * slope).clamp(-_LARGEST, _LARGEST)
        trial = (z + move).clamp(max=most).maximum(least)
        new, new_slope = costs(trial)
        better = new < value
        z, value = torch.where(better, trial, z), torch.where(better, new, value)
        slope = torch.where(better, new_slope, slope)
        size = torch.where(better, size * _LONGER, size * _SHORTER)
        steps.append(z)
        values.append(_total(weight, value))
    return Descended(z, steps, values, StopReason.STEP_LIMIT)


def descend_freely(
    costs: CostsAt, start: Tensor, weight: Tensor, least: Tensor, most: float, schedule: Schedule
) -> Descended:
    """The same by L-BFGS, Adam, or gradient steps whose slopes are those of a tile's own cost."""
    shape, share = start.shape, weight.double().flatten().numpy()
    low = least.expand(shape).double().flatten().numpy()
    own = schedule.optimizer == "sgd"

    def objective(z: Array) -> Evaluated[Found]:
        logs = torch.from_numpy(z).to(start).reshape(shape)
        value, slope = costs(logs)
        gradient = slope.double().flatten().numpy() * (_PLAIN if own else share)
        total = _total(weight, value)
        return Evaluated(total, gradient, (total, logs))

    begin = start.double().flatten().numpy().clip(low, most)
    scale = np.sqrt(np.maximum(share / max(share.max(initial=0.0), 1e-300), 1e-6))
    return _run(objective, Variables(begin, low, np.full_like(low, most), scale), schedule)


def descend_rows(
    table: Array,
    shares: Array,
    logs: Array,
    start: Array,
    price: float,
    schedule: Schedule,
    *,
    split: bool = False,
) -> Descended:
    """Descent of rows with a price on change, `Σ_r cost_r(z_r) + price·Σ|z_r − z_{r+1}|`.

    Rows that are equal stand on the kink of the price, so runs of equal rows move as one. If they are to
    `split`, they part in halves, again and again: so a start of equal rows is left.
    """
    edges = np.flatnonzero(np.abs(np.diff(start)) > _EQUAL) + 1
    found = Descended(torch.from_numpy(start), [], [], StopReason.STEP_LIMIT)
    while True:
        runs = np.concatenate([[0], edges, [len(start)]]).astype(np.int64)
        left = replace(schedule, max_steps=schedule.max_steps - max(len(found.values) - 1, 0))
        moved = _descend_runs(table, shares, logs, found.logs.numpy(), runs, price, left)
        done = len(found.values) > 0
        steps, values = found.steps + moved.steps[done:], found.values + moved.values[done:]
        found = Descended(moved.logs, steps, values, moved.stop_reason)
        widths = np.diff(runs)
        if not split or widths.max() == 1 or len(values) > schedule.max_steps:
            return found
        middles = (runs[:-1] + widths // 2)[widths > 1]
        edges = np.unique(np.concatenate([edges, middles]))


def _descend_runs(
    table: Array,
    shares: Array,
    logs: Array,
    start: Array,
    runs: NDArray[np.int64],
    price: float,
    schedule: Schedule,
) -> Descended:
    """Of runs of rows, each from `runs[k]` to `runs[k + 1]`, that move as one."""
    sums = np.add.reduceat(table, runs[:-1], axis=0)
    costs, widths = spline_costs(torch.from_numpy(sums.T.copy()), logs), np.diff(runs)
    share, own = np.add.reduceat(shares, runs[:-1]), schedule.optimizer == "sgd"

    def objective(z: Array) -> Evaluated[Found]:
        value, slope = costs(torch.from_numpy(z))
        steps = np.diff(z)
        pull = -np.diff(np.sign(steps), prepend=0, append=0)
        total = float(value.sum()) + price * float(np.abs(steps).sum())
        gradient = slope.numpy() + price * pull
        gradient = _PLAIN * gradient / np.maximum(share, 1e-12) if own else gradient
        return Evaluated(total, gradient, (total, torch.from_numpy(np.repeat(z, widths))))

    low = np.full(len(widths), logs[0])
    scale = np.sqrt(np.maximum(share, 1e-9))
    variables = Variables(start[runs[:-1]], low, np.full_like(low, logs[-1]), scale)
    return _run(objective, variables, schedule)


def _run(
    objective: Callable[[Array], Evaluated[Found]], variables: Variables, schedule: Schedule
) -> Descended:
    """A descent with a record of its steps; it returns nothing worse than its start."""
    begin = objective(variables.start)
    value, logs = begin.found
    steps, values = [_shown(logs, schedule)], [value]

    def note(found: Found) -> None:
        values.append(found[0])
        steps.append(_shown(found[1], schedule))

    larger = 1.0
    if (
        schedule.optimizer == "lbfgs"
    ):  # begins with a step of the gradient: a small one would be its last
        steepest = float(np.abs(begin.gradient / variables.scale).max())
        larger = min(max(_FIRST_OF_ALL / max(steepest, 1e-12), 1.0), _LARGER)

    def enlarged(z: Array) -> Evaluated[Found]:
        point = objective(z)
        return Evaluated(larger * point.value, larger * point.gradient, point.found)

    ended = descend(enlarged, variables, schedule, note)
    if ended.best is not None and ended.best.found[0] < value:
        value, logs = ended.best.found
    if not values[-1] <= value:  # steps led nowhere, or beyond
        note((value, logs))
    return Descended(logs, steps, values, ended.stop_reason)


def _shown(logs: Tensor, schedule: Schedule) -> Tensor:
    """What is kept of a step: all lengths, or their mean where all steps would fill the memory."""
    if logs.numel() * min(schedule.max_steps, _USUAL_STEPS) <= MOST_SHOWN:
        return logs.float()
    return logs.mean().float().expand([1] * logs.dim())


def _total(weight: Tensor, value: Tensor) -> float:
    return float((weight * value).sum(dtype=torch.float64))
