"""Sums of a criterion in the tiles of the plane, for every tabulated window length.

For length θ_m, in the tile of band b around time u, the sums are integrals

    S_j[m, b, u] = ∫∫ k(t − u) · v_b(f) · ψ_j(|X_m(f, t)|^p) df dt

with the bands v_b of `criteria.local` and a Gaussian k over time. The mean spectra of stretches as long
as the longest window are kept too: they say at which frequencies a length shows energy. Each length is
transformed on its own grid, for a coarser one shows all that its window sees: an FFT of about its own
size, a hop of a third of it or half. Everything streams over chunks of time, so memory does not grow with
the signal.

A tile holds few independent cells, so in noise its costs scatter, and lengths chosen by them would be
restless. White noise through the same tiles tells how much. With costs c and ever longer averages over
time, c₁ = g₁ * c and c₂ = g₂ * c₁,

    c̃ = s₂ · c₂ + s₁ · (c₁ − c₂) + s₀ · (c − c₁),      s = max(0, 1 − (K σ / D)²)

where D is the spread of a part over lengths, and σ its root mean square in noise: a positive-part
James-Stein estimate for each tile and scale. What noise costs on average is taken off first, so that
noise prefers no length.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from dstft_cli.criteria import Criterion, UserCriterion
from dstft_cli.criteria.local import DYNAMIC, STRETCH, TINY, TileSums, Tiling, tile_cost
from dstft_cli.fit.evaluator import Compute
from dstft_cli.fit.problem import Problem
from dstft_cli.stft import Frames, Samples, Transform, map_in_order

Array = NDArray[np.float64]

FLOOR = 1e-12  # added to |X|², in mean powers of the signal: silence has sums, and they are those of noise
CHUNK = 3072  # tiles in time that are worked on at once: a quarter of a gigabyte at 44.1 kHz
_BLOCK = 1 << 18  # samples of frames transformed at once
_PART = 1 << 20  # samples read at once where there is no transform
_LEAST_REST = 1e-9  # of the power: a signal with less beside its mean is constant
_REACH = 3  # σ of the Gaussian over time on either side
SCALES = (4, 16)  # σ of the averages over time, in tiles, each on top of the one before
HALO = sum(3 * sigma for sigma in SCALES)  # tiles that a chunk needs on either side
_KEEP, _FLAT = 1.4, 2.6  # K for the parts, and for the longest average
_TILES = 1500  # of noise, in time
_SEED = 0
_MOST_KNOWN = 8  # tilings of which noise is kept: a few kilobytes each


@dataclass(frozen=True)
class Sound:
    """A signal as the tiles see it."""

    samples: Samples  # `[C, N]`; the sums of the channels are added, for they share their lengths
    level: float  # mean power; criteria see it as 1 where the level does not matter
    criterion: Criterion
    power: float  # p of `a = |X|^p`
    window: str
    compute: Compute

    @classmethod
    def of(
        cls, problem: Problem, *, samples: Samples | None = None, criterion: Criterion | None = None
    ) -> Sound:
        """What a problem is about; a constant offset of the signal is taken off, for it is no sound."""
        samples = problem.samples if samples is None else samples
        means, level = moments_of(samples)
        asked = problem.request
        return cls(
            _Centred(samples, means) if means.any() else samples,
            level,
            criterion or problem.criterion,
            asked.power,
            asked.window,
            problem.compute,
        )

    @property
    def length(self) -> int:
        return int(self.samples.shape[-1])


@dataclass(frozen=True)
class _Centred:
    """A signal `[C, N]` without its mean, which is taken off what is read."""

    samples: Samples
    means: Array

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.samples.shape)

    def __getitem__(self, index: Any, /) -> Array:
        return np.asarray(self.samples[index], np.float64) - self.means


def moments_of(samples: Samples) -> tuple[Array, float]:
    """Mean of each channel `[C, 1]`, and power of the rest, 1 in silence.

    The mean is 0 where nothing else is there, or where most samples are zero: they have no offset.
    """
    count, scale = max(samples.shape[-1], 1), 0.0
    sums, squares, zeros = (np.zeros((samples.shape[0], 1)) for _ in range(3))
    for start in range(0, samples.shape[-1], _PART):
        part = np.asarray(samples[:, start : start + _PART], dtype=np.float64)
        peak = float(np.abs(part).max(initial=0.0))
        if peak > scale:  # squares of the smallest numbers are zero
            squares *= (scale / peak) ** 2
            scale = peak
        zeros += (part == 0).sum(1, keepdims=True)
        if peak > 0:
            sums += part.sum(1, keepdims=True)
            squares += np.square(part / scale).sum(1, keepdims=True)
    means, powers = np.where(2 * zeros > count, 0.0, sums / count), squares / count * scale**2
    left = powers - means**2
    constant = left < _LEAST_REST * powers
    means, left = np.where(constant, 0.0, means), np.where(constant, powers, left)
    return means, float(left.mean()) or 1.0


@dataclass(frozen=True)
class Chunk:
    """The tiles `first … first + U − 1`."""

    first: int
    own: slice  # those of U that are this chunk's; the others belong to its neighbours
    of: TileSums


def stream(sound: Sound, tiling: Tiling, *, halo: int = 0) -> Iterator[Chunk]:
    """Sums of all tiles, chunk by chunk."""
    count = len(tiling.times(sound.length))
    grids = [_Grid(sound, tiling, float(length)) for length in tiling.lengths]
    margin = _margin(tiling)
    chunks = range(0, count, CHUNK)
    for number, own in enumerate(chunks, start=1):
        end = min(own + CHUNK, count)
        first, last = max(own - halo, 0), min(end + halo, count)
        start = max((first - margin) // STRETCH * STRETCH, 0)

        def seen(grid: _Grid, place: tuple[int, int, int] = (start, first, last)) -> _Seen:
            return grid.seen(*place, margin)

        found = list(map_in_order(seen, grids, sound.compute.threads))
        maps = torch.stack([one.maps for one in found])
        here = first - start, last - start
        around, spread = _stretches(found, grids, tiling, *here, sound.compute.threads)
        sums = maps[:, 1:].permute(0, 2, 3, 1)
        own_tiles = slice(own - first, end - first)
        yield Chunk(first, own_tiles, TileSums(maps[:, 0], sums, around, spread))
        if sound.compute.progress is not None:
            sound.compute.progress("tiles", number, len(chunks))


def _margin(tiling: Tiling) -> int:
    """Tiles on either side of a chunk that its frames have to cover."""
    return STRETCH * math.ceil(_REACH * tiling.sigma / tiling.step / STRETCH + 2)


def levels(sound: Sound, tiling: Tiling) -> Iterator[Tensor]:
    """Energy of all tiles under the middle length, `[B, U]`, chunk by chunk."""
    count = len(tiling.times(sound.length))
    grid = _Grid(sound, tiling, float(tiling.lengths[len(tiling.lengths) // 2]))
    margin = _margin(tiling)
    for first in range(0, count, CHUNK):
        start = max((first - margin) // STRETCH * STRETCH, 0)
        yield grid.seen(start, first, min(first + CHUNK, count), margin).maps[0]


def _stretches(
    found: Sequence[_Seen],
    grids: Sequence[_Grid],
    tiling: Tiling,
    first: int,
    last: int,
    threads: int,
) -> tuple[Tensor, Tensor]:
    """Energy around tiles, and how far spectra are above the longest window's, `[M, B, U]` each.

    Tiles `first … last − 1` are counted from the first of the stretches.
    """
    long, grid = found[-1].spectra, grids[-1]
    triangles = torch.from_numpy(
        tiling.triangles(np.linspace(0, tiling.sample_rate / 2, long.shape[1]))
    )
    width = grid.weights.sum(0).clamp_min(TINY)
    floor = (found[-1].energy / width) @ triangles.to(long) * DYNAMIC + TINY
    known = torch.maximum(long, floor).log()

    def compared(pair: tuple[_Seen, _Grid]) -> Tensor:
        one, own = pair
        every = slice(None, None, grid.n_fft // own.n_fft)  # the bins that both have
        apart = (
            torch.maximum(one.spectra, floor[:, every]).log_().sub_(known[:, every]).clamp_min_(0)
        )
        spread = apart @ own.weights / own.weights.sum(0).clamp_min(TINY)
        return torch.stack([one.energy, spread])

    pairs = list(zip(found, grids, strict=True))
    rows = torch.stack(list(map_in_order(compared, pairs, threads)))
    size = (rows.shape[2] - 1) * STRETCH + 1
    rows = rows.mT.reshape(1, -1, rows.shape[2])
    tiles = interpolate(rows, size=size, mode="linear", align_corners=True)[0, :, first:last]
    around, spread = tiles.reshape(len(found), 2, -1, last - first).unbind(1)
    return around, spread


def smooth(rows: Tensor, kernel: Tensor, stride: int = 1) -> Tensor:
    """Correlation of the last axis with a kernel `[k]`, every `stride`-th value, as matrix products."""
    count = (rows.shape[-1] - len(kernel)) // stride + 1
    block = min(64, count)
    height = (block - 1) * stride + len(kernel)
    place = torch.arange(height)[:, None] - stride * torch.arange(block)
    inside = (place >= 0) & (place < len(kernel))
    matrix = kernel[place.clamp(0, len(kernel) - 1)] * inside
    blocks = -(-count // block)
    missing = (blocks * block - 1) * stride + len(kernel) - rows.shape[-1]
    rows = pad(rows, (0, max(missing, 0)))
    parts = rows.unfold(-1, len(matrix), block * stride)[..., :blocks, :]
    return (parts @ matrix).flatten(-2)[..., :count]


class _Grid:
    """The frames on which one window length is transformed."""

    def __init__(self, sound: Sound, tiling: Tiling, length: float) -> None:
        self.n_fft, self.hop = tiling.grid(length)
        self._sound, self._step = sound, tiling.step
        self._like = torch.empty(0, dtype=sound.compute.dtype, device=sound.compute.device)
        theta = torch.tensor([length], dtype=torch.float64)
        window = Transform(self.n_fft, sound.window).windows(None, theta)
        self._window = window.to(self._like)
        self._weights = torch.from_numpy(tiling.bin_weights(self.n_fft)).to(self._like)
        self.weights = self._weights.cpu()  # area of the bins in each band, `[F, B]`
        self._fine = min(self.hop, self._step)  # distance of the values that are smoothed, samples
        self._reach = math.ceil(_REACH * tiling.sigma / self._fine)
        offsets = torch.arange(-self._reach, self._reach + 1, dtype=torch.float64) * self._fine
        kernel = torch.exp(-0.5 * (offsets / tiling.sigma) ** 2)
        self._kernel = (kernel / kernel.sum()).to(torch.empty(0, dtype=sound.compute.dtype))

    def seen(self, start: int, first: int, last: int, margin: int) -> _Seen:
        """Of tiles `first … last − 1`; frames and stretches begin at tile `start`."""
        step, hop, length = self._step, self.hop, self._sound.length
        begin = start * step // hop
        end = min(math.ceil((last - 1 + margin) * step / hop), math.ceil(length / hop)) + 1
        rows, spectra = self._rows(begin, end)
        bands = rows.shape[1]
        stretches = torch.arange((last - 1 - start) // STRETCH + 2)
        spectra = spectra[stretches.clamp_max(len(spectra) - 1)]
        energy = spectra @ self.weights
        rows = rows.flatten(0, 1)
        ratio = hop // step
        if ratio > 1:
            size = (rows.shape[1] - 1) * ratio + 1
            rows = interpolate(rows[None], size=size, mode="linear", align_corners=True)[0]
        per = step // self._fine  # smoothed values per tile
        left = (first - start) * per - self._reach
        right = left + (last - 1 - first) * per + 2 * self._reach + 1
        rows = rows[:, max(left, 0) : right]
        missing = max(right - max(left, 0) - rows.shape[1], 0)
        rows = pad(rows[None], (max(-left, 0), missing), mode="replicate")[0]
        maps = smooth(rows, self._kernel, per)
        return _Seen(maps.reshape(-1, bands, maps.shape[1]), spectra, energy)

    def _rows(self, begin: int, end: int) -> tuple[Tensor, Tensor]:
        """Energy and sums in the bands of frames `begin … end − 1`, `[1 + J, B, n]`, and mean spectra.

        The spectra `[V, F]` are those of the stretches, which lie around every `STRETCH`-th tile.
        """
        size, parts = max(1, _BLOCK // (self.n_fft * self._sound.samples.shape[0])), []
        per = STRETCH * self._step // self.hop  # frames between stretches, >= 1
        halves = -(-(end - begin) // per)
        spectra = self._like.new_zeros(halves, self.n_fft // 2 + 1)
        for i in range(begin, end, size):
            frames = np.arange(i, min(i + size, end), dtype=np.float64)
            rows, squared = self._block(frames * self.hop)
            parts.append(rows)
            place = torch.arange(i - begin, i - begin + len(frames), device=squared.device) // per
            spectra.index_add_(0, place, squared)
        counts = torch.full((halves, 1), float(per)).to(spectra)
        counts[-1] = end - begin - (halves - 1) * per
        spectra, counts = pad(spectra, (0, 0, 1, 1)), pad(counts, (0, 0, 1, 1))
        means = (spectra[:-1] + spectra[1:]) / (counts[:-1] + counts[1:])
        return torch.cat(parts, 1).cpu().permute(0, 2, 1), means.cpu()

    def _block(self, centers: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
        """Energy and sums in the bands `[1 + J, n, B]`, and `|X|²`, `[n, F]`."""
        sound, device, dtype = self._sound, self._like.device, self._like.dtype
        scale, K = 1 / math.sqrt(sound.level), self.n_fft
        frames = Frames(sound.samples, centers, K, scale=scale, device=device, dtype=dtype)
        spectrum = torch.fft.rfft(frames.block(0, len(centers)) * self._window)
        squared = (spectrum.real.square() + spectrum.imag.square()).add_(FLOOR)
        a = squared if sound.power == 2 else squared.pow(sound.power / 2)
        if not sound.criterion.scale_invariant:
            a = a * sound.level ** (sound.power / 2)
        moments = (squared, *sound.criterion.moments(a))
        return torch.stack([(m @ self._weights).sum(0) for m in moments]), squared.sum(0)


@dataclass(frozen=True)
class _Seen:
    """What one length says of a chunk."""

    maps: Tensor  # energy and sums of the tiles, `[1 + J, B, U]`
    spectra: Tensor  # mean of |X|² over each stretch, `[V, F]`
    energy: Tensor  # of the stretches in the bands, `[V, B]`


@dataclass(frozen=True)
class Noise:
    mean: Tensor  # `[M, B, 1]`
    spread: tuple[Tensor, ...]  # σ of each part, finest first, `[B, 1]` each


def noise_in(sound: Sound, tiling: Tiling) -> Noise:
    """Costs of white noise in these tiles, always the same noise, as loud as the sound.

    It is kept for the next recording with the same tiles: of a clip of one second it is half the search.
    """
    criterion, compute = sound.criterion, sound.compute
    if isinstance(criterion, UserCriterion):
        return _noise(sound, tiling)
    if criterion.scale_invariant:  # and what is kept does not depend on who came first
        sound = replace(sound, level=1.0)
    key = (
        (type(criterion), *sorted(vars(criterion).items()), sound.power, sound.window, sound.level),
        (tiling.lengths.tobytes(), tiling.sample_rate, tiling.low, tiling.high),
        (compute.dtype, str(compute.device)),
    )
    if key not in _known:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[key] = _noise(sound, tiling)
    return _known[key]


_known: dict[tuple[Any, ...], Noise] = {}


def _noise(sound: Sound, tiling: Tiling) -> Noise:
    edge = HALO + int(tiling.lengths[-1] // tiling.step)
    generator = torch.Generator().manual_seed(_SEED)
    samples = torch.randn(1, (_TILES + 2 * edge) * tiling.step, generator=generator)
    compute = replace(sound.compute, progress=None)
    white = replace(sound, samples=samples * math.sqrt(sound.level), compute=compute)
    parts = [tile_cost(tiling, sound.criterion, chunk.of).cost for chunk in stream(white, tiling)]
    cost = torch.cat(parts, 2)[:, :, edge:-edge]
    mean = cost.mean(2, keepdim=True)
    allowed = _allowed(tiling, cost)
    spread = [_spread(part, allowed).square().mean(1, keepdim=True) for part in _parts(cost - mean)]
    return Noise(mean, tuple(squared.sqrt() for squared in spread))


def settled(cost: Tensor, tiling: Tiling, noise: Noise) -> tuple[Tensor, Tensor]:
    """Costs without chance `[M, B, U]`, and the share of the finest part that is kept `[B, U]`."""
    allowed, parts = _allowed(tiling, cost), _parts(cost)
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
