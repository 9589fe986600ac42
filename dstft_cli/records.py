"""Results of a fit: frozen records of NumPy arrays, without files, torch or settings."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating[Any]]
Progress = Callable[[str, int, int], None]  # called as progress(stage, done, total)

WINDOWS = ("hann", "blackman", "nuttall", "gaussian", "kaiser")
NORMALIZATIONS = ("energy", "amplitude", "none")
WINDOW_MODES = ("fixed", "constant", "time", "frequency", "time-frequency")
ONE_LENGTH = ("fixed", "constant")  # window modes without lengths that vary
HOP_MODES = ("fixed", "constant", "time")
OPTIMIZERS = ("auto", "lbfgs", "adam", "sgd")
LARGEST_FFT = 1 << 20  # n_fft, samples
SHORTEST_WINDOW = 2.0  # samples; a shorter window could fall between two samples


class StopReason(str, Enum):
    """Why the fit ended."""

    FIXED = "fixed"  # nothing to learn
    SEARCH = "search"  # the search was the last stage
    CONVERGED = "converged"  # the descent met its tolerance
    STEP_LIMIT = "step_limit"  # the descent used up its steps
    NON_FINITE = "non_finite"  # the criterion became NaN or infinite; the best finite step is kept


def tell(progress: Progress | None, stage: str, done: int = 0, total: int = 0) -> None:
    if progress is not None:
        progress(stage, done, total)


@dataclass(frozen=True)
class Note:
    """A note about a result, as data; `run.sentences` has the words."""

    kind: str  # what was found, e.g. `length_on_upper_bound`
    parameter: str = ""  # to change, e.g. `n_fft`, or several separated by spaces
    value: float | None = None  # what was found, in the unit of the parameter
    limit: float | None = None  # what it is compared with, or the limit of the parameter
    detail: str = ""  # a name or another word for the message


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
    """The criterion before and after, in its own direction."""

    name: str  # as given to `criterion`
    direction: str  # `minimize` or `maximize`
    start: float  # value at the start parameters
    best_fixed_win_length: float  # the best single window length of the table, in samples
    best_fixed: float  # its value; both are NaN where no table was searched
    final: float  # value at the learned parameters
    # no assignment of the tabulated lengths is better than this (proved by duality); None
    # without a proof for this criterion or mode
    table_bound: float | None


@dataclass(frozen=True)
class LengthMap:
    """A window length for every point of the time-frequency plane, kept on a coarse grid of tiles."""

    frequencies: FloatArray  # centres of the bands, Hz, increasing, `[B]`
    times: FloatArray  # of the tiles, samples, evenly spaced, `[U]`
    lengths: NDArray[np.float32]  # window lengths of the tiles, samples, float32, `[B, U]`
    steps_per_octave: int  # lengths of cells are rounded to this many per octave, so that few occur

    def at(self, frequencies: FloatArray, centers: FloatArray) -> NDArray[np.float64]:
        """Window lengths, samples, `[F, n]`, all within those of the tiles.

        Frequencies, Hz, `[F]`, increase; the centres of frames are samples, `[n]`.
        """
        lengths, index = self.on(frequencies)(centers)
        cells: NDArray[np.float64] = lengths[index.T]
        return cells

    def on(
        self, frequencies: FloatArray
    ) -> Callable[[FloatArray], tuple[NDArray[np.float64], NDArray[np.unsignedinteger[Any]]]]:
        """The lengths at increasing frequencies `[F]`, Hz, as a function of frame centres, samples, `[n]`.

        `ln θ` is linear in time between tiles and in the number of the band between bands, so that
        neighbouring bands fade into each other as triangles; then it is rounded. The function gives the
        lengths that occur in the map, samples, `[M]`, and which of them each cell has, `[n, F]`.
        """
        band, part = _places(self.frequencies, np.asarray(frequencies, np.float64))
        bins, way = np.bincount(band, minlength=len(self.frequencies)), part.astype(np.float32)
        last_tile = len(self.times) - 1
        low, high = float(self.lengths.min()), float(self.lengths.max())
        steps = self.steps_per_octave
        first, last = (math.floor(steps * math.log2(length)) for length in (low, high))
        table = np.exp2(np.arange(first, last + 2) / steps).clip(low, high)
        kind = np.min_scalar_type(len(table))

        def index(
            centers: FloatArray,
        ) -> tuple[NDArray[np.float64], NDArray[np.unsignedinteger[Any]]]:
            tile, share = _places(self.times, np.asarray(centers, np.float64))
            # only the tiles at these centres: pixels may lie far apart
            ends = np.concatenate([tile, np.minimum(tile + 1, last_tile)])
            near, at = np.unique(ends, return_inverse=True)
            logs = np.log2(self.lengths[:, near].astype(np.float64)) * steps - first
            rows = logs[:, at[: tile.size]] * (1 - share) + logs[:, at[tile.size :]] * share
            rows = np.ascontiguousarray(rows.T, np.float32)
            found = np.repeat(np.diff(rows, axis=1, append=0), bins, axis=1)
            found *= way
            found += np.repeat(rows, bins, axis=1)
            return table, np.rint(found, out=found).astype(kind)

        return index


def _places(grid: FloatArray, values: FloatArray) -> tuple[NDArray[np.int64], FloatArray]:
    """For each value the number of the last grid point below, and the share of the way to the next."""
    place = np.interp(values, grid, np.arange(len(grid), dtype=np.float64))
    below = np.minimum(place.astype(np.int64), max(len(grid) - 2, 0))
    return below, place - below


@dataclass(frozen=True, repr=False)
class Result:
    """A learned short-time Fourier transform.

    Attributes:
        sample_rate: Hz.
        length: samples per channel N.
        n_fft: FFT size K; the transform has F = K // 2 + 1 frequency bins.
        start_window_length: start value, samples, [1, 1].
        lengths: learned window lengths, samples, [1, 1], [1, T], [F, 1] or [F, T]; those of its
            tiles, [B, U], where there is a `length_map`.
        hop_length: uniform distance of the frame centres at the start, samples.
        length_bounds: shortest and longest window length allowed, samples.
        hop_bounds: shortest and longest hop allowed, samples.
        start_centers: frame centres at the start, samples; None where positions were not learned.
        frame_centers: samples, [T], strictly increasing, within [0, N].
        window: window family, e.g. `hann`.
        normalization: `energy`, `amplitude` or `none`.
        power: the criterion saw |X| ** power.
        criterion: before and after.
        trajectory: every step.
        stop_reason: why the fit ended.
        evaluations: transforms of the whole signal that were computed.
        seconds: wall time per stage: `search`, `descent`.
        notes: see `Note`.
        resolved: the values used for parameters left open, by name: lengths in samples, `device`,
            `threads`; None where it has no effect.
        length_map: the lengths where they vary with time and frequency under the local criterion;
            None elsewhere.
        scope: of the criterion, `local` or `plane`.
    """

    sample_rate: float
    length: int
    n_fft: int
    start_window_length: FloatArray
    lengths: FloatArray
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
    notes: tuple[Note, ...]
    hop_bounds: tuple[float, float] | None = None
    start_centers: FloatArray | None = None
    resolved: Mapping[str, Any] = field(default_factory=dict)
    length_map: LengthMap | None = None
    scope: str = "plane"

    def __repr__(self) -> str:
        low, high = float(self.lengths.min()), float(self.lengths.max())
        lengths = f"{low:.6g}" if low == high else f"{low:.6g} to {high:.6g}"
        return (
            f"Result(window_length={lengths} samples, n_fft={self.n_fft}, frames={self.frames}, "
            f"{self.criterion.name}={self.criterion.final:.5g}, stop_reason={self.stop_reason.value})"
        )

    @cached_property
    def window_length(self) -> FloatArray:
        """Samples, [1, 1], [1, T], [F, 1] or [F, T]: from a map, 8 bytes for every cell."""
        if self.length_map is None:
            return self.lengths
        return self.length_map.at(self.frequencies, self.frame_centers)

    @property
    def start_frame_centers(self) -> FloatArray:
        """Frame centres at the start, samples, [T']; those of the result where none moved."""
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


GOOD_ENOUGH = 0.01  # lengths within this loss count as good as the best
# below this spread of losses the choice does not matter. Within a table it is at most
# 0.007 nats in white noise, and 0.07 in faint speech
LITTLE = 0.03
# losses of a usual choice from which it matters somewhat, and a lot
SOMEWHAT, MUCH = 0.1, 0.3
# longest over shortest length of a table of `optimize`, within which LITTLE is measured
TABLE_RANGE = 8
USUAL_LENGTH = 2048.0  # samples: librosa's default, and that of most music software


@dataclass(frozen=True)
class SweepCurve:
    """One criterion against one window length for all frames.

    The loss of a length is the difference of its score from the best. In nats it is the logarithm of
    the ratio of occupied cells. For a criterion without a logarithm it is a share of the best value.
    """

    name: str  # of the criterion, as in `CriterionSummary`
    direction: str  # of the criterion, as in `CriterionSummary`
    in_nats: bool  # whether losses are in nats, or shares of the best value
    lengths: FloatArray  # samples, increasing, [M]
    values: FloatArray  # of the criterion in its own direction, [M]
    losses: FloatArray  # >= 0, [M]
    best_length: float  # learned from the best of `lengths`, samples
    best_value: float  # the criterion there

    @property
    def unit(self) -> str:
        """Unit of the losses, in words."""
        return "nats" if self.in_nats else "share of the best value"

    @property
    def minimum(self) -> int:
        """Index of the best of `lengths`."""
        return int(np.argmin(self.losses))

    @property
    def n_fft(self) -> int:
        """The smallest power of two not below the best window, samples."""
        return 1 << max(math.ceil(math.log2(self.best_length) - 1e-6), 1)

    @property
    def spread(self) -> float:
        """Loss of the worst length."""
        return float(self.losses[np.isfinite(self.losses)].max())

    @property
    def loss_off_by_two(self) -> float:
        """Largest loss of the lengths from half to twice the best, within the sweep.

        Between two lengths the loss is taken as linear in the logarithm of the length.
        """
        finite = np.isfinite(self.losses)
        lengths, losses = np.log(self.lengths[finite]), self.losses[finite]
        ends = np.log(self.best_length * np.array([0.5, 2.0]))
        inside = losses[(ends[0] <= lengths) & (lengths <= ends[1])]
        return float(max([*np.interp(ends, lengths, losses), *inside]))

    @property
    def matters(self) -> str:
        """How much the choice matters: `not at all`, `little`, `somewhat` or `a lot`.

        It depends on the loss of the usual length, and of a length that is off by a factor of two. `not
        at all`: the losses differ by less than `LITTLE` in every range as wide as a table of `optimize`,
        as in noise.
        """
        finite = np.isfinite(self.losses)
        lengths, losses = self.lengths[finite], self.losses[finite]
        stops = np.searchsorted(lengths, lengths * (TABLE_RANGE * (1 + 1e-9)))
        if max(np.ptp(losses[start:stop]) for start, stop in enumerate(stops)) < LITTLE:
            return "not at all"
        usual = self.at(USUAL_LENGTH)
        loss = max(self.loss_off_by_two, 0.0 if usual is None else self.losses[usual])
        return "little" if loss < SOMEWHAT else "somewhat" if loss < MUCH else "a lot"

    @property
    def good_lengths(self) -> tuple[float, float]:
        """The lengths around the best whose loss stays within `GOOD_ENOUGH`, samples.

        Between two lengths the loss is taken as linear in the logarithm of the length.
        """
        lengths, losses = self.lengths, self.losses
        k = int(np.searchsorted(lengths, self.best_length))
        if k == len(lengths) or lengths[k] != self.best_length:
            lengths, losses = np.insert(lengths, k, self.best_length), np.insert(losses, k, 0.0)
        return _good_until(lengths[k::-1], losses[k::-1]), _good_until(lengths[k:], losses[k:])

    def at(self, length: float) -> int | None:
        """Index of this length in `lengths`, or None."""
        found = np.flatnonzero(np.isclose(self.lengths, length, rtol=1e-9, atol=0))
        return int(found[0]) if found.size else None


def _good_until(lengths: FloatArray, losses: FloatArray) -> float:
    """The last length before the loss passes `GOOD_ENOUGH`."""
    too_much = np.flatnonzero(~(losses <= GOOD_ENOUGH))
    if not too_much.size:
        return float(lengths[-1])
    k = int(too_much[0])
    if not math.isfinite(losses[k]):
        return float(lengths[k - 1])
    share = (GOOD_ENOUGH - losses[k - 1]) / (losses[k] - losses[k - 1])
    return float(lengths[k - 1] * (lengths[k] / lengths[k - 1]) ** share)


@dataclass(frozen=True)
class Sweep:
    """Criteria against window length."""

    sample_rate: float  # Hz
    length: int  # samples per channel N
    lengths: FloatArray  # window lengths, samples, increasing, [M]
    n_ffts: NDArray[np.integer[Any]]  # FFT size each was computed with, samples, [M]
    hop_lengths: FloatArray  # distance of frame centres likewise, samples, [M]
    curves: tuple[SweepCurve, ...]  # one per criterion
    looked_at: float  # share of the signal that was analysed, in (0, 1]
    seconds: Mapping[str, float]  # wall time of the `search`
    notes: tuple[Note, ...]  # see `Note`

    def n_fft_of(self, curve: SweepCurve) -> int:
        """FFT size for the best window of a curve: that of all lengths where they share one."""
        first = int(self.n_ffts[0])
        return first if (self.n_ffts == first).all() else curve.n_fft


@dataclass(frozen=True)
class RecordingTable:
    """What a collection keeps of a recording: costs of its rows, one for all or one per band."""

    sample_rate: float  # Hz
    samples: int  # per channel
    heard: float  # seconds, silence left out
    costs: FloatArray  # of K criteria at M lengths, which add up to J, [K, R, M]
    shares: FloatArray  # of the rows in J, [K, R]

    @property
    def seconds(self) -> float:
        return self.samples / self.sample_rate


@dataclass(frozen=True)
class CollectionSweep:
    """One verdict for many recordings: criteria against window length, at one sample rate."""

    sweep: Sweep  # its curves are means over recordings
    best: FloatArray  # best length of each recording, samples at that rate, [K, N]
    losses: FloatArray  # of each recording with the best length of all, [K, N]
    quartiles: FloatArray  # of the losses of recordings at each length, [K, 3, M]

    def spread(self, number: int) -> tuple[float, float, float]:
        """Quartiles of the best lengths under a criterion, samples."""
        low, middle, high = np.exp(np.percentile(np.log(self.best[number]), [25, 50, 75])).tolist()
        return low, middle, high

    def outliers(self, number: int) -> list[int]:
        """Recordings that lose `SOMEWHAT` or more with the best length of all, most first."""
        losses = self.losses[number]
        worst = np.argsort(-losses, kind="stable")
        return [int(r) for r in worst if losses[r] >= SOMEWHAT]


@dataclass(frozen=True)
class StoredParameters:
    """The transform that a result holds, as it was learned.

    Where there is a `length_map`, of lengths that vary with time and frequency on tiles, `window_length` is
    that of the tiles, [B, U].
    """

    window_length: FloatArray  # samples, [1, 1], [1, T], [F, 1] or [F, T], from 2 to n_fft
    frame_centers: FloatArray  # samples, [T], strictly increasing
    hop_lengths: FloatArray  # samples, [T-1]
    times: FloatArray  # seconds, [T]
    frequencies: FloatArray  # Hz, [F]
    sample_rate: float  # Hz
    n_fft: int  # FFT size K, F = K // 2 + 1
    samples: int  # per channel N, >= 1; all frame centres lie within [0, N]
    window: str
    normalization: str
    length_map: LengthMap | None = None
    offset: float = 0.0
