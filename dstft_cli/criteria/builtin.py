"""The criteria of the literature, each as moments and value.

Sources: Hurley & Rickard, IEEE Trans. Inf. Theory 55 (2009), *Comparing measures of sparsity*;
Baraniuk et al., IEEE Trans. Inf. Theory 47 (2001), for Rényi entropies of time-frequency planes;
Jones & Parks, IEEE TASSP 38 (1990), for the concentration; Stanković, Signal Processing 81 (2001),
for the l_p forms.

The Gini index needs the rank of every cell among all others, so it is not a function of a few fixed
sums. With given ranks it is one: `Σ r(a)·a / Σ a`. The ranks are a function of the distribution
of `a`, which is a sum too: a histogram over the leading bits of the
floating-point numbers (8 of exponent, 12 of mantissa). Cells in one bucket differ by less than 2⁻¹² and
get its mean rank. This changes the index by less than 2⁻¹² of the share of pairs within buckets. So a
value costs one pass, a value with its gradient two, and memory does not grow with the signal.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria.base import Criterion, Pool, QuasiConvex, Slopes, frame_sum
from dstft_cli.errors import UsageError

_BUCKETS = 1 << 20
COARSE = 1 << 16  # enough for a sweep: the score changes by less than 1e-4


def power(a: Tensor, q: float) -> Tensor:
    """`a ** q`; torch has products for 2 and 3."""
    if q == 1:
        return a
    return a.square().square() if q == 4 else a.pow(q)


def _log(a: Tensor) -> Tensor:
    """`ln a`, finite at zero, where it is multiplied by zero."""
    return a.clamp_min(torch.finfo(a.dtype).tiny).log_()


class Entropy(QuasiConvex):
    """Shannon entropy of `a / Σa`: `ln S₁ − S₂/S₁` with `S₁ = Σa`, `S₂ = Σ a ln a`; nats."""

    name = "entropy"

    def moments(self, a: Tensor) -> tuple[Tensor, ...]:
        return a, _log(a).mul_(a)

    def slopes(self, a: Tensor) -> Slopes:
        return 1.0, _log(a) + 1.0

    def moments_and_slopes(self, a: Tensor) -> tuple[tuple[Tensor, ...], Slopes]:
        logarithm = _log(a)
        return (a, a * logarithm), (1.0, logarithm.add_(1.0))

    def value(self, sums: Tensor, cells: float) -> Tensor:
        s1, s2 = sums[..., 0], sums[..., 1]
        return s1.log() - s2 / s1

    def multiplier(self, ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1.0 + ratio

    def tangent(self, multiplier: float, least: float) -> tuple[float, float]:
        return least, (multiplier - 1.0) * least


class Ratio(QuasiConvex):
    """Criteria of `A = Σ a^q_A` and `B = Σ a^q_B` through the ratio `A^β / B`, β > 1.

    The score is `(β ln A − ln B)/(β − 1)`: the logarithm of the number of cells that `n` equal ones
    would need to reach the same ratio. `B ≥ c·A^β` is the epigraph of a convex function.
    """

    def __init__(self, q_a: float = 1.0, q_b: float = 2.0, beta: float = 2.0) -> None:
        self.q_a, self.q_b, self.beta = q_a, q_b, beta

    def moments(self, a: Tensor) -> tuple[Tensor, ...]:
        return power(a, self.q_a), power(a, self.q_b)

    def slopes(self, a: Tensor) -> Slopes:
        return self._slope(a, self.q_a), self._slope(a, self.q_b)

    @staticmethod
    def _slope(a: Tensor, q: float) -> Tensor | float:
        if q == 1:
            return 1.0
        if q > 1:
            return q * power(a, q - 1)
        return torch.where(a > 0, q * a.pow(q - 1), 0.0)

    def score(self, sums: Tensor, cells: float) -> Tensor:
        a, b = sums[..., 0], sums[..., 1]
        return (self.beta * a.log() - b.log()) / (self.beta - 1)

    def value(self, sums: Tensor, cells: float) -> Tensor:
        return self.score(sums, cells)

    def multiplier(self, ratio: NDArray[np.float64]) -> NDArray[np.float64]:
        return self.beta * ratio

    def tangent(self, multiplier: float, least: float) -> tuple[float, float]:
        a = self.beta * least / ((self.beta - 1) * multiplier)
        return a, least / (self.beta - 1)


class Renyi(Ratio):
    """Rényi entropy of order α > 0, not 1: `(ln Σa^α − α ln Σa)/(1 − α)`; nats."""

    name = "renyi"

    def __init__(self, order: float = 3.0) -> None:
        if order <= 0 or order == 1:
            raise UsageError(f"order {order:g} of renyi: above 0 and not 1 (that is entropy)")
        if order > 1:
            super().__init__(1.0, order, order)
        else:
            super().__init__(order, 1.0, 1.0 / order)


class Concentration(Ratio):
    """Jones-Parks concentration `Σa⁴/(Σa²)²`; higher is sparser."""

    name = "concentration"
    direction = "maximize"

    def __init__(self) -> None:
        super().__init__(2.0, 4.0, 2.0)

    def value(self, sums: Tensor, cells: float) -> Tensor:
        return sums[..., 1] / sums[..., 0] ** 2


class L1L2(Ratio):
    """`Σa/√Σa²`; lower is sparser."""

    name = "l1l2"

    def value(self, sums: Tensor, cells: float) -> Tensor:
        return sums[..., 0] / sums[..., 1].sqrt()


class Hoyer(L1L2):
    """Hoyer's `(√n − Σa/√Σa²)/(√n − 1)` over `n` cells, within [0, 1]; higher is sparser."""

    name = "hoyer"
    direction = "maximize"

    def value(self, sums: Tensor, cells: float) -> Tensor:
        root = math.sqrt(cells)
        return (root - super().value(sums, cells)) / (root - 1)


