"""What a batch adds to its jobs: how throughput grows with workers, and what a file costs beside."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import mean, median

import numpy as np
import soundfile  # type: ignore[import-untyped]

from benchmarks.machine import machine
from benchmarks.measure import Claim
from benchmarks.report import Report
from dstft_cli.batch import from_list, make_plan
from dstft_cli.batch.pools import LocalExecutor, cores
from dstft_cli.batch.run import Watch, run_batch
from dstft_cli.batch.worker import prepare

SECONDS, RATE = 3.0, 22050
ROUNDS = 3
PLANNED = 10_000


@dataclass(frozen=True)
class Measured:
    """One batch, from the end of each worker's first job to the end of the last job.

    Attributes:
        rate: jobs per second.
        optimization: s, mean of search and descent.
        overhead: s, mean time of a worker per job beyond its optimization: dispatch, journal,
            reading, writing and pictures.
        in_job: s, the part of it that is spent within the job.
        memory: MB, of all workers: the peak of the largest one times their number.
    """

    rate: float
    optimization: float
    overhead: float
    in_job: float
    memory: float


def run(report: Report, clips: int) -> None:
    """Measures clips of 3 s at 22.05 kHz with one worker and with one per core, in turns.

    With pictures, which take most of the time then, once and on a quarter of the clips.

    Args:
        report: takes what is found.
        clips: number of recordings, some times the number of cores.
    """
    report.text(machine())
    most = cores()
    with tempfile.TemporaryDirectory(prefix="dstft-batch-") as name:
        folder = Path(name)
        sources = recordings(folder / "in", clips)
        rounds = [
            {
                workers: measure_batch(sources, folder / f"{number}-{workers}", workers, False)
                for workers in sorted({1, most})
            }
            for number in range(ROUNDS)
        ]
        some = sources[: max(20, clips // 4)]
        drawn = {w: measure_batch(some, folder / f"drawn-{w}", w, True) for w in sorted({1, most})}
        planned, peak = _plan(folder)
    alone = _scaling(most)
    rows = [
        [
            workers,
            figures,
            f"{found.rate:.2f}",
            f"{found.optimization * 1e3:.0f}",
            f"{found.in_job * 1e3:.0f}",
            f"{found.overhead * 1e3:.0f}",
        ]
        for figures, turns in (("no", rounds), ("yes", [drawn]))
        for turn in turns
        for workers, found in turn.items()
    ]
    header = ["workers", "figures", "jobs/s", "optimization, ms", "in job, ms", "beside, ms"]
    report.table(f"{clips} clips of {SECONDS:g} s at {RATE} Hz, one thread a worker", header, rows)
    report.text(f"The machine itself, a loop in Python in {most} processes: {alone:.2f} × one.")
    ratio = median(turn[most].rate / turn[1].rate for turn in rounds)
    beside = median(turn[1].overhead for turn in rounds)
    report.claims(
        [
            Claim(f"throughput of {most} workers", ratio, 0.8 * most, "×", at_least=True),
            Claim("a file beyond its optimization", beside * 1e3, 30, "ms"),
            Claim(f"plan of {PLANNED} jobs", planned, 5, "s"),
            Claim(f"memory of a plan of {PLANNED} jobs", peak, 500, "MB"),
        ]
    )


def recordings(folder: Path, count: int) -> list[str]:
    """Writes calls that sweep, in noise, no two alike, and returns their paths."""
    folder.mkdir()
    t = np.arange(int(SECONDS * RATE)) / RATE
    paths = []
    for number in range(count):
        rng = np.random.default_rng(number)
        low, high, every = rng.uniform(500, 2000), rng.uniform(3000, 8000), rng.uniform(0.2, 0.6)
        within = t % every
        call = np.sin(2 * np.pi * (low + (high - low) * within / every) * within)
        samples = 0.3 * call * np.exp(-8 * within) + 0.01 * rng.standard_normal(len(t))
        paths.append(str(folder / f"clip{number:04d}.wav"))
        soundfile.write(paths[-1], samples.astype(np.float32), RATE, subtype="PCM_16")
    return paths


def measure_batch(sources: Sequence[str], folder: Path, workers: int, figures: bool) -> Measured:
    """Runs a batch of more recordings than workers, on one thread a worker."""
    settings = [f"figures={str(figures).lower()}", "threads=1"]
    plan = make_plan(from_list(sources, "benchmark", settings, "{stem}", output_folder=folder))
    ends: list[float] = []
    rows = run_batch(
        plan,
        lambda jobs: LocalExecutor(workers, partial(prepare, figures), silent=True),
        watch=Watch(ended=lambda row: ends.append(time.perf_counter())),
    )
    failed = [row["error"] for row in rows.values() if row["error"] is not None]
    if failed:
        raise RuntimeError(f"{len(failed)} jobs failed, the first one: {failed[0]}")
    warm = ends[workers - 1 :]  # the first job of each worker waits for its imports
    rate = (len(warm) - 1) / (warm[-1] - warm[0])
    own, peaks = [], []
    for job in plan.jobs[workers:]:
        record = json.loads((plan.place(job) / "result.json").read_bytes())
        own.append(record["seconds"]["search"] + record["seconds"]["descent"])
        peaks.append(record["peak_memory_mb"])
    within = [rows[job.index]["seconds"] for job in plan.jobs[workers:]]
    beside, in_job = workers / rate - mean(own), mean(within) - mean(own)
    return Measured(rate, mean(own), beside, in_job, workers * max(peaks))


def _scaling(workers: int) -> float:
    """How much more the machine does now in as many processes: other work may be using it."""
    executor = LocalExecutor(workers, _nothing, silent=True)

    def rate(count: int) -> float:
        began = time.perf_counter()
        for future in [executor.submit(_loop, number) for number in range(count)]:
            future.result()
        return count / (time.perf_counter() - began)

    try:
        rate(workers)  # all have started
        return median(rate(workers) / rate(1) for _ in range(5))
    finally:
        executor.abandon()


def _nothing() -> None:
    pass


def _loop(start: int) -> int:
    return sum(range(start, 20_000_000))


def _plan(folder: Path) -> tuple[float, float]:
    """Seconds and peak memory, MB, of `dstft batch --dry-run` over a pattern."""
    many = folder / "many"
    many.mkdir()
    for number in range(PLANNED):
        (many / f"{number}.wav").touch()
    (folder / "many.yaml").write_text("output: out/{stem}\njobs: [{input: 'many/*.wav'}]\n")
    code = (
        "import sys; from dstft_cli.cli import main; from dstft_cli.results import peak_memory_mb;"
        "code = main(sys.argv[1:]); print('peak', peak_memory_mb(), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code, "batch", str(folder / "many.yaml"), "--dry-run"]
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds.append(time.perf_counter() - began)
    found = re.search(r"peak (\S+)", done.stderr)
    assert found is not None
    return median(seconds), float(found[1])
