"""The local criterion: every tile of the plane answers for itself.

In tile τ, under window length θ, with the criterion's sums S_τ and the energy E_τ,

    cost_τ(θ) = score(S_τ(θ)) + γ₁ · above + γ₂ · below + γ₃ · ln(1 + q_τ · (exp d_τ(θ) − 1))
    above     = ln E_τ(θ) − min ln E_τ(up to short)     within 0 and 3
    below     = ln E_τ(short) − ln E_τ(θ)               within 0 and 3
    d_τ(θ)    = mean over f of max(ln P_τ(f, θ) − ln P_τ(f, long), 0)
    J(θ)      = Σ_τ ω_τ cost_τ(θ_τ) / Σ_τ ω_τ,      ω_τ = √width · (least E_τ / width)^(1/16)

Sparsity does not tell where energy belongs, but other windows do. Short ones say when it is there: what a
tile holds above the least of them is pre-echo or a neighbour's, what it lacks was drawn elsewhere. The
longest says at which frequencies: P is the mean spectrum over a longest window of time around the tile, and
a tile adds to it by its share q_τ of the energy in that time, at most one. So what is soft beside a loud
moment is free to be sharp in time, as far as it stays below the loud one's spectrum. All in nats, above
what white noise costs in the same tile under the same window.

ω does not depend on θ, so nothing is gained by making the loud quiet: it is the least energy under any
length that the band may take, for in silence a click fills as many tiles as a window is long. Its exponent
lets soft sounds speak: loud ones weigh more, but do not decide for the rest. Bands are narrow at low
frequencies. Alike, the many below 1 kHz would choose the one length of all; by their width, the few above.
So ω grows with the root of a band's width.

Tiles overlap. A tile is a band of frequencies times a stretch of time. Bands are triangles that add up
to one. Two neighbours are half a main lobe apart, `2·sr/θ_n(f)` with n = 6, where

    θ_n(f) = max(shortest window, min(n periods of f, longest window / 4))

So a gliding line is seen to leave its band, and bands narrow towards low frequencies, as hearing does. A
band may take θ₃(f) and longer. Bands are at least f/32 apart: long windows at high sample rates would have
thousands. Over time a tile is a Gaussian with σ = longest window / 64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria.base import Criterion
from dstft_cli.criteria.builtin import Entropy, Kurtosis
from dstft_cli.errors import UsageError

Array = NDArray[np.float64]

WIDTH = 1 / 32  # of its frequency: least distance of a band from the one before
PERIODS = 3.0  # of its frequency: the shortest window of a band
BAND_PERIODS = 6.0  # of its frequency, in the window whose main lobe is two bands wide
NARROWEST = 0.25  # of the longest window: least of the lowest bands; 46 ms of 186, as people use
SPAN = 1 / 64  # σ of a tile in time, in longest windows
STEP = 1 / 64  # distance of tiles in time, in longest windows
LENGTHS_PER_OCTAVE = 2  # a spline through their costs gives those between
_NARROW_REST = 0.3  # of a band's width: a last band narrower than this joins the one before

SHORTEST, LONGEST = 2.9e-3, 186e-3  # seconds
_SHORTEST_RANGE = (16, 256)  # samples: below a Hann window is coarse, above bats are missed
_LONGEST_RANGE = (512, 32768)  # samples
_LEAST_RANGE = 4  # longest over shortest window, at least

# γ₁, γ₂: nats per neper of energy above and below what short windows show
ABOVE, BELOW = 3.0, 2.2
SPREAD = 3.0  # γ₃: nats per neper of the spectrum above that of the long window
MOST = 3.0  # nepers (13 dB) of energy that are charged: a knock does not decide for the rest
_FAR = 30.0  # nepers (130 dB) of the spectrum: no more is seen, and its exponential is finite
OCTAVES_OF_SHORT = 1  # above the shortest window: the short one
SHORT_PERIODS = 8.0  # of its frequency: the short window of a band
DYNAMIC = 1e-3  # spectra are compared down to this part of a band's mean power (−30 dB)
STRETCH = 32  # tiles between the stretches whose spectra are compared; each is twice as long
EXPONENT = 0.0625  # of a tile's level in its weight
DEPTH = 1e-5  # tiles below this part of the reference level fade out of J (−50 dB)
STEEP = 1.0  # price of a length that a band may not take, per unit of ln θ: finite, so costs stay smooth
TINY = 1e-37  # least value of a sum: so that silence has a finite score, the same for all windows


def default_range(sample_rate: float, samples: int) -> tuple[float, float]:
    """Shortest and longest window, samples, that suit a recording of so many samples.

    What sounds ask of a window is set by hearing and by their sources: 3 ms to 186 ms in audio from 8
    to 48 kHz. Below and above, sample rates follow the sources (a seismometer at 20 Hz, a bat detector
    at 384 kHz), so there the range is one in samples.
    """
    low = min(max(_power_of_two(SHORTEST * sample_rate), _SHORTEST_RANGE[0]), _SHORTEST_RANGE[1])
    high = min(max(_power_of_two(LONGEST * sample_rate), _LONGEST_RANGE[0]), _LONGEST_RANGE[1])
    # a window longer than the recording says nothing that one of its length does not
    whole = 1 << max(0, math.floor(math.log2(max(samples, 1))))
    return float(low), float(max(min(high, whole), _LEAST_RANGE * low))


def _power_of_two(samples: float) -> int:
    return 1 << max(0, round(math.log2(max(samples, 1.0))))


def log_lengths(shortest: float, longest: float, per_octave: int = LENGTHS_PER_OCTAVE) -> Array:
    """Window lengths from shortest to longest, evenly spaced in their logarithm, samples, `[M]`."""
    if longest <= shortest:
        return np.array([float(shortest)])
    count = max(2, math.ceil(per_octave * math.log2(longest / shortest) - 0.01) + 1)
    return np.asarray(np.geomspace(shortest, longest, count, dtype=np.float64))


@dataclass(frozen=True)
class Tiling:
    """Where the tiles lie. Lengths and times in samples, frequencies in Hz."""

    sample_rate: float
    lengths: Array  # tabulated window lengths, increasing, `[M]`
    low: float = 0.0  # ends of the band of frequencies that counts
    high: float = math.inf

    @cached_property
    def step(self) -> int:
        """Samples between tiles: a power of two, as the hops of all lengths are."""
        return 1 << max(0, round(math.log2(float(self.lengths[-1]) * STEP)))

    @property
    def sigma(self) -> float:
        """σ of a tile in time, samples."""
        return float(self.lengths[-1]) * SPAN

    def least(self, frequency: float, periods: float = PERIODS) -> float:
        """Shortest length that a tile at this frequency may take, or one with so many periods."""
        length = periods * self.sample_rate / max(frequency, 1e-9)
        return max(float(self.lengths[0]), min(length, NARROWEST * float(self.lengths[-1])))

    @cached_property
    def centers(self) -> Array:
        """Centre frequencies of the bands, from 0 to half the sample rate, `[B]`."""
        half, found = self.sample_rate / 2, [0.0]
        while found[-1] < half:
            lobe = 4 * self.sample_rate / self.least(found[-1], BAND_PERIODS)
            apart = max(lobe / 2, WIDTH * found[-1])
            found.append(min(found[-1] + apart, half))
        if len(found) > 2 and found[-1] - found[-2] < _NARROW_REST * (found[-2] - found[-3]):
            del found[-2]
        return np.array(found)

    @cached_property
    def allowed(self) -> NDArray[np.bool_]:
        """Which lengths each band may take, `[M, B]`; at least the longest."""
        least = np.array([self.least(f) for f in self.centers])
        allowed: NDArray[np.bool_] = self.lengths[:, None] >= 0.99 * least
        allowed[-1] = True
        return allowed

    @cached_property
    def short(self) -> NDArray[np.int64]:
        """Number of the length that tells each band when energy is there, `[B]`."""
        periods = SHORT_PERIODS * self.sample_rate / np.maximum(self.centers, 1e-9)
        wanted = np.maximum(self.lengths[0] * 2**OCTAVES_OF_SHORT, periods)
        enough = np.searchsorted(self.lengths, 0.99 * wanted)
        return np.asarray(np.minimum(enough, len(self.lengths) - 1), np.int64)

    @cached_property
    def shares(self) -> Array:
        """Width of each band as a share of all, `[B]`."""
        return np.asarray(np.gradient(self.centers) / (self.sample_rate / 2))

    @cached_property
    def importance(self) -> Array:
        """What a tile of each band counts beside its level: root of its width, 1 on average, `[B]`."""
        roots = np.sqrt(self.shares)
        return np.asarray(roots / roots.mean())

    @property
    def area(self) -> float:
        """Cells of a tile that has all frequencies."""
        return self.sigma * math.sqrt(2 * math.pi) / 2

    def triangles(self, frequencies: Array) -> Array:
        """Weight of each band at these frequencies, `[B, F]`; columns add up to one."""
        place = np.interp(frequencies, self.centers, np.arange(len(self.centers), dtype=np.float64))
        distance = np.abs(place - np.arange(len(self.centers))[:, None])
        return np.asarray((1.0 - distance).clip(0.0).astype(np.float64))

    def bin_weights(self, n_fft: int) -> Array:
        """Area of the bins of an FFT size within each band, per sample of time, `[F, B]`.

        A cell stands for `2/n_fft`, at 0 and at half the sample rate for half of it, so that sums are
        integrals whatever the grid. Outside of the band that counts there is nothing.
        """
        frequencies = np.arange(n_fft // 2 + 1) * self.sample_rate / n_fft
        weights = self.triangles(frequencies).T * (2 / n_fft)
        weights[0] /= 2
        if n_fft % 2 == 0:
            weights[-1] /= 2
        outside = (frequencies < self.low * (1 - 1e-9)) | (frequencies > self.high * (1 + 1e-9))
        weights[outside] = 0.0
        return weights

    @cached_property
    def heard(self) -> NDArray[np.bool_]:
        """Which bands hold any frequency that counts, `[B]`."""
        edges = np.concatenate([self.centers[:1], self.centers, self.centers[-1:]])
        return np.asarray((edges[2:] > self.low) & (edges[:-2] < self.high))

    def times(self, samples: int) -> Array:
        """Centres of the tiles of so many samples, `[U]`."""
        return np.asarray(np.arange(samples // self.step + 1, dtype=np.float64) * self.step)

    def grid(self, length: float) -> tuple[int, int]:
        """FFT size and hop that show all that a window of this length sees.

        The next power of two from the length on, and at least 2.8 frames in a window; 2 where a tile
        averages over several of them.
        """
        n_fft = max(_LEAST_FFT, 1 << math.ceil(math.log2(length)))
        density = 2.0 if length <= 2 * self.sigma else 2.8
        return n_fft, 1 << max(0, math.floor(math.log2(max(length, 4.0) / density)))


_LEAST_FFT = 256


def check_local(criterion: Criterion) -> None:
    """UsageError where a criterion is not made of sums, and so has no value for a tile."""
    if criterion.ranked:
        raise UsageError(
            f"criterion {criterion.name} ranks all cells of the plane and has no value for a part: "
            "use `scope` plane, or `criterion` entropy or hoyer"
        )


def tile_score(tiling: Tiling, criterion: Criterion, sums: Tensor) -> Tensor:
    """What is minimised in each tile, from integrals of moments: `[..., B, U, J]` → `[..., B, U]`."""
    if not criterion.scale_invariant:
        found = [
            criterion.elementwise(sums[..., b, :, :] * tiling.area, share * tiling.area)
            for b, share in enumerate(tiling.shares.tolist())
        ]
        return torch.nan_to_num(torch.stack(found, -2))
    if isinstance(criterion, Entropy):  # its second sum may have either sign
        first = sums[..., 0].clamp_min(TINY)
        return criterion.score(torch.stack([first, sums[..., 1]]).movedim(0, -1), 1.0)
    sums = sums.clamp_min(TINY)
    if isinstance(criterion, Kurtosis):  # of all cells of a tile together
        cells = torch.from_numpy(tiling.shares).to(sums)[:, None]
        return 2 * sums[..., 0].log() - sums[..., 1].log() - cells.log()
    return criterion.score(sums, 1.0)  # no other built-in score depends on the number of cells


@dataclass(frozen=True)
class TileSums:
    """What is known of tiles under each tabulated length.

    Attributes:
        energy: integral of |X|², `[M, B, U]`.
        sums: of the criterion's moments, `[M, B, U, J]`.
        around: mean energy in the stretch around each tile under the band's short length, `[1, B, U]`.
        spread: d, how far the stretch's spectrum is above the longest window's, nepers, `[M, B, U]`.
    """

    energy: Tensor
    sums: Tensor
    around: Tensor
    spread: Tensor


@dataclass(frozen=True)
class TileCost:
    cost: Tensor  # under each tabulated length, nats, `[M, B, U]`
    level: Tensor  # mean power in each, the least of those lengths, `[B, U]`


def tile_cost(tiling: Tiling, criterion: Criterion, of: TileSums) -> TileCost:
    """The costs of tiles under all tabulated lengths."""
    cells = torch.from_numpy(tiling.shares).to(of.energy)[:, None]
    level = of.energy.clamp_min(TINY).log_()
    short, allowed = (torch.from_numpy(of_bands) for of_bands in (tiling.short, tiling.allowed))
    known = _row_of(level, short)
    least = _least_of(level, allowed & (torch.arange(len(level))[:, None] <= short))
    share = (_row_of(of.energy, short) / of.around.clamp_min(TINY)).clamp_max(1.0)
    charged = charges(level - torch.minimum(least, known), known - level, share, of.spread)
    cost = charged.add_(tile_score(tiling, criterion, of.sums))
    return TileCost(cost, _least_of(of.energy, allowed)[0] / cells)


def _least_of(values: Tensor, chosen: Tensor) -> Tensor:
    """Least value under the lengths `[M, B]` that are chosen, `[1, B, U]`; infinite where none is."""
    outside = torch.zeros(chosen.shape, dtype=values.dtype).masked_fill_(~chosen, torch.inf)
    return (values + outside[:, :, None]).amin(0, keepdim=True)


def within_bands(tiling: Tiling, cost: Tensor) -> Tensor:
    """Costs `[M, B, U]` in which a length that a band may not take costs what its shortest does.

    And `STEEP` more per unit of ln θ.
    """
    allowed = torch.from_numpy(tiling.allowed)
    logs = torch.from_numpy(np.log(tiling.lengths)).to(cost)
    least = allowed.int().argmax(0)  # the shortest length of each band, `[B]`
    low = int((least > 0).sum())  # bands that may not take all, the lowest
    below = (logs[least][None, :low] - logs[:, None]).clamp_min(0)[:, :, None]
    found = cost.clone()
    found[:, :low] = torch.where(
        allowed[:, :low, None], cost[:, :low], _row_of(cost[:, :low], least[:low]) + STEEP * below
    )
    return found


def charges(above: Tensor, below: Tensor, share: Tensor, spread: Tensor) -> Tensor:
    """Nats for energy at the wrong time, nepers above and below, and at the wrong frequency."""
    charged = SPREAD * torch.log1p(share * torch.expm1(spread.clamp_max(_FAR)))
    charged.add_(above.clamp(0, MOST), alpha=ABOVE)
    return charged.add_(below.clamp(0, MOST), alpha=BELOW)


def _row_of(values: Tensor, index: Tensor) -> Tensor:
    """`[M, B, U]` at one length for each band `[B]`: `[1, B, U]`."""
    return values.gather(0, index[None, :, None].expand(1, -1, values.shape[2]))


def tile_weights(tiling: Tiling, level: Tensor, reference: float) -> Tensor:
    """ω of tiles from their level, `[B, U]`; `reference` is that of the recording."""
    relative, of_band = level / reference, torch.from_numpy(tiling.importance).to(level)[:, None]
    return of_band * relative.pow(EXPONENT) * (relative / (relative + DEPTH))
