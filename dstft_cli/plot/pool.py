"""Pools frames to pixels while they are computed, so that an hour draws as fast as a minute.

Over time a pixel holds the mean power of its frames, then over frequency the maximum of its bins.
The mean keeps the noise floor where it is, which the maximum over hundreds of frames lifts by some
8 dB (mean of the largest of n exponential values: 1 + 1/2 + ... + 1/n), and leaves it so even that
a short click still stands out; the maximum over bins keeps a thin line at its level in tall rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dstft_cli.plot.scale import (
    FloatArray,
    check_scale,
    frequency_range,
    hz_to_scale,
    scale_to_hz,
)

IntArray = NDArray[np.integer[Any]]


class PixelPool:
    """An image of at most `width` by `height` pixels, filled frame block by frame block.

    Columns are uniform in time: one per frame where the frames are uniform and no more than
    `width`, else each takes the mean power of the frames whose centres lie in it; one without a
    frame (frames not uniform in time) shows the nearest. Rows are uniform in the scale: each takes
    the maximum power of the bins whose centres lie in it; one without a bin interpolates between
    its neighbours, linearly in power. On the linear scale there are no more rows than bins.

    Args:
        times: frame centres, s, [T], strictly increasing, T >= 1.
        frequencies: bin centres, Hz, [F], uniform, F >= 1.
        freq_scale: `linear` (Hz), `log` (log10 of Hz) or `mel` (HTK).
        fmin: lowest frequency, Hz; None for the scale's own (see `scale.frequency_range`).
        fmax: highest frequency, Hz; None for the last bin.
        width: most columns, >= 1.
        height: most rows, >= 1.

    Attributes:
        extent: edges of the image: (t0, t1) in s, (y0, y1) in scale units.
        limits: (y0, y1) in scale units that were asked for; outer rows may reach half a bin over.
        row_frequencies: centres of the rows, Hz, [height'].
        freq_scale: as given.
        freq_range: lowest and highest frequency that were asked for, Hz.

    Raises:
        UsageError: an unknown scale, or frequency limits that are empty or out of range.
        ValueError: shapes or orders other than stated.
    """

    def __init__(
        self,
        *,
        times: ArrayLike,
        frequencies: ArrayLike,
        freq_scale: str = "linear",
        fmin: float | None = None,
        fmax: float | None = None,
        width: int = 1400,
        height: int = 512,
    ) -> None:
        t = np.asarray(times, dtype=np.float64)
        f = np.asarray(frequencies, dtype=np.float64)
        if t.ndim != 1 or not t.size or np.any(np.diff(t) <= 0):
            raise ValueError(f"times of shape {t.shape} are not a strictly increasing vector")
        if f.ndim != 1 or not f.size:
            raise ValueError(f"frequencies of shape {f.shape} are not a vector of one bin or more")
        if width < 1 or height < 1:
            raise ValueError(f"an image of {width} x {height} pixels has no pixel")
        self.freq_scale = check_scale(freq_scale)
        self._spacing = float(f[1] - f[0]) if f.size > 1 else 1.0
        self._bins = f
        self._frames = t.size
        self._next = 0

        top = float(f[-1]) if f.size > 1 else float(f[0]) + self._spacing
        self.freq_range = frequency_range(top, self._spacing, freq_scale, fmin, fmax)
        y = self._place_rows(height)
        x = self._place_columns(t, width)
        self.extent = (x[0], x[1], y[0], y[1])
        bottom, ceiling = hz_to_scale(self.freq_range, freq_scale)
        self.limits = (float(bottom), float(ceiling))

        self._open = np.zeros(f.size)  # power of the column that a block left unfinished
        self._power = np.zeros((self._first.size - 1, self.row_frequencies.size), np.float32)

    def _place_columns(self, times: FloatArray, width: int) -> tuple[float, float]:
        if times.size == 1:  # the bins' spacing is the inverse of the span that a frame hears
            half = 0.5 / self._spacing
            edges = np.array([times[0] - half, times[0] + half])
        else:
            left = times[0] - (times[1] - times[0]) / 2
            right = times[-1] + (times[-1] - times[-2]) / 2
            edges = np.linspace(left, right, min(times.size, width) + 1)
        first = np.searchsorted(times, edges)
        first[0], first[-1] = 0, times.size
        empty = np.flatnonzero(np.diff(first) == 0)
        before = np.maximum(first[empty] - 1, 0)
        after = np.minimum(first[empty], times.size - 1)
        centre = (edges[empty] + edges[empty + 1]) / 2
        earlier = np.abs(centre - times[before]) <= np.abs(times[after] - centre)
        self._first: IntArray = first  # column c holds frames first[c] .. first[c+1]-1
        self._empty: IntArray = empty
        self._source: IntArray = np.where(earlier, before, after)
        return float(edges[0]), float(edges[-1])

    def _place_rows(self, height: int) -> tuple[float, float]:
        f, scale, (low, high) = self._bins, self.freq_scale, self.freq_range
        slack = self._spacing * 1e-6  # limits are often written from rounded bins
        inside = np.flatnonzero((f >= low - slack) & (f <= high + slack))
        if scale == "linear" and inside.size:
            half = self._spacing / 2
            y = np.linspace(f[inside[0]] - half, f[inside[-1]] + half, min(height, inside.size) + 1)
        else:
            bottom, top = hz_to_scale([low, high], scale)
            y = np.linspace(float(bottom), float(top), height + 1)
        edges = scale_to_hz(y, scale) - slack
        edges[-1] += 2 * slack  # the last row includes its upper edge
        first = np.searchsorted(f, edges)
        self.row_frequencies = scale_to_hz((y[:-1] + y[1:]) / 2, scale)
        self._rows_with_bins: IntArray = np.flatnonzero(np.diff(first) > 0)
        self._first_bin: IntArray = first[self._rows_with_bins]
        self._last_bin = int(first[-1])
        self._rows_between: IntArray = np.flatnonzero(np.diff(first) == 0)
        at = (self.row_frequencies[self._rows_between] - f[0]) / self._spacing
        self._below: IntArray = np.clip(np.floor(at), 0, max(f.size - 2, 0)).astype(np.intp)
        self._share: FloatArray = np.clip(at - self._below, 0.0, 1.0)
        return float(y[0]), float(y[-1])

    def add(self, start: int, magnitude: NDArray[np.floating[Any]]) -> None:
        """Take frames `start` to `start + n - 1`; blocks follow each other without a gap.

        Args:
            start: number of the first frame; 0 at first, then where the last block ended.
            magnitude: |X|, [n, F], finite.

        Raises:
            ValueError: a block that does not follow the last one, or of another shape.
        """
        n = len(magnitude)
        if magnitude.ndim != 2 or magnitude.shape[1] != self._bins.size:
            raise ValueError(f"a block of shape {magnitude.shape} is not [n, {self._bins.size}]")
        if start != self._next or start + n > self._frames:
            raise ValueError(
                f"frames {start} to {start + n - 1} do not follow: "
                f"expected {self._next} up to at most {self._frames - 1}"
            )
        if n == 0:
            return
        stop = self._next = start + n
        power = np.square(magnitude)

        # the columns this block touches, and where in the block each begins
        column = int(np.searchsorted(self._first, start, side="right")) - 1
        until = int(np.searchsorted(self._first, stop))
        filled = column + np.flatnonzero(np.diff(self._first[column : until + 1]) > 0)
        begins = np.maximum(self._first[filled] - start, 0)
        sums = np.add.reduceat(power, begins, axis=0).astype(np.float64)
        sums[0] += self._open
        whole = self._first[filled + 1] <= stop
        self._open = np.zeros(self._bins.size) if whole[-1] else sums[-1]
        done = filled[whole]
        counts = self._first[done + 1] - self._first[done]
        self._power[done] = self._rows(sums[whole] / counts[:, None])

        copies = (self._source >= start) & (self._source < stop)
        if copies.any():
            self._power[self._empty[copies]] = self._rows(power[self._source[copies] - start])

    def _rows(self, power: FloatArray) -> FloatArray:
        """[n, F] power per bin to [n, height'] power per row."""
        rows = np.empty((len(power), self.row_frequencies.size))
        if self._rows_with_bins.size:
            rows[:, self._rows_with_bins] = np.maximum.reduceat(
                power[:, : self._last_bin], self._first_bin, axis=1
            )
        if self._rows_between.size:
            above = np.minimum(self._below + 1, self._bins.size - 1)
            rows[:, self._rows_between] = (
                power[:, self._below] * (1 - self._share) + power[:, above] * self._share
            )
        return rows

    @property
    def image(self) -> NDArray[np.float32]:
        """Magnitudes |X|, float32, [height', width'], row 0 the lowest frequency.

        Raises:
            ValueError: some frames were not added yet.
        """
        if self._next < self._frames:
            raise ValueError(f"only {self._next} of {self._frames} frames were added")
        return np.sqrt(self._power.T)


class PooledCurve(NamedTuple):
    """A curve reduced to columns that hold the same number of points but for one.

    Attributes:
        times: mean time of each column's points, s, [W].
        low: their smallest value, [W].
        high: their largest, [W].
        median: their median, [W].
    """

    times: FloatArray
    low: FloatArray
    high: FloatArray
    median: FloatArray


def pool_curve(times: ArrayLike, values: ArrayLike, width: int = 1400) -> PooledCurve:
    """Reduce a curve to at most `width` columns whose low and high are its true envelope.

    Args:
        times: s, [T], increasing.
        values: [T], any unit.
        width: most columns, >= 1; a curve of no more points comes back as it is.

    Raises:
        ValueError: times and values of different shapes, or empty.
    """
    t = np.asarray(times, dtype=np.float64)
    v = np.asarray(values, dtype=np.float64)
    if t.ndim != 1 or t.shape != v.shape or not t.size:
        raise ValueError(f"times of shape {t.shape} and values of shape {v.shape} are no curve")
    if t.size <= width:
        return PooledCurve(t, v, v, v)
    size = -(-t.size // width)
    whole = t.size // size * size
    blocks = [(t[:whole].reshape(-1, size), v[:whole].reshape(-1, size))]
    if whole < t.size:
        blocks.append((t[None, whole:], v[None, whole:]))
    reduced = [
        (bt.mean(axis=1), bv.min(axis=1), bv.max(axis=1), np.median(bv, axis=1))
        for bt, bv in blocks
    ]
    return PooledCurve(*(np.concatenate(part) for part in zip(*reduced, strict=True)))
