"""A sweep under the local criterion: J of one length for all, from the sums of the tiles."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from dstft_cli.criteria import Criterion
from dstft_cli.criteria.local import check_local
from dstft_cli.criteria.tiling import Tiling, default_range
from dstft_cli.errors import UsageError
from dstft_cli.fit.local_search import Rows, costs_of, reference_level
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.request import Request
from dstft_cli.fit.sweep_grids import SweepGrid
from dstft_cli.fit.tiles import Sound
from dstft_cli.records import Note, Progress, SweepCurve
from dstft_cli.stft import Samples

Array = NDArray[np.float64]

MOST_SAMPLES = (
    1 << 22
)  # per channel: longer signals are looked at in stretches spread evenly over them
_STRETCHES = 8
_BETWEEN = 64  # points around the least of the table at which the least J between its lengths is looked for


def local_range(request: Request, samples: int) -> Request:
    """With the range of lengths that `fit` has under the local criterion, as far as none is given."""
    if request.n_fft is not None:
        return request
    low, high = default_range(request.sample_rate, samples)
    shortest, longest = request.win_length_min, request.win_length_max
    if shortest is None:
        shortest = max(low, (request.hop_length or 0.0) / request.overlap)
    if longest is None:
        longest = max(high, 4 * shortest)
    return replace(request, win_length_min=shortest, win_length_max=longest)


def usable(criteria: Sequence[Criterion]) -> tuple[list[Criterion], list[Note]]:
    """The criteria that are made of sums, and a note of those that are not.

    Raises:
        UsageError: the only one is not.
    """
    if len(criteria) == 1:
        check_local(criteria[0])
    kept = [criterion for criterion in criteria if not criterion.ranked]
    left = ", ".join(criterion.name for criterion in criteria if criterion.ranked)
    return kept, [Note("not_local", "scope", detail=left)] if left else []


def local_curves(
    problem: Problem,
    grids: Sequence[SweepGrid],
    criteria: Sequence[Criterion],
    progress: Progress | None,
) -> tuple[list[SweepCurve], float, float]:
    """A curve of J for each criterion, the share of the signal looked at, and seconds.

    Raises:
        UsageError: a criterion is not finite at any length.
    """
    began = time.perf_counter()
    lengths = np.concatenate([grid.lengths for grid in grids])
    samples = _stretches(problem.samples, int(lengths[-1]))
    band = problem.band
    tiling = Tiling(problem.sample_rate, lengths, band.low, band.high)
    curves = []
    for number, criterion in enumerate(criteria, start=1):
        sound = Sound.of(problem, samples=samples, criterion=criterion)
        rows = Rows()
        for costs in costs_of(sound, tiling, reference_level(sound, tiling)):
            rows.add(costs)
        curves.append(_curve(criterion, lengths, rows.table("constant")[0][0]))
        if progress is not None:
            progress("sweep", number, len(criteria))
    share = samples.shape[-1] / problem.length
    return curves, share, time.perf_counter() - began


def _curve(criterion: Criterion, lengths: Array, values: Array) -> SweepCurve:
    """The curve, and its least value, on a spline through the table."""
    if not np.isfinite(values).all():
        raise UsageError(
            f"criterion {criterion.name} is not finite at every window length: "
            "lower `order` or `power`, or use `dtype` float64"
        )
    k = int(values.argmin())
    length, value = float(lengths[k]), float(values[k])
    if len(lengths) > 2:
        logs = np.log(lengths)
        ends = logs[[max(k - 1, 0), min(k + 1, len(logs) - 1)]]
        between = np.linspace(float(ends[0]), float(ends[1]), _BETWEEN + 1)
        found = CubicSpline(logs, values, bc_type="natural")(between)
        if found.min() < value:
            length, value = float(np.exp(between[found.argmin()])), float(found.min())
    losses = values - value
    if not criterion.in_nats:
        losses = losses / (abs(value) or 1.0)
    return SweepCurve(
        name=criterion.name,
        direction="minimize",
        in_nats=criterion.in_nats,
        lengths=lengths,
        values=values,
        losses=losses,
        best_length=length,
        best_value=value,
    )


def _stretches(samples: Samples, fade: int) -> Samples:
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
