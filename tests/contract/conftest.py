"""A folder with recordings, and results that several tests look at."""

import numpy as np
import pytest

from .support import TIME, run, sound, write_sound


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder: `a.wav` with one channel, `ab.wav` with two."""
    monkeypatch.chdir(tmp_path)
    write_sound(tmp_path / "a.wav", sound()[:, 0])
    write_sound(tmp_path / "ab.wav", sound())
    return tmp_path


@pytest.fixture
def x():
    """The samples of `a.wav`."""
    return sound()[:, 0].astype(np.float64)


@pytest.fixture(scope="session")
def learned(tmp_path_factory):
    """A folder with `a.wav` and `a-dstft`, its result with one length per frame and pictures."""
    place = tmp_path_factory.mktemp("learned")
    write_sound(place / "a.wav", sound()[:, 0])
    run("optimize", place / "a.wav", *TIME, "--save-stft", "-o", place / "a-dstft", "-q")
    return place
