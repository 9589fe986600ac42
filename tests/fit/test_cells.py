"""Window lengths per patch of the plane: against the explicit sum, single frames and differences."""

import math

import numpy as np
import pytest
import torch
from criteria_reference import criterion_value
from stft_reference import explicit_stft

from dstft_cli.criteria import resolve
from dstft_cli.fit.cells import CellEvaluator, FrequencyEvaluator, Patches
from dstft_cli.fit.centers import quadrature_weights, uniform_centers
from dstft_cli.fit.evaluator import Compute, Evaluator
from dstft_cli.stft import Transform, stft
from fit.cases import CRITERIA, each, optimize

N, K, F = 90, 32, 17
SIGNAL = np.random.default_rng(5).standard_normal((2, N))
WHOLE, FRACTIONAL = uniform_centers(N, 8.0), uniform_centers(N, 7.3)
UNEVEN = np.array([0.4, 5.9, 16.3, 22.6, 23.2, 37.7, 50.1, 61.5, 63.3, 77.2, 88.8])
SHAPES = [(1, 1), (2, 3), (1, 1000), (5, 4)]  # of patches, in cells
PARTED = [name for name in CRITERIA if name != "kurtosis"]


def engine(
    criterion="entropy", *, centers=FRACTIONAL, shape=(2, 3), power=2.0, samples=SIGNAL, **options
) -> CellEvaluator:
    patches = Patches((F, len(centers)), shape[0], min(shape[1], len(centers)))
    return CellEvaluator(
        samples,
        centers,
        Transform(K),
        resolve(criterion),
        patches=patches,
        power=power,
        compute=Compute(
            dtype=options.pop("dtype", torch.float64),
            threads=options.pop("threads", 1),
            progress=options.pop("progress", None),
        ),
        **options,
    )


def random_row(at: Evaluator) -> np.ndarray:
    """A length of each row, all different."""
    return np.random.default_rng(9).permutation(np.linspace(8.1, 31.3, len(at.weights)))


def plane(lengths, centers, power=2.0) -> np.ndarray:
    """`a = |X|^power`, [C, T, F], by the definition."""
    found = [explicit_stft(x, centers, lengths, K) for x in SIGNAL]
    return np.abs(np.stack(found).transpose(0, 2, 1)) ** power


@each("centers", [WHOLE, FRACTIONAL])
@each("shape", SHAPES)
def test_values_are_those_of_the_explicit_sum(shape, centers):
    for power in (2.0, 1.0):
        at = engine(shape=shape, centers=centers)
        lengths = at.arrange(random_row(at))
        a = plane(lengths, centers, power)
        for name in PARTED:
            at = engine(name, shape=shape, centers=centers, power=power)
            found = at.criterion.value(torch.from_numpy(at.total(lengths)), at.cells)
            close = 1e-6 if name == "gini" else 1e-9
            assert at.cells == pytest.approx(a.size)
            assert float(found) == pytest.approx(criterion_value(name, a), rel=close), name


def test_rows_are_patches_frequency_first():
    """Each row's sums are those of its cells, frames weighing their share of time."""
    at = engine(centers=UNEVEN)
    row = random_row(at)
    lengths = at.arrange(row)
    assert at.patches.shape == (9, 4)
    assert lengths.shape == (F, len(UNEVEN))
    assert lengths[2, 3] == lengths[3, 5] == row[5]
    a = plane(lengths, UNEVEN) * quadrature_weights(UNEVEN)[:, None]
    a /= K  # the evaluator divides the signal by the largest |X| there can be, √K
    expected = [
        [a[:, 3 * t : 3 * t + 3, 2 * f : 2 * f + 2].sum() for t in range(4)] for f in range(9)
    ]
    np.testing.assert_allclose(at.rows(lengths)[:, 0], np.ravel(expected), rtol=1e-9)
    np.testing.assert_allclose(at.sums(at.rows(lengths))[0], a.sum(), rtol=1e-9)


