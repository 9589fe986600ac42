"""`sweep`: criteria against one window length for all frames, and the best length of each.

Between tabulated lengths curves are cubic splines in ln θ: within 3e-4 nats where there are four an octave.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion, resolve
from dstft_cli.criteria.local import Tiling, check_local, default_range
from dstft_cli.errors import UsageError
from dstft_cli.fit.centers import Segments, spread_segments
from dstft_cli.fit.local_search import summed
from dstft_cli.fit.plan import LONGEST_SHARE
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.request import Band, Request
from dstft_cli.fit.sweep_grids import SweepEvaluator, SweepGrid, sweep_grids
from dstft_cli.fit.table import unusable_last
from dstft_cli.fit.tiles import Sound
from dstft_cli.records import LARGEST_FFT, SHORTEST_WINDOW, Note, Progress, Sweep, SweepCurve, tell
from dstft_cli.stft import Samples

Array = NDArray[np.float64]

MOST_POINTS = 1 << 24  # frames × n_fft × channels per length: of longer signals a part is analysed
MOST_SAMPLES = 1 << 22  # per channel, under the local criterion: likewise, in stretches
_STRETCHES = 8
_BETWEEN = 64  # points around the least of the table, for the least between its lengths


def sweep(
    samples: Samples | NDArray[Any] | torch.Tensor,
    request: Request,
    *,
    criteria: Sequence[str | Criterion | Any],
    peak: float | None = None,
    progress: Progress | None = None,
    most_points: int | None = None,
) -> Sweep:
    """Criteria for a range of window lengths, and the best length of each.

    With an `n_fft`, values are those that `fit` reports; otherwise see `sweep_grids`. Signals
    of more than `MOST_POINTS` are analysed in segments spread evenly over them.

    Args:
        samples: signal, `[N]` or `[C, N]`; anything with `.shape` and `samples[:, a:b]`.
        request: as for `fit`; what to learn and how to descend has no effect, nor its criterion.
        criteria: names or objects, see `criteria.resolve`.
        peak: largest absolute sample, if known.
        progress: called as `progress(stage, done, total)`.
        most_points: frames × n_fft × channels to analyse for each length; None: `MOST_POINTS`.

    Raises:
        UsageError: a value is out of range or contradicts another; a criterion is not finite
            at any length.
        InputError: the signal is too short or silent.
    """
    if not criteria:
        raise UsageError("criteria is empty: name at least one")
    chosen, left = [resolve(criterion, request.order) for criterion in criteria], list[Note]()
    if request.scope == "local":
        if len(chosen) == 1:
            check_local(chosen[0])
        ranked = ", ".join(criterion.name for criterion in chosen if criterion.ranked)
        left = [Note("not_local", "scope", detail=ranked)] if ranked else []
        chosen = [criterion for criterion in chosen if not criterion.ranked]
    # a criterion that depends on the level needs the signal unscaled
    as_it_is = next((c for c in chosen if not c.scale_invariant), chosen[0])
    request = replace(request, window_mode="constant", hop_mode="fixed", criterion=as_it_is)
    problem = Problem.of(samples, request, peak, None)
    if request.scope == "local":
        return _local(problem, chosen, left, progress)
    resolved = problem.band.least_n_fft(problem.sample_rate) / 2
    grids = sweep_grids(problem.length, problem.request, shortest=resolved)
    points = max(grid.n_fft / grid.hop_length for grid in grids) * problem.samples.shape[0]
    segments = spread_segments(
        problem.samples,
        int((most_points or MOST_POINTS) / points),
        longest_hop=max(grid.hop_length for grid in grids),
        peak=problem.peak,
    )
    began = time.perf_counter()
    tables = _tables(problem, segments, grids, chosen, progress)
    share, seconds = segments.share(grids[0].hop_length), time.perf_counter() - began
    resolved = 0.0 if problem.band == Band() else resolved
    return sweep_of(problem, grids, chosen, tables, share=share, seconds=seconds, resolved=resolved)


def sweep_of(
    problem: Problem,
    grids: Sequence[SweepGrid],
    criteria: Sequence[Criterion],
    tables: Sequence[tuple[Array, ...]],
    *,
    left: Sequence[Note] = (),
    share: float = 1.0,
    seconds: float = 0.0,
    resolved: float = 0.0,
) -> Sweep:
    """The curves through the table of each criterion, see `curve_of`.

    `left`: notes on criteria that are left out; `share` of the signal that was analysed; `resolved`: the
    shortest useful window in the band of the criterion, samples.
    """
    lengths = np.concatenate([grid.lengths for grid in grids])
    pairs = zip(criteria, tables, strict=True)
    curves = [curve_of(criterion, lengths, *table) for criterion, table in pairs]
    counts = [len(grid.lengths) for grid in grids]
    return Sweep(
        sample_rate=problem.sample_rate,
        length=problem.length,
        lengths=lengths,
        n_ffts=np.repeat([grid.n_fft for grid in grids], counts),
        hop_lengths=np.repeat([grid.hop_length for grid in grids], counts),
        curves=tuple(curves),
        looked_at=share,
        seconds={"search": seconds},
        notes=(*left, *_notes(curves, grids, problem.length, resolved)),
    )


def _tables(
    problem: Problem,
    segments: Segments,
    grids: Sequence[SweepGrid],
    criteria: Sequence[Criterion],
    progress: Progress | None,
) -> list[tuple[Array, Array]]:
    """Values and scores of each criterion for all lengths, `[M]` each."""
    values: list[list[Array]] = [[] for _ in criteria]
    scores: list[list[Array]] = [[] for _ in criteria]
    done, total = 0, sum(len(grid.lengths) for grid in grids)
    for grid in grids:
        evaluator = SweepEvaluator(problem, segments, grid)
        for k, sums in enumerate(evaluator.sums_of(criteria, grid.lengths)):
            given = torch.from_numpy(sums), evaluator.cells
            values[k].append(criteria[k].value(*given).numpy())
            scores[k].append(criteria[k].score(*given).numpy())
        done += len(grid.lengths)
        tell(progress, "sweep", done, total)
    return [
        (np.concatenate(v), unusable_last(np.concatenate(s)))
        for v, s in zip(values, scores, strict=True)
    ]


def _notes(
    curves: Sequence[SweepCurve], grids: Sequence[SweepGrid], length: int, resolved: float
) -> list[Note]:
    """A note for each best length at an end of the range, unless all lengths are equally good."""
    shortest, longest = float(grids[0].lengths[0]), float(grids[-1].lengths[-1])
    if shortest > length:
        return [Note("recording_short", "", shortest, detail=str(length))]
    widest = LARGEST_FFT if len(grids) == 1 else LARGEST_FFT // 2
    most = min(math.floor(length * LONGEST_SHARE), widest)
    shorter = grids[0].bounds.low_option
    if shortest <= SHORTEST_WINDOW:
        shorter = ""
    elif shortest <= resolved * (1 + 1e-6):
        shorter = "criterion_fmin criterion_fmax"
    longer = grids[-1].bounds.high_option if longest < most else ""
    limit = float(most) if longest < widest else None
    ends = (
        ("best_is_shortest", shorter, shortest, None),
        ("best_is_longest", longer, longest, limit),
    )
    found = []
    for kind, parameter, end, further in ends:
        names = [
            curve.name
            for curve in curves
            if np.isclose(curve.best_length, end, rtol=1e-6) and curve.matters != "not at all"
        ]
        if names:
            found.append(Note(kind, parameter, end, further, ", ".join(names)))
    return found


def _local(
    problem: Problem,
    criteria: Sequence[Criterion],
    left: Sequence[Note],
    progress: Progress | None,
) -> Sweep:
    """`sweep` under the local criterion: J of one length for all, from the sums of the tiles."""
    band, grids = problem.band, local_grids(problem)
    began = time.perf_counter()
    lengths = np.concatenate([grid.lengths for grid in grids])
    samples = stretches(problem.samples, int(lengths[-1]))
    tiling = Tiling(problem.sample_rate, lengths, band.low, band.high)
    tables = []
    for number, criterion in enumerate(criteria, start=1):
        sound = Sound.of(problem, samples=samples, criterion=criterion)
        tables.append((summed(sound, tiling).table("constant")[0][0],))
        tell(progress, "sweep", number, len(criteria))
    share, seconds = samples.shape[-1] / problem.length, time.perf_counter() - began
    return sweep_of(problem, grids, criteria, tables, left=left, share=share, seconds=seconds)


def local_grids(problem: Problem) -> list[SweepGrid]:
    """The grids of a sweep under the local criterion."""
    asked = problem.request
    if asked.n_fft is None:  # the range in which `fit` looks, as far as none is given
        low, high = default_range(asked.sample_rate, problem.length)
        shortest, longest = asked.win_length_min, asked.win_length_max
        if shortest is None:
            shortest = max(low, (asked.hop_length or 0.0) / asked.overlap)
        if longest is None:
            longest = max(high, 4 * shortest)
        asked = replace(asked, win_length_min=shortest, win_length_max=longest)
    return sweep_grids(problem.length, asked)


def curve_of(
    criterion: Criterion, lengths: Array, values: Array, scores: Array | None = None
) -> SweepCurve:
    """The curve through a table `[M]`, and its best length, on a spline through the scores.

    Without scores the values are minimised.
    """
    direction = "minimize" if scores is None else criterion.direction
    scores = values if scores is None else scores
    k = int(scores.argmin())
    if not np.isfinite(scores[k]):
        raise UsageError(
            f"criterion {criterion.name} is {values[k]:g} at every window length: "
            "lower `order` or `power`, or use `dtype` float64"
        )
    length, value, score = float(lengths[k]), float(values[k]), float(scores[k])
    if len(lengths) > 2 and np.isfinite(scores).all():
        from scipy.interpolate import CubicSpline  # slow to import, and most runs do not need it

        logs = np.log(lengths)
        ends = logs[[max(k - 1, 0), min(k + 1, len(logs) - 1)]]
        between = np.linspace(float(ends[0]), float(ends[1]), _BETWEEN + 1)
        both = CubicSpline(logs, np.stack([scores, values], 1), bc_type="natural")(between)
        best = int(both[:, 0].argmin())
        if both[best, 0] < score:
            length, (score, value) = float(np.exp(between[best])), both[best].tolist()
    losses = (scores - score) / (1.0 if criterion.in_nats else abs(score) or 1.0)
    return SweepCurve(
        criterion.name, direction, criterion.in_nats, lengths, values, losses, length, value
    )


def stretches(samples: Samples, fade: int) -> Samples:
    """The signal, or stretches spread evenly over a long one, faded where they meet, `[C, n]`."""
    length = int(samples.shape[-1])
    if length <= MOST_SAMPLES:
        return samples
    size = MOST_SAMPLES // _STRETCHES
    ramp = np.ones(size)
    edge = np.hanning(2 * fade)
    ramp[:fade], ramp[-fade:] = edge[:fade], edge[fade:]
    starts = np.linspace(0, length - size, _STRETCHES).astype(int)
    parts = [np.asarray(samples[:, s : s + size], dtype=np.float64) * ramp for s in starts]
    return np.concatenate(parts, axis=1)
