"""Which pixels of a picture show which frames and bins; NumPy alone."""

from __future__ import annotations

import math
from typing import Any

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
UNIFORM = 1e-3  # of a hop: how far frame centres may lie from a uniform grid and count as one


class PixelGrid:
    """The columns and rows of an image of at most `width` by `height` pixels.

    Columns are uniform in time: one per frame where the frames are uniform and no more than
    `width`, else `width`. A column shows the frames whose centres lie in it; one without a frame
    (frames not uniform in time) shows the nearest. So a frame spans from midway to its left
    neighbour to midway to its right one, to within a column. Rows are uniform in the scale: each
    shows the bins whose centres lie in it; one without a bin lies between two of them. On the
    linear scale there are no more rows than bins.

    Columns cover `span`: what lies before the first frame's and behind the last frame's own span
    belongs to these, too.

    Args:
        times: frame centres, s, [T], strictly increasing, T >= 1.
        frequencies: bin centres, Hz, [F], uniform, F >= 1.
        freq_scale: `linear` (Hz), `log` (log10 of Hz) or `mel` (HTK).
        fmin: lowest frequency, Hz; None for the scale's own (see `scale.frequency_range`).
        fmax: highest frequency, Hz; None for the last bin.
        span: beginning and end of the recording, s; None for those of the frames.
        width: most columns, >= 1.
        height: most rows, >= 1.

    Attributes:
        extent: edges of the image: (t0, t1) in s, (y0, y1) in scale units.
        limits: (y0, y1) in scale units that were asked for; outer rows may reach half a bin over.
        time_limits: (t0, t1) in s likewise; outer columns may reach half a hop over.
        frames: T.
        frequencies: bin centres, Hz, [F].
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
        span: tuple[float, float] | None = None,
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
        self.frequencies: FloatArray = f
        self.frames = t.size

        top = float(f[-1]) if f.size > 1 else float(f[0]) + self._spacing
        self.freq_range = frequency_range(top, self._spacing, freq_scale, fmin, fmax)
        y = self._place_rows(height)
        x = self._place_columns(t, width, span)
        self.extent = (x[0], x[1], y[0], y[1])
        bottom, ceiling = hz_to_scale(self.freq_range, freq_scale)
        self.limits = (float(bottom), float(ceiling))
        self.time_limits = x if span is None else span

    def _place_columns(
        self, times: FloatArray, width: int, span: tuple[float, float] | None
    ) -> tuple[float, float]:
        edges = self._column_edges(times, width, span)
        first = np.searchsorted(times, edges)
        first[0], first[-1] = 0, times.size
        empty = np.flatnonzero(np.diff(first) == 0)
        before = np.maximum(first[empty] - 1, 0)
        after = np.minimum(first[empty], times.size - 1)
        centre = (edges[empty] + edges[empty + 1]) / 2
        earlier = np.abs(centre - times[before]) <= np.abs(times[after] - centre)
        self.first_frame: IntArray = first  # column c holds frames first[c] .. first[c+1]-1
        self._empty: IntArray = empty
        self._source: IntArray = np.where(earlier, before, after)
        return float(edges[0]), float(edges[-1])

    def _column_edges(
        self, times: FloatArray, width: int, span: tuple[float, float] | None
    ) -> FloatArray:
        if times.size == 1:  # the bins' spacing is the inverse of the span that a frame hears
            before = after = 0.5 / self._spacing
        else:
            before, after = (times[1] - times[0]) / 2, (times[-1] - times[-2]) / 2
        left, right = times[0] - before, times[-1] + after
        begin, end = (left, right) if span is None else span
        if times.size > 1 and is_uniform(times):
            hop = (right - left) / times.size
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

    def columns_of(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Columns that hold any of the frames `start` to `stop - 1`, stop > start.

        Returns:
            The columns, increasing, and the place of the first frame of each, counted from `start`
            (0 for a column that began before).
        """
        column = int(np.searchsorted(self.first_frame, start, side="right")) - 1
        until = int(np.searchsorted(self.first_frame, stop))
        filled = column + np.flatnonzero(np.diff(self.first_frame[column : until + 1]) > 0)
        return filled, np.maximum(self.first_frame[filled] - start, 0)

    def copies_of(self, start: int, stop: int) -> tuple[IntArray, IntArray]:
        """Columns without a frame of their own that show one of the frames `start` to `stop - 1`.

        Returns:
            The columns, and the place of the frame that each shows, counted from `start`.
        """
        here = (self._source >= start) & (self._source < stop)
        return self._empty[here], self._source[here] - start


def is_uniform(times: FloatArray) -> bool:
    """Whether increasing times, [T], lie on a uniform grid."""
    grid = np.linspace(times[0], times[-1], times.size)
    hop = (times[-1] - times[0]) / max(times.size - 1, 1)
    return bool(np.abs(times - grid).max() <= UNIFORM * hop)
