"""Criterion and gradient over a signal: against single frames, and against differences."""

import numpy as np
import pytest
import torch
from criteria_reference import criterion_value
from stft_reference import explicit_stft

from dstft_cli.criteria import resolve
from dstft_cli.fit.evaluator import Compute, Evaluator
from dstft_cli.stft import Transform
from fit.cases import CRITERIA, NORMALIZATIONS, WINDOWS, each

N, K = 90, 32
CENTERS = np.arange(0, N + 1, 7.3)
T = len(CENTERS)
LENGTHS = np.linspace(8.1, 30.3, T)[None, :]


def noise(channels: int = 1, n: int = N) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((channels, n))


def evaluator(
    samples: np.ndarray,
    criterion: str = "entropy",
    *,
    centers: np.ndarray = CENTERS,
    window: str = "hann",
    normalization: str = "energy",
    **options,
) -> Evaluator:
    how = {name: options.pop(name) for name in ("threads", "progress") if name in options}
    compute = Compute(dtype=options.pop("dtype", torch.float64), **how)
    transform = Transform(K, window, normalization)
    return Evaluator(samples, centers, transform, resolve(criterion), compute=compute, **options)


def value(at: Evaluator, lengths: np.ndarray) -> float:
    return float(at.criterion.value(torch.from_numpy(at.total(lengths)), at.cells))


@each("criterion", CRITERIA)
@each("power", [2.0, 1.0, 0.5])
def test_value_is_that_of_the_explicit_sum(criterion, power):
    samples = noise(2)
    planes = [explicit_stft(x, CENTERS, LENGTHS, K) for x in samples]
    a = np.abs(np.stack(planes).transpose(0, 2, 1)) ** power
    expected = criterion_value(criterion, a)
    at = evaluator(samples, criterion, power=power)
    assert at.cells == pytest.approx(a.size)
    found = value(at, LENGTHS)
    assert found == pytest.approx(expected, rel=1e-6 if criterion == "gini" else 1e-10)


@each("window", WINDOWS)
@each("criterion", CRITERIA)
@each("power", [2.0, 1.0, 0.5])
def test_gradient_is_the_total_derivative(window, criterion, power):
    """Along a random direction of all lengths, for every normalization in turn."""
    normalization = NORMALIZATIONS[(WINDOWS.index(window) + CRITERIA.index(criterion)) % 3]
    direction = np.random.default_rng(8).uniform(-1, 1, (1, T))
    step = 1e-8 if criterion == "gini" else 1e-5  # ranks are held while cells keep their bucket
    at = evaluator(noise(), criterion, window=window, normalization=normalization, power=power)
    if criterion == "gini":
        at.rank(LENGTHS)

    def score(lengths: np.ndarray) -> float:
        return at.criterion.score_gradient(at.sums(at.rows(lengths)), at.cells)[0]

    rows, slopes = at.rows_and_slopes(LENGTHS)
    np.testing.assert_allclose(rows, at.rows(LENGTHS), rtol=1e-12)
    _, gradient = at.criterion.score_gradient(at.sums(rows), at.cells)
    found = float((at.weights * (slopes @ gradient)) @ direction[0])
    up, down = (score(LENGTHS + s * step * direction) for s in (1, -1))
    assert found == pytest.approx((up - down) / (2 * step), rel=2e-5, abs=1e-7)
    assert abs(found) > 1e-4


@each("criterion", CRITERIA)
@each("power", [2.0, 1.0, 0.5])
@each("dtype", [torch.float32, torch.float64])
def test_silence_is_finite(criterion, power, dtype):
    samples = noise()
    samples[:, 30:] = 0.0
    at = evaluator(samples, criterion, power=power, dtype=dtype)
    if criterion == "gini":
        at.rank(LENGTHS)
    rows, slopes = at.rows_and_slopes(LENGTHS)
    _, gradient = at.criterion.score_gradient(at.sums(rows), at.cells)
    assert np.isfinite(rows).all()
    assert np.isfinite(slopes).all()
    assert np.isfinite(gradient).all()
    assert (slopes[-3:] == 0).all()
    assert (slopes[:3] != 0).all()


@each("centers", [np.arange(0, N + 1, 8.0), CENTERS])
def test_table_holds_the_rows_of_each_length(centers):
    lengths = np.array([6.5, 12.0, 31.9])
    at = evaluator(noise(2), centers=centers)
    table = at.table(lengths)
    assert at.evaluations == 3
    assert table.shape == (len(centers), 3, 2)
    assert table.dtype == np.float64  # that of the transform
    for m, length in enumerate(lengths):
        rows = at.rows(np.array([[length]]))
        np.testing.assert_allclose(table[:, m], rows, rtol=1e-6)
    assert at.evaluations == 6
    at.rows_and_slopes(LENGTHS[:, :1])
    assert at.evaluations == 7


def test_frames_are_weighed_by_their_share_of_time():
    centers = np.array([0.0, 10.0, 12.0, 14.0, 50.0])
    at = evaluator(noise(), centers=centers)
    np.testing.assert_allclose(at.weights / at.weights[2], [5, 3, 1, 9.5, 18])
    rows = at.rows(np.array([[20.0]]))
    np.testing.assert_allclose(at.sums(rows), at.weights @ rows, rtol=1e-12)
    table = np.stack([rows, 2 * rows], axis=1)
    np.testing.assert_allclose(at.sums(table)[1], 2 * at.weights @ rows, rtol=1e-12)


@each("threads", [1, 2, 3])
@each("criterion", ["entropy", "kurtosis"])
def test_blocks_and_threads_change_nothing(threads, criterion):
    samples = noise(1, 20000)
    centers = np.arange(0, 20001, 2.5)  # 8001 frames are two blocks
    lengths = np.linspace(9, 30, len(centers))[None, :]
    seen = []
    alone = evaluator(samples, criterion, centers=centers)
    expected = alone.rows_and_slopes(lengths)
    at = evaluator(
        samples,
        criterion,
        centers=centers,
        threads=threads,
        progress=lambda *call: seen.append(call),
    )
    found = at.rows_and_slopes(lengths)
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert seen == [("descent", 1, 2), ("descent", 2, 2)]


@each("level", [1e-15, 1e15])
@each("criterion", [name for name in CRITERIA if name != "gini"])
def test_level_of_the_recording_does_not_matter(level, criterion):
    """The peak is divided out, so that no power of a sample leaves the range of float32."""
    samples = noise().astype(np.float32)
    at = evaluator(samples, criterion, dtype=torch.float32, peak=float(abs(samples).max()))
    expected = value(at, LENGTHS)
    peak = float(abs(samples).max()) * level
    at = evaluator((samples * level).astype(np.float32), criterion, dtype=torch.float32, peak=peak)
    assert value(at, LENGTHS) == pytest.approx(expected, rel=1e-5)
