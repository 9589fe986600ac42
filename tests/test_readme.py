"""What the README says of set-up, files, options and benchmarks holds; test_docs.py runs its commands."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SCRIPTS = Path(sysconfig.get_path("scripts"))


def blocks(language: str, text: str = README) -> list[str]:
    """Contents of the fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)


SET_UP = [block for block in blocks("sh") if "-m venv" in block]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory that has the recordings and presets of the repository, and no results."""
    for name in ("sample_audio", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def run_shell(block: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=folder,
        env={**os.environ, "PATH": path},
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert result.returncode == 0, f"{block}\nexit code {result.returncode}\n{result.stderr}"
    return result


def test_the_readme_has_two_set_up_blocks() -> None:
    assert len(SET_UP) == 2


def test_the_first_command_installs_with_constraints_and_learns_from_the_bell(
    folder: Path,
) -> None:
    venv, install, learn = SET_UP[0].strip().split(" && ")
    assert venv == "python3 -m venv .venv"
    assert install == ".venv/bin/pip install -c constraints.txt ."
    assert (ROOT / "constraints.txt").is_file()
    assert learn.startswith(".venv/bin/dstft ")
    run_shell(learn.removeprefix(".venv/bin/"), folder)
    assert np.load(folder / "bell-dstft" / "spectrogram.npy").ndim == 2


def test_the_test_command_is_that_of_the_ci_script() -> None:
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert script.startswith("#!/usr/bin/env bash\n")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    head, start, rest = script.partition("python3 -m venv")
    assert start + rest == SET_UP[1]
    lines = [line for line in head.splitlines() if line and not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."']


def test_the_test_command_checks_style_types_and_tests_in_its_own_environment() -> None:
    parts = [part.strip() for part in SET_UP[1].split("&&")]
    assert parts[0] == "python3 -m venv .venv-test"
    assert parts[1] == ".venv-test/bin/pip install --quiet -c constraints.txt -e '.[test]'"
    assert [part.removeprefix(".venv-test/bin/") for part in parts[2:]] == [
        "ruff check .",
        "ruff format --check .",
        "mypy",
        "pytest -n logical --maxprocesses 8 --cov --cov-report=term",
    ]


def test_the_files_table_names_what_is_written(folder: Path) -> None:
    run_shell("dstft optimize sample_audio/two-tones.wav --save-stft", folder)
    table = README.partition("### What it writes")[2].partition("###")[0]
    named = re.findall(r"^\| `([\w.]+)`", table, flags=re.MULTILINE)
    assert sorted(named) == sorted(p.name for p in (folder / "two-tones-dstft").iterdir())


def test_the_python_example_runs(folder: Path) -> None:
    (example,) = blocks("python")
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", example + "\nprint(X.shape, X.dtype)"],
        cwd=folder,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    shape = re.search(r"torch.Size\(\[(\d+), (\d+)\]\) torch.complex128", result.stdout)
    assert shape is not None, result.stdout
    frames = int(shape[2])
    assert result.stdout.startswith(f"(1, {frames}) {2 * (int(shape[1]) - 1)}\n")


def test_the_picture_of_the_readme_is_small() -> None:
    assert "](docs/comparison.png)" in README
    assert (ROOT / "docs" / "comparison.png").stat().st_size < 400_000


def test_options_named_in_the_readme_exist(folder: Path) -> None:
    text = run_shell("dstft optimize --help", folder).stdout
    offered = set(re.findall(r"--[a-z][a-z-]*", text))
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"`(--[a-z][a-z-]*)", prose))
    assert len(named) >= 10
    assert named - offered == set()


def test_the_benchmarks_named_in_the_readme_run() -> None:
    (named,) = re.findall(r"`python -m benchmarks ([a-z ]+)`", README)
    assert named.split() == ["speed", "startup", "optimum", "memory"]
    quick = "python -m benchmarks speed startup optimum --seconds 3 --rounds 1 --peer-seconds 0"
    output = run_shell(quick, ROOT).stdout
    verdicts = re.findall(r"^(met|NOT MET) +([^:]+): \S+ (passes|ms|nats), claimed ≤", output, re.M)
    assert len(verdicts) == 7 + 3 + 5
    reached = {text: verdict for verdict, text, unit in verdicts if unit == "nats"}
    modes = ("constant", "time", "frequency", "time-frequency")
    cases = [*(f"two tones, {mode}" for mode in modes), "swinging tone, frequency"]
    assert reached == dict.fromkeys(cases, "met")
