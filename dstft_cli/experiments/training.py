"""The result of an experiment; trainings with a learned window, or with each of a grid, compared."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from dstft_cli.labels.training import Data, Task, Trained, sparsest, train
from dstft_cli.records import Progress, tell
from dstft_cli.stft import map_in_order

Cell = str | int | float | None
CONFIDENCE = 0.95
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

    @property
    def figures(self) -> dict[str, Any]:
        """Scores and times in plain types."""
        of, names = self.score, ("mean", "deviation", "confidence_half_width")
        scores, seconds = ([getattr(one, of) for one in self.runs] for of in ("score", "seconds"))
        return {"scores": scores, **dict(zip(names, of, strict=True)), "seconds": seconds}

    @property
    def learned_figures(self) -> dict[str, Any]:
        """The same with the lengths learned, their way, or the time of finding them before."""
        lengths = {"win_lengths": [one.win_length for one in self.runs]}
        way = {"trajectories": [list(one.lengths) for one in self.runs]}
        before = {"search_seconds": list(self.search_seconds)}
        return self.figures | lengths | (before if self.search_seconds else way)


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
        """`better`, `equal` or `worse` than the grid's best; `equal` is within the latter's deviation."""
        best = self.fixed[self.best_length].score
        gain = (best.mean - ours.score.mean) * (1 if self.lower_is_better else -1)
        if abs(gain) <= best.deviation:
            return "equal"
        return "better" if gain > 0 else "worse"

    @property
    def grid_seconds(self) -> float:
        return sum(trained.seconds for trained in self.fixed.values())

    def figures(self) -> dict[str, Any]:
        fixed = self.fixed.items()
        return {
            "fixed": [{"win_length": n} | of.figures for n, of in fixed],
            "joint": self.joint.learned_figures,
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
            began, data, rate = time.thread_time(), self.datasets[index], sample_rate
            length = sparsest(task, data.signals, rate, shortest, scope="plane", threads=1)
            seconds = time.thread_time() - began
            return train(task, data, length, self.seeds[index], learned=False), seconds

        done = self._each(work, range(len(self.seeds)), "learned by optimize")
        return Trainings([trained for trained, _ in done], [seconds for _, seconds in done])

    def _each(self, work: Callable[[Any], Any], jobs: Sequence[Any], stage: str) -> list[Any]:
        done = []
        for found in map_in_order(work, jobs, self.threads):
            done.append(found)
            tell(self.progress, stage, len(done), len(jobs))
        return done
