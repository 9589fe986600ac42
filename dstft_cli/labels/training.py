"""Training of a network on power spectrograms, with a window that is learned with it or fixed."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from dstft_cli.layer import DSTFT
from dstft_cli.run.optimize import optimize

HOPS, GRID = 8, (1 / 8, 1 / 4, 3 / 8, 1 / 2, 3 / 4, 1.0)  # frames, window lengths, in n_fft
START = 8**-0.5  # of a learned window, in n_fft: the middle of the grid on a logarithmic scale
MOST_SIGNALS = 256  # of those that `optimize` learns a window from; every k-th
_KEPT = 1 << 26  # cells of spectrograms of a fixed window that are computed once
_AT_ONCE = 256  # signals that are evaluated


class Data(NamedTuple):
    """Signals `[B, N]` with targets, for training and held out."""

    signals: Tensor
    targets: Tensor
    held_out: Tensor
    held_out_targets: Tensor


@dataclass(frozen=True)
class Task:
    """A network, its loss and score, and settings of Adam; lengths in samples."""

    n_fft: int
    hop_length: int
    network: Callable[[], nn.Module]  # makes a new one, which takes powers `[B, F, T]`
    loss: Callable[[Tensor, Tensor], Tensor]  # of outputs and targets
    score: Callable[[Tensor, Tensor], float]  # likewise; what is reported
    lower_is_better: bool  # of the score
    steps: int  # in which the learning rates fall to zero by a cosine
    batch: int
    lr: float  # of the network's weights
    length_lr: float  # of the logarithm of the window length


class Trained(NamedTuple):
    score: float  # on the signals held out
    win_length: float  # at the end, samples
    seconds: float  # processor time, without the evaluation
    lengths: tuple[float, ...]  # window length at the start and after every step, samples
    outputs: Tensor  # of the network, for the signals held out


class Patches(nn.Module):
    """Scores `[B, C]` of powers `[B, F, T]`: patches of 9 bins by 7 frames, one layer, mean and maximum."""

    def __init__(self, classes: int, n_fft: int, channels: int = 16) -> None:
        super().__init__()
        self.bins_apart = max(n_fft // 64, 1)
        self.inner = nn.Linear(9 * 7, channels)
        self.outer = nn.Linear(2 * channels, classes)

    def forward(self, power: Tensor) -> Tensor:
        levels = torch.log(power + 0.1)
        levels = levels - levels.mean((1, 2), keepdim=True)
        patches = levels.unfold(1, 9, self.bins_apart).unfold(2, 7, 2).flatten(-2).flatten(1, 2)
        found = torch.relu(self.inner(patches))
        scored: Tensor = self.outer(torch.cat([found.mean(1), found.amax(1)], -1))
        return scored


def classifier(classes: int, n_fft: int, steps: int, batch: int) -> Task:
    """The task of telling classes apart."""
    return Task(
        n_fft=n_fft,
        hop_length=n_fft // HOPS,
        network=partial(Patches, classes, n_fft),
        loss=nn.functional.cross_entropy,
        score=lambda found, truth: float((found.argmax(-1) == truth).double().mean()),
        lower_is_better=False,
        steps=steps,
        batch=batch,
        lr=0.01,
        length_lr=0.1,
    )


def train(task: Task, data: Data, win_length: float, seed: int, *, learned: bool) -> Trained:
    """Trains on random batches, which like the first weights depend on the seed only, not on the window."""
    began = time.thread_time()
    layer = DSTFT(
        task.n_fft, task.hop_length, win_length, window_mode="constant" if learned else "fixed"
    )
    network, generator = task.network(), torch.Generator().manual_seed(seed)
    with torch.no_grad():  # with a generator of its own, because threads share the global one
        for weight in network.parameters():
            bound = max(weight.shape[-1], 1) ** -0.5
            weight.uniform_(-bound, bound, generator=generator)
    groups = [{"params": network.parameters(), "lr": task.lr}]
    if learned:
        groups.append({"params": layer.parameters(), "lr": task.length_lr})
    optimizer = torch.optim.Adam(groups)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, task.steps)
    generator = torch.Generator().manual_seed(seed)

    def power(signals: Tensor) -> Tensor:
        X: Tensor = layer(signals)
        return X.abs().square()

    few = data.signals.numel() * task.n_fft // (2 * task.hop_length) <= _KEPT
    still = power(data.signals).detach() if few and not learned else None
    lengths = [win_length]
    with torch.enable_grad():
        for _ in range(task.steps):
            batch = torch.randint(0, len(data.signals), (task.batch,), generator=generator)
            seen = power(data.signals[batch]) if still is None else still[batch]
            loss = task.loss(network(seen), data.targets[batch])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            lengths.append(float(layer.window_length.detach()))
    seconds = time.thread_time() - began
    with torch.no_grad():
        parts = torch.split(data.held_out, _AT_ONCE)
        outputs = torch.cat([network(power(part)) for part in parts])
        score = task.score(outputs, data.held_out_targets)
    return Trained(score, lengths[-1], seconds, tuple(lengths), outputs)


def sparsest(
    task: Task, signals: Tensor, sample_rate: float, shortest: float, **asked: Any
) -> float:
    """The window length, samples, that `optimize` learns from all these signals, without labels."""
    with torch.enable_grad():  # which `map_in_order` switches off
        found = optimize(
            signals[:: -(-len(signals) // MOST_SIGNALS)],
            sample_rate,
            n_fft=task.n_fft,
            hop_length=task.hop_length,
            win_length_min=shortest,
            window_mode="constant",
            overlap=1.0,
            **asked,
        )
    return float(found.window_length.item())
