"""How time and memory grow: with duration, frames, FFT size, parameters and workers."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.batch import measure_batch, recordings
from benchmarks.growth import Growth
from benchmarks.memory import little_disk, optimize_recording
from benchmarks.probe import Work, measure
from benchmarks.report import Report
from dstft_cli.batch.pools import cores

TIME, MEMORY = "time, s", "memory, MB"
_SHORTEST = 10.0  # s, of durations
_N_FFT, _HOP = 2048, 512


def run(report: Report, longest: float, seconds: float, points: int, clips: int) -> None:
    """Measures every axis, each point in a process of its own.

    Args:
        report: takes what is found.
        longest: duration of the longest recording, s.
        seconds: duration of the signal where something else varies.
        points: on each axis, >= 3.
        clips: recordings of a batch.
    """
    growths = _durations(report, longest, points) + _frames(seconds, points)
    growths += _sizes(seconds, points) + _parameters(seconds, points) + _workers(clips)
    for growth in growths:
        report.growth(growth)
    rows = [
        [
            g.axis,
            g.name,
            g.quantity,
            ", ".join(f"{x:.4g}: {y:.3g}" for x, y in zip(g.x, g.y, strict=True)),
            f"{g.exponent():.2f}",
            f"{g.last_exponent():.2f}",
        ]
        for g in growths
    ]
    report.text(
        "Each point is a process of its own. Duration: the whole command, with its start and all "
        "outputs, and the whole memory of its process. Workers: time per job of a batch, and the "
        "memory of all workers. Elsewhere: the work alone, and the memory that it adds. Exponents are "
        "those of the power law that fits all points, and of the last step alone, where what a start "
        f"costs weighs least. The machine has {cores()} cores."
    )
    report.table(
        f"growth; {seconds:g} s of music at 44.1 kHz where duration does not vary",
        ["against", "work", "of", "measured", "exponent", "last step"],
        rows,
    )


def _durations(report: Report, longest: float, points: int) -> list[Growth]:
    durations = np.geomspace(min(_SHORTEST, longest / 8), longest, points).tolist()
    walls, peaks = [], []
    with tempfile.TemporaryDirectory(prefix="dstft-scaling-") as folder:
        little = little_disk(folder, longest)
        if little:
            report.missing(f"growth with duration: {little}; or lower --longest")
            return []
        for duration in durations:
            wall, peak, _ = optimize_recording(Path(folder), duration, ["--window-mode", "time"])
            print(f"{duration:.0f} s: {wall:.1f} s, {peak:.0f} MB", flush=True)
            walls.append(wall)
            peaks.append(peak)
    return _pair("duration, s", "dstft optimize, time", durations, walls, peaks)


def _frames(seconds: float, points: int) -> list[Growth]:
    hops = [_N_FFT >> k for k in range(1, 1 + points)]
    works = [
        Work(seconds, {"n_fft": _N_FFT, "hop_length": hop, "window_mode": "time", "overlap": 1.0})
        for hop in hops
    ]
    frames = [1 + int(seconds * 44100) // hop for hop in hops]
    return _measured("frames", "fit time", frames, works)


def _sizes(seconds: float, points: int) -> list[Growth]:
    growths = []
    for mode, sizes in (
        ("time", [512 << (2 * k) for k in range(min(points, 4))]),
        ("frequency", [256 << k for k in range(points)]),
    ):
        works = [
            Work(seconds, {"n_fft": K, "hop_length": K // 4, "window_mode": mode, "overlap": 1.0})
            for K in sizes
        ]
        growths += _measured("n_fft", f"fit {mode}, hop n_fft/4", sizes, works)
    return growths


def _parameters(seconds: float, points: int) -> list[Growth]:
    """One evaluation with gradient, for more and more lengths that differ."""
    growths = []
    frames = 1 + int(seconds * 44100) // _HOP
    for mode, most in (("time", frames), ("frequency", _N_FFT // 2 + 1)):
        counts = np.unique(np.geomspace(1, most, points).round().astype(int)).tolist()
        options = {"n_fft": _N_FFT, "hop_length": _HOP, "window_mode": mode}
        works = [Work(seconds, options, distinct=count, rounds=3) for count in counts]
        growths += _measured("parameters", f"gradient {mode}", counts, works)
    return growths


def _workers(clips: int) -> list[Growth]:
    """From one worker to twice as many as there are cores."""
    counts = [1 << k for k in range((2 * cores()).bit_length()) if 1 << k <= 2 * cores()]
    with tempfile.TemporaryDirectory(prefix="dstft-workers-") as name:
        folder = Path(name)
        sources = recordings(folder / "in", clips)
        found = [measure_batch(sources, folder / str(w), w, figures=False) for w in counts]
    per_job, memory = [1 / f.rate for f in found], [f.memory for f in found]
    return _pair("workers", f"batch of {clips}, per job", counts, per_job, memory)


def _measured(axis: str, name: str, x: Sequence[float], works: Sequence[Work]) -> list[Growth]:
    found = [measure(work) for work in works]
    print(f"{name} against {axis}: {', '.join(f'{s:.2f} s' for s, _ in found)}", flush=True)
    return _pair(axis, name, x, [s for s, _ in found], [m for _, m in found])


def _pair(
    axis: str, name: str, x: Sequence[float], seconds: Sequence[float], memory: Sequence[float]
) -> list[Growth]:
    return [Growth(axis, name, TIME, x, seconds), Growth(axis, name, MEMORY, x, memory)]
