"""What a full disk, a missing folder and a busy memory look like from each writer."""

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from writers_example import VARYING, a_result

from dstft_cli.errors import OutputError
from dstft_cli.results import peak_memory_mb, write_json, write_parameters, write_trajectory


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = a_result(VARYING)
    for name in ("parameters.npz", "trajectory.csv", "result.json"):
        (tmp_path / name).symlink_to("/dev/full")
    end = ": free some space or choose another -o$"
    with pytest.raises(OutputError, match=f"^disk full while writing trajectory.csv{end}"):
        write_trajectory(tmp_path / "trajectory.csv", result.trajectory)
    with pytest.raises(OutputError, match=f"^disk full while writing result.json{end}"):
        write_json(tmp_path / "result.json", {})
    with pytest.raises(OutputError, match=f"^disk full while writing parameters.npz{end}"):
        write_parameters(tmp_path / "parameters.npz", result)

    def full(self: object, *rest: object, **more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(zipfile._ZipWriteFile, "write", full)  # type: ignore[attr-defined]
    with pytest.raises(OutputError, match=f"^disk full while writing other.npz{end}"):
        write_parameters(tmp_path / "other.npz", result)


def test_a_place_that_is_not_there(tmp_path: Path) -> None:
    message = "^cannot write r.json: no such file or directory: choose another place with -o$"
    with pytest.raises(OutputError, match=message):
        write_json(tmp_path / "gone" / "r.json", {})


GROWING = """
import numpy as np
from dstft_cli.results import peak_memory_mb
before = peak_memory_mb()
np.ones(25_000_000)
print(before, peak_memory_mb())
"""


@pytest.mark.skipif(os.name == "nt", reason="not known on Windows")
def test_peak_memory_is_that_of_the_process_in_mb() -> None:
    here = np.ones(40_000_000)  # 320 MB held by the parent must not show in the child
    done = subprocess.run(
        [sys.executable, "-c", GROWING], capture_output=True, text=True, check=True, timeout=60
    )
    before, after = map(float, done.stdout.split())
    assert 5 < before < 200
    assert after - before == pytest.approx(200, abs=5)
    assert peak_memory_mb() > here.nbytes / 1e6


def test_nothing_heavy_is_imported() -> None:
    code = "import sys, dstft_cli.results; print(sorted({'torch','matplotlib'} & {*sys.modules}))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout == "[]\n"
