"""`dstft optimize --labels`: does the window matter for telling classes of recordings apart?

In each repetition every recording is held out once, with a third of its class. A network is trained on the
others: for each window of a grid, for the one of best sparsity, and with a window that it learns. Then
it names the class of each recording held out, by the mean over its pieces. The best and the worst fixed
window are chosen for each fold by the recordings outside of it, so no choice flatters. All intervals
are over recordings: Wilson's for an accuracy; for a difference that of Agresti and Min for matched
pairs (Statistics in Medicine 24, 2005), here of means over the repetitions.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from dstft_cli._version import __version__
from dstft_cli.labels.recordings import Recordings, read_classes
from dstft_cli.labels.training import GRID, START, Task, Trained, classifier, sparsest, train
from dstft_cli.plot.sweep import grid_figure
from dstft_cli.records import Progress, tell
from dstft_cli.results import LABELS, Output, peak_memory_mb
from dstft_cli.run.optimize import JobOutcome, Stopwatch, cpu_threads
from dstft_cli.settings import Settings
from dstft_cli.settings.option import time_text
from dstft_cli.stft import map_in_order

FOLDS, REPEATS = 3, 2
PIECES = 8  # duration of a piece, in n_fft
STEPS, BATCH = 200, 32  # of a training
Z = float(stats.norm.ppf(0.975))
Answers = NDArray[np.float64]  # 1 for a recording whose class was named, else 0, `[repeats, n]`
Row = Mapping[str, Any]


def run_labels(
    folders: Sequence[str],
    settings: Settings,
    *,
    stdout: BinaryIO | None = None,
    progress: Progress | None = None,
) -> JobOutcome:
    """Compares windows by the accuracy of a network on recordings in a folder for each class."""
    watch, places = Stopwatch(), [Path(folder) for folder in folders]
    around = os.path.commonpath([place.resolve() for place in places])
    with (
        Output.open(around, settings, stdout=stdout, products=LABELS) as output,
        cpu_threads(settings.threads) as threads,
    ):
        n_fft = settings.n_fft if isinstance(settings.n_fft, int) else None
        kind: dict[str, Any] = {"sample_rate": settings.sr, "highpass": settings.highpass}
        found = read_classes(places, PIECES, n_fft=n_fft, progress=progress, **kind)
        watch.lap("load")
        signals = torch.cat([one.pieces for one in found.all])
        task = classifier(len(found.classes), found.n_fft, STEPS, BATCH)
        grid, rate = [share * found.n_fft for share in GRID], found.sample_rate
        asked = {name: getattr(settings, name) for name in ("criterion", "scope", "order")}
        sparse = sparsest(task, signals, rate, grid[0], threads=threads, **asked)
        trials = Trials(found, task, settings.seed)
        answers, paths = trials.run([*grid, sparse, None], threads, progress)
        watch.lap("trainings")
        best, of_best = trials.picked(answers[: len(grid)], 1)
        worst, of_worst = trials.picked(answers[: len(grid)], -1)
        named = {"best_fixed": best, "criterion": answers[-2], "learned": answers[-1]}
        rows = [
            *(_row("fixed", [n], own, best) for n, own in zip(grid, answers, strict=False)),
            _row("best fixed", [grid[k] for k in of_best], best, best),
            _row("worst fixed", [grid[k] for k in of_worst], worst, best),
            _row(f"{settings.criterion}, without labels", [sparse], answers[-2], best),
            _row("learned with the labels", [path[-1] for path in paths], answers[-1], best),
        ]
        guess = max(found.counts.values()) / len(found.all)
        matters, sentence = verdict(rows, guess, rate)
        if output.holds_figures:
            output.write("labels.png", _picture(found, rows, paths))
        if output.directory is not None:
            output.write("labels.csv", _table(rows))
        watch.lap("write")
        lengths = {"n_fft": found.n_fft, "hop_length": task.hop_length, "grid": grid}
        design = {"start": paths[0][0], "steps": STEPS, "folds": FOLDS, "repeats": REPEATS}
        record = {
            "version": __version__,
            "settings": {**asked, "highpass": settings.highpass, "seed": settings.seed}
            | {**lengths, **design, "threads": threads},
            "input": {"path": around, "sample_rate": rate, "classes": found.counts},
            "verdict": sentence,
            "matters": matters,
            "guess": guess,
            "windows": rows,
            "recordings": [
                {"path": str(one.path), "class": found.classes[one.label]}
                | {name: float(own[:, index].mean()) for name, own in named.items()}
                for index, one in enumerate(found.all)
            ],
            "seconds": watch.times("load", "trainings", "write"),
            "peak_memory_mb": peak_memory_mb(),
            "warnings": list(found.warnings),
        }
        output.write_record(record)
    return JobOutcome(record, output.directory)


class Trials(NamedTuple):
    """Trainings with every recording held out once in each repetition."""

    found: Recordings
    task: Task
    seed: int

    @property
    def folds(self) -> list[tuple[int, list[int], list[int]]]:
        """Repetition, the order of all recordings, and in it those held out."""
        return [
            (repeat, order, [index for index in order if index in held])
            for repeat in range(REPEATS)
            for order, held in self.found.folds(FOLDS, self.seed + repeat)
        ]

    def run(
        self, windows: Sequence[float | None], threads: int, progress: Progress | None
    ) -> tuple[NDArray[np.float64], list[tuple[float, ...]]]:
        """The answers with each window, the last, None, learned; and its lengths in each fold."""
        found, folds, done = self.found, self.folds, list[Trained]()

        def work(job: tuple[float | None, tuple[int, list[int], list[int]]]) -> Trained:
            window, (repeat, order, held) = job
            start = START * found.n_fft if window is None else window
            data, seed = found.data(order, set(held)), self.seed + repeat
            return train(self.task, data, start, seed, learned=window is None)

        jobs = [(window, fold) for window in windows for fold in folds]
        for trained in map_in_order(work, jobs, threads):
            done.append(trained)
            tell(progress, "trainings", len(done), len(jobs))
        answers = np.zeros((len(windows), REPEATS, len(found.all)))
        for number, trained in enumerate(done):
            repeat, _, held = folds[number % len(folds)]
            pieces = [len(found.all[index].pieces) for index in held]
            parts = torch.split(trained.outputs.log_softmax(-1), pieces)
            for index, part in zip(held, parts, strict=True):
                right = int(part.mean(0).argmax()) == found.all[index].label
                answers[number // len(folds), repeat, index] = right
        return answers, [trained.lengths for trained in done[-len(folds) :]]

    def picked(self, fixed: NDArray[np.float64], sign: int) -> tuple[Answers, list[int]]:
        """Answers of the window that is best (sign −1: worst) outside of each fold, and which it is."""
        answers, chosen = np.zeros(fixed.shape[1:]), []
        for repeat, _, held in self.folds:
            others = np.delete(fixed[:, repeat], held, axis=1)
            chosen.append(int(np.argmax(sign * others.mean(1))))
            answers[repeat, held] = fixed[chosen[-1], repeat, held]
        return answers, chosen


def wilson(share: float, count: int) -> tuple[float, float]:
    """95 % interval of a share of `count` recordings."""
    middle, most = share + Z**2 / (2 * count), 1 + Z**2 / count
    half = Z * (share * (1 - share) / count + (Z / (2 * count)) ** 2) ** 0.5
    return max((middle - half) / most, 0.0), min((middle + half) / most, 1.0)


def difference(ours: Answers, theirs: Answers) -> tuple[float, float, float]:
    """The mean difference of two windows on the same recordings, and its 95 % interval."""
    gains = (ours - theirs).mean(0)
    count, total = len(gains) + 2, float(gains.sum())
    half = Z * (float(np.square(gains).sum()) + 1 - total**2 / count) ** 0.5 / count
    return float(gains.mean()), max(total / count - half, -1.0), min(total / count + half, 1.0)


def _row(window: str, lengths: Sequence[float], answers: Answers, best: Answers) -> Row:
    mean = float(answers.mean())
    low, high = wilson(mean, answers.shape[1])
    gain, least, most = difference(answers, best)
    return {
        "window": window,
        "win_length": float(np.median(lengths)),
        "win_length_min": min(lengths),
        "win_length_max": max(lengths),
        "accuracy": mean,
        "accuracy_from": low,
        "accuracy_to": high,
        "over_best_fixed": gain,
        "over_best_fixed_from": least,
        "over_best_fixed_to": most,
    }


def verdict(rows: Sequence[Row], guess: float, rate: float) -> tuple[bool, str]:
    """Whether the window matters, and the answer in one sentence."""
    best, worst, sparse, learned = rows[-4:]

    def told(row: Row) -> str:
        return f"{row['accuracy']:.0%} ({row['accuracy_from']:.0%} to {row['accuracy_to']:.0%})"

    def at(row: Row) -> str:
        return time_text(row["win_length"] / rate)

    def compared(row: Row) -> str:
        low, high = row["over_best_fixed_from"], row["over_best_fixed_to"]
        word = "better" if low > 0 else "worse" if high < 0 else "no difference shown"
        return f"{row['window']}, {at(row)}: {told(row)}, {word}"

    if max(row["accuracy_from"] for row in (best, sparse, learned)) <= guess:
        return False, (
            f"No window is shown to tell the classes apart better than guessing, {guess:.0%}: the best "
            f"fixed one, {at(best)}, names the class of {told(best)} of the recordings held out."
        )
    matters = worst["over_best_fixed_to"] < 0
    return matters, (
        f"The window {'matters' if matters else 'is not shown to matter'}: the best fixed one, "
        f"{at(best)}, names the class of {told(best)} of the recordings held out, the worst, "
        f"{at(worst)}, of {told(worst)}; {compared(learned)}; {compared(sparse)}."
    )


def _table(rows: Sequence[Row]) -> bytes:
    text = io.StringIO(newline="")
    lines = csv.DictWriter(text, rows[0])
    lines.writeheader()
    lines.writerows(rows)
    return text.getvalue().encode()


def _picture(found: Recordings, rows: Sequence[Row], paths: Sequence[Sequence[float]]) -> bytes:
    points: list[dict[str, Any]] = []
    for row in rows:
        mean, length = row["accuracy"], row["win_length"]
        bar = mean - row["accuracy_from"], row["accuracy_to"] - mean
        points.append({"win_length": length, "win_lengths": [length], "mean": mean, "bar": bar})
    *fixed, best, _, sparse, learned = points
    figures = {"fixed": fixed, "frozen": sparse, "joint": learned | {"trajectories": paths}}
    return grid_figure(
        {
            f"{len(found.classes)} classes, {len(found.all)} recordings": figures
            | {"best_fixed_win_length": best["win_length"]}
        },
        title="Classes told apart by a network, with windows of each length",
        score="Accuracy, held out",
        spread="bar",
        logarithmic=False,
    )
