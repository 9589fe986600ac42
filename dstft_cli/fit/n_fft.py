"""`n_fft auto`: an FFT size for the best window lengths; the plan under the local criterion."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstft_cli.criteria import QuasiConvex
from dstft_cli.criteria.local import Tiling, default_range, log_lengths
from dstft_cli.errors import UsageError
from dstft_cli.fit.centers import spread_segments
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.plan import (
    LONGEST_SHARE,
    REACH,
    SHORTEST_SHARE,
    SMALLEST_FFT,
    Plan,
    default_hop_length,
)
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.request import Band, Request
from dstft_cli.fit.sweep import sweep
from dstft_cli.fit.table import Table, fixed_scores, is_featureless, search_lengths
from dstft_cli.records import LARGEST_FFT, SHORTEST_WINDOW

Array = NDArray[np.float64]

LARGEST_AUTO_N_FFT = 65536
SMALLEST_AUTO_N_FFT = 32
PROBED_SAMPLES = 1 << 19  # of the signal that is looked at
_PROBED_POINTS = 16 * PROBED_SAMPLES  # frames × n_fft per length, above which frames are left out
_SWEPT_POINTS = 1 << 23  # frames × n_fft × channels for each length: half of those of a sweep
_FIRST_SECONDS = 0.064  # it starts at the power of two nearest to this
_ROUNDING = 1e-9
_log = logging.getLogger("dstft_cli")


@dataclass(frozen=True)
class Choice:
    """An FFT size, and what the search for it found."""

    n_fft: int  # samples
    structured: bool = False  # whether single window lengths differ at any size tried
    larger_is_worse: bool = False  # whether twice the size was searched and found no better
    needed_by_band: float = 0.0  # at least, samples; 0 without a band of the criterion


def choose_n_fft(problem: Problem) -> Choice:
    """The requested FFT size, or a power of two with the best window lengths in its range.

    It starts at the best single length of a coarse sweep, or near 64 ms if lengths are equally good. It is
    doubled while the best single length lies above n_fft/2 and halved while it lies below n_fft/4, so that
    shorter and longer windows are possible. If lengths vary, all sizes from half the smallest to twice the
    largest of these are searched, and further in the direction of the best; the best score wins. The size
    stays between 32 and 65536, and within a quarter of the signal: longer windows lose the time of events.

    Raises:
        UsageError: a length, or the criterion's band, needs more than `LARGEST_FFT`.
    """
    asked = problem.request
    if asked.n_fft is not None:
        return Choice(int(asked.n_fft))
    band = 0.0 if problem.band == Band() else problem.band.least_n_fft(problem.sample_rate)
    floor = max(_power_of_two_above(least_n_fft(asked, band, problem.length)), SMALLEST_AUTO_N_FFT)
    limit = largest_auto_n_fft(problem.length)
    most = most_n_fft(asked) if asked.learns_lengths else math.inf
    if most < limit:
        limit = 1 << math.floor(math.log2(max(most, 1.0)))
    limit = max(limit, floor)
    if asked.win_length_max is not None:
        n_fft = max(_power_of_two_above(asked.win_length_max), floor)
        _log.info("n_fft auto: %d, for the longest window allowed", n_fft)
        return Choice(n_fft, needed_by_band=band)
    first = 1 << round(math.log2(max(problem.sample_rate * _FIRST_SECONDS, 1.0)))
    first = min(max(first, floor), limit)
    if not asked.learns_lengths:
        _log.info("n_fft auto: %d, near %g ms", first, 1000 * _FIRST_SECONDS)
        return Choice(first, needed_by_band=band)
    probe, n_fft = Probe(problem), first
    best = best_coarse_length(problem, limit / 2) if probe.comparable else None
    if best is not None:  # doubling and halving alone find a local optimum
        n_fft = min(max(2 * _power_of_two_above(best), floor), limit)
        _log.info("n_fft auto: start at %d, best single window about %.4g samples", n_fft, best)
    n_fft = with_room(n_fft, floor, limit, probe.best_fixed)
    larger_is_worse = False
    if asked.varying and probe.comparable and probe.scores_differ(n_fft):
        sizes = min(n_fft, first) // 2, max(n_fft, first) * 2
        n_fft, scored = of_best_score(*sizes, floor, limit, probe.score)
        larger_is_worse = 2 * n_fft in scored
    return Choice(n_fft, probe.structured, larger_is_worse, band)


def with_room(n_fft: int, floor: int, limit: int, best_fixed: Callable[[int], float]) -> int:
    """Doubled or halved until the best single length lies between a quarter and half of it.

    Never back again: two sizes may point to each other by chance.
    """
    grown = halved = False
    while True:
        best = best_fixed(n_fft)
        _log.info("n_fft auto: at %d the best single window has %.4g samples", n_fft, best)
        if best > n_fft / 2 * (1 + _ROUNDING) and n_fft * 2 <= limit and not halved:
            n_fft, grown = n_fft * 2, True
        elif best < n_fft / 4 * (1 - _ROUNDING) and n_fft // 2 >= floor and not grown:
            n_fft, halved = n_fft // 2, True
        else:
            return n_fft


def of_best_score(
    least: int, most: int, floor: int, limit: int, score: Callable[[int], float]
) -> tuple[int, dict[int, float]]:
    """The best of the powers of two from `least` to `most`, and on in its direction; all scores."""
    sizes = [1 << k for k in range(least.bit_length() - 1, most.bit_length())]
    scores = {size: score(size) for size in sizes if floor <= size <= limit}
    while True:
        best = min(scores, key=lambda size: scores[size])
        beyond = [size for size in (best // 2, best * 2) if size not in scores]
        beyond = [size for size in beyond if floor <= size <= limit]
        if not beyond:
            table = ", ".join(f"{scores[size]:.4g} at {size}" for size in sorted(scores))
            _log.info("n_fft auto: %d, with varying lengths the score is %s", best, table)
            return best, scores
        scores |= {size: score(size) for size in beyond}


def least_n_fft(asked: Request, band: float, length: int = 0) -> float:
    """Lower limit of `n_fft auto` for the given lengths and the criterion's band, samples.

    UsageError where they need more than can be had, or of a signal of some `length` more than a half.
    """
    hop = asked.hop_length or 0.0
    if length and hop / asked.overlap > max(length / 2, SMALLEST_FFT):
        raise UsageError(
            f"hop length {hop:.10g} needs windows of {hop / asked.overlap:.10g} samples or more, too "
            f"long for {length} samples: lower `hop_length`, or raise `overlap`"
        )
    needed = {
        "win_length": asked.win_length or 0.0,
        "win_length_min": (asked.win_length_min or 0.0) * 2,
        "hop_length": (asked.hop_length or 0.0) / asked.overlap * 2,
        "hop_length_max": (asked.hop_length_max or 0.0) / asked.overlap * 2,
    }
    if band > LARGEST_FFT:
        raise UsageError(
            f"the criterion's band needs n_fft {band:.0f}, above {LARGEST_FFT}: "
            "lower `criterion_fmin` or raise `criterion_fmax`"
        )
    for name, size in {**needed, "win_length_max": asked.win_length_max or 0.0}.items():
        if size > LARGEST_FFT:
            raise UsageError(f"n_fft {size:.0f} is above {LARGEST_FFT}: lower `{name}`")
    return max(*needed.values(), band)


def most_n_fft(asked: Request) -> float:
    """Upper limit of `n_fft auto`, samples: given lengths then lie in the default range."""
    if asked.win_length_min is not None:
        return asked.win_length_min / SHORTEST_SHARE
    if asked.win_length is None:
        return math.inf
    hop = default_hop_length(1, asked.overlap) if asked.hop_length is None else 0.0
    return asked.win_length / max(SHORTEST_SHARE, hop / asked.overlap, hop / REACH)


def largest_auto_n_fft(length: int) -> int:
    return min(LARGEST_AUTO_N_FFT, 1 << math.floor(math.log2(max(length * LONGEST_SHARE, 1.0))))


def best_coarse_length(problem: Problem, longest: float) -> float | None:
    """The best single length up to `longest`, samples, on a coarse grid; None where none stands out."""
    asked = replace(
        problem.request,
        scope="plane",
        n_fft=None,
        hop_length=None,
        win_length_min=None,
        win_length_max=longest,
    )
    try:
        found = sweep(
            problem.samples,
            asked,
            criteria=[problem.criterion],
            peak=problem.peak,
            most_points=_SWEPT_POINTS,
        )
    except UsageError:  # no range of lengths, or no finite value (an error in the fit)
        return None
    (curve,) = found.curves
    return None if curve.matters == "not at all" else curve.best_length


class Probe:
    """Searches on segments spread evenly over the signal, to choose an FFT size."""

    def __init__(self, problem: Problem) -> None:
        asked = problem.request
        if asked.window_mode == "time-frequency":  # frames tell as much at less cost
            problem = problem.in_mode("time")
        self._problem = problem
        longest = asked.hop_length or default_hop_length(
            largest_auto_n_fft(problem.length), asked.overlap, asked.win_length_min
        )
        self._segments = spread_segments(
            problem.samples, PROBED_SAMPLES, longest_hop=longest, peak=problem.peak
        )
        self.structured = False
        self._tables: dict[int, tuple[Evaluator, Array, Array, Table | None]] = {}

    def best_fixed(self, n_fft: int) -> float:
        """The best single length of the table at this n_fft, samples.

        If all lengths are equally good it is at least n_fft / 4: chance must not lead to smaller sizes,
        while a faint tone in noise may appear at larger ones.
        """
        _, lengths, scores, _ = self._tabulate(n_fft)
        best = float(lengths[scores.argmin()])
        return best if self.scores_differ(n_fft) else max(best, n_fft / 4)

    def scores_differ(self, n_fft: int) -> bool:
        """Whether the single lengths of the table at this n_fft differ in score.

        If not, as in noise, no scores are compared: they would fall with n_fft by chance.
        """
        _, lengths, scores, _ = self._tabulate(n_fft)
        differ = not (self._problem.criterion.in_nats and is_featureless(scores, lengths))
        differ &= bool(np.isfinite(scores).any())  # of silence there is none
        self.structured |= differ
        return differ

    @property
    def comparable(self) -> bool:
        """Whether scores at different n_fft and hops can be compared."""
        criterion = self._problem.criterion
        return criterion.per_frame or isinstance(criterion, QuasiConvex)

    def score(self, n_fft: int) -> float:
        """The score, penalty included, of the best lengths per row at this n_fft.

        A score that is the logarithm of a number of cells becomes that of the area which they would have
        in the whole signal, by `ln(Δt·Δf) = ln(N/(T·n_fft))`, so that finer grids are not mistaken for
        spread.
        """
        evaluator, lengths, _, table = self._tabulate(n_fft)
        assert table is not None
        neighbours = self._problem.neighbours(evaluator)
        _, _, score, _ = search_lengths(evaluator, table, lengths, neighbours)
        if self._problem.criterion.per_frame:  # a mean over frames does not count cells
            return score
        covered = self._problem.band.covered(n_fft, self._problem.sample_rate)
        return score + math.log(self._problem.length / (len(evaluator.frames) * n_fft * covered))

    def _tabulate(self, n_fft: int) -> tuple[Evaluator, Array, Array, Table | None]:
        """Evaluator, tabulated lengths, their scores and moment table; the last n_fft is kept."""
        if n_fft not in self._tables:
            plan = self._problem.plan(n_fft)
            points = len(self._segments.centers(plan.hop_length)) * n_fft
            widest = max(int(self._problem.request.overlap * plan.bounds.low / plan.hop_length), 1)
            hop = plan.hop_length * min(math.ceil(points / _PROBED_POINTS), widest)
            centers = self._segments.centers(hop)
            weights = self._segments.weights(len(centers))
            evaluator = self._problem.evaluator(plan, centers, hop_length=hop, weights=weights)
            lengths = plan.tabulated_lengths()
            table = None if evaluator.criterion.ranked else evaluator.table(lengths)
            scores, _ = fixed_scores(evaluator, table, lengths)
            self._tables = {n_fft: (evaluator, lengths, scores, table)}
        return self._tables[n_fft]


def _power_of_two_above(value: float) -> int:
    return 1 << math.ceil(math.log2(max(value, 1.0)))


def local_plan(problem: Problem) -> Plan:
    """FFT size, start and ranges of a fit under the local criterion; what is given stays.

    The FFT size is the power of two that holds the longest window. The hop is half the shortest window
    (`overlap` times it), so that no window of the range leaves a gap.

    Raises:
        UsageError: a length is out of its range, or two contradict each other.
    """
    asked = problem.request
    if not asked.learns_lengths:
        return problem.plan(choose_n_fft(problem).n_fft)
    low, high = default_range(problem.sample_rate, problem.length)
    if asked.n_fft is not None:
        n_fft = int(asked.n_fft)
        high = float(n_fft)
    else:
        band = 0.0 if problem.band == Band() else problem.band.least_n_fft(problem.sample_rate)
        least = least_n_fft(asked, band, problem.length)
        high = max(high, least, asked.win_length or 0.0)
        high = float(min(1 << math.ceil(math.log2(high)), LARGEST_FFT))
        needed = max(least, asked.win_length_max or high, SMALLEST_FFT)
        n_fft = 1 << math.ceil(math.log2(needed))
    high = asked.win_length_max or high
    hop = asked.hop_length
    if hop is None and asked.learns_positions:
        hop = min(n_fft / 16, n_fft * asked.overlap / 4)
    shortest = asked.win_length_min
    if shortest is None:
        low = max(min(low, high, asked.win_length or high), SHORTEST_WINDOW)
        one_hop = asked.hop_length_max if asked.hop_mode == "constant" else None
        low = max(low, max(hop or 0.0, one_hop or 0.0) / asked.overlap)
        shortest = low if low <= high else None  # else the plan says what is wrong
    if hop is None:
        hop = asked.overlap * (shortest or SHORTEST_WINDOW)
        hop = max(float(math.floor(hop)), min(hop, 1.0))
    request = replace(asked, hop_length=hop, win_length_min=shortest)
    return replace(problem, request=request).plan(n_fft)


def lengths_before(request: Request, samples: int) -> tuple[int, float]:
    """FFT size and hop, samples, as far as they are known before the signal is, of so many samples.

    The FFT size that `auto` will choose by the signal is guessed; UsageError as in `make_plan`.
    """
    unread: Any = SimpleNamespace(shape=(1, samples))
    asked = replace(request, criterion="entropy")  # the user's own is not run here
    if request.scope == "plane" and request.n_fft is None:
        first = 1 << round(math.log2(max(request.sample_rate * _FIRST_SECONDS, SMALLEST_FFT)))
        asked = replace(asked, n_fft=max(first, _power_of_two_above(least_n_fft(request, 0.0))))
    problem = Problem.of(unread, asked, 1.0, None)
    plan = local_plan(problem) if request.scope == "local" else problem.plan(int(asked.n_fft or 0))
    return plan.n_fft, plan.hop_length


def tiling_of(problem: Problem, plan: Plan) -> Tiling:
    """Tiles of its range of lengths, or where they are kept of the default one around them."""
    low, high = plan.bounds.low, plan.bounds.high
    if not problem.request.learns_lengths:
        low, high = default_range(problem.sample_rate, problem.length)
        low, high = min(low, plan.start), max(high, plan.start)
    band = problem.band
    return Tiling(problem.sample_rate, log_lengths(low, high), band.low, band.high)
