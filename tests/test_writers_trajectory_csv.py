"""trajectory.csv read back."""

import csv
from pathlib import Path

import numpy as np
from writers_example import VARYING, a_result

from dstft_cli.results import write_trajectory

COLUMNS = [
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
]


def test_trajectory(tmp_path: Path) -> None:
    hops = (np.array([4.0]), np.array([4.0, 6.0, 5.0, 5.5]), np.zeros(0))
    write_trajectory(tmp_path / "t.csv", a_result(VARYING, hops=hops).trajectory)
    data = (tmp_path / "t.csv").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 4
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS
    assert [list(row.values())[:4] for row in rows] == [
        ["0", "start", "0.0", "0"],
        ["1", "table", "0.5", "1"],
        ["2", "search", "1.0", "2"],
    ]
    assert [float(row["criterion"]) for row in rows] == [3.5, 1 / 3, 0.1 + 0.2]
    assert list(rows[2].values())[5:] == ["10.25", "30.0", "64.0", "", "", ""]
    assert list(rows[1].values())[5:] == ["48.5", "48.5", "48.5", "4.0", "5.25", "6.0"]
