"""What is learned under the local criterion in each window mode: a length per row, or per tile."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria.local import Tiling
from dstft_cli.errors import UsageError
from dstft_cli.fit.descent import Schedule
from dstft_cli.fit.local_descent import (
    CELL_STEPS,
    MOST_SHOWN,
    CostsAt,
    Descended,
    descend_freely,
    descend_rows,
    descend_tiles,
    spline_costs,
)
from dstft_cli.fit.local_search import (
    Costs,
    Rows,
    costs_of,
    exact_path,
    price_of_change,
    soft_choice,
)
from dstft_cli.fit.plan import Plan
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.tiles import Sound
from dstft_cli.records import StopReason

Array = NDArray[np.float64]
_NEAR = 0.1  # nats that a length between two tabulated ones may gain, with room
_BY_CHANCE = 5.0  # nats over √U that modes of fewer lengths may gain on the tiles in noise
_FEW = 64  # tiles in time, less than a longest window: there lengths between may gain more
Filled = TypeVar("Filled", Rows, "_Tiles")
Item = TypeVar("Item")


@dataclass(frozen=True)
class LocalTask:
    problem: Problem
    plan: Plan
    tiling: Tiling
    sound: Sound
    reference: float

    @property
    def logs(self) -> Array:
        """ln θ of the tabulated lengths, `[M]`."""
        return np.asarray(np.log(self.tiling.lengths))

    @property
    def least(self) -> Tensor:
        """Least ln θ of the bands, `[B, 1]`."""
        return torch.from_numpy(self.logs[self.tiling.allowed.argmax(0)])[:, None]

    def filled(self, of: Filled, record: Record, *, settle: bool = False) -> Filled:
        """With the costs of all tiles, from one pass over the signal."""
        for costs in costs_of(self.sound, self.tiling, self.reference, settle=settle):
            of.add(costs)
        record.evaluations += len(self.logs)
        return of


@dataclass(frozen=True)
class Step:
    phase: str  # as in `Trajectory`
    moment: float  # when it ended, of `time.perf_counter`
    value: float  # J
    logs: NDArray[np.float32]  # ln θ: `[1]`, `[R]` of rows, or `[B, U]` or `[B, 1]` of tiles


@dataclass
class Record:
    """The steps so far, and transforms of the signal computed."""

    steps: list[Step] = field(default_factory=list)
    evaluations: int = 0

    def add(self, phase: str, value: float, logs: NDArray[np.floating]) -> None:
        self.steps.append(Step(phase, time.perf_counter(), value, logs.astype(np.float32)))


@dataclass(frozen=True)
class Learned:
    logs: NDArray[np.floating]  # ln θ: `[R]` of the rows, or `[B, U]` of the tiles
    constant: Array  # J of each tabulated length, `[M]`
    start: float  # J of the start and of the result, without the price of change
    value: float
    bound: float | None  # least J of the tabulated lengths, proved; None: nothing was searched
    row: Array  # lengths and their shares in J, `[R]`, for the notes
    importance: Array
    stop_reason: StopReason
    searched: float  # when the descent began, of `time.perf_counter`


def learn_rows(task: LocalTask, record: Record) -> Learned:
    """One length for all, per frame or per band: table, exact path, descent."""
    over_time = task.problem.request.window_mode == "time"
    frames = len(task.tiling.times(task.sound.length)) if over_time else 0
    return learn_table(task, record, task.filled(Rows(frames), record))


def learn_table(task: LocalTask, record: Record, rows: Rows) -> Learned:
    """`learn_rows` from the sums of all tiles."""
    asked, logs, mode = task.problem.request, task.logs, task.problem.request.window_mode
    table, shares = rows.table(mode)
    constant = rows.table("constant")[0][0]
    begin = np.array([math.log(task.plan.start)])
    start = start_cost(task, constant, begin)
    record.add("start", start, begin)
    price, bound, z, total = 0.0, None, begin.repeat(len(table)), start
    if mode in ("time", "frequency"):
        price = price_of_change(task.problem.smoothness, mode, task.tiling, task.problem.length)
    reason = StopReason.FIXED
    if asked.learns_lengths and asked.search:
        record_table(record, constant, logs)
        path = exact_path(table, logs, price)
        z, total, reason = logs[path.index], path.value, StopReason.SEARCH
        bound = float(table.min(1).sum())  # each row with its own best length
        record.add("search", path.cost, z)
    searched = time.perf_counter()
    if asked.learns_lengths and asked.max_steps > 0 and len(logs) > 1:
        schedule = Schedule.of(asked)
        found = descend_rows(table, shares, logs, z, price, schedule, split=not asked.search)
        for value, step in zip(found.values[1:], found.steps[1:], strict=True):
            moved = step.numpy().astype(np.float64)
            record.add("descent", value - price * float(np.abs(np.diff(moved)).sum()), moved)
        reason, total, z = found.stop_reason, min(found.values), found.logs.numpy()
    value = total - price * float(np.abs(np.diff(z)).sum())
    if value > start:
        value, z = start, begin.repeat(len(table))
    return Learned(z, constant, start, value, bound, np.exp(z), shares, reason, searched)


def start_cost(task: LocalTask, constant: Array, begin: Array) -> float:
    """J of the start for all, between the tabulated lengths; UsageError where it has none."""
    costs = spline_costs(torch.from_numpy(constant[:, None].copy()), task.logs)
    start = float(costs(torch.from_numpy(begin))[0])
    if not math.isfinite(start):
        raise _without_value(task, start)
    return start


def _without_value(task: LocalTask, start: float) -> UsageError:
    asked = task.problem.request
    remedies = ["lower `power`"] + ["change `order`"] * (asked.order is not None)
    remedies += ["use `dtype` float64"] * (asked.dtype != "float64")
    return UsageError(
        f"criterion {task.problem.criterion.name} is {start:g} at the start: "
        + ", or ".join(remedies)
    )


def record_table(record: Record, constant: Array, logs: Array) -> None:
    for value, at in zip(constant.tolist(), logs, strict=True):
        record.add("table", value, np.array([at]))


def learn_tiles(task: LocalTask, record: Record) -> Learned:
    """One length per tile: soft choice, and from there a descent, chunk by chunk of the signal.

    Without a search all tiles begin at the start, descend together first, and then part. Never worse than
    one length for each band, or for each time.
    """
    asked, logs, tiling = task.problem.request, task.logs, task.tiling
    begin = together = np.array([math.log(task.plan.start)])
    if not asked.search:
        rows = task.filled(Rows(), record)
        together = learn_table(_in_mode(task, "constant"), record, rows).logs.astype(np.float64)
    tiles = task.filled(_Tiles(task, together), record, settle=asked.search and len(logs) > 1)
    constant = tiles.rows.table("constant")[0][0]
    start = start_cost(task, constant, begin)
    if asked.search:
        record.add("start", start, begin)
        record_table(record, constant, logs)
        record.add("search", tiles.values[0], tiles.step(0))
    for number in range(1, len(tiles.values)):
        record.add("descent", tiles.values[number], tiles.step(number))
    value, shares = _or_rows(task, record, tiles)
    if value < tiles.values[-1]:
        record.add(record.steps[-1].phase, value, tiles.shown(tiles.logs))
    z = tiles.everywhere()
    searched, reason = time.perf_counter() - tiles.seconds, tiles.stop_reason
    bound = tiles.bound / tiles.rows.total if asked.search else None
    return Learned(z, constant, start, value, bound, tiling.lengths, shares, reason, searched)


def _or_rows(task: LocalTask, record: Record, tiles: _Tiles) -> tuple[float, Array]:
    """J and the shares of lengths, where tiles take those of `frequency` or `time` if that is better.

    By more than noise could explain, in which each band may find a length by chance.
    """
    asked, own = task.problem.request, tiles.values[-1]
    bands = learn_table(_in_mode(task, "frequency", steps=not asked.search), Record(), tiles.rows)
    short = tiles.logs.shape[1] < _FEW
    if asked.search and (short or bands.value < own + _NEAR):  # rare: it imports SciPy, slowly
        bands = learn_table(_in_mode(task, "frequency"), Record(), tiles.rows)
    chance = 0.0
    if asked.search and not short:
        chance = _BY_CHANCE / math.sqrt(tiles.logs.shape[1])
    value = own
    if chance == 0 or bands.value <= own - chance:  # the lesser of both, which differ by rounding
        value = min(tiles.take_bands(bands.logs.astype(np.float64)), bands.value)
    least = tiles.rows.least_over_time - _NEAR
    if least > value - chance:  # usual, so the costs of each time are not kept
        return value, tiles.shares
    rows = task.filled(Rows(tiles.logs.shape[1]), record)
    times = learn_table(_in_mode(task, "time"), Record(), rows)
    if times.value >= value - chance:
        return value, tiles.shares
    tiles.logs[:] = times.logs
    return times.value, tiles.shares_of(times.logs, times.importance)


def _in_mode(task: LocalTask, mode: str, *, steps: bool = True) -> LocalTask:
    """With other rows, and without a descent if there are to be no steps."""
    problem = task.problem.in_mode(mode)
    if not steps:
        problem = replace(problem, request=replace(problem.request, max_steps=0))
    return replace(task, problem=problem)


def _paired(before: list[Item], now: list[Item]) -> Iterator[tuple[Item, Item]]:
    """Pairs of both lists, of which the shorter goes on with its last item."""
    count = max(len(before), len(now))
    held = (items + items[-1:] * (count - len(items)) for items in (before, now))
    return zip(*held, strict=True)


class _Tiles:
    """Lengths of tiles, chunk after chunk."""

    def __init__(self, task: LocalTask, together: Array) -> None:
        """`together`: ln θ `[1]` without a search."""
        self.rows = Rows()
        self.stop_reason = StopReason.SEARCH
        self.seconds = 0.0
        self._task, self._together = task, float(together[0])
        self._done = 0  # tiles in time
        self._sums: list[float] = []
        self.bound = 0.0  # `Σ ω·cost` of the best tabulated length of each tile
        bands, tiles = len(task.tiling.centers), len(task.tiling.times(task.sound.length))
        self.logs = np.empty((bands, tiles), np.float32)
        self._bands = np.zeros(bands)  # `Σ ω·cost` of each at the end
        self._weights = np.zeros((bands, len(task.logs)))  # `Σ ω` of its tiles with each length
        self._whole = bands * tiles * (CELL_STEPS + 1) <= MOST_SHOWN
        self._steps: list[NDArray[np.float32]] = []  # ln θ `[B, tiles so far]`, or sums `[B, 1]`

    def add(self, costs: Costs) -> None:
        task = self._task
        self.rows.add(costs)
        best = costs.cost.amin(0)  # a length that a band may not take costs more
        self.bound += float((costs.weight * best).sum(dtype=torch.float64))
        trust = torch.ones_like(costs.weight) if costs.trust is None else costs.trust
        if costs.settled is None or costs.path is None:
            start = torch.full_like(costs.weight, self._together)
        else:
            start = soft_choice(costs.settled, task.tiling, costs.path)
        if not bool(start.isfinite().all()):
            raise _without_value(task, math.nan)
        began = time.perf_counter()
        objective = spline_costs(costs.cost, task.logs)
        found = self._descend(objective, costs.weight, start, trust)
        self.seconds += time.perf_counter() - began
        self._merge(found, costs.weight)
        self._bands += (costs.weight * objective(found.logs)[0]).sum(1, dtype=torch.float64).numpy()

    def _descend(
        self, objective: CostsAt, weight: Tensor, start: Tensor, trust: Tensor
    ) -> Descended:
        task = self._task
        asked, least = task.problem.request, task.least.to(start)
        most = float(task.logs[-1])
        moves = asked.max_steps > 0 and len(task.logs) > 1
        if moves and asked.optimizer != "auto":
            return descend_freely(objective, start, weight, least, most, Schedule.of(asked))
        steps = min(asked.max_steps, CELL_STEPS if asked.search else 50) if moves else 0
        found = descend_tiles(objective, start, weight, least, most, trust, steps)
        if steps < asked.max_steps:  # more would gain nothing that is seen
            found = replace(found, stop_reason=StopReason.CONVERGED)
        return found

    def _merge(self, found: Descended, weight: Tensor) -> None:
        """Adds a chunk's steps to those of the chunks before; who ended early stays where it is."""
        if len(found.values) > 1:
            self.stop_reason = found.stop_reason
        shown = [step.broadcast_to(found.logs.shape) for step in found.steps]
        steps = [(step if self._whole else step.sum(1, keepdim=True)).numpy() for step in shown]
        if self._done == 0:
            self._sums, self._steps = found.values, steps
        else:
            self._sums = [a + b for a, b in _paired(self._sums, found.values)]
            pairs = _paired(self._steps, steps)
            self._steps = [np.hstack((a, b)) if self._whole else a + b for a, b in pairs]
        end = self._done + found.logs.shape[1]
        self.logs[:, self._done : end] = found.logs.numpy()
        self._done = end
        self._weights += self.shares_of(found.logs.numpy(), weight.numpy())

    def take_bands(self, bands: Array) -> float:
        """J where the lowest bands have one length each, of ln θ `[B]`; no higher than if all have.

        As few bands as that takes, for the picture's sake: in noise one length smears what the tiles
        show. The lowest, for they have few independent cells, so their tiles tell less.
        """
        table, importance = self.rows.table("frequency")
        costs = spline_costs(torch.from_numpy(table.T.copy()), self._task.logs)
        own, single = self._bands / self.rows.total, costs(torch.from_numpy(bands))[0].numpy()
        values = np.concatenate([[0.0], np.cumsum(single - own)]) + own.sum()
        count = int(np.argmax(values <= max(values.min(), single.sum())))
        if count == 0:
            return self.values[-1]
        self.logs[:count] = bands[:count, None]
        share = importance[:count, None] * self.rows.total
        self._weights[:count] = self.shares_of(bands[:count, None], share)
        return float(values[count])

    def shares_of(self, logs: NDArray[np.floating], weights: NDArray[np.floating]) -> Array:
        """Sums of weights at each tabulated length, `[..., M]`; of ln θ `[..., U]`."""
        known, count = self._task.logs, len(self._task.logs)
        width = max(float(known[-1] - known[0]) / max(count - 1, 1), 1e-9)
        index = np.rint((logs - np.float32(known[0])) / np.float32(width)).astype(np.int32)
        rows = np.arange(logs[..., 0].size).reshape(*logs.shape[:-1], 1) * count
        places = (rows + index.clip(0, count - 1)).ravel()
        sums = np.bincount(places, weights.ravel(), logs[..., 0].size * count)
        return sums.reshape(*logs.shape[:-1], count).astype(np.float64)

    @property
    def shares(self) -> Array:
        """In J, of the tiles with each tabulated length, `[M]`."""
        return np.asarray(self._weights.sum(0) / self.rows.total)

    @property
    def values(self) -> list[float]:
        """J of each step so far, of all chunks together."""
        return [value / self.rows.total for value in self._sums]

    def everywhere(self) -> NDArray[np.float32]:
        """ln θ of all tiles `[B, U]`; bands that do not count take those of the nearest that does."""
        logs, heard = self.logs, self._task.tiling.heard
        if not heard.all() and heard.any():
            known = np.flatnonzero(heard)
            nearest = np.abs(np.arange(len(heard))[:, None] - known).argmin(1)
            logs = np.maximum(logs[known[nearest]], self._task.least.numpy()).astype(np.float32)
        return logs

    def shown(self, logs: NDArray[np.float32]) -> NDArray[np.float32]:
        """What the record keeps of ln θ `[B, U]`: all, or their mean over time `[B, 1]`."""
        return logs if self._whole else logs.mean(1, keepdims=True)

    def step(self, number: int) -> NDArray[np.float32]:
        """The same of a step."""
        return self._steps[number] if self._whole else self._steps[number] / np.float32(self._done)
