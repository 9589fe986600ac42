"""One transform for many recordings, from a small table of each.

Under the local criterion J of a recording is a sum over rows, one for all or one per band, each with a
cost of its own length (`local_search.Rows`). Between tabulated lengths a cost is a natural cubic
spline in ln θ, and a spline is linear in its values. So the criterion of a collection,

    J(θ) = Σ_r w_r J_r(θ) / Σ_r w_r,

is the spline through the weighted mean of the tables, value and gradient: every recording is transformed
once, and search and descent need only the mean. Weights are 1, or the seconds that are heard of each
recording, as if they were joined.

Lengths are tabulated in seconds, the same for all sample rates.

One hop is that of the criterion of the plane under the best single window, as for one recording. It does
not add up: in the sums over a concatenation the loudest recording would decide. So the score of a hop is
the weighted mean of the scores of the recordings, each evaluated anew for each step of a descent.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from dstft_cli.criteria import Criterion, resolve
from dstft_cli.criteria.local import Tiling, check_local
from dstft_cli.errors import InputError
from dstft_cli.fit.centers import FreeHop, centered_centers
from dstft_cli.fit.descent import Evaluated, Schedule, descend
from dstft_cli.fit.local_modes import LocalTask, Record, learn_table
from dstft_cli.fit.local_search import Rows, summed
from dstft_cli.fit.n_fft import local_plan, tiling_of
from dstft_cli.fit.notes import Outcome, notes
from dstft_cli.fit.objective import Candidate
from dstft_cli.fit.optimize import Positioned, local_result, under_one_window
from dstft_cli.fit.plan import SMALLEST_FFT
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.request import LENGTHS, Request
from dstft_cli.fit.stages import Task, longest_good_hop, position_objective, tried_hops
from dstft_cli.fit.sweep import curve_of, local_grids, stretches, sweep_of
from dstft_cli.fit.tiles import Sound
from dstft_cli.records import CollectionSweep, RecordingTable, Result
from dstft_cli.stft import Samples

Array = NDArray[np.float64]

LONGEST = 1 << 30  # samples of a stand-in for all recordings: the range suits a long one
# samples whose frames a shared result has; each recording gets its own from the hop
MOST_SHOWN = 1 << 22


def grid_of(request: Request, *, swept: bool) -> Array:
    """The lengths that are tabulated, seconds, `[M]`: those of a sweep, or of a fit."""
    problem = Problem.unread(request, LONGEST)
    if swept:
        lengths = np.concatenate([grid.lengths for grid in local_grids(problem)])
    else:
        lengths = tiling_of(problem, local_plan(problem)).lengths
    return np.asarray(lengths / request.sample_rate)


def table_of(
    samples: Samples | Array,
    request: Request,
    seconds: Array,
    *,
    swept: bool,
    peak: float | None = None,
    criteria: Sequence[str | Criterion | Any] = (),
) -> RecordingTable:
    """The table of one recording at its own sample rate.

    Args:
        samples: signal, `[N]` or `[C, N]`.
        request: its sample rate is that of the samples; `window_mode` constant or frequency.
        seconds: window lengths, `[M]`.
        swept: whether of a long recording only stretches are looked at, as `sweep` does.
        peak: largest absolute sample, if known.
        criteria: names or objects; none: that of the request.

    Raises:
        InputError: the signal is too short or silent, or a criterion is not finite.
        UsageError: the band of the criterion does not lie within its frequencies.
    """
    problem = Problem.of(samples, request, peak, None)
    lengths = np.asarray(seconds) * problem.sample_rate
    if lengths[0] < SMALLEST_FFT:
        raise InputError(
            f"{problem.sample_rate:g} Hz is too low for windows of {1000 * seconds[0]:.3g} ms: leave it out"
        )
    tiling = Tiling(problem.sample_rate, lengths, problem.band.low, problem.band.high)
    used = stretches(problem.samples, math.ceil(lengths[-1])) if swept else problem.samples
    chosen = [resolve(name, request.order) for name in criteria] or [problem.criterion]
    costs, shares, heard = [], [], 0.0
    for criterion in chosen:
        check_local(criterion)
        rows = summed(Sound.of(problem, samples=used, criterion=criterion), tiling)
        table, share = rows.table(request.window_mode)
        if not np.isfinite(table).all():
            raise InputError(f"criterion {criterion.name} is not finite: lower `order` or `power`")
        costs.append(table)
        shares.append(share)
        heard = rows.total / len(tiling.centers) * tiling.step / problem.sample_rate
    heard *= problem.length / used.shape[-1]
    rate, length = problem.sample_rate, problem.length
    return RecordingTable(rate, length, heard, np.stack(costs), np.stack(shares))


def judge(
    request: Request,
    criteria: Sequence[str | Criterion | Any],
    mean: Array,
    tables: Array,
    samples: int,
) -> CollectionSweep:
    """The verdict of a sweep: curves of all, and what each recording wants and loses.

    Args:
        request: at the sample rate of the verdict.
        criteria: names or objects, K of them.
        mean: costs of the collection, `[K, M]`.
        tables: costs of the recordings, `[N, K, M]`.
        samples: of the longest recording, which bounds the lengths that notes name.
    """
    problem = Problem.unread(request, LONGEST)
    chosen = [resolve(criterion, request.order) for criterion in criteria]
    grids = local_grids(problem)
    problem = Problem.unread(request, samples)
    found = sweep_of(problem, grids, chosen, [(values,) for values in mean])
    lengths = np.asarray(found.lengths, np.float64)
    logs = np.log(lengths)
    best, losses, spread = [], [], []
    for curve, criterion, values in zip(
        found.curves, chosen, np.moveaxis(tables, 1, 0), strict=True
    ):
        own = [curve_of(criterion, lengths, row) for row in values]
        at = CubicSpline(logs, values, axis=1, bc_type="natural")(math.log(curve.best_length))
        lowest = np.array([one.best_value for one in own])
        unit = 1.0 if curve.in_nats else np.where(lowest == 0, 1.0, np.abs(lowest))
        best.append([one.best_length for one in own])
        losses.append(((at - lowest) / unit).clip(0))
        spread.append(np.percentile([one.losses for one in own], [25, 50, 75], axis=0))
    return CollectionSweep(found, *map(np.array, (best, losses, spread)))


def hop_request(request: Request, seconds: float, sample_rate: float) -> Request:
    """The request for one hop under a window of so many seconds, at another sample rate, Hz."""
    scale = sample_rate / request.sample_rate
    length = seconds * request.sample_rate
    held = under_one_window(request, local_plan(Problem.unread(request, LONGEST)), length)
    given = {name: getattr(held, name) for name in LENGTHS}
    scaled: Any = {name: value and value * scale for name, value in given.items()}
    n_fft = 2 * math.ceil((held.n_fft or 0) * scale / 2 - 1e-9)
    return replace(held, sample_rate=sample_rate, n_fft=n_fft, **scaled)


def hop_scores(
    samples: Samples | Array, held: Request, hops: Array, peak: float | None = None
) -> Array:
    """Scores of a recording at each hop, seconds `[K]`, and their derivatives by ln H, `[2, K]`.

    Args:
        held: of `hop_request` at the sample rate of the samples.
    """
    problem = Problem.of(samples, held, peak, None)
    task = Task(problem, problem.plan(int(held.n_fft or 0)))
    evaluator = problem.evaluator(task.plan, task.plan.start_centers(problem.length, "constant"))
    row, unknown = np.array([task.plan.start]), np.zeros(0)
    held_at = Candidate(row, evaluator.centers, unknown, evaluator.cells, math.inf)
    objective = position_objective(task, evaluator, held_at)
    points = [objective(np.log([hop * held.sample_rate])) for hop in hops]
    return np.array([[p.value for p in points], [p.gradient[0] for p in points]])


def learn_hop(held: Request, samples: int, scores: Callable[[Array], Array]) -> Positioned:
    """One hop for a collection: search, then descent, as for one recording.

    Args:
        held: of `hop_request` at the sample rate of the result.
        samples: of the longest recording.
        scores: the weighted means of `hop_scores`.
    """
    rate, length = held.sample_rate, min(samples, MOST_SHOWN)
    plan = Problem.unread(held, length).plan(int(held.n_fft or 0))
    assert plan.hops is not None
    tried = tried_hops(plan.hops) if held.search else np.array([])
    best, *totals = scores(np.array([plan.hop_length, *tried]) / rate)[0].tolist()
    hop, chosen = plan.hop_length, longest_good_hop(tried, totals, plan.hop_length, best)
    if chosen is not None:
        hop, best = float(tried[chosen]), totals[chosen]
    where = FreeHop(plan.hops, plan.hop_length, centered_centers(length, hop), kept=False)
    count = 1 + len(tried)

    def objective(z: Array) -> Evaluated[float]:
        nonlocal count
        count += 1
        found = math.exp(float(z[0]))
        value, slope = scores(np.array([found / rate]))[:, 0].tolist()
        return Evaluated(value, np.array([slope]), found)

    ended = descend(objective, where.variables, Schedule.of(held), lambda found: None)
    if ended.best is not None and ended.best.value < best:
        hop = ended.best.found
    centers, one = centered_centers(length, hop), np.ones(1)
    hops = np.diff(centers)
    of = Outcome(
        *(held, plan, one * plan.start, one, hops, plan.start, length),
        stop_reason=ended.stop_reason,
    )
    bounds, first = (plan.hops.low, plan.hops.high), centered_centers(length, plan.hop_length)
    return Positioned(centers, first, bounds, tuple(notes(of)), count)


def fit_table(
    request: Request,
    table: Array,
    shares: Array,
    samples: int,
    moved: Positioned | None = None,
) -> tuple[Result, Array]:
    """The result of `fit` for a collection, from the mean of its tables; and ln θ of the rows, ln s, `[R]`.

    Args:
        request: at the sample rate of the result; `window_mode` constant or frequency.
        table: mean costs of the rows `[R, M]`, at the lengths of `grid_of`, which add up to J.
        shares: of the rows in J, `[R]`.
        samples: of the longest recording; the frames of the result cover it, up to `MOST_SHOWN`.
        moved: of `learn_hop`, where the hop is learned.
    """
    began = time.perf_counter()
    problem = Problem.unread(request, LONGEST)
    plan = local_plan(problem)
    problem = Problem.unread(request, min(samples, MOST_SHOWN))
    if plan.hops is not None:
        plan = replace(plan, hops=replace(plan.hops, length=problem.length))
    tiling = tiling_of(problem, plan)
    task = LocalTask(problem, plan, tiling, Sound.of(problem), 1.0)
    record = Record(evaluations=len(tiling.lengths) + 1)
    learned = learn_table(task, record, Rows.of(table, shares))
    logs = np.asarray(learned.logs, np.float64) - math.log(problem.sample_rate)
    return local_result(task, learned, record, began, moved), logs
