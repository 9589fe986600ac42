"""Pools frames to pixels while they are computed, so that an hour draws as fast as a minute.

Over time a pixel holds the mean power of its frames, then over frequency the maximum of its bins.
The mean keeps the noise floor where it is, which the maximum over hundreds of frames lifts by some
8 dB (mean of the largest of n exponential values: 1 + 1/2 + ... + 1/n), and leaves it so even that
a short click still stands out; the maximum over bins keeps a thin line at its level in tall rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dstft_cli.plot.grid import PixelGrid
from dstft_cli.plot.scale import FloatArray


class PixelPool:
    """An image on a grid of pixels, filled frame block by frame block.

    A column takes the mean power of its frames, a row the maximum power of its bins; a row without
    a bin interpolates between its neighbours, linearly in power.

    Args:
        grid: which pixels show which frames and bins; an attribute, too.
    """

    def __init__(self, grid: PixelGrid) -> None:
        self.grid = grid
        self._next = 0
        self._open = np.zeros(
            grid.frequencies.size
        )  # power of a column that a block left unfinished
        self._power = np.zeros(grid.shape[::-1], np.float32)

    def add(self, start: int, magnitude: NDArray[np.floating[Any]]) -> None:
        """Take frames `start` to `start + n - 1`; blocks follow each other without a gap.

        Args:
            start: number of the first frame; 0 at first, then where the last block ended.
            magnitude: |X|, [n, F], finite.

        Raises:
            ValueError: a block that does not follow the last one, or of another shape.
        """
        grid, n, bins = self.grid, len(magnitude), self.grid.frequencies.size
        if magnitude.ndim != 2 or magnitude.shape[1] != bins:
            raise ValueError(f"a block of shape {magnitude.shape} is not [n, {bins}]")
        if start != self._next or start + n > grid.frames:
            raise ValueError(
                f"frames {start} to {start + n - 1} do not follow: "
                f"expected {self._next} up to at most {grid.frames - 1}"
            )
        if n == 0:
            return
        stop = self._next = start + n
        power = np.square(magnitude)

        filled, begins = grid.columns_of(start, stop)
        sums = np.add.reduceat(power, begins, axis=0).astype(np.float64)
        sums[0] += self._open
        whole = grid.first_frame[filled + 1] <= stop
        self._open = np.zeros(bins) if whole[-1] else sums[-1]
        done = filled[whole]
        counts = grid.first_frame[done + 1] - grid.first_frame[done]
        self._power[done] = self._rows(sums[whole] / counts[:, None])

        copies, shown = grid.copies_of(start, stop)
        if copies.size:  # many columns may show one frame
            sources, which = np.unique(shown, return_inverse=True)
            self._power[copies] = self._rows(power[sources])[which]

    def _rows(self, power: FloatArray) -> FloatArray:
        """[n, F] power per bin to [n, height'] power per row."""
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
        """Magnitudes |X|, float32, [height', width'], row 0 the lowest frequency.

        Raises:
            ValueError: some frames were not added yet.
        """
        if self._next < self.grid.frames:
            raise ValueError(f"only {self._next} of {self.grid.frames} frames were added")
        return np.sqrt(self._power.T)
