"""The transform and its criterion as explicit sums in float64, which the faster sides are held to.

    X[f, i] = Σ_k x[t_i + k] · w(k; θ[f, i]) · exp(−2πj f (k + K/2) / K),   k = −K/2 … K/2−1,

with `w(u; θ) = ½ + ½ cos(2πu/θ)` for `|u| ≤ θ/2`, else 0, at frame centres `t_i = i·H`; and the entropy
`H = ln S − Σ a ln a / S`, `S = Σ a`, of `a = |X|`, with `∂H/∂a = (Σ a ln a / S − ln a) / S`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def entropy_and_gradient(
    signal: Array, n_fft: int, hop_length: int, lengths: Array
) -> tuple[float, Array]:
    """Entropy of |X| and its gradient with respect to the lengths.

    Args:
        signal: `[N]`.
        n_fft: K, even, samples.
        hop_length: H, samples.
        lengths: samples, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`, T = 1 + N // H, F = K // 2 + 1.

    Returns:
        Nats, and nats per sample in the shape of `lengths`.
    """
    F, T = n_fft // 2 + 1, 1 + len(signal) // hop_length
    theta = np.broadcast_to(lengths, (F, T))
    k = np.arange(n_fft) - n_fft // 2
    turn = np.exp(-2j * np.pi * np.outer(np.arange(F), k + n_fft // 2) / n_fft)
    padded = np.pad(signal, (n_fft // 2, n_fft))
    X, dX = np.empty((F, T), complex), np.empty((F, T), complex)
    for i in range(T):
        frame = padded[i * hop_length : i * hop_length + n_fft]
        angle = 2 * np.pi * k / theta[:, i, None]
        inside = np.abs(k) <= theta[:, i, None] / 2
        w = inside * (0.5 + 0.5 * np.cos(angle))
        dw = inside * 0.5 * np.sin(angle) * angle / theta[:, i, None]
        X[:, i] = (frame * w * turn).sum(-1)
        dX[:, i] = (frame * dw * turn).sum(-1)
    a = np.abs(X)
    log = np.log(np.where(a > 0, a, 1.0))
    S, A = a.sum(), (a * log).sum()
    da = np.divide((X.conj() * dX).real, a, out=np.zeros((F, T)), where=a > 0)
    slopes = (A / S - log) / S * da
    axes = tuple(axis for axis in (0, 1) if lengths.shape[axis] == 1)
    return float(np.log(S) - A / S), slopes.sum(axis=axes, keepdims=True)
