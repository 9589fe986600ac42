"""trajectory.csv and sweep.csv: RFC 4180, UTF-8, decimal points, numbers in full precision."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np

from dstft_cli.records import FloatArray, Sweep, Trajectory
from dstft_cli.results.place import disk_errors

TRAJECTORY_COLUMNS = (
    "step",
    "phase",
    "seconds",
    "evaluations",
    "criterion",
    "window_length_min",
    "window_length_median",
    "window_length_max",
    "hop_length_min",
    "hop_length_median",
    "hop_length_max",
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
            lines.writerow(
                [
                    step,
                    phase,
                    repr(float(trajectory.seconds[step])),
                    int(trajectory.evaluations[step]),
                    repr(float(trajectory.criterion[step])),
                    *_spread(trajectory.window_lengths[step]),
                    *_spread(trajectory.hop_lengths[step]),
                ]
            )


SWEEP_COLUMNS = (
    "criterion",
    "direction",
    "phase",
    "window_length",
    "milliseconds",
    "n_fft",
    "hop_length",
    "value",
    "loss",
    "unit",
)


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
            ("table", curve.lengths[m], m, curve.values[m], curve.losses[m])
            for m in range(len(curve.lengths))
        ]
        rows.append(("descent", curve.best_length, curve.minimum, curve.best_value, 0.0))
        for phase, length, m, value, loss in rows:
            lines.writerow(
                [
                    curve.name,
                    curve.direction,
                    phase,
                    repr(float(length)),
                    repr(float(length) / sweep.sample_rate * 1000),
                    int(sweep.n_ffts[m]),
                    repr(float(sweep.hop_lengths[m])),
                    repr(float(value)),
                    repr(float(loss)),
                    curve.unit,
                ]
            )
    return text.getvalue().encode("utf-8")


def _spread(lengths: FloatArray) -> list[str]:
    """Min, median, max as text; empty where there are none."""
    if lengths.size == 0:
        return ["", "", ""]
    return [repr(float(of(lengths))) for of in (np.min, np.median, np.max)]
