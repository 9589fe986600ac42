"""A fit in progress: the frames as they stand, and what has been tried on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.fit.centers import HopRange
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.method import Method
from dstft_cli.fit.plan import LENGTHS_PER_OCTAVE, Plan
from dstft_cli.fit.record import Candidate, Record
from dstft_cli.fit.told import Told
from dstft_cli.fit.variables import Neighbours
from dstft_cli.records import StopReason

Array = NDArray[np.float64]

_MOST_TABULATED = 1 << 24  # rows times lengths, in a table that is finer than usual


class State:
    """What the stages of one fit pass on to each other.

    Each offers what it found, and the best so far, penalty included, is kept.

    Args:
        at: from frame centres to the evaluator of the whole signal with these frames.
        centers: of the start, samples, `[T]`.
        plan: start and range of lengths and hops.
        method: what is learned, and how.
        began: `time.perf_counter()` when the fit began; None for now.

    Attributes:
        at, plan, method, began: as given.
        evaluator: of the frames as they stand.
        record: what was tried.
        told: puts it into words.
        importance: share of each row in the criterion, `[R]`, once that is known.
        stop_reason: why the fit ended.
        featureless: all tabulated lengths score alike, as they do in noise.
    """

    def __init__(
        self,
        at: Callable[[Array], Evaluator],
        centers: Array,
        plan: Plan,
        method: Method,
        *,
        began: float | None = None,
    ) -> None:
        self.at = at
        self.plan = plan
        self.method = method
        self.began = time.perf_counter() if began is None else began
        self.evaluator = at(centers)
        self.record = Record(plan.hop_length, self.began)
        self.told = Told(self.evaluator.criterion, self.record)
        self.importance = self.evaluator.weights / self.evaluator.weights.sum()
        self.stop_reason = StopReason.FIXED
        self.featureless = False

    @property
    def best(self) -> Candidate:
        """The candidate of the lowest total."""
        assert self.record.best is not None
        return self.record.best

    @property
    def best_fixed(self) -> Candidate:
        """The best single window length with the frames of the start."""
        assert self.record.fixed is not None
        return self.record.fixed

    @property
    def gain(self) -> float:
        """How much better than the best single window the best so far is, price included, nats."""
        return self.best_fixed.total - self.best.total

    @property
    def tabulated_lengths(self) -> Array:
        """Lengths that are searched, samples, `[M]`: as fine as the method asks, within memory."""
        for per_octave in range(self.method.lengths_per_octave, LENGTHS_PER_OCTAVE, -1):
            lengths = self.plan.tabulated_lengths(per_octave)
            if len(lengths) * len(self.evaluator.weights) <= _MOST_TABULATED:
                return lengths
        return self.plan.tabulated_lengths()

    @property
    def neighbours(self) -> Neighbours:
        """The price of change between rows."""
        return self.evaluator.neighbours(self.method.smoothness)

    @property
    def hops(self) -> HopRange:
        """What positions obey, which must be learned."""
        assert self.plan.hops is not None
        return self.plan.hops

    def move_to(self, centers: Array) -> None:
        """Lets the frames stand at these centres, samples, `[T]`."""
        if not np.array_equal(centers, self.evaluator.centers):
            before = self.evaluator.evaluations
            self.evaluator = self.at(centers)
            self.evaluator.evaluations = before

    def weigh(self, row: Array) -> Array:
        """Sums `[J]` at these lengths; the rows' shares in them become their importance."""
        evaluator, lengths = self.evaluator, self.evaluator.arrange(row)
        if evaluator.criterion.ranked:
            return evaluator.rank(lengths)
        rows = evaluator.rows(lengths)
        shares = shares_of(evaluator.weights, rows)
        if shares.any():
            self.importance = shares
        return evaluator.sums(rows)

    def candidate(self, row: Array, sums: Array) -> Candidate:
        """Lengths `[R]` or `[1]` with the frames as they stand, and what they attain."""
        evaluator = self.evaluator
        score = float(evaluator.criterion.score(torch.from_numpy(sums), evaluator.cells))
        total = score + self.neighbours.change(np.log(row))
        return Candidate(row, evaluator.centers, sums, evaluator.cells, total)

    def offer(
        self, phase: str, row: Array, sums: Array, *, evaluations: int | None = None
    ) -> Candidate:
        """Notes a step and keeps it if it is the best."""
        candidate = self.candidate(row, sums)
        self.record.offer(candidate)
        self.note(phase, candidate, evaluations)
        return candidate

    def note(self, phase: str, candidate: Candidate, evaluations: int | None = None) -> None:
        """Notes a step; `evaluations` of the signal until then, None for all so far."""
        count = self.evaluator.evaluations if evaluations is None else evaluations
        self.record.note(phase, count, candidate, self.evaluator.shown(candidate.row))


def shares_of(weights: Array, moments: Array) -> Array:
    """Share of each row in the criterion, `[R]`; all zero where there is none, as in silence.

    Args:
        weights: of the rows, `[R]`.
        moments: of the rows, `[R, J]`.
    """
    shares = weights * np.abs(moments[:, 0])
    return shares / shares.sum() if 0 < shares.sum() < math.inf else np.zeros_like(shares)
