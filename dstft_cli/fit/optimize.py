"""`fit`: the global search and the descent, joined; the package's main function."""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import QuasiConvex, Ratio, resolve
from dstft_cli.errors import UsageError
from dstft_cli.fit.anywhere import best_anywhere
from dstft_cli.fit.band import Band, band_within
from dstft_cli.fit.method import Method
from dstft_cli.fit.n_fft import choose_n_fft, largest_auto_n_fft, least_n_fft, most_n_fft
from dstft_cli.fit.notes import Outcome, notes
from dstft_cli.fit.plan import MOST_FRAMES, Plan, default_hop_length, make_plan
from dstft_cli.fit.problem import PROBED_SAMPLES, Probe, Problem, as_channels, usable_peak
from dstft_cli.fit.request import Request, check_criterion, resolve_device
from dstft_cli.fit.stages import run_stages
from dstft_cli.fit.state import State
from dstft_cli.fit.stretches import Stretches, spread_stretches
from dstft_cli.names import Progress, counted, default_smoothness
from dstft_cli.records import Result
from dstft_cli.stft import Samples

_log = logging.getLogger("dstft_cli")
_LENGTHS = (
    "n_fft",
    "hop_length",
    "hop_length_max",
    "win_length",
    "win_length_min",
    "win_length_max",
)


