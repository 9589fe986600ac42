"""Ticks and axes of time, frequency and length. Ticks are those of matplotlib.

librosa is imported only for an axis that needs it, because that takes half a second.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, LogLocator, MaxNLocator, MultipleLocator, NullLocator
from numpy.typing import ArrayLike

from dstft_cli.plot.pixels import FloatArray, PixelGrid, hz_to_scale, scale_to_hz
from dstft_cli.plot.style import page_size
from dstft_cli.settings.option import samples_text, time_text

FEWEST_TICKS = 3  # for a readable scale
STEPS = [1, 2, 2.5, 5, 10]  # between even ticks, times a power of ten
MANTISSAS = ((1.0,), (1.0, 3.0), (1.0, 2.0, 5.0), (1.0, 1.5, 2.0, 3.0, 5.0, 7.0))
HERTZ = ((1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0), (1.0, 2.0, 3.0, 5.0), (1.0, 2.0, 5.0), (1.0,))
# semitones above C: all, the white keys, C major, the fifth, the octave
NOTES: Sequence[Sequence[int]] = (range(12), (0, 2, 4, 5, 7, 9, 11), (0, 4, 7), (0, 7), (0,))
WIDE = 3.0  # ratio of frequencies from which ticks follow a logarithmic or mel scale
LOG_ABOVE = 4.0  # ratio of the longest to the shortest length from which their axis is logarithmic
TICK_HIGH, TICK_WIDE, CLOCK_WIDE = 0.2, 0.6, 0.9  # room of a tick's label
MOST_TIMES = 9  # ticks of a time axis
SEXAGESIMAL = (1, 2, 5, 10, 15, 30)  # seconds, and minutes, between ticks of a clock
HOURS = (1, 2, 3, 6, 12, 24)


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


def time_axis(
    axes: Axes,
    start: float,
    stop: float,
    label: bool = True,
    unit: str = "auto",
    recorded: datetime | None = None,
) -> None:
    """Time in s, above 10 minutes in min:s, above 2 hours in h:min:s, from `start` to `stop` s.

    Or the time of day, if second 0 was `recorded` at a known time.
    """
    axes.set_xlim(start, stop)
    span, midnight, name = stop - start, 0.0, "Time"
    if unit == "auto":
        unit = "s" if span < 600 else "min" if span < 7200 else "h"
    if recorded is not None:
        day = recorded.replace(hour=0, minute=0, second=0, microsecond=0)
        midnight = (day - recorded).total_seconds()
        first, last = ((edge - midnight) // 86400 for edge in (start, stop))
        unit, days = "clock", "on" if first == last else "from"
        name = f"Time {days} {day + timedelta(days=first):%Y-%m-%d}"
    most = _room(axes)[0] / (TICK_WIDE if unit == "s" else CLOCK_WIDE)
    step = _time_step(span / min(most, MOST_TIMES), unit)
    axes.xaxis.set_major_locator(MultipleLocator(step, midnight % step))
    axes.xaxis.set_major_formatter(lambda at, _: _clock_text(at - midnight, unit, step))
    if label:
        units = {"s": "s", "min": "min:s", "h": "h:min:s"}
        units["clock"] = "h:min" if step >= 60 else "h:min:s"
        axes.set_xlabel(f"{name} ({units[unit]})")
    axes.tick_params(axis="x", labelbottom=label)


def _room(axes: Axes) -> tuple[float, float]:
    """Width and height of axes, inches of the page."""
    figure = axes.get_figure(root=True)
    assert isinstance(figure, Figure)
    (width, height), box = page_size(figure), axes.get_position()
    return width * box.width, height * box.height


def _time_step(least: float, unit: str) -> float:
    """The smallest usual distance of ticks that is not below `least`, s."""
    if unit == "s" or least <= 0.5:
        decade = float(10 ** math.floor(math.log10(least)))
        return next(step * decade for step in (1, 2, 5, 10) if step * decade >= least * (1 - 1e-9))
    steps = [*SEXAGESIMAL, *(60 * m for m in SEXAGESIMAL), *(3600 * h for h in HOURS)]
    return next((step for step in steps if step >= least), 86400.0 * math.ceil(least / 86400))


def _clock_text(seconds: float, unit: str, step: float) -> str:
    """Seconds as `3.5` (s), `61:30` (min), `1:01:30` (h) or `23:59` (clock), as fine as the step."""
    digits = max(0, -math.floor(math.log10(step) + 1e-9))
    if unit == "s":
        return f"{seconds:.{digits}f}"
    minutes, left = divmod(round(seconds, digits), 60)
    rest = f"{left:0{digits + 2 + (digits > 0)}.{digits}f}"
    if unit == "min":
        return f"{minutes:.0f}:{rest}"
    hours, minutes = divmod(minutes, 60)
    if unit == "h":
        return f"{hours:.0f}:{minutes:02.0f}:{rest}"
    return f"{hours % 24:02.0f}:{minutes:02.0f}" + ("" if step >= 60 else f":{rest}")


def frequency_axis(axes: Axes, grid: PixelGrid, which: str = "y") -> None:
    """The frequency axis of the grid, in Hz or notes: vertical (`y`) or horizontal (`x`)."""
    scale, (low, high) = grid.freq_scale, grid.freq_range
    axis: Axis = axes.yaxis if which == "y" else axes.xaxis
    if scale == "log":
        axes.set(**{f"{which}scale": "log"})
    elif scale == "mel":
        both = (lambda hz: hz_to_scale(hz, "mel"), lambda mel: scale_to_hz(mel, "mel"))
        getattr(axes, f"set_{which}scale")("function", functions=both)
    axes.set(**{f"{which}lim": (low, high)})
    axis.set_minor_locator(NullLocator())
    wide, tall = _room(axes)
    most = max(FEWEST_TICKS, int(tall / TICK_HIGH if which == "y" else wide / 0.5))
    if grid.notes:
        axis.set_label_text("Note")
        put_notes(axis, low, high, most)
        return
    kilo = scale == "linear" and high >= 2000
    axis.set_label_text(f"Frequency ({'kHz' if kilo else 'Hz'})")
    places = FixedLocator(frequency_ticks(low, high, scale, most).tolist())
    axis.set_major_locator(_even(6) if scale == "linear" else places)
    axis.set_major_formatter(lambda hz, _: f"{hz / (1000 if kilo else 1):.10g}")


def put_notes(axis: Axis, low: float, high: float, most: int) -> None:
    """The names of as many notes as there is room for: all, white keys, chords or only C."""
    from librosa import hz_to_midi, midi_to_hz, midi_to_note

    first, last = (float(hz_to_midi(hz)) for hz in (low, high))
    every = np.arange(math.ceil(first - 1e-3), math.floor(last + 1e-3) + 1)
    choices = [every[np.isin(every % 12, tones)] for tones in NOTES]
    notes = next((found for found in choices if found.size <= most), choices[-1])
    axis.set_ticks(midi_to_hz(notes).tolist(), labels=[midi_to_note(note) for note in notes])


def frequency_ticks(low: float, high: float, scale: str, most: int = 10) -> FloatArray:
    """At most some `most` ticks, Hz."""
    places: FloatArray = np.empty(0)
    if high >= WIDE * low:
        start = low if low > 0 else min(100.0, high / 100)
        for subs in HERTZ if scale == "log" else HERTZ[1:]:
            every = LogLocator(subs=subs, numticks=99).tick_values(start, high)
            places = _inside(every, start, high)
            if scale == "mel":  # below about 700 Hz mel is linear: these would crowd there
                places = _apart(np.append([0.0] if low == 0 else [], places), low, high, scale)
            if places.size <= most:
                break
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


def describe_length(
    low: float, sample_rate: float, high: float | None = None, short: bool = False
) -> str:
    """Window lengths as text: `1024 samples (23.2 ms)`, `128 to 1024 samples (2.9 ms to 23.2 ms)`."""
    ends = [low] if high is None else [low, high]
    times = " to ".join(time_text(end / sample_rate) for end in ends)
    samples = " to ".join(map(samples_text, ends))
    return times if short else f"{samples} samples ({times})"


def samples_axis(axes: Axes, low: float, high: float, unit: float, log: bool, name: str) -> None:
    """A second axis in samples, from `low` to `high`, at the right of one that counts `unit`s."""
    both = (lambda length: np.asarray(length) / unit, lambda length: np.asarray(length) * unit)
    second = axes.secondary_yaxis("right", functions=both)
    put_ticks(second.yaxis, sample_ticks(low, high, log))
    second.set_ylabel(f"{name} (samples)")


def length_axis(
    axes: Axes, low: float, high: float, sample_rate: float, name: str, samples: bool = True
) -> float:
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
    if samples:
        samples_axis(axes, low, high, unit, log, name)
    return unit
