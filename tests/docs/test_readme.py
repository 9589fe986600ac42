"""What the README says of set-up, files and options holds, and its commands run."""

import os
import re
import shutil

import numpy as np
import pytest

from dstft_cli.cli import main
from tests.docs.pages import PAGES, ROOT, blocks, check_written, commands, furnish, run

README = PAGES["README.md"]
SET_UP = [block for block in blocks("sh", "README.md") if "-m venv" in block]


@pytest.fixture
def folder(tmp_path):
    return furnish(tmp_path)


def test_it_is_short():
    assert len(README.split()) <= 900


def test_the_first_command_learns_from_the_bell_and_writes_what_the_table_names(
    folder, monkeypatch
):
    venv, install, learn = SET_UP[0].strip().split(" && ")
    assert venv == "python3 -m venv .venv"
    assert install == ".venv/bin/pip install -c constraints.txt ."
    assert (ROOT / "constraints.txt").is_file()
    program, *arguments = learn.split()
    assert program == ".venv/bin/dstft"
    monkeypatch.chdir(folder)
    assert main([*arguments, "--save-stft", "--duration", "1"]) == 0
    assert np.load(folder / "bell-dstft" / "spectrogram.npy").ndim == 2
    check_written(folder)
    table = README.partition("## What it writes")[2].partition("\n## ")[0]
    rows = re.findall(r"^\|(.*?)\|", table, flags=re.MULTILINE)
    named = re.findall(r"`([\w.]+)`", " ".join(rows))
    assert sorted(named) == sorted(path.name for path in (folder / "bell-dstft").iterdir())


def test_the_test_command_is_that_of_the_ci_script():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
    head, start, rest = script.partition("python3 -m venv")
    assert start + rest == SET_UP[1]
    lines = [line for line in head.splitlines() if line and not line.startswith("#")]
    assert lines == ["set -euo pipefail", 'cd "$(dirname "${BASH_SOURCE[0]}")/.."']
    for tool in ("ruff check .", "ruff format --check .", "mypy", "pytest "):
        assert f".venv-test/bin/{tool}" in SET_UP[1]


def test_options_named_in_prose_exist(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["--help"]) == main(["optimize", "--help-all"]) == 0
    offered = set(re.findall(r"--[a-z][a-z-]*", capsys.readouterr().out))
    prose = re.sub(r"^```.*?^```$", "", README, flags=re.DOTALL | re.MULTILINE)
    named = set(re.findall(r"`(?:dstft )?(--[a-z][a-z-]*)", prose))
    assert named
    assert named - offered == set()


@pytest.mark.slow
def test_every_command_and_example_runs(folder):
    for block in commands("README.md"):
        if "ffmpeg" not in block or shutil.which("ffmpeg"):
            run(block, folder)
    check_written(folder)
    for example in blocks("python", "README.md"):
        run(example, folder, "python")
