"""The three pictures of one result."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from dstft_cli.plot.axes import describe_length, render
from dstft_cli.plot.pixels import (
    AUDIO_RATE,
    FloatArray,
    PixelGrid,
    PixelPool,
    frequency_range,
    scale_for,
)
from dstft_cli.plot.spectrogram import Band, Comparison, comparison_figure, spectrogram_figure
from dstft_cli.plot.trajectory import trajectory_figure
from dstft_cli.records import Result, StopReason
from dstft_cli.settings.option import time_text

PLAIN_SECONDS, PLAIN_SAMPLES = 46e-3, 256  # the window that people use: of audio, and below 2 kHz
ZOOM_SECONDS, ZOOM_WINDOWS = 1.0, 4  # duration of the enlarged part; in usual windows, if longer
ZOOM_FROM = 1.5  # parts: shorter recordings have none
AHEAD = 0.3  # of it that lies before the onset
COLUMNS, ZOOM_COLUMNS = 1400, 700
FINE = 700  # learned frames that look smooth; twice as many would take as long as the rest of a picture
ROWS, FINE_ROWS = 512, 2048  # of a picture, and of one whose frequencies are not known yet
EDGE, RISE = 0.15, 0.02  # of the part: both ends, where no onset is looked for; the rise of one
# of the highest and of the lowest frequency there is: nearer to it, pictures show all
NEAR_TOP, NEAR_BOTTOM = 0.85, 1.5
FLOOR = 50.0  # dB below the loudest pixel: levels in which onsets are looked for


@dataclass(frozen=True)
class Frames:
    centers: FloatArray  # samples, [T]
    length: float | None  # of windows, samples; None: what was learned for them
    n_fft: int
    pool: PixelPool


@dataclass(frozen=True)
class Pictures:
    """Draws `spectrogram`, `comparison` and `trajectory` of a result.

    The caller fills `learned.pool`, and for the comparison the pools of `plain()`, then of `zoomed()`.
    """

    result: Result
    title: str
    freq_scale: str = "auto"  # `auto`, `linear`, `log` or `mel`
    fmin: float | None = None  # Hz; None: 0, on the log scale where the learned sound begins
    fmax: float | str = "auto"  # Hz; `auto`: where the learned picture's sound ends; `none`: all
    criterion_band: Band = (None, None)  # that the criterion looked at, Hz; None: no end
    db_range: float = 80.0  # of the colours
    cmap: str = "magma"
    format: str = "png"  # `png`, `svg` or `pdf`
    channels: int = 1  # in the mean power
    offset: float = 0.0  # s, where the samples begin in the recording; time axes count from there

    # frames of the result, or more where these are few and lengths are known at every time
    learned: Frames = field(init=False)

    def __post_init__(self) -> None:
        centers = self.result.frame_centers
        if self._known_everywhere and centers.size < FINE:
            step = math.ceil(self.result.length / FINE)
            centers = self._dense(0.0, self.result.length, step)
        learned = self._frames(centers, None, self.result.n_fft)
        object.__setattr__(self, "learned", learned)

    def plain(self) -> tuple[Frames, ...]:
        """Frames of the panels above the learned one: a column holds the mean level of its time."""
        columns = self.learned.pool.grid.shape[1]
        found = []
        for length in self.plain_lengths:
            step = min(length / 8, self.result.length / COLUMNS)
            centers = self._dense(0.0, self.result.length, step)
            found.append(self._frames(centers, length, _n_fft_for(length), columns=columns))
        return tuple(found)

    def zoomed(self) -> tuple[Frames, ...]:
        """Frames of a part around the strongest onset of the filled `learned`, if there is more."""
        rate, usual = self.result.sample_rate, self._usual_length
        seconds = self._zoom
        if self._seconds < ZOOM_FROM * seconds or usual not in self.plain_lengths:
            return ()
        begin = self._onset() - AHEAD * seconds
        begin = min(max(begin, 0.0), self._seconds - seconds)
        span = begin, begin + seconds
        low, high = (edge * rate for edge in span)
        centers = self._dense(low, high, seconds * rate / ZOOM_COLUMNS)
        every, reach = self.result.frame_centers, 2 * self.result.hop_length
        own = every[(every >= low - reach) & (every <= high + reach)]
        if self._known_everywhere and own.size < ZOOM_COLUMNS:
            own = self._dense(low, high, math.ceil(seconds * rate / ZOOM_COLUMNS))
        if own.size < 2:
            return ()
        learned = self._frames(own, None, self.result.n_fft, span, ZOOM_COLUMNS)
        columns = learned.pool.grid.shape[1]
        return self._frames(centers, usual, _n_fft_for(usual), span, columns), learned

    @property
    def _zoom(self) -> float:
        """Duration of the enlarged part, s."""
        return max(ZOOM_SECONDS, ZOOM_WINDOWS * self._usual_length / self.result.sample_rate)

    @property
    def _known_everywhere(self) -> bool:
        """Whether window lengths are known at every time, not only at the frames."""
        return self.result.hop_bounds is None and (
            self.result.length_map is not None or self.result.lengths.shape[1] == 1
        )

    def _dense(self, start: float, stop: float, step: float) -> FloatArray:
        """Whole numbers of samples from `start` to `stop`, at most about `step` apart."""
        stop = min(stop, self.result.length - 1)
        return np.arange(math.ceil(start), stop + 1, max(int(step), 1), dtype=float)

    def _frames(
        self,
        centers: FloatArray,
        length: float | None,
        n_fft: int,
        span: tuple[float, float] | None = None,
        columns: int = COLUMNS,
    ) -> Frames:
        rate, begin = self.result.sample_rate, self.offset
        start, stop = span or (0.0, self._seconds)
        low, high = self._range
        grid = PixelGrid(
            times=begin + centers / rate,
            frequencies=np.arange(n_fft // 2 + 1) * (rate / n_fft),
            freq_scale=scale_for(self.freq_scale, rate),
            fmin=low,
            fmax=min(high, n_fft // 2 * rate / n_fft),
            span=(begin + start, begin + stop),
            width=columns,
            height=FINE_ROWS if any(self._open_ends) else ROWS,
        )
        return Frames(centers, length, n_fft, PixelPool(grid))

    @property
    def _seconds(self) -> float:
        return self.result.length / self.result.sample_rate

    @cached_property
    def _range(self) -> tuple[float, float]:
        rate, n_fft = self.result.sample_rate, self.result.n_fft
        given = self.fmax if isinstance(self.fmax, (int, float)) else None
        scale = scale_for(self.freq_scale, rate)
        return frequency_range(n_fft // 2 * rate / n_fft, rate / n_fft, scale, self.fmin, given)

    @property
    def _open_ends(self) -> tuple[bool, bool]:
        """Whether the lowest and the highest frequency of pictures follow the sound."""
        scale = scale_for(self.freq_scale, self.result.sample_rate)
        return self.fmin is None and scale == "log", self.fmax == "auto"

    @cached_property
    def _crop(self) -> Band:
        """Where pictures begin and end, Hz, if sound and the criterion's band leave much out."""
        low, high = self._range
        first, last = self.learned.pool.sound_range(self.db_range)
        band = [end for end in self.criterion_band if end]
        last = max(last, 2 * low, *(1.05 * end for end in band))
        first = min(first, last / 4, *(end / 1.05 for end in band))
        from_sound, to_sound = self._open_ends
        return (
            first if from_sound and first > NEAR_BOTTOM * low else None,
            last if to_sound and last < NEAR_TOP * high else None,
        )

    def _shown(self, pool: PixelPool) -> PixelPool:
        return pool.on(pool.grid.cropped_to(*self._crop, ROWS)) if any(self._open_ends) else pool

    def _onset(self) -> float:
        image = self.learned.pool.image
        floor = max(float(image.max()), 1e-30) * 10 ** (-FLOOR / 20)
        levels = np.log(np.maximum(image, floor))
        columns = levels.shape[1]
        lag = max(1, round(RISE * self._zoom / self._seconds * columns))
        rise = np.maximum(levels[:, lag:] - levels[:, :-lag], 0).sum(0)
        # a recording that is cut off has a step there
        cut = math.ceil(EDGE * self._zoom / self._seconds * columns)
        rise[:cut], rise[rise.size - cut :] = 0, 0
        at: float = (int(np.argmax(rise)) + lag) / columns * self._seconds
        return at

    @property
    def _usual_length(self) -> float:
        rate = self.result.sample_rate
        if rate < AUDIO_RATE:
            return float(min(PLAIN_SAMPLES, 1 << int(math.log2(max(self.result.length, 2)))))
        return float(1 << round(math.log2(PLAIN_SECONDS * rate)))

    @property
    def plain_lengths(self) -> tuple[float, ...]:
        """Window lengths of the comparison's panels above the learned one, samples."""
        return tuple(self._names[0])

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the panels of a comparison: of `plain`, then of the learned one."""
        plain = (self._label(name, np.array([length])) for length, name in self._names[0].items())
        learned = self._label(self._names[1], self.result.lengths, self.result.frame_centers)
        return (*plain, learned)

    @property
    def frequencies_shown(self) -> tuple[float, float]:
        """The lowest and the highest frequency, Hz, once `learned.pool` is filled."""
        grid = self.learned.pool.grid
        return (grid.cropped_to(*self._crop) if any(self._open_ends) else grid).freq_range

    @property
    def _start_length(self) -> float:
        return float(self.result.start_window_length[0, 0])

    @property
    def _best_fixed_length(self) -> float | None:
        """Best single window length, samples; None where none but the start was tried."""
        best: float = self.result.criterion.best_fixed_win_length
        if self.result.stop_reason is StopReason.FIXED or math.isnan(best):
            return None
        if math.isclose(best, self._start_length, rel_tol=1e-9):
            return self._start_length if self.result.trajectory.phase.count("table") > 1 else None
        return best

    @property
    def _lengths_learned(self) -> bool:
        changed = any(end != self._start_length for end in self._ends_of_lengths)
        return self._best_fixed_length is not None or changed

    @cached_property
    def _ends_of_lengths(self) -> tuple[float, float]:
        """Shortest and longest; an hour of tiles is too large for copies of it."""
        return float(self.result.lengths.min()), float(self.result.lengths.max())

    @cached_property
    def _names(self) -> tuple[dict[float, str], str]:
        """Names of the single windows, by length, and of the learned panel; equal ones share one."""
        usual, best = self._usual_length, self._best_fixed_length
        plain: dict[float, list[str]] = {usual: ["plain"]}
        if best is not None:
            best = usual if math.isclose(best, usual, rel_tol=1e-6) else best
            plain.setdefault(best, []).append("best single window")
        learned = ["learned"]
        if not self._lengths_learned and self.result.hop_bounds is None:
            return {}, "Fixed window"
        if np.array_equal(self.result.frame_centers, self.result.start_frame_centers):
            ends = self._ends_of_lengths
            same = [one for one in plain if all(math.isclose(one, e, rel_tol=1e-6) for e in ends)]
            learned = [name for length in same for name in plain.pop(length)] + learned
        names = {length: ", ".join(of).capitalize() for length, of in plain.items()}
        return names, ", ".join(learned).capitalize()

    def spectrogram(self) -> bytes:
        figure = spectrogram_figure(
            self._shown(self.learned.pool),
            title=self.title,
            band=self.criterion_band,
            db_range=self.db_range,
            cmap=self.cmap,
            channels=self.channels,
        )
        return render(figure, self.format)

    def comparison(self, plain: Sequence[Frames], zoomed: Sequence[Frames] = ()) -> bytes:
        """Plain, best single and learned, what was learned, and a second of it; both arguments filled."""
        result, (names, learned) = self.result, self._names
        panels = [
            (self._label(name, np.array([length])), self._shown(frames.pool))
            for (length, name), frames in zip(names.items(), plain, strict=True)
        ]
        label = self._label(learned, result.lengths, result.frame_centers)
        lengths = result.lengths if result.length_map is None else result.length_map
        shown = Comparison(
            panels=[*panels, (label, self._shown(self.learned.pool))],
            times=self.offset + np.asarray(result.times),
            window_lengths=lengths if self._lengths_learned else None,
            sample_rate=result.sample_rate,
            start_length=self._start_length,
            best_fixed_length=self._best_fixed_length,
            length_bounds=result.length_bounds,
            start_hop=None if result.hop_bounds is None else result.hop_length,
            band=self.criterion_band,
            channels=self.channels,
            offset=self.offset,
            zoom=[
                (f"{name}, the strongest onset", self._shown(frames.pool))
                for name, frames in zip(("Plain", "Learned"), zoomed, strict=False)
            ],
        )
        figure = comparison_figure(shown, title=self.title, db_range=self.db_range, cmap=self.cmap)
        return render(figure, self.format)

    def trajectory(self) -> bytes:
        figure = trajectory_figure(
            self.result.trajectory,
            criterion=self.result.criterion,
            sample_rate=self.result.sample_rate,
            title=self.title,
            best_fixed=self._best_fixed_length is not None,
        )
        return render(figure, self.format)

    def _label(self, name: str, lengths: FloatArray, centers: FloatArray | None = None) -> str:
        low, high = float(lengths.min()), float(lengths.max())
        windows = describe_length(low, self.result.sample_rate, high if high != low else None)
        hops = np.diff([] if centers is None else centers) / self.result.sample_rate
        if self.result.hop_bounds is None or not hops.size:
            return f"{name}: {windows}"
        ends = dict.fromkeys(time_text(float(hop)) for hop in (hops.min(), hops.max()))
        return f"{name}: {windows}, hop {' to '.join(ends)}"


def _n_fft_for(length: float) -> int:
    return max(1024, 1 << math.ceil(math.log2(2 * length)))
