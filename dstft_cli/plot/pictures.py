"""The three pictures of one result: which windows they show, under which titles, from which pools."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from dstft_cli.plot.figures import draw_comparison, draw_spectrogram
from dstft_cli.plot.lengths import describe_length
from dstft_cli.plot.pool import PixelPool
from dstft_cli.plot.trajectory import draw_trajectory
from dstft_cli.result import Result


@dataclass(frozen=True)
class Pictures:
    """Draws `spectrogram`, `comparison` and `trajectory` of a result.

    The caller fills `learned` with the frames under the learned lengths, and, for the comparison,
    each pool of `plain` with the frames under that one length.

    Attributes:
        result: what is drawn.
        title: of all pictures.
        freq_scale: `linear`, `log` or `mel`.
        fmin, fmax: range of frequencies, Hz; None for the scale's own.
        db_range: range of the colours, dB.
        cmap: matplotlib colour map.
        format: `png`, `svg` or `pdf`.
    """

    result: Result
    title: str
    freq_scale: str = "linear"
    fmin: float | None = None
    fmax: float | None = None
    db_range: float = 80.0
    cmap: str = "magma"
    format: str = "png"
    learned: PixelPool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "learned", self.new_pool())

    def new_pool(self) -> PixelPool:
        """An empty pool for the frames of the result."""
        return PixelPool(
            times=self.result.times,
            frequencies=self.result.frequencies,
            freq_scale=self.freq_scale,
            fmin=self.fmin,
            fmax=self.fmax,
        )

    @property
    def start_length(self) -> float:
        """Window length of the comparison's first panel, samples."""
        return float(self.result.start_window_length[0, 0])

    @property
    def best_fixed_length(self) -> float:
        """Window length of the comparison's second panel, samples."""
        return self.result.criterion.best_fixed_win_length

    def spectrogram(self) -> bytes:
        """The learned spectrogram."""
        return draw_spectrogram(
            self.learned,
            title=self.title,
            db_range=self.db_range,
            cmap=self.cmap,
            format=self.format,
        )

    def comparison(self, start: PixelPool, best_fixed: PixelPool) -> bytes:
        """Start, best fixed and learned on one colour scale, the learned lengths below."""
        result = self.result
        panels = [
            (f"Start: {self._describe(self.start_length)}", start),
            (f"Best fixed window: {self._describe(self.best_fixed_length)}", best_fixed),
            (f"Learned: {self._describe_learned()}", self.learned),
        ]
        return draw_comparison(
            panels,
            times=result.times,
            window_lengths=result.window_length,
            sample_rate=result.sample_rate,
            start_length=self.start_length,
            best_fixed_length=self.best_fixed_length,
            length_bounds=result.length_bounds,
            frequencies=result.frequencies,
            title=self.title,
            db_range=self.db_range,
            cmap=self.cmap,
            format=self.format,
        )

    def trajectory(self) -> bytes:
        """The criterion from step to step."""
        result, criterion = self.result, self.result.criterion
        return draw_trajectory(
            result.trajectory,
            criterion_name=criterion.name,
            direction=criterion.direction,
            sample_rate=result.sample_rate,
            best_fixed=criterion.best_fixed,
            table_bound=criterion.table_bound,
            final=criterion.final,
            title=self.title,
            format=self.format,
        )

    def _describe(self, length: float) -> str:
        return describe_length(length, self.result.sample_rate)

    def _describe_learned(self) -> str:
        lengths: NDArray[np.floating] = self.result.window_length
        low, high = float(lengths.min()), float(lengths.max())
        if low == high:
            return self._describe(low)
        return f"{self._describe(low)} to {self._describe(high)}"
