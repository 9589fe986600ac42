"""The search of a fit: single lengths, hops and lengths per row, chosen from the moment table."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.cells import CellEvaluator
from dstft_cli.fit.centers import FreeHop
from dstft_cli.fit.record import Candidate
from dstft_cli.fit.state import State
from dstft_cli.fit.tabulate import CHANCE, Table, fixed_scores, is_featureless, search_lengths
from dstft_cli.records import StopReason

Array = NDArray[np.float64]

_HOPS_PER_OCTAVE = 5
_WORTH_DENSER_FRAMES = 0.002  # nats
_RANK_ROUNDS = 3  # a ranked criterion is searched with the ranks of the solution before


def search(state: State) -> None:
    """Offers all tabulated lengths, then hops where one is learned, then lengths that vary."""
    method = state.method
    table = _tabulate(state)
    if method.hop_mode == "constant":
        _search_hop(state)
        if method.varying and table is not None:
            table = state.evaluator.table(state.tabulated_lengths)
    if method.varying:
        _search_rows(state, table)
        state.featureless &= state.gain < CHANCE
    state.stop_reason = StopReason.SEARCH


def search_again(state: State, centers: Array) -> None:
    """Offers the best lengths for frames that have moved, long enough to cover the signal."""
    state.move_to(centers)
    evaluator = state.evaluator
    assert isinstance(evaluator, CellEvaluator)
    lengths = state.tabulated_lengths
    found = search_lengths(evaluator, evaluator.table(lengths), lengths, state.neighbours)
    needed = np.searchsorted(lengths, state.hops.covering(evaluator.centers) * (1 - 1e-9))
    row = evaluator.raised(found.row, lengths[np.minimum(needed, len(lengths) - 1)])
    if (needed < len(lengths)).all():
        _tell(state, state.offer("search", row, evaluator.total(evaluator.arrange(row))))


def _tabulate(state: State) -> Table | None:
    """Offers every tabulated length for all frames; the moment table if there is one."""
    evaluator, record = state.evaluator, state.record
    lengths = state.tabulated_lengths
    before = evaluator.evaluations
    scores, sums, table = fixed_scores(evaluator, lengths)
    state.featureless = evaluator.criterion.in_nats and is_featureless(scores, lengths)
    candidates = [
        state.offer("table", np.array([length]), total, evaluations=before + m)
        for m, (length, total) in enumerate(zip(lengths, sums, strict=True), start=1)
    ]
    # once more, in full precision: the table is rounded, and the result is compared with this
    best = candidates[int(scores.argmin())]
    fixed = state.candidate(best.row, evaluator.total(best.row[:, None]))
    record.fixed = fixed
    if record.best is best:
        record.best = fixed
    state.told.table(len(lengths))
    return table


def _search_hop(state: State) -> None:
    """Moves to the longest hop that is about as good as the best: denser frames must pay."""
    hops, start = state.hops, state.plan.hop_length
    row, found = state.best.row, []
    tried = np.array([])
    if hops.low < hops.high:
        count = 1 + math.ceil(_HOPS_PER_OCTAVE * math.log2(hops.high / hops.low))
        tried = np.geomspace(hops.low, hops.high, count)
    for hop in tried:
        state.move_to(FreeHop(hops).centers(np.array([math.log(hop)])))
        found.append(state.candidate(row, state.weigh(row)))
        state.note("search", found[-1])
    least = min((candidate.total for candidate in found), default=math.inf)
    enough = least + _WORTH_DENSER_FRAMES
    for hop, candidate in zip(tried[::-1], found[::-1], strict=True):
        if hop < start and state.best.total <= enough:
            break
        if candidate.total <= enough and state.record.offer(candidate):
            break
    state.move_to(state.best.centers)
    state.weigh(row)


def _search_rows(state: State, table: Table | None) -> None:
    """Offers the best assignment of tabulated lengths to rows."""
    lengths, evaluator = state.tabulated_lengths, state.evaluator
    ranked = evaluator.criterion.ranked
    for _ in range(_RANK_ROUNDS if ranked else 1):
        if ranked:
            evaluator.rank(evaluator.arrange(state.best.row))
            table = evaluator.table(lengths)
        assert table is not None
        before = state.best
        found = search_lengths(evaluator, table, lengths, state.neighbours)
        if found.bound is not None and not state.method.learns_positions:  # of these frames alone
            state.record.bound = found.bound, evaluator.cells
        sums = evaluator.total(evaluator.arrange(found.row)) if ranked else found.sums
        _tell(state, state.offer("search", found.row, sums))
        if state.best is before:
            break


def _tell(state: State, found: Candidate) -> None:
    state.told.search(found, in_a_row=state.method.window_mode != "time-frequency")
