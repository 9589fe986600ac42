"""The local criterion of a transform as a loss, with autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from dstft_cli.criteria import Criterion, resolve
from dstft_cli.criteria.local import LEAKAGE, TINY, Tiling, check_local, tile_score, tile_weights

_REACH = 3.0  # σ of a tile over time on either side
_TILES = 64  # in time, at once
_FLOOR = 1e-12  # of the mean power, added to every cell: silence has the sums of noise


def local_criterion(
    X: Tensor,
    frequencies: Tensor | Any,
    frame_centers: Tensor | Any,
    sample_rate: float,
    criterion: str | Criterion | Any = "entropy",
    *,
    order: float | None = None,
    shortest: float | None = None,
    longest: float | None = None,
    power: float = 2.0,
    reference: Tensor | None = None,
) -> Tensor:
    """`J = Σ_τ ω_τ·cost_τ / Σ_τ ω_τ` of a transform, to be lowered: every tile of it counts by itself.

        layer = dstft_cli.DSTFT(n_fft=1024, hop_length=64, win_length=512)
        X = layer(signal)
        loss = local_criterion(X, frequencies, layer.centers_of(len(signal)), sample_rate)

    Tiles and score are those of a fit with `scope` local. Gradients reach X, and so the lengths,
    and the frame centres, by which frames weigh their share of time. Weights ω are held.

    Args:
        X: complex, `[F, T]` or `[C, F, T]`, windows of unit energy; channels are added.
        frequencies: of the bins, Hz, evenly spaced from 0, `[F]`.
        frame_centers: samples, `[T]`.
        sample_rate: Hz.
        criterion: made of sums: a name, `module:object`, or an object (not `gini`).
        order: of `renyi` and `lp`.
        shortest, longest: window lengths to which bands and tiles belong, samples; None: 1/64 of the
            FFT size, at least 16, and the FFT size.
        power: the criterion sees `|X| ** power`.
        reference: transforms of the same signal with other windows, `[R, F, T]` or `[R, C, F, T]`: energy
            above the median of theirs is charged as leakage. None: it is not charged.

    Returns:
        J, nats for the built-in criteria.

    Raises:
        UsageError: the criterion is unknown, or not made of sums.
    """
    found = resolve(criterion, order)
    check_local(found)
    bins = np.asarray(torch.as_tensor(frequencies).detach().cpu(), np.float64)
    n_fft = 2 * (len(bins) - 1)
    high = float(longest or n_fft)
    tiling = Tiling(sample_rate, np.array([min(shortest or max(n_fft / 64, 16.0), high), high]))
    areas = torch.from_numpy(tiling.bin_weights(n_fft)).to(X.device, X.real.dtype)
    centers = torch.as_tensor(frame_centers, dtype=X.real.dtype, device=X.device)
    squared = _squared(X)
    level = squared.detach().mean().clamp_min(TINY)
    cells = squared / level + _FLOOR if found.scale_invariant else squared
    a = cells if power == 2 else cells.pow(power / 2)
    moments = torch.stack([m.sum(0).T @ areas for m in (cells, *found.moments(a))])  # [1+J, T, B]
    maps = _over_time(moments, centers, tiling)
    energy, sums = maps[0], maps[1:].movedim(0, -1)
    cost = tile_score(tiling, found, sums)
    held = energy.detach()
    if reference is not None:
        plain = _squared(reference.detach().reshape(-1, *X.shape[-2:]))
        plain = plain.reshape(len(reference), -1, *X.shape[-2:]).sum(1) / level
        others = _over_time(plain.mT @ areas, centers.detach(), tiling)
        held = others.median(0).values
        cost = cost + LEAKAGE * (energy.clamp_min(TINY) / held.clamp_min(TINY)).log().clamp_min(0)
    shares = torch.from_numpy(tiling.shares).to(held)[:, None]
    mean = held / shares
    weight = tile_weights(mean, float(mean.sqrt().mean()) ** 2 or 1.0)
    return (weight * cost).sum() / weight.sum().clamp_min(TINY)


def _squared(X: Tensor) -> Tensor:
    squared = X.real.square() + X.imag.square()
    return squared if squared.dim() == 3 else squared[None]


def _over_time(rows: Tensor, centers: Tensor, tiling: Tiling) -> Tensor:
    """Gaussian means over time of the tiles, `[..., T, B]` → `[..., B, U]`.

    Each frame weighs its share of time. Tiles lie between the first frame and the last.
    """
    T = len(centers)
    gaps = centers.diff()
    gaps = torch.cat([gaps[:1], gaps, gaps[-1:]]) if T > 1 else centers.new_ones(2)
    shares = (gaps[:-1] + gaps[1:]) / 2
    at = centers.detach()
    first, last = float(at[0]), float(at[-1])
    spacing = max(float(tiling.step), float(gaps.detach().mean()))
    times = first + spacing * np.arange(int((last - first) / spacing) + 1)
    sigma = max(tiling.sigma, float(gaps.detach().mean()) / 2)  # frames too far apart for a tile
    parts = []
    for start in range(0, len(times), _TILES):
        tiles = torch.as_tensor(times[start : start + _TILES]).to(centers)
        left = int(torch.searchsorted(at, tiles[:1] - _REACH * sigma - spacing))
        right = int(torch.searchsorted(at, tiles[-1:] + _REACH * sigma + spacing, right=True))
        here = slice(max(left - 1, 0), min(right + 1, T))
        kernel = torch.exp(-0.5 * ((tiles[:, None] - centers[here]) / sigma) ** 2) * shares[here]
        parts.append((kernel / kernel.sum(1, keepdim=True)) @ rows[..., here, :])
    return torch.cat(parts, -2).mT
