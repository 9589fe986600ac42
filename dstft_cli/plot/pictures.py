"""The three pictures of one result, and any choice of their panels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property

import numpy as np

from dstft_cli.plot.axes import describe_length
from dstft_cli.plot.pixels import (
    AUDIO_RATE,
    FloatArray,
    PixelGrid,
    PixelPool,
    frequency_range,
    scale_for,
    time_range,
)
from dstft_cli.plot.spectrogram import Band, Comparison, Panel, comparison_figure
from dstft_cli.plot.style import is_narrow, render
from dstft_cli.plot.trajectory import trajectory_figure
from dstft_cli.records import Result, StopReason
from dstft_cli.settings import Settings
from dstft_cli.settings.option import inches, time_text

PLAIN_SECONDS, PLAIN_SAMPLES = 46e-3, 256  # the window that people use: of audio, and below 2 kHz
ZOOM_SECONDS, ZOOM_WINDOWS = 1.0, 4  # duration of the enlarged part; in usual windows, if longer
ZOOM_FROM = 1.5  # parts: shorter recordings have none
AHEAD = 0.3  # of it that lies before the onset
COLUMNS, ZOOM_COLUMNS = 1400, 700
FINE = 700  # learned frames that look smooth; twice as many would take as long as the rest of a picture
ROWS, FINE_ROWS = 512, 2048  # of a picture, and of one whose frequencies are not known yet
EDGE, RISE = 0.15, 0.02  # of the part: both ends, where no onset is looked for; the rise of one
LENGTHS: dict[str, Panel] = {"map": "map", "curve": "curve", "hops": "hops"}
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
    settings: Settings  # the options of pictures, and the band of the criterion
    title: str = ""  # none: no title
    channels: int = 1  # in the mean power
    offset: float = 0.0  # s, where the samples begin in the recording
    recorded: datetime | None = None  # when that began; times are then those of a clock
    stored: bool = False  # whether all frames are those of the result, read from a file

    # frames of the result, or more where these are few and lengths are known at every time
    learned: Frames = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "learned", self._learned(self._span, COLUMNS))

    def plain(self) -> tuple[Frames, ...]:
        """Frames of the panels of one window: a column holds the mean level of its time."""
        columns = self.learned.pool.grid.shape[1]
        found = []
        for length in self.plain_lengths:
            step = min(length / 8, self._seconds * self.result.sample_rate / COLUMNS)
            centers = self._dense(self._span, step)
            found.append(self._frames(centers, length, self._span, columns))
        return tuple(found)

    def zoomed(self) -> tuple[Frames, ...]:
        """Frames of a part around the strongest onset of the filled `learned`, if there is more."""
        usual, seconds, (first, last) = self._usual_length, self._zoom, self._span
        if self.settings.panels or is_narrow(self.settings) or usual not in self.plain_lengths:
            return ()
        if self._seconds < ZOOM_FROM * seconds:
            return ()
        begin = self._onset() - AHEAD * seconds
        begin = min(max(begin, first), last - seconds)
        span = begin, begin + seconds
        learned = self._learned(span, ZOOM_COLUMNS)
        if learned.centers.size < 2:
            return ()
        centers = self._dense(span, seconds * self.result.sample_rate / ZOOM_COLUMNS)
        columns = learned.pool.grid.shape[1]
        return self._frames(centers, usual, span, columns), learned

    @cached_property
    def _span(self) -> tuple[float, float]:
        """Beginning and end of pictures, s from the first sample."""
        seconds, s = self.result.length / self.result.sample_rate, self.settings
        return time_range(self.offset, seconds, s.tmin, s.tmax)

    @property
    def _origin(self) -> float:
        """Time of the first sample on time axes, s."""
        return -self._span[0] if self.settings.time == "part" else self.offset

    @property
    def _seconds(self) -> float:
        return self._span[1] - self._span[0]

    @property
    def _zoom(self) -> float:
        """Duration of the enlarged part, s."""
        return max(ZOOM_SECONDS, ZOOM_WINDOWS * self._usual_length / self.result.sample_rate)

    def _learned(self, span: tuple[float, float], columns: int) -> Frames:
        """The frames of the result in a span, or more if these are few and lengths known at every time."""
        result = self.result
        centers = result.frame_centers[self._part(span)]
        known = result.length_map is not None or result.lengths.shape[1] == 1
        if known and not self.stored and result.hop_bounds is None and centers.size < FINE:
            seconds = span[1] - span[0]
            centers = self._dense(span, math.ceil(seconds * result.sample_rate / FINE))
        return self._frames(centers, None, span, columns)

    def _part(self, span: tuple[float, float]) -> slice:
        """The frames of the result in a span, and two more at both sides."""
        centers, rate = self.result.frame_centers, self.result.sample_rate
        first, last = np.searchsorted(centers, [span[0] * rate, span[1] * rate + 1])
        return slice(max(int(first) - 2, 0), int(last) + 2)

    def _dense(self, span: tuple[float, float], step: float) -> FloatArray:
        """Whole numbers of samples in a span, at most about `step` apart."""
        start, stop = (edge * self.result.sample_rate for edge in span)
        stop = min(stop, self.result.length - 1)
        return np.arange(math.ceil(start), stop + 1, max(int(step), 1), dtype=float)

    def _frames(
        self, centers: FloatArray, length: float | None, span: tuple[float, float], columns: int
    ) -> Frames:
        rate, begin = self.result.sample_rate, self._origin
        n_fft = self.result.n_fft
        if length is not None:
            n_fft = max(1024, 1 << math.ceil(math.log2(2 * length)))
        low, high = self._range
        grid = PixelGrid(
            times=begin + centers / rate,
            frequencies=np.arange(n_fft // 2 + 1) * (rate / n_fft),
            freq_scale="note" if self.settings.freq_scale == "note" else self._scale,
            fmin=low,
            fmax=min(high, n_fft // 2 * rate / n_fft),
            span=(begin + span[0], begin + span[1]),
            width=columns,
            height=FINE_ROWS if any(self._open_ends) else ROWS,
        )
        return Frames(centers, length, n_fft, PixelPool(grid))

    @property
    def _scale(self) -> str:
        return scale_for(self.settings.freq_scale, self.result.sample_rate)

    @cached_property
    def _range(self) -> tuple[float, float]:
        rate, n_fft = self.result.sample_rate, self.result.n_fft
        top, spacing = n_fft // 2 * rate / n_fft, rate / n_fft
        return frequency_range(top, spacing, self._scale, self.settings.fmin, self.settings.fmax)

    @property
    def _open_ends(self) -> tuple[bool, bool]:
        """Whether the lowest and the highest frequency of pictures follow the sound."""
        return self.settings.fmin is None and self._scale == "log", self.settings.fmax == "auto"

    @cached_property
    def _crop(self) -> Band:
        """Where pictures begin and end, Hz, if sound and the criterion's band leave much out."""
        low, high = self._range
        first, last = self.learned.pool.sound_range(self.settings.db_range)
        band = [end for end in (self.settings.criterion_fmin, self.settings.criterion_fmax) if end]
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
        at: float = self._span[0] + (int(np.argmax(rise)) + lag) / columns * self._seconds
        return at

    @property
    def _usual_length(self) -> float:
        rate = self.result.sample_rate
        if rate < AUDIO_RATE:
            return float(min(PLAIN_SAMPLES, 1 << int(math.log2(max(self.result.length, 2)))))
        return float(1 << round(math.log2(PLAIN_SECONDS * rate)))

    @property
    def plain_lengths(self) -> tuple[float, ...]:
        """Window lengths of the comparison's panels of one window, samples."""
        return tuple(length for _, length in self._planes if length is not None)

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the panels of a comparison: of `plain`, then of the learned one."""
        plain = [self._label(name, length) for name, length in self._planes if length is not None]
        learned = "Learned" if self.settings.panels else self._names[1]
        return (*plain, self._label(learned, None))

    @property
    def frequencies_shown(self) -> tuple[float, float]:
        """The lowest and the highest frequency, Hz, once `learned.pool` is filled."""
        return self._shown(self.learned.pool).grid.freq_range

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

    @cached_property
    def _words(self) -> list[str]:
        """The panels asked for, none by default."""
        panels = self.settings.panels
        return [] if panels is None else [word.strip() for word in panels.split(",")]

    @cached_property
    def _planes(self) -> list[tuple[str, float | None]]:
        """Names of the spectrograms, downwards, and their window lengths; None: learned."""
        if not self._words:
            names, learned = self._names
            return [*((name, length) for length, name in names.items()), (learned, None)]
        best = self._best_fixed_length
        known = {
            "plain": ("Plain", self._usual_length),
            "best": ("Start", self._start_length) if best is None else ("Best single window", best),
            "learned": ("Learned", None),
        }
        return [known[word] for word in self._words if word in known]

    def spectrogram(self) -> bytes:
        pool = self._shown(self.learned.pool)
        return self._rendered(Comparison([("", pool)], pool), self.settings)

    def comparison(self, plain: Sequence[Frames], zoomed: Sequence[Frames] = ()) -> bytes:
        """Plain, best single and learned, what was learned, and a second of it; both arguments filled."""
        result, part, look = self.result, self._part(self._span), self.settings
        learned, single = self._shown(self.learned.pool), iter(plain)
        panels: list[Panel] = []
        for name, length in self._planes:
            pool = learned if length is None else self._shown(next(single).pool)
            panels.append((self._label(name, length), pool))
        if look.panels is not None:
            planes = iter(panels)
            panels = [LENGTHS[word] if word in LENGTHS else next(planes) for word in self._words]
        else:
            look = replace(look, size=f"{inches(look.size)[0]}in")  # as high as the panels need
            if self._lengths_learned:
                varied = result.length_map is not None or min(result.lengths.shape) > 1
                panels.append("map" if varied else "curve")
            if result.hop_bounds is not None:
                panels.append("hops")
        lengths = result.lengths
        if lengths.shape[1] > 1:
            lengths = lengths[:, part]
        shown = Comparison(
            panels=panels,
            learned=learned,
            times=self._origin + np.asarray(result.times[part]),
            window_lengths=lengths if result.length_map is None else result.length_map,
            sample_rate=result.sample_rate,
            start_length=self._start_length,
            best_fixed_length=self._best_fixed_length,
            length_bounds=result.length_bounds,
            start_hop=result.hop_length,
            hops_learned=result.hop_bounds is not None,
            offset=self._origin,
            zoom=[
                (f"{name}, between the white lines", self._shown(frames.pool))
                for name, frames in zip(("Plain", "Learned"), zoomed, strict=False)
            ],
        )
        return self._rendered(shown, look)

    def _rendered(self, shown: Comparison, look: Settings) -> bytes:
        shown = replace(
            shown,
            band=(look.criterion_fmin, look.criterion_fmax),
            channels=self.channels,
            recorded=self.recorded,
        )
        return render(comparison_figure(shown, title=self.title, look=look), look=look)

    def trajectory(self) -> bytes:
        figure = trajectory_figure(
            self.result.trajectory,
            criterion=self.result.criterion,
            sample_rate=self.result.sample_rate,
            title=self.title,
            best_fixed=self._best_fixed_length is not None,
            look=self.settings,
        )
        return render(figure, look=self.settings)

    def _label(self, name: str, length: float | None) -> str:
        """The name with its window length, and, of what was learned, its hop."""
        rate, short = self.result.sample_rate, is_narrow(self.settings)
        low, high = self._ends_of_lengths if length is None else (length, length)
        windows = describe_length(low, rate, high if high != low else None, short)
        hops = np.diff(self.result.frame_centers) / rate
        if self.result.hop_bounds is None or length is not None or short or not hops.size:
            return f"{name}: {windows}"
        ends = dict.fromkeys(time_text(float(hop)) for hop in (hops.min(), hops.max()))
        return f"{name}: {windows}, hop {' to '.join(ends)}"
