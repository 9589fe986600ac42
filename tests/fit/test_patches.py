"""Patches of the time-frequency plane."""

import numpy as np

from dstft_cli.fit.cells import Patches, choose_patches
from fit.cases import each


def test_each_cell_has_the_value_of_its_patch():
    patches = Patches((5, 7), 2, 3)
    assert patches.shape == (3, 3)
    expected = [[0, 0, 0, 1, 1, 1, 2]] * 2 + [[3, 3, 3, 4, 4, 4, 5]] * 2 + [[6, 6, 6, 7, 7, 7, 8]]
    assert patches.cells(np.arange(9.0)).tolist() == expected


@each(
    ("plane", "frames", "most", "expected"),
    [
        ((1025, 100), 1, 200_000, (1, 1)),
        ((1025, 100), 1, 60_000, (1, 2)),
        ((1025, 100), 3, 20_000, (1, 6)),
        ((1025, 100), 2, 7_000, (2, 16)),
        ((1025, 100), 2, 3_000, (2, 32)),
        ((3, 2), 8, 100, (1, 2)),
        ((1000, 2), 1, 10, (128, 2)),
    ],
)
def test_choice(plane, frames, most, expected):
    patches = choose_patches(plane, frames=frames, longest=16, most=most)
    assert (patches.bins, patches.frames) == expected
    assert patches.shape[0] * patches.shape[1] <= most
