"""What a fit returns: frozen records of NumPy arrays, without files, torch or settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]


class StopReason(str, Enum):
    """Why the fit ended."""

    FIXED = "fixed"  # nothing was to be learned
    SEARCH = "search"  # the global search was the last stage asked for
    CONVERGED = "converged"  # the descent met its tolerance
    STEP_LIMIT = "step_limit"  # the descent used up its steps
    NON_FINITE = "non_finite"  # the criterion became NaN or infinite; the best finite step is kept


@dataclass(frozen=True)
class Trajectory:
    """One entry per step, in order: the start, each fixed window tried, the search, the descent.

    Attributes:
        phase: `start`, `table`, `search` or `descent`, length S.
        seconds: since the fit began, [S].
        evaluations: transforms of the whole signal computed so far, [S].
        criterion: value in the criterion's own direction, without the smoothness penalty, [S].
        window_lengths: S arrays in samples, each broadcastable to the result's `window_length`
            (a step with one length for all frames is stored as `[1, 1]`); where lengths vary with time
            and frequency, on the grid of their patches.
        hop_lengths: S arrays in samples, each of length 1 (uniform) or T-1.
    """

    phase: tuple[str, ...]
    seconds: FloatArray
    evaluations: NDArray[np.integer[Any]]
    criterion: FloatArray
    window_lengths: tuple[FloatArray, ...]
    hop_lengths: tuple[FloatArray, ...]

    def __len__(self) -> int:
        return len(self.phase)


@dataclass(frozen=True)
class CriterionSummary:
    """The criterion before and after, in its own direction.

    Attributes:
        name: as given to `--criterion`.
        direction: `minimize` or `maximize`.
        start: value at the start parameters.
        best_fixed_win_length: the best single window length of the table, in samples.
        best_fixed: its value.
        final: value at the learned parameters.
        table_bound: no assignment of the tabulated lengths is better than this (proved by duality);
            None where the criterion or the mode has no such proof.
    """

    name: str
    direction: str
    start: float
    best_fixed_win_length: float
    best_fixed: float
    final: float
    table_bound: float | None


@dataclass(frozen=True)
class Result:
    """A learned short-time Fourier transform.

    Attributes:
        sample_rate: Hz.
        length: samples per channel N.
        n_fft: FFT size K; the transform has F = K // 2 + 1 frequency bins.
        start_window_length: start value, samples, [1, 1].
        window_length: samples, [1, 1] or [1, T] ([F, 1] and [F, T] where it varies with frequency).
        hop_length: uniform distance of the frame centres at the start, samples.
        length_bounds: shortest and longest window length allowed, samples.
        hop_bounds: shortest and longest hop allowed, samples, and
        start_centers: frame centres of the start, samples; None where positions were not learned.
        frame_centers: samples, [T], strictly increasing, within [0, N].
        window: window family, e.g. `hann`.
        normalization: `energy`, `amplitude` or `none`.
        power: the criterion saw |X| ** power.
        criterion: before and after.
        trajectory: every step.
        stop_reason: why the fit ended.
        evaluations: transforms of the whole signal that were computed.
        seconds: wall time per stage: `search`, `descent`.
        warnings: one line each, with the option that remedies it.
    """

    sample_rate: float
    length: int
    n_fft: int
    start_window_length: FloatArray
    window_length: FloatArray
    hop_length: float
    length_bounds: tuple[float, float]
    frame_centers: FloatArray
    window: str
    normalization: str
    power: float
    criterion: CriterionSummary
    trajectory: Trajectory
    stop_reason: StopReason
    evaluations: int
    seconds: Mapping[str, float]
    warnings: tuple[str, ...]
    hop_bounds: tuple[float, float] | None = None
    start_centers: FloatArray | None = None

    @property
    def start_frame_centers(self) -> FloatArray:
        """Centres of the start's frames, samples, [T']; those of the result where none moved."""
        return self.frame_centers if self.start_centers is None else self.start_centers

    @property
    def frames(self) -> int:
        """Number of frames T."""
        return len(self.frame_centers)

    @property
    def hop_lengths(self) -> FloatArray:
        """Distances between neighbouring frame centres, samples, [T-1]."""
        return np.diff(self.frame_centers)

    @property
    def times(self) -> FloatArray:
        """Frame centres, seconds, [T]."""
        return self.frame_centers / self.sample_rate

    @property
    def frequencies(self) -> FloatArray:
        """Frequency bins, Hz, [F]."""
        return np.arange(self.n_fft // 2 + 1) * (self.sample_rate / self.n_fft)
