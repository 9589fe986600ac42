"""What of a tile's costs is structure, and what is chance.

A tile holds few independent cells, so in noise its costs scatter, and lengths chosen by them would be
restless. White noise through the same tiles tells how much. With costs c and ever longer averages over
time, c₁ = g₁ * c and c₂ = g₂ * c₁,

    c̃ = s₂ · c₂ + s₁ · (c₁ − c₂) + s₀ · (c − c₁),      s = max(0, 1 − (K σ / D)²)

where D is the spread of a part over lengths, and σ its root mean square in noise: a positive-part
James-Stein estimate for each tile and scale. What noise costs on average is taken off first, so that
noise prefers no length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import pad

from dstft_cli.criteria.local import tile_cost
from dstft_cli.criteria.tiling import Tiling
from dstft_cli.fit.tiles import Sound, smooth, stream

SCALES = (4, 16)  # σ of the averages over time, in tiles, each on top of the one before
HALO = sum(3 * sigma for sigma in SCALES)  # tiles that a chunk needs on either side
_KEEP, _FLAT = 1.6, 2.2  # K for the parts, and for the longest average
_TILES = 1500  # of noise, in time
_SEED = 0


@dataclass(frozen=True)
class Noise:
    """Costs of white noise.

    Attributes:
        mean: `[M, B, 1]`.
        spread: σ of each part, finest first, `[B, 1]` each.
    """

    mean: Tensor
    spread: tuple[Tensor, ...]


def noise_in(sound: Sound, tiling: Tiling) -> Noise:
    """Costs of white noise in these tiles, always the same noise."""
    edge = HALO + int(tiling.lengths[-1] // tiling.step)
    generator = torch.Generator().manual_seed(_SEED)
    samples = torch.randn(1, (_TILES + 2 * edge) * tiling.step, generator=generator)
    white = replace(
        sound, samples=samples, level=1.0, compute=replace(sound.compute, progress=None)
    )
    parts = [
        tile_cost(tiling, sound.criterion, chunk.energy, chunk.sums).cost
        for chunk in stream(white, tiling)
    ]
    cost = torch.cat(parts, 2)[:, :, edge:-edge]
    mean = cost.mean(2, keepdim=True)
    allowed = _allowed(tiling, cost)
    spread = [_spread(part, allowed).square().mean(1, keepdim=True) for part in _parts(cost - mean)]
    return Noise(mean, tuple(squared.sqrt() for squared in spread))


def settled(cost: Tensor, tiling: Tiling, noise: Noise) -> tuple[Tensor, Tensor]:
    """Costs without chance `[M, B, U]`, and the share of the finest part that is kept `[B, U]`."""
    allowed, parts = _allowed(tiling, cost), _parts(cost - noise.mean)
    total, finest = torch.zeros_like(cost), torch.zeros_like(cost[0])
    for number, (part, sigma) in enumerate(zip(parts, noise.spread, strict=True)):
        strict = _FLAT if number == len(SCALES) else _KEEP
        kept = 1 - (strict * sigma / _spread(part, allowed).clamp_min(1e-9)).square()
        kept = kept.clamp_min(0)
        total += kept * part
        finest = kept if number == 0 else finest
    return total, finest


def _allowed(tiling: Tiling, like: Tensor) -> Tensor:
    return torch.from_numpy(tiling.allowed).to(like)[:, :, None]


def _parts(cost: Tensor) -> list[Tensor]:
    """Differences between averages over time, finest first, then the longest average."""
    parts = []
    for sigma in SCALES:
        offsets = torch.arange(-3 * sigma, 3 * sigma + 1, dtype=cost.dtype)
        kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
        around = pad(cost, (3 * sigma, 3 * sigma), mode="replicate")
        longer = smooth(around, kernel / kernel.sum())
        parts.append(cost - longer)
        cost = longer
    return [*parts, cost]


def _spread(part: Tensor, allowed: Tensor) -> Tensor:
    """Standard deviation over the lengths that a band may take, `[B, U]`."""
    count = allowed.sum(0)
    mean = (part * allowed).sum(0) / count
    return (((part - mean).square() * allowed).sum(0) / count).sqrt()
