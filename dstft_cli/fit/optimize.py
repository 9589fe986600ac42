"""`optimize`: the global search and the descent, joined; the package's main function."""

from __future__ import annotations

import math
import time
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion, QuasiConvex, resolve
from dstft_cli.errors import UsageError
from dstft_cli.fit.advice import advice
from dstft_cli.fit.anywhere import best_anywhere
from dstft_cli.fit.arguments import check_arguments, check_criterion
from dstft_cli.fit.band import Band, band_within
from dstft_cli.fit.device import resolve_device
from dstft_cli.fit.doubts import doubts
from dstft_cli.fit.method import Method
from dstft_cli.fit.n_fft import choose_n_fft, largest_auto_n_fft, least_n_fft, most_n_fft
from dstft_cli.fit.plan import MOST_FRAMES, Plan, default_hop_length, make_plan
from dstft_cli.fit.problem import PROBED_SAMPLES, Probe, Problem, as_channels, usable_peak
from dstft_cli.fit.stages import run_stages
from dstft_cli.fit.state import State
from dstft_cli.fit.stretches import Stretches, spread_stretches
from dstft_cli.fit.told import say_nothing
from dstft_cli.names import Progress, Report, counted, default_smoothness
from dstft_cli.records import Result
from dstft_cli.stft import Samples


