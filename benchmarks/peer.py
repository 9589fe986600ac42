"""The method's published recipe: the peer library's layer under Adam with a plateau schedule.

It is optional: `pip install --no-deps dstft==3.0.0` (its import name is `dstft`).
"""

from __future__ import annotations

import importlib
from typing import Any

import torch

LEARNING_RATE = 0.1
PATIENCE = 10
_LEAST_RATE = 1e-4
_MOST_STEPS = 3000


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
) -> tuple[float, int]:
    """Descends the entropy of |X| from one start until the learning rate has fallen a thousandfold.

    Args:
        library: from `load`.
        signal: `[N]`, float64.
        window_mode: `constant` or `time`.
        n_fft, hop_length, win_length, win_length_min: samples; lengths up to n_fft are allowed.

    Returns:
        The least entropy met, nats, and the number of steps.
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
    optimizer = torch.optim.Adam(layer.parameters(), lr=LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=PATIENCE)
    best, steps = float("inf"), 0
    while optimizer.param_groups[0]["lr"] > _LEAST_RATE and steps < _MOST_STEPS:
        magnitude, _ = layer(x)
        share = magnitude / magnitude.sum()
        entropy = -(share * share.log()).sum()
        optimizer.zero_grad()
        entropy.backward()
        optimizer.step()
        schedule.step(entropy.item())
        best, steps = min(best, entropy.item()), steps + 1
    return best, steps
