"""The measure of pictures, against windows whose errors are known."""

import numpy as np
import pytest

from benchmarks import picture
from benchmarks.picture_error import Reference, plain, table

RATE = 8000


@pytest.fixture(scope="module")
def sound():
    """A tone and clicks in faint noise, one second and a half."""
    time = np.arange(RATE * 3 // 2) / RATE
    samples = 0.2 * np.sin(2 * np.pi * 900 * time)
    samples += 1e-3 * np.random.default_rng(0).standard_normal(len(time))
    samples[1000::2500] += 1.0
    return samples


def test_each_question_has_a_window_that_answers_it(sound):
    reference = Reference(sound, RATE)
    lengths, n_fft, hop = table(RATE)
    assert (lengths[0], lengths[-1], n_fft, hop) == (32, 2048, 2048, 16)
    found = {length: reference.errors(plain(sound, length, n_fft, hop)) for length in lengths}
    assert min(found, key=lambda length: found[length].freq) >= 1024
    sharp = min(found, key=lambda length: found[length].time)
    assert sharp <= 128
    assert found[2048].freq < 0.5
    assert found[2048].pre > 3 > 1 > found[sharp].pre
    assert all(errors.sum == errors.time + errors.freq for errors in found.values())


def test_every_plain_window_has_the_energy_of_the_sound(sound):
    rumble = np.hanning(len(sound)) * np.sin(2 * np.pi * 3 * np.arange(len(sound)) / RATE)
    whole = np.pad(sound + rumble, 2048)
    for length in (32, 512, 2048):
        energy = 2 * picture._energy(plain(whole, length, 2048, 16))
        assert np.isclose(energy, np.square(whole).sum(), rtol=0.01), length
