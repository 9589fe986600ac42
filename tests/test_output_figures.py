"""`--no-figures`: everything but the pictures, and no work for them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dstft_cli.cli import main

RECORDING = Path(__file__).parent.parent / "sample_audio" / "two-tones.wav"
DATA = {"parameters.npz", "result.json", "spectrogram.npy", "trajectory.csv"}
PICTURES = {"comparison.png", "spectrogram.png", "trajectory.png"}


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
