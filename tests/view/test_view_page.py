"""`view.html`: its layers, lengths and sound, where it is written, and what it refuses."""

import base64
import hashlib
import io
import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from report.report_example import HOSTILE

from dstft_cli.cli import main
from dstft_cli.plot.pixels import PixelGrid, PixelPool
from dstft_cli.records import LengthMap
from dstft_cli.results import read_result
from dstft_cli.settings import Settings
from dstft_cli.view import levels, page
from dstft_cli.view.levels import LevelPool, levels_of
from dstft_cli.view.page import View
from dstft_cli.view.sound import Sound
from view.view_example import (
    CLICK,
    OFFSET,
    RATE,
    TONE,
    data_of,
    level_at,
    make_recording,
    make_result,
    page_of,
    pixels,
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_result(tmp_path_factory.mktemp("view"))


@pytest.fixture
def copy(made, tmp_path):
    """A result that may be changed, beside its recording."""
    shutil.copy(made.parent / "a.wav", tmp_path)
    shutil.copytree(made, tmp_path / "out")
    record = json.loads((tmp_path / "out/result.json").read_text())
    record["input"]["path"] = str(tmp_path / "a.wav")
    (tmp_path / "out/result.json").write_text(json.dumps(record))
    return tmp_path / "out"


def record_of(place: Path) -> dict:
    return json.loads((place / "result.json").read_text())


def test_levels_are_those_of_the_array_at_the_times_of_the_recording(made):
    _, data = page_of(made)
    X = np.load(made / "spectrogram.npy")
    times, hz = (np.load(made / "parameters.npz")[name] for name in ("times", "frequencies"))
    assert data["span"] == pytest.approx([OFFSET, 1.5])
    dB = 20 * np.log10(X / X.max())
    bin_ = np.abs(hz - TONE).argmin()
    for begin, end in ((0.5, 0.7), (1.2, 1.4), (CLICK - 0.05, CLICK + 0.05)):
        # one pixel is up to some dB off, for the picture is compressed
        levels = [level_at(data, 0, at, hz[bin_]) for at in np.arange(begin, end, 0.002)]
        inside = (times >= begin) & (times < end)
        assert np.mean(levels) == pytest.approx(dB[bin_, inside].mean(), abs=1.0)
    assert level_at(data, 0, 0.6, 3000.0) < -60


def test_lengths_are_those_of_the_parameters(made):
    _, data = page_of(made)
    stored, found = np.load(made / "parameters.npz"), data["lengths"]
    lengths = stored["transform_window_length"][0]
    assert (found["rows"], found["low"], found["high"]) == (1, lengths.min(), lengths.max())
    at = found["begin"] - OFFSET + (np.arange(found["columns"]) + 0.5) * found["step"]
    nearest = np.abs(stored["transform_frame_centers"][:, None] / RATE - at).argmin(0)
    assert np.abs(np.log(shown(found)[0] / lengths[nearest])).max() < 0.02
    best = record_of(made)["criterion"]["best_fixed"]["win_length"]
    assert [layer["length"] for layer in data["layers"]] == [None, 512, pytest.approx(best)]


def shown(lengths: dict) -> np.ndarray:
    """The window lengths that a page has, samples, [rows, columns]."""
    share = pixels(lengths["image"]) / 255
    return lengths["low"] * (lengths["high"] / lengths["low"]) ** share


def a_view(lengths=None, length_map=None, seconds=2.0) -> View:
    learned = SimpleNamespace(
        sample_rate=float(RATE),
        length=round(seconds * RATE),
        n_fft=256,
        normalization="energy",
        window_length=lengths,
        length_map=length_map,
        frame_centers=np.arange(0.0, seconds * RATE, 40),
        frequencies=np.arange(129) * RATE / 256,
    )
    return View(learned, 10.0, "a.wav", Settings())


@pytest.mark.parametrize("kind", ["one", "frequency", "plane", "map"])
def test_lengths_vary_as_they_were_learned(kind):
    frames = 400
    if kind == "map":
        corners = np.array([[64, 64], [256, 128]], np.float32)
        view = a_view(
            None, LengthMap(np.array([0.0, 4000.0]), np.array([0.0, 15960.0]), corners, 16)
        )
        expected = view.learned.length_map.at(view.learned.frequencies, view.learned.frame_centers)
    else:
        shape = {"one": (1, 1), "frequency": (129, 1), "plane": (129, frames)}[kind]
        expected = np.geomspace(64, 256, shape[0] * shape[1]).reshape(shape)
        view = a_view(expected)
    pool = view.layer("Learned: x", view.learned.frame_centers, 256)
    pool.add(0, np.ones((frames, 129), np.float32))
    data = data_of(view.page((20.0, 4000.0), Sound()).decode())
    found = data["lengths"]
    assert (found["rows"] > 1, found["image"] is None) == (kind != "one", kind == "one")
    if kind == "one":
        assert found["low"] == found["high"] == 64
        return
    rows = np.searchsorted(data["edges"], view.learned.frequencies[1:-1] + 1e-3) - 1
    at = (np.arange(frames) + 0.5) * found["columns"] / frames if shown(found).shape[1] > 1 else [0]
    got = shown(found)[np.ix_(rows, np.asarray(at, int))]
    assert np.abs(np.log(got / expected[1:-1])).max() < 0.1


def test_the_page_is_one_file_that_runs_its_own_script_alone(made):
    found, _ = page_of(made)
    metas = {m.attributes.get("http-equiv"): m.attributes.get("content") for m in found.all("meta")}
    rules = dict(rule.strip().split(" ", 1) for rule in metas["Content-Security-Policy"].split(";"))
    script = found.all("script")[-1].text
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{digest}'"
    assert (rules["img-src"], rules["media-src"]) == ("data:", "data:")
    assert "http:" not in (made / "view.html").read_text().replace("http-equiv", "")
    sizes = record_of(made)["sizes"]
    assert sizes["view.html"] == (made / "view.html").stat().st_size < 600_000


def test_the_sound_is_that_of_the_part(made):
    source = page_of(made)[0].one("audio")["src"]
    samples, rate = soundfile.read(io.BytesIO(base64.b64decode(source.partition(",")[2])))
    assert source.startswith("data:audio/ogg;base64,")
    assert len(samples) / rate == pytest.approx(1.25, abs=1e-3)
    assert np.abs(samples).argmax() / rate == pytest.approx(CLICK - OFFSET, abs=2e-3)


def test_what_is_left_out(tmp_path, capsys):
    make_recording(tmp_path / "a.wav")
    run = ["optimize", f"{tmp_path}/a.wav", "--window-mode", "fixed", "--n-fft", "256", "--force"]
    for more in (["--no-view"], ["--no-figures"]):
        assert main([*run, "-o", str(tmp_path / "d"), *more, "--audio", "none"]) == 0
        assert "--audio" in capsys.readouterr().err
        assert not (tmp_path / "d/view.html").exists()
        assert "view.html" not in record_of(tmp_path / "d")["outputs"]


@pytest.mark.parametrize(("how", "source"), [("none", None), ("link", "../a.wav")])
def test_sound_as_asked(copy, how, source):
    assert main(["view", str(copy), "--audio", how, "--no-open"]) == 0
    found, data = page_of(copy)
    assert found.one("audio").attributes.get("src") == source
    assert data["sound"] == 0  # a linked recording begins at its start


def test_the_page_is_made_again_as_it_was(copy):
    before, data = page_of(copy)
    (copy / "view.html").unlink()
    record = record_of(copy)  # as of a run with --no-view
    for part in ("outputs", "sizes"):
        del record[part]["view.html"]
    (copy / "result.json").write_text(json.dumps(record))
    assert main(["view", str(copy), "--no-open", "-q"]) == 0
    assert record_of(copy)["sizes"]["view.html"] == (copy / "view.html").stat().st_size
    after, again = page_of(copy)
    assert again == data
    assert [e.text for e in after.all("label")] == [e.text for e in before.all("label")]
    assert read_result(copy / "result.json").is_whole(copy)


def test_without_its_recording_the_array_is_shown(copy, capsys):
    _, before = page_of(copy)
    for change in (lambda path: path.write_bytes(b"other"), os.remove):
        change(copy.parent / "a.wav")
        assert main(["view", str(copy), "--no-open"]) == 0
        assert "a.wav" in capsys.readouterr().err
        found, data = page_of(copy)
        assert found.one("audio").attributes.get("src") is None
        assert len(data["layers"]) == 1
        assert data["lengths"] == before["lengths"]
        levels = [
            [level_at(shown, 0, at, TONE) for at in np.arange(0.4, 0.8, 0.01)]
            for shown in (data, before)
        ]
        assert np.mean(levels[0]) == pytest.approx(np.mean(levels[1]), abs=1)
    array = np.load(copy / "spectrogram.npy")
    for broken in (np.ones((3, 3), np.float32), array[:, :0]):
        np.save(copy / "spectrogram.npy", broken)
        assert main(["view", str(copy), "--no-open"]) == 1
    (copy / "spectrogram.npy").unlink()
    assert main(["view", str(copy), "--no-open"]) == 1
    assert "holds no spectrogram" in capsys.readouterr().err
    np.save(copy / "stft.npy", (array * 1j).astype(np.complex64))
    assert main(["view", str(copy), "--no-open"]) == 0
    assert page_of(copy)[1]["layers"] == data["layers"]


def test_what_dstft_did_not_write_is_kept(copy, capsys):
    (copy / "view.html").write_text("<!DOCTYPE html>\n<html><p>mine")
    assert main(["view", str(copy), "--no-open", "-q"]) == 2
    assert (copy / "view.html").read_text().endswith("mine")
    (copy / "view.html").unlink()
    (copy.parent / "other").write_text("kept")
    (copy / "view.html").symlink_to(copy.parent / "other")
    assert main(["view", str(copy), "--no-open", "-q"]) == 2
    assert (copy.parent / "other").read_text() == "kept"
    assert main(["view", str(copy.parent), "--no-open", "-q"]) == 1
    assert capsys.readouterr().err.count("\n") == 3


def test_apply_writes_the_plain_window_beside_the_learned_ones(made, tmp_path):
    place = tmp_path / "applied"
    source = str(made.parent / "a.wav")
    assert main(["apply", str(made), source, "--offset", str(OFFSET), "-q", "-o", str(place)]) == 0
    assert [layer["length"] for layer in page_of(place)[1]["layers"]] == [None, 512.0]


def test_hostile_names_are_text(copy):
    record, name = record_of(copy), "".join(HOSTILE)
    record["input"]["path"] = f"/nowhere/{name}"
    (copy / "result.json").write_text(json.dumps(record))
    assert main(["view", str(copy), "--no-open", "-q"]) == 0
    found, _ = page_of(copy)
    assert len(found.all("script")) == 2
    assert found.one("title").text == found.one("h1").text


def test_the_grey_levels_are_those_of_a_picture(monkeypatch):
    grid = PixelGrid(times=np.arange(900) / 100, frequencies=np.arange(65.0), width=900, height=64)
    pools = PixelPool(grid), LevelPool(grid, 20.0)
    magnitude = np.random.default_rng(0).uniform(0, 10, (900, 65)).astype(np.float32)
    for pool in pools:
        for start in range(0, 900, 250):
            pool.add(start, magnitude[start : start + 250])
    dB = 20.0 + (pools[1].grey.T - 255.0) * levels.STEP
    assert np.abs(dB - 20 * np.log10(pools[0].image)).max() <= levels.STEP / 2 + 1e-4
    monkeypatch.setattr(levels, "TILE", 100)
    monkeypatch.setattr(levels, "COARSEST", 200)
    fine, middle, coarse = levels_of(pools[1], 0)
    assert [len(level["tiles"]) for level in (fine, middle, coarse)] == [9, 3, 1]
    assert coarse["columns"] == 57
    assert coarse["step"] == pytest.approx(0.16)
    high = pools[1].grey[:896].reshape(56, 16, 64).max(1)
    assert np.abs(pixels(coarse["tiles"][0])[:, :56].T.astype(int) - high).mean() < 6


def test_an_hour_keeps_to_its_pixels():
    centers = np.arange(0.0, 3600.0 * RATE, 40)
    view = a_view(np.geomspace(64, 256, centers.size)[None], seconds=3600.0)
    sizes = [view.layer("x", centers, 256).grey.size for _ in range(3)]
    assert sizes[0] <= page.LEARNED * page.MORE_PIXELS
    assert max(sizes[1:]) <= page.MORE_PIXELS
    view.layers = [("x", LevelPool(PixelGrid(times=[0, 1], frequencies=[0, 1]), 0.0), None)]
    data = data_of(view.page((20.0, 4000.0), Sound()).decode())
    assert np.abs(np.log(shown(data["lengths"])[0, [0, -1]] / [64, 256])).max() < 0.01
