"""The descent of a fit: lengths, positions or both move downhill from the best so far."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.centers import FreeCenters, FreeHop
from dstft_cli.fit.descent import descend
from dstft_cli.fit.objective import Lengths, Objective, Point, Positions
from dstft_cli.fit.record import Candidate
from dstft_cli.fit.state import State, shares_of
from dstft_cli.fit.variables import FreeLengths

Array = NDArray[np.float64]


def descend_lengths(state: State) -> None:
    """Offers what a descent of the lengths from the best so far ends at."""
    evaluator = state.evaluator

    def evaluate(row: Array, centers: Array) -> Point:
        lengths = evaluator.arrange(row)
        if evaluator.criterion.ranked:
            evaluator.rank(lengths)
        rows, slopes = evaluator.rows_and_slopes(lengths)
        weighted = slopes * evaluator.weights[:, None]
        return Point(evaluator.sums(rows), evaluator.cells, weighted)

    _descend(state, Objective(evaluator, evaluate, state.best, _lengths(state)), "lbfgs")


def descend_positions(state: State, start: Candidate, *, held: bool = False) -> Array:
    """Offers what a descent of positions, and of lengths unless they are held, ends at.

    Returns:
        The centres it ended at, `[T]`.
    """
    state.move_to(start.centers)
    evaluator = state.evaluator

    def evaluate(row: Array, centers: Array) -> Point:
        moved = state.at(centers)
        slopes = moved.slopes(moved.arrange(row))
        evaluator.evaluations += 1
        return Point(
            moved.frame_weights @ slopes.frames,
            moved.cells,
            slopes.by_length,
            slopes.frames,
            slopes.by_center,
        )

    frames = evaluate(start.row, start.centers).frames
    assert frames is not None
    positions = Positions(
        _free_positions(state, len(start.centers)),
        state.plan.hop_length,
        start.centers,
        shares_of(evaluator.frame_weights, frames),
    )
    lengths = None if held or not state.method.learns_lengths else _lengths(state)
    objective = Objective(evaluator, evaluate, start, lengths, positions)
    found = _descend(state, objective, "adam" if state.method.hop_mode == "time" else "lbfgs")
    return start.centers if found is None else found.centers


def _free_positions(state: State, frames: int) -> FreeHop | FreeCenters:
    """The variables of the positions; the number of frames stays where lengths belong to them."""
    if state.method.hop_mode != "constant":
        return FreeCenters(state.hops)
    kept = state.method.window_mode in ("time", "time-frequency")
    return FreeHop(state.hops, frames if kept else None)


def _lengths(state: State) -> Lengths:
    """The variables of the lengths."""
    free = FreeLengths.constant()
    if state.method.varying:
        row = np.broadcast_to(state.best.row, len(state.evaluator.weights))
        free = FreeLengths.runs(row, state.neighbours, every_row=not state.method.search)
    return Lengths(free, state.plan.bounds, state.importance)


def _descend(state: State, objective: Objective, auto: str) -> Candidate | None:
    """Offers the best point that a descent saw, and returns it, if it saw any.

    Args:
        state: of the fit.
        objective: what moves, and from where.
        auto: the optimizer where the method leaves it open.
    """
    method, steps = state.method, 0

    def note(z: Array, total: float) -> None:
        nonlocal steps
        steps += 1
        state.note("descent", objective.at(z, total))

    optimizer = auto if method.optimizer == "auto" else method.optimizer
    descent = descend(
        objective,
        objective.start,
        objective.low,
        objective.high,
        scale=objective.scale,
        optimizer=optimizer,
        lr=method.lr,
        max_steps=method.max_steps,
        tolerance=method.tolerance,
        on_step=note,
    )
    state.stop_reason = descent.stop_reason
    found = None
    if math.isfinite(descent.value):
        found = objective.at(descent.z, descent.value)
        state.record.offer(found)
    state.told.descent(optimizer, objective.start.size, steps, descent.stop_reason, found)
    return found
