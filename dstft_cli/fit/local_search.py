"""The local search: costs of all tiles from one pass over the signal, and the best lengths.

One length for all, per frame or per band: J is a sum over rows, each with a cost of its own, so the
tabulated problem with its price of change is one cheapest path, and that is exact.

A length per tile is chosen in two steps. In each band the cheapest path over time,

    min Σ_u c(u, m_u) + Σ_u |ln θ(m_u) − ln θ(m_{u+1})|

through every second length and pairs of tiles, says about which length: a change must gain a nat in one
tile, or in several together, for each e-fold. So single tiles do not move it. c is averaged over
neighbouring bands: an onset is in all of them, and what one band tells alone is mostly the beat of two
partials. Around the path a soft choice in the band itself says which: weights `exp(−β·cost)` average ln θ.
Where nothing tells lengths apart, as in noise, a slight tilt of the costs leads to a few times the shortest
length. Tiles overlap, so there are no blocks and no seams.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from dstft_cli.criteria.local import TINY, Tiling, tile_cost, tile_weights, within_bands
from dstft_cli.fit.path import cheapest_path, cheapest_paths
from dstft_cli.fit.tiles import HALO, Sound, levels, noise_in, settled, stream

Array = NDArray[np.float64]
FloatArray = NDArray[np.floating[Any]]

SHARPNESS = 10.0  # β of the soft choice, per nat
TILT = 0.03  # nats per e-fold away from the length of what nothing tells apart,
MODERATE = 4.0  # which is so many times a band's shortest: grain of noise as wide as it is high
ALIKE = 1.4  # σ of the average over bands whose path is sought, in bands
LOUD = 0.125  # exponent of the level of a band in that average
REACH = 2  # tabulated lengths on either side of the path
PATH_TILES = 128  # tiles of a path, between `HALO` on either side; chunks hold whole ones


@dataclass(frozen=True)
class Costs:
    cost: Tensor  # under each tabulated length, nats, `[M, B, U]`
    weight: Tensor  # ω, `[B, U]`
    settled: Tensor | None = None  # costs without chance, `[M, B, U]`; None: not asked for
    path: Tensor | None = None  # lengths of the cheapest path over time, numbers `[B, U]`
    trust: Tensor | None = None  # in their finest part, `[B, U]`


def reference_level(sound: Sound, tiling: Tiling) -> float:
    """Level against which weights fade: (mean of √level)², so that one loud moment does not set it."""
    total = count = 0.0
    heard = torch.from_numpy(tiling.heard)
    shares = torch.from_numpy(tiling.shares)[:, None]
    for energy in levels(sound, tiling):
        level = (energy.double() / shares)[heard]
        total += float(level.sqrt().sum())
        count += level.numel()
    return (total / max(count, 1)) ** 2 or 1.0


def costs_of(
    sound: Sound, tiling: Tiling, reference: float, *, settle: bool = False
) -> Iterator[Costs]:
    """Costs of all tiles above those of white noise, chunk by chunk; `settle`: also without chance."""
    noise = noise_in(sound, tiling)
    found = (tile_cost(tiling, sound.criterion, sums) for sums in stream(sound, tiling))
    chunks = ((of.cost.sub_(noise.mean), of.level) for of in found)
    for cost, level, own in with_neighbours(chunks, 2 * HALO if settle else 0):
        weight = tile_weights(tiling, level[:, own], reference)
        paid = within_bands(tiling, cost[..., own])
        if not settle:
            yield Costs(paid, weight)
        else:
            kept, trust = settled(cost, tiling, noise)
            kept += tilt(tiling).to(kept)
            path = path_over_time(kept, tiling, own, level)
            yield Costs(paid, weight, kept[..., own], path, trust[:, own])


def with_neighbours(
    chunks: Iterable[tuple[Tensor, Tensor]], reach: int
) -> Iterator[tuple[Tensor, Tensor, slice]]:
    """Chunks of costs `[M, B, U]` and levels `[B, U]` with the tiles next to them, and where they lie.

    There are `reach` neighbours on either side, fewer at the ends; chunks but the last are as long.
    """
    held: list[Tensor] = []  # a chunk, after those before it
    before = 0
    for chunk in chunks:
        if held:
            size = held[0].shape[-1]
            cost, level = _joined(held, [part[..., :reach] for part in chunk])
            yield cost, level, slice(before, size)
            before = min(reach, size)
            held = _joined([part[..., size - before :] for part in held], chunk)
        else:
            held = list(chunk)
    if held:
        yield held[0], held[1], slice(before, held[0].shape[-1])


def _joined(first: Iterable[Tensor], second: Iterable[Tensor]) -> list[Tensor]:
    """Along time, the last axis."""
    return [torch.cat(pair, -1) for pair in zip(first, second, strict=True)]


def tilt(tiling: Tiling) -> Tensor:
    """Nats of each length in each band beside its cost, `[M, B, 1]`."""
    wanted = np.minimum(MODERATE * tiling.lengths[tiling.allowed.argmax(0)], tiling.lengths[-1])
    away = np.abs(np.log(tiling.lengths[:, None] / wanted))
    return torch.from_numpy(TILT * away)[:, :, None]


def over_bands(cost: Tensor, level: Tensor) -> Tensor:
    """Costs `[M, B, U]` averaged over neighbouring bands; loud ones, by level `[B, U]`, count more."""
    weight = level.clamp_min(TINY).pow(LOUD)
    bands = torch.arange(len(weight), dtype=weight.dtype)
    near = torch.exp(-0.5 * ((bands[:, None] - bands) / ALIKE).square())
    return near @ (cost * weight) / (near @ weight)


def path_over_time(cost: Tensor, tiling: Tiling, own: slice, level: Tensor) -> Tensor:
    """Numbers of the lengths on the cheapest path of each band, `[B, U]` of a chunk's own tiles.

    Costs `[M, B, U']` and levels `[B, U']` have those of tiles on either side. Neighbouring bands count
    too. Paths begin anew every `PATH_TILES` tiles.
    """
    last, bands, count = len(cost) - 1, cost.shape[1], own.stop - own.start
    every = np.arange(last % 2, last + 1, 2)
    allowed = torch.from_numpy(tiling.allowed)[every, :, None]
    ends = HALO - own.start, -count % PATH_TILES + HALO - (cost.shape[2] - own.stop)
    pairs = over_bands(in_pairs(pad(cost[every], ends)), in_pairs(pad(level, ends)))
    pairs = pairs.masked_fill(~allowed, torch.inf)
    parts = pairs.unfold(2, PATH_TILES // 2 + HALO, PATH_TILES // 2)  # [M, B, n, W]
    lines = parts.permute(3, 0, 1, 2).flatten(2).double().contiguous()
    found = cheapest_paths(lines.numpy(), np.log(tiling.lengths[every]))
    middle = torch.from_numpy(found)[HALO // 2 : -HALO // 2].reshape(-1, bands, parts.shape[2])
    path = middle.permute(1, 2, 0).repeat_interleave(2, 2).flatten(1)[:, :count]
    return torch.from_numpy(every)[path]


def in_pairs(tiles: Tensor) -> Tensor:
    """Sums of every two tiles over time, the last axis."""
    return tiles[..., ::2] + tiles[..., 1::2]


def soft_choice(cost: Tensor, tiling: Tiling, path: Tensor) -> Tensor:
    """ln θ of tiles `[B, U]` from their costs `[M, B, U]`, near the lengths of a path, numbers `[B, U]`."""
    logs = torch.from_numpy(np.log(tiling.lengths)).to(cost)
    least = torch.from_numpy(tiling.allowed.argmax(0))[:, None]
    near = path + torch.arange(-REACH, REACH + 1)[:, None, None]
    outside = (near < least) | (near >= len(logs))
    near = near.clamp(0, len(logs) - 1)
    scores = (-SHARPNESS * cost.gather(0, near)).masked_fill(outside, -torch.inf)
    weight = torch.softmax(scores, 0)
    return (weight * logs[near]).sum(0)


@dataclass
class Rows:
    """`Σ ω·cost` of the modes that share lengths, accumulated over chunks.

    Sums are kept, not their parts: many small arrays between the large ones of each chunk would keep the
    C library from using its memory again.
    """

    frames: int = 0  # tiles in time, if the costs of each are to be kept: 100 bytes for each
    _time: Array = field(default_factory=lambda: np.empty((0, 0)))
    _time_weight: Array = field(default_factory=lambda: np.empty(0))
    _done: int = 0
    _least: float = 0.0
    _band: Array | float = 0.0
    _band_weight: Array | float = 0.0

    def add(self, costs: Costs) -> None:
        weighted = costs.cost * costs.weight
        self._band = self._band + weighted.sum(2, dtype=torch.float64).T.numpy()
        weight: Array = costs.weight.sum(1, dtype=torch.float64).numpy()
        self._band_weight = self._band_weight + weight
        over_bands = weighted.sum(1, dtype=torch.float64)  # `[M, U]`
        self._least += float(over_bands.amin(0).sum())
        if self.frames:
            if not self._done:
                self._time = np.empty((self.frames, len(costs.cost)))
                self._time_weight = np.empty(self.frames)
            part = slice(self._done, self._done + weighted.shape[2])
            self._time[part] = over_bands.T.numpy()
            self._time_weight[part] = costs.weight.sum(0, dtype=torch.float64).numpy()
            self._done = part.stop

    @classmethod
    def of(cls, table: Array, shares: Array) -> Rows:
        """With costs of bands, or of one row for all, `[R, M]`, and their weights `[R]`."""
        return cls(_band=table, _band_weight=shares)

    @property
    def total(self) -> float:
        """Σ ω; 1 where nothing is heard."""
        return float(np.sum(self._band_weight)) or 1.0

    @property
    def least_over_time(self) -> float:
        """J where each time has its best tabulated length."""
        return self._least / self.total

    def table(self, mode: str) -> tuple[Array, Array]:
        """Costs of the rows at the tabulated lengths `[R, M]`, which add up to J; their shares `[R]`."""
        if mode == "time":
            table, share = self._time[: self._done], self._time_weight[: self._done]
        else:
            table, share = np.asarray(self._band), np.asarray(self._band_weight)
            if mode != "frequency":
                table, share = table.sum(0, keepdims=True), share.sum(keepdims=True)
        return table / self.total, share / self.total


def summed(sound: Sound, tiling: Tiling) -> Rows:
    """The sums of all tiles, from one pass over the signal."""
    rows = Rows()
    for costs in costs_of(sound, tiling, reference_level(sound, tiling)):
        rows.add(costs)
    return rows


@dataclass(frozen=True)
class Path:
    """The exact minimum of `Σ_r cost[r, m_r] + price · Σ_r |ln θ_r − ln θ_{r+1}|`."""

    index: NDArray[np.int64]  # chosen length of each row, `[R]`
    cost: float  # the first sum
    value: float  # both: attained, and so the bound


def exact_path(table: Array, logs: Array, price: float) -> Path:
    """The cheapest lengths of rows with costs `[R, M]` at ln θ `[M]`."""
    if price == 0 or len(table) == 1 or len(logs) == 1:
        index = table.argmin(1).astype(np.int64)
    else:
        index = cheapest_path(table.copy(), logs * price)
    cost = float(table[np.arange(len(table)), index].sum())
    return Path(index, cost, cost + price * float(np.abs(np.diff(logs[index])).sum()))


def price_of_change(smoothness: float, mode: str, tiling: Tiling, samples: int) -> float:
    """Price per unit of ln θ, in J: of change per longest window over time, per band over frequency."""
    if mode == "time":
        return smoothness * float(tiling.lengths[-1]) / max(samples, 1)
    return smoothness / len(tiling.centers)
