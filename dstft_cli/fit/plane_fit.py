"""A fit under the criterion of the whole plane: FFT size, search and descent, and the result."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from dstft_cli.criteria import Ratio
from dstft_cli.fit.band import Band
from dstft_cli.fit.n_fft import choose_n_fft
from dstft_cli.fit.notes import Outcome, notes
from dstft_cli.fit.plan import Plan
from dstft_cli.fit.problem import Problem
from dstft_cli.fit.stages import Task, run_stages
from dstft_cli.records import Result

_log = logging.getLogger("dstft_cli")


def fit_plane(problem: Problem, began: float) -> Result:
    """`fit` under the criterion of the whole plane."""
    request = problem.request
    choice = choose_n_fft(problem)
    plan = problem.plan(choice.n_fft)
    _log_plan(problem, plan)
    end, seconds = run_stages(Task(problem, plan), began)
    evaluator, best, hops = end.evaluator, end.best, plan.hops
    # frames of the best per frame of the start, in equal time
    density = evaluator.cells_per_frame * len(evaluator.centers) / evaluator.cells
    lengths = evaluator.arrange(best.row)
    if (
        request.window_mode == "time-frequency"
    ):  # its answer may be that of a mode with fewer lengths
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
        others_differ=choice.structured,
        larger_is_worse=choice.larger_is_worse,
        band=choice.needed_by_band,
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


def _log_plan(problem: Problem, plan: Plan) -> None:
    low, high = plan.bounds.low, plan.bounds.high
    text = "plan: n_fft %d, hop %g, windows of %g to %g samples, %g at the start"
    _log.info(text, plan.n_fft, plan.hop_length, low, high, plan.start)
    if plan.hops is not None:
        _log.info("plan: hops of %g to %g samples", plan.hops.low, plan.hops.high)
    if problem.band != Band():
        bins = problem.band.bins(plan.n_fft, problem.sample_rate)
        _log.info("criterion: over %s, %d bins", problem.band, bins.stop - bins.start)
