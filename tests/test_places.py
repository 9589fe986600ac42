"""Places that must not be written: the recording itself, each other, inside the directory."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.cli import main
from dstft_cli.plot.pictures import Pictures

SPEECH = Path(__file__).parent.parent / "sample_audio" / "bell.oga"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--npy", "in.oga", "--force"], "--npy in.oga is the recording itself: name another file"),
        (["--png", "in.oga", "--force"], "--png in.oga is the recording itself: name another file"),
        (["--npy", "x", "--png", "x"], "--npy and --png both name x: name two files"),
        (
            ["--npy", "d/spectrogram.npy", "-o", "d"],
            "--npy d/spectrogram.npy lies in the output directory d, which is written as a whole: "
            "name a file elsewhere",
        ),
        (
            ["--png", "q.svg"],
            "--png q.svg would hold a picture in png, the --format of this run: choose a name that ends in "
            ".png, or another of --format png, svg, pdf",
        ),
        (["--png", "q.jpg"], "--png q.jpg would hold a picture in png"),
    ],
)
def test_colliding_places_are_refused(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    shutil.copy(SPEECH, "in.oga")
    assert main(["optimize", "in.oga", *options]) == 2
    assert message in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["in.oga"]
    assert (tmp_path / "in.oga").read_bytes() == SPEECH.read_bytes()


def test_a_matching_ending_is_fine(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["optimize", str(SPEECH), "--png", "q.svg", "--format", "svg", "-q"]) == 0
    assert (tmp_path / "q.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize("level", [1e30, 1e-30])
def test_very_loud_and_very_quiet_recordings_draw(tmp_path, monkeypatch, level):
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0).standard_normal(4000) * level
    soundfile.write("x.wav", noise.astype(np.float32), 8000, subtype="FLOAT")
    pictures = []
    original = Pictures.spectrogram
    monkeypatch.setattr(
        Pictures, "spectrogram", lambda self: (pictures.append(self), original(self))[1]
    )
    assert main(["optimize", "x.wav", "-q", "-o", "d"]) == 0
    image = pictures[0].learned.image
    assert np.isfinite(image).all()
    assert image.max() > 0.01
