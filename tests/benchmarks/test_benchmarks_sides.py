"""What the benchmarks compare with is right itself: references, grids, exponents, the error of pictures."""

import numpy as np
import pytest
import torch
from fit.cases import each

from benchmarks import grids, picture, reference, sides
from benchmarks.evaluation import errors_of
from benchmarks.growth import Growth, exponent
from benchmarks.picture_error import Reference, plain, table


@each("mode", sides.MODES)
def test_the_explicit_gradient_is_that_of_finite_differences(mode):
    x = np.random.default_rng(0).standard_normal(100)
    sizes = (32, 16)
    lengths = sides.spread(sides.shape_of(mode, 17, 7), 11.0, 30.0)
    _, gradient = reference.entropy_and_gradient(x, *sizes, lengths)
    assert gradient.shape == lengths.shape
    step = np.random.default_rng(1).standard_normal(lengths.shape) * 1e-6
    after, before = (
        reference.entropy_and_gradient(x, *sizes, lengths + sign * step)[0] for sign in (1, -1)
    )
    assert (after - before) / 2 == pytest.approx((gradient * step).sum(), rel=1e-5)


def test_the_explicit_value_is_that_of_torch_at_whole_lengths():
    x = np.random.default_rng(0).standard_normal(1000)
    value, _ = reference.entropy_and_gradient(x, 128, 32, np.array([[90.0]]))
    assert value == pytest.approx(grids.entropy(torch.from_numpy(x), 128, 32, 90), rel=1e-12)


@each("mode", sides.MODES)
def test_every_side_agrees_with_the_explicit_sum(mode):
    rows = errors_of(mode, None)
    assert [by for _, by, _, _ in rows] == ["dstft", "autograd"]
    for _, by, value, gradient in rows:
        assert 0 < value < 1e-6, by
        assert 0 < gradient < 3e-4, by


def test_exponents_of_made_up_costs():
    x = [1.0, 10.0, 100.0, 1000.0]
    assert exponent(x, [3 * v**1.5 for v in x]) == pytest.approx(1.5)
    growth = Growth("frames", "fit", "time, s", x, [5 + v for v in x])
    assert growth.exponent() < 0.85  # the start weighs
    assert growth.last_exponent() == pytest.approx(np.log10(1005 / 105))
    ends, line = Growth("frames", "fit", "time, s", x, [2 * v**2 for v in x]).line()
    assert list(ends) == [1, 1000]
    assert line == pytest.approx([2, 2e6])
    for sizes, costs in (([1.0, 1.0], [2.0, 3.0]), ([1.0, 2.0], [0.0, 3.0]), ([1.0], [1.0])):
        with pytest.raises(ValueError, match=r"above 0|two different"):
            exponent(sizes, costs)


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
