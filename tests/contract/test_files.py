"""What `dstft optimize` writes into its directory."""

from __future__ import annotations

import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from .support import CONSTANT, FIXED, RATE, TIME, N, read, recomputed, run

FILES = {
    "spectrogram.npy",
    "stft.npy",
    "parameters.npz",
    "trajectory.csv",
    "spectrogram.png",
    "comparison.png",
    "trajectory.png",
    "result.json",
}


def test_arrays(learned: Path) -> None:
    place = learned / "a-dstft"
    assert {path.name for path in place.iterdir()} >= FILES
    written = read(place)
    stft = np.load(place / "stft.npy", allow_pickle=False)
    frames = 1 + N // 32
    assert (written.spectrogram.dtype, written.spectrogram.shape) == (np.float32, (129, frames))
    assert (stft.dtype, stft.shape) == (np.complex64, (129, frames))
    np.testing.assert_allclose(np.abs(stft), written.spectrogram, rtol=1e-5, atol=1e-6)


def test_parameters(learned: Path) -> None:
    p = read(learned / "a-dstft").parameters
    frames = 1 + N // 32
    steps = len(p["trajectory_criterion"])
    for name, shape in {
        "window_length": (1, frames),
        "frame_centers": (frames,),
        "hop_lengths": (frames - 1,),
        "times": (frames,),
        "frequencies": (129,),
        "sample_rate": (),
        "n_fft": (),
        "trajectory_criterion": (steps,),
    }.items():
        assert p[name].shape == shape, name
        assert p[name].dtype.kind in "fi", name
    assert p["trajectory_window_length"].shape[0] == steps
    assert p["trajectory_hop_length"].shape[0] == steps
    assert (float(p["sample_rate"]), int(p["n_fft"])) == (RATE, 256)
    np.testing.assert_array_equal(p["frame_centers"], 32.0 * np.arange(frames))
    np.testing.assert_allclose(p["times"], p["frame_centers"] / RATE)
    np.testing.assert_allclose(p["hop_lengths"], np.diff(p["frame_centers"]))
    np.testing.assert_allclose(p["frequencies"], np.arange(129) * RATE / 256)


