"""Running `dstft` in this process, sounds to run it on, and the definitions to check it by."""

from __future__ import annotations

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

ROOT = Path(__file__).parents[2]
SAMPLES = ROOT / "sample_audio"
RATE = 8000
N = 3200  # samples of `sound`, 0.4 s
COMMANDS = ("optimize", "batch", "sweep", "apply", "reconstruct", "report", "reproduce")
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
    return ran.err[len("dstft: ") : -1]


def process(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[bytes]:
    """`dstft ARGUMENTS` as a process of its own."""
    defaults: dict[str, Any] = {"capture_output": True, "timeout": 300, "check": False}
    return subprocess.run(command(*arguments), env=environment(), **{**defaults, **options})


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "dstft_cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    """This package, whatever is installed, and wide lines."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


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


def stft_of(
    x: np.ndarray,
    centers: np.ndarray,
    lengths: np.ndarray,
    n_fft: int,
    window: str = "hann",
    normalization: str = "energy",
) -> np.ndarray:
    """The definition: `X[f, i] = Σ_k x[⌊t_i⌋+k] w(k − frac t_i; θ[f, i]) e^(−2πjf(k+⌊K/2⌋)/K)`."""
    k = np.arange(-(n_fft // 2), n_fft - n_fft // 2)
    floor = np.floor(centers).astype(int)
    frames = np.pad(x, n_fft)[floor[:, None] + k + n_fft]
    u = k - (centers - floor)[:, None]
    bins = np.arange(n_fft // 2 + 1)
    wave = np.exp(-2j * np.pi * np.outer(k + n_fft // 2, bins) / n_fft)
    if len(lengths) == 1:
        return ((frames * window_of(u, lengths.T, window, normalization)) @ wave).T
    rows = [window_of(u, row[:, None], window, normalization) for row in lengths]
    return np.stack([(frames * w) @ wave[:, f] for f, w in enumerate(rows)])


COSINES = {
    "hann": (0.5, 0.5),
    "blackman": (0.42, 0.5, 0.08),
    "nuttall": (0.355768, 0.487396, 0.144232, 0.012604),
}


def window_of(u: np.ndarray, length: np.ndarray, name: str, normalization: str) -> np.ndarray:
    """A sum of cosines of `u / θ`, zero where `|u| > θ/2`, normalised along the last axis."""
    v = u / length
    w = sum(c * np.cos(2 * np.pi * j * v) for j, c in enumerate(COSINES[name]))
    w = np.where(np.abs(v) <= 0.5, w, 0.0)
    if normalization == "energy":
        return w / np.sqrt((w**2).sum(-1, keepdims=True))
    return w / w.sum(-1, keepdims=True) if normalization == "amplitude" else w


def criterion_of(
    name: str, a: np.ndarray, weights: np.ndarray | None = None, order: float | None = None
) -> float:
    """A criterion of `a = |X|^p`, `[F, T]`, by its definition; `weights` of the frames, `[T]`."""
    w = np.ones(a.shape[1]) if weights is None else weights

    def total(values: np.ndarray) -> float:
        return float((values.sum(0) * w).sum())

    if name == "entropy":
        s1 = total(a)
        return np.log(s1) - total(a * np.log(np.maximum(a, 1e-300))) / s1
    if name == "renyi":
        alpha = order or 3.0
        return (np.log(total(a**alpha)) - alpha * np.log(total(a))) / (1 - alpha)
    if name == "kurtosis":
        per_frame = len(a) * (a**4).sum(0) / (a**2).sum(0) ** 2
        return float((per_frame * w).sum() / w.sum())
    if name == "concentration":
        return total(a**4) / total(a**2) ** 2
    if name == "lp":
        p = order or 0.5
        return total(a**p) / total(a**2) ** (p / 2)
    if name == "gini":
        assert weights is None
        flat = np.sort(a.ravel())
        n = len(flat)
        return float(((2 * np.arange(1, n + 1) - n - 1) * flat).sum() / (n * flat.sum()))
    ratio = total(a) / np.sqrt(total(a**2))
    root = np.sqrt(len(a) * w.sum())
    return ratio if name == "l1l2" else float((root - ratio) / (root - 1))


def frame_weights(centers: np.ndarray, samples: int) -> np.ndarray:
    """Share of time of each learned frame, 1 on average, `[T]`."""
    between = (centers[:-1] + centers[1:]) / 2
    shares = np.diff(between, prepend=0.0, append=samples - 1.0)
    return shares / shares.mean()


def recomputed(written: Written, x: np.ndarray) -> tuple[np.ndarray, float]:
    """`X` and the criterion of what was written, from the samples `x [N]`."""
    settings, parameters = written.settings, written.parameters
    centers, n_fft = parameters["frame_centers"], int(parameters["n_fft"])
    how = settings["window"], settings["normalization"]
    X = stft_of(x, centers, parameters["window_length"], n_fft, *how)
    weights = None
    if settings["hop_mode"] != "fixed":
        weights = frame_weights(centers, len(x))
    a = np.abs(X) ** settings["power"]
    low, high = settings["criterion_fmin"], settings["criterion_fmax"]
    f = parameters["frequencies"]
    a = a[(f >= (low or 0)) & (f <= (high or np.inf))]
    return X, criterion_of(settings["criterion"], a, weights, settings["order"])
