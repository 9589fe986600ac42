"""Samples and results that several tests look at."""

import numpy as np
import pytest

from .support import TIME, run, sound, write_sound


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
