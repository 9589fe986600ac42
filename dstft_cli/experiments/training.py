"""One network trained on the spectrogram of a layer, whose window is learned with it or stays."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dstft_cli.stft import DSTFT


class Data(NamedTuple):
    """Signals `[B, N]` with what is to be found in them, to train on and held out."""

    signals: Tensor
    targets: Tensor
    held_out: Tensor
    held_out_targets: Tensor


@dataclass(frozen=True)
class Task:
    """A network, what it is to do, and how it is trained.

    Attributes:
        n_fft, hop_length: of the layer, samples.
        network: makes a new one; it takes powers `[B, F, T]`.
        loss: of outputs and targets.
        score: of outputs and targets; what is reported.
        lower_is_better: of the score.
        steps, batch: of Adam, whose learning rate falls to zero by a cosine.
        lr: of the network's weights.
        length_lr: of the logarithm of the window length.
    """

    n_fft: int
    hop_length: int
    network: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    score: Callable[[Tensor, Tensor], float]
    lower_is_better: bool
    steps: int
    batch: int
    lr: float
    length_lr: float


@dataclass(frozen=True)
class Trained:
    """What came of one training.

    Attributes:
        score: on the signals held out.
        win_length: at the end, samples.
        seconds: processor time, without the evaluation.
        lengths: window length at the start and after every step, samples.
    """

    score: float
    win_length: float
    seconds: float
    lengths: tuple[float, ...]


def train(task: Task, data: Data, win_length: float, seed: int, *, learned: bool) -> Trained:
    """Trains on batches drawn at random; a window that stays gets its spectrogram computed once.

    Args:
        task, data: as above.
        win_length: of the start, samples.
        seed: of the weights at the start and of the batches, the same for every window.
        learned: whether the window length is a parameter.
    """
    began = time.thread_time()
    layer = DSTFT(
        task.n_fft, task.hop_length, win_length, window_mode="constant" if learned else "fixed"
    )
    network = seeded_network(task, seed)
    groups = [{"params": network.parameters(), "lr": task.lr}]
    if learned:
        groups.append({"params": layer.parameters(), "lr": task.length_lr})
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, task.steps)
    generator = torch.Generator().manual_seed(seed)
    still = None if learned else power(layer, data.signals).detach()
    lengths = [win_length]
    with torch.enable_grad():
        for _ in range(task.steps):
            batch = torch.randint(0, len(data.signals), (task.batch,), generator=generator)
            seen = power(layer, data.signals[batch]) if still is None else still[batch]
            loss = task.loss(network(seen), data.targets[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            lengths.append(float(layer.window_length.detach()))
    seconds = time.thread_time() - began
    with torch.no_grad():
        score = task.score(network(power(layer, data.held_out)), data.held_out_targets)
    return Trained(score, lengths[-1], seconds, tuple(lengths))


def power(layer: DSTFT, signals: Tensor) -> Tensor:
    """|X|², `[B, F, T]`."""
    X: Tensor = layer(signals)
    return X.abs().square()


def seeded_network(task: Task, seed: int) -> nn.Module:
    """A new network, its weights drawn from a generator of its own: threads share the global one."""
    network = task.network()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in network.parameters():
            bound = max(weight.shape[-1], 1) ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
    return network
