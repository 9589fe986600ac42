"""`dstft` in this process, with and without its engine."""

import io
import shutil
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from contract.support import RATE

from dstft_cli.cli import main

QUICK = ("--n-fft", "256", "--hop-length", "32", "--no-figures", "-q")
RECORD = {
    "warnings": ["at the upper bound: raise `win_length_max`"],
    "criterion": {"name": "entropy", "direction": "minimize", "start": 9.5, "final": 9.0}
    | {"best_fixed": {"win_length": 256.0, "value": 9.25}},
    "input": {"sample_rate": RATE},
    "settings": {"search": True, "window_mode": "constant"},
    "window_length": 512.0,
    "hop_length": 32.0,
    "n_fft": 512,
    "frames": 100,
}


class Terminal(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def __init__(self) -> None:
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self) -> bool:
        return True

    def text(self) -> str:
        return self.buffer.getvalue().decode()


@pytest.fixture
def calls(monkeypatch):
    """Every call of the job, which is replaced by one that writes `data` to its stdout."""
    seen: list[Any] = []

    def run_optimize(source, settings, *, stdout, progress, **_):
        seen.append(types.SimpleNamespace(source=source, settings=settings, progress=progress))
        if stdout is not None:
            stdout.write(b'{"data": 1}')
        return types.SimpleNamespace(result_json=RECORD, output=Path("a-dstft"))

    module = types.ModuleType("dstft_cli.run.optimize")
    module.run_optimize = run_optimize  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return seen


@pytest.fixture(scope="package")
def results(tmp_path_factory):
    """A folder with `a.wav` and what was learned from it, in `constant` and `time`."""
    folder = tmp_path_factory.mktemp("results")
    n = np.arange(4000)
    x = 0.3 * np.sin(0.4 * n) + 0.5 * (n % 1500 == 700)
    soundfile.write(folder / "a.wav", np.stack([x, 0.5 * x], 1), RATE, subtype="FLOAT")
    soundfile.write(folder / "longer.wav", np.concatenate([x, x]), RATE, subtype="FLOAT")
    soundfile.write(folder / "other.wav", np.concatenate([x, x]), 12000, subtype="FLOAT")
    for mode in ("constant", "time"):
        options = ["--window-mode", mode, "--save-stft", "--channel", "all", "--highpass", "20Hz"]
        place = ["-o", str(folder / mode)]
        assert main(["optimize", str(folder / "a.wav"), *QUICK, *options, *place]) == 0
    return folder


@pytest.fixture
def place(results, tmp_path, monkeypatch):
    """A copy of it, as the current directory."""
    shutil.copytree(results, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path
