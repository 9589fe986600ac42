"""Learned parameters for a recording of another length or sample rate, and their criterion there."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit.cells import CellEvaluator, Patches
from dstft_cli.fit.centers import centered_centers, uniform_centers
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.local_descent import spline_costs
from dstft_cli.fit.local_search import costs_of, reference_level
from dstft_cli.fit.n_fft import choose_n_fft, local_plan, tiling_of
from dstft_cli.fit.plan import MOST_FRAMES, REACH, SMALLEST_FFT
from dstft_cli.fit.problem import Problem, as_channels, check_length
from dstft_cli.fit.request import Band, Request
from dstft_cli.fit.tiles import Sound
from dstft_cli.records import (
    LARGEST_FFT,
    SHORTEST_WINDOW,
    CriterionSummary,
    LengthMap,
    Note,
    Progress,
    Result,
    StopReason,
    StoredParameters,
    Trajectory,
)
from dstft_cli.stft import Samples

FloatArray = NDArray[np.floating[Any]]
log = logging.getLogger("dstft_cli")


@dataclass(frozen=True)
class Transferred:
    """Parameters that fit another recording."""

    n_fft: int
    window_length: FloatArray  # samples, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`; of a map's tiles
    hop_length: float  # distance of frame centres where it is uniform, samples
    frame_centers: FloatArray  # samples, `[T]`
    notes: tuple[Note, ...] = ()  # what was changed
    length_map: LengthMap | None = None  # lengths of all cells, where they are kept on tiles


def apply_learned(
    samples: Samples,
    learned: StoredParameters,
    request: Request,
    *,
    peak: float | None = None,
    evaluate: bool = True,
    progress: Progress | None = None,
) -> Result:
    """A result of one step on another recording: no start and no fixed windows to compare with.

    The request is what the parameters were learned with, but for the sample rate of `samples`;
    `hop_length` is that at the start. Without `evaluate` the criterion is not resolved.

    Raises:
        InputError: the parameters do not fit the recording.
        UsageError: the recording has no frequencies in the band of the criterion.
    """
    samples = as_channels(samples)
    assert request.hop_length is not None
    rate, length = float(request.sample_rate), int(samples.shape[-1])
    fitting = transfer(learned, request.hop_length, length, rate)
    band = Band(request.criterion_fmin or 0.0, request.criterion_fmax or math.inf)
    try:
        bins = band.bins(fitting.n_fft, rate)
    except UsageError:
        raise UsageError(
            f"the band of the criterion, {band}, has no bins at a sample rate of {rate:g} Hz: choose "
            "another `sr`, or learn with another `criterion_fmin` or `criterion_fmax`"
        ) from None
    began = time.perf_counter()
    if peak == 0 or not evaluate:
        name, direction, value = str(request.criterion), "minimize", math.nan
        if peak == 0:
            fitting = replace(fitting, notes=(*fitting.notes, Note("silent")))
    else:
        local = request.scope == "local"
        # the band, checked above, may reach beyond the frequencies of this recording
        asked = request if local else replace(request, criterion_fmin=None, criterion_fmax=None)
        problem = Problem.of(samples, asked, peak, progress)
        name, direction = problem.criterion.name, "minimize"
        if local:
            lengths, tiles = fitting.window_length, fitting.length_map
            value = local_value(problem, lengths, tiles, fitting.frame_centers, fitting.n_fft)
        else:
            plane = fitting.n_fft // 2 + 1, len(fitting.frame_centers)
            kind: Callable[..., Evaluator] = Evaluator
            if len(fitting.window_length) > 1:
                kind = partial(CellEvaluator, patches=Patches(plane, *plane))
            given = problem.evaluated(fitting.n_fft) | {"bins": bins}
            evaluator = kind(centers=fitting.frame_centers.astype(np.float64), **given)
            sums = torch.from_numpy(evaluator.total(fitting.window_length.astype(np.float64)))
            name, direction = str(request.criterion), evaluator.criterion.direction
            value = float(evaluator.criterion.value(sums, evaluator.cells))
    seconds = time.perf_counter() - began
    log.info(f"evaluated in {seconds:.2f} s")
    return _one_step(fitting, learned, request, length, (name, direction, value), seconds)


def unlearned(problem: Problem) -> Result:
    """The transform of a silent signal at the start parameters; the criterion has no value."""
    request = problem.request
    if request.scope == "local":
        plan = local_plan(replace(problem, peak=1.0))
    else:
        plan = problem.plan(choose_n_fft(replace(problem, peak=1.0)))
    centers = plan.start_centers(problem.length, "fixed")
    start, notes = np.array([[plan.start]]), (Note("silent"),)
    fitting = Transferred(plan.n_fft, start, plan.hop_length, centers, notes)
    found = problem.criterion.name, "minimize", math.nan
    result = _one_step(fitting, request, request, problem.length, found, 0.0)
    return replace(result, resolved=problem.resolved(plan))


def _one_step(
    fitting: Transferred,
    learned: StoredParameters | Request,
    request: Request,
    length: int,
    found: tuple[str, str, float],
    seconds: float,
) -> Result:
    """A result; `found` is the criterion's name, direction and value."""
    name, direction, value = found
    lengths, hop = fitting.window_length, fitting.hop_length
    low, high = float(lengths.min()), float(lengths.max())
    typical, nan = float(np.median(lengths)), math.nan
    kept = request.window_mode == "fixed"
    return Result(
        sample_rate=float(request.sample_rate),
        length=length,
        n_fft=fitting.n_fft,
        start_window_length=np.array([[typical]]),
        lengths=lengths,
        hop_length=hop,
        length_bounds=(low, high),
        frame_centers=fitting.frame_centers,
        window=learned.window,
        normalization=learned.normalization,
        power=request.power,
        criterion=CriterionSummary(name, direction, nan, nan, nan, value, None),
        trajectory=Trajectory(
            phase=("start",),
            seconds=np.array([seconds]),
            evaluations=np.array([1]),
            criterion=np.array([value]),
            window_lengths=(lengths,),
            hop_lengths=(np.array([hop]),),
        ),
        stop_reason=StopReason.FIXED,
        evaluations=1,
        seconds={},
        notes=fitting.notes,
        resolved={
            "n_fft": fitting.n_fft,
            "win_length": typical,
            "win_length_min": None if kept else low,
            "win_length_max": None if kept else high,
            "hop_length": hop,
            "hop_length_min": None,
            "hop_length_max": None,
        },
        length_map=fitting.length_map,
        scope=request.scope,
    )


