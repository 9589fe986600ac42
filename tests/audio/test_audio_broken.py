"""Truncated, damaged, clipping recordings; headers that promise what is not there."""

import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import load
from dstft_cli.errors import InputError

from .recordings import RATE, file_of, stereo


def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path):
    path, samples = tmp_path / "cut", stereo(80000)
    for kind in ("WAV", "AIFF", "AU", "W64", "RF64"):
        path.write_bytes(file_of(kind, samples, "PCM_16")[: 62 * 3200])
        with load(path, channel="all") as signal:
            assert "10 s, the file holds 6.2 s" in signal.warnings[0], kind
            assert signal.seconds == pytest.approx(6.2, abs=0.01)
            expected = samples.T[:, : signal.length]
            np.testing.assert_allclose(signal.samples[:, :], expected, atol=2**-15)


def test_a_truncated_compressed_file_keeps_its_beginning(tmp_path):
    path = tmp_path / "cut"
    for kind, words in (("FLAC", "decoding failed"), ("OGG", "OGG"), ("MP3", "10 s")):
        soundfile.write(path, stereo(80000), RATE, format=kind)
        with load(path, channel="all") as whole:
            path.write_bytes(path.read_bytes()[: path.stat().st_size * 6 // 10])
            with load(path, channel="all") as signal:
                (warning,) = signal.warnings
                assert words in warning
                assert 4 < signal.seconds < 7
                inner = slice(0, signal.length - 2000)
                expected = whole.samples[:, inner]
                np.testing.assert_allclose(signal.samples[:, inner], expected, rtol=0, atol=1e-6)


def warnings_of(path: Path, samples: np.ndarray, **options: object) -> tuple[str, ...]:
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with load(path, **options) as signal:  # type: ignore[arg-type]
        return signal.warnings


def test_digital_silence_is_warned_of(tmp_path):
    path, samples = tmp_path / "pauses.wav", stereo(80000)
    assert warnings_of(path, samples) == ()
    samples[:39000] = 0
    assert warnings_of(path, samples) == ()
    samples[:60000] = 0
    (warning,) = warnings_of(path, samples, channel="all")
    assert warning.startswith("75 % of samples are exactly zero")
    samples[:], samples[400] = 0, 1  # only all is a hundred percent
    (warning,) = warnings_of(path, samples)
    assert warning.startswith("more than 99.9 % of samples are exactly zero")


def test_clipping_is_warned_of(tmp_path):
    path, tone = tmp_path / "a.wav", np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    (warning,) = warnings_of(path, np.clip(1.1 * tone, -1, 1))
    share = float(re.match(r"(.*) % of samples are at full scale \(clipping\)", warning)[1])
    # of a period, 2·arccos(1/1.1)/π lies above full scale
    assert share == pytest.approx(100 * 2 * np.arccos(1 / 1.1) / np.pi, abs=3)
    for scale in (1.0, 0.99, 3.0):  # loud, and not clipped
        assert warnings_of(path, scale * np.sin(0.3464 * np.arange(RATE))) == ()


def test_the_share_of_a_constant_offset(tmp_path):
    path, samples = tmp_path / "offset.wav", stereo(80000)
    rms = np.sqrt(np.mean(samples.astype(float) ** 2))

    def share(offset: float, **options: object) -> float:
        shifted = ((samples + offset * rms) / 8).astype(np.float32)
        soundfile.write(path, shifted, 8000, subtype="FLOAT")
        with load(path, **options) as signal:  # type: ignore[arg-type]
            return signal.dc_share

    assert share(0) < 1e-3
    assert share(3, channel="all") == pytest.approx(9 / 10, abs=1e-3)
    mixed = samples.mean(axis=1).astype(float)
    of_mix = (rms / 3) ** 2 / ((rms / 3) ** 2 + np.mean(mixed**2))
    assert share(1 / 3) == pytest.approx(of_mix, abs=5e-3)
    left, right = (samples + rms * np.array([1, -1])).T  # offsets that the mix has not
    soundfile.write(path, np.stack([left, right], 1) / 8, 8000, subtype="FLOAT")
    with load(path) as mix, load(path, channel="all") as both:
        assert mix.dc_share < 1e-3
        assert both.dc_share == pytest.approx(1 / 2, abs=1e-2)


def test_a_header_without_channels_is_told(tmp_path):
    path = tmp_path / "a.wav"
    data = file_of("WAV", stereo(100), "PCM_16")
    data[22:24] = bytes(2)
    path.write_bytes(data)
    with pytest.raises(InputError, match="channels"):
        load(path)


def test_channels_that_cancel_in_the_mix_are_warned_of(tmp_path):
    path, samples = tmp_path / "antiphase.wav", stereo(80000)
    assert warnings_of(path, samples) == ()
    left = samples[:, :1]
    nearly = np.concatenate([left, -0.9 * left], axis=1)
    (warning,) = warnings_of(path, nearly)
    # the mix is 0.05 of the left channel, the mean energy of the channels (1 + 0.81) / 2 of its
    assert f"{100 * 0.05**2 / 0.905:.2g} % of their energy" in warning
    assert warnings_of(path, nearly, channel="all") == ()
    assert warnings_of(path, nearly, channel=1) == ()
    assert warnings_of(path, np.concatenate([left, 0 * left, 0 * left], axis=1), channel=0) == ()


READ = """
import resource, sys
from dstft_cli.audio import load
from dstft_cli.errors import InputError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        with load(path) as signal:
            print(signal.length)
    except InputError as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


# for each container: behind which bytes a length stands, how far, how it is written, and the lie
LIES: dict[str, list[tuple[bytes, int, str, int]]] = {
    "WAV": [(b"RIFF", 4, "<I", 0xFFFFFF00), (b"data", 4, "<I", 0xFFFFFFF0)],
    "RF64": [(b"ds64", 8, "<Q", 2**43), (b"ds64", 16, "<Q", 2**42), (b"ds64", 24, "<Q", 2**41)],
    "AIFF": [(b"SSND", 4, ">I", 0x7FFFFFF0), (b"COMM", 10, ">I", 0xFFFFFFF0)],
    "W64": [(b"data", 16, "<Q", 2**42)],
    "FLAC": [(b"fLaC", 21, ">B", 0xFF), (b"fLaC", 22, ">I", 0xFFFFFFFF)],
    "AU": [(b".snd", 8, ">I", 0xFFFFFFF0)],
    "CAF": [(b"data", 4, ">Q", 2**42)],
    "MP3": [(b"Info", 8, ">I", 0x7FFFFFFF)],
    "OGG": [(b"OggS", 6, "<Q", 2**42)],
}


def test_terabytes_promised_allocate_nothing(tmp_path):
    for kind, lies in LIES.items():
        plain = kind not in ("FLAC", "MP3", "OGG")
        data = file_of(kind, stereo()[:, 0], "PCM_16" if plain else None)
        for mark, place, form, value in lies:
            at = data.rfind(mark) if kind == "OGG" else data.find(mark)
            struct.pack_into(form, data, max(at, 0) + place, value)
        (tmp_path / kind).write_bytes(data)
    paths = [tmp_path / kind for kind in LIES]
    options = {"capture_output": True, "text": True, "check": True}
    options["env"] = {**os.environ, "PATH": ""}  # without ffmpeg, which reads on
    ended = subprocess.run([sys.executable, "-c", READ, *paths], **options)
    *told, grown = ended.stdout.splitlines()
    assert len(told) == len(LIES)
    assert int(grown) < 50_000  # kB
    assert ended.stderr == ""
    lengths = dict(zip(LIES, told, strict=True))
    for kind in ("WAV", "RF64", "AIFF", "W64", "FLAC"):
        assert lengths[kind] == str(RATE)
    for kind in ("AU", "CAF", "OGG"):  # libsndfile does not look further
        assert "holds no samples" in lengths[kind] or "is not audio" in lengths[kind]


def test_decoders_print_nothing_of_their_own(tmp_path, capfd):
    path = tmp_path / "damaged.mp3"
    whole = file_of("MP3", stereo()[:, 0])
    for start in (200, 1500, 3000):
        data = whole.copy()
        data[start : start + 400] = bytes(400)
        path.write_bytes(data[:-700])
        try:
            load(path).close()
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
    print("told", file=sys.stderr)
    assert capfd.readouterr().err == "told\n"  # and what comes after is shown
