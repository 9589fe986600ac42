"""trajectory.csv and sweep.csv: RFC 4180, UTF-8, decimal points, numbers in full precision."""

from __future__ import annotations

import csv
import io
from itertools import chain
from pathlib import Path

import numpy as np

from dstft_cli.records import FloatArray, Sweep, Trajectory
from dstft_cli.results.place import disk_errors

TRAJECTORY_COLUMNS = (
    *("step", "phase", "seconds", "evaluations", "criterion"),
    *("window_length_min", "window_length_median", "window_length_max"),
    *("hop_length_min", "hop_length_median", "hop_length_max"),
)
SWEEP_COLUMNS = (
    *("criterion", "direction", "phase", "window_length", "milliseconds"),
    *("n_fft", "hop_length", "value", "loss", "unit"),
)


def write_trajectory(path: Path, trajectory: Trajectory) -> None:
    """Writes one line per step of the fit.

    Lengths are in samples; hop lengths are empty for a single frame.

    Raises:
        OutputError: the file cannot be written.
    """
    with disk_errors(path.name), open(path, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(TRAJECTORY_COLUMNS)
        for step, phase in enumerate(trajectory.phase):
            seconds, value = float(trajectory.seconds[step]), float(trajectory.criterion[step])
            lengths = map(_spread, (trajectory.window_lengths[step], trajectory.hop_lengths[step]))
            evaluations = int(trajectory.evaluations[step])
            lines.writerow([step, phase, seconds, evaluations, value, *chain(*lengths)])


def sweep_csv(sweep: Sweep) -> bytes:
    """The curves as CSV.

    A line per criterion and length (`phase` is `table`), and one per learned optimum (`descent`). Lengths,
    n_fft and hop, used for the value, are in samples.
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(SWEEP_COLUMNS)
    for curve in sweep.curves:
        rows = [
            ("table", length, m, curve.values[m], curve.losses[m])
            for m, length in enumerate(curve.lengths)
        ]
        rows.append(("descent", curve.best_length, curve.minimum, curve.best_value, 0.0))
        for phase, length, m, value, loss in rows:
            used = int(sweep.n_ffts[m]), float(sweep.hop_lengths[m])
            lengths = float(length), float(length) / sweep.sample_rate * 1000
            values = float(value), float(loss)
            lines.writerow(
                [curve.name, curve.direction, phase, *lengths, *used, *values, curve.unit]
            )
    return text.getvalue().encode("utf-8")


def _spread(lengths: FloatArray) -> list[float | str]:
    """Min, median, max; empty where there are none."""
    if lengths.size == 0:
        return ["", "", ""]
    return [float(of(lengths)) for of in (np.min, np.median, np.max)]
