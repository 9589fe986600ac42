"""How much is written: what is told before, what is saved, in which dtype and store."""

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
MAP = ("--max-steps", "0")


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """A second of a tone in noise."""
    monkeypatch.chdir(tmp_path)
    noise = 0.01 * np.random.default_rng(0).standard_normal(N)
    samples = (0.5 * np.sin(np.arange(N) * 0.6) + noise).astype(np.float32)
    soundfile.write("in.wav", samples, RATE, subtype="FLOAT")
    return samples


def run(*arguments: str, code: int = 0) -> Path:
    """The directory that was written."""
    assert main([*arguments, "--threads", "1", "-q"]) == code
    return Path(arguments[arguments.index("-o") + 1]) if "-o" in arguments else Path()


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"result.json", "trajectory.csv"}


@pytest.mark.parametrize(
    "options",
    [
        (*MAP, "--save", "spectrogram"),
        (*MAP, "--save", "spectrogram,stft"),
        (*MAP, "--save", "spectrogram", "--npy-hop", "full", "--npy-dtype", "float64"),
        (*FIXED, "--save", "spectrogram", "--npy-dtype", "float16"),
        (*FIXED, "--save", "spectrogram,stft", "--scope", "plane", "--channel", "all"),
        ("--preset", "vibration", "--save", "spectrogram", "--n-fft", "auto"),
        ("--hop-length", "5ms", "--window-mode", "constant", "--save", "stft"),
        ("--hop-mode", "constant", "--window-mode", "fixed", "--save", "spectrogram"),
    ],
)
def test_what_is_told_is_what_is_written(recording, options):
    settings = dict(
        zip([o[2:].replace("-", "_") for o in options[::2]], options[1::2], strict=True)
    )
    told = planned_bytes(merge({**settings, "output": "d"}), RATE, 1, N)
    folder = run("optimize", "in.wav", *options, "-o", "d")
    written = sum(size_of(path) or 0 for path in folder.glob("s*.npy"))
    assert told == pytest.approx(written, rel=0.08)


def test_presets_keep_to_32_bytes_per_sample():
    for name in ("music", "speech", "bioacoustics", "vibration"):
        for rate in (8000, 44100, 384000):
            settings = merge({"preset": name, "save": "spectrogram", "output": "d"})
            size = planned_bytes(settings, rate, 1, 60 * rate)
            assert size is not None
            assert size <= 32.1 * 60 * rate, (name, rate)
    given = merge({"preset": "vibration", "hop_length": "25ms", "save": "spectrogram"})
    assert (planned_bytes(given, 44100, 1, 44100) or 0) > 33 * 44100  # what is typed is kept


def test_a_large_run_says_so_before_it_begins(recording, monkeypatch, capsys):
    monkeypatch.setattr(sizes, "TOLD_FROM", 1e5)
    assert main(["optimize", "in.wav", *FIXED, "--save", "spectrogram", "-o", "small"]) == 0
    assert "--npy-dtype" not in capsys.readouterr().err
    loud = [*FIXED, "--save", "stft", "--threads", "1"]
    assert main(["optimize", "in.wav", *loud, "-o", "large"]) == 0
    (line,) = capsys.readouterr().err.splitlines()
    assert "about 0.128 MB" in line
    Path("large/result.json").unlink()  # it is told before anything else goes wrong
    assert main(["optimize", "in.wav", *loud, "--json", "-o", "large", "-q"]) == 2
    assert "MB" not in capsys.readouterr().err
    assert (size_text(254.02e6), size_text(2.0307e9)) == ("254 MB", "2.03 GB")


def test_what_is_listed_is_saved(recording):
    pictures = {"spectrogram.png", "comparison.png", "trajectory.png"}
    for save, expected in (
        ("spectrogram", {"spectrogram.npy"}),
        ("pictures", pictures),
        ("stft, parameters", {"stft.npy", "parameters.npz"}),
    ):
        folder = run("optimize", "in.wav", *FIXED, "--save", save, "-o", save[:4])
        assert names(folder) == expected
        assert json.loads((folder / "result.json").read_text())["settings"]["save"] == save


def test_dtypes_of_magnitudes(recording, capsys):
    options = ("optimize", "in.wav", *FIXED, "--save", "spectrogram")
    exact = run(*options, "--npy-dtype", "float64", "--dtype", "float64", "-o", "64")
    reference = np.load(exact / "spectrogram.npy")
    assert reference.dtype == np.float64
    assert np.abs(reference - reference.astype("f4")).max() > 0
    for dtype, error in (("float16", 5e-4), ("float32", 1e-5)):
        array = np.load(run(*options, "--npy-dtype", dtype, "-o", dtype) / "spectrogram.npy")
        assert (array.dtype, array.shape) == (dtype, reference.shape)
        np.testing.assert_allclose(array, reference, rtol=error, atol=1e-6)
    run(*options, "--npy-dtype", "float16", "--npy", "x.npy", "-o", "both")
    assert np.load("x.npy").dtype == np.float16
    for level, code, words in ((1e6, 1, "65504"), (1e-4, 0, "float16 has steps")):
        soundfile.write("level.wav", recording * np.float32(level), RATE, subtype="FLOAT")
        more = ("--npy-dtype", "float16", "-o", f"level{code}")
        assert main(["optimize", "level.wav", *options[2:], *more]) == code
        assert words in capsys.readouterr().err
        assert Path(f"level{code}").exists() == (code == 0)


def test_commands_read_every_store(recording):
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    sounds = {}
    for store in ("npy", "zarr"):
        learned = run("optimize", "in.wav", *FIXED, "--save-stft", "--store", store, "-o", store)
        assert f"stft.{store}" in names(learned)
        run("reconstruct", store, "-o", f"{store}.wav")
        sounds[store] = Path(f"{store}.wav").read_bytes()
    assert sounds["npy"] == sounds["zarr"]
    other = ("--store", "zarr", "--npy-dtype", "float16", "--save", "spectrogram")
    applied = run("apply", "zarr", "in.wav", *other, "-o", "again")
    assert names(applied) == {"spectrogram.zarr"}
    record = json.loads((applied / "result.json").read_text())
    assert record["sizes"]["spectrogram.zarr"] == size_of(applied / "spectrogram.zarr")
    run("apply", "npy", "in.wav", *other, "-o", "again", "--force")