@each("shape", SHAPES)
def test_shortest_of_each_frame(shape):
    at = engine(shape=shape)
    row = random_row(at)
    expected = np.broadcast_to(at.arrange(row), (F, len(FRACTIONAL))).min(0)
    np.testing.assert_array_equal(row[at.shortest(row)], expected)


@each("centers", [WHOLE, FRACTIONAL])
@each("shape", SHAPES)
def test_table_rows_are_those_of_plain_lengths(shape, centers):
    at = engine("renyi", shape=shape, centers=centers)
    lengths = np.array([6.5, 12.0, 31.9])
    table = at.table(lengths)
    assert at.evaluations == 3
    assert table.shape == (int(np.prod(at.patches.shape)), 3, 2)
    for m, length in enumerate(lengths):
        rows = at.rows(np.array([[length]]))
        np.testing.assert_allclose(table[:, m], rows, rtol=1e-9, atol=1e-12)
    assert at.evaluations == 6


@each("power", [1.0, 2.0])
@each("criterion", PARTED)
@each("shape", SHAPES)
def test_gradient_is_the_difference_quotient(shape, criterion, power):
    """Along a random direction of all lengths."""
    at = engine(criterion, shape=shape, power=power, centers=UNEVEN)
    row = random_row(at)
    direction = np.random.default_rng(8).uniform(-1, 1, len(row))
    step = 1e-8 if at.criterion.ranked else 1e-5
    if at.criterion.ranked:
        at.rank(at.arrange(row))

    def score(row: np.ndarray) -> float:
        return at.criterion.score_gradient(at.sums(at.rows(at.arrange(row))), at.cells)[0]

    rows, slopes = at.rows_and_slopes(at.arrange(row))
    np.testing.assert_allclose(rows, at.rows(at.arrange(row)), rtol=1e-12)
    _, outer = at.criterion.score_gradient(at.sums(rows), at.cells)
    found = float((slopes @ outer) @ direction)
    expected = (score(row + step * direction) - score(row - step * direction)) / (2 * step)
    assert found == pytest.approx(expected, rel=2e-5, abs=1e-7)
    assert np.abs(slopes @ outer).max() > 1e-4


def build(kind: str, criterion: str, power: float, centers: np.ndarray = UNEVEN) -> Evaluator:
    """Frames weigh their share of 7 samples."""
    options = {"power": power, "hop_length": 7.0}
    if kind == "cells":
        return engine(criterion, centers=centers, **options)
    evaluator = FrequencyEvaluator if kind == "frequency" else Evaluator
    compute = Compute(dtype=torch.float64)
    return evaluator(SIGNAL, centers, Transform(K), resolve(criterion), compute=compute, **options)


SLOPES = [
    *((kind, name) for kind in ("time", "frequency", "cells") for name in PARTED if name != "gini"),
    ("time", "kurtosis"),
]


