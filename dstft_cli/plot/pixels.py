"""The grid of pixels for frames and bins, and pooling of values; without matplotlib.

Over time a pixel holds the mean power of its frames, then over frequency the maximum of its bins.
The mean keeps the noise floor where it is; the maximum over hundreds of frames would lift it by some
8 dB (mean of the largest of n exponential values: 1 + 1/2 + ... + 1/n). The floor stays so even that a
short click still stands out. The maximum over bins keeps a thin line at its level in tall rows.
"""

from __future__ import annotations

import math
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dstft_cli.errors import InputError, UsageError

FloatArray = NDArray[np.floating[Any]]
IntArray = NDArray[np.integer[Any]]
UNIFORM = 1e-3  # of a hop: how far frame centres may lie from a uniform grid and count as one
CURVE_COLUMNS = 1400  # of a curve; more points are drawn as an envelope
AUDIO_RATE = 2000.0  # Hz: sample rates from here on are those of sound
MARGIN = 2 ** (1 / 12)  # in frequency, around the sound that pictures show
ENERGY_SHARE = 0.999  # of the energy above the noise that pictures show at least
AUDIBLE = 100.0  # times the calm level of noise, whose peaks reach 20: power that shows a sound
SELDOM = 0.01  # of the time: sound that lasts so long is not cut off above
# nor below, where windows are long and spread a click over many pixels, and where levels are high
SELDOM_LOW, LOW_RANGE = 0.05, 50.0  # share of the time; dB below the loudest pixel


def hz_to_scale(hz: ArrayLike, scale: str) -> FloatArray:
    """Frequencies in Hz to the units of a scale: Hz (`linear`), log10 of Hz (`log`) or `mel` (HTK)."""
    f = np.asarray(hz, dtype=np.float64)
    if scale == "mel":
        # librosa's takes half a second to import
        return np.asarray(2595.0 * np.log10(1.0 + f / 700.0))
    return np.log10(f) if scale == "log" else f


def scale_to_hz(y: ArrayLike, scale: str) -> FloatArray:
    """Units of a scale back to Hz, the inverse of `hz_to_scale`."""
    v = np.asarray(y, dtype=np.float64)
    if scale == "mel":
        return np.asarray(700.0 * (10.0 ** (v / 2595.0) - 1.0))
    return np.asarray(10.0**v) if scale == "log" else v


def scale_for(scale: str, sample_rate: float) -> str:
    """The frequency scale of pictures: `auto` is `log` for audio, `linear` below 2 kHz sample rate.

    `note` is `log`, too.
    """
    if scale == "auto":
        return "log" if sample_rate >= AUDIO_RATE else "linear"
    return "log" if scale == "note" else scale


def time_range(
    offset: float, seconds: float, tmin: float | None, tmax: float | None
) -> tuple[float, float]:
    """Begin and end of a picture, s from the first sample, which lies at `offset` s.

    `tmin` and `tmax` count as `offset` does. InputError if nothing lies between them.
    """
    begin = 0.0 if tmin is None else max(tmin - offset, 0.0)
    end = seconds if tmax is None else min(tmax - offset, seconds)
    if begin >= end:
        asked = [f"`{n}` {at:g}" for n, at in (("tmin", tmin), ("tmax", tmax)) if at is not None]
        leave = "leave" if len(asked) > 1 else "leaves"
        raise InputError(
            f"{' and '.join(asked)} {leave} nothing of the recording, which spans {offset:g} to "
            f"{offset + seconds:g} s: choose within it"
        )
    return begin, end


