"""The local criterion of lengths that are given."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria.tiling import Tiling
from dstft_cli.fit.local_descent import spline_costs
from dstft_cli.fit.local_plan import local_plan, tiling_of
from dstft_cli.fit.local_search import costs_of, reference_level
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.tiles import Sound
from dstft_cli.records import LengthMap

FloatArray = NDArray[np.floating[Any]]


def local_value(
    problem: Problem,
    lengths: FloatArray,
    tiles: LengthMap | None,
    centers: FloatArray,
    n_fft: int,
) -> float:
    """J of window lengths, on the tiles that a fit of the same request would have.

    Args:
        problem: the signal and the request.
        lengths: samples, `[1, 1]`, `[1, T]` or `[F, 1]`; not looked at where there are tiles.
        tiles: the lengths, where they vary with time and frequency.
        centers: of the frames, samples, `[T]`.
        n_fft: FFT size, samples.
    """
    tiling, sound = tiling_of(problem, local_plan(problem)), Sound.of(problem)
    if tiles is None:
        rows = _rows_at_tiles(problem, lengths, centers, n_fft, tiling)
    else:
        rows = _tiles_at_tiles(tiles, tiling, problem.length)
    logs, z = np.log(tiling.lengths), torch.from_numpy(rows)
    total = weight = 0.0
    start = 0
    for costs in costs_of(sound, tiling, reference_level(sound, tiling)):
        stop = start + costs.weight.shape[1]
        value, _ = spline_costs(costs.cost, logs)(z[:, start:stop].to(costs.cost))
        total += float((costs.weight * value).sum(dtype=torch.float64))
        weight += float(costs.weight.sum(dtype=torch.float64))
        start = stop
    return total / (weight or 1.0)


def _tiles_at_tiles(tiles: LengthMap, tiling: Tiling, length: int) -> NDArray[np.float64]:
    """ln θ, `[B, U]`: those of the same tiles, or of the cells in the middle of others."""
    bands, times = tiling.centers, tiling.times(length)
    if (len(tiles.frequencies), len(tiles.times)) == (len(bands), len(times)):
        return np.asarray(np.log(tiles.lengths.astype(np.float64)))
    return np.asarray(np.log(tiles.at(bands, times)))


def _rows_at_tiles(
    problem: Problem, lengths: FloatArray, centers: FloatArray, n_fft: int, tiling: Tiling
) -> NDArray[np.float64]:
    """ln θ, `[B, U]`, of lengths that are shared over time or frequency."""
    bands, times = tiling.centers, tiling.times(problem.length)
    logs = np.log(lengths.astype(np.float64))
    if lengths.shape[1] > 1:
        logs = np.interp(times, centers, logs[0])[None]
    elif len(lengths) > 1:
        frequencies = np.arange(len(logs)) * (problem.sample_rate / n_fft)
        logs = np.interp(bands, frequencies, logs[:, 0])[:, None]
    return np.array(np.broadcast_to(logs, (len(bands), len(times))))
