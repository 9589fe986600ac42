"""Every criterion as one formula over the cells of a plane, as in the literature."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def frame_weights(centers: Array, samples: int) -> Array:
    """Share of time of each learned frame, 1 on average, `[T]`."""
    between = (centers[:-1] + centers[1:]) / 2
    shares = np.diff(between, prepend=0.0, append=max(samples - 1.0, 1.0))
    return shares / shares.mean()


def criterion_value(
    name: str, a: Array, order: float | None = None, weights: Array | None = None
) -> float:
    """Value of a plane `a = |X|^power`, `[C, T, F]`, in the criterion's own direction.

    `weights [T]` are those of the frames; Gini's coefficient has none.
    """
    a = a.astype(np.float64)
    w = np.ones(a.shape[1]) if weights is None else weights

    def total(values: Array) -> float:
        return float(w @ values.sum((0, 2)))

    s1, root = total(a), np.sqrt(a.shape[0] * a.shape[2] * w.sum())
    if name == "entropy":
        return np.log(s1) - total(a * np.log(np.maximum(a, 1e-300))) / s1
    if name == "renyi":
        alpha = 3.0 if order is None else order
        return (np.log(total(a**alpha)) - alpha * np.log(s1)) / (1 - alpha)
    if name == "kurtosis":  # of each frame; one without sound counts as flat
        squares = (a**2).sum(-1)
        silent = squares == 0
        frames = a.shape[2] * (a**4).sum(-1) / np.where(silent, 1, squares**2)
        return float((w * np.where(silent, 1, frames)).sum() / (w.sum() * len(a)))
    if name == "concentration":
        return total(a**4) / total(a**2) ** 2
    if name == "lp":
        q = 0.5 if order is None else order
        return total(a**q) / total(a**2) ** (q / 2)
    if name == "gini":
        flat = np.sort(a.ravel())
        n = len(flat)
        return float(((2 * np.arange(1, n + 1) - n - 1) * flat).sum() / (n * flat.sum()))
    ratio = s1 / np.sqrt(total(a**2))
    return float({"l1l2": ratio, "hoyer": (root - ratio) / (root - 1)}[name])
