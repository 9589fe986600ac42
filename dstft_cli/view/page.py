"""`view.html`: the spectrograms of a result as layers that one can zoom, compare and hear."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dstft_cli.plot.pixels import AUDIO_RATE, FloatArray, PixelGrid, frequency_range, scale_for
from dstft_cli.plot.style import colour_table
from dstft_cli.records import Result
from dstft_cli.settings import Settings
from dstft_cli.settings.option import time_text
from dstft_cli.view.html import as_base64, page_environment
from dstft_cli.view.levels import LOUDEST, STEP, TILE, LevelPool, levels_of, picture
from dstft_cli.view.sound import LONGEST, Sound

ROWS = 640  # of all layers
# of a layer at most, and in recordings without sound in the page; of the learned one twice as many
PIXELS, MORE_PIXELS, LEARNED = 4e6, 8e6, 2.0
MOST_LENGTHS = {1: 16000, ROWS: 4000}  # times, of a curve and of a map; WebP allows 16383 pixels
COLOURS = ("magma", "viridis", "cividis", "gray")
TOP = {"energy": 10.0, "amplitude": 0.0, "none": 20.0}  # dB per factor of ten in n_fft
# Hz, to which the highest frequency is scaled before rows are spaced evenly in mel: for a logarithmic
# axis as for audio, narrow at low frequencies; for a linear one nearly even
MEL_TOP = {"log": 22050.0, "linear": 50.0}
HELP = (
    ("1, 2, 3", "choose a spectrogram"),
    ("B", "next spectrogram: differences blink"),
    ("L", "window lengths on or off"),
    ("A", "next frequency axis"),
    ("C", "next colours"),
    ("Arrows", "move the cursor, with Shift by large steps"),
    ("+, −", "zoom in and out of time, at the cursor"),
    ("Page up, down", "zoom in and out of frequency"),
    ("Home, End", "go to the start, the end"),
    ("0, double click", "show all"),
    ("Space", "play or pause"),
    ("Enter, click", "play from the cursor"),
    ("Wheel", "zoom time; with Shift, or over the frequency axis, frequency; with Ctrl both"),
    ("Drag", "move both axes; pinch to zoom them"),
)


@dataclass
class View:
    """A page in the making: the caller adds layers, the learned one first, and fills their pools."""

    learned: Result
    offset: float  # s, where they begin in the recording
    title: str
    settings: Settings  # for how pictures look
    layers: list[tuple[str, LevelPool, float | None]] = field(default_factory=list)

    def layer(
        self,
        label: str,
        centers: FloatArray,
        n_fft: int,
        length: float | None = None,
        *,
        top: float | None = None,
    ) -> LevelPool:
        """The pool of one more layer, for magnitudes relative to the signal's peak.

        Frame centres, samples, [T]. `length`, samples, is that of its windows, None for the learned
        ones. No level is above `top` dB, by default the highest that the normalization allows.
        """
        if top is None:
            top = TOP[self.learned.normalization] * math.log10(n_fft)
        long = self.learned.length > LONGEST * self.learned.sample_rate
        pixels = MORE_PIXELS if long else PIXELS
        grid = PixelGrid(
            times=self.offset + centers / self.learned.sample_rate,
            frequencies=np.arange(n_fft // 2 + 1) * (self._mel_top / (n_fft // 2)),
            freq_scale="mel",
            span=self.span,
            width=int(pixels * (1.0 if self.layers else LEARNED) / ROWS),
            height=ROWS,
        )
        pool = LevelPool(grid, STEP * math.ceil(top / STEP))
        self.layers.append((label, pool, length))
        return pool

    @property
    def span(self) -> tuple[float, float]:
        """Begin and end of the signal in the recording, s."""
        return self.offset, self.offset + self.learned.length / self.learned.sample_rate

    @property
    def _top(self) -> float:
        """The highest frequency, Hz."""
        n_fft = self.learned.n_fft
        return n_fft // 2 * self.learned.sample_rate / n_fft

    @property
    def _mel_top(self) -> float:
        """The highest frequency in units in which rows are even in mel."""
        return MEL_TOP[scale_for("auto", self.learned.sample_rate)]

    def page(self, shown: tuple[float, float], sound: Sound) -> bytes:
        """The file, UTF-8; it opens with the frequencies `shown`, Hz."""
        rate, n_fft, settings = self.learned.sample_rate, self.learned.n_fft, self.settings
        first = self.layers[0][1]
        reference = first.top / STEP + first.loudest - LOUDEST
        edges = first.grid.row_edges * (self._top / self._mel_top)
        lowest, _ = frequency_range(self._top, rate / n_fft, "log", None, None)
        data = {
            "span": self.span,
            "edges": edges.round(4).tolist(),
            "lowest": min(lowest, shown[0] or lowest),  # of a logarithmic axis
            "shown": shown,
            "scale": scale_for(settings.freq_scale, rate),
            "range": settings.db_range,
            "db": (-LOUDEST * STEP, STEP),
            "tile": TILE,
            "layers": [
                {
                    "length": length and round(length, 6),
                    "levels": list(levels_of(pool, round(pool.top / STEP - reference))),
                }
                for _, pool, length in self.layers
            ],
            "lengths": self._lengths((edges[:-1] + edges[1:]) / 2),
            "cmaps": {
                name: as_base64(colour_table(name))
                for name in dict.fromkeys((settings.cmap, *COLOURS))
            },
            "sampleRate": rate,
            "audible": rate >= AUDIO_RATE,
            "sound": sound.begin,
        }
        seconds = time_text(self.learned.length / rate)
        template = page_environment(__package__).get_template("page.html.j2")
        text = template.render(
            title=self.title,
            details=f"{rate / 1000:g} kHz, {seconds}, n_fft {n_fft}",
            labels=[label.partition(": ")[::2] for label, _, _ in self.layers],
            help=HELP,
            data=data,
            sound=sound,
        )
        return text.encode()

    def _lengths(self, rows: FloatArray) -> dict[str, Any]:
        """Window lengths at some times and at these frequencies, Hz, as far as they vary."""
        learned, tiles = self.learned, self.learned.length_map
        if tiles is None:
            lengths = learned.window_length
            columns = min(lengths.shape[1], MOST_LENGTHS[1 if len(lengths) == 1 else ROWS])
        else:
            columns = min(2 * len(tiles.times), MOST_LENGTHS[ROWS])
        centers = (np.arange(columns) + 0.5) * (self.learned.length / columns)
        if tiles is None:
            row = _nearest(
                learned.frequencies[: len(lengths)], rows if len(lengths) > 1 else rows[:1]
            )
            column = _nearest(learned.frame_centers[: lengths.shape[1]], centers)
            found = lengths[np.ix_(row, column)]
        else:
            found = tiles.at(rows, centers)
        low, high = float(found.min()), float(found.max())
        image = None
        if high > low:
            grey = np.rint(255 * np.log(found / low) / math.log(high / low)).astype(np.uint8)
            image = as_base64(picture(np.ascontiguousarray(grey.T), exact=True))
        return {
            "low": low,
            "high": high,
            "rows": len(found),
            "columns": columns,
            "begin": self.offset,
            "step": (self.span[1] - self.span[0]) / columns,
            "image": image,
        }


def _nearest(grid: FloatArray, values: FloatArray) -> Any:
    """For each value the index of the nearest point of an increasing grid."""
    return np.searchsorted((grid[1:] + grid[:-1]) / 2, values)
