"""Sound files written block by block: formats, limits, and what a full disk looks like."""

import errno
import io
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import audio_format, write_audio
from dstft_cli.errors import InputError, UsageError

X = np.random.default_rng(0).uniform(-0.9, 0.9, (2, 5000)).astype(np.float32)


def blocks():
    return (X[:, start : start + 700] for start in range(0, 5000, 700))


def write(path: Path, **options) -> None:
    with open(path, "xb") as file:
        write_audio(
            file, blocks(), **{"samples": 5000, "sample_rate": 8000.0, "channels": 2, **options}
        )


def test_a_wav_above_four_gigabytes_becomes_rf64(tmp_path, monkeypatch):
    write(tmp_path / "largest.wav", samples=(2**32 - 2**16) // 8)
    assert soundfile.info(tmp_path / "largest.wav").format == "WAV"
    write(tmp_path / "larger.wav", samples=(2**32 - 2**16) // 8 + 1)
    assert (tmp_path / "larger.wav").read_bytes()[:4] == b"RF64"
    np.testing.assert_array_equal(soundfile.read(tmp_path / "larger.wav")[0].T, X)


def test_a_pipe_gets_the_whole_file():
    read, wrote = os.pipe()
    with os.fdopen(read, "rb") as reader:
        with os.fdopen(wrote, "wb") as writer:
            write_audio(writer, (X[:, :900],), samples=900, sample_rate=8000, channels=2)
        data = reader.read()
    np.testing.assert_array_equal(soundfile.read(io.BytesIO(data))[0].T, X[:, :900])
    assert data[4:8] == (len(data) - 8).to_bytes(4, "little")  # a length, not a placeholder


def test_format_by_name():
    for name, subtype, expected in (
        ("a.wav", None, ("WAV", "FLOAT")),
        ("A.WAV", "PCM_16", ("WAV", "PCM_16")),
        ("a.b.flac", None, ("FLAC", "PCM_24")),
    ):
        assert audio_format(Path(name), subtype) == expected
    assert audio_format(None, None) == ("WAV", "FLOAT")


def test_what_a_container_does_not_hold(tmp_path):
    flac = {"sample_rate": 1e6, "container": "FLAC", "subtype": "PCM_24"}
    for number, (options, kind, message) in enumerate(
        (
            ({"sample_rate": 44100.5}, InputError, "sample rate 44100.5 Hz: .* whole numbers"),
            (flac, UsageError, "FLAC does not hold 2 channels at 1000000 Hz"),
            ({"channels": 2000}, InputError, "WAV does not hold 2000 channels at 8000 Hz, nor"),
            ({"sample_rate": 1e12}, InputError, "WAV does not hold 2 channels at 1000000000000"),
        )
    ):
        with pytest.raises(kind, match=message):
            write(tmp_path / f"{number}", **options)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_device():
    with open("/dev/full", "wb", buffering=0) as file, pytest.raises(OSError, match="space") as e:
        write_audio(file, blocks(), samples=5000, sample_rate=8000, channels=2)
    assert e.value.errno == errno.ENOSPC
