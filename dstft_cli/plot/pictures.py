"""The three pictures of one result: which windows they show, under which titles, from which pools."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dstft_cli.plot.comparison import Comparison, comparison_figure
from dstft_cli.plot.grid import PixelGrid
from dstft_cli.plot.lengths import describe_length
from dstft_cli.plot.pool import PixelPool
from dstft_cli.plot.scale import FloatArray
from dstft_cli.plot.spectrogram import spectrogram_figure
from dstft_cli.plot.style import render
from dstft_cli.plot.trajectory import trajectory_figure
from dstft_cli.result import Result


@dataclass(frozen=True)
class Pictures:
    """Draws `spectrogram`, `comparison` and `trajectory` of a result.

    The caller fills `learned` with the frames under the learned lengths, and, for the comparison,
    two pools of `new_pool` with the frames under the start and the best fixed length.

    Attributes:
        result: what is drawn.
        title: of all pictures.
        freq_scale: `linear`, `log` or `mel`.
        fmin, fmax: range of frequencies, Hz; None for the scale's own.
        db_range: range of the colours, dB.
        cmap: matplotlib colour map.
        format: `png`, `svg` or `pdf`.
        learned: pool of the frames under the learned lengths.
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
        object.__setattr__(self, "learned", self._pool(self.result.frame_centers))

    def new_pool(self) -> PixelPool:
        """An empty pool for the frames under the start or the best fixed length."""
        return self._pool(self.result.start_frame_centers)

    def _pool(self, centers: FloatArray) -> PixelPool:
        grid = PixelGrid(
            times=np.asarray(centers) / self.result.sample_rate,
            frequencies=self.result.frequencies,
            freq_scale=self.freq_scale,
            fmin=self.fmin,
            fmax=self.fmax,
        )
        return PixelPool(grid)

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
        figure = spectrogram_figure(
            self.learned, title=self.title, db_range=self.db_range, cmap=self.cmap
        )
        return render(figure, self.format)

    def comparison(self, start: PixelPool, best_fixed: PixelPool) -> bytes:
        """Start, best fixed and learned on one colour scale, what was learned below."""
        result = self.result
        shown = Comparison(
            panels=[
                (f"Start: {self._describe(self.start_length)}", start),
                (f"Best fixed window: {self._describe(self.best_fixed_length)}", best_fixed),
                (f"Learned: {self._describe_learned()}", self.learned),
            ],
            times=result.times,
            window_lengths=result.window_length,
            sample_rate=result.sample_rate,
            start_length=self.start_length,
            best_fixed_length=self.best_fixed_length,
            length_bounds=result.length_bounds,
            start_hop=None if result.hop_bounds is None else result.hop_length,
        )
        figure = comparison_figure(shown, title=self.title, db_range=self.db_range, cmap=self.cmap)
        return render(figure, self.format)

    def trajectory(self) -> bytes:
        """The criterion from step to step."""
        criterion = self.result.criterion
        figure = trajectory_figure(
            self.result.trajectory,
            criterion_name=criterion.name,
            direction=criterion.direction,
            sample_rate=self.result.sample_rate,
            best_fixed=criterion.best_fixed,
            table_bound=criterion.table_bound,
            final=criterion.final,
            title=self.title,
        )
        return render(figure, self.format)

    def _describe(self, length: float) -> str:
        return describe_length(length, self.result.sample_rate)

    def _describe_learned(self) -> str:
        lengths = self.result.window_length
        low, high = float(lengths.min()), float(lengths.max())
        if low == high:
            return self._describe(low)
        return f"{self._describe(low)} to {self._describe(high)}"
