"""`dstft` in this process, with and without its engine."""

import io
import sys
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dstft_cli.cli import main

RATE = 8000
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


@dataclass
class Printed:
    out: str
    err: str


@pytest.fixture
def dstft(capsys):
    """`dstft ARGUMENTS` in this process; its exit code is checked."""

    def run(*arguments: Any, code: int = 0) -> Printed:
        capsys.readouterr()
        found = main([str(part) for part in arguments])
        printed = Printed(*capsys.readouterr())
        assert found == code, (arguments, printed)
        return printed

    return run


@pytest.fixture
def refused(dstft):
    """The one line with which `dstft ARGUMENTS` ends."""

    def run(*arguments: Any, code: int = 2) -> str:
        printed = dstft(*arguments, code=code)
        assert printed.out == "", arguments
        assert printed.err.startswith("dstft: "), printed.err
        assert printed.err.count("\n") == 1, printed.err
        assert "`" not in printed.err, printed.err
        return printed.err.removeprefix("dstft: ").rstrip("\n")

    return run


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


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current directory, with `a.wav`, two channels of 9000 samples."""
    monkeypatch.chdir(tmp_path)
    n = np.arange(9000)
    x = 0.5 * np.sin(n * (0.2 + 1e-4 * n)).astype(np.float32)
    soundfile.write("a.wav", np.stack([x, 0.1 * x], 1), RATE, subtype="FLOAT")
    return tmp_path
