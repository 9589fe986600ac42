"""Write the synthetic recordings of this folder: python sample_audio/make.py [--output DIR]."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.io import wavfile
from scipy.signal import butter, sosfilt

SCALE = 0.4  # leaves the sums of tones within [-1, 1]


def two_tones() -> tuple[int, NDArray[np.float64]]:
    """40 Hz throughout and 180 Hz in the second half; 5 s at 1024 Hz."""
    n = np.arange(5120)
    late = n > 2560
    return 1024, np.cos(2 * np.pi * 40 * n / 1024) + late * np.cos(2 * np.pi * 180 * n / 1024)


def fm_and_tone() -> tuple[int, NDArray[np.float64]]:
    """A sine-modulated rising tone beside a steady one, in noise; 2.5 s at 10 kHz."""
    t = np.arange(25000) / 10000
    f = 100 * np.sin(2 * np.pi * t) + 100 + 50 * t
    noise = np.random.default_rng(0).standard_normal(len(t))
    return 10000, (
        np.sin(np.cumsum(f) / 200) + np.sin(np.cumsum(np.full(len(t), 500)) / 200) + 0.1 * noise
    )


def clicks_over_drone() -> tuple[int, NDArray[np.float64]]:
    """Clicks of 1 ms every 0.4 s over a steady, quiet 110 Hz drone with harmonics; 4 s."""
    t = np.arange(64000) / 16000
    drone = sum(np.sin(2 * np.pi * 110 * k * t) / k for k in range(1, 6))
    since = (t - 0.2) % 0.4
    clicks = np.exp(-since / 0.001) * np.sin(2 * np.pi * 3000 * since) * (t >= 0.2)
    return 16000, 0.05 * drone + 2.0 * clicks


def six_tones() -> tuple[int, NDArray[np.float64]]:
    """Six tones one after the other, each from its zero phase, in noise; 6.6 s at 1 kHz."""
    lengths = (1484, 1153, 635, 361, 1796, 1207)
    frequencies = (50, 228, 65, 171, 30, 144)
    tones = [
        np.sin(2 * np.pi * frequency * np.arange(length) / 1000)
        for length, frequency in zip(lengths, frequencies, strict=True)
    ]
    noise = np.random.default_rng(0).standard_normal(sum(lengths))
    return 1000, np.concatenate(tones) + 0.2 * noise


def notes_and_drums() -> tuple[int, NDArray[np.float64]]:
    """Four notes with partials, drums of noise above 2.5 kHz and a whistle with vibrato; 3 s at 16 kHz."""
    rate, count = 16000, 48000
    t, generator = np.arange(count) / rate, np.random.default_rng(0)
    since = t % 0.75
    pitch = np.array([110, 147, 165, 131])[(t // 0.75).astype(int)]
    partials = sum(np.sin(2 * np.pi * k * pitch * since) / k for k in range(1, 8))
    ends = np.minimum(since / 0.005, 1) * np.minimum((0.75 - since) / 0.03, 1)
    notes = 0.5 * partials * ends * np.exp(-since / 0.8)
    highpass = butter(4, 2500, "high", fs=rate, output="sos")
    hiss = sosfilt(highpass, generator.standard_normal(count))
    number, after = np.divmod(t, 0.1875)
    long = number % 4 == 2
    drums = np.where(long, 1.2, 0.5) * np.exp(-after / np.where(long, 0.02, 0.006)) * hiss
    swing = 0.06 * np.sin(2 * np.pi * 5 * t) + 0.25 * np.sin(2 * np.pi * 0.4 * t)
    whistle = np.sin(2 * np.pi * np.cumsum(1500 * 2**swing) / rate)
    noise = generator.standard_normal(count)
    return rate, 0.6 * (notes + drums * (number > 0) + 0.12 * whistle + 0.002 * noise)


SIGNALS = {
    "two-tones.wav": two_tones,
    "fm-and-tone.wav": fm_and_tone,
    "clicks-over-drone.wav": clicks_over_drone,
    "six-tones.wav": six_tones,
    "notes-and-drums.wav": notes_and_drums,
}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path(__file__).parent, metavar="DIR")
    output: Path = parser.parse_args(arguments).output
    output.mkdir(parents=True, exist_ok=True)
    for name, signal in SIGNALS.items():
        sample_rate, samples = signal()
        # scipy, for libsndfile puts the time of writing into a float WAV
        wavfile.write(output / name, sample_rate, (SCALE * samples).astype(np.float32))


if __name__ == "__main__":
    main()
