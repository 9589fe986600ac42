"""Means over seeds, how far they can be trusted, and which of two is better."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Spread:
    """Of the values of several seeds.

    Attributes:
        mean: of them.
        deviation: their standard deviation (n − 1 in the denominator); 0 for a single value.
        half_width: of the 95 % confidence interval of the mean, by Student's t; infinite for a
            single value.
    """

    mean: float
    deviation: float
    half_width: float


def spread(values: Sequence[float]) -> Spread:
    """Mean, standard deviation and confidence interval of at least one value."""
    count = len(values)
    mean = float(np.mean(values))
    if count < 2:
        return Spread(mean, 0.0, math.inf)
    deviation = float(np.std(values, ddof=1))
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
    return Spread(mean, deviation, quantile * deviation / math.sqrt(count))


def verdict(ours: Spread, best: Spread, *, lower_is_better: bool) -> str:
    """`better`, `equal` or `worse` than `best`; `equal` is within the latter's deviation."""
    gain = best.mean - ours.mean if lower_is_better else ours.mean - best.mean
    if abs(gain) <= best.deviation:
        return "equal"
    return "better" if gain > 0 else "worse"
