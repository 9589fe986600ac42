"""The campaigns of this folder, each run as a user would: `pytest -m slow tests/fuzz`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="NOT TESTED: campaigns read Linux's /proc"),
]


def campaign(*arguments: str) -> str:
    """Its report; fails where a case did."""
    line, env = [sys.executable, "-m", "tests.fuzz"], {**os.environ, "PYTHONWARNINGS": "error"}
    options = {"capture_output": True, "text": True, "timeout": 3000}
    ended = subprocess.run([*line, *arguments], cwd=ROOT, env=env, **options)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def counted(pattern: str, report: str) -> int:
    return sum(map(int, re.findall(pattern, report)))


@pytest.mark.parametrize(("name", "cases"), [("files", 300), ("results", 200)])
def test_damage(name, cases):
    report = campaign(name, "--seed", "7", "--cases", str(cases))
    ends = [counted(rf"(\d+) × exit {code}", report) for code in range(3)]
    assert sum(ends) == cases
    assert min(ends[:2]) >= 10  # cases of every kind
    assert ends[2] > 0


def test_killed_at_random_moments():
    report = campaign("kills", "--seed", "7", "--kills", "40")
    assert counted(r"killed in time: (\d+)", report) >= 20


def test_random_fits():
    campaign("fits", "--seed", "7", "--seconds", "60")


def test_a_campaign_can_fail():
    """A result that is cut short is found, and the exit code says so."""
    code = (
        "import sys; import numpy as np; import tests.fuzz.__main__ as m\n"
        "from dstft_cli.results import NpyStream\n"
        "NpyStream.write = lambda self, block: setattr(self, 'frames_written', self.shape[-1])\n"
        "sys.argv[1:] = ['files', '--cases', '1', '--workers', '1']\n"
        "sys.exit(m.main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 1
    assert "broken result: " in ended.stdout
