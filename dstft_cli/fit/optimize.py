"""`fit`: the global search and the descent, joined; the package's main function."""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Ratio
from dstft_cli.fit.local_descent import MOST_SHOWN
from dstft_cli.fit.local_modes import Learned, LocalTask, Record, learn_rows, learn_tiles
from dstft_cli.fit.local_search import reference_level
from dstft_cli.fit.n_fft import choose_n_fft, local_plan, needed_by_band, tiling_of
from dstft_cli.fit.notes import Outcome, notes
from dstft_cli.fit.objective import hops_of
from dstft_cli.fit.plan import REACH, Plan
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.request import Band, Request, check_criterion
from dstft_cli.fit.stages import Task, run_stages
from dstft_cli.fit.table import is_featureless
from dstft_cli.fit.tiles import Sound
from dstft_cli.fit.transfer import unlearned
from dstft_cli.records import CriterionSummary, LengthMap, Note, Progress, Result, Trajectory
from dstft_cli.stft import Samples

_log = logging.getLogger("dstft_cli")
Array = NDArray[np.float64]

STEPS_PER_OCTAVE = 2  # of cells: with one the eye sees edges; four take twice the time of two
_STEPS_OF_BINS = 8  # per octave, of lengths that vary with frequency alone
_STEPS_OF_TILES = 32  # likewise, of the lengths of tiles: to 1 %, so that they compress to a third


def fit(
    samples: Samples | NDArray[Any] | torch.Tensor,
    request: Request,
    *,
    peak: float | None = None,
    silence: bool = False,
    progress: Progress | None = None,
) -> Result:
    """The best window lengths and frame positions for a signal.

    Args:
        samples: signal, `[N]` or `[C, N]` (all channels share one set of parameters); an array, a
            tensor, or anything with `.shape` and `samples[:, a:b]`.
        request: what to learn, and how.
        peak: largest absolute sample, if known.
        silence: whether a silent signal gives the transform at the start; it always does where
            nothing is learned.
        progress: called as `progress(stage, done, total)`.

    Returns:
        The learned parameters, never worse than the start or any single tabulated length.

    Raises:
        UsageError: two values contradict each other, or one does not suit the signal.
        InputError: the signal is too short, or silent.
    """
    began = time.perf_counter()
    plain = not (request.learns_lengths or request.learns_positions)
    problem = Problem.of(samples, request, peak, progress, silence=silence or plain)
    if problem.peak == 0:
        return unlearned(problem)
    if request.scope == "local":
        return fit_local(problem, began)
    return fit_plane(problem, began)


