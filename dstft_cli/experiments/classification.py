"""A small network classifies sounds: its window is learned with it, from a grid, or by `optimize`."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from dstft_cli.experiments.signals import CLASSES, sounds
from dstft_cli.experiments.training import (
    WORDS,
    Bench,
    Cell,
    Compared,
    Findings,
    Spread,
    Table,
    Trainings,
)
from dstft_cli.labels.recordings import read_classes
from dstft_cli.labels.training import GRID, START, Data, classifier
from dstft_cli.plot.sweep import grid_figure
from dstft_cli.records import Progress

SAMPLE_RATE = 4000.0  # Hz, of the synthetic sounds
N_FFT = 256  # of the synthetic sounds, samples


@dataclass(frozen=True)
class Size:
    """Size of the experiment; lengths in n_fft."""

    grid: tuple[float, ...] = GRID
    start: float = START  # of the learned window
    repetitions: int = 5  # seeds
    train: int = 60  # synthetic sounds of each class
    held_out: int = 60
    noise: float = 2.0  # its standard deviation over that of the sound
    pieces: int = 8  # duration of a sound
    steps: int = 200  # of each training
    batch: int = 32


FULL = Size()


def run(
    seed: int,
    threads: int,
    progress: Progress | None,
    size: Size = FULL,
    folder: Path | None = None,
) -> Findings:
    """Trains for every window and seed, on synthetic sounds or recordings in `folder`, by class."""
    seeds = [seed + index for index in range(size.repetitions)]
    source: dict[str, Any] = {"data": "synthetic"}
    left_out: tuple[str, ...] = ()
    if folder is None:
        n_fft, names, sample_rate = N_FFT, CLASSES, SAMPLE_RATE
        datasets = [data(size, one) for one in seeds]
    else:
        recordings = read_classes([folder], size.pieces, progress=progress)
        n_fft, names, sample_rate = recordings.n_fft, recordings.classes, recordings.sample_rate
        datasets = [recordings.split(one) for one in seeds]
        source = {"data": str(folder), "recordings": recordings.counts}
        left_out = recordings.warnings
    task = classifier(len(names), n_fft, size.steps, size.batch)
    grid = [n_fft * share for share in size.grid]
    bench = Bench(task, datasets, seeds, threads, progress)
    compared = bench.compare(grid, n_fft * size.start, "classification")
    frozen = bench.learn_before(sample_rate, grid[0])
    settings = bench.settings(sample_rate) | {"classes": list(names), "grid_samples": grid}

    def interval(of: Spread) -> tuple[Cell, ...]:
        return of.mean, max(of.mean - of.half_width, 0.0), min(of.mean + of.half_width, 1.0)

    columns = ("window", "length", "accuracy", "95 % from", "to", "trainings", "CPU s", "note")
    figures = compared.figures() | {"frozen": frozen.learned_figures}
    return Findings(
        title="Sounds classified by a network",
        settings=source | settings | asdict(size),
        table=Table(columns, tuple(compared.rows(interval, **{"optimize, frozen": frozen}))),
        notes=(*_notes(compared, frozen), *left_out),
        figures=figures,
        picture=grid_figure(
            {f"{len(names)} classes": figures},
            title="Accuracy: windows of a grid, one learned with the network, one learned before",
            score="Accuracy",
            spread="confidence_half_width",
            logarithmic=False,
        ),
    )


def data(size: Size, seed: int) -> Data:
    generator = torch.Generator().manual_seed(seed)
    length, noise = size.pieces * N_FFT, size.noise
    learned = sounds(size.train, length, SAMPLE_RATE, noise, generator)
    return Data(*learned, *sounds(size.held_out, length, SAMPLE_RATE, noise, generator))


def _text(of: Spread) -> str:
    return f"{of.mean:.3f} ± {of.half_width:.3f}"


def _notes(compared: Compared, frozen: Trainings) -> tuple[str, ...]:
    joint, before = compared.verdict(compared.joint), compared.verdict(frozen)
    lines = [
        f"learned with the network: {compared.sentence(_text)}",
        f"learned before by optimize: {_text(frozen.score)}: {WORDS[before]}",
    ]
    if joint == "worse":
        runs = compared.joint.runs
        lines.append(
            f"its scores are {', '.join(f'{one.score:.3f}' for one in runs)} at lengths "
            f"{', '.join(f'{one.win_length:.0f}' for one in runs)}: if network and window "
            "adapt to each other early, a length can stay far from the best. The grid's best is picked on "
            "the held-out sounds"
        )
    if before == "worse":
        lines.append(
            "the entropy does not depend on the classes: the sharpest window may not be the best one for "
            "the classes"
        )
    return tuple(lines)
