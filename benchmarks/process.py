"""Wall time and peak memory of a command in a process of its own.

A process counts the memory of the one that started it as its own until it executes its program, and
a run of benchmarks may have held gigabytes. So a small one starts it: `python -m benchmarks.process`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes per unit of ru_maxrss


def run_measured(arguments: Sequence[str]) -> tuple[float, float]:
    """Runs a command to its end.

    Args:
        arguments: with absolute paths, for it runs in the root of this repository.

    Returns:
        Wall seconds, and the peak resident memory of that process alone in MB (1e6 bytes).

    Raises:
        RuntimeError: the command failed; its last line on standard error is quoted.
    """
    starter = [sys.executable, "-m", "benchmarks.process", *arguments]
    done = subprocess.run(starter, check=True, capture_output=True, text=True, cwd=ROOT)
    found = json.loads(done.stdout)
    if found["code"] != 0:
        raise RuntimeError(f"{' '.join(arguments)} exited {found['code']}: {found['last']}")
    return found["seconds"], found["peak"]


def _start(arguments: Sequence[str]) -> dict[str, float | str]:
    """What `run_measured` reads."""
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        errors.seek(0)
        last = (errors.read().strip().splitlines() or ["nothing on standard error"])[-1]
    peak = usage.ru_maxrss * _MAXRSS_UNIT / 1e6
    return {"seconds": seconds, "peak": peak, "code": process.returncode, "last": last}


if __name__ == "__main__":
    print(json.dumps(_start(sys.argv[1:])))
