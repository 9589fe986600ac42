"""A window that is learned with a network, against the same network on every window of a grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dstft_cli.experiments.findings import Cell
from dstft_cli.experiments.statistics import Spread, spread, verdict
from dstft_cli.experiments.training import Data, Task, Trained, train
from dstft_cli.names import Progress
from dstft_cli.stft.blocks import map_in_order


@dataclass(frozen=True)
class Compared:
    """All trainings on the data of several seeds.

    Attributes:
        fixed: by window length of the grid, samples, one training per seed.
        joint: those that learned their window, one per seed.
        lower_is_better: of the score.
    """

    fixed: Mapping[float, Sequence[Trained]]
    joint: Sequence[Trained]
    lower_is_better: bool

    @property
    def best_length(self) -> float:
        """Window length of the grid with the best mean score: found on what is held out."""
        sign = 1 if self.lower_is_better else -1
        return min(self.fixed, key=lambda length: sign * scores(self.fixed[length]).mean)

    @property
    def verdict(self) -> str:
        """Of the joint training over the grid's best: `better`, `equal` or `worse`."""
        best = scores(self.fixed[self.best_length])
        return verdict(scores(self.joint), best, lower_is_better=self.lower_is_better)

    @property
    def grid_seconds(self) -> float:
        """Processor time of all trainings of the grid for one seed, mean over seeds."""
        return sum(mean_seconds(trained) for trained in self.fixed.values())

    def figures(self) -> dict[str, Any]:
        """Every number, in plain types."""
        return {
            "fixed": [
                {"win_length": length} | _figures(trained) for length, trained in self.fixed.items()
            ],
            "joint": _figures(self.joint)
            | {
                "win_lengths": [t.win_length for t in self.joint],
                "trajectories": [list(t.lengths) for t in self.joint],
            },
            "best_fixed_win_length": self.best_length,
            "verdict": self.verdict,
            "grid_seconds": self.grid_seconds,
        }


def compare(
    task: Task,
    datasets: Sequence[Data],
    grid: Sequence[float],
    start: float,
    seeds: Sequence[int],
    *,
    threads: int,
    progress: Progress | None,
    stage: str,
) -> Compared:
    """Trains on every window of the grid, and once from `start` with a window that learns.

    Args:
        task: what is trained.
        datasets, seeds: one data set per seed.
        grid, start: window lengths, samples.
        threads: trainings at a time, each on one.
        progress, stage: told after every training.
    """
    jobs = [(length, index) for length in (*grid, None) for index in range(len(seeds))]

    def work(job: tuple[float | None, int]) -> Trained:
        length, index = job
        first = start if length is None else length
        return train(task, datasets[index], first, seeds[index], learned=length is None)

    done = []
    for trained in map_in_order(work, jobs, threads):
        done.append(trained)
        if progress is not None:
            progress(stage, len(done), len(jobs))
    count = len(seeds)
    parts = [done[at : at + count] for at in range(0, len(done), count)]
    return Compared(dict(zip(grid, parts[:-1], strict=True)), parts[-1], task.lower_is_better)


def scores(trained: Sequence[Trained]) -> Spread:
    """Over seeds."""
    return spread([one.score for one in trained])


def mean_seconds(trained: Sequence[Trained]) -> float:
    """Processor time of one training, mean over seeds."""
    return sum(one.seconds for one in trained) / len(trained)


def learned_lengths(trained: Sequence[Trained]) -> Cell:
    """The window length that was learned, samples, or the least and the greatest over seeds."""
    low = min(one.win_length for one in trained)
    high = max(one.win_length for one in trained)
    return f"{low:.1f}" if len(trained) == 1 else f"{low:.1f}…{high:.1f}"


WORDS = {
    "better": "better than the grid's best",
    "equal": "equal to the grid's best, within its deviation",
    "worse": "worse than the grid's best",
}


def _figures(trained: Sequence[Trained]) -> dict[str, Any]:
    of = scores(trained)
    return {
        "scores": [one.score for one in trained],
        "mean": of.mean,
        "deviation": of.deviation,
        "confidence_half_width": of.half_width,
        "seconds": [one.seconds for one in trained],
    }
