"""How much is written: what is told before, what is saved, in which dtype and store."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.cli import main
from dstft_cli.results.place import size_of
from dstft_cli.run import sizes
from dstft_cli.run.sizes import planned_bytes, size_text
from dstft_cli.settings import merge

RATE, N = 8000, 8000
FIXED = ("--window-mode", "fixed", "--n-fft", "256", "--hop-length", "64")


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """A second of a tone in noise."""
    monkeypatch.chdir(tmp_path)
    noise = 0.01 * np.random.default_rng(0).standard_normal(N)
    samples = (0.5 * np.sin(np.arange(N) * 0.6) + noise).astype(np.float32)
    soundfile.write("in.wav", samples, RATE, subtype="FLOAT")
    return samples


def run(*arguments: str) -> Path:
    """The directory that was written."""
    assert main([*arguments, "--threads", "1", "-q"]) == 0
    return Path(arguments[arguments.index("-o") + 1])


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"result.json", "trajectory.csv"}


@pytest.mark.parametrize(
    "options",
    [
        "--max-steps 0 --save spectrogram,stft",
        "--window-mode fixed --save spectrogram --npy-hop full --npy-dtype float16",
        "--window-mode fixed --save spectrogram,stft --scope plane",
        "--preset vibration --save spectrogram",
        "--window-mode constant --save stft --hop-length 5ms",
    ],
)
def test_what_is_told_is_what_is_written(recording, options):
    words = options.split()
    flags = [flag[2:].replace("-", "_") for flag in words[::2]]
    given = dict(zip(flags, words[1::2], strict=True))
    told = planned_bytes(merge({**given, "output": "d"}), RATE, 1, N)
    folder = run("optimize", "in.wav", *words, "-o", "d")
    written = sum(size_of(path) or 0 for path in folder.glob("s*.npy"))
    assert told == pytest.approx(written, rel=0.12)  # frames are a whole number of hops apart


def test_pictures_page_and_map_are_told_too(recording):
    folder = run("optimize", "in.wav", "--max-steps", "0", "-o", "d")
    for part, files in (("pictures", "*.png"), ("view", "view.html"), ("parameters", "*.npz")):
        told = planned_bytes(merge({"save": part, "output": "d"}), RATE, 1, N)
        written = sum(path.stat().st_size for path in folder.glob(files))
        assert written / 6 < told < 6 * written, part  # of a minute and more it is close


def test_presets_keep_to_32_bytes_per_sample():
    for name in ("music", "speech", "bioacoustics", "vibration"):
        for rate in (8000, 44100, 384000):
            settings = merge({"preset": name, "save": "spectrogram", "output": "d"})
            told = planned_bytes(settings, rate, 1, 60 * rate) or 1e9
            assert told <= 32.1 * 60 * rate
            half = dataclasses.replace(settings, npy_dtype="float16")
            assert planned_bytes(half, rate, 1, 60 * rate) == told / 2
    typed = merge({"preset": "vibration", "hop_length": "20ms", "save": "spectrogram"})
    assert (planned_bytes(typed, 44100, 1, 44100) or 0) > 33 * 44100  # what is typed is kept


def test_a_large_run_says_so_before_it_begins(recording, monkeypatch, capsys):
    monkeypatch.setattr(sizes, "TOLD_FROM", 1e5)
    for options, told in ((("--save", "spectrogram"), 0), (("--save", "stft"), 1)):
        arguments = ["optimize", "in.wav", *FIXED, *options, "-o", options[1]]
        assert main(arguments) == 0
        lines = capsys.readouterr().err.splitlines()
        assert sum("about 0.128 MB" in line for line in lines) == told
        assert main([*arguments, "--force", "-q"]) == 0
        assert capsys.readouterr().err == ""
    assert (size_text(254.02e6), size_text(2.0307e9)) == ("254 MB", "2.03 GB")


def test_dtypes_of_magnitudes(recording, capsys):
    options = ("optimize", "in.wav", *FIXED, "--save", "spectrogram")
    exact = run(*options, "--npy-dtype", "float64", "--dtype", "float64", "-o", "64")
    reference = np.load(exact / "spectrogram.npy")
    assert reference.dtype == np.float64
    assert np.abs(reference - reference.astype("f4")).max() > 0
    run(*options, "--npy-dtype", "float16", "--npy", "x.npy", "-o", "16")
    for path in ("x.npy", "16/spectrogram.npy"):
        assert np.load(path).dtype == np.float16
        np.testing.assert_allclose(np.load(path), reference, rtol=5e-4, atol=1e-6)
    for level, code, words in ((1e6, 1, "65504"), (1e-4, 0, "float16 has steps")):
        soundfile.write("level.wav", recording * np.float32(level), RATE, subtype="FLOAT")
        more = ("--npy-dtype", "float16", "-o", f"level{code}")
        assert main(["optimize", "level.wav", *options[2:], *more]) == code
        assert words in capsys.readouterr().err
        assert Path(f"level{code}").exists() == (code == 0)


def test_commands_read_every_store(recording):
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    sounds = []
    for store in ("npy", "zarr"):
        saved = ("--save", "spectrogram,stft,parameters", "--store", store)
        learned = run("optimize", "in.wav", *FIXED, *saved, "-o", store)
        assert names(learned) == {f"stft.{store}", f"spectrogram.{store}", "parameters.npz"}
        assert main(["reconstruct", store, "-o", f"{store}.wav", "-q"]) == 0
        sounds.append(soundfile.read(f"{store}.wav")[0])
    np.testing.assert_array_equal(*sounds)
    other = ("--store", "zarr", "--npy-dtype", "float16", "--save", "spectrogram")
    for store in ("npy", "zarr"):
        applied = run("apply", store, "in.wav", *other, "--force", "-o", "again")
        assert names(applied) == {"spectrogram.zarr"}
    record = json.loads((applied / "result.json").read_text())
    assert record["sizes"]["spectrogram.zarr"] == size_of(applied / "spectrogram.zarr")
