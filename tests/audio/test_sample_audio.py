"""The sample recordings: reproducible, credited, readable."""

import runpy
from pathlib import Path

import numpy as np

from dstft_cli.audio import load

FOLDER = Path(__file__).parents[2] / "sample_audio"
RECORDINGS = sorted(p for p in FOLDER.iterdir() if p.suffix in (".wav", ".oga"))
make = runpy.run_path(str(FOLDER / "make.py"))


def test_make_reproduces_the_synthetic_files(tmp_path):
    make["main"](["--output", str(tmp_path / "new")])
    for name in make["SIGNALS"]:
        with load(FOLDER / name) as old, load(tmp_path / "new" / name) as new:
            assert new.sample_rate == old.sample_rate
            np.testing.assert_allclose(new.samples[:, :], old.samples[:, :], rtol=0, atol=2**-23)


def test_every_file_is_described_in_the_readme():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    names = {p.name for p in FOLDER.iterdir() if p.is_file()} - {"README.md"}
    assert len(names) >= 7
    assert [name for name in sorted(names) if f"{name}`" not in readme] == []


def test_every_recording_loads_without_a_warning_and_the_folder_is_small():
    for path in RECORDINGS:
        with load(path) as signal:
            assert signal.warnings == (), path
            assert 0.1 < signal.peak < 1
            assert signal.seconds > 0.1
    assert sum(p.stat().st_size for p in FOLDER.iterdir() if p.is_file()) < 3_000_000
