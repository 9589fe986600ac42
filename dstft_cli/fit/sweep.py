"""`sweep`: criteria against one window length for all frames, without learning but of each optimum."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion, resolve
from dstft_cli.errors import UsageError
from dstft_cli.fit.band import Band, band_within
from dstft_cli.fit.descent import Evaluated, Schedule, Variables, descend
from dstft_cli.fit.evaluator import Compute
from dstft_cli.fit.plan import LARGEST_FFT, LONGEST_SHARE, SHORTEST_WINDOW
from dstft_cli.fit.problem import as_channels, usable_peak
from dstft_cli.fit.request import check_above_zero, check_overlap, resolve_device
from dstft_cli.fit.stretches import Stretches, spread_stretches
from dstft_cli.fit.survey import Survey
from dstft_cli.fit.sweep_grids import SweepGrid, sweep_grids
from dstft_cli.fit.table import unusable_last
from dstft_cli.names import Progress
from dstft_cli.records import Sweep, SweepCurve
from dstft_cli.stft import Samples, Transform

Array = NDArray[np.float64]

MOST_POINTS = 1 << 24  # frames × n_fft × channels per length: longer signals are looked at in part
_STEPS = 20
_TOLERANCE = 1e-6


def sweep(
    samples: Samples | NDArray[Any] | torch.Tensor,
    sample_rate: float,
    *,
    criteria: Sequence[str | Criterion | Any] = ("entropy",),
    order: float | None = None,
    criterion_fmin: float | None = None,
    criterion_fmax: float | None = None,
    n_fft: int | None = None,
    win_length_min: float | None = None,
    win_length_max: float | None = None,
    hop_length: float | None = None,
    overlap: float = 0.5,
    window: str = "hann",
    normalization: str = "energy",
    power: float = 2.0,
    device: str = "cpu",
    dtype: str = "float32",
    threads: int | None = None,
    peak: float | None = None,
    progress: Progress | None = None,
    most_points: int | None = None,
) -> Sweep:
    """Criteria for a range of window lengths, and the best length of each.

    With `n_fft` given, values are those that `optimize` reports; otherwise see `sweep_grids`. Signals
    of more than `MOST_POINTS` are looked at in stretches spread evenly over them, which stand for
    the whole.

    Args:
        samples: signal, `[N]` or `[C, N]`; anything with `.shape` and `samples[:, a:b]`.
        sample_rate: Hz.
        criteria: names or objects, see `criteria.resolve`.
        order: of `renyi` or `lp`.
        criterion_fmin, criterion_fmax: as for `optimize`.
        n_fft, win_length_min, win_length_max, hop_length, overlap: see `sweep_grids`; samples.
        window, normalization, power, device, dtype, threads, peak: as for `optimize`.
        progress: called as `progress(stage, done, total)`.
        most_points: frames × n_fft × channels to look at for each length; None: `MOST_POINTS`.

    Raises:
        UsageError: an argument is out of range or contradicts another; a criterion is not finite
            at any length.
        InputError: the signal is too short or silent.
    """
    given = {"sample_rate": sample_rate, "power": power, "hop_length": hop_length}
    given |= {"win_length_min": win_length_min, "win_length_max": win_length_max}
    for name, value in {**given, "threads": threads}.items():
        check_above_zero(name, value)
    check_overlap(overlap)
    if not criteria:
        raise UsageError("criteria is empty: name at least one")
    samples = as_channels(samples)
    peak = usable_peak(samples, peak)
    length = int(samples.shape[-1])
    chosen = [resolve(criterion, order) for criterion in criteria]
    band = band_within(criterion_fmin, criterion_fmax, float(sample_rate))
    resolved = band.least_n_fft(float(sample_rate)) / 2
    grids = sweep_grids(
        length,
        float(sample_rate),
        n_fft=n_fft,
        hop_length=hop_length,
        win_length_min=win_length_min,
        win_length_max=win_length_max,
        overlap=overlap,
        shortest=resolved,
    )
    points = max(grid.n_fft / grid.hop_length for grid in grids) * samples.shape[0]
    stretches = spread_stretches(
        samples,
        int((most_points or MOST_POINTS) / points),
        longest_hop=max(grid.hop_length for grid in grids),
        peak=peak,
    )
    task = _Task(
        samples,
        stretches,
        band,
        float(sample_rate),
        window,
        normalization,
        power,
        peak,
        device,
        dtype,
        threads,
        progress,
    )

    began = time.perf_counter()
    tables = task.tables(grids, chosen)
    searched = time.perf_counter()
    found = []
    for number, (criterion, table) in enumerate(zip(chosen, tables, strict=True), start=1):
        found.append(task.curve(criterion, grids, table))
        if progress is not None:
            progress("descent", number, len(chosen))
    lengths = np.concatenate([grid.lengths for grid in grids])
    counts = [len(grid.lengths) for grid in grids]
    return Sweep(
        sample_rate=float(sample_rate),
        length=length,
        lengths=lengths,
        n_ffts=np.repeat([grid.n_fft for grid in grids], counts),
        hop_lengths=np.repeat([grid.hop_length for grid in grids], counts),
        curves=tuple(found),
        looked_at=task.share(grids[0]),
        seconds={"search": searched - began, "descent": time.perf_counter() - searched},
        warnings=tuple(_on_bounds(found, grids, length, 0.0 if band == Band() else resolved)),
    )


@dataclass(frozen=True)
class _Task:
    """What of a sweep does not depend on the grid."""

    samples: Samples
    stretches: Stretches
    band: Band
    sample_rate: float
    window: str
    normalization: str
    power: float
    peak: float
    device: str
    dtype: str
    threads: int | None
    progress: Progress | None

    def share(self, grid: SweepGrid) -> float:
        """Part of the signal that the frames stand for, in (0, 1]."""
        frames = len(self.stretches.centers(grid.hop_length))
        return min(frames * grid.hop_length / self.samples.shape[-1], 1.0)

    def survey(self, grid: SweepGrid, criterion: Criterion) -> Survey:
        return Survey(
            self.samples,
            self.stretches.centers(grid.hop_length),
            Transform(grid.n_fft, self.window, self.normalization),
            criterion,
            half_ends=grid.half_ends,
            power=self.power,
            bins=self.band.bins(grid.n_fft, self.sample_rate),
            hop_length=grid.hop_length,
            peak=self.peak,
            compute=Compute(
                resolve_device(self.device, self.dtype),
                getattr(torch, self.dtype),
                self.threads or torch.get_num_threads(),
            ),
        )

    def _weight(self, grid: SweepGrid) -> float:
        """What a cell stands for: its area, and what of signal and band is not looked at."""
        if not grid.half_ends:  # one grid, whose values are its own
            return grid.area / self.share(grid)
        covered = self.band.covered(grid.n_fft, self.sample_rate, half_ends=True)
        return grid.area / self.share(grid) / covered

    def tables(self, grids: Sequence[SweepGrid], criteria: Sequence[Criterion]) -> list[_Table]:
        """Values and scores of each criterion for all lengths."""
        # one that depends on the level sees the signal as it is, and the others do not mind
        scale = next((c for c in criteria if not c.scale_invariant), criteria[0])
        values: list[list[Array]] = [[] for _ in criteria]
        scores: list[list[Array]] = [[] for _ in criteria]
        done, total = 0, sum(len(grid.lengths) for grid in grids)
        for grid in grids:
            survey = self.survey(grid, scale)
            for k, sums in enumerate(survey.sums_of(criteria, grid.lengths)):
                weight = self._weight(grid)
                given = torch.from_numpy(sums * weight), survey.cells * weight
                values[k].append(criteria[k].value(*given).numpy())
                scores[k].append(criteria[k].score(*given).numpy())
            done += len(grid.lengths)
            if self.progress is not None:
                self.progress("sweep", done, total)
        return [
            _Table(np.concatenate(v), unusable_last(np.concatenate(s)))
            for v, s in zip(values, scores, strict=True)
        ]

    def curve(self, criterion: Criterion, grids: Sequence[SweepGrid], table: _Table) -> SweepCurve:
        """The curve of a criterion, its optimum learned from the minimum of the table."""
        lengths = np.concatenate([grid.lengths for grid in grids])
        k = int(table.scores.argmin())
        if not np.isfinite(table.scores[k]):
            raise UsageError(
                f"criterion {criterion.name} is {table.values[k]:g} at every window length: "
                "lower `order` or `power`, or use `dtype` float64"
            )
        grid = next(grid for grid in grids if lengths[k] in grid.lengths)
        low = max(lengths[max(k - 1, 0)], grid.bounds.low)
        high = min(lengths[min(k + 1, len(lengths) - 1)], grid.bounds.high)
        best = self._descend(criterion, grid, float(lengths[k]), float(low), float(high))
        length, value, score = float(lengths[k]), float(table.values[k]), float(table.scores[k])
        if best is not None and best[2] < score:
            length, value, score = best
        losses = table.scores - score
        if not criterion.in_nats:
            losses = losses / (abs(score) or 1.0)
        return SweepCurve(
            name=criterion.name,
            direction=criterion.direction,
            in_nats=criterion.in_nats,
            lengths=lengths,
            values=table.values,
            losses=losses,
            best_length=length,
            best_value=value,
        )

    def _descend(
        self, criterion: Criterion, grid: SweepGrid, start: float, low: float, high: float
    ) -> tuple[float, float, float] | None:
        """Length, value and score that a descent from `start` ends at; None where it fails."""
        survey, weight = self.survey(grid, criterion), self._weight(grid)

        def objective(z: Array) -> Evaluated[tuple[float, float, float]]:
            length = float(np.clip(np.exp(z[0]), low, high))  # rounding must not pass a bound
            sums, slopes = (part * weight for part in survey.sums_and_slopes(length))
            cells = survey.cells * weight
            score, outer = survey.criterion.score_gradient(sums, cells)
            value = float(survey.criterion.value(torch.from_numpy(sums), cells))
            return Evaluated(score, np.array([slopes @ outer * length]), (length, value, score))

        variables = Variables(np.log([start]), np.log([low]), np.log([high]), np.ones(1))
        schedule = Schedule("lbfgs", None, _STEPS, _TOLERANCE)
        best = descend(objective, variables, schedule, lambda found: None).best
        return None if best is None else best.found


@dataclass(frozen=True)
class _Table:
    """Values and scores of one criterion for all lengths, `[M]` each."""

    values: Array
    scores: Array


def _on_bounds(
    curves: Sequence[SweepCurve], grids: Sequence[SweepGrid], length: int, resolved: float
) -> list[str]:
    """A warning for each end of the range that is the best length of a criterion that tells lengths apart.

    Args:
        curves: of the sweep.
        grids: of its lengths.
        length: of the signal, samples.
        resolved: length from which on windows resolve the criterion's band, samples; 0 without one.
    """
    shortest, longest = float(grids[0].lengths[0]), float(grids[-1].lengths[-1])
    widest = LARGEST_FFT if len(grids) == 1 else LARGEST_FFT // 2
    most = min(math.floor(length * LONGEST_SHARE), widest)
    shorter = f"lower `{grids[0].bounds.low_option}` to look further"
    if shortest <= SHORTEST_WINDOW:
        shorter = "a shorter window holds no sample"
    elif shortest <= resolved * (1 + 1e-6):
        shorter = (
            "shorter ones do not resolve the criterion's band: widen it with `criterion_fmin` and "
            "`criterion_fmax`"
        )
    longer = f"raise `{grids[-1].bounds.high_option}` to look further, to {most} at most"
    if longest >= widest:
        longer = "no longer one is possible"
    elif longest >= most:
        longer = (
            "longer ones, beyond a quarter of the recording, no longer tell when something happens"
        )
    warnings = []
    for side, limit, remedy in (("shortest", shortest, shorter), ("longest", longest, longer)):
        names = [
            curve.name
            for curve in curves
            if np.isclose(curve.best_length, limit, rtol=1e-6) and curve.matters != "not at all"
        ]
        if names:
            warnings.append(
                f"{', '.join(names)}: the best window length is the {side} of the sweep, "
                f"{limit:g} samples: {remedy}"
            )
    return warnings
