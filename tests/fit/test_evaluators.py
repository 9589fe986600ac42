"""Sums of a criterion, with a length per frame, bin or patch: by differences, blocks and threads."""

import numpy as np
import pytest
import torch

from dstft_cli.criteria import resolve
from dstft_cli.fit.cells import CellEvaluator, FrequencyEvaluator, Patches
from dstft_cli.fit.centers import uniform_centers
from dstft_cli.fit.evaluator import Compute, Evaluator
from dstft_cli.records import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import Transform
from fit.cases import CRITERIA, each

N, K, F = 90, 32, 17
SIGNAL = np.random.default_rng(5).standard_normal((2, N))
WHOLE, FRACTIONAL = uniform_centers(N, 8.0), uniform_centers(N, 7.3)
UNEVEN = np.array([0.4, 5.9, 16.3, 22.6, 23.2, 37.7, 50.1, 61.5, 63.3, 77.2, 88.8])
SHAPES = [(1, 1), (2, 3), (1, 1000), (5, 4)]  # of patches, in cells
KINDS = ["time", "frequency", *SHAPES]
TRANSFORM = Transform(K)


def criteria_of(kind) -> list[str]:
    """Kurtosis is a mean over frames: it has no value where bins have lengths of their own."""
    return [name for name in CRITERIA if kind == "time" or name != "kurtosis"]


def build(
    kind, criterion="entropy", *, centers, transform=TRANSFORM, threads=1, progress=None, **options
) -> Evaluator:
    options["compute"] = Compute(dtype=torch.float64, threads=threads, progress=progress)
    given = SIGNAL, centers, transform, resolve(criterion)
    if kind == "time":
        return Evaluator(*given, **options)
    bins, frames = (1, len(centers)) if kind == "frequency" else kind
    patches = Patches((F, len(centers)), bins, min(frames, len(centers)))
    of_patches = FrequencyEvaluator if kind == "frequency" else CellEvaluator
    return of_patches(*given, patches=patches, **options)


def random_row(at: Evaluator) -> np.ndarray:
    """A length of each row, all different."""
    return np.random.default_rng(9).permutation(np.linspace(8.1, 31.3, len(at.weights)))


@each("kind", KINDS)
@each("power", [2.0, 0.5])
def test_gradient_is_the_difference_quotient(kind, power):
    """Along a random direction; windows, normalizations, bands and places by turns."""
    for i, criterion in enumerate(criteria_of(kind)):
        transform = Transform(K, WINDOWS[i % 5], NORMALIZATIONS[i % 3])
        bins = slice(3, 12) if i % 2 else slice(None)
        centers = (UNEVEN, WHOLE, FRACTIONAL)[(i + int(power)) % 3]
        at = build(kind, criterion, centers=centers, transform=transform, power=power, bins=bins)
        row = random_row(at)
        if at.criterion.ranked:
            at.rank(at.arrange(row))
        rows, slopes = at.rows_and_slopes(at.arrange(row))
        np.testing.assert_allclose(rows, at.rows(at.arrange(row)), rtol=1e-10, atol=1e-14)
        _, outer = at.criterion.score_gradient(at.sums(rows), at.cells)
        direction = np.random.default_rng(8).uniform(-1, 1, len(row))
        found = float((at.weights * (slopes @ outer)) @ direction)
        step = 1e-8 if at.criterion.ranked else 1e-5  # ranks are held while cells keep their bucket
        up, down = (
            at.criterion.score_gradient(at.sums(at.rows(at.arrange(moved))), at.cells)[0]
            for moved in (row + step * direction, row - step * direction)
        )
        assert found == pytest.approx((up - down) / (2 * step), rel=2e-5, abs=1e-7), criterion
        assert np.abs(slopes @ outer).max() > 1e-4


@each("centers", [WHOLE, UNEVEN])
@each("kind", KINDS)
def test_blocks_and_threads_change_nothing(kind, centers):
    """Frames of a patch lie in one block, unless the patch is as long as the signal."""
    seen, found = [], {}
    for threads in (0, 1, 3):  # 0: in one block
        at = build(
            kind, centers=centers, threads=max(threads, 1), progress=lambda *call: seen.append(call)
        )
        lengths = at.arrange(random_row(at))
        if threads:
            at._block = 4 if kind == (5, 4) else 3
        seen.clear()
        slopes = at.slopes(lengths)
        assert seen[-1][1] == seen[-1][2] == len(seen)
        assert (len(seen) > 1) == bool(threads)
        rows = at.table(np.array([9.0, 20.0])), *at.rows_and_slopes(lengths), at.rows(lengths)
        found[threads] = *rows, slopes.by_length, slopes.by_center
    for whole, one, three in zip(*found.values(), strict=True):
        np.testing.assert_array_equal(one, three)
        np.testing.assert_allclose(one, whole, rtol=1e-10, atol=1e-12)