class Lp(Ratio):
    """`Σa^p/(Σa²)^(p/2)`, 0 < p ≤ 1; lower is sparser."""

    name = "lp"

    def __init__(self, order: float = 0.5) -> None:
        if not 0 < order <= 1:
            raise UsageError(f"order {order:g} of lp: above 0 and up to 1 is allowed")
        super().__init__(order, 2.0, 2.0 / order)

    def value(self, sums: Tensor, cells: float) -> Tensor:
        return sums[..., 0] / sums[..., 1] ** (self.q_a / 2)


class Kurtosis(Criterion):
    """Mean over frames of `F·Σa⁴/(Σa²)²`; higher is sparser; a silent frame counts as flat, 1."""

    name = "kurtosis"
    direction = "maximize"
    per_frame = True
    in_nats = True
    sums_per_frame = 1

    def __init__(self, end_weight: float = 1.0) -> None:
        """`end_weight` of the first and the last bin; ½ makes the sums over bins a trapezoid rule."""
        self.end_weight = end_weight

    def moments(self, a: Tensor) -> tuple[Tensor, ...]:
        return power(a, 2), power(a, 4)

    def slopes(self, a: Tensor) -> Slopes:
        return 2 * a, 4 * power(a, 3)

    def rows(self, a: Tensor, da: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        level = a.mean(-1, keepdim=True)  # cancels; quiet frames would underflow
        level = torch.where(level > 0, level, 1.0)
        a = a / level
        squares, fourths = (self._over_bins(m) for m in self.moments(a))
        silent = squares == 0
        squares = torch.where(silent, 1.0, squares)
        bins = a.shape[-1] - 2 * (1 - self.end_weight)
        kurtosis = torch.where(silent, 1.0, bins * fourths / (squares * squares))
        # value() divides by the number of cells, so each frame counts once per bin
        sums = frame_sum(bins * kurtosis)[:, None]
        if da is None:
            return sums, None
        d_squares, d_fourths = self.slopes(a)
        slope = bins * (d_fourths / squares**2 - 2 * fourths * d_squares / squares**3)
        slope[..., [0, -1]] *= self.end_weight
        return sums, frame_sum(bins * slope * (da / level))[:, None]

    def _over_bins(self, moment: Tensor) -> Tensor:
        total = moment.sum(-1, keepdim=True)
        if self.end_weight == 1:
            return total
        return total - (1 - self.end_weight) * (moment[..., :1] + moment[..., -1:])

    def value(self, sums: Tensor, cells: float) -> Tensor:
        return sums[..., 0] / cells

    def score(self, sums: Tensor, cells: float) -> Tensor:
        return -(sums[..., 0] / cells).log()


SEPARABLE = (Entropy, Renyi, Kurtosis, Concentration, L1L2, Hoyer, Lp)


def rows_together(criteria: Sequence[Criterion], a: Tensor, pool: Pool = frame_sum) -> list[Tensor]:
    """Sums per frame of several criteria, none of them ranked; each power of `a` is pooled once."""
    powers: dict[float, Tensor] = {}

    def summed(q: float) -> Tensor:
        if q not in powers:
            powers[q] = pool(power(a, q))
        return powers[q]

    def rows(criterion: Criterion) -> Tensor:
        if isinstance(criterion, Ratio) and type(criterion).__module__ == __name__:
            return torch.stack([summed(criterion.q_a), summed(criterion.q_b)], dim=-1)
        return (criterion.rows(a) if criterion.per_frame else criterion.pooled(a, pool))[0]

    return [rows(criterion) for criterion in criteria]


class Gini(Criterion):
    """Gini index `Σ_k c_(k) (2k − n − 1) / (n Σ c)`, c sorted upwards; higher is sparser.

    Source: Hurley & Rickard 2009. The derivative is that at constant ranks: two cells are equal when
    they change places, so the change of ranks adds nothing.
    """

    name = "gini"
    direction = "maximize"
    ranked = True
    in_nats = True

    def __init__(self, ranks: Tensor | None = None) -> None:
        """`ranks [buckets]`, within [-1, 1], from `from_histogram`."""
        self._ranks = ranks

    @staticmethod
    def empty_histogram(device: torch.device, buckets: int = _BUCKETS) -> Tensor:
        """Weight and weighted sum per bucket, `[2, buckets]`, a power of two of them."""
        dtype = torch.float32 if device.type == "mps" else torch.float64
        return torch.zeros(2, buckets, dtype=dtype, device=device)

    @staticmethod
    def add_to_histogram(histogram: Tensor, a: Tensor, weights: Tensor) -> None:
        """Adds `a [C, n, F]` with one weight per frame `[n]`."""
        bucket = _bucket(a, histogram.shape[1]).reshape(-1)
        weight = weights.to(histogram.dtype)[:, None]
        histogram[0].index_add_(0, bucket, weight.expand(a.shape).reshape(-1))
        histogram[1].index_add_(0, bucket, (a.to(histogram.dtype) * weight).reshape(-1))

    @staticmethod
    def from_histogram(histogram: Tensor) -> tuple[Gini, Tensor]:
        """The criterion with these ranks, and the sums `[2]` of the cells counted."""
        weight, total = histogram.cpu().double()
        ranks = (2 * weight.cumsum(0) - weight) / weight.sum() - 1
        return Gini(ranks.to(histogram.dtype).to(histogram.device)), torch.stack(
            [ranks @ total, total.sum()]
        )

    def moments(self, a: Tensor) -> tuple[Tensor, ...]:
        return self._rank(a) * a, a

    def slopes(self, a: Tensor) -> Slopes:
        return self._rank(a), 1.0

    def _rank(self, a: Tensor) -> Tensor:
        if self._ranks is None:
            raise RuntimeError("gini: the ranks are not known yet: call from_histogram first")
        return self._ranks[_bucket(a, len(self._ranks))].to(a.dtype)

    def value(self, sums: Tensor, cells: float) -> Tensor:
        return sums[..., 0] / sums[..., 1]

    def score(self, sums: Tensor, cells: float) -> Tensor:
        return (1 - self.value(sums, cells)).log()


def _bucket(a: Tensor, buckets: int) -> Tensor:
    """The leading bits of float32 `a ≥ 0` as an index: it rises with `a`."""
    shift = 32 - buckets.bit_length()  # the sign, which is 0, is not counted
    return a.float().contiguous().view(torch.int32).bitwise_right_shift(shift).long()
