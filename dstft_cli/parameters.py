"""Window lengths and frame centres: shapes, bounds, and the variables that a descent moves.

Window lengths have the shape `[1, 1]` (one for all) or `[1, T]` (one per frame), frequency first,
so that lengths per bin `[F, 1]` and per cell `[F, T]` have their place. All are real, in samples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import UsageError

FloatArray = NDArray[np.float64]
REACH = 0.45  # share of a window on either side of its centre that is well above zero
SHORTEST_WINDOW = 2.0  # samples; a shorter one could fall between two samples and hold none


def uniform_centers(length: int, hop_length: float) -> FloatArray:
    """Centres `t_i = i·H`, samples, `[T]` with `T = 1 + ⌊N/H⌋`.

    Args:
        length: signal length N, samples, >= 1.
        hop_length: H, samples, > 0, real.
    """
    return np.arange(1 + int(length // hop_length), dtype=np.float64) * hop_length


def quadrature_weights(centers: FloatArray) -> FloatArray:
    """Each frame's share of time, `[T]`, mean 1: 1 everywhere for a uniform hop.

    `Δt_i = (t_{i+1} − t_{i−1})/2`, the first and last gap continued outwards, divided by the mean
    hop. With these weights a sum over frames estimates an integral over time, so frames that crowd
    together or drift off gain nothing.
    """
    if len(centers) == 1:
        return np.ones(1)
    gaps = np.diff(centers)
    gaps = np.concatenate([gaps[:1], gaps, gaps[-1:]])
    shares = (gaps[:-1] + gaps[1:]) / 2
    weights: FloatArray = shares / shares.mean()
    return weights


@dataclass(frozen=True)
class LengthBounds:
    """Where window lengths may lie, samples: `SHORTEST_WINDOW ≤ low ≤ high ≤ n_fft`.

    `low_option` and `high_option` name what to change if an optimum lies on that bound.
    """

    low: float
    high: float
    low_option: str
    high_option: str


def length_bounds(
    n_fft: int,
    hop_length: float,
    overlap: float,
    low: float | None = None,
    high: float | None = None,
    *,
    tail: float = 0.0,
) -> LengthBounds:
    """The range of window lengths, so that neighbouring windows overlap.

    Frames a hop `H` apart overlap as asked where `H ≤ η·θ`: then every sample is seen by a window
    well above zero and the transform can be inverted.

    Args:
        n_fft: FFT size, samples.
        hop_length: hop H, samples.
        overlap: η, in (0, 1].
        low, high: the user's own bounds, samples; None: `max(n_fft/32, H/η, tail/0.45)` and
            `n_fft`.
        tail: from the last frame centre to the last sample, samples: a window must reach it too.

    Raises:
        UsageError: the bounds contradict each other, n_fft, or the overlap.
    """
    covering = max(hop_length / overlap, SHORTEST_WINDOW)
    top = float(n_fft) if high is None else high
    if top > n_fft:
        raise UsageError(
            f"window length max {top:g} samples is above n_fft {n_fft}: "
            "lower --win-length-max or raise --n-fft"
        )
    if low is None:
        bottom = max(n_fft / 32, covering)
        low_option = "--win-length-min" if n_fft / 32 >= covering else "--hop-length"
        if tail / REACH > bottom:
            bottom, low_option = min(tail / REACH, top), "--hop-length"
        if bottom > top:
            raise UsageError(
                f"hop length {hop_length:g} samples with overlap {overlap:g} needs windows of at "
                f"least {covering:g} samples, above the longest allowed, {top:g}: "
                "lower --hop-length or raise --overlap or --win-length-max"
            )
    else:
        bottom, low_option = low, "--win-length-min"
        if bottom > top:
            raise UsageError(
                f"window length min {bottom:g} samples is above the max, {top:g}: "
                "lower --win-length-min or raise --win-length-max"
            )
        if bottom < SHORTEST_WINDOW:
            raise UsageError(
                f"window length min {bottom:g} samples is below {SHORTEST_WINDOW:g}: "
                "a shorter window holds no sample; raise --win-length-min"
            )
        if bottom < covering * (1 - 1e-9):
            raise UsageError(
                f"window length min {bottom:g} samples is below hop length / overlap = "
                f"{covering:g}: lower --hop-length, or raise --overlap or --win-length-min"
            )
    high_option = "--n-fft" if high is None or high == n_fft else "--win-length-max"
    return LengthBounds(bottom, top, low_option, high_option)


@dataclass(frozen=True)
class FreeLengths:
    """Window lengths as functions of the variables that a descent moves: `θ_i = exp(z[index_i])`.

    Rows (frames, or bins) that share an index share a length; this is how a curve that the search
    found constant over a syllable stays so. Neighbouring variables `z_s, z_{s+1}` are neighbours
    in time or frequency.

    Attributes:
        index: variable of each row, `[R]`, rising by 0 or 1; `[1]` for one length for all.
        penalty: weight of `Σ|z_s − z_{s+1}|`, nats per unit.
    """

    index: NDArray[np.int64]
    penalty: float

    @classmethod
    def constant(cls) -> FreeLengths:
        """One length for all."""
        return cls(np.zeros(1, dtype=np.int64), 0.0)

    @classmethod
    def runs(cls, lengths: FloatArray, penalty: float, *, every_row: bool = False) -> FreeLengths:
        """One variable per run of equal lengths `[R]`.

        One per row where that is asked for or where changes cost nothing.
        """
        if penalty == 0 or every_row:
            return cls(np.arange(len(lengths)), penalty)
        return cls(np.concatenate([[0], np.cumsum(np.diff(lengths) != 0)]), penalty)

    def variables(self, lengths: FloatArray) -> FloatArray:
        """`z` of the lengths `[1]` or `[R]`: the first row of a run speaks for it."""
        row = np.broadcast_to(lengths, self.index.shape)
        _, first = np.unique(self.index, return_index=True)
        z: FloatArray = np.log(row[first])
        return z

    def lengths(self, z: FloatArray) -> FloatArray:
        """Lengths `[1]` or `[R]`, samples."""
        lengths: FloatArray = np.exp(z)[self.index]
        return lengths

    def total(self, per_row: FloatArray) -> FloatArray:
        """Sum of a quantity `[R]` over the rows of each variable, `[V]`."""
        if len(self.index) == 1:
            return np.array([per_row.sum()])
        return np.bincount(self.index, per_row).astype(np.float64, copy=False)

    def pull_back(self, z: FloatArray, gradient: FloatArray) -> FloatArray:
        """Gradient with respect to `z`, from that with respect to each row's length `[R]`."""
        pulled: FloatArray = np.exp(z) * self.total(gradient)
        return pulled

    def smoothness(self, z: FloatArray) -> tuple[float, FloatArray]:
        """`penalty · Σ|z_s − z_{s+1}|` and its gradient (zero where two neighbours are equal)."""
        steps = np.diff(z)
        gradient = np.zeros_like(z)
        signs = self.penalty * np.sign(steps)
        gradient[:-1] -= signs
        gradient[1:] += signs
        return self.penalty * float(np.abs(steps).sum()), gradient
