"""`dstft` in this process, with and without its engine."""

import io
import sys
import types
from pathlib import Path
from typing import Any

import pytest

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
