"""The three pictures of one result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dstft_cli.plot.axes import describe_length, render
from dstft_cli.plot.comparison import Comparison, comparison_figure
from dstft_cli.plot.pixels import FloatArray, PixelGrid, PixelPool
from dstft_cli.plot.spectrogram import Band, spectrogram_figure
from dstft_cli.plot.trajectory import trajectory_figure
from dstft_cli.records import Result
from dstft_cli.settings.length import time_text


@dataclass(frozen=True)
class Pictures:
    """Draws `spectrogram`, `comparison` and `trajectory` of a result.

    The caller fills `learned` with the frames under the learned lengths, and, for the comparison,
    a pool of `new_pool` for each of `plain_lengths`, with the frames of the start.

    Attributes:
        result: what is drawn.
        title: of all pictures.
        freq_scale: `linear`, `log` or `mel`.
        fmin, fmax: range of frequencies, Hz; None for the scale's own.
        criterion_band: ends of the band of the criterion, Hz; None: no end.
        db_range: range of the colours, dB.
        cmap: matplotlib colour map.
        format: `png`, `svg` or `pdf`.
        channels: number of channels in the mean power.
        offset: where the samples begin in the recording, s; the time axes count from there.
        learned: pool of the frames under the learned lengths.
    """

    result: Result
    title: str
    freq_scale: str = "linear"
    fmin: float | None = None
    fmax: float | None = None
    criterion_band: Band = (None, None)
    db_range: float = 80.0
    cmap: str = "magma"
    format: str = "png"
    channels: int = 1
    offset: float = 0.0
    learned: PixelPool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "learned", self._pool(self.result.frame_centers))

    def new_pool(self) -> PixelPool:
        """An empty pool for the frames under the start or the best fixed length."""
        return self._pool(self.result.start_frame_centers)

    def _pool(self, centers: FloatArray) -> PixelPool:
        grid = PixelGrid(
            times=self.offset + np.asarray(centers) / self.result.sample_rate,
            frequencies=self.result.frequencies,
            freq_scale=self.freq_scale,
            fmin=self.fmin,
            fmax=self.fmax,
            span=(self.offset, self.offset + self.result.length / self.result.sample_rate),
        )
        return PixelPool(grid)

    @property
    def plain_lengths(self) -> tuple[float, ...]:
        """Window lengths of the comparison's panels above the learned one, samples."""
        return tuple(self._names[0])

    @property
    def _start_length(self) -> float:
        return float(self.result.start_window_length[0, 0])

    @property
    def _best_fixed_length(self) -> float | None:
        """Best single window length, samples; None if only the start was tried."""
        best = self.result.criterion.best_fixed_win_length
        if math.isclose(best, self._start_length, rel_tol=1e-9):
            return self._start_length if self.result.trajectory.phase.count("table") > 1 else None
        return best

    @property
    def _lengths_learned(self) -> bool:
        changed = np.any(self.result.window_length != self._start_length)
        return self._best_fixed_length is not None or bool(changed)

    @property
    def _names(self) -> tuple[dict[float, str], str]:
        """Names of the single windows that the comparison shows, by length, and of the learned panel.

        Equal windows share one panel.
        """
        plain = {self._start_length: ["start"]}
        if self._best_fixed_length is not None:
            plain.setdefault(self._best_fixed_length, []).append("best fixed window")
        learned = ["learned"]
        if np.array_equal(self.result.frame_centers, self.result.start_frame_centers):
            lengths = self.result.window_length
            same = next((length for length in plain if np.all(lengths == length)), None)
            if same is not None:
                learned = plain.pop(same) + learned
        if not self._lengths_learned and self.result.hop_bounds is None:
            learned = ["fixed window"]
        names = {length: ", ".join(of).capitalize() for length, of in plain.items()}
        return names, ", ".join(learned).capitalize()

    def spectrogram(self) -> bytes:
        """The learned spectrogram."""
        figure = spectrogram_figure(
            self.learned,
            title=self.title,
            band=self.criterion_band,
            db_range=self.db_range,
            cmap=self.cmap,
            channels=self.channels,
        )
        return render(figure, self.format)

    def comparison(self, plain: Sequence[PixelPool]) -> bytes:
        """Start, best fixed and learned on one colour scale, above the learned lengths.

        Args:
            plain: a pool for each of `plain_lengths`.
        """
        result, (names, learned) = self.result, self._names
        panels = [
            (self._label(name, np.array([length]), result.start_frame_centers), pool)
            for (length, name), pool in zip(names.items(), plain, strict=True)
        ]
        label = self._label(learned, result.window_length, result.frame_centers)
        shown = Comparison(
            panels=[*panels, (label, self.learned)],
            times=self.offset + np.asarray(result.times),
            window_lengths=result.window_length if self._lengths_learned else None,
            sample_rate=result.sample_rate,
            start_length=self._start_length,
            best_fixed_length=self._best_fixed_length,
            length_bounds=result.length_bounds,
            start_hop=None if result.hop_bounds is None else result.hop_length,
            band=self.criterion_band,
            channels=self.channels,
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
            best_fixed=None if self._best_fixed_length is None else criterion.best_fixed,
            table_bound=criterion.table_bound,
            final=criterion.final,
            title=self.title,
        )
        return render(figure, self.format)

    def _label(self, name: str, lengths: FloatArray, centers: FloatArray) -> str:
        """The label of a panel: its windows, and its hops if they were learned."""
        low, high = float(lengths.min()), float(lengths.max())
        windows = describe_length(low, self.result.sample_rate, high if high != low else None)
        hops = np.diff(centers) / self.result.sample_rate
        if self.result.hop_bounds is None or not hops.size:
            return f"{name}: {windows}"
        ends = dict.fromkeys(time_text(float(hop)) for hop in (hops.min(), hops.max()))
        return f"{name}: {windows}, hop {' to '.join(ends)}"
