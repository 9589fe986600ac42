"""The local criterion of a transform as a loss, with autograd."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria import Criterion, resolve
from dstft_cli.criteria.local import (
    DYNAMIC,
    STRETCH,
    TINY,
    Tiling,
    charges,
    check_local,
    tile_score,
    tile_weights,
)
from dstft_cli.errors import UsageError

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

    Tiles, score and charges are those of a fit with `scope` local; what white noise costs is not taken
    off. Gradients reach X, and so the lengths, and the frame centres, by which frames weigh their share of
    time. Weights ω are held.

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
        reference: transforms of the same signal with a short window and a long one, `[2, F, T]` or
            `[2, C, F, T]`: energy at another time than in the first, and at another frequency than in the
            second, is charged. None: it is not. Stretches are Gaussians here.

    Returns:
        J, nats for the built-in criteria.

    Raises:
        UsageError: the criterion is unknown, or not made of sums; `reference` is not two transforms; the
            other arguments do not belong together.
    """
    found = resolve(criterion, order)
    check_local(found)
    if X.dim() not in (2, 3) or not X.is_complex():
        raise UsageError(f"transform of shape {tuple(X.shape)}: give complex [F, T] or [C, F, T]")
    bins = np.asarray(torch.as_tensor(frequencies).detach().cpu(), np.float64)
    centers = torch.as_tensor(frame_centers, dtype=X.real.dtype, device=X.device)
    n_fft = _fft_size(bins, sample_rate)
    if (len(bins), len(centers)) != X.shape[-2:]:
        raise UsageError(
            f"transform of shape {tuple(X.shape)} with {len(bins)} frequencies and {len(centers)} "
            "centres: give one of each bin, and one of each frame"
        )
    high = float(n_fft if longest is None else longest)
    low = float(min(max(n_fft / 64, 16.0), high) if shortest is None else shortest)
    if not 0 < low <= high < np.inf:
        raise UsageError(
            f"`shortest` {low:g} and `longest` {high:g} samples: 0 < shortest ≤ longest"
        )
    if not power > 0:
        raise UsageError(f"`power` {power:g} is not above 0")
    tiling = Tiling(sample_rate, np.array([low, high]))
    areas = torch.from_numpy(tiling.bin_weights(n_fft)).to(X.device, X.real.dtype)
    squared = _squared(X)
    level = squared.detach().mean().clamp_min(TINY)
    cells = squared / level + _FLOOR if found.scale_invariant else squared
    a = cells if power == 2 else cells.pow(power / 2)
    moments = torch.stack([m.sum(0).T @ areas for m in (cells, *found.moments(a))])  # [1+J, T, B]
    tiles = _Times(centers, tiling.step, tiling.sigma)
    maps = tiles.mean(moments)
    energy, sums = maps[0], maps[1:].movedim(0, -1)
    cost = tile_score(tiling, found, sums)
    held = energy.detach()
    if reference is not None:
        if reference.shape != (2, *X.shape):
            raise UsageError(
                "`reference` is not two transforms of the signal, with a short window and a long one: "
                f"its shape is {tuple(reference.shape)}"
            )
        short, long = reference.detach().reshape(2, -1, *X.shape[-2:]) / level.sqrt()
        short, long = (_squared(other).sum(0).mT + _FLOOR for other in (short, long))
        held = tiles.mean(short @ areas)
        width = STRETCH * tiling.step
        deviation = 2 * width / 12**0.5  # that of a box of two widths
        stretches = _Times(centers, width, deviation)
        around = stretches.at(tiles, stretches.mean(short @ areas))
        seen = stretches.mean((squared / level + _FLOOR).sum(0).mT)
        spread = _spread(seen, stretches.mean(long), areas, tiling.triangles(bins))
        excess = (energy.clamp_min(TINY) / held.clamp_min(TINY)).log()
        share = (held / around.clamp_min(TINY)).clamp_max(1)
        cost = cost + charges(excess, -excess, share, stretches.at(tiles, spread))
    shares = torch.from_numpy(tiling.shares).to(held)[:, None]
    mean = held / shares
    weight = tile_weights(tiling, mean, float(mean.sqrt().mean()) ** 2 or 1.0)
    return (weight * cost).sum() / weight.sum().clamp_min(TINY)


