"""The result of an experiment; training of a network with a learned window, or with each of a grid."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy import stats
from torch import Tensor, nn

from dstft_cli.records import Progress
from dstft_cli.run.optimize import optimize
from dstft_cli.stft import DSTFT, map_in_order

Cell = str | int | float | None
CONFIDENCE = 0.95
MOST_SIGNALS = 256  # of those that `optimize` learns a window from; every k-th
WORDS = {
    "better": "better than the grid's best",
    "equal": "equal to the grid's best, within its deviation",
    "worse": "worse than the grid's best",
}


@dataclass(frozen=True)
class Table:
    """Rows under named columns; units are in the column names, an empty cell is None."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]

    def text(self) -> list[list[str]]:
        return [[shown(cell) for cell in row] for row in self.rows]


@dataclass(frozen=True)
class Findings:
    title: str
    settings: Mapping[str, Any]  # all settings
    table: Table  # the main numbers
    notes: tuple[str, ...]  # conclusions and limits, in sentences
    figures: Mapping[str, Any]  # every number, in plain JSON types
    picture: bytes  # a PNG file


def shown(cell: Cell) -> str:
    """The text of a cell: numbers to six digits, small ones to two."""
    if cell is None:
        return ""
    if not isinstance(cell, float):
        return str(cell)
    return f"{cell:.2g}" if abs(cell) < 1e-3 else f"{cell:.6g}"


class Spread(NamedTuple):
    """Statistics over several seeds."""

    mean: float
    deviation: float  # n − 1 in the denominator; 0 for a single value
    half_width: float  # of the mean's 95 % interval, by Student's t; infinite for a single value


def spread(values: Sequence[float]) -> Spread:
    """Mean, standard deviation and confidence interval of at least one value."""
    count = len(values)
    mean = float(np.mean(values))
    if count < 2:
        return Spread(mean, 0.0, math.inf)
    deviation = float(np.std(values, ddof=1))
    quantile = float(stats.t.ppf((1 + CONFIDENCE) / 2, count - 1))
    return Spread(mean, deviation, quantile * deviation / math.sqrt(count))


def verdict(ours: Spread, best: Spread, *, lower_is_better: bool) -> str:
    """`better`, `equal` or `worse` than `best`; `equal` is within the latter's deviation."""
    gain = best.mean - ours.mean if lower_is_better else ours.mean - best.mean
    if abs(gain) <= best.deviation:
        return "equal"
    return "better" if gain > 0 else "worse"


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

    still = None if learned else power(data.signals).detach()
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
        score = task.score(network(power(data.held_out)), data.held_out_targets)
    return Trained(score, lengths[-1], seconds, tuple(lengths))


@dataclass(frozen=True)
class Trainings:
    """The same training with several seeds."""

    runs: Sequence[Trained]
    search_seconds: Sequence[float] = ()  # processor time of finding the window before each

    @property
    def score(self) -> Spread:
        return spread([one.score for one in self.runs])

    @property
    def seconds(self) -> float:
        return sum([one.seconds for one in self.runs] + [*self.search_seconds]) / len(self.runs)

    @property
    def lengths(self) -> Cell:
        found = [one.win_length for one in self.runs]
        low, high = min(found), max(found)
        return f"{low:.1f}" if len(found) == 1 else f"{low:.1f}…{high:.1f}"

    def figures(self, *, learned: bool = True) -> dict[str, Any]:
        """Scores and times in plain types; learned lengths, and the time of finding them before."""
        mean, deviation, half_width = self.score
        found: dict[str, Any] = {"scores": [one.score for one in self.runs], "mean": mean}
        found |= {"deviation": deviation, "confidence_half_width": half_width}
        found["seconds"] = [one.seconds for one in self.runs]
        if not learned:
            return found
        found["win_lengths"] = [one.win_length for one in self.runs]
        if self.search_seconds:
            return found | {"search_seconds": list(self.search_seconds)}
        return found | {"trajectories": [list(one.lengths) for one in self.runs]}


