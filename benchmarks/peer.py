"""The method's published recipe: the peer library's layer under Adam with a plateau schedule.

It is optional: `pip install --no-deps dstft==3.0.0` (its import name is `dstft`).
"""

from __future__ import annotations

import importlib
import time
from dataclasses import dataclass
from typing import Any

import torch

ABSENT = "the peer library is not installed: pip install --no-deps dstft==3.0.0"
PATIENCE = 10
NEAR = 0.01  # nats above the end
_LEAST_SHARE = 1e-3  # of the learning rate at the start
_MOST_STEPS = 3000


@dataclass(frozen=True)
class Descent:
    """What the recipe reached, and when.

    Attributes:
        value: the least entropy met, nats.
        steps: gradients computed.
        seconds: wall time of all steps.
        near_seconds: wall time until the value was first within `NEAR` of the least.
        finished: the learning rate had decayed; False where the time was up before.
    """

    value: float
    steps: int
    seconds: float
    near_seconds: float
    finished: bool


def load() -> Any | None:
    """The peer library, or None where it is not installed."""
    try:
        return importlib.import_module("dstft")
    except ImportError:
        return None


def learn(
    library: Any,
    signal: torch.Tensor,
    *,
    window_mode: str,
    n_fft: int,
    hop_length: float,
    win_length: float,
    win_length_min: float,
    learning_rate: float,
    most_seconds: float,
) -> Descent:
    """Descends the entropy of |X| from one start until the learning rate has fallen a thousandfold.

    Args:
        library: from `load`.
        signal: `[N]`, float64.
        window_mode: `constant`, `time`, `frequency` or `time-frequency`; the layer builds a tensor
            `[1, F, T, n_fft]` for the last two.
        n_fft, hop_length, win_length, win_length_min: samples; lengths up to n_fft are allowed.
        learning_rate: of Adam at the start, in the layer's own unbounded parameters.
        most_seconds: no step begins after these.
    """
    layer = library.DSTFT(
        n_fft=n_fft,
        hop_length=hop_length,
        win_length=win_length,
        win_length_min=win_length_min,
        win_length_max=n_fft,
        window_mode=window_mode,
    ).double()
    x = signal[None, :]
    layer.initialize(x)
    optimizer = torch.optim.Adam(layer.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=PATIENCE)
    values: list[float] = []
    seconds: list[float] = []
    began = time.perf_counter()
    while optimizer.param_groups[0]["lr"] > learning_rate * _LEAST_SHARE:
        if len(values) == _MOST_STEPS or (seconds and seconds[-1] >= most_seconds):
            break
        magnitude, _ = layer(x)
        share = magnitude / magnitude.sum()
        entropy = -(share * share.log()).sum()
        optimizer.zero_grad()
        entropy.backward()
        optimizer.step()
        schedule.step(entropy.item())
        values.append(entropy.item())
        seconds.append(time.perf_counter() - began)
    least = min(values)
    near = next(s for v, s in zip(values, seconds, strict=True) if v <= least + NEAR)
    finished = optimizer.param_groups[0]["lr"] <= learning_rate * _LEAST_SHARE
    return Descent(least, len(values), seconds[-1], near, finished)