def optimize(
    samples: Samples | NDArray[Any] | torch.Tensor,
    sample_rate: float,
    *,
    n_fft: int | None = None,
    win_length: float | None = None,
    win_length_min: float | None = None,
    win_length_max: float | None = None,
    hop_length: float | None = None,
    hop_length_min: float | None = None,
    hop_length_max: float | None = None,
    window: str = "hann",
    normalization: str = "energy",
    power: float = 2.0,
    window_mode: Literal["fixed", "constant", "time", "frequency", "time-frequency"]
    | str = "constant",
    hop_mode: Literal["fixed", "constant", "time"] | str = "fixed",
    smoothness: float | None = None,
    overlap: float = 0.5,
    criterion: str | Criterion | Any = "entropy",
    order: float | None = None,
    criterion_fmin: float | None = None,
    criterion_fmax: float | None = None,
    optimizer: str = "auto",
    search: bool = True,
    lr: float | None = None,
    max_steps: int = 200,
    tolerance: float = 1e-6,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int | None = None,
    peak: float | None = None,
    progress: Progress | None = None,
    report: Report = say_nothing,
) -> Result:
    """Learns the window lengths and the frame positions that suit a signal best.

    Args:
        samples: signal, `[N]` or `[C, N]` (all channels share one set of parameters); an array, a
            tensor, or anything with `.shape` and `samples[:, a:b]`.
        sample_rate: Hz.
        n_fft: FFT size, samples; None: a power of two in whose range the optimum lies.
        win_length: start value, samples; None: n_fft / 2.
        win_length_min: samples; None: the larger of n_fft / 32 and hop_length / overlap, and enough
            to reach the last sample.
        win_length_max: samples; None: n_fft.
        hop_length: distance of frame centres, samples, real; None: n_fft / 16, or overlap · n_fft / 4
            where that is less.
        hop_length_min, hop_length_max: range of learned hops, samples; None: half and twice of
            hop_length, as far as windows and overlap allow.
        window: one of `names.WINDOWS`.
        normalization: `energy` (noise keeps its level), `amplitude` (a tone does) or `none`.
        power: the criterion sees |X| ** power; > 0.
        window_mode: `fixed`, `constant` (one length), `time` (one per frame), `frequency` (one
            per band of bins, with smoothness 0 per bin) or `time-frequency` (one per patch of the
            plane, with smoothness 0 per cell, up to 2 million cells).
        hop_mode: `fixed`, `constant` (one hop, frames in the middle of the signal) or `time` (the
            centre of every frame).
        smoothness: μ ≥ 0, the price in nats of one e-fold change of window length per n_fft of
            signal, or per bin: the score is charged `μ·(n_fft/N)·Σ|ln θ_i − ln θ_{i+1}|` over
            frames, or `(μ/F)·Σ|ln θ_f − ln θ_{f+1}|` over bins, or both, each averaged over the
            other axis. None: 0.1 over time, 0.5 over frequency or both.
        overlap: η in (0, 1]; window lengths stay above hop_length / η, learned centres at most η
            mean window lengths apart.
        criterion: one of `names.CRITERIA`, `module:object`, or an object (see `criteria.base`).
        order: of `renyi` (default 3) and `lp` (default 0.5).
        criterion_fmin, criterion_fmax: band of frequencies that the criterion looks at, Hz, from 0 to half
            the sample rate; None: all. Lengths outside of it follow those within.
        optimizer: `auto` (L-BFGS; Adam where every centre moves; none for lengths that vary with
            frequency), `lbfgs`, `adam` or `sgd`.
        search: begin with the global search; False descends from `win_length`.
        lr: learning rate of `adam` and `sgd`, in e-folds of window length.
        max_steps: of the descent.
        tolerance: relative change of the score at which the descent has converged.
        device: `auto`, `cpu`, `cuda` or `mps`.
        dtype: `float32` or `float64`.
        threads: of the CPU; None: as many as torch uses.
        peak: largest absolute sample, if known.
        progress: called as `progress(stage, done, total)`.
        report: takes lines that tell what is done and why.

    Returns:
        The learned parameters, never worse than the start or any single tabulated length.

    Raises:
        UsageError: an argument is out of range or contradicts another.
        InputError: the signal is too short or silent.
    """
    check_arguments(
        window_mode=window_mode,
        hop_mode=hop_mode,
        optimizer=optimizer,
        dtype=dtype,
        power=power,
        sample_rate=sample_rate,
        tolerance=tolerance,
        lr=lr,
        overlap=overlap,
        hop_length=hop_length,
        hop_length_min=hop_length_min,
        hop_length_max=hop_length_max,
        threads=threads,
        smoothness=smoothness,
        max_steps=max_steps,
        n_fft=n_fft,
        win_length=win_length,
        win_length_min=win_length_min,
        win_length_max=win_length_max,
    )
    mu = default_smoothness(window_mode) if smoothness is None else smoothness
    samples = as_channels(samples)
    peak = usable_peak(samples, peak)
    length = int(samples.shape[-1])
    began = time.perf_counter()
    what = resolve(criterion, order)
    method = Method(
        window_mode=window_mode,
        hop_mode=hop_mode,
        smoothness=mu,
        search=search,
        optimizer=optimizer,
        lr=lr,
        max_steps=max_steps,
        tolerance=tolerance,
        exact_search=isinstance(what, QuasiConvex),
    )
    problem = Problem(
        method=method,
        samples=samples,
        length=length,
        sample_rate=float(sample_rate),
        window=window,
        normalization=normalization,
        power=power,
        criterion=what,
        band=band_within(criterion_fmin, criterion_fmax, float(sample_rate)),
        device=resolve_device(device, dtype),
        dtype=getattr(torch, dtype),
        threads=threads or torch.get_num_threads(),
        peak=peak,
        progress=progress,
    )
    check_criterion(problem.criterion, window_mode, hop_mode)
    plan_for = partial(
        make_plan,
        fixed=not method.learns_lengths,
        overlap=overlap,
        hop_length=hop_length,
        win_length=win_length,
        win_length_min=win_length_min,
        win_length_max=win_length_max,
        hop_mode=hop_mode,
        hop_length_min=hop_length_min,
        hop_length_max=hop_length_max,
        length=length,
    )
    options = {
        "--n-fft": n_fft,
        "--win-length": win_length,
        "--win-length-min": win_length_min,
        "--win-length-max": win_length_max,
        "--hop-length": hop_length,
        "--hop-length-max": hop_length_max,
    }
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
                win_length,
                win_length_min,
                win_length_max,
                hop_length,
                hop_length_max,
                overlap,
                needed_by_band,
            ),
            at_most=most_n_fft(win_length, win_length_min, hop_length, overlap)
            if method.learns_lengths
            else math.inf,
            high=win_length_max,
            best_anywhere=partial(best_anywhere, problem, overlap) if probe.comparable else None,
            best_fixed=probe.best_fixed if method.learns_lengths else None,
            score=probe.score if method.varying and probe.comparable else None,
            tells_apart=probe.tells_apart,
            report=report,
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
        report=report,
    )
    report(plan.told(len(start_centers)))
    if problem.band != Band():
        seen = problem.band.bins(plan.n_fft, problem.sample_rate)
        count = counted(seen.stop - seen.start, "bin")
        report(f"criterion: over {problem.band}, {count} of {plan.n_fft // 2 + 1}")
    fitted = run_stages(state)
    final, lengths = fitted.final, fitted.lengths
    warnings = advice(
        plan,
        method,
        final.row,
        state.importance,
        hops=np.diff(final.centers),
        last=float(lengths[:, -1].min()),
        length=length,
        overlap=overlap,
        featureless=state.featureless,
        others_differ=probe.structured,
        needed_by_band=needed_by_band,
        larger_is_worse=2 * plan.n_fft in probe.scored,
        given=[option for option, value in options.items() if value is not None],
    )
    return Result(
        sample_rate=problem.sample_rate,
        length=length,
        n_fft=plan.n_fft,
        start_window_length=np.array([[plan.start]]),
        window_length=lengths,
        hop_length=plan.hop_length,
        length_bounds=(plan.bounds.low, plan.bounds.high),
        frame_centers=final.centers,
        window=window,
        normalization=normalization,
        power=power,
        criterion=state.record.summary(problem.criterion, final, fitted.density),
        trajectory=state.record.trajectory(problem.criterion, fitted.density),
        stop_reason=state.stop_reason,
        evaluations=state.evaluator.evaluations,
        seconds=fitted.seconds,
        warnings=(*warnings, *doubts(state, fitted, problem)),
        hop_bounds=None if plan.hops is None else (plan.hops.low, plan.hops.high),
        start_centers=None if plan.hops is None else start_centers,
    )


def _check_frames(plan: Plan, length: int) -> None:
    """UsageError where the shortest hop makes more frames of the signal than memory holds."""
    densest = plan.hop_length if plan.hops is None else plan.hops.low
    if length / densest > MOST_FRAMES:
        option = "--hop-length" if plan.hops is None else "--hop-length and --hop-length-min"
        raise UsageError(
            f"hop length {densest:g} samples makes {length / densest:.3g} frames of "
            f"this signal, above {MOST_FRAMES}: raise {option}"
        )
