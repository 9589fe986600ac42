"""The stages of a fit, in order: start, search over the moment table, descent.

Each stage offers what it found, and the best so far, penalty included, is kept: a run cannot end
worse than its start or than any single length of the table.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.errors import UsageError
from dstft_cli.fit.cells import CellEvaluator
from dstft_cli.fit.descent import descend
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.objective import Lengths, Objective, Point, Positions
from dstft_cli.fit.plan import Plan
from dstft_cli.fit.record import Candidate, Record
from dstft_cli.fit.tabulate import CHANCE, Table, fixed_scores, is_featureless, search_lengths
from dstft_cli.fit.told import Report, Told, say_nothing
from dstft_cli.parameters import FreeCenters, FreeHop, FreeLengths, Neighbours
from dstft_cli.result import StopReason

Array = NDArray[np.float64]

_HOPS_PER_OCTAVE = 5
_WORTH_DENSER_FRAMES = 0.002  # nats
_RANK_ROUNDS = 3  # a ranked criterion is searched with the ranks of the solution before


@dataclass(frozen=True)
class Method:
    """How the parameters are looked for.

    Attributes:
        search: begin with the global search.
        optimizer: of the descent, `lbfgs`, `adam` or `sgd`; `auto`: L-BFGS, but Adam for frames that
            move one by one, whose criterion has many small dips.
        lr, max_steps, tolerance: see `descend`.
    """

    search: bool
    optimizer: str
    lr: float | None
    max_steps: int
    tolerance: float


class Stages:
    """One fit in progress.

    Args:
        at: from frame centres to the evaluator of the whole signal with these frames.
        centers: of the start, samples, `[T]`.
        plan: start and range of lengths and hops.
        window_mode, hop_mode: what is learned.
        smoothness: μ.
        began: `time.perf_counter()` when the fit began; None for now.
        report: takes lines that tell what was found.

    Attributes:
        stop_reason: why the fit ended.
        importance: share of each row in the criterion, `[R]`, once that is known.
        seconds: of the search and the descent.
        stuck: a descent without a search led nowhere.
        featureless: all tabulated lengths score alike, as they do in noise.
    """

    def __init__(
        self,
        at: Callable[[Array], Evaluator],
        centers: Array,
        plan: Plan,
        *,
        window_mode: str,
        hop_mode: str,
        smoothness: float,
        began: float | None = None,
        report: Report = say_nothing,
    ) -> None:
        self.stop_reason = StopReason.FIXED
        self.seconds = {"search": 0.0, "descent": 0.0}
        self.stuck = False
        self.featureless = False
        self._began = time.perf_counter() if began is None else began
        self._record = Record(plan.hop_length, self._began)
        self._at = at
        self._evaluator = at(centers)
        self._plan = plan
        self._window_mode = window_mode
        self._hop_mode = hop_mode
        self._varying = window_mode not in ("fixed", "constant")
        self._smoothness = smoothness
        self._told = Told(report, self._evaluator.criterion, self._record)
        self.importance = self._evaluator.weights / self._evaluator.weights.sum()

    @property
    def evaluations(self) -> int:
        """Transforms of the whole signal so far."""
        return self._evaluator.evaluations

    def run(self, method: Method) -> None:
        """Start, search if asked for, descent if it has steps."""
        self.start()
        began = self._began
        table = None
        if method.search:
            table = self._tabulate()
        if method.search and self._hop_mode == "constant":
            self._search_hop()
            if self._varying and table is not None:
                table = self._evaluator.table(self._plan.tabulated_lengths())
        if method.search:
            if self._varying:
                self._search(table)
                self.featureless &= self._gain < CHANCE
            self.stop_reason = StopReason.SEARCH
        self.seconds["search"] = time.perf_counter() - began
        began = time.perf_counter()
        if method.max_steps > 0:
            by_turns = self._by_turns(method)
            searched = by_turns and self._window_mode == "time-frequency"
            if self._window_mode != "fixed" and not self._jointly and not searched:
                self._descend_lengths(method)
            if self._hop_mode != "fixed":
                self._move_to(self._best.centers)
                if by_turns:
                    assert self._record.fixed is not None
                    row = self._record.fixed.row
                    start = self._candidate(row, self._evaluator.total(row[:, None]))
                    self._search_again(self._descend_positions(method, start, held=True))
                else:
                    self._descend_positions(method, self._best)
            self.stuck = (
                not method.search
                and method.optimizer in ("adam", "sgd")
                and self._record.best is self._record.start
            )
        self.seconds["descent"] = time.perf_counter() - began

    def start(self) -> None:
        """Evaluates the start length; it is the best fixed one until a table is made."""
        row = np.array([self._plan.start])
        start = self._offer("start", row, self._weigh(row))
        self._record.start = self._record.fixed = start
        value = self._evaluator.criterion.value(torch.from_numpy(start.sums), start.cells)
        if not (math.isfinite(value) and math.isfinite(start.total)):
            raise UsageError(
                f"criterion {self._evaluator.criterion.name} is {value:g} at the start: "
                "lower --order or --power, or use --dtype float64"
            )

    def finish(self) -> Candidate:
        """The best parameters, with lengths of every row where these may vary.

        They are evaluated once more: what is reported is the value of what is kept.
        """
        best = self._best
        self._move_to(best.centers)
        row, sums = best.row, best.sums
        if best is not self._record.start:
            sums = self._weigh(row)
        final = Candidate(row, best.centers, sums, self._evaluator.cells, best.total)
        if self._record.last_is_not(best):
            self._note("search" if self.stop_reason is StopReason.SEARCH else "descent", final)
        if self._varying and len(row) == 1:
            row = np.repeat(row, len(self._evaluator.weights))
        return replace(final, row=row)

    def arrange(self, row: Array) -> Array:
        """Lengths of rows in the shape of a parameter."""
        return self._evaluator.arrange(row)

    @property
    def density(self) -> float:
        """Frames of the final parameters per frame of the start, in equal time."""
        evaluator = self._evaluator
        return evaluator.cells_per_frame * len(evaluator.centers) / evaluator.cells

    @property
    def record(self) -> Record:
        """What was tried."""
        return self._record

    @property
    def _best(self) -> Candidate:
        assert self._record.best is not None
        return self._record.best

    @property
    def _gain(self) -> float:
        """How much better than the best single window the best so far is, price included, nats."""
        assert self._record.fixed is not None
        return self._record.fixed.total - self._best.total

    @property
    def _neighbours(self) -> Neighbours:
        return self._evaluator.neighbours(self._smoothness)

    @property
    def _jointly(self) -> bool:
        """Whether lengths move together with the positions from the first step on.

        Lengths that vary with frequency descend on their own before: there that is much cheaper.
        """
        return self._hop_mode != "fixed" and self._window_mode in ("constant", "time")

    def _by_turns(self, method: Method) -> bool:
        """Whether frames move under one length for all, and lengths are then searched anew.

        Together with lengths that vary with frequency they move at the cost of FFTs for each length
        of each frame, which is more than it gains; so do lengths per patch on their own.
        """
        per_bin = self._window_mode in ("frequency", "time-frequency")
        return per_bin and method.search and method.optimizer == "auto"

    def _move_to(self, centers: Array) -> None:
        if not np.array_equal(centers, self._evaluator.centers):
            before = self._evaluator.evaluations
            self._evaluator = self._at(centers)
            self._evaluator.evaluations = before

    def _weigh(self, row: Array) -> Array:
        """Sums at these lengths; the rows' shares in them become their importance."""
        evaluator, lengths = self._evaluator, self._evaluator.arrange(row)
        if evaluator.criterion.ranked:
            return evaluator.rank(lengths)
        rows = evaluator.rows(lengths)
        shares = evaluator.weights * np.abs(rows[:, 0])
        if 0 < shares.sum() < math.inf:
            self.importance = shares / shares.sum()
        return evaluator.sums(rows)

    def _tabulate(self) -> Table | None:
        """Offers every tabulated length for all frames; the moment table if there is one."""
        lengths = self._plan.tabulated_lengths()
        before = self._evaluator.evaluations
        scores, sums, table = fixed_scores(self._evaluator, lengths)
        in_nats = self._evaluator.criterion.in_nats
        self.featureless = in_nats and is_featureless(scores, lengths)
        candidates = [
            self._offer("table", np.array([length]), total, evaluations=before + m)
            for m, (length, total) in enumerate(zip(lengths, sums, strict=True), start=1)
        ]
        # once more, in full precision: the table is rounded, and the result is compared with this
        best = candidates[int(scores.argmin())]
        again = self._evaluator.total(best.row[:, None])
        fixed = self._candidate(best.row, again)
        self._record.fixed = fixed
        if self._record.best is best:
            self._record.best = fixed
        self._told.table(len(lengths))
        return table

    def _search_hop(self) -> None:
        """Moves to the longest hop that is about as good as the best: denser frames must pay."""
        hops, start = self._plan.hops, self._plan.hop_length
        assert hops is not None
        row, found = self._best.row, []
        tried = np.array([])
        if hops.low < hops.high:
            count = 1 + math.ceil(_HOPS_PER_OCTAVE * math.log2(hops.high / hops.low))
            tried = np.geomspace(hops.low, hops.high, count)
        for hop in tried:
            self._move_to(FreeHop(hops).centers(np.array([math.log(hop)])))
            found.append(self._candidate(row, self._weigh(row)))
            self._note("search", found[-1])
        least = min((candidate.total for candidate in found), default=math.inf)
        enough = least + _WORTH_DENSER_FRAMES
        for hop, candidate in zip(tried[::-1], found[::-1], strict=True):
            if hop < start and self._best.total <= enough:
                break
            if candidate.total <= enough and self._record.offer(candidate):
                break
        self._move_to(self._best.centers)
        self._weigh(row)

    def _search(self, table: Table | None) -> None:
        """Offers the best assignment of tabulated lengths to rows."""
        lengths = self._plan.tabulated_lengths()
        ranked = self._evaluator.criterion.ranked
        for _ in range(_RANK_ROUNDS if ranked else 1):
            if ranked:
                self._evaluator.rank(self._evaluator.arrange(self._best.row))
                table = self._evaluator.table(lengths)
            assert table is not None
            before = self._best
            found = search_lengths(self._evaluator, table, lengths, self._neighbours)
            if found.bound is not None and self._hop_mode == "fixed":  # it is that of these frames
                self._record.bound = found.bound, self._evaluator.cells
            sums = found.sums
            if ranked:
                sums = self._evaluator.total(self._evaluator.arrange(found.row))
            self._tell_search(self._offer("search", found.row, sums))
            if self._best is before:
                break

    def _search_again(self, centers: Array) -> None:
        """Offers the best lengths for frames that have moved, long enough to cover the signal."""
        self._move_to(centers)
        evaluator, hops = self._evaluator, self._plan.hops
        assert hops is not None
        assert isinstance(evaluator, CellEvaluator)
        lengths = self._plan.tabulated_lengths()
        found = search_lengths(evaluator, evaluator.table(lengths), lengths, self._neighbours)
        needed = np.searchsorted(lengths, hops.covering(evaluator.centers) * (1 - 1e-9))
        row = evaluator.raised(found.row, lengths[np.minimum(needed, len(lengths) - 1)])
        if (needed < len(lengths)).all():
            self._tell_search(self._offer("search", row, evaluator.total(evaluator.arrange(row))))

    def _tell_search(self, found: Candidate) -> None:
        self._told.search(found, in_a_row=self._window_mode != "time-frequency")

    def _descend_lengths(self, method: Method) -> None:
        """Offers what a descent of the lengths from the best so far ends at."""
        evaluator = self._evaluator

        def evaluate(row: Array, centers: Array) -> Point:
            lengths = evaluator.arrange(row)
            if evaluator.criterion.ranked:
                evaluator.rank(lengths)
            rows, slopes = evaluator.rows_and_slopes(lengths)
            weighted = slopes * evaluator.weights[:, None]
            return Point(evaluator.sums(rows), evaluator.cells, weighted)

        objective = Objective(evaluator, evaluate, self._best, self._lengths(method))
        self._descend(objective, method)

    def _descend_positions(self, method: Method, start: Candidate, *, held: bool = False) -> Array:
        """Offers what a descent of positions, and of lengths unless they are held, ends at.

        Returns:
            The centres it ended at, `[T]`.
        """
        hops = self._plan.hops
        assert hops is not None
        self._move_to(start.centers)

        def evaluate(row: Array, centers: Array) -> Point:
            moved = self._at(centers)
            slopes = moved.slopes(moved.arrange(row))
            self._evaluator.evaluations += 1
            return Point(
                moved.frame_weights @ slopes.frames,
                moved.cells,
                slopes.by_length,
                slopes.frames,
                slopes.by_center,
            )

        frames = evaluate(start.row, start.centers).frames
        assert frames is not None
        shares = self._evaluator.frame_weights * np.abs(frames[:, 0])
        shares = shares / shares.sum() if 0 < shares.sum() < math.inf else shares * 0
        free: FreeHop | FreeCenters = FreeCenters(hops)
        if self._hop_mode == "constant":
            kept = self._window_mode in ("time", "time-frequency")
            free = FreeHop(hops, len(start.centers) if kept else None)
        positions = Positions(free, self._plan.hop_length, start.centers, shares)
        held = held or self._window_mode == "fixed"
        lengths = None if held else self._lengths(method)
        objective = Objective(self._evaluator, evaluate, start, lengths, positions)
        found = self._descend(objective, method, "adam" if self._hop_mode == "time" else "lbfgs")
        return start.centers if found is None else found.centers

    def _lengths(self, method: Method) -> Lengths:
        """The variables of the lengths."""
        free = FreeLengths.constant()
        if self._varying:
            row = np.broadcast_to(self._best.row, len(self._evaluator.weights))
            free = FreeLengths.runs(row, self._neighbours, every_row=not method.search)
        return Lengths(free, self._plan.bounds, self.importance)

    def _descend(
        self, objective: Objective, method: Method, auto: str = "lbfgs"
    ) -> Candidate | None:
        """Offers the best point that a descent saw, and returns it, if it saw any."""
        steps = 0

        def note(z: Array, total: float) -> None:
            nonlocal steps
            steps += 1
            self._note("descent", objective.at(z, total))

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
        self.stop_reason = descent.stop_reason
        found = None
        if math.isfinite(descent.value):
            found = objective.at(descent.z, descent.value)
            self._record.offer(found)
        self._told.descent(optimizer, objective.start.size, steps, descent.stop_reason, found)
        return found

    def _offer(
        self, phase: str, row: Array, sums: Array, *, evaluations: int | None = None
    ) -> Candidate:
        """Notes a step and keeps it if it is the best."""
        candidate = self._candidate(row, sums)
        self._record.offer(candidate)
        self._note(phase, candidate, evaluations)
        return candidate

    def _note(self, phase: str, candidate: Candidate, evaluations: int | None = None) -> None:
        count = self._evaluator.evaluations if evaluations is None else evaluations
        self._record.note(phase, count, candidate, self._evaluator.shown(candidate.row))

    def _candidate(self, row: Array, sums: Array) -> Candidate:
        evaluator = self._evaluator
        score = float(evaluator.criterion.score(torch.from_numpy(sums), evaluator.cells))
        total = score + self._neighbours.change(np.log(row))
        return Candidate(row, evaluator.centers, sums, evaluator.cells, total)