@each("power", [1.0, 2.0])
@each(("kind", "criterion"), SLOPES)
def test_slopes_by_length_are_those_of_the_sums(kind, criterion, power):
    at = build(kind, criterion, power)
    row = random_row(at)
    slopes = at.slopes(at.arrange(row))
    assert slopes.by_length.shape == (len(row), at.criterion.sums_per_frame)
    step = 1e-5
    for r in {0, 1, len(row) // 2, len(row) - 1}:
        e = np.zeros(len(row))
        e[r] = step
        up, down = (at.sums(at.rows(at.arrange(row + s * e))) for s in (1, -1))
        expected = (up - down) / (2 * step)
        np.testing.assert_allclose(
            slopes.by_length[r], expected, rtol=1e-4, atol=1e-7 * np.abs(slopes.by_length).max()
        )
    assert (slopes.by_length != 0).all()


@each("power", [1.0, 2.0])
@each(("kind", "criterion"), SLOPES)
def test_slopes_by_center_are_those_of_each_frame(kind, criterion, power):
    """A centre moves its own frame alone, so all may move at once."""
    at = build(kind, criterion, power)
    lengths = at.arrange(random_row(at))
    slopes = at.slopes(lengths)
    assert slopes.by_center.shape == (len(UNEVEN), at.criterion.sums_per_frame)
    step = 1e-5
    up, down = (
        build(kind, criterion, power, UNEVEN + s * step).slopes(lengths).frames for s in (1, -1)
    )
    scale = np.abs(slopes.by_center).max(0)
    np.testing.assert_allclose(
        slopes.by_center / scale, (up - down) / (2 * step) / scale, rtol=1e-4, atol=1e-7
    )
    assert (slopes.by_center != 0).all()


@each("shape", SHAPES)
def test_blocks_and_threads_change_nothing(shape):
    """Frames of a patch lie in one block, unless the patch is as long as the signal."""
    seen = []
    alone = engine(shape=shape, centers=UNEVEN)
    lengths = alone.arrange(random_row(alone))
    found = {}
    for threads in (1, 3):
        at = engine(
            shape=shape,
            centers=UNEVEN,
            threads=threads,
            progress=lambda *call: seen.append(call),
        )
        at._block = 4 if shape == (5, 4) else 3
        slopes = at.slopes(lengths)
        found[threads] = (
            at.table(np.array([9.0, 20.0])),
            *at.rows_and_slopes(lengths),
            at.rows(lengths),
            slopes.by_length,
            slopes.by_center,
        )
    assert seen[0] == ("descent", 1, 4 if shape != (5, 4) else 3)
    for one, three in zip(found[1], found[3], strict=True):
        np.testing.assert_array_equal(one, three)
    expected = (alone.table(np.array([9.0, 20.0])), *alone.rows_and_slopes(lengths))
    for one, whole in zip(found[1], expected, strict=False):
        np.testing.assert_allclose(one, whole, rtol=1e-10, atol=1e-12)


@each("criterion", PARTED)
def test_silence_is_finite(criterion):
    samples = SIGNAL.copy()
    samples[:, 30:] = 0.0
    for dtype in (torch.float32, torch.float64):
        at = engine(criterion, samples=samples, dtype=dtype, power=1.0)
        lengths = at.arrange(random_row(at))
        at.total(lengths)
        rows, slopes = at.rows_and_slopes(lengths)
        assert np.isfinite(rows).all()
        assert np.isfinite(slopes).all()
        assert (slopes.reshape(*at.patches.shape, -1)[:, -1] == 0).all()
        if not at.criterion.ranked:
            assert np.isfinite(at.slopes(lengths).by_center).all()


@each("mode", ["frequency", "time-frequency"])
def test_lines_keep_their_energy(mode):
    """Of steady lines in noise nothing is to be gained; bins of their own make lines vanish."""
    rng = np.random.default_rng(0)
    n = np.arange(40_000)
    x = sum(np.sin(0.05 * np.pi * k * n + k) for k in range(1, 12))
    x += 0.5 * rng.standard_normal(len(n))

    def fit(**options) -> tuple[float, float]:
        """Gain over the best single window, nats, and change of the energy of the plane, dB."""
        found = optimize(x, 8000, n_fft=1024, window_mode=mode, **options)
        gain = found.criterion.best_fixed - found.criterion.final
        single = np.full((1, 1), found.criterion.best_fixed_win_length)
        energies = [
            stft(*map(torch.from_numpy, (x, found.frame_centers, lengths)), 1024)
            .abs()
            .square()
            .sum()
            for lengths in (np.ascontiguousarray(found.window_length), single)
        ]
        return gain, 10 * math.log10(energies[0] / energies[1])

    gain, change = fit()
    assert gain < 0.005
    assert abs(change) < 0.02
    gain, change = fit(smoothness=0)
    assert gain > 0.1
    assert change < -0.4
