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

import itertools
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
CHUNK = 2048  # tiles in time that are worked on at once: some 150 MB at 44.1 kHz
_BLOCK = 1 << 18  # samples of frames transformed at once
_PARTS = 3  # of a spectrum whose sums over bands are taken apart
_PART = 1 << 20  # samples read at once where there is no transform
_LEAST_REST = 1e-9  # of the power: a signal with less beside its mean is constant
TOGETHER = 64  # tiles that are averaged at once: in more, most products are with zeros
_REACH = 3  # σ of the Gaussian over time on either side
SCALES = (4, 16)  # σ of the averages over time, in tiles, each on top of the one before
HALO = sum(3 * sigma for sigma in SCALES)  # tiles on either side that the averages reach
_KEEP, _FLAT = 1.2, 2.2  # K for the parts, and for the longest average
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


def stream(sound: Sound, tiling: Tiling) -> Iterator[TileSums]:
    """Of all tiles, `CHUNK` after `CHUNK`."""
    count = len(tiling.times(sound.length))
    grids = [_Grid(sound, tiling, float(length)) for length in tiling.lengths]
    chunks = range(0, count, CHUNK)
    for number, first in enumerate(chunks, start=1):
        span = _Span.of(sound, tiling, first, min(first + CHUNK, count))
        maps = span.empty(grids)

        def seen(pair: tuple[_Grid, Tensor], span: _Span = span) -> _Seen:
            return pair[0].seen(span, pair[1])

        pairs = zip(grids, maps, strict=True)
        found = list(map_in_order(seen, pairs, sound.compute.threads))
        around, spread = _stretches(found, grids, span, sound.compute.threads)
        maps = span.cut(maps)
        sums = maps[:, grids[0].other :].permute(0, 2, 3, 1)
        yield TileSums(maps[:, 0], sums, around, spread)
        if sound.compute.progress is not None:
            sound.compute.progress("tiles", number, len(chunks))


