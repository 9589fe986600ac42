"""`--emit`: the printed program gives the transform that is written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile
import torch

from .support import FIXED, RATE, read, refused, run

PYTHON = ("torch", "scipy")


def check(library: str, x: np.ndarray, *options: str) -> None:
    place = ["--save-stft", "--no-figures", "--force", "-o", "out"]
    text = run("optimize", "ab.wav", "--emit", library, *place, *options).text
    scope = {"x": torch.from_numpy(x) if library == "torch" else x}
    exec(text, scope)
    written = np.load("out/stft.npy")
    X = np.asarray(scope["X"])
    assert X.shape == written.shape, options
    np.testing.assert_allclose(X, written, atol=2e-6 * np.abs(written).max(), err_msg=str(options))


def test_learned_length(folder: Path) -> None:
    x = soundfile.read("ab.wav", dtype="float32")[0].mean(1)
    for library in PYTHON:
        for window in ("hann", "kaiser"):
            for normalization in ("energy", "amplitude", "none"):
                case = ["--window", window, "--normalization", normalization]
                case += ["--n-fft", "256", "--hop-length", "32", "--max-steps", "10"]
                check(library, x, "--window-mode", "constant", *case)


def test_channels_and_parts(folder: Path) -> None:
    samples = soundfile.read("ab.wav", dtype="float32")[0]
    for library in PYTHON:
        check(library, samples[:, 1], *FIXED, "--channel", "1")
        check(library, samples.T.copy(), *FIXED, "--channel", "all")
        part = samples.mean(1)[800:2400]
        check(library, part, *FIXED, "--offset", "0.1", "--duration", "0.2", "--win-length", "99.5")


def test_every_library_is_printed_alone(folder: Path) -> None:
    for library, call in (
        ("torch", "torch.stft("),
        ("scipy", "ShortTimeFFT("),
        ("librosa", "librosa.stft("),
        ("matlab", "stft("),
    ):
        text = run("optimize", "ab.wav", *FIXED, "--emit", library).text
        assert call in text, library
        if library != "matlab":
            compile(text, library, "exec")
        assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "ab.wav"], library


def test_what_another_library_cannot_do(folder: Path) -> None:
    small = ["--n-fft", "256", "--hop-length", "32"]
    for mode in ("time", "frequency"):
        refused("optimize", "ab.wav", *small, "--window-mode", mode, "--emit", "torch")
    refused("optimize", "ab.wav", *FIXED, "--emit", "nonsuch")


def test_apply_emits_too(folder: Path) -> None:
    run("optimize", "ab.wav", *FIXED, "--no-figures", "-o", "out", "-q")
    text = run("apply", "out", "ab.wav", "--emit", "scipy").text
    scope = {"x": soundfile.read("ab.wav", dtype="float32")[0].mean(1), "RATE": RATE}
    exec(text, scope)
    magnitudes = read("out").spectrogram
    np.testing.assert_allclose(np.abs(scope["X"]), magnitudes, atol=2e-6 * magnitudes.max())
