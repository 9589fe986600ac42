"""Style, fonts, titles, ticks and axes of all figures, and their rendering.

Without pyplot, so without global state. Ticks are those of matplotlib and librosa; librosa is imported
only for an axis that needs it, because that takes half a second.
"""

from __future__ import annotations

import difflib
import io
import logging
import math
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from functools import cache, wraps
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, MultipleLocator, NullLocator
from numpy.typing import ArrayLike

from dstft_cli.errors import UsageError
from dstft_cli.plot.pixels import FloatArray, PixelGrid, hz_to_scale, scale_to_hz
from dstft_cli.settings.option import time_text

logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # our own note says what lacks
P = ParamSpec("P")
R = TypeVar("R")

DPI = 130
VECTOR_DPI = 220  # of the images inside svg and pdf
WIDTH = 10.0  # of a figure, inches
FONT = "DejaVu Sans"  # installed with matplotlib
PLACEHOLDERS = ("Last Resort", ".LastResort", "Adobe Blank", "Unicode BMP Fallback")  # all boxes
INK = "#222222"
COLOURS = {"start": "#7f7f7f", "table": "#2f6db3", "search": "#e08214", "descent": "#b5367a"}
MARKERS = {"start": "D", "table": "o", "search": "s", "descent": "o"}
STYLE: dict[Any, Any] = {
    "font.family": [FONT],
    "font.size": 10.0,
    "axes.linewidth": 0.8,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 10.0,
    "axes.axisbelow": True,
    "text.color": INK,
    "text.usetex": False,
    **dict.fromkeys(("xtick.color", "ytick.color"), INK),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), 9.0),
    **dict.fromkeys(("xtick.direction", "ytick.direction"), "out"),
    "legend.frameon": False,
    "legend.fontsize": 9.0,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "white"),
    "svg.hashsalt": "dstft",  # ids in the file depend only on its content
}
UNDATED: dict[str, dict[str, None]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}

FEWEST_TICKS = 3  # for a readable scale
STEPS = [1, 2, 2.5, 5, 10]  # between even ticks, times a power of ten
MANTISSAS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
WIDE = 3.0  # ratio of frequencies from which ticks follow a logarithmic or mel scale
LOG_ABOVE = 4.0  # ratio of the longest to the shortest length from which their axis is logarithmic
MINUTES = (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440)  # between ticks on a long time axis


def styled(build: Callable[P, R]) -> Callable[P, R]:
    """Run `build` under STYLE, whatever matplotlibrc the user has."""

    @wraps(build)
    def inner(*args: P.args, **kwargs: P.kwargs) -> R:
        with matplotlib.rc_context(STYLE):
            return build(*args, **kwargs)

    return inner


def render(figure: Figure, format: str = "png") -> bytes:
    """The figure as a file's bytes: `png`, `svg` or `pdf`; the same figure gives the same bytes."""
    file = io.BytesIO()
    with warnings.catch_warnings(), matplotlib.rc_context(STYLE):
        # a box is drawn for a missing glyph
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        FigureCanvasAgg(figure)
        dpi = DPI if format == "png" else VECTOR_DPI
        figure.savefig(file, format=format, dpi=dpi, metadata=UNDATED.get(format, {}))
    return file.getvalue()


def check_cmap(name: str) -> str:
    known = list(matplotlib.colormaps)
    if name in known:
        return name
    by_lower = {k.lower(): k for k in known if not k.endswith("_r")}
    near = difflib.get_close_matches(name.lower(), by_lower, n=3)
    choices = [by_lower[k] for k in near] or ["magma", "viridis", "gray"]
    raise UsageError(f"colour map {name!r} is unknown: choose `cmap` from {', '.join(choices)} …")


def colour_table(name: str) -> bytes:
    """256 colours of a map, from the lowest level on, three bytes each: red, green, blue."""
    return bytes(matplotlib.colormaps[name](np.arange(256) / 255, bytes=True)[:, :3].tobytes())


def axes_at(figure: Figure, left: float, bottom: float, width: float, height: float) -> Axes:
    w, h = figure.get_size_inches()
    return figure.add_axes((left / w, bottom / h, width / w, height / h))


def put_title(figure: Figure, title: str, left: float) -> None:
    """The figure's heading, without a name that no font can draw; without mathematics."""
    w, h = figure.get_size_inches()
    text, fonts = _drawable(title)
    place: dict[str, Any] = {"ha": "left", "va": "top", "fontsize": 12, "parse_math": False}
    figure.text(left / w, 1 - 0.14 / h, text, fontfamily=fonts, **place)


def panel_title(axes: Axes, text: str, pad: float = 4) -> None:
    text, fonts = _drawable(text)
    axes.set_title(text, loc="left", pad=pad, parse_math=False, fontfamily=fonts)


