"""What the ways back from the transform share: which arguments they take, which samples they reach."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.errors import UsageError

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]

WEAK_ERROR = 1e-4  # share of the signal's level that rounding may reach before a sample is weak


def check_invertible(n_fft: int, centers: FloatArray, lengths: FloatArray, length: int) -> None:
    """UsageError where centres, window lengths and signal length do not belong together.

    Args:
        n_fft: FFT size K, samples.
        centers: frame centres, samples; `[T]`, not decreasing.
        lengths: window lengths, samples; `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`, in (0, n_fft].
        length: N, samples; at least 1.
    """
    if length < 1:
        raise UsageError(f"signal length {length} samples: at least 1 is needed")
    F, T = n_fft // 2 + 1, len(centers) if centers.ndim == 1 else 0
    if not T or lengths.shape not in ((1, 1), (1, T), (F, 1), (F, T)):
        raise UsageError(
            f"centres {centers.shape} with lengths {lengths.shape} and n_fft {n_fft}: "
            "shapes [T] with [1, 1], [1, T], [F, 1] or [F, T], F = n_fft // 2 + 1, are needed"
        )
    low, high = float(lengths.min()), float(lengths.max())
    if not (low > 0 and high <= n_fft):
        raise UsageError(
            f"window lengths {low:g}…{high:g} samples: above 0 and up to n_fft {n_fft} are allowed"
        )
    if not (np.diff(centers) >= 0).all():
        raise UsageError("the frame centres decrease: sort the frames by their centres")


def lost_and_weak(
    weight: FloatArray, top: FloatArray, dtype: torch.dtype
) -> tuple[BoolArray, BoolArray]:
    """Samples of which nothing but rounding is left, and further ones that rounding harms.

    Args:
        weight: `Σ w²` of the windows that reach a sample.
        top: greatest `w²` of these windows.
        dtype: float32 or float64, the precision of the transform.
    """
    eps = torch.finfo(dtype).eps
    lost: BoolArray = weight <= eps**2 * top
    return lost, ~lost & (weight < (eps / WEAK_ERROR) ** 2 * top)
