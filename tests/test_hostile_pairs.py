"""Two runs of `dstft optimize` at once into the same place: one wins or both refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).parents[1]
# both wait for a line, so that they begin together after their imports
CODE = """
import importlib, sys
for name in ("jobs.job", "cli.optimize"):
    importlib.import_module("dstft_cli." + name)
from dstft_cli.cli import main
print("ready", flush=True)
sys.stdin.readline()
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("existing", [False, True])
def test_two_runs_into_one_place(tmp_path, existing):
    x = np.random.default_rng(1).uniform(-0.5, 0.5, 4000)
    soundfile.write(tmp_path / "a.wav", x, 8000)
    options = ["--n-fft", "64", "--no-figures", "-o", "d", "--npy", "x.npy"]

    def start(window: str, *more: str) -> "subprocess.Popen[str]":
        run = subprocess.Popen(
            [sys.executable, "-c", CODE, "optimize", "a.wav", *options, "--window", window, *more],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        return run

    if existing:
        assert start("hann").communicate("\n", timeout=120)[1].count("dstft:") == 0
    force = ["--force"] if existing else []
    runs = {window: start(window, *force) for window in ("blackman", "nuttall")}
    for run in runs.values():
        assert run.stdin is not None
        run.stdin.write("\n")
        run.stdin.flush()
    errors = {window: run.communicate(timeout=120)[1] for window, run in runs.items()}
    codes = {window: run.returncode for window, run in runs.items()}
    assert set(codes.values()) <= {0, 1, 2}
    for window, code in codes.items():
        told = [line for line in errors[window].splitlines() if line.startswith("dstft: ")]
        assert len(told) == (code != 0)
        assert (
            code == 0 or "exists: use --force" in told[0] or "by another run meanwhile" in told[0]
        )
    winners = [window for window, code in codes.items() if code == 0]
    assert winners or existing or not (tmp_path / "d").exists()
    if (tmp_path / "d").exists():  # else both refused
        record = json.loads((tmp_path / "d/result.json").read_text())
        won = record["settings"]["window"]
        assert won in (winners or ["hann"])
        with np.load(tmp_path / "d/parameters.npz", allow_pickle=False) as parameters:
            assert str(parameters["window"]) == won
        magnitude = np.load(tmp_path / "d/spectrogram.npy", allow_pickle=False)
        assert magnitude.shape == (33, record["frames"])
        if not existing:
            np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), magnitude)
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]
