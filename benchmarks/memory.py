"""Peak memory and wall time of the whole command on long recordings, each in its own process."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import soundfile  # type: ignore[import-untyped]

from benchmarks.measure import Claim
from benchmarks.process import run_measured
from benchmarks.report import Report
from benchmarks.signals import write_music

SAMPLE_RATE = 44100
_OUTPUT_BYTES_PER_SAMPLE = 34  # float32 magnitudes at the default hop of n_fft/16, and pictures
_PLANE_MINUTES = 3.0  # of the recording with lengths that vary over time and frequency


def little_disk(folder: str, seconds: float) -> str:
    """Why a recording of so many seconds and its results do not fit; empty where they do."""
    needed = seconds * SAMPLE_RATE * (_OUTPUT_BYTES_PER_SAMPLE + 2 + 4)
    free = shutil.disk_usage(folder).free
    if needed <= free:
        return ""
    return f"{needed / 1e9:.1f} GB of disk needed in {folder}, {free / 1e9:.1f} GB free: set TMPDIR"


def run(report: Report, minutes: Sequence[float]) -> None:
    """Measures `dstft optimize --window-mode time` on recordings of these durations.

    Beside them stands `time-frequency` on three minutes, n_fft 2048 and hop 512.
    """
    rows: list[list[object]] = []
    peaks = {}
    with tempfile.TemporaryDirectory(prefix="dstft-memory-") as folder:
        little = little_disk(folder, max(*minutes, _PLANE_MINUTES) * 60)
        if little:
            report.missing(f"memory of long recordings: {little}; or lower --minutes")
            return
        for duration in sorted(minutes):
            options = ["--window-mode", "time"]
            peaks[duration] = _row(Path(folder), duration, options, rows)
        options = ["--window-mode", "time-frequency", "--n-fft", "2048", "--hop-length", "512"]
        plane = _row(Path(folder), _PLANE_MINUTES, options, rows)
    report.table(
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
    report.claims(claims)


def optimize_recording(
    folder: Path, seconds: float, options: Sequence[str]
) -> tuple[float, float, int]:
    """Runs `dstft optimize` on music of so many seconds, in a process of its own.

    Returns:
        Wall seconds, peak memory in MB, bytes written.
    """
    recording, results = folder / "music.wav", folder / "results"
    write_music(recording, seconds, SAMPLE_RATE)
    assert soundfile.info(recording).frames == round(seconds * SAMPLE_RATE)
    command = [sys.executable, "-m", "dstft_cli", "optimize", str(recording), *options]
    wall, peak = run_measured([*command, "--output", str(results), "--force"])
    written = sum(f.stat().st_size for f in results.iterdir())
    shutil.rmtree(results)
    return wall, peak, written


def _row(folder: Path, minutes: float, options: Sequence[str], rows: list[list[object]]) -> float:
    """Adds a row of the table, and returns the peak in MB."""
    seconds, peak, written = optimize_recording(folder, minutes * 60, options)
    cells = [f"{seconds:.0f}", f"{peak:.0f}", f"{written / 1e9:.2f}"]
    rows.append([f"{minutes:g} min", " ".join(options), *cells])
    print(f"{minutes:g} min, {' '.join(options)}: {seconds:.0f} s, {peak:.0f} MB", flush=True)
    return peak