def fit(
    samples: Samples | NDArray[Any] | torch.Tensor,
    request: Request,
    *,
    peak: float | None = None,
    progress: Progress | None = None,
) -> Result:
    """The window lengths and the frame positions that suit a signal best.

    Args:
        samples: signal, `[N]` or `[C, N]` (all channels share one set of parameters); an array, a
            tensor, or anything with `.shape` and `samples[:, a:b]`.
        request: what to learn, and how.
        peak: largest absolute sample, if known.
        progress: called as `progress(stage, done, total)`.

    Returns:
        The learned parameters, never worse than the start or any single tabulated length.

    Raises:
        UsageError: two values contradict each other, or one does not suit the signal.
        InputError: the signal is too short or silent.
    """
    began = time.perf_counter()
    window_mode, hop_mode, overlap = request.window_mode, request.hop_mode, request.overlap
    n_fft, hop_length = request.n_fft, request.hop_length
    fixed = window_mode == "fixed"
    win_length_min = None if fixed else request.win_length_min
    win_length_max = None if fixed else request.win_length_max
    mu = default_smoothness(window_mode) if request.smoothness is None else request.smoothness
    samples = as_channels(samples)
    peak = usable_peak(samples, peak)
    length = int(samples.shape[-1])
    what = resolve(request.criterion, request.order)
    method = Method(
        window_mode=window_mode,
        hop_mode=hop_mode,
        smoothness=mu,
        search=request.search,
        optimizer=request.optimizer,
        lr=request.lr,
        max_steps=request.max_steps,
        tolerance=request.tolerance,
        exact_search=isinstance(what, QuasiConvex),
    )
    rate = float(request.sample_rate)
    problem = Problem(
        method=method,
        samples=samples,
        length=length,
        sample_rate=rate,
        window=request.window,
        normalization=request.normalization,
        power=request.power,
        criterion=what,
        band=band_within(request.criterion_fmin, request.criterion_fmax, rate),
        device=resolve_device(request.device, request.dtype),
        dtype=getattr(torch, request.dtype),
        threads=request.threads or torch.get_num_threads(),
        peak=peak,
        progress=progress,
    )
    check_criterion(problem.criterion, window_mode, hop_mode)
    plan_for = partial(
        make_plan,
        fixed=fixed,
        overlap=overlap,
        hop_length=hop_length,
        win_length=request.win_length,
        win_length_min=win_length_min,
        win_length_max=win_length_max,
        hop_mode=hop_mode,
        hop_length_min=request.hop_length_min,
        hop_length_max=request.hop_length_max,
        length=length,
    )
    stretches = Stretches(length)
    if n_fft is None:
        widest = default_hop_length(largest_auto_n_fft(length), overlap, win_length_min)
        stretches = spread_stretches(
            samples, PROBED_SAMPLES, longest_hop=hop_length or widest, peak=peak
        )
    probe = Probe(problem, plan_for, overlap, stretches)
    needed_by_band = 0.0
    if n_fft is None and problem.band != Band():
        needed_by_band = problem.band.least_n_fft(problem.sample_rate)
    if n_fft is None:
        n_fft = choose_n_fft(
            length,
            problem.sample_rate,
            at_least=least_n_fft(
                request.win_length,
                win_length_min,
                win_length_max,
                hop_length,
                request.hop_length_max,
                overlap,
                needed_by_band,
            ),
            at_most=most_n_fft(request.win_length, win_length_min, hop_length, overlap)
            if method.learns_lengths
            else math.inf,
            high=win_length_max,
            best_anywhere=partial(best_anywhere, problem, overlap) if probe.comparable else None,
            best_fixed=probe.best_fixed if method.learns_lengths else None,
            score=probe.score if method.varying and probe.comparable else None,
            tells_apart=probe.tells_apart,
        )
    plan = plan_for(int(n_fft))
    _check_frames(plan, length)
    start_centers = plan.start_centers(length, hop_mode)
    state = State(
        partial(problem.evaluator, plan.n_fft, plan.hop_length, plan.bounds.low),
        start_centers,
        plan,
        method,
        began=began,
    )
    _log.info(plan.told(len(start_centers)))
    if problem.band != Band():
        seen = problem.band.bins(plan.n_fft, problem.sample_rate)
        count = counted(seen.stop - seen.start, "bin")
        _log.info("criterion: over %s, %s of %d", problem.band, count, plan.n_fft // 2 + 1)
    fitted = run_stages(state)
    final, lengths = fitted.final, fitted.lengths
    in_band = isinstance(what, Ratio) and problem.band != Band()
    outcome = Outcome(
        plan=plan,
        method=method,
        row=final.row,
        importance=state.importance,
        hops=np.diff(final.centers),
        last=float(lengths[:, -1].min()),
        length=length,
        overlap=overlap,
        given=[name for name in _LENGTHS if getattr(request, name) is not None],
        featureless=state.featureless,
        others_differ=probe.structured,
        larger_is_worse=2 * plan.n_fft in probe.scored,
        band=needed_by_band,
        normalization=request.normalization,
        rewards_spread=what.name if in_band else "",
        stop_reason=state.stop_reason,
        stuck=fitted.stuck,
    )
    hops = (None, None) if plan.hops is None else (plan.hops.low, plan.hops.high)
    low, high = (None, None) if fixed else (plan.bounds.low, plan.bounds.high)
    return Result(
        sample_rate=problem.sample_rate,
        length=length,
        n_fft=plan.n_fft,
        start_window_length=np.array([[plan.start]]),
        window_length=lengths,
        hop_length=plan.hop_length,
        length_bounds=(plan.bounds.low, plan.bounds.high),
        frame_centers=final.centers,
        window=request.window,
        normalization=request.normalization,
        power=request.power,
        criterion=state.record.summary(problem.criterion, final, fitted.density),
        trajectory=state.record.trajectory(problem.criterion, fitted.density),
        stop_reason=state.stop_reason,
        evaluations=state.evaluator.evaluations,
        seconds=fitted.seconds,
        notes=tuple(notes(outcome)),
        hop_bounds=None if plan.hops is None else (plan.hops.low, plan.hops.high),
        start_centers=None if plan.hops is None else start_centers,
        resolved={
            "n_fft": plan.n_fft,
            "win_length": plan.start,
            "win_length_min": low,
            "win_length_max": high,
            "hop_length": plan.hop_length,
            "hop_length_min": hops[0],
            "hop_length_max": hops[1],
            "smoothness": mu if method.varying else request.smoothness,
            "device": problem.device.type,
            "threads": problem.threads,
        },
    )


def optimize(
    samples: Samples | NDArray[Any] | torch.Tensor,
    sample_rate: float,
    *,
    peak: float | None = None,
    progress: Progress | None = None,
    **values: Any,
) -> Result:
    """`fit` with defaults: `values` are those of `Request`, lengths in samples.

    It stands in until the public function reads its defaults from the settings.
    """
    unknown = set(values) - set(_DEFAULTS)
    if unknown:
        raise TypeError(f"optimize() got an unexpected keyword argument {min(unknown)!r}")
    request = Request(sample_rate=sample_rate, **{**_DEFAULTS, **values})
    return fit(samples, request, peak=peak, progress=progress)


_DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(("n_fft", "win_length", "win_length_min", "win_length_max")),
    **dict.fromkeys(("hop_length", "hop_length_min", "hop_length_max", "smoothness", "order")),
    **dict.fromkeys(("criterion_fmin", "criterion_fmax", "lr", "threads")),
    "window": "hann",
    "normalization": "energy",
    "power": 2.0,
    "window_mode": "constant",
    "hop_mode": "fixed",
    "overlap": 0.5,
    "criterion": "entropy",
    "optimizer": "auto",
    "search": True,
    "max_steps": 200,
    "tolerance": 1e-6,
    "device": "cpu",
    "dtype": "float32",
}


def _check_frames(plan: Plan, length: int) -> None:
    """UsageError where the shortest hop makes more frames of the signal than memory holds."""
    densest = plan.hop_length if plan.hops is None else plan.hops.low
    if length / densest > MOST_FRAMES:
        names = "`hop_length`" if plan.hops is None else "`hop_length` and `hop_length_min`"
        raise UsageError(
            f"hop length {densest:g} samples makes {length / densest:.3g} frames of "
            f"this signal, above {MOST_FRAMES}: raise {names}"
        )
