"""How far a spectrogram is from what a short window says of time and a long one of frequency, in dB.

No single window answers both, but each question has one that does. All levels are of unit-energy
windows, so that they compare; lower is better.

- `time`: mean |dB| between the envelopes of half-octave bands, 500 Hz and up, and those of a short window
  (`SHORT`, or the longest whose main lobe is half the band), where either is within `DEPTH` of the band's
  maximum.
- `pre`: mean dB above that window within `AHEAD` before a rise of 6 dB or more: pre-echo.
- `freq`: mean |dB| between the mean spectra of stretches of `LONG` and those of a window of that length,
  above 60 Hz.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.floating[Any]]

DEPTH = 45.0  # dB
SHORT, LONG, STEP, AHEAD = 5.8e-3, 186e-3, 2.9e-3, 60e-3  # s
SHORTEST = 2.9e-3  # s, of plain windows that are tried


@dataclass(frozen=True)
class Plane:
    """|X|² of a signal under some windows, frames at multiples of the hop.

    Attributes:
        power: `[F, T]`.
        n_fft, hop: samples.
    """

    power: Array
    n_fft: int
    hop: float


@dataclass(frozen=True)
class Errors:
    """Each in dB; see the module."""

    time: float
    pre: float
    freq: float

    @property
    def sum(self) -> float:
        """Time and frequency together, blind to neither smear."""
        return self.time + self.freq


def power_of_two(samples: float) -> int:
    """The nearest one."""
    return 1 << round(math.log2(samples))


def plain(signal: Array, length: float, n_fft: int, hop: int) -> Plane:
    """Of one Hann window of `length` samples and unit energy."""
    k = np.arange(n_fft) - n_fft // 2
    w = np.where(np.abs(k) < length / 2, 0.5 + 0.5 * np.cos(2 * np.pi * k / length), 0.0)
    w /= np.linalg.norm(w)
    padded = np.pad(np.asarray(signal, np.float32), (n_fft // 2, n_fft))
    every = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]
    count = len(signal) // hop + 1
    power = np.empty((n_fft // 2 + 1, count), np.float32)
    for start in range(0, count, 256):
        stop = min(start + 256, count)
        power[:, start:stop] = (np.abs(np.fft.rfft(every[start:stop] * w, axis=1)) ** 2).T
    return Plane(power, n_fft, hop)


def table(sample_rate: float) -> tuple[list[float], int, int]:
    """Plain windows of every half octave, samples, and the FFT size and hop of all of them."""
    low, high = power_of_two(SHORTEST * sample_rate), power_of_two(LONG * sample_rate)
    steps = 2 * round(math.log2(high / low))
    return [low * 2 ** (step / 2) for step in range(steps + 1)], high, max(low // 2, 1)


class Reference:
    """What the short and the long window say of one recording.

    Args:
        signal: `[N]`.
        sample_rate: Hz.
    """

    def __init__(self, signal: Array, sample_rate: float) -> None:
        self._rate = sample_rate
        self._times = np.arange(0, len(signal) / sample_rate, STEP)
        lows = 500 * 2 ** (np.arange(12) / 2)
        ends = [(f, min(f * math.sqrt(2), 0.49 * sample_rate)) for f in lows]
        self._bands = [band for band in ends if band[0] < 0.375 * sample_rate]
        hop = max(int(STEP * sample_rate), 1)
        envelopes = []
        for low, high in self._bands:
            length = max(power_of_two(SHORT * sample_rate), 2 * sample_rate / (high - low))
            n_fft = max(2048, 1 << math.ceil(math.log2(length)))
            envelopes.append(self._envelope(plain(signal, length, n_fft, hop), low, high))
        self._envelopes = np.array(envelopes)
        size = power_of_two(LONG * sample_rate)
        self._frequencies = np.arange(size // 2 + 1) * sample_rate / size
        self._stretches = np.arange(0, len(signal) / sample_rate - LONG, LONG)
        self._spectra = self._spectra_of(plain(signal, size, size, size // 8))

    def errors(self, plane: Plane) -> Errors:
        """Of a spectrogram of the recording."""
        seen = np.array([self._envelope(plane, *band) for band in self._bands])
        time, counts = _apart(seen, self._envelopes)
        ahead = int(AHEAD / STEP)
        later = np.pad(self._envelopes, ((0, 0), (0, ahead)))
        coming = np.lib.stride_tricks.sliding_window_view(later, ahead + 1, axis=1).max(-1)
        before = counts & (coming > 4 * np.maximum(self._envelopes, _floor(self._envelopes)))
        freq, held = _apart(self._spectra_of(plane), self._spectra)
        held &= self._frequencies > 60
        return Errors(
            float(np.abs(time)[counts].mean()),
            float(time[before].mean()) if before.any() else 0.0,
            float(np.abs(freq)[held].mean()),
        )

    def _envelope(self, plane: Plane, low: float, high: float) -> Array:
        """Mean power of a band, Hz, at the times of the reference."""
        first = math.ceil(low * plane.n_fft / self._rate)
        last = max(int(high * plane.n_fft / self._rate), first + 1)
        level = plane.power[first:last].mean(0, dtype=np.float64)
        at = np.arange(len(level)) * plane.hop / self._rate
        return np.asarray(np.interp(self._times, at, level))

    def _spectra_of(self, plane: Plane) -> Array:
        return np.array(list(self._each_spectrum(plane)))

    def _each_spectrum(self, plane: Plane) -> Iterator[Array]:
        """Mean spectra of the stretches at the frequencies of the reference."""
        per_second = self._rate / plane.hop
        at = np.arange(len(plane.power)) * self._rate / plane.n_fft
        for start in self._stretches:
            first = math.ceil(start * per_second)
            last = max(int((start + LONG) * per_second), first + 1)
            mean = plane.power[:, first:last].mean(1, dtype=np.float64)
            yield np.asarray(np.interp(self._frequencies, at, mean))


def _floor(levels: Array) -> Array:
    """`DEPTH` below the maximum of each row."""
    return np.asarray(levels.max(1, keepdims=True) * 10 ** (-DEPTH / 10))


def _apart(seen: Array, reference: Array) -> tuple[Array, NDArray[np.bool_]]:
    """How far levels are above a reference, dB, and where either is above its floor."""
    floor = _floor(reference)
    apart = 10 * np.log10(np.maximum(seen, floor) / np.maximum(reference, floor))
    return apart, (seen > floor) | (reference > floor)
