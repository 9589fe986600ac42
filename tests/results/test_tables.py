"""trajectory.csv read back; a full disk and the memory of a process, for all writers."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dstft_cli.errors import OutputError
from dstft_cli.results import peak_memory_mb, write_json, write_parameters, write_trajectory
from results.example import VARYING, a_result

COLUMNS = "step phase seconds evaluations criterion window_length_min window_length_median "
COLUMNS += "window_length_max hop_length_min hop_length_median hop_length_max"


def test_trajectory(tmp_path: Path) -> None:
    hops = (np.array([4.0]), np.array([4.0, 6.0, 5.0, 5.5]), np.zeros(0))
    write_trajectory(tmp_path / "t.csv", a_result(VARYING, hops=hops).trajectory)
    data = (tmp_path / "t.csv").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 4
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS.split()
    assert [list(row.values())[:4] for row in rows] == [
        ["0", "start", "0.0", "0"],
        ["1", "table", "0.5", "1"],
        ["2", "search", "1.0", "2"],
    ]
    assert [float(row["criterion"]) for row in rows] == [3.5, 1 / 3, 0.1 + 0.2]
    assert list(rows[2].values())[5:] == ["10.25", "30.0", "64.0", "", "", ""]
    assert list(rows[1].values())[5:] == ["48.5", "48.5", "48.5", "4.0", "5.25", "6.0"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path, monkeypatch):
    result = a_result(VARYING)
    writes = {
        "trajectory.csv": lambda path: write_trajectory(path, result.trajectory),
        "result.json": lambda path: write_json(path, {}),
        "parameters.npz": lambda path: write_parameters(path, result),
    }
    for name, write in writes.items():
        (tmp_path / name).symlink_to("/dev/full")
        with pytest.raises(OutputError, match=f"^disk full while writing {name}"):
            write(tmp_path / name)


CODE = """
import sys
from dstft_cli.results import peak_memory_mb
print(sorted({'torch', 'matplotlib'} & {*sys.modules}))
before = peak_memory_mb()
bytearray(b"x") * 200_000_000
print(before, peak_memory_mb())
"""


@pytest.mark.skipif(os.name == "nt", reason="not known on Windows")
def test_imports_are_light_and_peak_memory_is_that_of_the_process_in_mb() -> None:
    here = np.ones(40_000_000)  # 320 MB held by the parent must not show in the child
    done = subprocess.run(
        [sys.executable, "-c", CODE], capture_output=True, text=True, check=True, timeout=60
    )
    heavy, *peaks = done.stdout.splitlines()
    assert heavy == "[]"
    before, after = map(float, peaks[0].split())
    assert 5 < before < 200
    assert after - before == pytest.approx(200, abs=5)
    assert peak_memory_mb() > here.nbytes / 1e6
