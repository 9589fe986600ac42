"""Patches of the time-frequency plane, each with one window length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Patches:
    """A plane of F bins and T frames in patches of `bins × frames` cells; the last may be smaller.

    Attributes:
        plane: `(F, T)`.
        bins, frames: cells of a patch along frequency and along time, >= 1.
    """

    plane: tuple[int, int]
    bins: int
    frames: int

    @property
    def shape(self) -> tuple[int, int]:
        """Number of patches along frequency and along time."""
        return -(-self.plane[0] // self.bins), -(-self.plane[1] // self.frames)

    def cells(self, row: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """A value of each patch `[R]`, frequency first, as one of each cell `[F, T]`."""
        grid = row.reshape(self.shape)
        tall = grid.repeat(self.bins, axis=0)[: self.plane[0]]
        return tall.repeat(self.frames, axis=1)[:, : self.plane[1]]


def choose_patches(
    plane: tuple[int, int], *, bins: int = 1, frames: int, longest: int, most: int
) -> Patches:
    """Patches of `bins` and `frames` cells, made larger until there are at most `most`.

    They grow along time first, for neighbouring bins differ more than neighbouring frames; from
    `longest` frames on, along both axes by turns.
    """
    patches = Patches(plane, bins, min(frames, plane[1]))
    while patches.shape[0] * patches.shape[1] > most:
        if patches.frames < min(longest * patches.bins, plane[1]):
            patches = Patches(plane, patches.bins, min(patches.frames * 2, plane[1]))
        else:
            patches = Patches(plane, patches.bins * 2, patches.frames)
    return patches
