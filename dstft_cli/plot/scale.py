"""Frequency scales of a picture: linear in Hz, log10 of Hz, or mel, and the ticks on them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dstft_cli.errors import UsageError
from dstft_cli.names import FREQ_SCALES

FloatArray = NDArray[np.floating[Any]]
FEWEST_TICKS = 3  # that tell a scale
MOST_STEPS = 12  # of ticks: more find none where floating point has none


def check_scale(name: str) -> str:
    """`name` if it is a frequency scale; UsageError otherwise."""
    if name not in FREQ_SCALES:
        raise UsageError(
            f"frequency scale {name!r} is unknown: "
            f"choose --freq-scale from {', '.join(FREQ_SCALES)}"
        )
    return name


def hz_to_scale(hz: ArrayLike, scale: str) -> FloatArray:
    """Frequencies in Hz to scale units: Hz, log10(Hz) or mel = 2595 log10(1 + f / 700) (HTK)."""
    f = np.asarray(hz, dtype=np.float64)
    if scale == "log":
        return np.asarray(np.log10(f))
    if scale == "mel":
        return np.asarray(2595.0 * np.log10(1.0 + f / 700.0))
    return f


def scale_to_hz(y: ArrayLike, scale: str) -> FloatArray:
    """Scale units back to Hz, the inverse of `hz_to_scale`."""
    v = np.asarray(y, dtype=np.float64)
    if scale == "log":
        return np.asarray(10.0**v)
    if scale == "mel":
        return np.asarray(700.0 * (10.0 ** (v / 2595.0) - 1.0))
    return v


def frequency_range(
    top: float, spacing: float, scale: str, fmin: float | None, fmax: float | None
) -> tuple[float, float]:
    """The frequencies a picture shows, in Hz.

    Args:
        top: highest frequency there is, Hz.
        spacing: distance of the frequency bins, Hz.
        scale: `linear`, `log` or `mel`.
        fmin: lowest frequency, Hz; None for the scale's own: 0, and on the log scale 20 Hz (a
            hundredth of `top` where that is below 200 Hz) but not below the first bin. 0 means
            the same on the log scale, which has no zero.
        fmax: highest frequency, Hz; None for `top`.

    Raises:
        UsageError: negative or non-finite limits, fmax above `top`, fmin not below fmax.
    """
    for option, value in (("--fmin", fmin), ("--fmax", fmax)):
        if value is not None and not (math.isfinite(value) and value >= 0):
            raise UsageError(
                f"{option} {value:g} Hz is not a frequency: give a number of 0 or more"
            )
    if fmax is not None and fmax > top * (1 + 1e-9):
        raise UsageError(
            f"--fmax {fmax:g} Hz is above the highest frequency {top:g} Hz: lower --fmax"
        )
    high = top if fmax is None else min(fmax, top)
    low = 0.0 if fmin is None else fmin
    if low >= high:
        raise UsageError(
            f"--fmin {low:g} Hz is not below {high:g} Hz: lower --fmin or raise --fmax"
        )
    if scale == "log" and low == 0:
        low = max(20.0 if top >= 200.0 else top / 100.0, spacing)
        low = low if low < high else high / 10.0
    return low, high


def frequency_ticks(low: float, high: float, scale: str) -> tuple[FloatArray, list[str]]:
    """Ticks for an axis from `low` to `high` Hz.

    Returns:
        Places in Hz, increasing, within [low, high], and their labels: `500`, `2k`, `2.5k`.
    """
    if scale == "linear" or high < 3 * low:
        places = even_ticks(low, high, steps=6)
    else:
        mantissas = (1.0, 2.0, 3.0, 5.0) if scale == "mel" else (1.0, 2.0, 5.0)
        places = ladder(low, high, mantissas)
        if scale == "mel":  # below some 700 Hz mel is linear: the ladder would crowd there
            places = _thin(places, hz_to_scale(places, scale), low, high, scale)
        if len(places) > 12:
            places = ladder(low, high, (1.0,))
        if len(places) < FEWEST_TICKS:
            places = even_ticks(low, high, steps=6)
    return places, [tick_label(p) for p in places]


def tick_label(hz: float) -> str:
    """A frequency in Hz as short text: `50`, `0.5`, `1k`, `12.5k`, `192k`."""
    return f"{hz / 1000:g}k" if hz >= 1000 else f"{hz:g}"


def even_ticks(low: float, high: float, steps: int) -> FloatArray:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten within [low, high].

    They are at most `steps` + 1, or three where these would be fewer.
    """
    raw = (high - low) / steps
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(m * size for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * size >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    if last - first + 1 < FEWEST_TICKS and steps < MOST_STEPS:
        return even_ticks(low, high, steps + 1)
    return np.round(np.arange(first, last + 1) * step, 12)


def ladder(low: float, high: float, mantissas: tuple[float, ...]) -> FloatArray:
    """`mantissas` times powers of ten within [low, high]; from low = 0 also 0, then two decades."""
    start = low if low > 0 else min(100.0, high / 100.0)
    decades = range(math.floor(math.log10(start)), math.floor(math.log10(high)) + 1)
    places = [m * 10.0**d for d in decades for m in mantissas]
    inside = [p for p in places if start * (1 - 1e-9) <= p <= high * (1 + 1e-9)]
    return np.array([0.0, *inside] if low == 0 else inside)


def _thin(places: FloatArray, y: FloatArray, low: float, high: float, scale: str) -> FloatArray:
    """Drop ticks that stand closer than a twelfth of the axis to the one below."""
    ends = hz_to_scale([low, high], scale)
    gap = float(ends[1] - ends[0]) / 12
    kept: list[float] = []
    last = -math.inf
    for place, at in zip(places, y, strict=True):
        if at - last >= gap:
            kept.append(float(place))
            last = float(at)
    return np.array(kept)
