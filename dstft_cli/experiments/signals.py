"""The signals of the experiments, made from a seed."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

FloatArray = NDArray[np.float64]

SIX_LENGTHS = (1484, 1153, 635, 361, 1796, 1207)  # samples
SIX_FREQUENCIES = (50, 228, 65, 171, 30, 144)  # Hz


def swinging_tone(seed: int) -> tuple[FloatArray, float]:
    """`sin(Σf/200) + sin(Σ500/200) + 0.1·noise`, `f = 100 sin(2πt) + 100 + 50t`; arXiv 2506.21440."""
    t = np.arange(25_000) / 10_000
    swing = 100 * np.sin(2 * np.pi * t) + 100 + 50 * t
    noise = np.random.default_rng(seed).standard_normal(len(t))
    steady = np.full(len(t), 500.0)
    x = np.sin(np.cumsum(swing) / 200) + np.sin(np.cumsum(steady) / 200) + 0.1 * noise
    return x, 10_000.0


def six_tones(seed: int) -> tuple[FloatArray, float]:
    """Six tones one after the other, each from phase zero, and noise of standard deviation 0.2; 1 kHz."""
    tones = [
        np.sin(2 * np.pi * frequency * np.arange(length) / 1000)
        for length, frequency in zip(SIX_LENGTHS, SIX_FREQUENCIES, strict=True)
    ]
    noise = np.random.default_rng(seed).standard_normal(sum(SIX_LENGTHS))
    return np.concatenate(tones) + 0.2 * noise, 1000.0


def wandering_tones(
    count: int, length: int, sample_rate: float, snr_db: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Tones of 0.25 of the rate and two sines of 1 to 4 Hz, in noise; their frequencies, Hz, [B, N]."""
    t = torch.arange(length) / sample_rate
    frequency = torch.full((count, length), 0.25 * sample_rate)
    for _ in range(2):
        rate = _uniform(count, 1.0, 4.0, generator)
        depth = _uniform(count, 0.03, 0.09, generator) * sample_rate
        angle = _uniform(count, 0.0, 2 * math.pi, generator)
        frequency = frequency + depth * torch.sin(2 * math.pi * rate * t + angle)
    noise = math.sqrt(0.5) * 10 ** (-snr_db / 20)
    tones = _tone(frequency / sample_rate, generator)
    return tones + noise * torch.randn(count, length, generator=generator), frequency


CLASSES: tuple[str, ...] = (
    *("slow rise", "slow fall", "fast rise", "fast fall", "close bursts", "wide bursts"),
    *("slow beat", "fast beat", "vibrato"),
)


def sounds(
    each: int, length: int, sample_rate: float, noise: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """`each` sounds of every class of `CLASSES`, `[9·each, N]`, and their classes `[9·each]`.

    Chirps of ±400 and ±1600 Hz/s, bursts every 25 and 37.5 ms, tones whose amplitude beats at 16 and 40 Hz
    or whose frequency swings by 60 Hz at 10 Hz; pitches of 700 to 1300 Hz. `noise` is relative to them.
    """
    t = torch.arange(length) / sample_rate

    def uniform(low: float, high: float) -> Tensor:
        return _uniform(each, low, high, generator)

    def pitch() -> Tensor:
        return uniform(700.0, 1300.0) + 0 * t

    def tone(frequency: Tensor) -> Tensor:
        return _tone(frequency / sample_rate, generator)

    def bursts(spacing: float) -> Tensor:
        since = (t + uniform(0.0, spacing)) % spacing
        return torch.exp(-since / 0.0025) * tone(pitch())

    def swing(rate: float) -> Tensor:
        return torch.sin(2 * math.pi * rate * t + uniform(0.0, 2 * math.pi))

    middle = length / sample_rate / 2
    parts = [tone(pitch() + rate * (t - middle)) for rate in (400.0, -400.0, 1600.0, -1600.0)]
    parts += [bursts(spacing) for spacing in (0.025, 0.0375)]
    parts += [(1 + swing(rate)) * tone(pitch()) for rate in (16.0, 40.0)]
    parts.append(tone(pitch() + 60.0 * swing(10.0)))
    signals = torch.cat(parts)
    signals = signals / signals.square().mean(-1, keepdim=True).sqrt()
    signals = signals + noise * torch.randn(signals.shape, generator=generator)
    return signals, torch.arange(len(CLASSES)).repeat_interleave(each)


def _uniform(count: int, low: float, high: float, generator: torch.Generator) -> Tensor:
    return low + (high - low) * torch.rand(count, 1, generator=generator)


def _tone(cycles: Tensor, generator: torch.Generator) -> Tensor:
    """Sines of `cycles` per sample, `[B, N]`, from random phases, float32."""
    start = _uniform(len(cycles), 0.0, 2 * math.pi, generator)
    return torch.sin(2 * math.pi * cycles.double().cumsum(-1) + start).float()
