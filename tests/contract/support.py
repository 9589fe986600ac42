"""Running `dstft` in this process, sounds to run it on, and the definitions to check it by."""

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import soundfile

from dstft_cli.cli import main
from tests.criteria.reference import criterion_value, frame_weights
from tests.stft.reference import explicit_stft

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_audio"
RATE = 8000
N = 3200  # samples of `sound`, 0.4 s
CRITERIA = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")
WINDOW_MODES = ("fixed", "constant", "time", "frequency", "time-frequency")
HOP_MODES = ("fixed", "constant", "time")
PLANE = ("--scope", "plane")  # values that can be recomputed from the definition
FIXED = ("--window-mode", "fixed", "--n-fft", "256", "--hop-length", "64", *PLANE)
CONSTANT = ("--window-mode", "constant", "--n-fft", "256", "--hop-length", "32", *PLANE)
TIME = ("--window-mode", "time", "--n-fft", "256", "--hop-length", "32", *PLANE)


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    code: int
    out: bytes
    err: str

    @property
    def text(self) -> str:
        return self.out.decode("utf-8")

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.text)


def run(*arguments: str | Path, stdin: bytes = b"", code: int | None = 0) -> Ran:
    """`dstft ARGUMENTS` in this process; `code` is what it must exit with, None for any."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    source = io.TextIOWrapper(io.BytesIO(stdin), "utf-8")
    streams = {"stdout": out, "stderr": err, "stdin": source}
    with mock.patch.multiple(sys, **streams):
        try:
            status = main([str(part) for part in arguments])
        except SystemExit as end:
            status = end.code
        out.flush()
        err.flush()
    ran = Ran(int(status or 0), out.buffer.getvalue(), err.buffer.getvalue().decode("utf-8"))
    assert code is None or ran.code == code, f"{arguments}: {ran.code}, not {code}: {ran.err}"
    return ran


def refused(*arguments: str | Path, code: int = 2, stdin: bytes = b"") -> str:
    """The one line on stderr with which `dstft ARGUMENTS` ends; nothing goes to stdout."""
    ran = run(*arguments, stdin=stdin, code=code)
    assert ran.out == b"", f"{arguments}: {ran.out!r}"
    assert ran.err.startswith("dstft: "), f"{arguments}: {ran.err}"
    assert ran.err.endswith("\n"), f"{arguments}: {ran.err}"
    assert ran.err.count("\n") == 1, f"{arguments}: {ran.err}"
    assert "Traceback" not in ran.err, f"{arguments}: {ran.err}"
    assert "`" not in ran.err, f"{arguments}: {ran.err}"
    return ran.err[len("dstft: ") : -1]


def listing(folder: Path) -> set[Path]:
    """All that is below it."""
    return set(folder.rglob("*"))


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """`dstft ARGUMENTS` as a process of its own, of this package whatever is installed."""
    line = [sys.executable, "-W", "error", "-m", "dstft_cli", *map(str, arguments)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    own = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(line, env=own, capture_output=True, timeout=300, check=False, **options)


def sound() -> np.ndarray:
    """A chirp, a tone that starts late, a click and noise, two channels, `[N, 2]`."""
    n = np.arange(N)
    x = 0.3 * np.sin(n * (0.3 + 3e-4 * n)) + 0.3 * np.sin(0.9 * n) * (n > N // 2)
    x[700] += 0.8
    noise = 0.01 * np.random.default_rng(1).standard_normal((N, 2))
    return (np.stack([x, 0.5 * np.roll(x, 300)], 1) + noise).astype(np.float32)


def write_sound(path: Path, samples: np.ndarray, rate: int = RATE) -> np.ndarray:
    """Writes a WAV of float32, gives the samples back as float64."""
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return samples.astype(np.float64)


@dataclass(frozen=True)
class Written:
    """What stands in a result's directory."""

    record: dict[str, Any]
    parameters: dict[str, np.ndarray]
    spectrogram: np.ndarray

    @property
    def settings(self) -> dict[str, Any]:
        return self.record["settings"]

    @property
    def final(self) -> float:
        return self.record["criterion"]["final"]


def read(directory: str | Path) -> Written:
    folder = Path(directory)
    with np.load(folder / "parameters.npz", allow_pickle=False) as stored:
        parameters = {name: stored[name] for name in stored.files}
    record = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return Written(record, parameters, np.load(folder / "spectrogram.npy", allow_pickle=False))


def recomputed(written: Written, x: np.ndarray) -> tuple[np.ndarray, float]:
    """`X` and the criterion of what was written, from the samples `x [N]`."""
    settings, parameters = written.settings, written.parameters
    centers, n_fft = parameters["frame_centers"], int(parameters["n_fft"])
    how = settings["window"], settings["normalization"]
    X = explicit_stft(x, centers, parameters["window_length"], n_fft, *how)
    weights = None if settings["hop_mode"] == "fixed" else frame_weights(centers, len(x))
    low, high = settings["criterion_fmin"], settings["criterion_fmax"]
    f = parameters["frequencies"]
    a = np.abs(X[(f >= (low or 0)) & (f <= (high or np.inf))]) ** settings["power"]
    return X, criterion_value(settings["criterion"], a.T[None], settings["order"], weights)
