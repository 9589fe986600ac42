"""Peak memory and wall time of the whole command on long recordings, each in its own process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import soundfile  # type: ignore[import-untyped]

from benchmarks.measure import Claim, print_claims, print_table
from benchmarks.signals import write_music

SAMPLE_RATE = 44100
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes per unit of ru_maxrss
_OUTPUT_BYTES_PER_SAMPLE = 34  # float32 magnitudes at the default hop of n_fft/16, and pictures
_PLANE_MINUTES = 3.0  # of the recording with lengths that vary over time and frequency


def run_measured(arguments: Sequence[str]) -> tuple[float, float]:
    """Runs a command to its end.

    Returns:
        Wall seconds, and the peak resident memory of that process alone in MB (1e6 bytes).

    Raises:
        RuntimeError: the command failed; its last line on standard error is quoted.
    """
    began = time.perf_counter()
    with tempfile.TemporaryFile("w+") as errors:
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        if process.returncode != 0:
            errors.seek(0)
            last = (errors.read().strip().splitlines() or ["nothing on standard error"])[-1]
            raise RuntimeError(f"{' '.join(arguments)} exited {process.returncode}: {last}")
    return seconds, usage.ru_maxrss * _MAXRSS_UNIT / 1e6


def run(minutes: Sequence[float]) -> None:
    """Measures `dstft optimize --window-mode time` on recordings of these durations.

    Beside them stands `time-frequency` on three minutes, n_fft 2048 and hop 512.
    """
    rows: list[list[object]] = []
    peaks = {}
    with tempfile.TemporaryDirectory(prefix="dstft-memory-") as folder:
        needed = max(*minutes, _PLANE_MINUTES) * 60 * SAMPLE_RATE
        needed *= _OUTPUT_BYTES_PER_SAMPLE + 2 + 4
        free = shutil.disk_usage(folder).free
        print(
            f"{needed / 1e9:.1f} GB of disk needed in {folder}, {free / 1e9:.1f} GB free",
            flush=True,
        )
        if needed > free:
            print("not enough disk: memory is not measured; set TMPDIR or lower --minutes")
            return
        for duration in sorted(minutes):
            peaks[duration] = _optimize(Path(folder), duration, ["--window-mode", "time"], rows)
        options = ["--window-mode", "time-frequency", "--n-fft", "2048", "--hop-length", "512"]
        plane = _optimize(Path(folder), _PLANE_MINUTES, options, rows)
    print_table(
        "dstft optimize, 44.1 kHz mono, 16 bit",
        ["recording", "options", "wall s", "peak MB", "written GB"],
        rows,
    )
    longest, shortest = max(peaks), min(peaks)
    claims = [Claim(f"peak memory, {longest:g} min", peaks[longest], 1000, "MB")]
    if longest > shortest:
        growth = peaks[longest] - peaks[shortest]
        claims.append(Claim(f"peak above {shortest:g} min", growth, 300, "MB"))
    claims.append(Claim(f"peak, time-frequency, {_PLANE_MINUTES:g} min", plane, 4000, "MB"))
    print_claims(claims)


def _optimize(
    folder: Path, minutes: float, options: Sequence[str], rows: list[list[object]]
) -> float:
    """Runs `dstft optimize` on a recording of its own, adds a row, and returns the peak in MB."""
    recording, results = folder / "music.wav", folder / "results"
    write_music(recording, minutes * 60, SAMPLE_RATE)
    assert soundfile.info(recording).frames == round(minutes * 60 * SAMPLE_RATE)
    command = [sys.executable, "-m", "dstft_cli", "optimize", str(recording), *options]
    seconds, peak = run_measured([*command, "--output", str(results), "--force"])
    written = sum(f.stat().st_size for f in results.iterdir())
    shutil.rmtree(results)
    cells = [f"{seconds:.0f}", f"{peak:.0f}", f"{written / 1e9:.2f}"]
    rows.append([f"{minutes:g} min", " ".join(options), *cells])
    print(f"{minutes:g} min, {' '.join(options)}: {seconds:.0f} s, {peak:.0f} MB", flush=True)
    return peak