def fit_plane(problem: Problem, began: float) -> Result:
    """`fit` under the criterion of the whole plane."""
    request = problem.request
    plan = problem.plan(choose_n_fft(problem))
    hops, low, high = plan.hops, plan.bounds.low, plan.bounds.high
    text = "plan: n_fft %d, hop %g, windows of %g to %g samples, %g at the start"
    _log.info(text, plan.n_fft, plan.hop_length, low, high, plan.start)
    if hops is not None:
        _log.info("plan: hops of %g to %g samples", hops.low, hops.high)
    if problem.band != Band():
        bins = problem.band.bins(plan.n_fft, problem.sample_rate)
        _log.info("criterion: over %s, %d bins", problem.band, bins.stop - bins.start)
    end, seconds = run_stages(Task(problem, plan), began)
    evaluator, best = end.evaluator, end.best
    # frames of the best per frame of the start, in equal time
    density = evaluator.cells_per_frame * len(evaluator.centers) / evaluator.cells
    lengths = evaluator.arrange(best.row)
    if request.window_mode == "time-frequency":  # the answer may be that of a simpler mode
        lengths = np.broadcast_to(lengths, (plan.n_fft // 2 + 1, len(evaluator.centers))).copy()
    in_band = isinstance(problem.criterion, Ratio) and problem.band != Band()
    outcome = Outcome(
        request=request,
        plan=plan,
        row=best.row,
        importance=end.importance,
        hops=np.diff(best.centers),
        last=float(lengths[:, -1].min()),
        length=problem.length,
        featureless=end.featureless,
        band=needed_by_band(problem),
        rewards_spread=problem.criterion.name if in_band else "",
        stop_reason=end.stop_reason,
        stuck=end.stuck,
    )
    return result_of(
        problem,
        plan,
        lengths=lengths,
        frame_centers=best.centers,
        criterion=end.summary(problem.criterion, density),
        trajectory=end.trajectory(problem.criterion, density, began, plan.hop_length),
        stop_reason=end.stop_reason,
        evaluations=evaluator.evaluations,
        seconds=seconds,
        notes=tuple(notes(outcome)),
        hop_bounds=None if hops is None else (hops.low, hops.high),
        start_centers=None if hops is None else end.start.centers,
        resolved=problem.resolved(plan),
    )


def result_of(problem: Problem, plan: Plan, **found: Any) -> Result:
    """The result of a fit, from what was asked for, the plan, and what was found."""
    asked = problem.request
    return Result(
        sample_rate=problem.sample_rate,
        length=problem.length,
        n_fft=plan.n_fft,
        start_window_length=np.array([[plan.start]]),
        hop_length=plan.hop_length,
        length_bounds=(plan.bounds.low, plan.bounds.high),
        window=asked.window,
        normalization=asked.normalization,
        power=asked.power,
        scope=asked.scope,
        **found,
    )


def fit_local(problem: Problem, began: float) -> Result:
    """`fit` under the local criterion."""
    plan, asked = local_plan(problem), problem.request
    tiling, sound = tiling_of(problem, plan), Sound.of(problem)
    task = LocalTask(problem, plan, tiling, sound, reference_level(sound, tiling))
    text = "plan: n_fft %d, hop %g, windows of %g to %g samples, %d bands, tiles every %d samples"
    low, high = plan.bounds.low, plan.bounds.high
    _log.info(text, plan.n_fft, plan.hop_length, low, high, len(tiling.centers), tiling.step)
    record = Record(evaluations=1)
    learned = (learn_tiles if asked.window_mode == "time-frequency" else learn_rows)(task, record)
    return local_result(task, learned, record, began)


def local_result(
    task: LocalTask,
    learned: Learned,
    record: Record,
    began: float,
    moved: Positioned | None = None,
) -> Result:
    """The result of what was learned under the local criterion, and learned positions with it.

    Positions are learned here unless they are given.
    """
    problem, plan, tiling, asked = task.problem, task.plan, task.tiling, task.problem.request
    _log.info("local criterion: J %.5g, at the start %.5g", learned.value, learned.start)
    best = int(learned.constant.argmin())
    fixed, value = float(tiling.lengths[best]), float(learned.constant[best])
    remedy = "" if moved else "scope"
    if asked.learns_positions and moved is None:
        moved = _positions(task, fixed)
    centers = plan.start_centers(problem.length, "fixed") if moved is None else moved.frame_centers
    lengths, length_map = lengths_of(task, learned.logs, centers)
    trajectory = _trajectory(task, record, centers, began, moved is not None)
    found = _notes(task, learned, lengths)
    if moved is not None:
        record.evaluations += moved.evaluations
        found = [note for note in found if not note.kind.startswith("hop_")]  # not moved here
        found.insert(0, Note("positions_by_plane", remedy))
        found += [note for note in moved.notes if note.kind.startswith(("hop_", "non_finite"))]
    seconds, resolved = time.perf_counter() - learned.searched, problem.resolved(plan)
    if asked.window_mode not in ("time", "frequency"):
        resolved["smoothness"] = None
    name, start, final = problem.criterion.name, learned.start, learned.value
    return result_of(
        problem,
        plan,
        lengths=lengths,
        frame_centers=centers,
        criterion=CriterionSummary(name, "minimize", start, fixed, value, final, learned.bound),
        trajectory=trajectory,
        stop_reason=learned.stop_reason,
        evaluations=record.evaluations,
        seconds={"search": learned.searched - began, "descent": seconds},
        notes=tuple(found),
        hop_bounds=None if moved is None else moved.hop_bounds,
        start_centers=None if moved is None else moved.start_centers,
        resolved=resolved,
        length_map=length_map,
    )


@dataclass(frozen=True)
class Positioned:
    """Learned positions of frames."""

    frame_centers: NDArray[np.floating]  # samples, `[T]`
    start_centers: NDArray[np.floating] | None
    hop_bounds: tuple[float, float] | None
    notes: tuple[Note, ...]
    evaluations: int


def _positions(task: LocalTask, best: float) -> Positioned:
    """Frame positions under the best single window, by the criterion of the whole plane.

    Tiles stand still while frames move, so the local criterion does not tell where frames belong.
    """
    asked, plan = task.problem.request, task.plan
    held = under_one_window(asked, plan, best if asked.learns_lengths else plan.start)
    check_criterion(task.problem.criterion, held.window_mode, held.hop_mode)
    found = fit_plane(replace(task.problem, request=held), time.perf_counter())
    start, bounds = found.start_frame_centers, found.hop_bounds
    return Positioned(found.frame_centers, start, bounds, found.notes, found.evaluations)


def under_one_window(asked: Request, plan: Plan, length: float) -> Request:
    """The request for positions alone, under a window of this length, samples."""
    return replace(
        asked,
        scope="plane",
        window_mode="fixed",
        n_fft=plan.n_fft,
        hop_length=plan.hop_length,
        win_length=length,
        win_length_min=None,
        win_length_max=None,
    )


def lengths_of(
    task: LocalTask, logs: NDArray[np.floating], centers: NDArray[Any]
) -> tuple[NDArray[np.floating], LengthMap | None]:
    """Window lengths as a result holds them, within the range, and the map of tiles if that is it."""
    plan, tiling, mode = task.plan, task.tiling, task.problem.request.window_mode
    low, high = plan.bounds.low, plan.bounds.high
    if plan.hops is not None:  # windows of learned positions overlap as asked
        low = min(max(low, float(plan.hops.covering(centers).max())), high)
    # the last frames must reach the last sample
    needed = (task.problem.length - 1 - float(centers[-1])) / REACH
    if mode == "time-frequency":
        times, length = tiling.times(task.problem.length), logs.astype(np.float32, copy=False)
        start, per = math.log(plan.start), _STEPS_OF_TILES / math.log(2)
        for band in length:  # one by one: of an hour, all are a third of a gigabyte
            band[:] = np.exp(np.rint((band - start) * per) / per + start)
        last = times > centers[-1] - 2 * tiling.step
        length[:, last] = np.maximum(length[:, last], min(needed, high))
        np.clip(length, low, high, out=length)
        return length, LengthMap(tiling.centers, times, length, STEPS_PER_OCTAVE)
    if mode == "fixed":
        return np.array([[plan.start]]), None
    z = _of_frames_or_bins(task, logs.astype(np.float64), centers)
    if mode == "time":
        lengths = np.exp(z).clip(low, high)
        lengths[0, -1] = max(lengths[0, -1], min(needed, high))
        return lengths, None
    if mode == "frequency":
        width = math.log(2) / _STEPS_OF_BINS
        z = np.rint((z - math.log(low)) / width) * width + math.log(low)
    return np.exp(z).clip(max(low, min(needed, high)), high), None


def _of_frames_or_bins(
    task: LocalTask, logs: NDArray[np.floating], centers: NDArray[Any]
) -> NDArray[np.floating]:
    """ln θ of rows `[R]` in the shape of a parameter: `[1, T]`, `[F, 1]` or `[1, 1]`."""
    plan, mode = task.plan, task.problem.request.window_mode
    if mode == "time":
        logs = np.interp(centers, task.tiling.times(task.problem.length), logs)
        return logs[None, :]
    if mode == "frequency":
        bins = np.arange(plan.n_fft // 2 + 1) * (task.problem.sample_rate / plan.n_fft)
        logs = np.interp(bins, task.tiling.centers, logs)
    return logs[:, None]


def _trajectory(
    task: LocalTask, record: Record, centers: NDArray[Any], began: float, moved: bool
) -> Trajectory:
    """All steps, and learned positions as the last; lengths of frames as far as memory allows."""
    steps, mode = record.steps, task.problem.request.window_mode
    whole = len(steps) * len(centers) <= MOST_SHOWN
    hops: list[NDArray[Any]] = [np.array([task.plan.hop_length])] * len(steps)
    if moved:
        last = hops_of(centers)
        hops.append(last if len(last) else hops[0])
        steps = [*steps, replace(steps[-1], phase="descent")]

    def shown(logs: NDArray[Any]) -> NDArray[np.float32]:
        if logs.size == 1 or (mode == "time" and not whole):
            logs = logs.mean().reshape(1, 1)
        elif logs.ndim == 1:
            logs = _of_frames_or_bins(task, logs, centers)
        return np.asarray(np.exp(logs).astype(np.float32))

    return Trajectory(
        phase=tuple(step.phase for step in steps),
        seconds=np.array([step.moment - began for step in steps]),
        evaluations=np.full(len(steps), record.evaluations, dtype=np.int64),
        criterion=np.array([step.value for step in steps]),
        window_lengths=tuple(shown(step.logs) for step in steps),
        hop_lengths=tuple(hops),
    )


_OF_RANGE = ("length_on_lower_bound", "length_on_upper_bound")


def _notes(task: LocalTask, learned: Learned, lengths: NDArray[np.floating]) -> list[Note]:
    """What is worth saying; the default range of tiles is that of hearing, and wider ones help no one."""
    asked = task.problem.request
    outcome = Outcome(
        request=asked,
        plan=task.plan,
        row=learned.row,
        importance=learned.importance,
        hops=np.full(1, task.plan.hop_length),
        last=float(lengths[:, -1].max()),
        length=task.problem.length,
        featureless=is_featureless(learned.constant, task.tiling.lengths),
        stop_reason=learned.stop_reason,
    )
    given = asked.win_length_min, asked.win_length_max
    silent = {"quiet_frames_rewarded"}  # a tile's score does not depend on its level
    if asked.window_mode == "time-frequency":
        silent |= {kind for kind, value in zip(_OF_RANGE, given, strict=True) if value is None}
    return [note for note in notes(outcome) if note.kind not in silent]
