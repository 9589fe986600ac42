"""The moment table of an evaluator: what plain windows attain with it, and the best lengths in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.search import TabulatedProblem, keep_neighbours_where_silent
from dstft_cli.fit.variables import Neighbours
from dstft_cli.records import LITTLE

Array = NDArray[np.float64]
Table = NDArray[np.floating[Any]]

FEATURELESS = LITTLE  # nats between best and worst
CHANCE = 0.1  # nats that lengths which vary freely gain in white noise, rounded up
_TELLING_RANGE = 4  # longest over shortest length, below which all may well score alike


@dataclass(frozen=True)
class FoundLengths:
    """Lengths of the rows that solve the tabulated problem, their sums, score and bound."""

    row: Array
    sums: Array
    score: float
    bound: Array | None


def search_lengths(
    evaluator: Evaluator, table: Table, lengths: Array, neighbours: Neighbours
) -> FoundLengths:
    """The best of the tabulated lengths for each row, changes between neighbours paid for."""
    problem = TabulatedProblem(table, evaluator.weights, evaluator.criterion, evaluator.cells)
    free = found = problem.free()
    if not neighbours.free:
        found = problem.smooth(np.log(lengths), neighbours, free.assignment)
    assignment = found.assignment
    if len(neighbours.shape) == 1:
        assignment = keep_neighbours_where_silent(assignment, table)
    elif neighbours.free:  # a charge carries lengths into silence by itself
        lines = zip(
            assignment.reshape(neighbours.shape),
            table.reshape(*neighbours.shape, *table.shape[1:]),
            strict=True,
        )
        assignment = np.concatenate([keep_neighbours_where_silent(*line) for line in lines])
    return FoundLengths(lengths[assignment], problem.sums(assignment), found.score, free.bound)


def fixed_scores(evaluator: Evaluator, lengths: Array) -> tuple[Array, Array, Table | None]:
    """Score `[M]` and sums `[M, J]` of each length used for all frames, and the moment table.

    A ranked criterion ranks the cells anew for each length, so it has no table.
    """
    table = None
    if evaluator.criterion.ranked:
        sums = np.stack([evaluator.total(np.array([[length]])) for length in lengths])
    else:
        table = evaluator.table(lengths)
        sums = evaluator.sums(table)
    scores = evaluator.criterion.score(torch.from_numpy(sums), evaluator.cells)
    return unusable_last(scores.numpy()), sums, table


def unusable_last(scores: Array) -> Array:
    """Scores with infinity where there is none, so that nothing chooses it."""
    return np.where(np.isnan(scores), np.inf, scores)


def is_featureless(scores: Array, lengths: Array) -> bool:
    """Whether lengths over a wide range score alike `[M]`, nats, as they do in noise."""
    wide = lengths[-1] >= _TELLING_RANGE * lengths[0]
    return bool(wide and np.isfinite(scores).all() and np.ptp(scores) < FEATURELESS)
