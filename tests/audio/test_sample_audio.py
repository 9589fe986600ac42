"""The sample recordings: reproducible, credited, readable."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from dstft_cli.audio import load

FOLDER = Path(__file__).parents[2] / "sample_audio"
RECORDINGS = sorted(p for p in FOLDER.iterdir() if p.suffix in (".wav", ".oga"))
make = runpy.run_path(str(FOLDER / "make.py"))


def test_make_reproduces_the_synthetic_files(tmp_path: Path) -> None:
    make["main"](["--output", str(tmp_path / "new")])
    for name in make["SIGNALS"]:
        with load(FOLDER / name) as old, load(tmp_path / "new" / name) as new:
            assert new.sample_rate == old.sample_rate
            np.testing.assert_allclose(new.samples[:, :], old.samples[:, :], rtol=0, atol=2**-23)


def test_every_file_is_described_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = {p.name for p in FOLDER.iterdir() if p.is_file()} - {"README.md"}
    assert len(names) >= 7
    assert [name for name in sorted(names) if f"{name}`" not in readme] == []


def test_every_recording_loads_without_a_warning_and_the_folder_is_small() -> None:
    for path in RECORDINGS:
        with load(path) as signal:
            assert signal.warnings == (), path
            assert 0.1 < signal.peak < 1
            assert signal.seconds > 0.1
    assert sum(p.stat().st_size for p in FOLDER.iterdir() if p.is_file()) < 3_000_000


def _strongest(samples: np.ndarray, sample_rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * sample_rate / len(samples))


def test_the_tones_are_where_the_readme_says() -> None:
    with load(FOLDER / "two-tones.wav") as signal:
        early, late = signal.samples[:, :2561][0], signal.samples[:, 2561:][0]
        assert _strongest(early, 1024) == pytest.approx(40, abs=0.5)
        n = np.arange(2561, 5120)
        rest = late - 0.4 * np.cos(2 * np.pi * 40 * n / 1024)
        assert _strongest(rest, 1024) == pytest.approx(180, abs=0.5)
    with load(FOLDER / "fm-and-tone.wav") as signal:
        assert _strongest(signal.samples[:, :][0], 10000) == pytest.approx(3979, abs=1)
    with load(FOLDER / "clicks-over-drone.wav") as signal:
        assert _strongest(signal.samples[:, :][0], 16000) == pytest.approx(110, abs=0.5)
