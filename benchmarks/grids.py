"""What is done without learning: `torch.stft` with every window length of a grid, the best kept."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Best:
    """The best window length of a grid.

    Attributes:
        value: entropy of |X|, nats.
        length: samples.
        transforms: lengths that were tried.
        seconds: wall time of all.
    """

    value: float
    length: int
    transforms: int
    seconds: float


def integers(low: int, high: int) -> range:
    """Every length from `low` to `high` samples."""
    return range(low, high + 1)


def powers_of_two(low: int, high: int) -> list[int]:
    """The powers of two from `low` to `high` samples."""
    return [1 << e for e in range(high.bit_length()) if low <= 1 << e <= high]


def search(signal: Tensor, n_fft: int, hop_length: int, lengths: Iterable[int]) -> Best:
    """Entropy of |X| for each length, one `torch.stft` each.

    Args:
        signal: `[N]`.
        n_fft, hop_length: samples.
        lengths: up to n_fft, at least one.
    """
    began = time.perf_counter()
    values = {length: entropy(signal, n_fft, hop_length, length) for length in lengths}
    length = min(values, key=values.__getitem__)
    return Best(values[length], length, len(values), time.perf_counter() - began)


def entropy(signal: Tensor, n_fft: int, hop_length: int, length: int) -> float:
    """Shannon entropy of |X| under a Hann window of this length, nats."""
    X = torch.stft(
        signal,
        n_fft,
        hop_length,
        length,
        window=torch.hann_window(length, dtype=signal.dtype),
        pad_mode="constant",
        return_complex=True,
    )
    a = X.abs()
    total = a.sum()
    return float(total.log() - torch.special.xlogy(a, a).sum() / total)
