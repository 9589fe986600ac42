"""How long the command takes to answer, and to process a second of sound, from a cold start."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

from benchmarks.measure import Claim, in_turns, median_ratio, print_claims, print_table
from benchmarks.signals import write_music

_BARE = "python -c pass"


def run(rounds: int) -> None:
    """Measures help, version and a one-second file, beside an interpreter that does nothing."""
    with tempfile.TemporaryDirectory(prefix="dstft-startup-") as folder:
        recording, results = Path(folder) / "second.wav", Path(folder) / "results"
        write_music(recording, 1.0, 44100)
        work = ["optimize", str(recording), "--output", str(results), "--force"]
        commands = {
            "dstft --help": ["--help"],
            "dstft --version": ["--version"],
            "dstft optimize --help": ["optimize", "--help"],
            "dstft optimize, 1 s file": work,
        }
        tasks = {_BARE: _command([sys.executable, "-c", "pass"])}
        for name, arguments in commands.items():
            tasks[name] = _command([sys.executable, "-m", "dstft_cli", *arguments])
        seconds = in_turns(tasks, rounds)
    rows = [
        [name, f"{median(times) * 1e3:.0f}", f"{median_ratio(times, seconds[_BARE]):.1f}"]
        for name, times in seconds.items()
    ]
    print_table(f"start-up, median of {rounds}", ["command", "ms", f"× {_BARE}"], rows)
    print_claims(
        [
            Claim(name, median(seconds[name]) * 1e3, 300, "ms")
            for name, arguments in commands.items()
            if arguments is not work
        ]
    )


def _command(arguments: Sequence[str]) -> Callable[[], object]:
    def call() -> object:
        return subprocess.run(
            arguments, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    return call
