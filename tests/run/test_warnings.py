"""Warnings that teach: on standard error and in result.json, and never without cause."""

import json
from pathlib import Path

import numpy as np
import soundfile
from contract.support import RATE, SAMPLES
from contract.support import run as dstft

from dstft_cli.run.recording import load_recording, recording_warnings
from dstft_cli.settings import Settings

T = np.arange(2 * RATE) / RATE
CHIRP = 0.4 * np.sin(2 * np.pi * (500 * T + 500 * T**2))
NOISE = 0.1 * np.random.default_rng(0).standard_normal(len(T))
OF_RECORDINGS = {
    "silence": "exactly zero (digital silence)",
    "clipping": "at full scale (clipping)",
    "offset": "constant offset (DC)",
    "antiphase": "cancel in the mix",
    "noise": "score alike",
}
RECORDINGS = {
    "silence": np.where(T < 1.5, 0, CHIRP),
    "clipping": np.clip(4 * CHIRP, -1, 1),
    "offset": 0.1 * CHIRP + 0.5,
    "antiphase": np.stack([CHIRP, -0.95 * CHIRP], axis=1),
    "noise": NOISE,
}


def write(path: Path, samples: np.ndarray, rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def run(path: Path, output: Path, *options: str) -> list[str]:
    """The warnings in `result.json`, which are those on standard error; by the loudest of the plane."""
    plane = ["--scope", "plane", "--no-figures"]
    if "--window-mode" not in options:
        plane += ["--window-mode", "constant"]
    told = dstft("optimize", path, "-o", output, *plane, *options).err
    recorded = json.loads((output / "result.json").read_text())["warnings"]
    assert told.splitlines() == [f"warning: {text}" for text in recorded]
    return recorded


def test_each_kind(tmp_path):
    for kind, samples in RECORDINGS.items():
        path = write(tmp_path / f"{kind}.wav", samples)
        warnings = run(path, tmp_path / kind)
        found = [text for text in warnings if OF_RECORDINGS[kind] in text]
        assert len(found) == 1
        assert "--" in found[0]  # the remedy
        others = [word for name, word in OF_RECORDINGS.items() if name != kind]
        assert not [text for text in warnings if any(word in text for word in others)]


def test_no_false_alarm_on_the_sample_recordings(tmp_path):
    for number, path in enumerate(sorted(SAMPLES.glob("*.[wo][ag][va]"))):
        options = ["--criterion", ("entropy", "renyi")[number % 2], "--duration", "2"]
        warnings = run(path, tmp_path / path.name, *options)
        assert not [text for text in warnings if any(w in text for w in OF_RECORDINGS.values())]


def test_noise_is_told_once_and_not_as_a_bound(tmp_path):
    path = write(tmp_path / "noise.wav", NOISE[:RATE])
    for mode in ("constant", "time", "frequency"):
        (warning,) = run(path, tmp_path / mode, "--window-mode", mode)
        assert "score alike, as in noise: set --window-mode fixed" in warning


def test_an_offset_is_told_first_with_an_option_that_removes_it(tmp_path):
    path = tmp_path / "offset.wav"
    for offset in (0.02, 0.08):  # 0.5 % and 7 % of the energy
        write(path, CHIRP + offset)
        warnings = run(path, tmp_path / f"{offset}", "--n-fft", "64")
        assert "longest allowed" in warnings[-1]
        told = [text for text in warnings if "constant offset (DC)" in text]
        assert told == warnings[: offset > 0.05]
    assert "7.42 %" in told[0]
    assert told[0].endswith("--highpass 4")
    assert run(path, tmp_path / "above", "--n-fft", "2048", "--highpass", "4") == []
    options = ["--n-fft", "2048", "--criterion-fmin", "40"]
    (band,) = run(path, tmp_path / "band", *options)
    assert "below about 400 samples" in band
    assert band.endswith("--highpass 4")


def test_the_filter_that_is_advised_leaves_the_band_alone(tmp_path):
    path = write(tmp_path / "offset.wav", CHIRP + 0.08)
    for options, shortest, cutoff in (
        ({}, 8, "4"),
        ({"criterion_fmax": 15.0}, 8, "0.15"),
        ({"criterion_fmin": 5.0}, 8, "2.5"),
        ({"criterion_fmin": 900.0, "criterion_fmax": 990.0}, 8, "4"),
        ({"criterion_fmin": 40.0}, 399, "4"),
        ({"criterion_fmin": 40.0}, 400, None),
        ({"highpass": 1.0}, 8, None),
    ):
        settings = Settings(scope="plane", **options)
        with load_recording(str(path), settings) as signal:
            told = recording_warnings(signal, settings, shortest)
        assert len(told) == (cutoff is not None)
        assert all(text.endswith(f"`highpass` {cutoff}") for text in told)


def test_a_sweep_tells_of_an_offset_and_a_recording_with_learned_lengths_does_not(tmp_path):
    path = write(tmp_path / "offset.wav", CHIRP + 0.08, 1000)
    fit, quick = tmp_path / "fit", ["--no-figures", "--force", "-o"]
    swept = ["sweep", path, *quick, tmp_path / "sweep"]
    assert "constant offset" not in dstft(*swept).err  # tiles do not hear it
    assert "remove it with --highpass 0.5\n" in dstft(*swept, "--scope", "plane").err
    dstft("optimize", path, *quick, fit)
    applied = dstft("apply", fit, path, *quick, tmp_path / "applied")
    assert "constant offset" not in applied.err
