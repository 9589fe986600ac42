"""A small fixed part of the campaigns of `tests/fuzz`, each run as a user would."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="NOT TESTED: the campaigns fork and read Linux's /proc"
)


def campaign(*arguments: str) -> str:
    """Its report; fails where a case did."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def counted(pattern: str, report: str) -> int:
    return sum(map(int, re.findall(pattern, report)))


def test_damaged_recordings_and_settings():
    report = campaign("--seed", "7", "files", "--cases", "42", "--workers", "1")
    ends = [counted(rf"(\d+) × exit {code}", report) for code in (0, 1, 2)]
    assert sum(ends) == 42
    assert min(ends) >= 3  # cases of every kind


def test_damaged_results():
    report = campaign("--seed", "7", "results", "--cases", "30", "--workers", "1")
    ends = [counted(rf"(\d+) × exit {code}", report) for code in (0, 1)]
    assert sum(ends) == 30
    assert min(ends) >= 5


def test_killed_at_random_moments():
    report = campaign("--seed", "7", "kills", "--kills", "10")
    assert counted(r"killed in time: (\d+)", report) >= 5
    assert counted(r"old result: (\d+)", report) >= 1


def test_a_campaign_can_fail(tmp_path):
    """A result that is cut short is found, and the exit code says so."""
    code = (
        "import sys; import tests.fuzz.__main__ as m; import dstft_cli.results.arrays as npy\n"
        "npy.NpyStream.write = lambda self, block: setattr(self, 'frames_written', self.frames)\n"
        "sys.argv[1:] = ['files', '--cases', '1', '--workers', '1']\n"
        "sys.exit(m.main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 1
    assert "broken result: " in ended.stdout
