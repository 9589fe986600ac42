"""`--no-figures`: everything but the pictures, and no work for them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import Signal
from dstft_cli.cli import main
from dstft_cli.plot import pictures
from dstft_cli.run.recording import picture_title
from dstft_cli.settings import Settings

RECORDING = Path(__file__).parent.parent / "sample_audio" / "two-tones.wav"
DATA = {"parameters.npz", "result.json", "spectrogram.npy", "trajectory.csv"}
PICTURES = {"comparison.png", "spectrogram.png", "trajectory.png"}


@pytest.mark.parametrize(
    ("path", "channels", "channel", "title"),
    [
        ("in/a.wav", 1, "all", "a.wav"),
        ("in/a.wav", 2, "mix", "a.wav (mean of 2 channels)"),
        ("-", 3, "all", "standard input (all 3 channels)"),
        ("a.wav", 3, 1, "a.wav (channel 1 of 0 to 2)"),
    ],
)
def test_titles_tell_the_channels(path, channels, channel, title):
    signal = Signal(np.zeros((1, 9)), 8000, path, "", channels, 1.0)
    assert picture_title(signal, Settings(channel=channel)) == title


@pytest.mark.parametrize(
    ("band", "title"),
    [
        ({"criterion_fmin": 40}, "a.wav, criterion from 40 Hz on"),
        ({"criterion_fmax": 900.5}, "a.wav, criterion over 0 to 900.5 Hz"),
        ({"criterion_fmin": 40, "criterion_fmax": 900}, "a.wav, criterion over 40 to 900 Hz"),
        ({"criterion_fmin": 0}, "a.wav"),
        ({"highpass": 20}, "a.wav, high-pass 20 Hz"),
        ({"highpass": 20, "criterion_fmin": 40}, "a.wav, high-pass 20 Hz, criterion from 40 Hz on"),
    ],
)
def test_titles_tell_the_filter_and_the_band_of_the_criterion(band, title):
    signal = Signal(np.zeros((1, 9)), 8000, "a.wav", "", 1, 1.0)
    assert picture_title(signal, Settings(**band)) == title


def test_all_channels_are_pooled_and_the_picture_says_so(tmp_path, monkeypatch):
    made = []

    class Kept(pictures.Pictures):
        def __post_init__(self):
            super().__post_init__()
            made.append(self)

    monkeypatch.setattr(pictures, "Pictures", Kept)
    samples, rate = soundfile.read(RECORDING, frames=4000)
    soundfile.write(tmp_path / "two.wav", np.stack([samples, 0 * samples], axis=1), rate)
    arguments = ["optimize", str(tmp_path / "two.wav"), "--channel", "all", "-q"]
    arguments += ["--window-mode", "fixed", "-o", str(tmp_path / "out")]
    assert main(arguments) == 0
    (drawn,) = made
    assert (drawn.title, drawn.channels) == ("two.wav (all 2 channels)", 2)
    assert drawn.plain_lengths == ()
    power = np.square(np.load(tmp_path / "out" / "spectrogram.npy")).mean(axis=0)
    peak = np.abs(samples).max()
    assert drawn.learned.image.max() == pytest.approx(np.sqrt(power.max()) / peak, rel=1e-3)


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_pictures_are_left_out_and_the_data_is_the_same(tmp_path):
    drawn, bare = tmp_path / "drawn", tmp_path / "bare"
    assert main(["optimize", str(RECORDING), "-q", "-o", str(drawn)]) == 0
    assert main(["optimize", str(RECORDING), "-q", "--no-figures", "-o", str(bare)]) == 0
    assert (names(drawn), names(bare)) == (DATA | PICTURES, DATA)
    assert np.array_equal(np.load(drawn / "spectrogram.npy"), np.load(bare / "spectrogram.npy"))
    record = json.loads((bare / "result.json").read_text(encoding="utf-8"))
    assert set(record["outputs"]) == DATA
    assert record["settings"]["figures"] is False


def test_a_single_picture_is_still_drawn(tmp_path):
    picture = tmp_path / "one.png"
    arguments = ["optimize", str(RECORDING), "-q", "--no-figures", "--png", str(picture)]
    assert main([*arguments, "-o", str(tmp_path / "bare")]) == 0
    assert names(tmp_path / "bare") == DATA
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("flag", "loaded"), [("--no-figures", False), ("--figures", True)])
def test_matplotlib_is_loaded_only_to_draw(flag, loaded, tmp_path):
    code = (
        "import sys; from dstft_cli.cli import main; code = main(sys.argv[1:]);"
        "print(code, 'matplotlib' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "optimize", RECORDING, "-q", flag, "-o", tmp_path / "out"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (f"0 {loaded}\n", "")
