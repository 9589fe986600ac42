import pytest
import soundfile

from .recordings import RATE, stereo


@pytest.fixture
def wav(tmp_path):
    path = tmp_path / "two channels.wav"
    soundfile.write(path, stereo(), RATE, subtype="FLOAT")
    return path