def put_legend(axes: Axes, handles: Sequence[Artist] | None = None, columns: int = 3) -> None:
    """A legend in one line, above the axes at their right; of the axes' own artists by default."""
    own = axes.get_legend_handles_labels()[0] if handles is None else handles
    axes.legend(
        handles=own, loc="lower right", bbox_to_anchor=(1.0, 0.97), ncols=columns, borderaxespad=0.1
    )


def heading_legend(figure: Figure, axes: Axes, left: float) -> None:
    figure.legend(
        *axes.get_legend_handles_labels(),
        loc="upper left",
        bbox_to_anchor=(left / WIDTH, 1 - 0.4 / figure.get_figheight()),
        borderaxespad=0.0,
        borderpad=0.0,
        ncols=7,
        columnspacing=1.4,
        handletextpad=0.5,
    )


def clean_title(text: str, longest: int = 80) -> str:
    """One printable line: control characters become spaces, a long middle becomes an ellipsis."""
    kinds = ((c, unicodedata.category(c)) for c in text)
    shown = "".join("\ufffd" if k == "Cs" else " " if k[0] in "CZ" else c for c, k in kinds)
    shown = " ".join(shown.split())
    if len(shown) > longest:
        half = (longest - 1) // 2
        shown = f"{shown[:half]}…{shown[-half:]}"
    return shown


def can_draw(title: str) -> bool:
    return not fonts_for(clean_title(title))[1]


def fonts_for(text: str) -> tuple[list[str], set[str]]:
    """Font families for the glyphs of `text`, and the characters that no installed font has."""
    fonts, lacking = [FONT], set(text) - {" "} - _glyphs(FONT)
    if lacking:
        names = {n for n in fontManager.get_font_names() if not n.startswith(PLACEHOLDERS)}
        for name in sorted(names, key=lambda name: (not name.startswith("Noto"), name)):
            if lacking & _glyphs(name):
                fonts.append(name)
                lacking -= _glyphs(name)
    return fonts, lacking


@cache
def _glyphs(font: str) -> frozenset[str]:
    path = fontManager.findfont(FontProperties(family=[font]), fallback_to_default=True)
    return frozenset(map(chr, get_font(path).get_charmap()))


def _drawable(title: str) -> tuple[str, list[str]]:
    """The title and its fonts; the name at its start is left out if no font has its glyphs."""
    text = clean_title(title)
    fonts, lacking = fonts_for(text)
    if lacking:
        words = text.split(" ")
        last = max(k for k, word in enumerate(words) if lacking & set(word))
        text = " ".join(words[last + 1 :])
    return text, fonts


def put_ticks(axis: Axis, places: ArrayLike) -> None:
    at = np.asarray(places, dtype=np.float64).tolist()
    axis.set_ticks(at, labels=[f"{place:.10g}" for place in at])
    axis.set_minor_locator(NullLocator())


def _even(bins: int) -> MaxNLocator:
    return MaxNLocator(nbins=bins, steps=STEPS, min_n_ticks=FEWEST_TICKS)


def _inside(places: ArrayLike, low: float, high: float) -> FloatArray:
    at = np.asarray(places, dtype=np.float64)
    return at[(at >= low * (1 - 1e-5)) & (at <= high * (1 + 1e-5))]


def length_ticks(low: float, high: float, log: bool) -> FloatArray:
    """Some four ticks, three at least, from `low` to `high`, of any unit."""
    for subs in MANTISSAS if log else ():
        # within a decade the locator would choose even ticks
        wider = LogLocator(subs=subs, numticks=99).tick_values(low / 10, high * 10)
        places = _inside(wider, low, high)
        if places.size >= FEWEST_TICKS:
            return places
    return _inside(_even(4).tick_values(low, high), low, high)


def sample_ticks(low: float, high: float, log: bool) -> FloatArray:
    """Like `length_ticks`, but powers of two on a logarithmic axis that has three of them."""
    if log:
        powers = _inside(LogLocator(base=2, numticks=6).tick_values(low, high), low, high)
        if powers.size >= FEWEST_TICKS:
            return powers
    return length_ticks(low, high, log)


def time_axis(axes: Axes, start: float, stop: float, label: bool = True) -> None:
    """Time in s, above 10 minutes in min:s, above 2 hours in h:min:s, from `start` to `stop` s."""
    axes.set_xlim(start, stop)
    span, unit = stop - start, "s"
    if span >= 600:
        from librosa.display import TimeFormatter

        unit = "h:min:s" if span >= 7200 else "min:s"
        days = 86400 * math.ceil(span / 864000)
        step = next((60 * m for m in MINUTES if span / (60 * m) <= 10), days)
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.xaxis.set_major_formatter(TimeFormatter(unit=unit[0]))
    if label:
        axes.set_xlabel(f"Time ({unit})")
    axes.tick_params(axis="x", labelbottom=label)


