"""`dstft sweep`, `apply`, `reconstruct` and `report`."""

import csv
import io
import json
import os
import shutil

import numpy as np
import pytest
import soundfile

from dstft_cli.cli import main

from .support import CRITERIA, FIXED, RATE, N, read, recomputed, refused, run, sound, write_sound

PNG = b"\x89PNG\r\n\x1a\n"
SMALL = ("--n-fft", "256", "--hop-length", "32", "--scope", "plane")
COLUMNS = "criterion,direction,phase,window_length,milliseconds,n_fft,hop_length,value,loss,unit"


@pytest.fixture
def place(learned, tmp_path, monkeypatch):
    """A copy of `learned` that a test may change, the current folder."""
    shutil.copytree(learned, tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def names(directory: str) -> list[str]:
    return sorted(os.listdir(directory))


def test_sweep_files(folder):
    ran = run("sweep", "a.wav", *SMALL)
    assert "entropy" in ran.text
    assert names("a-sweep") == ["sweep.csv", "sweep.json", "sweep.png"]
    with open("a-sweep/sweep.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]) == COLUMNS
    record = json.loads((folder / "a-sweep/sweep.json").read_text(encoding="utf-8"))
    keys = {"version", "settings", "input", "window_length", "criteria", "seconds", "warnings"}
    assert keys | {"outputs"} <= set(record)
    (curve,) = record["criteria"]
    values = {float(row["window_length"]): float(row["value"]) for row in rows}
    assert curve["best"]["value"] == pytest.approx(min(values.values()))
    assert curve["best"]["value"] == pytest.approx(values[curve["best"]["win_length"]])
    assert min(float(row["loss"]) for row in rows) == pytest.approx(0, abs=1e-9)
    assert curve["good_enough"]["min"] <= curve["best"]["win_length"] <= curve["good_enough"]["max"]
    row = rows[len(rows) // 2]
    fixed = ["--window-mode", "fixed", *SMALL, "--overlap", "1", "--json"]
    told = run("optimize", "a.wav", *fixed, "--win-length", row["window_length"]).json["criterion"]
    assert float(row["value"]) == pytest.approx(told["final"], rel=1e-5)
    bounds = ["--win-length-min", "10ms", "--win-length-max", "200", "--json"]
    swept = run("sweep", "a.wav", *SMALL, *bounds).json["window_length"]
    assert (swept["min"], swept["max"]) == (80, 200)


def test_sweep_of_all_criteria(folder):
    record = run("sweep", "a.wav", *SMALL, "--criterion", "all", "--json").json
    assert {curve["name"] for curve in record["criteria"]} == set(CRITERIA)
    assert not (folder / "a-sweep").exists()
    text = run("sweep", "a.wav", *SMALL, "--criterion", "gini", "--csv", "-").text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["criterion"] for row in rows} == {"gini"}
    assert run("sweep", "a.wav", *SMALL, "--png", "-").out.startswith(PNG)


def test_apply_to_the_same_recording(place):
    run("apply", "a-dstft", "a.wav", "-o", "again", "--save-stft", "--no-figures", "-q")
    first, again = read("a-dstft"), read("again")
    for name in ("window_length", "frame_centers", "hop_lengths", "times", "frequencies"):
        np.testing.assert_array_equal(again.parameters[name], first.parameters[name])
    np.testing.assert_allclose(again.spectrogram, first.spectrogram, rtol=1e-6, atol=1e-7)
    assert again.final == pytest.approx(first.final, rel=1e-6)
    assert again.record["input"]["sha256"] == first.record["input"]["sha256"]
    assert again.settings["window_mode"] == "time"
    magnitudes = np.load(io.BytesIO(run("apply", "a-dstft", "a.wav", "--npy", "-").out))
    assert magnitudes.shape == (129, 1 + N // 32)
    data = (place / "a.wav").read_bytes()
    assert run("apply", "a-dstft", "-", "--json", stdin=data).json["input"]["samples"] == N
    assert names(".") == ["a-dstft", "a.wav", "again"]


def test_apply_to_others(place):
    longer = np.concatenate([sound()[:, 1], sound()[:1000, 0]])
    x = write_sound(place / "b.wav", longer)
    run("optimize", "a.wav", "--window-mode", "constant", *SMALL, "-o", "one", "--no-figures", "-q")
    run("apply", "one", "b.wav", "--no-figures", "-q")
    other = read("b-dstft")
    assert other.record["frames"] == 1 + len(longer) // 32
    X, value = recomputed(other, x)
    assert other.final == pytest.approx(value, rel=1e-4)
    np.testing.assert_allclose(other.spectrogram, np.abs(X), atol=1e-5 * np.abs(X).max())
    length = read("one").parameters["window_length"]
    np.testing.assert_array_equal(other.parameters["window_length"], length)
    write_sound(place / "c.wav", longer, 2 * RATE)
    run("apply", "one", "c.wav", "--no-figures", "-q")
    np.testing.assert_allclose(read("c-dstft").parameters["window_length"], 2 * length)
    refused("apply", "a-dstft", "b.wav", code=2)  # lengths per frame, another duration


def test_reconstruct(place, x, capfdbinary):
    run("reconstruct", "a-dstft")
    back, rate = soundfile.read("a-dstft-reconstructed.wav")
    assert rate == RATE
    assert np.linalg.norm(back - x) <= 1e-5 * np.linalg.norm(x)
    refused("reconstruct", "a-dstft")
    run("reconstruct", "a-dstft", "--force", "-q")
    assert main(["reconstruct", "a-dstft", "-o", "-"]) == 0
    done = capfdbinary.readouterr()
    assert done.err == b""
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(done.out))[0], back)
    for name, subtype in (("b.flac", "PCM_24"), ("b.wav", "PCM_16")):
        run("reconstruct", "a-dstft", "-o", name, "--subtype", subtype, "-q")
        assert soundfile.info(name).subtype == subtype
        assert np.abs(soundfile.read(name)[0] - x).max() < 1e-4


def test_reconstruct_channels_and_parts(folder):
    options = ["--channel", "all", "--offset", "0.1", "--save-stft", "--no-figures", "-q"]
    run("optimize", "ab.wav", *FIXED, *options)
    run("reconstruct", "ab-dstft", "-o", "back.wav", "-q")
    back, x = soundfile.read("back.wav")[0], sound()[800:]
    assert back.shape == x.shape
    assert np.linalg.norm(back - x) <= 1e-5 * np.linalg.norm(x)
