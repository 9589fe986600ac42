"""Truncated, damaged and clipping recordings: read as far as they go, with a warning."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import load
from dstft_cli.errors import InputError

from .recordings import RATE, stereo


def test_a_truncated_file_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    path, samples = tmp_path / "cut", stereo(80000)
    for kind in ("WAV", "AIFF", "AU", "W64", "RF64"):
        soundfile.write(path, samples, RATE, format=kind, subtype="PCM_16")
        path.write_bytes(path.read_bytes()[: 62 * 3200])
        with load(path, channel="all") as signal:
            assert "10.0 s, the file holds 6.2 s" in signal.warnings[0], kind
            assert signal.seconds == pytest.approx(6.2, abs=0.01)
            expected = samples.T[:, : signal.length]
            np.testing.assert_allclose(signal.samples[:, :], expected, atol=2**-15)


def test_a_truncated_compressed_file_keeps_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "cut"
    for kind, words in (("FLAC", "decoding failed"), ("OGG", "OGG"), ("MP3", "10.0 s")):
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


def test_garbage_in_the_middle_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken"
    for kind in ("FLAC", "OGG", "CAF"):
        soundfile.write(path, stereo(80000), RATE, format=kind)
        data = path.read_bytes()[:8000]
        path.write_bytes(data + np.random.default_rng(4).bytes(path.stat().st_size - 8000))
        try:
            with load(path) as signal:
                assert kind == "CAF" or len(signal.warnings) > 0
                assert np.isfinite(signal.samples[:, :]).all()
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017


def warnings_of(path: Path, samples: np.ndarray, **options: object) -> tuple[str, ...]:
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    with load(path, **options) as signal:  # type: ignore[arg-type]
        return signal.warnings


def test_digital_silence_is_warned_of(tmp_path: Path) -> None:
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


def test_clipping_is_warned_of(tmp_path: Path) -> None:
    path, tone = tmp_path / "a.wav", np.sin(2 * np.pi * 100 * np.arange(RATE) / RATE)
    (warning,) = warnings_of(path, np.clip(1.1 * tone, -1, 1))
    share = float(re.match(r"(.*) % of samples are at full scale \(clipping\)", warning)[1])
    # of a period, 2·arccos(1/1.1)/π lies above full scale
    assert share == pytest.approx(100 * 2 * np.arccos(1 / 1.1) / np.pi, abs=3)
    for scale in (1.0, 0.99, 3.0):  # loud, and not clipped
        assert warnings_of(path, scale * np.sin(0.3464 * np.arange(RATE))) == ()


def test_the_share_of_a_constant_offset(tmp_path: Path) -> None:
    path, samples = tmp_path / "offset.wav", stereo(80000)
    rms = np.sqrt(np.mean(samples.astype(float) ** 2))

    def share(offset: float, scale: float = 1 / 8, **options: object) -> float:
        shifted = ((samples + offset * rms) * scale).astype(np.float32)
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
    assert share(3, scale=1e-25) == 0  # squares underflow
    soundfile.write(path, np.full(1000, 0.5, np.float32), 8000, subtype="FLOAT")
    with load(path) as signal:
        assert signal.dc_share == 1


def test_channels_that_cancel_in_the_mix_are_warned_of(tmp_path: Path) -> None:
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
