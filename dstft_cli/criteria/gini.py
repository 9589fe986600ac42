"""The Gini index, which needs the rank of every cell among all others.

It is not a function of a few fixed sums. With given ranks it is one: `Σ r(a)·a / Σ a`. The ranks are a
function of the distribution of `a`, which is a sum too: a histogram over the leading bits of the
floating-point numbers (8 of exponent, 12 of mantissa). Cells in one bucket differ by less than 2⁻¹² and
get its mean rank. This changes the index by less than 2⁻¹² of the share of pairs within buckets. So a
value costs one pass, a value with its gradient two, and memory does not grow with the signal.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dstft_cli.criteria.base import Criterion, Slopes

_BUCKETS = 1 << 20
COARSE = 1 << 16  # enough for a sweep: the score changes by less than 1e-4


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