def frequency_axis(axes: Axes, grid: PixelGrid, which: str = "y") -> None:
    """The frequency axis of the grid, in Hz: vertical (`y`) or horizontal (`x`)."""
    scale, (low, high) = grid.freq_scale, grid.freq_range
    axis: Axis = axes.yaxis if which == "y" else axes.xaxis
    if scale == "log":
        axes.set(**{f"{which}scale": "log"})
    elif scale == "mel":
        both = (lambda hz: hz_to_scale(hz, "mel"), lambda mel: scale_to_hz(mel, "mel"))
        getattr(axes, f"set_{which}scale")("function", functions=both)
    axes.set(**{f"{which}lim": (low, high)})
    axis.set_minor_locator(NullLocator())
    kilo = scale == "linear" and high >= 2000
    unit = "kHz" if kilo else "Hz"
    if grid.cropped:
        axis.set_label_text(f"{unit} (99.9 % of the energy)", fontsize=9)
    else:
        axis.set_label_text(f"Frequency ({unit})")
    if scale == "linear":
        axis.set_major_locator(_even(6))
        axis.set_major_formatter(lambda hz, _: f"{hz / (1000 if kilo else 1):.10g}")
        return
    from librosa.display import LogHzFormatter

    hertz = LogHzFormatter()
    hertz.set_axis(axis)
    axis.set_major_locator(FixedLocator(frequency_ticks(low, high, scale).tolist()))
    axis.set_major_formatter(lambda hz, _: hertz(hz) or "0")


def frequency_ticks(low: float, high: float, scale: str) -> FloatArray:
    places: FloatArray = np.empty(0)
    if high >= WIDE * low:
        start = low if low > 0 else min(100.0, high / 100)
        subs = [1.0] if high > 1e4 * start else [1.0, 2.0, 3.0, 5.0]
        if scale == "log" and len(subs) > 1:
            subs.remove(3.0)
        places = _inside(LogLocator(subs=subs, numticks=99).tick_values(start, high), start, high)
        if scale == "mel":  # below about 700 Hz mel is linear: these would crowd there
            places = _apart(np.append([0.0] if low == 0 else [], places), low, high, scale)
    if places.size >= FEWEST_TICKS:
        return places
    return _inside(_even(6).tick_values(low, high), low, high)


def _apart(places: FloatArray, low: float, high: float, scale: str) -> FloatArray:
    """Ticks at least a twelfth of the axis above the one before."""
    bottom, top = hz_to_scale([low, high], scale)
    kept: list[float] = []
    last = -math.inf
    for place, at in zip(places, hz_to_scale(places, scale), strict=True):
        if at - last >= (top - bottom) / 12:
            kept.append(float(place))
            last = float(at)
    return np.array(kept)


def length_unit(samples: float, sample_rate: float) -> tuple[float, str]:
    """Unit for lengths up to `samples`: how many of it a sample lasts, and `ms`, from 1 s on `s`."""
    return (1 / sample_rate, "s") if samples >= sample_rate else (1000 / sample_rate, "ms")


def describe_length(low: float, sample_rate: float, high: float | None = None) -> str:
    """Window lengths as text: `1024 samples (23.2 ms)`, `128 to 1024 samples (2.9 ms to 23.2 ms)`."""
    ends = [low] if high is None else [low, high]
    samples = " to ".join(f"{round(end, 1):.10g}" for end in ends)
    return f"{samples} samples ({' to '.join(time_text(end / sample_rate) for end in ends)})"


def samples_axis(axes: Axes, low: float, high: float, unit: float, log: bool, name: str) -> None:
    """A second axis in samples, from `low` to `high`, at the right of one that counts `unit`s."""
    both = (lambda length: np.asarray(length) / unit, lambda length: np.asarray(length) * unit)
    second = axes.secondary_yaxis("right", functions=both)
    put_ticks(second.yaxis, sample_ticks(low, high, log))
    second.set_ylabel(f"{name} (samples)")


def length_axis(axes: Axes, low: float, high: float, sample_rate: float, name: str) -> float:
    """Units a sample lasts, on a vertical axis made for `low` to `high` samples, with both units."""
    log = high > LOG_ABOVE * low
    pad = (high / low) ** 0.07 if log else 1 + 0.08 * (high - low) / high + 0.01
    low, high = (low / pad, high * pad) if log else (low - (pad - 1) * high, high * pad)
    unit, unit_name = length_unit(high, sample_rate)
    if log:
        axes.set_yscale("log")
    axes.set_ylim(low * unit, high * unit)
    put_ticks(axes.yaxis, length_ticks(low * unit, high * unit, log))
    axes.set_ylabel(f"{name} ({unit_name})")
    axes.grid(axis="y")
    samples_axis(axes, low, high, unit, log, name)
    return unit
