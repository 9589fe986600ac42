"""Measures the facts of choosing.md again: python docs/facts.py (dstft must be installed)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from dstft_cli import Result, optimize
from dstft_cli.settings import CRITERIA

Signal = NDArray[np.float64]
RATE = 16000  # Hz
N_FFT = 2048
HOP = 128
SNRS = (None, 20, 10, 0)  # dB; None: no noise


def chirp(seconds: float = 2.0) -> Signal:
    """A tone that rises from 1 kHz by 2 kHz a second."""
    t = np.arange(round(seconds * RATE)) / RATE
    return np.sin(2 * np.pi * (1000 * t + 1000 * t**2))


def tone(seconds: float = 1.0) -> Signal:
    """A steady tone of 1 kHz."""
    return np.sin(2 * np.pi * 1000 * np.arange(round(seconds * RATE)) / RATE)


def noise(seconds: float = 1.0, seed: int = 0) -> Signal:
    """White Gaussian noise."""
    return np.random.default_rng(seed).standard_normal(round(seconds * RATE))


def noisy(signal: Signal, snr: float | None) -> Signal:
    """The signal in white noise, dB."""
    if snr is None:
        return signal
    level = np.sqrt(np.mean(signal**2)) * 10 ** (-snr / 20)
    return signal + level * noise(len(signal) / RATE)


def search(signal: Signal, **options: object) -> Result:
    """What the search of the table finds, without a descent."""
    shared = {
        "scope": "plane",
        "window_mode": "constant",
        "n_fft": N_FFT,
        "hop_length": HOP,
        "max_steps": 0,
    }
    return optimize(signal, RATE, **{**shared, **options})  # type: ignore[arg-type]


def picked(criterion: str, power: float, snr: float | None) -> float:
    """The single window length, samples, that a criterion picks for the chirp in noise."""
    found = search(noisy(chirp(), snr), criterion=criterion, power=power)
    return found.criterion.best_fixed_win_length


def with_silence(criterion: str, seconds: float) -> float:
    """The criterion of the chirp at a window of 512 samples, with so much silence after it."""
    signal = np.concatenate([chirp(), np.zeros(round(seconds * RATE))])
    found = search(signal, criterion=criterion, window_mode="fixed", win_length=512)
    return found.criterion.final


def gain(signal: Signal, normalization: str) -> float:
    """How much better than the best single window lengths that vary freely are, nats of entropy."""
    found = search(
        signal, normalization=normalization, window_mode="time", smoothness=0, hop_length=32
    )
    return found.criterion.best_fixed - found.criterion.final


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def noise_facts() -> str:
    """Window lengths that the criteria pick for the chirp in noise."""
    rows = [
        [f"`{name}`", f"{power:g}", *(f"{picked(name, power, snr):.0f}" for snr in SNRS)]
        for name in CRITERIA
        for power in (1.0, 2.0)
    ]
    return table(["criterion", "power", "no noise", "20 dB", "10 dB", "0 dB"], rows)


def silence_facts() -> str:
    """Criteria with more and more silence."""
    rows = [
        [f"`{name}`", *(f"{with_silence(name, seconds):.4g}" for seconds in (0.0, 2.0, 4.0))]
        for name in CRITERIA
    ]
    return table(["criterion", "no silence", "half silence", "two thirds silence"], rows)


def normalization_facts() -> str:
    """Gains of free lengths, of which a tone and noise deserve none."""
    rows = [
        [f"`{name}`", f"{gain(tone(), name):.3f}", f"{gain(noise(), name):.3f}"]
        for name in ("none", "amplitude", "energy")
    ]
    return table(["normalization", "steady tone", "white noise"], rows)


FACTS: dict[str, Callable[[], str]] = {
    "noise": noise_facts,
    "silence": silence_facts,
    "normalization": normalization_facts,
}


if __name__ == "__main__":
    for name, measure in FACTS.items():
        print(f"{name}\n\n{measure()}\n")
