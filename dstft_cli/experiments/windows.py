"""All window modes on one signal, compared with every whole window length."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

import torch

from dstft_cli.criteria import resolve
from dstft_cli.experiments.signals import FloatArray, swinging_tone
from dstft_cli.experiments.training import Cell, Findings, Table
from dstft_cli.plot.sweep import windows_figure
from dstft_cli.records import ONE_LENGTH, WINDOW_MODES, Progress, Result, tell
from dstft_cli.run.optimize import optimize
from dstft_cli.stft import map_in_order, stft

SEARCH = "every whole length"


@dataclass(frozen=True)
class Size:
    """Size of the experiment; lengths in samples, those of windows from one hop to n_fft."""

    samples: int = 25_000  # of the signal, from its start
    n_fft: int = 1000
    hop_length: int = 100
    settings: tuple[tuple[str, float], ...] = (("none", 1.0), ("energy", 2.0))  # with power


FULL = Size()


def run(seed: int, threads: int, progress: Progress | None, size: Size = FULL) -> Findings:
    """Searches and learns, for each setting of the criterion, without smoothness."""
    signal, sample_rate = swinging_tone(seed)
    signal = signal[: size.samples]
    rows: list[tuple[Cell, ...]] = []
    figures: dict[str, Any] = {}
    notes = []
    panels: dict[str, tuple[dict[int, float], dict[str, float]]] = {}
    shared: dict[str, Any] = {"smoothness": 0.0, "overlap": 1.0, "scope": "plane"}
    shared["dtype"] = "float64"
    total = len(size.settings) * (len(WINDOW_MODES) + 1)
    for number, (normalization, power) in enumerate(size.settings):
        name = f"entropy of |X|{'²' if power == 2 else ''}, normalization {normalization}"
        began = time.perf_counter()
        values = search(signal, size, normalization, power, threads)
        seconds = time.perf_counter() - began
        best = min(values.values())
        at = min(values, key=lambda length: values[length])
        rows.append((name, SEARCH, best, None, f"{at}", len(values), seconds))
        figures[name] = found = {"search": {"values": values, "seconds": seconds}}
        results = {}
        for done, mode in enumerate(WINDOW_MODES, start=number * (len(WINDOW_MODES) + 1) + 1):
            tell(progress, "windows", done, total)
            began = time.perf_counter()
            results[mode] = result = optimize(  # over the same lengths, from half of n_fft on
                signal,
                sample_rate,
                n_fft=size.n_fft,
                hop_length=size.hop_length,
                window_mode=mode,
                normalization=normalization,
                power=power,
                threads=threads,
                **shared,
            )
            seconds = time.perf_counter() - began
            of, lengths = result.criterion, result.window_length
            low, high = float(lengths.min()), float(lengths.max())
            found[mode] = _figures(result, seconds)
            text = f"{low:.1f}" if high - low < 0.05 else f"{low:.0f}…{high:.0f}"
            rows.append((name, mode, of.final, of.table_bound, text, result.evaluations, seconds))
        notes.append(_note(name, best, len(values), results))
        panels[name] = values, {mode: found.criterion.final for mode, found in results.items()}
    tell(progress, "windows", total, total)
    columns = ("criterion", "window", "entropy, nats", "bound", "length", "transforms", "s")
    return Findings(
        title="A swinging tone beside a steady one: learned windows and every whole length",
        settings={"seed": seed, "sample_rate": sample_rate} | shared | asdict(size),
        table=Table(columns, tuple(rows)),
        notes=(
            *notes,
            "without smoothness the lengths also follow the noise: the values show how far the criterion "
            "can fall, not a better picture",
        ),
        figures=figures,
        picture=windows_figure(panels),
    )


def _figures(result: Result, seconds: float) -> dict[str, Any]:
    of, lengths = result.criterion, result.window_length
    return {
        "entropy": of.final,
        "table_bound": of.table_bound,
        "best_of_the_table": of.best_fixed,
        "window_length_min": float(lengths.min()),
        "window_length_max": float(lengths.max()),
        "lengths": int(lengths.size),
        "transforms": result.evaluations,
        "seconds": seconds,
        "stop_reason": result.stop_reason.value,
    }


def search(
    signal: FloatArray, size: Size, normalization: str, power: float, threads: int
) -> dict[int, float]:
    """The entropy of one transform for every whole window length from the hop to n_fft."""
    x = torch.from_numpy(signal)
    centers = torch.arange(1 + len(x) // size.hop_length, dtype=torch.float64) * size.hop_length
    entropy = resolve("entropy")
    lengths = range(size.hop_length, size.n_fft + 1)

    def work(length: int) -> float:
        theta = torch.full((1, 1), float(length), dtype=torch.float64)
        X = stft(x, centers, theta, size.n_fft, normalization=normalization)
        a = X.abs() if power == 1 else X.abs() ** power
        sums = torch.stack([moment.sum(dtype=torch.float64) for moment in entropy.moments(a)])
        return float(entropy.value(sums, a.numel()))

    return dict(zip(lengths, map_in_order(work, lengths, threads), strict=True))


def _note(name: str, best: float, transforms: int, results: dict[str, Result]) -> str:
    one = results["constant"]
    gain = best - one.criterion.final
    word = f"below by {gain:.1e}" if gain > 0 else f"above by {-gain:.1e}"
    others = [
        f"{mode} {best - result.criterion.final:+.3f}"
        for mode, result in results.items()
        if mode not in ONE_LENGTH
    ]
    return (
        f"{name}: one learned length ends {word} nats of the best of {transforms} whole lengths, with "
        f"1/{transforms / one.evaluations:.0f} of the transforms; gain of more lengths over that best: "
        f"{', '.join(others)}"
    )