def frequency_range(
    top: float, spacing: float, scale: str, fmin: float | None, fmax: float | str | None
) -> tuple[float, float]:
    """The lowest and the highest frequency of a picture, Hz; UsageError if there is none such.

    `top` is the highest frequency there is, and taken where `fmax` is no number; `spacing` is that of the
    bins.
    Without `fmin` it is 0, and on the log scale, which has no zero, 20 Hz (a hundredth of `top` where
    that is below 200 Hz), but not below the first bin.
    """
    fmax = None if isinstance(fmax, str) else fmax
    for name, value in (("fmin", fmin), ("fmax", fmax)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UsageError(f"`{name}` {value:g} Hz is not a frequency: give 0 Hz or more")
    if fmax is not None and fmax > top * (1 + 1e-9):
        raise UsageError(
            f"`fmax` {fmax:g} Hz is above the highest frequency {top:g} Hz: lower `fmax`"
        )
    high = top if fmax is None else min(fmax, top)
    low = fmin or 0.0
    if low >= high:
        raise UsageError(
            f"`fmin` {low:g} Hz is not below {high:g} Hz: lower `fmin` or raise `fmax`"
        )
    if scale == "log" and low == 0:
        low = max(20.0 if top >= 200.0 else top / 100.0, spacing)
        low = low if low < high else high / 10.0
    return low, high


class PixelGrid:
    """The columns and rows of an image of at most `width` by `height` pixels.

    Columns are uniform in time: one per frame where the frames are uniform and no more than
    `width`, else `width`. A column shows the frames whose centres lie in it; one without a frame
    (frames not uniform in time) shows the nearest. So a frame spans from midway to its left
    neighbour to midway to its right one, to within a column. The first and the last frame reach to
    the ends of the `span`. Rows are uniform in the scale: each shows the bins whose centres lie in
    it; one without a bin lies between two of them. On the linear scale there are no more rows than bins.

    Args:
        times: frame centres, s, [T], strictly increasing, T >= 1.
        frequencies: bin centres, Hz, [F], uniform, F >= 1; an attribute, too, like `freq_scale`.
        freq_scale: `linear`, `log`, `mel`, or `note`: `log` with the names of notes.
        fmin, fmax: lowest and highest frequency, Hz; None: see `frequency_range`.
        span: beginning and end of the recording, s; None for those of the frames.
    """

    def __init__(
        self,
        *,
        times: ArrayLike,
        frequencies: ArrayLike,
        freq_scale: str = "linear",
        fmin: float | None = None,
        fmax: float | None = None,
        span: tuple[float, float] | None = None,
        width: int = 1400,
        height: int = 512,
    ) -> None:
        t = np.asarray(times, dtype=np.float64)
        f = np.asarray(frequencies, dtype=np.float64)
        self.notes = freq_scale == "note"  # on the axis, which is logarithmic
        self.freq_scale = freq_scale = "log" if self.notes else freq_scale
        self.cropped = False  # at an end of `freq_range` sound begins or ends, which a picture says
        self.frequencies: FloatArray = f
        self.frames = t.size
        self._spacing = float(f[1] - f[0]) if f.size > 1 else 1.0

        top = float(f[-1]) if f.size > 1 else float(f[0]) + self._spacing
        self.freq_range = frequency_range(top, self._spacing, freq_scale, fmin, fmax)
        bottom, ceiling = self._place_rows(height)
        edges = self._column_edges(t, width, span)
        left, right = float(edges[0]), float(edges[-1])
        self.extent = (left, right, bottom, ceiling)  # edges of the image, s and units of the scale
        # as requested: outer columns may exceed it by half a hop
        self.time_limits = (left, right) if span is None else span
        first = np.searchsorted(t, edges)
        first[0], first[-1] = 0, t.size
        self.first_frame: IntArray = first  # column c holds frames first[c] .. first[c+1]-1
        # columns without a frame, and the frame that is nearest to each
        self.empty: IntArray = np.flatnonzero(np.diff(first) == 0)
        before = np.maximum(first[self.empty] - 1, 0)
        after = np.minimum(first[self.empty], t.size - 1)
        centre = (edges[self.empty] + edges[self.empty + 1]) / 2
        earlier = np.abs(centre - t[before]) <= np.abs(t[after] - centre)
        self.source: IntArray = np.where(earlier, before, after)

    def _column_edges(
        self, times: FloatArray, width: int, span: tuple[float, float] | None
    ) -> FloatArray:
        if times.size == 1:  # the spacing of bins is the inverse of the frame length
            before = after = 0.5 / self._spacing
        else:
            before, after = (times[1] - times[0]) / 2, (times[-1] - times[-2]) / 2
        left, right = times[0] - before, times[-1] + after
        begin, end = (left, right) if span is None else span
        even = np.linspace(times[0], times[-1], times.size)
        hop = (right - left) / times.size
        if times.size > 1 and np.abs(times - even).max() <= UNIFORM * hop:
            earlier, later = (
                max(0, math.ceil(gap / hop - UNIFORM)) for gap in (left - begin, end - right)
            )
            columns = earlier + times.size + later
            if columns <= width:
                return np.linspace(left - earlier * hop, right + later * hop, columns + 1)
        columns = width if times.size > 1 else 1
        return np.linspace(min(left, begin), max(right, end), columns + 1)

    def _place_rows(self, height: int) -> tuple[float, float]:
        f, scale, (low, high) = self.frequencies, self.freq_scale, self.freq_range
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
        self.row_edges: FloatArray = np.maximum(scale_to_hz(y, scale), 0.0)
        # rows that hold bins: row full_rows[r] holds bins first_bin[r] .. first_bin[r+1]-1, and the
        # last of them those up to last_bin-1
        self.full_rows: IntArray = np.flatnonzero(np.diff(first) > 0)
        self.first_bin: IntArray = first[self.full_rows]
        self.last_bin = int(first[-1])
        # the others lie `share` of the way from bin `below` to bin `above`
        self.rows_between: IntArray = np.flatnonzero(np.diff(first) == 0)
        at = (self.row_frequencies[self.rows_between] - f[0]) / self._spacing
        self.below: IntArray = np.clip(np.floor(at), 0, max(f.size - 2, 0)).astype(np.intp)
        self.above: IntArray = np.minimum(self.below + 1, f.size - 1)
        self.share: FloatArray = np.clip(at - self.below, 0.0, 1.0)
        return float(y[0]), float(y[-1])

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return self.row_frequencies.size, self.first_frame.size - 1

    def cropped_to(self, fmin: float | None, fmax: float | None, height: int) -> PixelGrid:
        """The same columns with at most `height` rows from `fmin` to `fmax`, Hz; None: as it is."""
        grid, (low, high) = copy(self), self.freq_range
        grid.cropped = fmin is not None or fmax is not None
        grid.freq_range = (fmin or low, high if fmax is None else min(fmax, high))
        grid.extent = (*self.extent[:2], *grid._place_rows(height))
        return grid

    @property
    def column_times(self) -> FloatArray:
        """Centres of the columns, s, [width']."""
        edges = np.linspace(*self.extent[:2], self.shape[1] + 1)
        return np.asarray((edges[:-1] + edges[1:]) / 2)

    def bins_shown(self) -> NDArray[np.intp]:
        """Bins within `freq_range`, one at least; on the log scale zero has no place."""
        low, high = self.freq_range
        hz = self.frequencies
        inside = (hz >= low) & (hz <= high) & ((hz > 0) | (self.freq_scale != "log"))
        return np.flatnonzero(inside) if inside.any() else np.array([hz.size - 1])


class PixelPool:
    """An image on a grid of pixels, filled frame block by frame block.

    A column takes the mean power of its frames, a row the maximum power of its bins; a row without
    a bin interpolates between its neighbours, linearly in power.
    """

    def __init__(self, grid: PixelGrid) -> None:
        self.grid = grid
        self._next = 0
        self._open = np.zeros(grid.frequencies.size)  # power of a column that is not finished
        self._power: NDArray[Any] = np.zeros(grid.shape[::-1], np.float32)

    def add(self, start: int, magnitude: NDArray[np.floating[Any]]) -> None:
        """Take |X|, [n, F], of the next frames, `start` to `start + n - 1`, n >= 1."""
        assert start == self._next
        grid, stop = self.grid, start + len(magnitude)
        self._next = stop
        power = np.square(magnitude)

        column = int(np.searchsorted(grid.first_frame, start, side="right")) - 1
        until = int(np.searchsorted(grid.first_frame, stop))
        filled = column + np.flatnonzero(np.diff(grid.first_frame[column : until + 1]) > 0)
        begins = np.maximum(grid.first_frame[filled] - start, 0)
        parts = np.split(power, begins[1:])
        sums = np.array([part.sum(0) for part in parts], np.float64)  # faster than `reduceat`
        sums[0] += self._open
        whole = grid.first_frame[filled + 1] <= stop
        self._open = np.zeros(sums.shape[1]) if whole[-1] else sums[-1]
        done = filled[whole]
        counts = grid.first_frame[done + 1] - grid.first_frame[done]
        self._put(done, self._rows(sums[whole] / counts[:, None]))

        here = (grid.source >= start) & (grid.source < stop)
        if here.any():  # many columns may show one frame
            sources, which = np.unique(grid.source[here] - start, return_inverse=True)
            self._put(grid.empty[here], self._rows(power[sources])[which])

    def _put(self, columns: IntArray, power: FloatArray) -> None:
        self._power[columns] = power

    def _rows(self, power: FloatArray) -> FloatArray:
        grid = self.grid
        rows = np.empty((len(power), grid.row_frequencies.size))
        if grid.full_rows.size:
            rows[:, grid.full_rows] = np.maximum.reduceat(
                power[:, : grid.last_bin], grid.first_bin, axis=1
            )
        if grid.rows_between.size:
            rows[:, grid.rows_between] = (
                power[:, grid.below] * (1 - grid.share) + power[:, grid.above] * grid.share
            )
        return rows

    @property
    def image(self) -> NDArray[np.float32]:
        """|X|, [height', width'], row 0 the lowest frequency, once all frames are added."""
        assert self._next == self.grid.frames
        return np.sqrt(np.asarray(self._power.T, np.float32))

    def on(self, grid: PixelGrid) -> PixelPool:
        """The same image on the rows of another grid: the maximum of rows in one, or the nearest."""
        rows = self.grid.row_frequencies
        low, high = grid.row_edges[:-1], grid.row_edges[1:]
        first, last = np.searchsorted(rows, low), np.searchsorted(rows, high)
        nearest = np.abs(rows - grid.row_frequencies[:, None]).argmin(1)
        pool = PixelPool(grid)
        for row, (start, stop) in enumerate(zip(first, last, strict=True)):
            inside = slice(start, stop) if stop > start else slice(nearest[row], nearest[row] + 1)
            pool._power[:, row] = self._power[:, inside].max(1)
        pool._next = self._next
        return pool

    def sound_range(self, db_range: float) -> tuple[float, float]:
        """Lowest and highest frequency, Hz, outside which a picture shows nothing but noise.

        Between them lies `ENERGY_SHARE` of the energy above the noise, and every row in which a share
        `SELDOM` of the pixels stands out of the noise by `AUDIBLE` and is within `db_range` of the
        loudest; for the lowest frequency, `SELDOM_LOW` and `LOW_RANGE`. The noise of a row is the
        lower quartile, over its neighbours within a third of an octave, of the level that a fifth of
        their pixels stay below.
        """
        grid, power = self.grid, self._power
        if not np.isfinite(power).all():
            return grid.freq_range
        rows, edges = grid.row_frequencies, grid.row_edges
        calm = np.quantile(power, 0.2, axis=0)
        own = np.arange(rows.size)
        first = np.minimum(np.searchsorted(rows, rows / 2 ** (1 / 3)), own)
        last = np.maximum(np.searchsorted(rows, rows * 2 ** (1 / 3), side="right"), own + 1)
        noise = np.array([_quartile(calm[a:b]) for a, b in zip(first, last, strict=True)])
        above = np.maximum(power.mean(0, dtype=np.float64) - noise, 0) * np.diff(edges)
        total = np.cumsum(above)
        if not total[-1] > 0:
            return grid.freq_range

        def heard(share: float, below: float) -> IntArray:
            peaks = np.quantile(power, 1 - share, axis=0)
            floor = np.maximum(AUDIBLE * noise, power.max() * 10 ** (-below / 10))
            return np.flatnonzero(peaks > floor)

        ends = np.array([1 - ENERGY_SHARE, 1 + ENERGY_SHARE]) / 2
        bottom, top = np.searchsorted(total, ends * total[-1])
        bottom = min([bottom, *heard(SELDOM_LOW, min(db_range, LOW_RANGE))])
        top = max([top, *heard(SELDOM, db_range)])
        low, high = grid.freq_range
        return max(float(edges[bottom]) / MARGIN, low), min(float(edges[top + 1]) * MARGIN, high)


def _quartile(values: FloatArray) -> float:
    """The lower quartile, as `np.quantile` has it, in a tenth of its time for a few values."""
    ordered, at = np.sort(values), (values.size - 1) / 4
    low, high = ordered[int(at)], ordered[min(int(at) + 1, values.size - 1)]
    return float(low + (at - int(at)) * (high - low))


def pool_curve(
    times: FloatArray, values: FloatArray, width: int = CURVE_COLUMNS
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Mean times, smallest, largest and median values of a curve, [T], in at most `width` columns."""
    size = -(-times.size // width)
    rest = -times.size % size
    t, v = (np.pad(x, (0, rest), constant_values=np.nan).reshape(-1, size) for x in (times, values))
    return np.nanmean(t, 1), np.nanmin(v, 1), np.nanmax(v, 1), np.nanmedian(v, 1)