def transfer(
    learned: StoredParameters, hop_length: float, samples: int, sample_rate: float
) -> Transferred:
    """The parameters for a recording of another length or sample rate.

    Lengths that do not vary with time, on frames of one hop, fit any recording: at another sample
    rate window, hop and n_fft keep their durations, n_fft to the nearest even size, and each
    frequency keeps its length. What varies from frame to frame fits a recording of the same sample
    rate, and of the same duration to within one hop: frames at its end are left out, or go on with
    the last length. `hop_length` is that at the start, `samples` and `sample_rate` are of the other.

    Raises:
        InputError: the parameters do not fit the recording.
    """
    check_length(samples)
    hop = _uniform_hop(learned, hop_length)
    if samples == learned.samples and sample_rate == learned.sample_rate:
        lengths, centers = learned.window_length, learned.frame_centers
        hop = hop or hop_length
        return Transferred(learned.n_fft, lengths, hop, centers, length_map=learned.length_map)
    tiles = learned.length_map
    if learned.window_length.shape[1] == 1 and hop is not None and tiles is None:
        return _global(learned, hop, samples, sample_rate)
    _check_alike(learned, hop_length, samples, sample_rate)
    lengths = learned.window_length
    _check_frames(samples, min(hop or hop_length, hop_length))
    centers = learned.frame_centers[learned.frame_centers <= samples]
    if hop is not None and learned.frame_centers[0] == 0:
        centers = uniform_centers(samples, hop)
    if len(centers) == 0:
        raise InputError("the recording ends before the first frame: choose a longer part of it")
    reach = REACH * float(lengths[:, -1].min())
    beyond = centers[-1] + np.arange(1, 1 + int((samples - centers[-1]) / hop_length)) * hop_length
    needed = (beyond - hop_length < samples - 1 - reach) & (beyond < samples)
    centers = np.concatenate([centers, beyond[needed]])
    if lengths.shape[1] > 1 and tiles is None:
        more = max(len(centers) - lengths.shape[1], 0)
        lengths = np.pad(lengths, ((0, 0), (0, more)), mode="edge")[:, : len(centers)]
    return Transferred(learned.n_fft, lengths, hop_length, centers, length_map=tiles)


def _check_alike(
    learned: StoredParameters, hop_length: float, samples: int, sample_rate: float
) -> None:
    """InputError if parameters that vary from frame to frame do not fit, with all that is wrong."""
    seconds, lasts = learned.samples / learned.sample_rate, samples / sample_rate
    remedies = []
    if sample_rate != learned.sample_rate:
        remedies.append(f"resample with `sr` {learned.sample_rate:g}")
    if abs(samples * learned.sample_rate / sample_rate - learned.samples) > hop_length:
        remedies.append(f"choose a part with `offset` and `duration` {seconds:.6g}")
        if lasts < seconds:
            remedies = []  # no part is long enough
    elif not remedies:
        return
    remedies = [" and ".join(remedies)] if remedies else []
    steady = "`window_mode` constant or frequency"
    if learned.window_length.shape[1] == 1:
        steady = "`hop_mode` constant"
    raise InputError(
        f"the parameters vary from frame to frame over {seconds:.3f} s at {learned.sample_rate:g} Hz, "
        f"the signal lasts {lasts:.3f} s at {sample_rate:g} Hz: "
        + ", or ".join([*remedies, f"learn with {steady}"])
    )


