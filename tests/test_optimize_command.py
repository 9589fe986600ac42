"""`dstft optimize` on real files: what it writes, and what flows through pipes."""

import csv
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import soundfile
import torch
from criteria_reference import criterion_value

from dstft_cli.cli import main
from dstft_cli.names import WINDOW_MODES
from dstft_cli.run.optimize import cpu_threads
from dstft_cli.settings import OPTIONS
from dstft_cli.stft import stft

SAMPLES = Path(__file__).parent.parent / "sample_audio"
FILES = {
    "spectrogram.npy",
    "parameters.npz",
    "trajectory.csv",
    "spectrogram.png",
    "comparison.png",
    "trajectory.png",
    "result.json",
}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def folder(tmp_path):
    """An empty folder with a short recording in one and one in two channels."""
    x, rate = soundfile.read(SAMPLES / "two-tones.wav", dtype="float32")
    soundfile.write(tmp_path / "a.wav", x, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "stereo.wav", np.stack([x, 0.5 * x[::-1]], 1), rate, subtype="FLOAT")
    return tmp_path


@pytest.fixture
def dstft(tmp_path, monkeypatch, capsysbinary):
    """`dstft optimize` in that folder and in this process: what it printed, its exit code checked."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        capsysbinary.readouterr()
        assert main(["optimize", *arguments]) == code
        return Printed(*capsysbinary.readouterr())

    return run


class Printed(NamedTuple):
    stdout: bytes
    stderr: bytes


def process(folder, *arguments, data=None) -> Printed:
    """The same as a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "dstft_cli", "optimize", *arguments]
    done = subprocess.run(command, cwd=folder, input=data, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    return Printed(done.stdout, done.stderr)


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def read_json(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def recomputed(x: np.ndarray, parameters: np.lib.npyio.NpzFile) -> np.ndarray:
    """The transform `[C, F, T]` of the audio `[C, N]` in float64, from the written parameters."""
    return stft(
        torch.from_numpy(np.atleast_2d(x).astype(np.float64)),
        torch.from_numpy(parameters["frame_centers"]),
        torch.from_numpy(parameters["window_length"].astype(np.float64)),
        int(parameters["n_fft"]),
    ).numpy()


def recomputed_entropy(x: np.ndarray, parameters: np.lib.npyio.NpzFile) -> float:
    """Entropy of |X|² by the definition."""
    return criterion_value("entropy", np.abs(recomputed(x, parameters).transpose(0, 2, 1)) ** 2)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("two-tones.wav", ["--window-mode", "constant"]),
        ("speech.wav", ["--window-mode", "time", "--duration", "1.5"]),
    ],
)
def test_everything_is_written_as_promised(tmp_path, name, options):
    shutil.copy(SAMPLES / name, tmp_path)
    printed = process(tmp_path, name, *options)
    directory = tmp_path / f"{Path(name).stem}-dstft"
    assert names(tmp_path) == {name, directory.name}
    assert names(directory) == FILES

    record = read_json(directory / "result.json")
    x, rate = soundfile.read(tmp_path / name, dtype="float32")
    x = x[: round(1.5 * rate)] if "--duration" in options else x
    F, T = record["n_fft"] // 2 + 1, record["frames"]
    hop = record["hop_length"]
    assert 1 + int(len(x) // hop) == T

    with np.load(directory / "parameters.npz", allow_pickle=False) as parameters:
        shape = (1, 1) if "constant" in options else (1, T)
        assert parameters["window_length"].shape == shape
        lengths = parameters["window_length"]
        np.testing.assert_allclose(parameters["frame_centers"], hop * np.arange(T))
        np.testing.assert_allclose(parameters["hop_lengths"], np.full(T - 1, hop))
        np.testing.assert_allclose(parameters["times"], hop * np.arange(T) / rate)
        np.testing.assert_allclose(parameters["frequencies"], np.linspace(0, rate / 2, F))
        assert parameters["sample_rate"] == rate
        assert parameters["n_fft"] == record["n_fft"]
        steps = len(parameters["trajectory_criterion"])
        assert len(parameters["trajectory_window_length"]) == steps
        assert len(parameters["trajectory_hop_length"]) == steps
        assert record["criterion"]["final"] == pytest.approx(
            recomputed_entropy(x, parameters), rel=1e-4
        )
        X = recomputed(x, parameters)[0]
        trajectory_values = parameters["trajectory_criterion"].tolist()

    spectrogram = np.load(directory / "spectrogram.npy", allow_pickle=False)
    assert (spectrogram.shape, spectrogram.dtype) == ((F, T), np.float32)
    np.testing.assert_allclose(spectrogram, np.abs(X), atol=1e-5 * spectrogram.max())

    with open(directory / "trajectory.csv", newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    assert [int(line["step"]) for line in lines] == list(range(steps))
    assert lines[0]["phase"] == "start"
    np.testing.assert_allclose(
        [float(line["criterion"]) for line in lines], trajectory_values, rtol=1e-6
    )

    for picture in ("spectrogram.png", "comparison.png", "trajectory.png"):
        assert (directory / picture).read_bytes().startswith(PNG)

    spread = record["window_length"]
    if "constant" in options:
        assert spread == pytest.approx(lengths.item())
    else:
        found = [spread["min"], spread["median"], spread["max"]]
        assert found == pytest.approx([lengths.min(), np.median(lengths), lengths.max()])
        assert spread["min"] < spread["max"]
        assert record["criterion"]["final"] < record["criterion"]["best_fixed"]["value"]
        assert record["criterion"]["table_bound"] is not None
    assert record["input"] == {
        "path": name,
        "sha256": hashlib.sha256((tmp_path / name).read_bytes()).hexdigest(),
        "sample_rate": rate,
        "channels": 1,
        "samples": len(x),
        "seconds": pytest.approx(len(x) / rate),
    }
    assert set(record["seconds"]) == {"load", "search", "descent", "write", "total"}
    assert sum(record["seconds"].values()) <= 2 * record["seconds"]["total"]
    assert record["outputs"] == {entry: f"{directory.name}/{entry}" for entry in FILES}
    assert record["peak_memory_mb"] > 10

    out, err = printed.stdout.decode(), printed.stderr.decode()
    assert out.splitlines()[0].startswith("window length  ")
    assert out.splitlines()[-1] == f"results        {directory.name}"
    assert err.splitlines() == [f"warning: {warning}" for warning in record["warnings"]]


def test_settings_are_written_resolved(folder, dstft):
    dstft(
        "a.wav", "--win-length", "125ms", "--window-mode", "fixed", "--hop-length", "7.5",
        "--set", "power=1", "--threads", "2", "-o", "out/deep", "--format", "svg",
    )  # fmt: skip
    record = read_json(folder / "out/deep/result.json")
    settings = record["settings"]
    assert set(settings) == set(OPTIONS)
    expected = {
        "win_length": 128.0,
        "win_length_min": None,
        "win_length_max": None,
        "hop_length": 7.5,
        "n_fft": 128,
        "sr": 1024,
        "power": 1.0,
        "threads": 2,
        "output": "out/deep",
        "device": settings["device"],
    }
    assert {key: settings[key] for key in expected} == expected
    assert settings["device"] in ("cpu", "cuda", "mps")
    assert record["stop_reason"] == "fixed"
    assert record["window_length"] == 128
    assert (folder / "out/deep/comparison.svg").read_text().lstrip().startswith("<?xml")


@pytest.mark.parametrize("mode", WINDOW_MODES)
def test_settings_that_were_written_can_be_given_again(folder, dstft, mode):
    dstft("a.wav", "--window-mode", mode, "--n-fft", "128", "--no-figures", "-o", "first")
    first = read_json(folder / "first/result.json")
    given = {k: v for k, v in first["settings"].items() if v is not None}
    (folder / "again.yaml").write_text(json.dumps(given), encoding="utf-8")
    dstft("a.wav", "--config", "again.yaml", "-o", "second")
    second = read_json(folder / "second/result.json")
    assert second["settings"] == first["settings"] | {"output": "second"}
    assert second["criterion"] == first["criterion"]


@pytest.mark.parametrize("to_file", [False, True])
def test_json_alone_on_stdout(folder, dstft, to_file):
    printed = dstft("a.wav", "--json", *(["-o", "out"] if to_file else []))
    record = json.loads(printed.stdout)
    assert record["input"]["path"] == "a.wav"
    assert names(folder) == {"a.wav", "stereo.wav", *(["out"] if to_file else [])}
    if to_file:
        assert record == read_json(folder / "out/result.json")
        assert names(folder / "out") == FILES
    else:
        assert record["outputs"] == {}


def test_npy_through_pipes(folder, dstft):
    """From standard input to standard output, nothing on disk."""
    data = (folder / "a.wav").read_bytes()
    printed = process(folder, "-", "--npy", "-", "--n-fft", "256", data=data)
    piped = np.load(io.BytesIO(printed.stdout), allow_pickle=False)
    assert len(printed.stdout) == 128 + piped.nbytes
    assert names(folder) == {"a.wav", "stereo.wav"}
    dstft("a.wav", "--npy", "x.npy", "--n-fft", "256")
    assert names(folder) == {"a.wav", "stereo.wav", "a-dstft", "x.npy"}
    np.testing.assert_array_equal(np.load(folder / "x.npy"), piped)
    np.testing.assert_array_equal(np.load(folder / "a-dstft/spectrogram.npy"), piped)


def test_png_on_stdout_and_in_a_directory(folder, dstft):
    printed = dstft("a.wav", "--png", "-", "-o", "out", "-q")
    assert printed.stdout.startswith(PNG)
    assert printed.stdout.endswith(b"IEND\xaeB`\x82")
    assert printed.stdout == (folder / "out/spectrogram.png").read_bytes()
    assert printed.stderr == b""


def test_all_channels_share_one_transform(folder, dstft):
    dstft("stereo.wav", "--channel", "all", "--save-stft", "--window-mode", "time")
    directory = folder / "stereo-dstft"
    assert names(directory) == FILES | {"stft.npy"}
    record = read_json(directory / "result.json")
    shape = (2, record["n_fft"] // 2 + 1, record["frames"])
    X = np.load(directory / "stft.npy", allow_pickle=False)
    magnitude = np.load(directory / "spectrogram.npy", allow_pickle=False)
    assert (X.shape, X.dtype) == (shape, np.complex64)
    assert (magnitude.shape, magnitude.dtype) == (shape, np.float32)
    np.testing.assert_allclose(magnitude, np.abs(X), rtol=1e-6)
    x, _ = soundfile.read(folder / "stereo.wav", dtype="float32")
    with np.load(directory / "parameters.npz", allow_pickle=False) as parameters:
        assert parameters["window_length"].shape == (1, record["frames"])
        expected = recomputed(x.T, parameters)
        assert record["criterion"]["final"] == pytest.approx(
            recomputed_entropy(x.T, parameters), rel=1e-4
        )
    assert record["input"]["channels"] == 2
    np.testing.assert_allclose(X, expected, rtol=0, atol=1e-5 * magnitude.max())


def test_saved_transform_is_inverted_by_torch(folder, dstft):
    dstft(
        "a.wav", "--window-mode", "fixed", "--win-length", "200", "--n-fft", "256",
        "--hop-length", "50", "--normalization", "none", "--save-stft",
    )  # fmt: skip
    X = torch.from_numpy(np.load(folder / "a-dstft/stft.npy"))
    x, _ = soundfile.read(folder / "a.wav", dtype="float32")
    back = torch.istft(X, 256, 50, 200, window=torch.hann_window(200), length=len(x)).numpy()
    assert np.linalg.norm(back - x) <= 1e-5 * np.linalg.norm(x)


def test_existing_results_are_kept_unless_forced(folder, dstft):
    dstft("a.wav", "--window-mode", "fixed")
    kept = (folder / "a-dstft/result.json").read_bytes()
    printed = dstft("a.wav", code=2)
    assert printed.stdout == b""
    message = printed.stderr.decode()
    assert message.startswith("dstft: a-dstft exists")
    assert "--force" in message
    assert message.count("\n") == 1
    assert (folder / "a-dstft/result.json").read_bytes() == kept
    dstft("a.wav", "--force")
    record = read_json(folder / "a-dstft/result.json")
    assert record["settings"]["window_mode"] == "constant"
    assert names(folder / "a-dstft") == FILES
    assert names(folder) == {"a.wav", "stereo.wav", "a-dstft"}


def test_criterion_of_ones_own(folder, dstft, monkeypatch):
    (folder / "mine.py").write_text(
        "class Own:\n"
        "    direction = 'maximize'\n"
        "    def moments(self, a):\n"
        "        return a**2, a**4\n"
        "    def value(self, sums, cells):\n"
        "        return sums[1] / sums[0] ** 2\n"
    )
    monkeypatch.syspath_prepend(folder)
    own = dstft("a.wav", "--criterion", "mine:Own", "--json")
    built_in = dstft("a.wav", "--criterion", "concentration", "--json")
    mine, theirs = (json.loads(printed.stdout)["criterion"] for printed in (own, built_in))
    assert mine["name"] == "mine:Own"
    assert mine["direction"] == "maximize"
    assert mine["final"] == pytest.approx(theirs["final"], rel=1e-4)


def test_no_more_threads_than_processors():
    before = torch.get_num_threads()
    with cpu_threads(4096):
        assert torch.get_num_threads() == os.cpu_count()
    assert torch.get_num_threads() == before
