"""How long the command takes to answer, and to process a second of sound, from a cold start."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.measure import Claim, in_turns, median_ratio
from benchmarks.report import Report
from benchmarks.signals import write_music

_BARE = "python -c pass"
_WHOLE = "dstft optimize, 1 s file"


def run(report: Report, rounds: int) -> None:
    """Measures help, version and a one-second file, beside an interpreter that does nothing."""
    with tempfile.TemporaryDirectory(prefix="dstft-startup-") as folder:
        recording, results = Path(folder) / "second.wav", Path(folder) / "results"
        write_music(recording, 1.0, 44100)
        work = ["optimize", str(recording), "--output", str(results), "--force"]
        commands = {
            "dstft --help": ["--help"],
            "dstft --version": ["--version"],
            "dstft optimize --help": ["optimize", "--help"],
            _WHOLE: work,
        }
        tasks = {_BARE: _command([sys.executable, "-c", "pass"])}
        for name, arguments in commands.items():
            tasks[name] = _command([sys.executable, "-m", "dstft_cli", *arguments])
        seconds = in_turns(tasks, rounds)
        phases = _phases(work, results / "result.json", rounds)
    rows = [
        [name, f"{median(times) * 1e3:.0f}", f"{median_ratio(times, seconds[_BARE]):.1f}"]
        for name, times in seconds.items()
    ]
    report.table(f"start-up, median of {rounds}", ["command", "ms", f"× {_BARE}"], rows)
    whole = sum(median(times) for times in phases.values())
    report.table(
        f"{_WHOLE}, end to end, median of {rounds}",
        ["phase", "ms", "share"],
        [
            [name, f"{median(times) * 1e3:.0f}", f"{median(times) / whole:.0%}"]
            for name, times in phases.items()
        ],
    )
    report.claims(
        [
            Claim(name, median(seconds[name]) * 1e3, 300, "ms")
            for name, arguments in commands.items()
            if arguments is not work
        ]
    )


def _phases(work: Sequence[str], record: Path, rounds: int) -> dict[str, list[float]]:
    """Wall seconds of each phase, one per round: what a run notes itself, and what lies around it.

    A run imports matplotlib before it loads the recording, and notes both as its loading.
    """
    bare = _command([sys.executable, "-c", "import dstft_cli.run.output"])
    full = _command([sys.executable, "-c", "import dstft_cli.run.output, dstft_cli.plot.axes"])
    whole = _command([sys.executable, "-m", "dstft_cli", *work])
    names = ("import", "load", "fit", "draw and write", "read options, end")
    phases: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        without, imported, wall = (_seconds(call) for call in (bare, full, whole))
        noted = json.loads(record.read_bytes())["seconds"]
        load = max(noted["load"] - max(imported - without, 0.0), 0.0)
        fit = noted["search"] + noted["descent"]
        rest = max(wall - without - noted["total"], 0.0)
        found = (imported, load, fit, noted["write"], rest)
        for name, seconds in zip(names, found, strict=True):
            phases[name].append(seconds)
    return phases


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _command(arguments: Sequence[str]) -> Callable[[], object]:
    def call() -> object:
        return subprocess.run(
            arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    return call