def levels(sound: Sound, tiling: Tiling) -> Iterator[Tensor]:
    """Energy of all tiles under the middle length, `[B, U]`, chunk by chunk."""
    count = len(tiling.times(sound.length))
    grid = _Grid(sound, tiling, float(tiling.lengths[len(tiling.lengths) // 2]))
    for first in range(0, count, CHUNK):
        span = _Span.of(sound, tiling, first, min(first + CHUNK, count))
        maps = span.empty([grid])
        grid.seen(span, maps[0])
        yield span.cut(maps)[0, 0]


@dataclass(frozen=True)
class _Span:
    """The tiles `first … last − 1`, and the samples that they see."""

    tiling: Tiling
    start: int  # tile at which frames and stretches begin, a multiple of `STRETCH`
    first: int
    last: int
    end: int  # samples up to the last centre of a frame
    before: int  # samples before the first centre
    samples: Tensor  # `[C, n]`

    @classmethod
    def of(cls, sound: Sound, tiling: Tiling, first: int, last: int) -> _Span:
        margin = STRETCH * math.ceil(_REACH * tiling.sigma / tiling.step / STRETCH + 2)
        start = max((first - margin) // STRETCH * STRETCH, 0)
        n_fft, hop = tiling.grid(float(tiling.lengths[-1]))
        end = min((last - 1 + margin) * tiling.step, sound.length)
        begin, half = start * tiling.step, n_fft // 2
        whole = 2 * (half + (end - begin + hop) // 2 + 1)
        frame = Frames(  # one, that holds all
            sound.samples,
            np.array([begin - half + whole // 2], np.float64),
            whole,
            scale=1 / math.sqrt(sound.level),
            device=sound.compute.device,
            dtype=sound.compute.dtype,
        )
        return cls(tiling, start, first, last, end, half, frame.block(0, 1)[:, 0])

    @property
    def _place(self) -> int:
        """Tiles between the first of a block and `first`."""
        return (self.first - self.start) % STRETCH

    @property
    def begin(self) -> int:
        """Tiles from `start` to the first block."""
        return self.first - self.start - self._place

    @property
    def blocks(self) -> int:
        """Of `TOGETHER` tiles, from the last stretch up to `first`."""
        return -(-(self.last - self.first + self._place) // TOGETHER)

    def empty(self, grids: Sequence[_Grid]) -> Tensor:
        """For the sums of all blocks, `[M, R, B, TOGETHER · blocks]`."""
        shape = len(grids), grids[0].rows, len(self.tiling.centers), self.blocks * TOGETHER
        return torch.empty(shape, dtype=self.samples.dtype)

    def cut(self, maps: Tensor) -> Tensor:
        """Of the tiles, from those of all blocks."""
        return maps[..., self._place : self._place + self.last - self.first]


def _stretches(
    found: Sequence[_Seen], grids: Sequence[_Grid], span: _Span, threads: int
) -> tuple[Tensor, Tensor]:
    """Energy around tiles under short lengths `[1, B, U]`; spectra above the longest's `[M, B, U]`."""
    long, grid, tiling = found[-1].spectra, grids[-1], span.tiling
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
        return apart @ own.weights / own.weights.sum(0).clamp_min(TINY)

    spreads = map_in_order(compared, list(zip(found, grids, strict=True)), threads)
    around = torch.stack([found[m].energy[:, b] for b, m in enumerate(tiling.short)], 1)
    rows = torch.stack([around, *spreads]).mT  # [1 + M, B, V]
    size = (rows.shape[2] - 1) * STRETCH + 1
    tiles = interpolate(rows, size=size, mode="linear", align_corners=True)
    tiles = tiles[..., span.first - span.start : span.last - span.start]
    return tiles[:1], tiles[1:]


def averaged(rows: Tensor, sigma: int) -> Tensor:
    """Gaussian averages of the last axis, the ends going on, as products of matrices."""
    reach, count = 3 * sigma, rows.shape[-1]
    offsets = torch.arange(-reach, reach + 1, dtype=rows.dtype)
    kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
    kernel /= kernel.sum()
    block = min(TOGETHER, count)
    place = torch.arange(block + 2 * reach)[:, None] - torch.arange(block)
    inside = (place >= 0) & (place < len(kernel))
    matrix = kernel[place.clamp(0, len(kernel) - 1)] * inside
    first = rows[..., :1].expand(*rows.shape[:-1], reach)
    last = rows[..., -1:].expand(*rows.shape[:-1], reach + -count % block)
    rows = torch.cat([first, rows, last], -1)  # faster than `pad`
    parts = rows.unfold(-1, len(matrix), block).contiguous()  # else there is a product for each row
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
        weights = tiling.bin_weights(self.n_fft)
        self.weights = torch.from_numpy(weights).to(self._like.dtype)  # of bins in bands, `[F, B]`
        self._parts = list(self._in_parts(weights))
        self._smoothing, self._ahead = self._smoother(tiling.sigma)
        moments = self._moments(torch.fft.rfft(self._like.new_zeros(1, 1, 2)))
        self.other = int(moments[1] is not moments[0])  # 0: the first sum is the energy
        self.rows = len(moments) - 1 + self.other

    def _in_parts(self, weights: Array) -> Iterator[tuple[slice, slice, Tensor]]:
        """Some bins, the bands that hold any of them, and their weights: most of the rest is zeros."""
        edges = np.linspace(0, len(weights), _PARTS + 1).astype(int).tolist()
        for bins in itertools.starmap(slice, itertools.pairwise(edges)):
            held = np.flatnonzero(weights[bins].any(0)).tolist()
            if held:
                bands = slice(held[0], held[-1] + 1)
                yield bins, bands, torch.from_numpy(weights[bins, bands]).to(self._like)

    def _smoother(self, sigma: float) -> tuple[Tensor, int]:
        """Weights of frames in `TOGETHER` tiles `[n, TOGETHER]`, and frames before the first of them.

        Between frames, sums are interpolated.
        """
        fine = min(self.hop, self._step)
        reach = math.ceil(_REACH * sigma / fine)
        offsets = torch.arange(-reach, reach + 1, dtype=torch.float64) * fine
        kernel = torch.exp(-0.5 * (offsets / sigma) ** 2)
        ahead = -(-reach * fine // self.hop)
        places = (torch.arange(TOGETHER)[:, None] * self._step + offsets) / self.hop + ahead
        below = places.long()
        kernel = (kernel / kernel.sum()).expand_as(places)
        matrix = torch.zeros(TOGETHER, int(below.max()) + 2, dtype=torch.float64)
        matrix.scatter_add_(1, below, kernel * (1 - places + below))
        matrix.scatter_add_(1, below + 1, kernel * (places - below))
        return matrix.T.to(torch.empty(0, dtype=self._like.dtype)), ahead

    def seen(self, span: _Span, maps: Tensor) -> _Seen:
        """Mean spectra, and the sums of tiles, written to maps `[R, B, TOGETHER · blocks]`."""
        step, hop = self._step, self.hop
        begin = span.start * step // hop
        rows, spectra = self._rows(span, math.ceil(span.end / hop) + 1 - begin)
        stretches = torch.arange((span.last - 1 - span.start) // STRETCH + 2)
        spectra = spectra[stretches.clamp_max(len(spectra) - 1)]
        self._smooth(rows, span, maps)
        return _Seen(spectra, spectra @ self.weights)

    def _smooth(self, rows: Tensor, span: _Span, maps: Tensor) -> None:
        """Averages of frames `[R, n, B]`; those at the ends stand for all beyond."""
        (size, _), apart = self._smoothing.shape, TOGETHER * self._step // self.hop
        first = span.begin * self._step // self.hop - self._ahead
        missing = first + (span.blocks - 1) * apart + size - rows.shape[1]
        if first < 0 or missing > 0:
            ends = (
                rows[:, :1].expand(-1, max(-first, 0), -1),
                rows[:, -1:].expand(-1, max(missing, 0), -1),
            )
            rows, first = torch.cat([ends[0], rows, ends[1]], 1), max(first, 0)
        smoothing = self._smoothing.expand(span.blocks, -1, -1)
        for row, own in zip(rows[:, first:], maps, strict=True):
            parts = row.unfold(0, size, apart)[: span.blocks]  # [blocks, B, n]
            own.unflatten(1, (span.blocks, -1)).copy_(torch.bmm(parts, smoothing).permute(1, 0, 2))

    def _rows(self, span: _Span, count: int) -> tuple[Tensor, Tensor]:
        """Energy and sums in the bands of so many frames, `[R, n, B]`, and mean spectra.

        The spectra `[V, F]` are those of the stretches, which lie around every `STRETCH`-th tile.
        """
        frames = span.samples[:, span.before - self.n_fft // 2 :].unfold(1, self.n_fft, self.hop)
        size = max(1, _BLOCK // (self.n_fft * len(frames)))
        per = STRETCH * self._step // self.hop  # frames between stretches, >= 1
        halves = -(-count // per)
        spectra = self._like.new_zeros(halves, self.n_fft // 2 + 1)
        rows = self._like.new_zeros(self.rows, count, self.weights.shape[1])
        place = torch.arange(count, device=spectra.device) // per
        for i in range(0, count, size):
            part = slice(i, min(i + size, count))
            moments = self._moments(torch.fft.rfft(frames[:, part] * self._window))
            for row, moment in zip(rows, moments[1 - self.other :], strict=True):
                for bins, bands, weights in self._parts:
                    row[part, bands].addmm_(moment[:, bins], weights)
            spectra.index_add_(0, place[part], moments[0])
        counts = torch.full((halves, 1), float(per)).to(spectra)
        counts[-1] = count - (halves - 1) * per
        spectra, counts = pad(spectra, (0, 0, 1, 1)), pad(counts, (0, 0, 1, 1))
        means = (spectra[:-1] + spectra[1:]) / (counts[:-1] + counts[1:])
        return rows.cpu(), means.cpu()

    def _moments(self, spectrum: Tensor) -> tuple[Tensor, ...]:
        """`|X|²` and the criterion's moments, summed over channels, `[n, F]` each."""
        sound = self._sound
        squared = _squared_modulus(spectrum).add_(FLOOR)
        a = squared if sound.power == 2 else squared.pow(sound.power / 2)
        if not sound.criterion.scale_invariant:
            a = a * sound.level ** (sound.power / 2)
        moments = sound.criterion.moments(a)
        energy = _over_channels(squared)
        first = energy if moments[0] is squared else _over_channels(moments[0])
        return (energy, first, *(_over_channels(moment) for moment in moments[1:]))


def _squared_modulus(spectrum: Tensor) -> Tensor:
    """`|X|²`; on the CPU by NumPy, whose modulus takes half the time."""
    if spectrum.device.type == "cpu":
        return torch.from_numpy(np.abs(spectrum.numpy())).square_()
    return spectrum.real.square() + spectrum.imag.square()


def _over_channels(values: Tensor) -> Tensor:
    """Sum of `[C, n, F]`, which for one channel is a view."""
    return values[0] if len(values) == 1 else values.sum(0)


@dataclass(frozen=True)
class _Seen:
    """What one length says of a span."""

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
    parts = [tile_cost(tiling, sound.criterion, sums).cost for sums in stream(white, tiling)]
    cost = torch.cat(parts, 2)[:, :, edge:-edge]
    mean = cost.mean(2, keepdim=True)
    spreads = [spread for _, spread in _parts(cost - mean, tiling)]
    return Noise(mean, tuple(spread.square().mean(1, keepdim=True).sqrt() for spread in spreads))


def settled(cost: Tensor, tiling: Tiling, noise: Noise) -> tuple[Tensor, Tensor]:
    """Costs without chance, about their mean over lengths `[M, B, U]`.

    And the share of the finest part that is kept `[B, U]`.
    """
    total, finest = torch.zeros_like(cost), torch.zeros_like(cost[0])
    for number, (part, spread) in enumerate(_parts(cost, tiling)):
        strict = _FLAT if number == len(SCALES) else _KEEP
        kept = 1 - (strict * noise.spread[number] / spread.clamp_min(1e-9)).square()
        kept = kept.clamp_min(0)
        total.addcmul_(kept, part)
        finest = kept if number == 0 else finest
    return total, finest


def _parts(cost: Tensor, tiling: Tiling) -> Iterator[tuple[Tensor, Tensor]]:
    """Differences between averages over time, finest first, then the longest average.

    All about their mean over the lengths that a band may take, with the standard deviation `[B, U]`.
    """
    allowed = torch.from_numpy(tiling.allowed).to(cost)
    share = allowed / allowed.sum(0)
    longer = cost - torch.einsum("mb,mbu->bu", share, cost)
    for sigma in (*SCALES, None):
        part = longer
        if sigma is not None:
            longer = averaged(part, sigma)
            part = part - longer
        yield part, torch.einsum("mb,mbu->bu", share, part.square()).sqrt()
