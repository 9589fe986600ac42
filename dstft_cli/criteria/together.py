"""The sums of several criteria in one pass over the cells."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dstft_cli.criteria.base import Criterion, frame_sum
from dstft_cli.criteria.builtin import Ratio, power


def rows_together(criteria: Sequence[Criterion], a: Tensor) -> list[Tensor]:
    """What `Criterion.rows` gives for each criterion, every power of `a` summed once.

    Args:
        criteria: none of them ranked.
        a: `[C, n, F]`.

    Returns:
        Sums per frame `[n, J]`, one tensor per criterion.
    """
    powers: dict[float, Tensor] = {}

    def summed(q: float) -> Tensor:
        if q not in powers:
            powers[q] = frame_sum(power(a, q))
        return powers[q]

    return [
        torch.stack([summed(criterion.q_a), summed(criterion.q_b)], dim=-1)
        if isinstance(criterion, Ratio)
        and type(criterion).moments is Ratio.moments
        and type(criterion).rows is Criterion.rows
        else criterion.rows(a)[0]
        for criterion in criteria
    ]