def _check_frames(samples: float, hop_length: float) -> None:
    if samples / hop_length > MOST_FRAMES:
        raise InputError(
            f"the learned hop, {hop_length:g} samples, makes {samples / hop_length:.3g} frames of the "
            f"recording, above {MOST_FRAMES}: choose a part of it with `duration`"
        )


def _uniform_hop(learned: StoredParameters, hop_length: float) -> float | None:
    """The hop of all frames, samples, or None where it varies."""
    centers = learned.frame_centers
    if len(centers) == 1:
        return hop_length
    hop = float(centers[-1] - centers[0]) / (len(centers) - 1)
    regular = centers[0] + np.arange(len(centers)) * hop
    if not np.allclose(regular, centers, rtol=1e-12, atol=1e-6):
        return None
    return hop_length if abs(hop - hop_length) <= 1e-9 * hop_length else hop


def _global(
    learned: StoredParameters, hop_length: float, samples: int, sample_rate: float
) -> Transferred:
    """Lengths that do not vary with time, at any sample rate."""
    scale = sample_rate / learned.sample_rate
    _check_frames(samples, hop_length * scale)
    place = uniform_centers if learned.frame_centers[0] == 0 else centered_centers
    lengths = learned.window_length
    if sample_rate == learned.sample_rate:
        return Transferred(learned.n_fft, lengths, hop_length, place(samples, hop_length))
    scaled = lengths * scale
    shortest, longest = float(scaled.min()), float(scaled.max())
    n_fft = max(2 * round(learned.n_fft * scale / 2), SMALLEST_FFT)
    if longest > n_fft * (1 + 1e-9):  # a window as long as n_fft, which was rounded down
        n_fft = 2 * math.ceil(longest / 2)
    if shortest < SHORTEST_WINDOW or n_fft > LARGEST_FFT:
        raise InputError(
            f"at {sample_rate:g} Hz the window has {shortest:g} samples (at least {SHORTEST_WINDOW:g}), "
            f"n_fft is {n_fft} (at most {LARGEST_FFT}): resample with `sr` {learned.sample_rate:g}"
        )
    if len(scaled) > 1:  # the length of the nearest frequency that was learned
        frequencies = np.arange(n_fft // 2 + 1) * (sample_rate / n_fft)
        nearest = np.rint(frequencies * learned.n_fft / learned.sample_rate).astype(np.int64)
        scaled = scaled[np.minimum(nearest, len(scaled) - 1)]
    changed = (
        f"the parameters were learned at {learned.sample_rate:g} Hz, the recording has "
        f"{sample_rate:g} Hz: lengths are kept in seconds, n_fft {learned.n_fft} becomes {n_fft}"
    )
    hop, note = hop_length * scale, Note("learned_elsewhere", detail=changed)
    return Transferred(n_fft, np.minimum(scaled, n_fft), hop, place(samples, hop), (note,))


def local_value(
    problem: Problem, lengths: FloatArray, tiles: LengthMap | None, centers: FloatArray, n_fft: int
) -> float:
    """J of lengths `[1, 1]`, `[1, T]`, `[F, 1]` or of tiles, on those that a fit would have."""
    tiling, sound = tiling_of(problem, local_plan(problem)), Sound.of(problem)
    bands, times = tiling.centers, tiling.times(problem.length)
    if tiles is None:
        rows = np.log(lengths.astype(np.float64))
        if lengths.shape[1] > 1:
            rows = np.interp(times, centers, rows[0])[None]
        elif len(lengths) > 1:
            frequencies = np.arange(len(rows)) * (problem.sample_rate / n_fft)
            rows = np.interp(bands, frequencies, rows[:, 0])[:, None]
    else:
        same = (len(tiles.frequencies), len(tiles.times)) == (len(bands), len(times))
        rows = np.log(tiles.lengths.astype(np.float64) if same else tiles.at(bands, times))
    z = torch.from_numpy(np.array(np.broadcast_to(rows, (len(bands), len(times)))))
    logs, total, weight, start = np.log(tiling.lengths), 0.0, 0.0, 0
    for costs in costs_of(sound, tiling, reference_level(sound, tiling)):
        stop = start + costs.weight.shape[1]
        value, _ = spline_costs(costs.cost, logs)(z[:, start:stop].to(costs.cost))
        total += float((costs.weight * value).sum(dtype=torch.float64))
        weight += float(costs.weight.sum(dtype=torch.float64))
        start = stop
    return total / (weight or 1.0)