def _fft_size(frequencies: NDArray[np.float64], sample_rate: float) -> int:
    """That of bins at these frequencies `[F]`; UsageError where they are not all of one FFT."""
    count = len(frequencies)
    if sample_rate > 0 and count > 1 and frequencies[1] > 0:
        n_fft = round(sample_rate / float(frequencies[1]))
        bins = np.arange(n_fft // 2 + 1) * sample_rate / n_fft
        if len(bins) == count and np.allclose(frequencies, bins, rtol=1e-3):
            return n_fft
    raise UsageError(
        f"{count} frequencies at `sample_rate` {sample_rate:g} Hz are not the bins of an FFT: "
        "give k · sample_rate / n_fft, k = 0 … n_fft // 2"
    )


def _spread(seen: Tensor, long: Tensor, areas: Tensor, triangles: Any) -> Tensor:
    """How far spectra `[F, V]` are above the long ones, nepers, mean of each band, `[B, V]`."""
    width = areas.sum(0)[:, None].clamp_min(TINY)
    levels = (areas.T @ long) / width
    floor = torch.from_numpy(triangles).to(long).T @ levels * DYNAMIC + TINY
    apart = torch.maximum(seen, floor).log() - torch.maximum(long, floor).log()
    return areas.T @ apart.clamp_min(0) / width


def _squared(X: Tensor) -> Tensor:
    squared = X.real.square() + X.imag.square()
    return squared if squared.dim() == 3 else squared[None]


class _Times:
    """Gaussians over time between the first frame and the last; each frame weighs its share of time."""

    def __init__(self, centers: Tensor, step: float, sigma: float) -> None:
        """Frames at `centers`, `[T]`; Gaussians every `step` samples, or as far apart as the frames."""
        gaps = centers.diff()
        gaps = torch.cat([gaps[:1], gaps, gaps[-1:]]) if len(centers) > 1 else centers.new_ones(2)
        self._centers, self._shares = centers, (gaps[:-1] + gaps[1:]) / 2
        mean = float(gaps.detach().mean())
        self._sigma, self._spacing = max(sigma, mean / 2), max(float(step), mean)
        self._first, last = float(centers[0].detach()), float(centers[-1].detach())
        self._count = int((last - self._first) / self._spacing) + 1

    def mean(self, rows: Tensor) -> Tensor:
        """`[..., T, B]` → `[..., B, U]`."""
        at, parts = self._centers.detach(), []
        for start in range(0, self._count, _TILES):
            index = np.arange(start, min(start + _TILES, self._count))
            places = torch.as_tensor(self._first + self._spacing * index).to(at)
            reach = _REACH * self._sigma + self._spacing
            left = int(torch.searchsorted(at, places[:1] - reach))
            right = int(torch.searchsorted(at, places[-1:] + reach, right=True))
            here = slice(max(left - 1, 0), min(right + 1, len(at)))
            distance = (places[:, None] - self._centers[here]) / self._sigma
            kernel = torch.exp(-0.5 * distance**2) * self._shares[here]
            parts.append((kernel / kernel.sum(1, keepdim=True)) @ rows[..., here, :])
        return torch.cat(parts, -2).mT

    def at(self, finer: _Times, values: Tensor) -> Tensor:
        """Values of these `[..., U]` at the times of others."""
        place = torch.arange(finer._count) * (finer._spacing / self._spacing)
        place = place.clamp_max(self._count - 1).to(values)
        before = place.long()
        after = (before + 1).clamp_max(self._count - 1)
        return torch.lerp(values[..., before], values[..., after], place - before)
