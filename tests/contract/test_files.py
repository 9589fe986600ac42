"""What `dstft optimize` writes into its directory."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import soundfile
from PIL import Image

from .support import FIXED, RATE, TIME, N, read, recomputed, run

FILES = {"spectrogram.npy", "stft.npy", "parameters.npz", "trajectory.csv", "view.html"}
FILES |= {"result.json", "spectrogram.png", "comparison.png", "trajectory.png"}


def test_arrays_and_the_criterion_are_those_of_the_written_parameters(learned, x):
    place = learned / "a-dstft"
    assert {path.name for path in place.iterdir()} >= FILES
    written = read(place)
    stft = np.load(place / "stft.npy", allow_pickle=False)
    frames = 1 + N // 32
    assert (written.spectrogram.dtype, written.spectrogram.shape) == (np.float32, (129, frames))
    assert (stft.dtype, stft.shape) == (np.complex64, (129, frames))
    p = written.parameters
    np.testing.assert_array_equal(p["frame_centers"], 32.0 * np.arange(frames))
    np.testing.assert_allclose(p["times"], p["frame_centers"] / RATE)
    np.testing.assert_allclose(p["frequencies"], np.arange(129) * RATE / 256)
    assert p["window_length"].shape == (1, frames)
    X, value = recomputed(written, x)
    assert written.final == pytest.approx(value, rel=1e-4)
    atol = 1e-5 * written.spectrogram.max()
    np.testing.assert_allclose(written.spectrogram, np.abs(X), atol=atol)
    np.testing.assert_allclose(stft, X, atol=atol)


def test_result_json(learned):
    place = learned / "a-dstft"
    record = read(place).record
    keys = "version settings input criterion window_length hop_length n_fft frames stop_reason "
    keys += "evaluations seconds peak_memory_mb warnings outputs"
    assert set(keys.split()) <= set(record)
    path = learned / "a.wav"
    told = {"path": str(path), "sample_rate": RATE, "channels": 1, "samples": N}
    told |= {"seconds": N / RATE, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert {key: record["input"][key] for key in told} == told
    criterion = record["criterion"]
    assert (criterion["name"], criterion["direction"]) == ("entropy", "minimize")
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


def test_settings_in_result_json(learned):
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


def test_pictures(learned, folder):
    for name in ("spectrogram", "comparison", "trajectory"):
        with Image.open(learned / f"a-dstft/{name}.png") as image:
            assert image.format == "PNG", name
            assert min(image.size) > 200, name
    run("optimize", "a.wav", *FIXED, "--format", "svg", "--save", "pictures", "-o", "svg", "-q")
    assert (folder / "svg/spectrogram.svg").read_bytes().startswith(b"<?xml")


def test_channels_mean_what_they_say(folder):
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


def test_start_value_comes_back(folder):
    for text, samples in (("100", 100), ("100.5", 100.5), ("23ms", 184), ("0.02s", 160)):
        options = ["--win-length", text, "--no-figures", "--force", "-o", "out", "-q"]
        run("optimize", "a.wav", *FIXED, *options)
        written = read("out")
        assert written.parameters["window_length"][0, 0] == pytest.approx(samples, rel=1e-12), text
        assert written.record["window_length"] == pytest.approx(samples, rel=1e-12), text
    run("optimize", "a.wav", *TIME[:4], "--hop-length", "5ms", "--no-figures", "-o", "hop", "-q")
    assert read("hop").record["hop_length"] == 40
    bounds = ["--win-length-min", "12ms", "--win-length-max", "200", "--no-figures", "-q"]
    run("optimize", "a.wav", *TIME, *bounds, "-o", "bounds")
    lengths = read("bounds").parameters["window_length"]
    assert 96 <= lengths.min() <= lengths.max() <= 200


def test_part_and_sample_rate(folder, x):
    options = ["--offset", "0.1", "--duration", "0.2", "--no-figures", "-o", "part", "-q"]
    run("optimize", "a.wav", *FIXED, *options)
    part = read("part")
    assert (part.record["input"]["samples"], part.record["input"]["seconds"]) == (1600, 0.2)
    assert part.final == pytest.approx(recomputed(part, x[800:2400])[1], rel=1e-4)
    run("optimize", "a.wav", *FIXED, "--sr", "4000", "--no-figures", "-q")
    written = read("a-dstft")  # named after the input
    assert written.record["outputs"]["result.json"] == str(Path("a-dstft/result.json"))
    assert float(written.parameters["sample_rate"]) == 4000
    assert written.settings["sr"] == 4000
    assert written.record["input"]["seconds"] == pytest.approx(0.4)
    assert written.record["frames"] == 1 + (N // 2) // 64
    assert written.parameters["frequencies"][-1] == 2000