@dataclass(frozen=True)
class Compared:
    """All trainings on the data of several seeds."""

    fixed: Mapping[float, Trainings]  # by window length of the grid, samples
    joint: Trainings  # those that learned their window
    lower_is_better: bool  # of the score

    @property
    def best_length(self) -> float:
        sign = 1 if self.lower_is_better else -1
        return min(self.fixed, key=lambda length: sign * self.fixed[length].score.mean)

    def verdict(self, ours: Trainings) -> str:
        best = self.fixed[self.best_length].score
        return verdict(ours.score, best, lower_is_better=self.lower_is_better)

    @property
    def grid_seconds(self) -> float:
        return sum(trained.seconds for trained in self.fixed.values())

    def figures(self) -> dict[str, Any]:
        fixed = self.fixed.items()
        return {
            "fixed": [{"win_length": n} | of.figures(learned=False) for n, of in fixed],
            "joint": self.joint.figures(),
            "best_fixed_win_length": self.best_length,
            "verdict": self.verdict(self.joint),
            "grid_seconds": self.grid_seconds,
        }

    def rows(
        self, shown: Callable[[Spread], tuple[Cell, ...]], **others: Trainings
    ) -> list[tuple[Cell, ...]]:
        """A table's rows, with `shown` of each score: the grid, what was learned, and the whole grid."""
        rows: list[tuple[Cell, ...]] = []
        for length, of in self.fixed.items():
            note = "best of the grid" if length == self.best_length else None
            rows.append(("fixed", f"{length:g}", *shown(of.score), 1, of.seconds, note))
        for name, of in {"learned": self.joint, **others}.items():
            word = WORDS[self.verdict(of)]
            rows.append((name, of.lengths, *shown(of.score), 1, of.seconds, word))
        empty = [None] * (len(rows[0]) - 4)
        return [*rows, ("whole grid", *empty, len(self.fixed), self.grid_seconds, None)]

    def sentence(self, shown: Callable[[Spread], str]) -> str:
        return (
            f"{shown(self.joint.score)} in one training, the grid's best ({self.best_length:g} samples) "
            f"{shown(self.fixed[self.best_length].score)}: {WORDS[self.verdict(self.joint)]}, "
            f"at 1/{self.grid_seconds / self.joint.seconds:.1f} of the grid's cost"
        )


@dataclass(frozen=True)
class Bench:
    """A task, one data set per seed, and the number of trainings at a time."""

    task: Task
    datasets: Sequence[Data]
    seeds: Sequence[int]
    threads: int  # trainings at a time, each on one
    progress: Progress | None  # called after every training

    def settings(self, sample_rate: float) -> dict[str, Any]:
        task = self.task
        lengths = {"n_fft": task.n_fft, "hop_length": task.hop_length}
        rates = {"learning_rate": task.lr, "learning_rate_of_log_length": task.length_lr}
        return {"seeds": self.seeds, "sample_rate": sample_rate} | lengths | rates

    def compare(self, grid: Sequence[float], start: float, stage: str) -> Compared:
        """Trains on every window of the grid, and once from `start` with a window that learns."""
        count = len(self.seeds)
        jobs = [(length, index) for length in (*grid, None) for index in range(count)]

        def work(job: tuple[float | None, int]) -> Trained:
            length, index = job
            first = start if length is None else length
            data, seed = self.datasets[index], self.seeds[index]
            return train(self.task, data, first, seed, learned=length is None)

        done = self._each(work, jobs, stage)
        *fixed, joint = (Trainings(done[at : at + count]) for at in range(0, len(done), count))
        of_length = dict(zip(grid, fixed, strict=True))
        return Compared(of_length, joint, self.task.lower_is_better)

    def learn_before(self, sample_rate: float, shortest: float) -> Trainings:
        """Trainings on the window of least entropy of all training signals together, from `shortest` on."""
        task = self.task

        def work(index: int) -> tuple[Trained, float]:
            began = time.thread_time()
            signals = self.datasets[index].signals
            with torch.enable_grad():  # which `map_in_order` switches off
                found = optimize(
                    signals[:: -(-len(signals) // MOST_SIGNALS)],
                    sample_rate,
                    n_fft=task.n_fft,
                    hop_length=task.hop_length,
                    win_length_min=shortest,
                    window_mode="constant",
                    scope="plane",
                    overlap=1.0,
                    threads=1,
                )
            seconds, length = time.thread_time() - began, float(found.window_length.item())
            seed = self.seeds[index]
            return train(task, self.datasets[index], length, seed, learned=False), seconds

        done = self._each(work, range(len(self.seeds)), "learned by optimize")
        return Trainings([trained for trained, _ in done], [seconds for _, seconds in done])

    def _each(self, work: Callable[[Any], Any], jobs: Sequence[Any], stage: str) -> list[Any]:
        done = []
        for found in map_in_order(work, jobs, self.threads):
            done.append(found)
            if self.progress is not None:
                self.progress(stage, len(done), len(jobs))
        return done
