"""Every criterion as one formula over the cells of a plane, as in the literature."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def criterion_value(name: str, a: Array, order: float | None = None) -> float:
    """Value of a plane `a = |X|^power`, `[C, T, F]`, in the criterion's own direction."""
    flat = np.sort(a.ravel().astype(np.float64))
    n = len(flat)
    p = flat[flat > 0] / flat.sum()
    if name == "entropy":
        return float(-(p * np.log(p)).sum())
    if name == "renyi":
        alpha = 3.0 if order is None else order
        return float(np.log((p**alpha).sum()) / (1 - alpha))
    if name == "kurtosis":
        return float(np.mean(a.shape[-1] * (a**4).sum(-1) / (a**2).sum(-1) ** 2))
    if name == "concentration":
        return float((flat**4).sum() / (flat**2).sum() ** 2)
    l1l2 = flat.sum() / np.sqrt((flat**2).sum())
    if name == "l1l2":
        return float(l1l2)
    if name == "hoyer":
        return float((np.sqrt(n) - l1l2) / (np.sqrt(n) - 1))
    if name == "lp":
        q = 0.5 if order is None else order
        return float((flat**q).sum() / (flat**2).sum() ** (q / 2))
    assert name == "gini"
    k = np.arange(1, n + 1)
    return float(((2 * k - n - 1) * flat).sum() / (n * flat.sum()))
