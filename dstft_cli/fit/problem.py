"""The signal and what of a fit does not depend on the FFT size; and the probe that chooses one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion, QuasiConvex
from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit.band import Band
from dstft_cli.fit.cells import CellEvaluator
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.frequency import FrequencyEvaluator
from dstft_cli.fit.method import Method
from dstft_cli.fit.patches import Patches, choose_patches
from dstft_cli.fit.plan import Plan
from dstft_cli.fit.stretches import Stretches
from dstft_cli.fit.tabulate import Table, fixed_scores, is_featureless, search_lengths
from dstft_cli.names import DEFAULT_SMOOTHNESS, DEFAULT_SMOOTHNESS_ALONG_FREQUENCY, Progress
from dstft_cli.stft import Samples, Transform

Array = NDArray[np.float64]

_MOST_CELLS = 1 << 21  # with a window length of their own, where change is free
_MOST_PATCHES = 1 << 20
_LOBE = 4  # width of the main lobe of a Hann window, in bins of its length
_SHORTEST_PATCH, _LONGEST_PATCH = 1 / 4, 4  # along time, in n_fft
PROBED_SAMPLES = 1 << 19  # of the signal that n_fft auto looks at
_PROBED_POINTS = 16 * PROBED_SAMPLES  # frames × n_fft per length, above which frames are left out


@dataclass(frozen=True)
class Problem:
    """The signal and everything of the fit that does not depend on the FFT size."""

    method: Method
    samples: Samples
    length: int
    sample_rate: float
    window: str
    normalization: str
    power: float
    criterion: Criterion
    band: Band
    device: torch.device
    dtype: torch.dtype
    threads: int
    peak: float
    progress: Progress | None

    def evaluator(
        self,
        n_fft: int,
        hop_length: float,
        shortest: float,
        centers: Array,
        weights: Array | None = None,
    ) -> Evaluator:
        """Evaluates the criterion at frames with these centres, which weigh 1 at this hop.

        Window lengths are `shortest` at least, samples. Where frames stand for part of the signal,
        `weights` `[T]` says what each of them weighs.
        """
        transform = Transform(n_fft, self.window, self.normalization)
        kind: Callable[..., Evaluator] = Evaluator
        band = self._band_bins(n_fft, shortest)
        if self.method.window_mode == "frequency":
            kind = partial(FrequencyEvaluator, band=band)
        elif self.method.window_mode == "time-frequency":
            plane = transform.bins, len(centers)
            kind = partial(CellEvaluator, patches=self._patches(plane, n_fft, hop_length, band))
        return kind(
            self.samples,
            centers,
            transform,
            self.criterion,
            power=self.power,
            bins=self.band.bins(n_fft, self.sample_rate),
            hop_length=hop_length,
            learned_positions=self.method.learns_positions,
            frame_weights=weights,
            peak=self.peak,
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
            progress=self.progress,
        )

    def _band_bins(self, n_fft: int, shortest: float) -> int:
        """Bins that share a length, where it varies with frequency: one where change is free.

        Windows keep the energy of what lies within a band as wide as their main lobe. Bins of their
        own would make a line vanish: short windows where it stands, long ones beside it.
        """
        if self.method.smoothness == 0:
            return 1
        bins = n_fft // 2 + 1
        return math.ceil(bins / max(int(bins * shortest / (_LOBE * n_fft)), 1))

    def _patches(self, plane: tuple[int, int], n_fft: int, hop_length: float, band: int) -> Patches:
        """Single cells where change is free; else stretches shorter than what a penalty joins."""
        longest = max(round(_LONGEST_PATCH * n_fft / hop_length), 1)
        if self.method.smoothness == 0:
            return choose_patches(plane, frames=1, longest=longest, most=_MOST_CELLS)
        frames = max(round(_SHORTEST_PATCH * n_fft / hop_length), 1)
        return choose_patches(plane, bins=band, frames=frames, longest=longest, most=_MOST_PATCHES)


class Probe:
    """Searches on stretches spread evenly over the signal, to choose an FFT size.

    Args:
        problem: the fit.
        plan_for: the plan for an n_fft.
        overlap: η of these plans.
        stretches: of the signal, which are looked at.

    Attributes:
        structured: whether single lengths differ at any n_fft that was looked at.
        scored: every n_fft that `score` was asked for.
    """

    def __init__(
        self,
        problem: Problem,
        plan_for: Callable[[int], Plan],
        overlap: float,
        stretches: Stretches,
    ) -> None:
        self._problem = problem
        method = problem.method
        if method.window_mode == "time-frequency":  # per frame is as telling, and far cheaper
            mu = method.smoothness * DEFAULT_SMOOTHNESS / DEFAULT_SMOOTHNESS_ALONG_FREQUENCY
            self._problem = replace(
                problem, method=replace(method, window_mode="time", smoothness=mu)
            )
        self._plan_for = plan_for
        self._overlap = overlap
        self._stretches = stretches
        self.structured = False
        self.scored: set[int] = set()
        self._tables: dict[int, tuple[Evaluator, Array, Table | None]] = {}

    def best_fixed(self, n_fft: int) -> float:
        """The best single length of the table at this n_fft, samples.

        Where all score alike it is at least n_fft / 4: chance is no reason to go to smaller sizes,
        while a faint tone in noise may show at larger ones.
        """
        lengths = self._plan_for(n_fft).tabulated_lengths()
        _, scores, _ = self._tabulate(n_fft)
        best = float(lengths[scores.argmin()])
        return best if self.tells_apart(n_fft) else max(best, n_fft / 4)

    def tells_apart(self, n_fft: int) -> bool:
        """Whether the single lengths of the table at this n_fft differ in score."""
        _, scores, _ = self._tabulate(n_fft)
        lengths = self._plan_for(n_fft).tabulated_lengths()
        differ = not (self._problem.criterion.in_nats and is_featureless(scores, lengths))
        differ &= bool(np.isfinite(scores).any())  # of silence there is none
        self.structured |= differ
        return differ

    @property
    def comparable(self) -> bool:
        """Whether scores at different n_fft and hops can be compared."""
        criterion = self._problem.criterion
        return criterion.per_frame or isinstance(criterion, QuasiConvex)

    def score(self, n_fft: int) -> float:
        """The score, penalty included, of the best lengths per row at this n_fft.

        A score that is the logarithm of a number of cells becomes that of the area which they would have
        in the whole signal, by `ln(Δt·Δf) = ln(N/(T·n_fft))`, so that finer grids are not mistaken for
        spread.
        """
        self.scored.add(n_fft)
        lengths = self._plan_for(n_fft).tabulated_lengths()
        evaluator, _, table = self._tabulate(n_fft)
        assert table is not None
        neighbours = evaluator.neighbours(self._problem.method.smoothness)
        score = search_lengths(evaluator, table, lengths, neighbours).score
        if self._problem.criterion.per_frame:  # a mean over frames counts no cells
            return score
        covered = self._problem.band.covered(n_fft, self._problem.sample_rate)
        return score + math.log(self._problem.length / (len(evaluator.frames) * n_fft * covered))

    def _tabulate(self, n_fft: int) -> tuple[Evaluator, Array, Table | None]:
        """Evaluator, scores of the tabulated lengths and moment table; the last n_fft is kept."""
        if n_fft not in self._tables:
            hop = self._hop(n_fft)
            centers = self._stretches.centers(hop)
            weights = self._stretches.weights(len(centers))
            plan = self._plan_for(n_fft)
            evaluator = self._problem.evaluator(n_fft, hop, plan.bounds.low, centers, weights)
            lengths = plan.tabulated_lengths()
            scores, _, table = fixed_scores(evaluator, lengths)
            self._tables = {n_fft: (evaluator, scores, table)}
        return self._tables[n_fft]

    def _hop(self, n_fft: int) -> float:
        """Hop of the frames that are looked at, samples.

        Where there are many, some are left out, but windows of the shortest length still overlap: what
        happens between frames is missed by short windows alone, which would speak for long ones.
        """
        plan = self._plan_for(n_fft)
        points = len(self._stretches.centers(plan.hop_length)) * n_fft
        widest = max(int(self._overlap * plan.bounds.low / plan.hop_length), 1)
        return plan.hop_length * min(math.ceil(points / _PROBED_POINTS), widest)


def check_length(samples: int) -> None:
    """InputError where a signal of so many samples is too short for any window."""
    if samples < 2:
        raise InputError(f"signal of {samples} sample: at least 2 are needed for a window")


def usable_peak(samples: Samples, known: float | None) -> float:
    """Largest absolute sample, looked for where it is not known.

    Raises:
        InputError: the signal is too short or silent, or a sample is not finite.
    """
    check_length(int(samples.shape[-1]))
    peak = peak_of(samples) if known is None else known
    if not peak > 0:
        raise InputError("every sample is zero: silence has no best window")
    return peak


def peak_of(samples: Samples) -> float:
    """Largest absolute sample, a block at a time; InputError where a sample is not finite."""
    peak, block = 0.0, 1 << 20
    for start in range(0, samples.shape[-1], block):
        part = np.asarray(samples[:, start : start + block], dtype=np.float64)
        level = float(np.abs(part).max()) if part.size else 0.0
        if not math.isfinite(level):
            at = start + int(np.flatnonzero(~np.isfinite(part).all(axis=0))[0])
            raise InputError(f"sample {at} is not finite: repair the signal")
        peak = max(peak, level)
    return peak


def as_channels(samples: Any) -> Samples:
    """`[C, N]`; UsageError for what is no real signal."""
    if isinstance(samples, (list, tuple)):
        samples = np.asarray(samples)
    if isinstance(samples, (np.ndarray, torch.Tensor)):
        real = not (
            samples.is_complex()
            if isinstance(samples, torch.Tensor)
            else samples.dtype.kind not in "fiu"
        )
        if not real or samples.ndim not in (1, 2):
            raise UsageError(
                f"signal of shape {tuple(samples.shape)} and dtype {samples.dtype}: real [N] or "
                "[C, N] is needed"
            )
        if samples.ndim == 1:
            samples = samples[None, :]
        if samples.shape[0] > samples.shape[1] > 1:
            raise UsageError(
                f"signal of {samples.shape[0]} channels and {samples.shape[1]} samples: [C, N] is "
                "needed, transpose [N, C]"
            )
    checked: Samples = samples
    return checked
