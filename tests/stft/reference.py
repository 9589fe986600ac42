"""The transform as an explicit sum over samples: slow, and as close to the formula as code can be."""

import numpy as np
import torch
from numpy.typing import NDArray

Array = NDArray[np.float64]
KAISER_BETA = 8.6


def noise(*shape: int, dtype: torch.dtype = torch.float64, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=dtype, generator=generator)


def profile(name: str, v: Array) -> Array:
    """`h(v)` of a window family, zero where |v| > 1/2; `v = u / θ`."""
    cos = np.cos(2 * np.pi * v)
    if name == "hann":
        h = 0.5 + 0.5 * cos
    elif name == "blackman":
        h = 0.42 + 0.5 * cos + 0.08 * np.cos(4 * np.pi * v)
    elif name == "nuttall":
        h = 0.355768 + 0.487396 * cos + 0.144232 * np.cos(4 * np.pi * v)
        h = h + 0.012604 * np.cos(6 * np.pi * v)
    elif name == "gaussian":
        h = _ended(np.exp(-((6 * v) ** 2) / 2), np.exp(-9 / 2), -18 * np.exp(-9 / 2), v)
    else:
        top = np.i0(KAISER_BETA)
        inside = np.sqrt(np.clip(1 - 4 * v**2, 0, None))
        h = _ended(np.i0(KAISER_BETA * inside) / top, 1 / top, -(KAISER_BETA**2) / top, v)
    return np.where(np.abs(v) <= 0.5, h, 0.0)


def _ended(g: Array, end: float, end_slope: float, v: Array) -> Array:
    """`g` less the even parabola that has its value and slope at v = 1/2, scaled to 1 at 0."""
    return (g - end - end_slope * (v**2 - 0.25)) / (1 - end + end_slope / 4)


def explicit_stft(
    x: Array,
    centers: Array,
    lengths: Array,
    n_fft: int,
    window: str = "hann",
    normalization: str = "energy",
) -> NDArray[np.complex128]:
    """`X[f, i]` of one channel `[N]`, `[F, T]`; lengths broadcast to `[F, T]`.

    `X[f, i] = Σ_k x[⌊t_i⌋ + k] w(k − frac(t_i); θ[f, i]) exp(−2πj f (k + ⌊K/2⌋) / K)`.
    """
    K, bins = n_fft, np.arange(n_fft // 2 + 1)
    k = np.arange(-(K // 2), K - K // 2)
    floor = np.floor(centers).astype(int)
    n = floor[:, None] + k
    frames = np.where((n >= 0) & (n < len(x)), x[np.clip(n, 0, len(x) - 1)], 0.0)
    phase = np.exp(-2j * np.pi * np.outer(k + K // 2, bins) / K)
    rows = []
    for theta in lengths if len(lengths) == 1 else np.broadcast_to(lengths, (len(bins), len(n))):
        w = profile(window, (k - (centers - floor)[:, None]) / theta[:, None])
        if normalization == "amplitude":
            w = w / w.sum(1, keepdims=True)
        elif normalization == "energy":
            w = w / np.sqrt((w**2).sum(1, keepdims=True))
        rows.append(w)
    if len(rows) == 1:
        return ((frames * rows[0]) @ phase).T
    return np.stack([(frames * w) @ phase[:, f] for f, w in enumerate(rows)])