def test_result_json(learned: Path) -> None:
    place = learned / "a-dstft"
    record = read(place).record
    keys = "version settings input criterion window_length hop_length n_fft frames stop_reason "
    keys += "evaluations seconds peak_memory_mb warnings outputs"
    assert set(keys.split()) <= set(record)
    told = {
        "path": str(learned / "a.wav"),
        "sha256": hashlib.sha256((learned / "a.wav").read_bytes()).hexdigest(),
        "sample_rate": RATE,
        "channels": 1,
        "samples": N,
        "seconds": N / RATE,
    }
    assert {key: record["input"][key] for key in told} == told
    criterion = record["criterion"]
    names = {"name", "direction", "start", "best_fixed", "final", "table_bound"}
    assert names <= set(criterion)
    assert (criterion["name"], criterion["direction"]) == ("entropy", "minimize")
    assert set(criterion["best_fixed"]) == {"win_length", "value"}
    for value in (criterion["start"], criterion["final"], criterion["best_fixed"]["value"]):
        assert isinstance(value, float)
    assert criterion["final"] <= min(criterion["start"], criterion["best_fixed"]["value"])
    assert set(record["window_length"]) == {"min", "median", "max"}
    assert (record["hop_length"], record["n_fft"], record["frames"]) == (32, 256, 1 + N // 32)
    assert record["stop_reason"] in {"fixed", "search", "converged", "step_limit", "non_finite"}
    assert isinstance(record["evaluations"], int)
    assert {"load", "search", "descent", "write", "total"} <= set(record["seconds"])
    assert all(seconds >= 0 for seconds in record["seconds"].values())
    assert record["peak_memory_mb"] > 0
    assert all(isinstance(text, str) for text in record["warnings"])
    assert record["outputs"] == {path.name: str(path) for path in place.iterdir()}


def test_settings_in_result_json(learned: Path) -> None:
    settings = read(learned / "a-dstft").settings
    given = {"window_mode": "time", "n_fft": 256, "hop_length": 32, "save_stft": True, "sr": RATE}
    words = "channel=mix window=hann normalization=energy hop_mode=fixed criterion=entropy "
    words += "optimizer=auto dtype=float32 device=cpu format=png"
    default = dict(pair.split("=") for pair in words.split())
    default |= {"power": 2.0, "overlap": 0.5, "search": True, "seed": 0, "db_range": 80.0}
    wanted = {**given, **default}
    assert {key: settings[key] for key in wanted} == wanted
    assert settings["win_length_max"] == 256
    assert settings["smoothness"] > 0
    assert settings["threads"] >= 1


def test_trajectory_csv(learned: Path) -> None:
    with open(learned / "a-dstft/trajectory.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = "step phase seconds evaluations criterion window_length_min window_length_median "
    columns += "window_length_max hop_length_min hop_length_median hop_length_max"
    assert list(rows[0]) == columns.split()
    assert [int(row["step"]) for row in rows] == list(range(len(rows)))
    assert rows[0]["phase"] == "start"
    assert {row["phase"] for row in rows} <= {"start", "table", "search", "descent"}
    stored = read(learned / "a-dstft").parameters["trajectory_criterion"]
    np.testing.assert_allclose([float(row["criterion"]) for row in rows], stored)
    evaluations = [int(row["evaluations"]) for row in rows]
    assert evaluations == sorted(evaluations)
    for row in rows:
        low, middle, high = (
            float(row[f"window_length_{name}"]) for name in ("min", "median", "max")
        )
        assert 0 < low <= middle <= high <= 256
        assert float(row["hop_length_median"]) == 32


def test_criterion_is_that_of_the_written_parameters(learned: Path, x: np.ndarray) -> None:
    written = read(learned / "a-dstft")
    X, value = recomputed(written, x)
    assert written.final == pytest.approx(value, rel=1e-4)
    atol = 1e-5 * written.spectrogram.max()
    np.testing.assert_allclose(written.spectrogram, np.abs(X), atol=atol)
    np.testing.assert_allclose(np.load(learned / "a-dstft/stft.npy"), X, atol=atol)


def test_pictures(learned: Path, folder: Path) -> None:
    for name in ("spectrogram", "comparison", "trajectory"):
        with Image.open(learned / f"a-dstft/{name}.png") as image:
            assert image.format == "PNG", name
            assert min(image.size) > 200, name
    starts = {"svg": b"<?xml", "pdf": b"%PDF"}
    for suffix, start in starts.items():
        run("optimize", "a.wav", *FIXED, "--format", suffix, "-o", suffix, "-q")
        assert (folder / suffix / f"spectrogram.{suffix}").read_bytes().startswith(start)


def test_no_figures(folder: Path) -> None:
    run("optimize", "a.wav", *CONSTANT, "--no-figures", "-o", "out", "-q")
    names = {path.name for path in (folder / "out").iterdir()}
    assert names >= {name for name in FILES if not name.endswith(".png")} - {"stft.npy"}
    assert not any(name.endswith((".png", ".svg", ".pdf")) or name == "stft.npy" for name in names)
    run("optimize", "a.wav", *FIXED, "--no-figures", "-q")  # the directory is named after the input
    assert read("a-dstft").record["outputs"]["result.json"] == str(Path("a-dstft/result.json"))


def test_channels_mean_what_they_say(folder: Path) -> None:
    samples = soundfile.read("ab.wav")[0]
    for channel, x in (("mix", samples.mean(1)), ("0", samples[:, 0]), ("1", samples[:, 1])):
        run("optimize", "ab.wav", *FIXED, "--channel", channel, "--no-figures", "-o", channel, "-q")
        X, value = recomputed(read(channel), x)
        assert read(channel).final == pytest.approx(value, rel=1e-4), channel
        np.testing.assert_allclose(
            read(channel).spectrogram, np.abs(X), atol=1e-5 * np.abs(X).max()
        )
    run("optimize", "ab.wav", *FIXED, "--channel", "all", "--no-figures", "-o", "all", "-q")
    assert read("all").record["input"]["channels"] == 2
    assert read("all").parameters["window_length"].shape == (1, 1)
    for number in (0, 1):
        np.testing.assert_allclose(read("all").spectrogram[number], read(str(number)).spectrogram)


def test_whole_lengths_are_torch_stft(folder: Path, x: np.ndarray) -> None:
    for length, hop, n_fft in ((256, 64, 256), (100, 50, 256), (200, 32, 512)):
        options = ["--win-length", str(length), "--hop-length", str(hop), "--n-fft", str(n_fft)]
        run(
            *("optimize", "a.wav", "--window-mode", "fixed", "--normalization", "none", *options),
            *("--save-stft", "--no-figures", "--force", "-o", "out", "-q"),
        )
        wanted = torch.stft(
            torch.from_numpy(x),
            n_fft,
            hop,
            length,
            torch.hann_window(length, dtype=torch.float64),
            pad_mode="constant",
            return_complex=True,
        ).numpy()
        written = np.load("out/stft.npy")
        np.testing.assert_allclose(written, wanted, atol=1e-5 * np.abs(wanted).max())


def test_windows_and_normalizations(folder: Path, x: np.ndarray) -> None:
    kinds = (("blackman", "energy"), ("nuttall", "amplitude"), ("hann", "none"))
    for window, normalization in kinds:
        case = ["--window", window, "--normalization", normalization]
        run("optimize", "a.wav", *CONSTANT, *case, "--no-figures", "--force", "-o", "out", "-q")
        X, value = recomputed(read("out"), x)
        assert read("out").final == pytest.approx(value, rel=1e-4), case
        atol = 1e-5 * np.abs(X).max()
        np.testing.assert_allclose(read("out").spectrogram, np.abs(X), atol=atol, err_msg=window)


def test_start_value_comes_back(folder: Path) -> None:
    for text, samples in (("100", 100), ("100.5", 100.5), ("23ms", 184), ("0.02s", 160)):
        options = ["--win-length", text, "--no-figures", "--force", "-o", "out", "-q"]
        run("optimize", "a.wav", *FIXED, *options)
        written = read("out")
        assert written.parameters["window_length"][0, 0] == pytest.approx(samples, rel=1e-12), text
        assert written.record["window_length"] == pytest.approx(samples, rel=1e-12), text
    run("optimize", "a.wav", *TIME[:4], "--hop-length", "5ms", "--no-figures", "-o", "hop", "-q")
    assert read("hop").record["hop_length"] == 40
    run(
        *("optimize", "a.wav", *TIME, "--win-length-min", "12ms", "--win-length-max", "200"),
        *("--no-figures", "-o", "bounds", "-q"),
    )
    lengths = read("bounds").parameters["window_length"]
    assert 96 <= lengths.min() <= lengths.max() <= 200


def test_part_and_sample_rate(folder: Path, x: np.ndarray) -> None:
    options = ["--offset", "0.1", "--duration", "0.2", "--no-figures", "-o", "part", "-q"]
    run("optimize", "a.wav", *FIXED, *options)
    part = read("part")
    assert (part.record["input"]["samples"], part.record["input"]["seconds"]) == (1600, 0.2)
    assert part.final == pytest.approx(recomputed(part, x[800:2400])[1], rel=1e-4)
    run("optimize", "a.wav", *FIXED, "--sr", "4000", "--no-figures", "-o", "out", "-q")
    written = read("out")
    assert float(written.parameters["sample_rate"]) == 4000
    assert written.settings["sr"] == 4000
    assert written.record["input"]["seconds"] == pytest.approx(0.4)
    assert written.record["frames"] == 1 + (N // 2) // 64
    assert written.parameters["frequencies"][-1] == 2000
