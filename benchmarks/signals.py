"""Signals to measure with: music-like sound of any duration, and short ones of the method's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]

_SAMPLES = Path(__file__).parent.parent / "sample_audio"
_BLOCK_SECONDS = 4.0
_HARMONICS = 8


def music_blocks(seconds: float, sample_rate: int, seed: int = 0) -> Iterator[FloatArray]:
    """Notes with harmonics and vibrato, clicks and noise, in blocks of four seconds.

    Args:
        seconds: duration, > 0.
        sample_rate: Hz.
        seed: each block depends on it and on the block's number alone.

    Yields:
        Float32 samples `[n]` within [-1, 1]; together they last `seconds`.
    """
    total = round(seconds * sample_rate)
    size = round(_BLOCK_SECONDS * sample_rate)
    for number, start in enumerate(range(0, total, size)):
        block = _block(np.random.default_rng([seed, number]), size, sample_rate)
        yield block[: total - start]


def music(seconds: float, sample_rate: int, seed: int = 0) -> FloatArray:
    """The blocks of `music_blocks` in one array `[N]`."""
    return np.concatenate(list(music_blocks(seconds, sample_rate, seed)))


def write_music(path: Path, seconds: float, sample_rate: int) -> None:
    """Writes `music` as a 16-bit WAV, a block at a time."""
    with soundfile.SoundFile(path, "w", sample_rate, 1, "PCM_16") as file:
        for block in music_blocks(seconds, sample_rate):
            file.write(block)


def two_tones() -> tuple[NDArray[np.float64], float]:
    """40 Hz throughout and 180 Hz in the second half: 5120 samples, and their rate of 1024 Hz."""
    t = np.arange(5120) / 5 / 1024
    x = np.cos(2 * np.pi * 40 * t * 5) + (t > 0.5) * np.cos(2 * np.pi * 180 * t * 5)
    return x, 1024.0


def swinging_tone(seed: int = 0) -> tuple[NDArray[np.float64], float]:
    """A tone that swings between 296 and 2489 Hz, one that stays at 3979 Hz, and noise.

    Args:
        seed: of the noise, white, standard deviation 0.1.

    Returns:
        25,000 samples, and their rate of 10 kHz.
    """
    t = np.arange(25_000) / 10_000
    swing = 100 * np.sin(2 * np.pi * t) + 100 + 50 * t
    noise = np.random.default_rng(seed).standard_normal(len(t))
    steady = np.full(len(t), 500.0)
    x = np.sin(np.cumsum(swing) / 200) + np.sin(np.cumsum(steady) / 200) + 0.1 * noise
    return x, 10_000.0


def six_tones(seed: int = 0) -> tuple[NDArray[np.float64], float]:
    """Six tones one after the other, each from its zero phase.

    Args:
        seed: of the noise, white, standard deviation 0.2.

    Returns:
        6636 samples, and their rate of 1 kHz.
    """
    lengths, frequencies = (1484, 1153, 635, 361, 1796, 1207), (50, 228, 65, 171, 30, 144)
    tones = [
        np.sin(2 * np.pi * frequency * np.arange(length) / 1000)
        for length, frequency in zip(lengths, frequencies, strict=True)
    ]
    noise = np.random.default_rng(seed).standard_normal(sum(lengths))
    return np.concatenate(tones) + 0.2 * noise, 1000.0


def speech() -> tuple[NDArray[np.float64], float]:
    """`sample_audio/speech.wav`, a real recording of 5.7 s, and its rate of 8 kHz."""
    samples, rate = soundfile.read(_SAMPLES / "speech.wav")
    return samples, float(rate)


def _block(rng: np.random.Generator, size: int, sample_rate: int) -> FloatArray:
    x = 0.003 * rng.standard_normal(size, dtype=np.float32)
    for _ in range(12):
        start = int(rng.integers(0, size - sample_rate // 5))
        length = min(int(rng.uniform(0.15, 2.0) * sample_rate), size - start)
        x[start : start + length] += _note(rng, length, sample_rate)
    for start in rng.integers(0, size - sample_rate // 100, size=3):
        length = sample_rate // 100
        decay = np.exp(-np.arange(length) / (0.001 * sample_rate))
        x[start : start + length] += (0.3 * decay * rng.standard_normal(length)).astype(np.float32)
    clipped: FloatArray = np.clip(x, -1, 1)
    return clipped


def _note(rng: np.random.Generator, length: int, sample_rate: int) -> FloatArray:
    """A decaying harmonic tone, 65 Hz to 1 kHz, half of them with vibrato."""
    t = np.arange(length, dtype=np.float32) / np.float32(sample_rate)
    pitch = 65.4 * 2 ** (rng.integers(0, 48) / 12)
    depth = 0.01 * rng.integers(0, 2)
    phase = 2 * np.pi * pitch * (t - depth / (2 * np.pi * 5.5) * np.cos(2 * np.pi * 5.5 * t))
    envelope = np.minimum(t / 0.01, 1) * np.exp(-t * rng.uniform(1, 6))
    envelope *= np.minimum(np.arange(length, 0, -1) / (0.02 * sample_rate), 1)
    harmonics = np.arange(1, _HARMONICS + 1)
    harmonics = harmonics[harmonics * pitch < 0.45 * sample_rate]
    tone = np.zeros(length)
    for k in harmonics:
        tone += np.sin(k * phase) / k
    note: FloatArray = (0.1 * envelope * tone).astype(np.float32)
    return note
