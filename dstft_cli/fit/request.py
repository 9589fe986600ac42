"""The request of a fit, with checks of its ranges; and the device."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from dstft_cli.criteria import Criterion
from dstft_cli.errors import UsageError
from dstft_cli.records import HOP_MODES, OPTIMIZERS, WINDOW_MODES

_LEAST_BINS = 4  # in a band, where the FFT size is free
DTYPES = ("float32", "float64")
SCOPES = ("local", "plane")
_ABOVE_ZERO = ("power", "sample_rate", "tolerance", "lr", "threads")
LENGTHS = tuple(f"{of}_length{end}" for of in ("win", "hop") for end in ("", "_min", "_max"))


@dataclass(frozen=True)
class Band:
    """Frequencies from `low` to `high`, Hz, both ends included; by default all."""

    low: float = 0.0
    high: float = math.inf

    def bins(self, n_fft: int, sample_rate: float) -> slice:
        """The bins within the band; UsageError if there are none."""
        spacing = sample_rate / n_fft
        first = math.ceil(self.low / spacing - 1e-9)
        last = math.floor(min(self.high / spacing, n_fft // 2) + 1e-9)
        if first > last:
            raise UsageError(
                f"the criterion's band, {self}, holds none of the bins of n_fft {n_fft}, "
                f"{spacing:g} Hz apart: "
                "raise `n_fft`, or change `criterion_fmin` or `criterion_fmax`"
            )
        return slice(first, last + 1)

    def covered(self, n_fft: int, sample_rate: float) -> float:
        """Ratio of the band covered by its bins, above or below 1; the first and last count half."""
        if self == Band():
            return 1.0
        bins = self.bins(n_fft, sample_rate)
        count: int = bins.stop - bins.start
        width = min(self.high, sample_rate / 2) - self.low
        return (count - (count > 1)) * sample_rate / n_fft / width

    def least_n_fft(self, sample_rate: float) -> float:
        """The smallest FFT size with a few bins in the band, samples.

        Half of it is the shortest useful window: a shorter one shows no more within the band.
        """
        width = min(self.high, sample_rate / 2) - self.low
        return _LEAST_BINS * sample_rate / width

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} Hz"


def band_within(low: float | None, high: float | None, sample_rate: float) -> Band:
    """The band of the criterion in a recording; UsageError where it does not lie in it."""
    if not low and high is None:
        return Band()
    top = sample_rate / 2
    for option, value in (("criterion_fmin", low), ("criterion_fmax", high)):
        if value is not None and not 0 <= value <= top * (1 + 1e-9):
            raise UsageError(
                f"`{option}` {value:g} Hz lies outside 0 to {top:g} Hz, half the sample rate: change it"
            )
    band = Band(low or 0.0, top if high is None else high)
    if band.low >= band.high:
        raise UsageError(
            f"`criterion_fmin` {band.low:g} Hz is not below {band.high:g} Hz: "
            "lower `criterion_fmin` or raise `criterion_fmax`"
        )
    return band


@dataclass(frozen=True, kw_only=True)
class Request:
    """All settings of a fit; lengths in samples.

    Raises:
        UsageError: a value is out of its range.
    """

    sample_rate: float  # Hz
    n_fft: int | None  # FFT size; None: a power of two that suits the signal (`choose_n_fft`)
    win_length: float | None  # at the start; None: n_fft / 2
    # None: the larger of n_fft / 32 and hop_length / overlap, and enough to reach the last sample
    win_length_min: float | None
    win_length_max: float | None  # None: n_fft. Neither has an effect where `window_mode` is fixed
    # distance of frame centres, real; None: n_fft / 16, or overlap · n_fft / 4 where that is less
    hop_length: float | None
    window: str  # one of `stft.transform`
    normalization: str  # `energy` (noise keeps its level), `amplitude` (a tone does) or `none`
    power: float  # the criterion is computed from |X| ** power; > 0
    # `fixed`, `constant` (one length), `time` (one per frame), `frequency` (one per band of bins, with
    # smoothness 0 per bin) or `time-frequency` (one per patch of the plane, with smoothness 0 per
    # cell, up to 2 million cells)
    window_mode: str
    # `fixed`, `constant` (one hop, frames in the middle of the signal) or `time` (every centre)
    hop_mode: str
    # range of learned hops; None: half and twice of hop_length, as far as windows and overlap allow
    hop_length_min: float | None
    hop_length_max: float | None
    # μ ≥ 0, the penalty in nats on one e-fold change of window length per n_fft of signal, or per bin:
    # `μ·(n_fft/N)·Σ|ln θ_i − ln θ_{i+1}|` over frames, or `(μ/F)·Σ|ln θ_f − ln θ_{f+1}|` over bins, or
    # both, each averaged over the other axis. None: 0.1 over time, 0.5 over frequency
    smoothness: float | None
    # η in (0, 1]; lengths stay above hop_length / η, learned centres at most η mean lengths apart
    overlap: float
    criterion: str | Criterion | Any  # a name, `module:object`, or an object (see `criteria.base`)
    # `local`: the criterion is that of tiles of the plane, each for itself; `plane`: of the whole plane
    scope: str
    order: float | None  # of `renyi` and `lp`; None: 3 and 0.5
    criterion_fmin: float | None  # band of the criterion, Hz; None: all
    criterion_fmax: float | None
    # `lbfgs`, `adam`, `sgd`, or `auto`: L-BFGS, Adam where every centre moves, none for lengths that
    # vary with frequency
    optimizer: str
    search: bool  # begin with the global search; False descends from `win_length`
    lr: float | None  # of `adam` and `sgd`, in e-folds of window length; None: 0.05 and 1
    max_steps: int  # of the descent
    tolerance: float  # relative change of the score at which the descent has converged
    device: str  # `auto`, `cpu`, `cuda`, `cuda:N` or `mps`
    dtype: str  # `float32` or `float64`
    threads: int | None  # of the CPU; None: as many as torch uses

    def __post_init__(self) -> None:
        for name, valid in (
            ("window_mode", WINDOW_MODES),
            ("hop_mode", HOP_MODES),
            ("optimizer", OPTIMIZERS),
            ("dtype", DTYPES),
            ("scope", SCOPES),
        ):
            if getattr(self, name) not in valid:
                raise UsageError(
                    f"{name.replace('_', ' ')} {getattr(self, name)!r} is unknown: "
                    f"use {', '.join(valid)}"
                )
        if not 0 < self.overlap <= 1:
            raise UsageError(f"overlap {self.overlap:g}: above 0 and up to 1 is allowed")
        for name in (*_ABOVE_ZERO, *LENGTHS):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise UsageError(f"{name.replace('_', ' ')} {value:g}: above 0 is allowed")
        for name in ("smoothness", "max_steps"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < math.inf:
                raise UsageError(f"{name.replace('_', ' ')} {value:g}: 0 or above is allowed")
        if self.n_fft is not None and not (math.isfinite(self.n_fft) and self.n_fft % 1 == 0):
            raise UsageError(f"n_fft {self.n_fft:g}: a whole number of samples is needed")

    @property
    def learns_lengths(self) -> bool:
        """Whether window lengths are learned."""
        return self.window_mode != "fixed"

    @property
    def learns_positions(self) -> bool:
        """Whether frames move."""
        return self.hop_mode != "fixed"

    @property
    def varying(self) -> bool:
        """Whether window lengths vary within the transform."""
        return self.window_mode not in ("fixed", "constant")

    @property
    def over_frequency(self) -> bool:
        """Whether window lengths vary with frequency."""
        return "frequency" in self.window_mode

    @property
    def default_method(self) -> bool:
        """Whether there is a search, and no named optimizer."""
        return self.search and self.optimizer == "auto"

    @property
    def alternates(self) -> bool:
        """Whether frames move under one length for all, and lengths are then searched again.

        Together with lengths that vary with frequency they move at the cost of FFTs for each length
        of each frame, which is more than it gains.
        """
        return self.learns_positions and self.over_frequency and self.default_method


def check_criterion(criterion: Criterion, window_mode: str, hop_mode: str) -> None:
    """Raises UsageError if a criterion does not support these modes."""
    if "frequency" in window_mode and criterion.per_frame:
        raise UsageError(
            f"criterion {criterion.name} is a mean over frames, it has no value per "
            "frequency: use `criterion` concentration or `window_mode` time"
        )
    if hop_mode != "fixed" and criterion.ranked:
        raise UsageError(
            f"criterion {criterion.name} ranks all cells, and moving frames change every rank: "
            "use `criterion` hoyer or entropy, or `hop_mode` fixed"
        )


def resolve_device(name: str = "auto", dtype: str = "float32") -> torch.device:
    """The device called `name`.

    Args:
        name: `auto` (CUDA, then MPS, then CPU), `cpu`, `cuda`, `cuda:N` or `mps`.
        dtype: `float32` or `float64`, which MPS does not have.

    Raises:
        UsageError: unknown, absent, or without that dtype.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available() and dtype == "float32",
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, usable in available.items() if usable)
    kind, _, number = name.partition(":")
    if kind not in available:
        raise UsageError(f"device {name!r} is unknown: use auto, cpu, cuda or mps")
    if kind == "mps" and dtype == "float64":
        raise UsageError("device mps has no float64: use `dtype` float32 or `device` cpu")
    if not available[kind] or (number and int(number) >= torch.cuda.device_count()):
        raise UsageError(f"device {name} is not available here: use `device` cpu or auto")
    return torch.device(name)
