"""The stages of a fit, in order: start, search over the moment table, descent.

Each stage returns the state of the fit. The best score so far, with penalty, is kept: a fit cannot end
worse than its start or than any single length of the table.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion
from dstft_cli.errors import UsageError
from dstft_cli.fit.cells import CellEvaluator
from dstft_cli.fit.centers import FreeCenters, FreeHop, HopRange, Positions, centered_centers
from dstft_cli.fit.descent import Schedule, descend
from dstft_cli.fit.evaluator import Evaluator, Slopes
from dstft_cli.fit.objective import Candidate, Lengths, Objective, State, Step, step_of, value_of
from dstft_cli.fit.path import FreeLengths
from dstft_cli.fit.plan import LENGTHS_PER_OCTAVE, Plan
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.table import CHANCE, Table, fixed_scores, is_featureless, search_lengths
from dstft_cli.records import StopReason

Array = NDArray[np.float64]

_MOST_TABULATED = 1 << 24  # rows times lengths, in a table that is finer than usual
_HOPS_PER_OCTAVE = 5
_WORTH_DENSER_FRAMES = 0.002  # nats
_NEAR = 0.02  # nats by which a descent may improve on a table, with room
_RANK_ROUNDS = 3  # a ranked criterion is searched with the ranks of the solution before
_log = logging.getLogger("dstft_cli")

# moment tables of the rows and, where they are patches of the plane, of the frames
Tables = tuple[Table | None, Table | None]
_NO_TABLES: Tables = (None, None)


@dataclass(frozen=True)
class Task:
    problem: Problem
    plan: Plan

    @property
    def hops(self) -> HopRange:
        assert self.plan.hops is not None
        return self.plan.hops

    def moved(self, evaluator: Evaluator, centers: Array) -> Evaluator:
        """The evaluator of frames at these centres, samples, `[T]`; it continues the count."""
        if np.array_equal(centers, evaluator.centers):
            return evaluator
        moved = self.problem.evaluator(self.plan, centers)
        moved.evaluations = evaluator.evaluations
        return moved

    def tabulated_lengths(self, evaluator: Evaluator) -> Array:
        """Lengths of the table, samples, `[M]`, as many as memory allows."""
        for per_octave in range(self.problem.lengths_per_octave, LENGTHS_PER_OCTAVE, -1):
            lengths = self.plan.tabulated_lengths(per_octave)
            if len(lengths) * len(evaluator.weights) <= _MOST_TABULATED:
                return lengths
        return self.plan.tabulated_lengths()

    def candidate(self, evaluator: Evaluator, row: Array, sums: Array) -> Candidate:
        """Lengths `[R]` or `[1]` with the frames of an evaluator, and what they attain."""
        score = score_of(evaluator.criterion, sums, evaluator.cells)
        total = score + self.problem.neighbours(evaluator).change(np.log(row))
        return Candidate(row, evaluator.centers, sums, evaluator.cells, total)

    def score(self, candidate: Candidate) -> float:
        return score_of(self.problem.criterion, candidate.sums, candidate.cells)


def run_stages(task: Task, began: float) -> tuple[State, dict[str, float]]:
    """The final state, with a length for every row if they vary, and the seconds of search and descent."""
    asked, seconds = task.problem.request, {"search": 0.0, "descent": 0.0}
    now = start(task)
    if asked.learns_lengths or asked.learns_positions:
        tables = _NO_TABLES
        if asked.search:
            now, tables = search(task, now)
        searched = time.perf_counter()
        if asked.max_steps > 0:
            now = descent(task, now)
            plain = not asked.search and asked.optimizer in ("adam", "sgd")
            now = replace(now, stuck=plain and now.best is now.start)
        if asked.varying and not asked.learns_positions:
            now = offer_simpler_modes(task, now, tables)
        seconds = {"search": searched - began, "descent": time.perf_counter() - searched}
    return _finish(task, now), seconds


def start(task: Task) -> State:
    """The start length, which is the best fixed one until a table is made."""
    evaluator = task.problem.evaluator(
        task.plan, task.plan.start_centers(task.problem.length, task.problem.request.hop_mode)
    )
    row = np.array([task.plan.start])
    even = evaluator.weights / evaluator.weights.sum()
    sums, importance = sums_and_shares(evaluator, row, even)
    found = task.candidate(evaluator, row, sums)
    criterion = evaluator.criterion
    value = value_of(criterion, sums, found.cells)
    if not (math.isfinite(value) and math.isfinite(found.total)):
        raise UsageError(
            f"criterion {criterion.name} is {value:g} at the start: "
            "change `order`, lower `power`, or use `dtype` float64"
        )
    return State(evaluator, found, found, found, importance).noted("start", found)


def search(task: Task, now: State) -> tuple[State, Tables]:
    """All tabulated lengths, then hops where one is learned, then lengths that vary."""
    asked = task.problem.request
    now, tables = tabulate(task, now)
    table, _ = tables
    if asked.hop_mode == "constant":
        now = search_hop(task, now)
        if asked.varying and table is not None:
            table = now.evaluator.table(task.tabulated_lengths(now.evaluator))
    if asked.varying:
        now = judged(search_rows(task, now, table))
    return replace(now, stop_reason=StopReason.SEARCH), tables


def tabulate(task: Task, now: State) -> tuple[State, Tables]:
    """Every tabulated length for all frames; and the moment tables if there are any."""
    evaluator = now.evaluator
    lengths = task.tabulated_lengths(evaluator)
    before, tables = evaluator.evaluations, _NO_TABLES
    if task.problem.request.window_mode == "time-frequency" and not evaluator.criterion.ranked:
        assert isinstance(evaluator, CellEvaluator)
        tables = evaluator.tables(lengths)
    elif not evaluator.criterion.ranked:
        tables = evaluator.table(lengths), None
    scores, sums = fixed_scores(evaluator, tables[0], lengths)
    candidates = [
        task.candidate(evaluator, np.array([length]), total)
        for length, total in zip(lengths, sums, strict=True)
    ]
    for count, found in enumerate(candidates, start=1):
        now = now.offered("table", found, evaluations=before + count)
    # again in full precision, because the table is rounded
    best = candidates[int(scores.argmin())]
    fixed = task.candidate(evaluator, best.row, evaluator.total(best.row[:, None]))
    alike = evaluator.criterion.in_nats and is_featureless(scores, lengths)
    kept = fixed if now.best is best else now.best
    now = replace(now, fixed=fixed, best=kept, featureless=alike)
    _log.info(
        "table: %d lengths, best %.4g samples, %s", len(lengths), best.row[0], now.log_text(fixed)
    )
    return now, tables


def search_hop(task: Task, now: State) -> State:
    """The longest hop that is about as good as the best."""
    hops, row, found = task.hops, now.best.row, []
    tried = tried_hops(hops)
    for hop in tried:
        centers = centered_centers(hops.length, hop)
        now, sums = _at_centers(task, now, centers, row)
        found.append(task.candidate(now.evaluator, row, sums))
        now = now.noted("search", found[-1])
    totals = [one.total for one in found]
    best = longest_good_hop(tried, totals, task.plan.hop_length, now.best.total)
    now = now if best is None else replace(now, best=found[best])
    return _at_centers(task, now, now.best.centers, row)[0]


def tried_hops(hops: HopRange) -> Array:
    """Log-spaced hops over the whole range, samples; none where there is one."""
    if hops.low == hops.high:
        return np.array([])
    count = 1 + math.ceil(_HOPS_PER_OCTAVE * math.log2(hops.high / hops.low))
    return np.geomspace(hops.low, hops.high, count)


def longest_good_hop(
    tried: Array, totals: Sequence[float], start: float, at_start: float
) -> int | None:
    """Number of the longest hop that is about as good as the best, and better than the start, if any."""
    enough = min(totals, default=math.inf) + _WORTH_DENSER_FRAMES
    for number in reversed(range(len(tried))):
        if tried[number] < start and at_start <= enough:
            break
        if totals[number] <= enough and totals[number] < at_start:
            return number
    return None


def search_rows(task: Task, now: State, table: Table | None) -> State:
    """The best assignment of tabulated lengths to rows."""
    evaluator = now.evaluator
    lengths = task.tabulated_lengths(evaluator)
    ranked = evaluator.criterion.ranked
    for _ in range(_RANK_ROUNDS if ranked else 1):
        if ranked:
            evaluator.rank(evaluator.arrange(now.best.row))
            table = evaluator.table(lengths)
        assert table is not None
        neighbours = task.problem.neighbours(evaluator)
        row, sums, _, bound = search_lengths(evaluator, table, lengths, neighbours)
        if bound is not None and not task.problem.request.learns_positions:
            now = replace(now, bound=(bound, evaluator.cells))  # of these frames alone
        sums = evaluator.total(evaluator.arrange(row)) if ranked else sums
        candidate = task.candidate(evaluator, row, sums)
        before, now = now.best, now.offered("search", candidate)
        _log.info("search: %d lengths, %s", len(row), now.log_text(candidate))
        if now.best is before:
            break
    return now


def score_of(criterion: Criterion, sums: Array, cells: float) -> float:
    return float(criterion.score(torch.from_numpy(sums), cells))


def judged(now: State) -> State:
    """With lengths as featureless only if the gain over the best single window may be chance."""
    gain = now.fixed.total - now.best.total  # penalty included
    return replace(now, featureless=now.featureless and gain < CHANCE)


def offer_simpler_modes(task: Task, now: State, tables: Tables) -> State:
    """The answer of a mode with fewer lengths, found in the same way, where its score is lower.

    Patches are coarser than frames, and a descent of many lengths may end in a worse minimum than that of
    one. After a search a mode descends only if it is nearly as good, which the tables tell at no cost.
    """
    asked = task.problem.request
    modes, answers = ("constant", "time", "frequency"), list[State]()
    for mode in modes if asked.window_mode == "time-frequency" else modes[:1]:
        simpler = Task(task.problem.in_mode(mode), task.plan)
        evaluator = simpler.problem.evaluator(task.plan, now.start.centers)
        first = min(now.start, now.fixed, key=lambda one: one.total)
        found = replace(now, evaluator=evaluator, best=first, steps=(), bound=None)
        limit = task.score(now.best)
        limit += _NEAR * (1.0 if evaluator.criterion.in_nats else abs(limit))
        rows, table = tables
        if asked.search and mode == "frequency":
            table = None
            if rows is not None and _score_of_bands(simpler, now, rows) > limit:
                continue
            if not evaluator.criterion.ranked:
                table = evaluator.table(simpler.tabulated_lengths(evaluator))
        if asked.search and mode != "constant":
            found = search_rows(simpler, found, table)
        if asked.max_steps > 0 and (not asked.search or task.score(found.best) < limit):
            even = evaluator.weights / evaluator.weights.sum()
            _, importance = sums_and_shares(evaluator, np.array([task.plan.start]), even)
            found = descent(simpler, replace(found, importance=importance))
        now.evaluator.evaluations += evaluator.evaluations
        answers.append(found)
    best = min(answers, key=lambda one: task.score(one.best), default=now)
    if task.score(best.best) < task.score(now.best):
        now = _with_answer(task, now, best)
        _log.info("search: a mode with fewer lengths is better, %s", now.log_text(now.best))
    return now


def _score_of_bands(task: Task, now: State, table: Table) -> float:
    """The searched score of one length per band, from a table of patches."""
    assert isinstance(now.evaluator, CellEvaluator)
    bands = task.problem.evaluator(task.plan, now.start.centers)
    high, wide = now.evaluator.patches.shape
    if high != len(bands.weights):  # patches of a long signal are larger
        return -math.inf
    of_bands = table.reshape(high, wide, *table.shape[1:]).sum(1, dtype=np.float64)
    lengths, neighbours = task.plan.tabulated_lengths(), task.problem.neighbours(bands)
    return search_lengths(bands, of_bands, lengths, neighbours)[2]


def _with_answer(task: Task, now: State, found: State) -> State:
    """The state of a fit that takes the answer of a simpler mode."""
    best, bound = found.best, now.bound
    phase = "search" if found.stop_reason is StopReason.SEARCH else "descent"
    step = step_of(phase, found.evaluator, best, now.evaluator.evaluations)
    kept = replace(
        now, best=best, stop_reason=found.stop_reason, steps=(*now.steps, step), stuck=False
    )
    if len(best.row) == 1:
        return judged(kept)
    assert isinstance(now.evaluator, CellEvaluator)
    lengths = now.evaluator.on_patches(found.evaluator.arrange(best.row)).astype(np.float32)
    if bound is not None and found.bound is not None:  # frames are finer than patches
        bound = min(bound, found.bound, key=lambda one: score_of(task.problem.criterion, *one))
    found.evaluator.evaluations = now.evaluator.evaluations
    steps = (*now.steps, replace(step, lengths=lengths))
    kept = replace(
        kept, evaluator=found.evaluator, importance=found.importance, bound=bound, steps=steps
    )
    return judged(kept)


def descent(task: Task, now: State) -> State:
    """Lengths, then positions; or frames under the best single length, then lengths searched again."""
    if task.problem.descends_lengths_first:
        now = descend_lengths(task, now)
    if not task.problem.request.learns_positions:
        return now
    now = replace(now, evaluator=task.moved(now.evaluator, now.best.centers))
    if not task.problem.request.alternates:
        return descend_positions(task, now, now.best)[0]
    row = now.fixed.row
    held = task.candidate(now.evaluator, row, now.evaluator.total(row[:, None]))
    now, centers = descend_positions(task, now, held, lengths_move=False)
    evaluator = task.moved(now.evaluator, centers)
    now = replace(now, evaluator=evaluator)
    assert isinstance(evaluator, CellEvaluator)
    lengths, neighbours = task.tabulated_lengths(evaluator), task.problem.neighbours(evaluator)
    row, *_ = search_lengths(evaluator, evaluator.table(lengths), lengths, neighbours)
    # long enough to cover the signal
    needed = np.searchsorted(lengths, task.hops.covering(centers) * (1 - 1e-9))
    row = evaluator.raised(row, lengths[np.minimum(needed, len(lengths) - 1)])
    if (needed < len(lengths)).all():
        sums = evaluator.total(evaluator.arrange(row))
        now = now.offered("search", task.candidate(evaluator, row, sums))
    return now


def descend_lengths(task: Task, now: State) -> State:
    """The result of a descent of the lengths from the best so far.

    Without a search all rows start at one length, where the penalty has a kink. If L-BFGS does not leave
    it, the rows first move together, then separately.
    """
    asked, before, evaluator = task.problem.request, now, now.evaluator

    def evaluate(row: Array, centers: Array) -> Slopes:
        theta = evaluator.arrange(row)
        if evaluator.criterion.ranked:
            evaluator.rank(theta)
        rows, slopes = evaluator.rows_and_slopes(theta)
        return Slopes(evaluator.sums(rows), evaluator.cells, slopes * evaluator.weights[:, None])

    lengths = _lengths(task, now)
    objective = Objective(evaluator, evaluate, now.best, lengths)
    now, _ = _descend(now, objective, Schedule.of(asked))
    kinked = asked.window_mode in ("time", "time-frequency") and len(lengths.free.prices) > 0
    stays = now.best is before.best and asked.optimizer in ("auto", "lbfgs")
    if asked.search or not kinked or not stays:
        return now
    together = Lengths(FreeLengths.constant(), task.plan.bounds, now.importance)
    for free in (together, lengths):
        left = asked.max_steps - (len(now.steps) - len(before.steps))
        objective = Objective(evaluator, evaluate, now.best, free)
        now, _ = _descend(now, objective, replace(Schedule.of(asked), max_steps=left))
    return now


def descend_positions(
    task: Task, now: State, start: Candidate, *, lengths_move: bool = True
) -> tuple[State, Array]:
    """State and centres `[T]` after a descent of positions, and of lengths unless they are fixed."""
    now = replace(now, evaluator=task.moved(now.evaluator, start.centers))
    asked = task.problem.request
    lengths = _lengths(task, now) if lengths_move and asked.learns_lengths else None
    objective = position_objective(task, now.evaluator, start, lengths)
    schedule = Schedule.of(asked, "adam" if asked.hop_mode == "time" else "lbfgs")
    now, found = _descend(now, objective, schedule)
    return now, start.centers if found is None else found.centers


def position_objective(
    task: Task, evaluator: Evaluator, start: Candidate, lengths: Lengths | None = None
) -> Objective:
    """The objective of positions, and of lengths unless they are fixed."""
    asked = task.problem.request

    def evaluate(row: Array, centers: Array) -> Slopes:
        moved = task.problem.evaluator(task.plan, centers)
        evaluator.evaluations += 1
        return moved.slopes(moved.arrange(row))

    where = task.hops, task.plan.hop_length, start.centers
    if asked.hop_mode == "constant":  # the number of frames stays where lengths belong to them
        positions: Positions = FreeHop(*where, kept=asked.window_mode in ("time", "time-frequency"))
    else:
        moments = evaluate(start.row, start.centers).frames
        positions = FreeCenters(*where, shares_of(evaluator.frame_weights, moments))
    return Objective(evaluator, evaluate, start, lengths, positions)


def _lengths(task: Task, now: State) -> Lengths:
    """The variables of the lengths: one for each run of equal ones, or for every row."""
    free, asked = FreeLengths.constant(), task.problem.request
    if asked.varying:
        row = np.broadcast_to(now.best.row, len(now.evaluator.weights))
        neighbours = task.problem.neighbours(now.evaluator)
        free = FreeLengths.runs(row, neighbours, every_row=not asked.search)
    return Lengths(free, task.plan.bounds, now.importance)


def _descend(
    now: State, objective: Objective, schedule: Schedule
) -> tuple[State, Candidate | None]:
    """The state of the fit after a descent, and its best point, if any."""
    evaluator, steps = now.evaluator, list[Step]()

    def note(found: Candidate) -> None:
        steps.append(step_of("descent", evaluator, found))

    ended = descend(objective, objective.variables, schedule, note)
    now = replace(now.with_steps(steps), stop_reason=ended.stop_reason)
    text = f"descent: {schedule.optimizer}, {len(steps)} steps, {ended.stop_reason.value}"
    if ended.best is None:
        _log.info(text)
        return now, None
    found = ended.best.found
    now = now.kept(found)
    _log.info("%s, %s", text, now.log_text(found))
    return now, found


def _at_centers(task: Task, now: State, centers: Array, row: Array) -> tuple[State, Array]:
    """The evaluator at these centres, `[T]`, and sums `[J]` at lengths of the rows."""
    evaluator = task.moved(now.evaluator, centers)
    sums, importance = sums_and_shares(evaluator, row, now.importance)
    return replace(now, evaluator=evaluator, importance=importance), sums


def sums_and_shares(evaluator: Evaluator, row: Array, importance: Array) -> tuple[Array, Array]:
    """Sums `[J]` at these lengths, and the rows' shares in them; those given where there are none."""
    lengths = evaluator.arrange(row)
    if evaluator.criterion.ranked:
        return evaluator.rank(lengths), importance
    rows = evaluator.rows(lengths)
    shares = shares_of(evaluator.weights, rows)
    return evaluator.sums(rows), shares if shares.any() else importance


def shares_of(weights: Array, moments: Array) -> Array:
    """Share of each row in the criterion, `[R]`; all zero where there is none, as in silence."""
    shares = weights * np.abs(moments[:, 0])
    return shares / shares.sum() if 0 < shares.sum() < math.inf else np.zeros_like(shares)


def _finish(task: Task, now: State) -> State:
    """The best parameters, evaluated once more for the reported value."""
    best = now.best
    now = replace(now, evaluator=task.moved(now.evaluator, best.centers))
    row, sums = best.row, best.sums
    if best is not now.start:
        sums, importance = sums_and_shares(now.evaluator, row, now.importance)
        now = replace(now, importance=importance)
    final = Candidate(row, best.centers, sums, now.evaluator.cells, best.total)
    if not np.array_equal(now.steps[-1].sums, best.sums):
        now = now.noted("search" if now.stop_reason is StopReason.SEARCH else "descent", final)
    if task.problem.request.varying and len(row) == 1:
        row = np.repeat(row, len(now.evaluator.weights))
    return replace(now, best=replace(final, row=row))
