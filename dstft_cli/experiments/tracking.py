"""A small network estimates the frequency of a noisy tone: its window is learned, or from a grid."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from dstft_cli.experiments.signals import wandering_tones
from dstft_cli.experiments.training import Bench, Compared, Findings, Table
from dstft_cli.labels.training import Data, Task
from dstft_cli.plot.sweep import grid_figure
from dstft_cli.records import Progress

SAMPLE_RATE = 1000.0  # Hz
N_FFT, HOP = 256, 64  # samples
TAPS = 9  # bins of a neighbourhood


@dataclass(frozen=True)
class Size:
    """Size of the experiment; lengths in samples."""

    levels: tuple[float, ...] = (20.0, 10.0, 0.0)  # of the tone over the noise, dB
    grid: tuple[float, ...] = (16, 24, 32, 48, 64, 96, 128, 192, 256)
    start: float = 256  # of the window that is learned
    repetitions: int = 3  # seeds
    train: int = 256  # signals
    held_out: int = 256
    length: int = 1024
    steps: int = 200  # of each training
    batch: int = 16


FULL = Size()


class Scores(nn.Module):
    """Frequencies, Hz, `[B, T]`, of powers `[B, F, T]`: bins weighted by scores of their neighbourhoods."""

    frequencies: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(TAPS, 8)
        self.outer = nn.Linear(8, 1)
        self.register_buffer("frequencies", torch.arange(N_FFT // 2 + 1) * (SAMPLE_RATE / N_FFT))

    def forward(self, power: Tensor) -> Tensor:
        levels = torch.log(power + 1e-3).transpose(1, 2)
        around = nn.functional.pad(levels, (TAPS // 2, TAPS // 2))
        found = self.outer(torch.relu(self.inner(around.unfold(-1, TAPS, 1))))[..., 0]
        return (torch.softmax(found, -1) * self.frequencies).sum(-1)


def run(seed: int, threads: int, progress: Progress | None, size: Size = FULL) -> Findings:
    """Trains for every level of noise, every window of the grid and every seed."""
    task = Task(
        n_fft=N_FFT,
        hop_length=HOP,
        network=Scores,
        loss=nn.functional.mse_loss,
        score=lambda found, truth: float(nn.functional.mse_loss(found, truth)),
        lower_is_better=True,
        steps=size.steps,
        batch=size.batch,
        lr=0.02,
        length_lr=0.2,  # with half of it the length is still falling when the steps end
    )
    seeds = [seed + index for index in range(size.repetitions)]
    compared = {}
    for level in size.levels:
        bench = Bench(task, [data(size, level, one) for one in seeds], seeds, threads, progress)
        compared[level] = bench.compare(size.grid, size.start, f"tracking, {level:g} dB")
    columns = ("SNR dB", "window", "length", "MSE Hz²", "deviation", "trainings", "CPU s", "note")
    rows = [
        (level, *row)
        for level, one in compared.items()
        for row in one.rows(lambda of: (of.mean, of.deviation))
    ]
    figures = {f"{level:g} dB": one.figures() for level, one in compared.items()}
    return Findings(
        title="The frequency of a noisy tone, followed by a network",
        settings=bench.settings(SAMPLE_RATE) | asdict(size),
        table=Table(columns, tuple(rows)),
        notes=_notes(compared),
        figures=figures,
        picture=grid_figure(
            {f"Noise {level} below the tone": one for level, one in figures.items()},
            title="A tone's frequency: windows of a grid, and one learned with the network",
            score="Mean squared error (Hz²)",
            spread="deviation",
            logarithmic=True,
        ),
    )


def data(size: Size, level: float, seed: int) -> Data:
    generator = torch.Generator().manual_seed(seed)
    centers = torch.arange(1 + size.length // HOP) * HOP
    parts = []
    for count in (size.train, size.held_out):
        signals, frequency = wandering_tones(count, size.length, SAMPLE_RATE, level, generator)
        parts += [signals, frequency[:, centers.clamp(max=size.length - 1)]]
    return Data(*parts)


def _notes(compared: dict[float, Compared]) -> tuple[str, ...]:
    lines = []
    for level, one in compared.items():
        said = one.sentence(lambda of: f"{of.mean:.2f} ± {of.deviation:.2f} Hz²")
        lines.append(f"{level:g} dB: {said}")
        if one.verdict(one.joint) == "worse":
            lines.append(
                f"{level:g} dB: the loss is not convex in the window length, and the steps end before "
                "the length converges. The grid's best is picked on the held-out signals"
            )
    return tuple(lines)
