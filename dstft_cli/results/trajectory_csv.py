"""trajectory.csv: one line per step of the fit."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from dstft_cli.records import FloatArray, Trajectory
from dstft_cli.results.place import disk_errors

COLUMNS = (
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
    """Writes the steps as CSV (RFC 4180: comma, CRLF; UTF-8, decimal point, full precision).

    Lengths are in samples; the hop length columns are empty where there is one frame only.

    Raises:
        OutputError: the file cannot be written.
    """
    with disk_errors(path.name), open(path, "w", encoding="utf-8", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(COLUMNS)
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


def _spread(lengths: FloatArray) -> list[str]:
    """Min, median, max as text; empty where there are none."""
    if lengths.size == 0:
        return ["", "", ""]
    return [repr(float(of(lengths))) for of in (np.min, np.median, np.max)]
