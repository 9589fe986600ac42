"""`--highpass`: what it lets through, what it removes, and where it is refused."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import load, probe
from dstft_cli.audio.blocks import Block
from dstft_cli.errors import InputError, UsageError

from .recordings import RATE, stereo

T = np.arange(4 * RATE) / RATE


def written(path: Path, samples: np.ndarray) -> Path:
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def filtered(path: Path, highpass: float, **options) -> Block:
    with load(path, highpass=highpass, **options) as signal:
        samples = signal.samples[:, :]
        assert signal.peak == np.abs(samples).max()
        assert signal.dc_share == 0
        return samples


def test_a_tone_is_attenuated_as_a_butterworth_filter_of_order_4_does(tmp_path):
    """|H|² = 1 / (1 + tan(πc/r)⁸ / tan(πf/r)⁸), the bilinear transform of the analogue filter."""
    for frequency in (25.0, 50.0, 400.0):
        path = written(tmp_path / "tone.wav", 0.5 * np.sin(2 * np.pi * frequency * T))
        tail = filtered(path, 50.0)[0, -RATE:].astype(float)
        ratio = np.tan(np.pi * 50.0 / RATE) / np.tan(np.pi * frequency / RATE)
        expected = 0.5 / np.sqrt(1 + ratio**8)
        assert np.sqrt(2 * np.mean(tail**2)) == pytest.approx(expected, rel=1e-4), frequency


def test_nothing_sounds_before_its_time(tmp_path):
    click = np.where(np.arange(RATE) == 500, 0.9, 0.0)
    samples = filtered(written(tmp_path / "click.wav", click), 100.0)[0]
    assert not samples[:500].any()
    assert samples[500] > 0.8


def test_channels_are_filtered_each(tmp_path):
    path = written(tmp_path / "two.wav", stereo() + 0.2)
    left, both = filtered(path, 60.0, channel=0), filtered(path, 60.0, channel="all")
    np.testing.assert_array_equal(both[:1], left)
    np.testing.assert_allclose(filtered(path, 60.0)[0], both.mean(0), atol=1e-6)


def test_an_offset_leaves_no_step_where_a_recording_begins_and_ends(tmp_path):
    tone = 0.01 * np.sin(2 * np.pi * 440 * T)
    path, plain = written(tmp_path / "offset.wav", tone + 0.3), written(tmp_path / "p.wav", tone)
    for rate in (RATE, RATE // 2, RATE * 3):
        samples, expected = (filtered(p, 20.0, sample_rate=rate) for p in (path, plain))
        np.testing.assert_allclose(samples, expected, atol=1e-6)


def test_digital_silence_is_silent_again_when_the_filter_has_died_away(tmp_path):
    x = np.where(T < 1, 0.5 * np.sin(2 * np.pi * 440 * T), 0.0)
    samples = filtered(written(tmp_path / "silence.wav", x), 20.0)[0]
    assert samples[RATE : RATE + 100].all()
    assert not samples[2 * RATE :].any()


def test_a_cutoff_out_of_range_is_refused_before_and_while_reading(tmp_path):
    path = written(tmp_path / "a.wav", stereo())
    for cutoff, limit in ((RATE / 2, RATE / 2), (1e5, RATE / 2), (1e-3, RATE / 1e6)):
        for read in (probe, load):
            with pytest.raises(UsageError, match=f"`highpass` {cutoff:g} Hz .* {limit:g} Hz"):
                read(path, highpass=cutoff)
    for rate in (200, 10 * RATE):  # the lower one of both
        with pytest.raises(UsageError, match=f"to below {min(rate, RATE) / 2:g} Hz"):
            probe(path, sample_rate=rate, highpass=1.5 * RATE)


def test_a_recording_of_which_nothing_is_left_is_refused(tmp_path):
    drift = 0.3 * np.cos(2 * np.pi * 0.01 * np.arange(RATE) / RATE)
    slow = tmp_path / "slow.wav"
    soundfile.write(slow, drift, RATE, subtype="DOUBLE")
    with pytest.raises(InputError, match="above 20 Hz only rounding errors are left: lower"):
        load(slow, highpass=20.0)
    against = stereo()
    against[:, 1] = -against[:, 0]
    with pytest.raises(InputError, match="the channels cancel each other"):
        load(written(tmp_path / "against.wav", against), highpass=20.0)
