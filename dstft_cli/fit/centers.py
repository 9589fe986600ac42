"""Frame centres: positions, weights in a sum over time, and variables of a descent.

For any values of the variables, learned centres obey

    0 ≤ t_0 ≤ η·θ_0/2,    h_min ≤ t_{i+1} − t_i ≤ min(h_max, η·(θ_i + θ_{i+1})/2),
    N − 1 − η·θ_{T−1}/2 ≤ t_{T−1} ≤ N − 1,

so frames stay in order and in the signal, and neighbouring windows overlap.

Source: Leiber et al., arXiv 2308.02421 and IEEE TSP 73 (2025), arXiv 2506.21440, hop lengths.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from dstft_cli.fit.descent import Variables
from dstft_cli.stft import Samples

Array = NDArray[np.float64]

LEAST_IMPORTANCE = 1e-9  # of a variable, so that silence stays movable
# of segments of a long signal, a sample of the whole
_COUNT = 8
_FEW_FRAMES = 8  # that each is to hold at least
_QUIET = 0.01  # of the signal's peak; a segment below it is silent
_BLOCK = 1 << 16


def uniform_centers(length: int, hop_length: float) -> Array:
    """Centres `t_i = i·H`, samples, `[T]` with `T = 1 + ⌊N/H⌋`."""
    return np.arange(1 + int(length // hop_length), dtype=np.float64) * hop_length


def centered_centers(length: int, hop_length: float, frames: int | None = None) -> Array:
    """Centres `t_i = (N−1)/2 + (i − (T−1)/2)·H`, samples, `[T]`: frames in the middle of the signal.

    As many as fit, `T = 1 + ⌊(N−1)/H⌋`, so at most half a hop is left at either end; or so many.
    """
    end = length - 1.0
    count = frames or 1 + int(end / hop_length * (1 + 1e-12))
    return np.clip(end / 2 + (np.arange(count) - (count - 1) / 2) * hop_length, 0.0, end)


def quadrature_weights(
    centers: Array, hop_length: float | None = None, length: int | None = None
) -> Array:
    """Each frame's share of time, `[T]`: with these a sum over frames estimates an integral.

    `Δt_i = (t_{i+1} − t_{i−1})/2`. At the ends the first and last gap are continued outwards, so
    a uniform hop has the weight 1 everywhere. If centres are learned, the weight is the Voronoi cell of
    the frame within the signal, `Δt_0 = (t_0 + t_1)/2`, `Δt_{T−1} = N − 1 − (t_{T−2} + t_{T−1})/2`. So
    frames gain nothing by crowding together or leaving the ends. Shares are divided by the hop, or by
    their mean. `length` N is given where centres are learned.
    """
    if length is not None:
        between = (centers[:-1] + centers[1:]) / 2
        shares = np.diff(between, prepend=0.0, append=max(length - 1.0, 1.0))
    elif len(centers) == 1:
        return np.ones(1)
    else:
        shares = np.gradient(centers)
    return np.asarray(shares / (shares.mean() if hop_length is None else hop_length))


# active constraint of a frame: at the least or the greatest hop from the one before; as far as the
# frames to come allow
FREE, LEAST, MOST, LEFTMOST, RIGHTMOST = range(5)


@dataclass(frozen=True)
class HopRange:
    length: int  # signal length N, samples
    overlap: float  # η, in (0, 1]
    low: float  # shortest and longest hop, samples, 0 < low ≤ high
    high: float

    def covering(self, centers: Array) -> Array:
        """Window lengths that guarantee the overlap of these centres, samples, `[T]`."""
        ends = 2 * centers[:1], 2 * (self.length - 1 - centers[-1:])
        gaps = np.concatenate([ends[0], np.diff(centers), ends[1]])
        return np.asarray(np.maximum(gaps[:-1], gaps[1:]) / self.overlap)

    def place(self, wishes: Array, lengths: Array) -> tuple[Array, list[int]]:
        """Centres nearest to the targets `[T]`, samples, under windows of these lengths `[T]`.

        With the active constraint of each.

        From left to right, `t_i` is the target `y_i`, clipped to the hops allowed from `t_{i−1}` and to
        positions from which the later frames can reach the end of the signal. Without an active
        constraint `t_i = y_i`, and a target moves no other frame.
        """
        # longest gaps, `[T+1]`: before the first frame, between frames, after the last
        reach = self.overlap * lengths / 2
        inner = np.minimum(reach[:-1] + reach[1:], self.high)
        caps = np.concatenate([reach[:1], inner, reach[-1:]])
        low, end = self.low, float(self.length - 1)
        T = len(wishes)
        leftmost = (end - np.cumsum(caps[::-1])[::-1][1:]).tolist()
        rightmost = (end - low * np.arange(T - 1, -1, -1)).tolist()
        gaps, asked = caps.tolist(), wishes.tolist()
        placed, held = [0.0] * T, [FREE] * T
        for i in range(T):
            at, by = asked[i], FREE
            left, right = (placed[i - 1] + low, placed[i - 1] + gaps[i]) if i else (0.0, gaps[0])
            if at < left:
                at, by = left, LEAST
            if at < leftmost[i]:
                at, by = leftmost[i], LEFTMOST
            if at > right:
                at, by = right, MOST
            if at > rightmost[i]:
                at, by = rightmost[i], RIGHTMOST
            placed[i], held[i] = at, by
        return np.array(placed), held

    def pull_back(self, wishes: Array, lengths: Array, gradient: Array) -> tuple[Array, Array]:
        """Gradients with respect to targets and lengths, each `[T]`, from that of the centres."""
        T, (_, held) = len(gradient), self.place(wishes, lengths)
        carried = gradient.tolist()
        by_wish, by_cap = [0.0] * T, [0.0] * (T + 1)
        to_come = [0.0] * T  # gradient of the places as far left as the frames to come allow
        for i in range(T - 1, -1, -1):
            if held[i] == FREE:
                by_wish[i] = carried[i]
            elif held[i] == LEFTMOST:
                to_come[i] = carried[i]
            elif held[i] in (LEAST, MOST):
                if i:
                    carried[i - 1] += carried[i]
                if held[i] == MOST:
                    by_cap[i] += carried[i]
        caps = np.array(by_cap)
        caps[1:] -= np.cumsum(to_come)
        reach = self.overlap * (lengths[:-1] + lengths[1:]) / 2
        caps[1:-1][reach > self.high] = 0.0  # there the longest hop holds, not the windows
        share = caps * (self.overlap / 2)
        return np.array(by_wish), share[:-1] + share[1:]


class Positions:
    """Positions of the frames as variables `z` of a descent."""

    variables: Variables

    def __init__(self, hops: HopRange, hop_length: float) -> None:
        """`hop_length`: of the start, samples, in which frames weigh their share of time."""
        self._hops, self._hop = hops, hop_length

    def centers(self, z: Array, shortest: Array) -> Array:
        """Centres `[T]`, samples; `shortest` length of each frame `[T]`."""
        raise NotImplementedError

    def pull_back(self, z: Array, shortest: Array, gradient: Array) -> tuple[Array, Array]:
        """Gradients with respect to `z` and the shortest lengths, from that of the centres."""
        raise NotImplementedError

    def by_center(self, centers: Array, by_center: Array, by_weight: Array) -> Array:
        """Gradient with respect to the centres, what they do to the weights of frames included."""
        weights = quadrature_weights(centers, self._hop, self._hops.length)
        padded = np.pad(by_weight, 1, mode="edge")
        return weights * by_center + (padded[:-2] - padded[2:]) / (2 * self._hop)


class FreeHop(Positions):
    """`z = [ln H]`: one hop for all frames, in the middle of the signal (`centered_centers`)."""

    def __init__(self, hops: HopRange, hop_length: float, start: Array, *, kept: bool) -> None:
        """`kept`: as many frames as at the start; else as many as fit."""
        super().__init__(hops, hop_length)
        self._frames = len(start) if kept else None
        low, high, last = hops.low, hops.high, max(len(start) - 1, 1)
        if kept:
            low = max(low, (hops.length - 1) / len(start) * (1 + 1e-9))
            high = max(min(high, (hops.length - 1) / last), low)
        bottom, top = np.log([low]), np.log([high])
        begin = np.log([(start[-1] - start[0]) / last or hop_length]).clip(bottom, top)
        scale = np.array([max((len(start) - 1) / 2, 1.0)])
        self.variables = Variables(begin, bottom, top, scale)

    def centers(self, z: Array, shortest: Array) -> Array:
        return centered_centers(self._hops.length, math.exp(float(z[0])), self._frames)

    def pull_back(self, z: Array, shortest: Array, gradient: Array) -> tuple[Array, Array]:
        leverage = np.arange(len(gradient)) - (len(gradient) - 1) / 2
        by_hop = math.exp(float(z[0])) * float(leverage @ gradient)
        return np.array([by_hop]), np.zeros_like(shortest)


class FreeCenters(Positions):
    """A target for each centre, in units of the hop; the centre is the nearest place allowed."""

    def __init__(self, hops: HopRange, hop_length: float, start: Array, importance: Array) -> None:
        super().__init__(hops, hop_length)
        high = np.full(len(start), (hops.length - 1) / hop_length)
        scale = np.sqrt(importance + LEAST_IMPORTANCE)
        self.variables = Variables(start / hop_length, np.zeros(len(start)), high, scale)

    def centers(self, z: Array, shortest: Array) -> Array:
        return self._hops.place(z * self._hop, shortest)[0]

    def pull_back(self, z: Array, shortest: Array, gradient: Array) -> tuple[Array, Array]:
        by_wish, by_length = self._hops.pull_back(z * self._hop, shortest, gradient)
        return by_wish * self._hop, by_length


@dataclass(frozen=True)
class Segments:
    """The samples that are analysed, the same for every hop, so that values compare."""

    length: int  # of the signal, samples
    starts: tuple[int, ...]  # of the segments, samples, increasing
    size: int  # of each segment, samples

    def centers(self, hop_length: float) -> NDArray[np.float64]:
        """Centres of the frames a hop apart in the segments, beyond which windows may reach, `[T]`."""
        centers = uniform_centers(self.length, hop_length)
        starts = np.array(self.starts)
        nearest = starts[np.maximum(np.searchsorted(starts, centers, side="right") - 1, 0)]
        return centers[(centers >= nearest) & (centers < nearest + self.size)]

    def share(self, hop_length: float) -> float:
        """Share of the signal that is analysed, in (0, 1]."""
        return min(len(self.centers(hop_length)) * hop_length / self.length, 1.0)


def spread_segments(samples: Samples, most: int, *, longest_hop: float, peak: float) -> Segments:
    """Segments in the middles of equal parts of the signal, or at the loudest sample of a quiet part."""
    length = int(samples.shape[-1])
    most = max(most, math.ceil(_FEW_FRAMES * _COUNT * longest_hop))
    if length <= most:
        return Segments(length, (0,), length + 1)  # the last centre may be N
    size = most // _COUNT
    ends = [number * length // _COUNT for number in range(_COUNT + 1)]
    starts = []
    for first, last in pairwise(ends):
        start = (first + last - size) // 2
        if _loudest(samples, start, start + size)[0] < _QUIET * peak:
            _, at = _loudest(samples, first, last)
            start = min(max(at - size // 2, first), last - size)
        starts.append(start)
    return Segments(length, tuple(starts), size)


def _loudest(samples: Samples, first: int, last: int) -> tuple[float, int]:
    """Largest absolute sample of a part of the signal, and where it is."""
    found = (-1.0, first)
    for start in range(first, last, _BLOCK):
        levels = np.abs(np.asarray(samples[:, start : min(start + _BLOCK, last)])).max(0)
        at = int(levels.argmax())
        if levels[at] > found[0]:
            found = float(levels[at]), start + at
    return found
