"""The stages of a fit, in order: start, search over the moment table, descent.

Each stage offers what it found, and the best so far, penalty included, is kept: a run cannot end
worse than its start or than any single length of the table.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.errors import UsageError
from dstft_cli.fit.descent_stage import descend_lengths, descend_positions
from dstft_cli.fit.record import Candidate
from dstft_cli.fit.search_stage import search, search_again
from dstft_cli.fit.state import State
from dstft_cli.records import StopReason

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """What a fit came to.

    Attributes:
        final: the best parameters, with lengths of every row where these may vary.
        lengths: of the rows, in the shape of a parameter, samples.
        density: frames of the final parameters per frame of the start, in equal time.
        seconds: of the search and the descent.
        stuck: a descent without a search led nowhere.
    """

    final: Candidate
    lengths: Array
    density: float
    seconds: dict[str, float]
    stuck: bool


def run_stages(state: State) -> Fitted:
    """Start, search if asked for, descent if it has steps; `state` tells what was found on the way.

    Raises:
        UsageError: the criterion is not finite at the start.
    """
    method, seconds = state.method, {"search": 0.0, "descent": 0.0}
    _start(state)
    stuck = False
    if method.learns_lengths or method.learns_positions:
        if method.search:
            search(state)
        began = time.perf_counter()
        seconds["search"] = began - state.began
        if method.max_steps > 0:
            _descend(state)
            plain = not method.search and method.optimizer in ("adam", "sgd")
            stuck = plain and state.record.best is state.record.start
        seconds["descent"] = time.perf_counter() - began
    final = _finish(state)
    evaluator = state.evaluator
    return Fitted(
        final=final,
        lengths=evaluator.arrange(final.row),
        density=evaluator.cells_per_frame * len(evaluator.centers) / evaluator.cells,
        seconds=seconds,
        stuck=stuck,
    )


def _start(state: State) -> None:
    """Evaluates the start length; it is the best fixed one until a table is made."""
    row = np.array([state.plan.start])
    start = state.offer("start", row, state.weigh(row))
    state.record.start = state.record.fixed = start
    criterion = state.evaluator.criterion
    value = criterion.value(torch.from_numpy(start.sums), start.cells)
    if not (math.isfinite(value) and math.isfinite(start.total)):
        raise UsageError(
            f"criterion {criterion.name} is {value:g} at the start: "
            "lower `order` or `power`, or use `dtype` float64"
        )


def _descend(state: State) -> None:
    """Lengths, then positions; or frames under the best single length, then lengths searched anew."""
    method = state.method
    if method.descends_lengths_first:
        descend_lengths(state)
    if not method.learns_positions:
        return
    state.move_to(state.best.centers)
    if method.by_turns:
        row = state.best_fixed.row
        start = state.candidate(row, state.evaluator.total(row[:, None]))
        search_again(state, descend_positions(state, start, held=True))
    else:
        descend_positions(state, state.best)


def _finish(state: State) -> Candidate:
    """The best parameters, evaluated once more: what is reported is the value of what is kept."""
    best = state.best
    state.move_to(best.centers)
    row, sums = best.row, best.sums
    if best is not state.record.start:
        sums = state.weigh(row)
    final = Candidate(row, best.centers, sums, state.evaluator.cells, best.total)
    if state.record.last_is_not(best):
        state.note("search" if state.stop_reason is StopReason.SEARCH else "descent", final)
    if state.method.varying and len(row) == 1:
        row = np.repeat(row, len(state.evaluator.weights))
    return replace(final, row=row)
