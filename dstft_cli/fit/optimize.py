"""`optimize`: the global search and the descent, joined; the package's main function."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion, resolve
from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit.device import resolve_device
from dstft_cli.fit.evaluator import Evaluator, Progress
from dstft_cli.fit.plan import Plan, choose_n_fft, largest_auto_n_fft, make_plan
from dstft_cli.fit.stages import Stages, fixed_scores, search_lengths
from dstft_cli.names import DEFAULT_SMOOTHNESS, OPTIMIZERS, WINDOW_MODES
from dstft_cli.parameters import uniform_centers
from dstft_cli.result import Result
from dstft_cli.stft import Samples, Transform

Array = NDArray[np.float64]

_PROBE_SAMPLES = 1 << 22  # frames × n_fft that n_fft auto looks at per length
_BOUND_SHARE = 0.25  # of the energy in frames on one bound, above which a warning is due


def optimize(
    samples: Samples | NDArray[Any] | torch.Tensor,
    sample_rate: float,
    *,
    n_fft: int | None = None,
    win_length: float | None = None,
    win_length_min: float | None = None,
    win_length_max: float | None = None,
    hop_length: float | None = None,
    window: str = "hann",
    normalization: str = "energy",
    power: float = 2.0,
    window_mode: Literal["fixed", "constant", "time"] | str = "constant",
    smoothness: float = DEFAULT_SMOOTHNESS,
    overlap: float = 0.5,
    criterion: str | Criterion | Any = "entropy",
    order: float | None = None,
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
) -> Result:
    """Learns the window length, one for all frames or one per frame, that suits a signal best.

    Args:
        samples: signal, `[N]` or `[C, N]` (all channels share one set of parameters); an array, a
            tensor, or anything with `.shape` and `samples[:, a:b]`.
        sample_rate: Hz.
        n_fft: FFT size, samples; None: a power of two in whose range the optimum lies.
        win_length: start value, samples; None: n_fft / 2.
        win_length_min: samples; None: the larger of n_fft / 32 and hop_length / overlap.
        win_length_max: samples; None: n_fft.
        hop_length: distance of frame centres, samples, real; None: n_fft / 16.
        window: one of `names.WINDOWS`.
        normalization: `energy` (noise keeps its level), `amplitude` (a tone does) or `none`.
        power: the criterion sees |X| ** power; > 0.
        window_mode: `fixed`, `constant` (one length) or `time` (one per frame).
        smoothness: μ ≥ 0, the price in nats of one e-fold change of window length per n_fft of
            signal: the score is charged `μ·(n_fft/N)·Σ|ln θ_i − ln θ_{i+1}|`. `time` only.
        overlap: η in (0, 1]; window lengths stay above hop_length / η.
        criterion: one of `names.CRITERIA`, `module:object`, or an object (see `criteria.base`).
        order: of `renyi` (default 3) and `lp` (default 0.5).
        optimizer: `auto` (L-BFGS), `lbfgs`, `adam` or `sgd`.
        search: begin with the global search; False descends from `win_length`.
        lr: learning rate of `adam` and `sgd`, in e-folds of window length.
        max_steps: of the descent.
        tolerance: relative change of the score at which the descent has converged.
        device: `auto`, `cpu`, `cuda` or `mps`.
        dtype: `float32` or `float64`.
        threads: of the CPU; None: as many as torch uses.
        peak: largest absolute sample, if known.
        progress: called as `progress(stage, done, total)`.

    Returns:
        The learned parameters, never worse than the start or any single tabulated length.

    Raises:
        UsageError: an argument is out of range or contradicts another.
        InputError: the signal is too short or silent.
    """
    _check(window_mode, optimizer, smoothness, overlap, power)
    if isinstance(samples, (np.ndarray, torch.Tensor)) and samples.ndim == 1:
        samples = samples[None, :]
    length = int(samples.shape[-1])
    if length < 2:
        raise InputError(f"signal of {length} sample: at least 2 are needed for a window")
    peak = _peak(samples) if peak is None else peak
    if not peak > 0:
        raise InputError("every sample is zero: silence has no best window")
    problem = Problem(
        samples=samples,
        length=length,
        sample_rate=float(sample_rate),
        window=window,
        normalization=normalization,
        power=power,
        criterion=resolve(criterion, order),
        device=resolve_device(device, dtype),
        dtype=getattr(torch, dtype),
        threads=threads or torch.get_num_threads(),
        peak=peak,
        progress=progress,
    )
    fixed = window_mode == "fixed"

    def plan_for(size: int) -> Plan:
        return make_plan(
            size,
            fixed=fixed,
            overlap=overlap,
            hop_length=hop_length,
            win_length=win_length,
            win_length_min=win_length_min,
            win_length_max=win_length_max,
        )

    automatic = n_fft is None
    if n_fft is None:
        probe = Probe(problem, plan_for, smoothness)
        varying = window_mode == "time" and not problem.criterion.ranked
        n_fft = choose_n_fft(
            length,
            problem.sample_rate,
            at_least=max(
                win_length or 0.0, (win_length_min or 0.0) * 2, (hop_length or 0.0) / overlap * 2
            ),
            high=win_length_max,
            best_fixed=None if fixed else probe.best_fixed,
            score=probe.score if varying else None,
        )
    plan = plan_for(n_fft)
    centers = uniform_centers(length, plan.hop_length)
    evaluator = problem.evaluator(plan.n_fft, centers)
    stages = Stages(evaluator, plan, smoothness * plan.n_fft / length)
    if fixed:
        stages.start()
    else:
        stages.run(
            per_frame=window_mode == "time",
            search=search,
            optimizer="lbfgs" if optimizer == "auto" else optimizer,
            lr=lr,
            max_steps=max_steps,
            tolerance=tolerance,
        )
    final = stages.finish()
    warnings = _warnings(plan, final, overlap, fixed, automatic, length, stages.importance)
    return Result(
        sample_rate=problem.sample_rate,
        n_fft=plan.n_fft,
        start_window_length=np.array([[plan.start]]),
        window_length=final,
        hop_length=plan.hop_length,
        length_bounds=(plan.bounds.low, plan.bounds.high),
        frame_centers=centers,
        window=window,
        normalization=normalization,
        power=power,
        criterion=stages.summary(problem.criterion.name, problem.criterion.direction),
        trajectory=stages.trajectory(),
        stop_reason=stages.stop_reason,
        evaluations=evaluator.evaluations,
        seconds=stages.seconds,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True)
class Problem:
    """The signal and everything of the fit that does not depend on the FFT size."""

    samples: Samples
    length: int
    sample_rate: float
    window: str
    normalization: str
    power: float
    criterion: Criterion
    device: torch.device
    dtype: torch.dtype
    threads: int
    peak: float
    progress: Progress | None

    def evaluator(self, n_fft: int, centers: Array) -> Evaluator:
        """Evaluates the criterion at frames with these centres."""
        return Evaluator(
            self.samples,
            centers,
            Transform(n_fft, self.window, self.normalization),
            self.criterion,
            power=self.power,
            peak=self.peak,
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
            progress=self.progress,
        )


class Probe:
    """Searches on frames spread evenly over the signal, to choose an FFT size.

    Args:
        problem: the fit.
        plan_for: the plan for an n_fft.
        smoothness: μ.
    """

    def __init__(
        self, problem: Problem, plan_for: Callable[[int], Plan], smoothness: float
    ) -> None:
        self._problem = problem
        self._plan_for = plan_for
        self._smoothness = smoothness

    def best_fixed(self, n_fft: int) -> float:
        """The best single length of the table at this n_fft, samples."""
        lengths = self._plan_for(n_fft).tabulated_lengths()
        scores, _, _ = fixed_scores(self._evaluator(n_fft), lengths)
        return float(lengths[scores.argmin()])

    def score(self, n_fft: int) -> float:
        """The score, penalty included, of the best lengths per frame at this n_fft."""
        lengths = self._plan_for(n_fft).tabulated_lengths()
        penalty = self._smoothness * n_fft / self._problem.length
        evaluator = self._evaluator(n_fft)
        table = evaluator.table(lengths)
        return search_lengths(evaluator, table, lengths, penalty).score

    def _evaluator(self, n_fft: int) -> Evaluator:
        hop = self._plan_for(n_fft).hop_length
        frames = 1 + self._problem.length // hop
        stride = math.ceil(frames / max(_PROBE_SAMPLES // n_fft, 1))
        return self._problem.evaluator(n_fft, uniform_centers(self._problem.length, hop * stride))


def _check(
    window_mode: str, optimizer: str, smoothness: float, overlap: float, power: float
) -> None:
    if window_mode not in WINDOW_MODES:
        raise UsageError(f"window mode {window_mode!r} is unknown: use {', '.join(WINDOW_MODES)}")
    if optimizer not in OPTIMIZERS:
        raise UsageError(f"optimizer {optimizer!r} is unknown: use {', '.join(OPTIMIZERS)}")
    if not 0 <= smoothness < math.inf:
        raise UsageError(f"smoothness {smoothness:g}: 0 or above is allowed")
    if not 0 < overlap <= 1:
        raise UsageError(f"overlap {overlap:g}: above 0 and up to 1 is allowed")
    if not 0 < power < math.inf:
        raise UsageError(f"power {power:g}: above 0 is allowed")


def _peak(samples: Samples) -> float:
    """Largest absolute sample, a block at a time; InputError where a sample is not finite."""
    peak, block = 0.0, 1 << 20
    for start in range(0, samples.shape[-1], block):
        part = torch.as_tensor(samples[:, start : start + block])
        level = float(part.abs().max()) if part.numel() else 0.0
        if not math.isfinite(level):
            at = start + int((~torch.isfinite(part)).any(0).nonzero()[0])
            raise InputError(f"sample {at} is not finite: repair the signal")
        peak = max(peak, level)
    return peak


def _warnings(
    plan: Plan,
    lengths: Array,
    overlap: float,
    fixed: bool,
    automatic: bool,
    length: int,
    importance: Array,
) -> list[str]:
    """What a user should know about the learned lengths."""
    if fixed:
        if plan.hop_length > 0.9 * plan.start:
            return [
                f"hop length {plan.hop_length:g} samples leaves gaps between windows of "
                f"{plan.start:g}: lower --hop-length to recover the signal from the transform"
            ]
        return []
    warnings = []
    if overlap > 0.9:
        warnings.append(
            f"overlap {overlap:g} is above 0.9: the signal may not be recoverable from the "
            "transform; lower --overlap"
        )
    bounds = plan.bounds
    for side, limit, option, verb in (
        ("lower", bounds.low, bounds.low_option, "lower"),
        ("upper", bounds.high, bounds.high_option, "raise"),
    ):
        on_bound = np.isclose(lengths[0], limit, rtol=1e-6, atol=0)
        share = float(np.broadcast_to(on_bound, importance.shape) @ importance)
        if on_bound.all():
            who = "the learned window length"
        elif share > _BOUND_SHARE:
            who = f"the learned window length of frames with {share:.0%} of the energy"
        else:
            continue
        if option == "--n-fft" and automatic and plan.n_fft >= largest_auto_n_fft(length):
            verb = "n_fft auto stops at a quarter of the signal and at 65536, give a larger"
        elif option == "--n-fft" and lengths.size > 1:
            option = f"--n-fft and keep --hop-length {plan.hop_length:g} to allow longer ones"
        warnings.append(f"{who} is on its {side} bound, {limit:g} samples: {verb} {option}")
    return warnings
