"""A window learned from the signals alone by `optimize`, then kept while the network is trained."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from dstft_cli.experiments.grid import Compared, mean_seconds, scores
from dstft_cli.experiments.statistics import verdict
from dstft_cli.experiments.training import Data, Task, Trained, train
from dstft_cli.fit import optimize
from dstft_cli.names import Progress
from dstft_cli.stft.blocks import map_in_order

MOST_SIGNALS = 256  # of those that the window is learned from; every k-th


@dataclass(frozen=True)
class Frozen:
    """The trainings, one per seed.

    Attributes:
        trained: on the windows that were found.
        search_seconds: processor time of finding each.
    """

    trained: Sequence[Trained]
    search_seconds: Sequence[float]

    @property
    def seconds(self) -> float:
        """Processor time of finding the window and training, mean over seeds."""
        return mean_seconds(self.trained) + sum(self.search_seconds) / len(self.search_seconds)

    def verdict(self, compared: Compared) -> str:
        """Over the grid's best."""
        best = scores(compared.fixed[compared.best_length])
        lower = compared.lower_is_better
        return verdict(scores(self.trained), best, lower_is_better=lower)

    def figures(self) -> dict[str, Any]:
        """Every number, in plain types."""
        of = scores(self.trained)
        return {
            "scores": [one.score for one in self.trained],
            "mean": of.mean,
            "deviation": of.deviation,
            "confidence_half_width": of.half_width,
            "seconds": [one.seconds for one in self.trained],
            "search_seconds": list(self.search_seconds),
            "win_lengths": [one.win_length for one in self.trained],
        }


def learn_and_freeze(
    task: Task,
    datasets: Sequence[Data],
    seeds: Sequence[int],
    sample_rate: float,
    shortest: float,
    *,
    threads: int,
    progress: Progress | None,
) -> Frozen:
    """The window of least entropy of all training signals together, and a training on it."""

    def work(index: int) -> tuple[Trained, float]:
        began = time.thread_time()
        signals = datasets[index].signals
        with (
            torch.enable_grad()
        ):  # the descent asks autograd, which `map_in_order` has switched off
            found = optimize(
                signals[:: -(-len(signals) // MOST_SIGNALS)],
                sample_rate,
                n_fft=task.n_fft,
                hop_length=task.hop_length,
                win_length_min=shortest,
                overlap=1.0,
                threads=1,
            )
        seconds = time.thread_time() - began
        length = float(found.window_length.item())
        return train(task, datasets[index], length, seeds[index], learned=False), seconds

    done = []
    for one in map_in_order(work, range(len(seeds)), threads):
        done.append(one)
        if progress is not None:
            progress("learned by optimize", len(done), len(seeds))
    return Frozen([trained for trained, _ in done], [seconds for _, seconds in done])
