"""The signal and the request, with every default resolved."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion, QuasiConvex, resolve
from dstft_cli.criteria.local import check_local
from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit.cells import CellEvaluator, FrequencyEvaluator, Patches, choose_patches
from dstft_cli.fit.evaluator import Compute, Evaluator
from dstft_cli.fit.path import Neighbours
from dstft_cli.fit.plan import LENGTHS_PER_OCTAVE, Plan, make_plan
from dstft_cli.fit.request import Band, Request, band_within, check_criterion, resolve_device
from dstft_cli.records import Progress
from dstft_cli.stft import Samples, Transform

Array = NDArray[np.float64]

# Penalty on an e-fold change of window length per n_fft of time, or per bin, in nats of the score.
# With it lengths follow notes, syllables and partials, not single frames, bins or cells.
SMOOTHNESS, SMOOTHNESS_ALONG_FREQUENCY = 0.1, 0.5  # there are far more bins than partials
SMOOTHNESS_OF_TILES = 0.05  # under the local criterion, per longest window
SMOOTHNESS_OF_BANDS = 0.3  # likewise, per band: with less, lengths wander in noise
LARGEST = 1e150  # of a sample, whose square is finite
# neighbours are 3.5 % apart; entropies of recordings are 2e-4 nats below those with 10, 1e-4 above 40
_FINE_LENGTHS_PER_OCTAVE = 20
_MOST_CELLS = 1 << 21  # with a window length of their own, where change is free
_MOST_PATCHES = 1 << 20
_LOBE = 4  # width of the main lobe of a Hann window, in bins of its length
_SHORTEST_PATCH, _LONGEST_PATCH = 1 / 4, 4  # along time, in n_fft


@dataclass(frozen=True)
class Problem:
    """The part of a fit that does not depend on the FFT size."""

    request: Request  # what to learn, and how
    samples: Samples  # signal `[C, N]`
    peak: float  # largest absolute sample
    criterion: Criterion  # gives the score
    smoothness: float  # μ; over frequency where lengths vary with it
    smoothness_over_time: float  # μ over time where they vary with both
    band: Band  # of the criterion
    compute: Compute  # where and how

    @classmethod
    def of(
        cls,
        samples: Any,
        request: Request,
        peak: float | None,
        progress: Progress | None,
        *,
        silence: bool = False,
    ) -> Problem:
        """A signal, `[N]` or `[C, N]`, and a request; defaults that need no FFT size are resolved.

        Raises:
            UsageError: it is not a real signal, or two values contradict each other.
            InputError: the signal is too short, or silent unless `silence` is allowed.
        """
        if not request.learns_lengths:  # a range then has no effect
            request = replace(request, win_length_min=None, win_length_max=None)
        signal = as_channels(samples)
        level = usable_peak(signal, peak, silence=silence)
        criterion = resolve(request.criterion, request.order)
        smoothness = request.smoothness
        if request.scope == "local":
            check_local(criterion)
            if smoothness is None:
                of_bands = request.window_mode == "frequency"
                smoothness = SMOOTHNESS_OF_BANDS if of_bands else SMOOTHNESS_OF_TILES
        else:
            check_criterion(criterion, request.window_mode, request.hop_mode)
        over_time = SMOOTHNESS if smoothness is None else smoothness
        if smoothness is None:
            smoothness = SMOOTHNESS_ALONG_FREQUENCY if request.over_frequency else SMOOTHNESS
        return cls(
            request=request,
            samples=signal,
            peak=level,
            criterion=criterion,
            smoothness=smoothness,
            smoothness_over_time=over_time,
            band=band_within(
                request.criterion_fmin, request.criterion_fmax, float(request.sample_rate)
            ),
            compute=Compute(
                resolve_device(request.device, request.dtype),
                getattr(torch, request.dtype),
                request.threads or torch.get_num_threads(),
                progress,
            ),
        )

    @classmethod
    def unread(cls, request: Request, length: int) -> Problem:
        """For plans of a signal of so many samples that is not known."""
        return cls.of(np.broadcast_to(np.float32(0), (1, length)), request, 1.0, None)

    @property
    def length(self) -> int:
        return int(self.samples.shape[-1])

    @property
    def sample_rate(self) -> float:
        return float(self.request.sample_rate)

    @property
    def descends_lengths_first(self) -> bool:
        """Whether lengths descend while the frames stay.

        Where they do not vary with frequency, they move together with frames that move. Where they
        do, an evaluation costs an FFT for each length of each frame, and a search in a fine table
        finds better ones in less time: they descend only with a named optimizer.
        """
        asked = self.request
        if asked.window_mode == "time-frequency":
            return not asked.default_method
        if asked.window_mode == "frequency":
            return not self._searches_finely
        return asked.learns_lengths and not asked.learns_positions

    @property
    def lengths_per_octave(self) -> int:
        """Lengths per octave in the table, if memory allows."""
        return _FINE_LENGTHS_PER_OCTAVE if self._searches_finely else LENGTHS_PER_OCTAVE

    @property
    def _searches_finely(self) -> bool:
        exact = isinstance(self.criterion, QuasiConvex)
        return self.request.window_mode == "frequency" and self.request.default_method and exact

    def plan(self, n_fft: int) -> Plan:
        return make_plan(self.request, n_fft, self.length)

    def resolved(self, plan: Plan) -> dict[str, Any]:
        """The values of open parameters; None if without effect."""
        asked = self.request
        lengths = (plan.bounds.low, plan.bounds.high) if asked.learns_lengths else (None, None)
        hops = (None, None) if plan.hops is None else (plan.hops.low, plan.hops.high)
        one_axis = asked.window_mode in ("time", "frequency")
        return {
            "n_fft": plan.n_fft,
            "win_length": plan.start,
            "win_length_min": lengths[0],
            "win_length_max": lengths[1],
            "hop_length": plan.hop_length,
            "hop_length_min": hops[0],
            "hop_length_max": hops[1],
            # over both axes the default is two values
            "smoothness": self.smoothness if one_axis else asked.smoothness,
            "device": torch.device(self.compute.device).type,
            "threads": self.compute.threads,
        }

    def neighbours(self, evaluator: Evaluator) -> Neighbours:
        return evaluator.neighbours(self.smoothness, self.smoothness_over_time)

    def in_mode(self, window_mode: str) -> Problem:
        """The same with other rows of lengths; each axis keeps its penalty."""
        request = replace(self.request, window_mode=window_mode)
        mu = self.smoothness_over_time if window_mode == "time" else self.smoothness
        return replace(self, request=request, smoothness=mu)

    def evaluator(self, plan: Plan, centers: Array) -> Evaluator:
        """Evaluates the criterion at frames with these centres, which weigh 1 at the plan's hop."""
        n_fft, hop = plan.n_fft, plan.hop_length
        kind: Callable[..., Evaluator] = Evaluator
        band, plane = self._band_bins(n_fft, plan.bounds.low), (n_fft // 2 + 1, len(centers))
        if self.request.window_mode == "frequency":
            kind = partial(FrequencyEvaluator, patches=Patches(plane, band, len(centers)))
        elif self.request.window_mode == "time-frequency":
            kind = partial(CellEvaluator, patches=self._patches(plane, n_fft, hop, band))
        return kind(centers=centers, hop_length=hop, **self.evaluated(n_fft))

    def evaluated(self, n_fft: int) -> dict[str, Any]:
        """What every evaluator takes from a problem."""
        asked = self.request
        return {
            "samples": self.samples,
            "transform": Transform(n_fft, asked.window, asked.normalization),
            "criterion": self.criterion,
            "power": asked.power,
            "bins": self.band.bins(n_fft, self.sample_rate),
            "learned_positions": asked.learns_positions,
            "peak": self.peak,
            "compute": self.compute,
        }

    def _band_bins(self, n_fft: int, shortest: float) -> int:
        """Bins that share a length, where it varies with frequency: one where change is free.

        Windows keep the energy within a band as wide as their main lobe. With a length per bin a line would
        disappear: a short window in its bin, long ones beside it.
        """
        if self.smoothness == 0:
            return 1
        bins = n_fft // 2 + 1
        return math.ceil(bins / max(int(bins * shortest / (_LOBE * n_fft)), 1))

    def _patches(self, plane: tuple[int, int], n_fft: int, hop: float, band: int) -> Patches:
        """Single cells without a penalty; else patches smaller than regions joined by the penalty."""
        longest = max(round(_LONGEST_PATCH * n_fft / hop), 1)
        if self.smoothness == 0:
            return choose_patches(plane, frames=1, longest=longest, most=_MOST_CELLS)
        frames = max(round(_SHORTEST_PATCH * n_fft / hop), 1)
        return choose_patches(plane, bins=band, frames=frames, longest=longest, most=_MOST_PATCHES)


def check_length(samples: int) -> None:
    """Raises InputError if a signal is too short for any window."""
    if samples < 2:
        raise InputError(f"signal of {samples} sample: at least 2 are needed for a window")


def usable_peak(samples: Samples, known: float | None, *, silence: bool = False) -> float:
    """Largest absolute sample; InputError if the signal is too short, silent or not finite."""
    check_length(int(samples.shape[-1]))
    peak, block = known or 0.0, 1 << 20
    for start in range(0, samples.shape[-1] if known is None else 0, block):
        part = np.asarray(samples[:, start : start + block], dtype=np.float64)
        level = float(np.abs(part).max()) if part.size else 0.0
        if not math.isfinite(level):
            at = start + int(np.flatnonzero(~np.isfinite(part).all(axis=0))[0])
            raise InputError(f"sample {at} is not finite: repair the signal")
        peak = max(peak, level)
    if peak > LARGEST:
        raise InputError(f"samples reach {peak:.3g}: scale the signal down")
    if not (peak > 0 or silence):
        raise InputError("every sample is zero: silence has no best window, choose another part")
    return peak


def as_channels(samples: Any) -> Samples:
    """`[C, N]`; UsageError if it is not a real signal."""
    if isinstance(samples, (list, tuple)):
        samples = np.asarray(samples)
    if isinstance(samples, torch.Tensor):
        samples = samples.detach()
        if samples.dtype == torch.bfloat16:  # NumPy has none
            samples = samples.float()
    if not hasattr(samples, "shape"):
        raise UsageError(f"samples are a {type(samples).__name__}: give an array or a tensor")
    if isinstance(samples, (np.ndarray, torch.Tensor)):
        unreal = isinstance(samples, torch.Tensor) and samples.is_complex()
        unreal |= isinstance(samples, np.ndarray) and samples.dtype.kind not in "fiu"
        if unreal or samples.ndim not in (1, 2):
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
