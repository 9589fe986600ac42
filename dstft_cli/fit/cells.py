"""Criterion and gradient where window lengths vary with frequency.

The plane is cut into patches, each with one window length: bands of bins as long as the signal
(`FrequencyEvaluator`), or bins by frames (`CellEvaluator`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from dstft_cli.criteria import bin_sum, frame_sum, sum_dtype
from dstft_cli.fit.evaluator import Evaluator, Moments, numbers, powers, spectrum_powers
from dstft_cli.fit.path import Neighbours
from dstft_cli.stft import CellOperator, MatrixBank, few_lengths

FloatArray = NDArray[np.float64]
Table = NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Patches:
    """A plane of F bins and T frames in patches of `bins × frames` cells; the last may be smaller."""

    plane: tuple[int, int]  # `(F, T)`
    bins: int  # cells of a patch along frequency and along time, >= 1
    frames: int

    @property
    def shape(self) -> tuple[int, int]:
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

    They grow along time first, because neighbouring bins differ more than neighbouring frames; from
    `longest` frames on, along both axes in turn.
    """
    patches = Patches(plane, bins, min(frames, plane[1]))
    while patches.shape[0] * patches.shape[1] > most:
        if patches.frames < min(longest * patches.bins, plane[1]):
            patches = Patches(plane, patches.bins, min(patches.frames * 2, plane[1]))
        else:
            patches = Patches(plane, patches.bins * 2, patches.frames)
    return patches


class CellEvaluator(Evaluator):
    """As `Evaluator`, with patches as rows: lengths are `[1, 1]` or `[F, T]`, moments `[R, J]`.

    Patches count along frequency first. With patches as long as the signal a row is a band of
    bins, and lengths are `[F, 1]`. The quadrature over frames is part of the moments, so rows
    weigh 1.
    """

    def __init__(self, *args: Any, patches: Patches, **options: Any) -> None:
        super().__init__(*args, **options)
        self.patches = patches
        self._frame_weights = torch.from_numpy(self.weights).to(self.dtype).to(self.device)
        self.weights = np.ones(int(np.prod(patches.shape)))
        self._of_frames: Table | None = None
        seen = range(self.transform.bins)[self.bins]
        self._unseen = seen.start, self.transform.bins - seen.stop
        if patches.frames < len(self.frames):  # whole patches in a block
            self._block = max(self._block // patches.frames, 1) * patches.frames

    def arrange(self, row: FloatArray) -> FloatArray:
        """Lengths of the rows `[R]` in the shape of a parameter, `[F, T]` or `[F, 1]`."""
        if len(row) == 1:
            return row[None, :]
        if self.patches.shape[1] == 1:
            return row.repeat(self.patches.bins)[: self.transform.bins, None]
        return self.patches.cells(row).astype(np.float64, copy=False)

    def shown(self, row: FloatArray) -> FloatArray:
        """Lengths per patch, `[R_f, R_t]`; of all `[1]`, `[1, 1]`."""
        return row[None, :] if len(row) == 1 else row.reshape(self.patches.shape)

    def on_patches(self, lengths: FloatArray) -> FloatArray:
        """Lengths `[1, T]` or `[F, 1]` averaged over the patches, in their logarithm, `[R_f, R_t]`."""
        z = np.log(lengths)
        for axis, size in enumerate((self.patches.bins, self.patches.frames)):
            if z.shape[axis] > 1:
                starts = np.arange(0, z.shape[axis], size)
                counts = np.diff(np.append(starts, z.shape[axis]))
                z = np.add.reduceat(z, starts, axis) / np.expand_dims(counts, 1 - axis)
        return np.broadcast_to(np.exp(z), self.patches.shape)

    def neighbours(self, smoothness: float, over_time: float) -> Neighbours:
        """The penalties of `time` and `frequency`, each averaged over the other axis."""
        high, wide = self.patches.shape
        by_frequency = smoothness / self.transform.bins / wide
        if wide == 1:
            return Neighbours((high,), (by_frequency,))
        by_time = over_time * self.transform.n_fft / self.frames.length / high
        return Neighbours((high, wide), (by_frequency, by_time))

    def shortest(self, row: FloatArray) -> NDArray[np.int64]:
        """Index of the row with the shortest length of each frame, `[T]`."""
        band = row.reshape(self.patches.shape).argmin(0)
        step = np.arange(self.patches.shape[1])
        rows: NDArray[np.int64] = band * self.patches.shape[1] + step
        return rows.repeat(self.patches.frames)[: len(self.frames)]

    def raised(self, row: FloatArray, least: FloatArray) -> FloatArray:
        """Lengths `[R]`, none shorter than the least of any frame of its patch `[T]`, samples."""
        starts = np.arange(0, len(self.frames), self.patches.frames)
        grid = np.maximum(row.reshape(self.patches.shape), np.maximum.reduceat(least, starts))
        return grid.ravel()

    def _pooled(self, start: int, stop: int, a: Tensor, da: Tensor | None = None) -> Moments:
        """Moments of the patches of a block and their derivatives, each `[R_f, n / frames, J]`."""
        return self.criterion.pooled(a, self._pool(start, stop), da)

    def tables(self, lengths: FloatArray) -> tuple[Table, Table]:
        """The tables of the patches, `[R, M, J]`, and of the frames, `[T, M, J]`, in one read."""
        shape = len(self.frames), len(lengths), self._moments
        self._of_frames = np.zeros(shape, dtype=self._table_dtype)
        of_patches, of_frames = self.table(lengths), self._of_frames
        self._of_frames = None
        return of_patches, of_frames

    def _tabulated(self, start: int, stop: int, m: int, a: Tensor) -> Tensor:
        if self._of_frames is None:
            return super()._tabulated(start, stop, m, a)
        pool = self._pool(start, stop)

        def both(cells: Tensor) -> Tensor:
            return torch.cat([pool(cells).flatten(), frame_sum(cells)])

        moments, _ = self.criterion.pooled(a, both)
        self._of_frames[start:stop, m] = moments[start - stop :].cpu().numpy()
        return moments[: start - stop].reshape(self.patches.shape[0], -1, self._moments)

    def _place(self, total: NDArray[np.floating[Any]], start: int, part: FloatArray) -> None:
        grid = total.reshape(*self.patches.shape, *total.shape[1:])
        first = start // self.patches.frames
        grid[:, first : first + part.shape[1]] += part

    def _powers(
        self, start: int, stop: int, lengths: FloatArray, derivatives: int = 0
    ) -> tuple[Tensor, ...]:
        """As for frames; where lengths `[F, 1]` or `[F, T]` differ, both derivatives or none."""
        if lengths.size == 1:
            return super()._powers(start, stop, lengths, derivatives)
        part = lengths if lengths.shape[1] == 1 else lengths[:, start:stop]
        part = np.broadcast_to(part, (self.transform.bins, stop - start))
        frames, fractions = self.frames.block(start, stop), self.frames.fractions(start, stop)
        operator = CellOperator(self.transform, fractions, part)
        found = operator.transforms(frames, 2 if derivatives else 0)
        return spectrum_powers(self.power, *(X[..., self.bins] for X in found))

    def _pool(self, start: int, stop: int) -> Callable[[Tensor], Tensor]:
        """Weighted sums over the patches of a block, `[C, n, B]` to `[R_f, n / frames]`."""
        bins, frames = self.patches.bins, min(self.patches.frames, stop - start)
        below, above = self._unseen
        above += self.patches.shape[0] * bins - self.transform.bins
        weights = self._frame_weights[start:stop, None]
        even = bool((weights == 1).all())  # as with a uniform hop
        count = -(-(stop - start) // frames)
        lacking = count * frames - (stop - start)

        def pool(cells: Tensor) -> Tensor:
            weighted = cells if even else cells * weights
            if lacking:
                weighted = pad(weighted, (0, 0, 0, lacking))
            parts = weighted.reshape(len(cells), count, frames, -1)
            of_bins = parts.sum((0, 2), dtype=sum_dtype(cells))
            return pad(of_bins, (below, above)).reshape(count, -1, bins).sum(2).T

        return pool


class FrequencyEvaluator(CellEvaluator):
    """As `CellEvaluator`, with bands of bins as rows; lengths are `[1, 1]` or `[F, 1]`."""

    def shown(self, row: FloatArray) -> FloatArray:
        """Lengths per bin, `[F, 1]`; of all `[1]`, `[1, 1]`."""
        return self.arrange(row)

    def _rows(self, lengths: FloatArray, *, slopes: bool) -> tuple[FloatArray, FloatArray]:
        column = np.broadcast_to(lengths, (self.transform.bins, 1))
        if few_lengths(column) or not self.frames.few_fractions:
            return super()._rows(lengths, slopes=slopes)
        of_bins = np.zeros((2, self.transform.bins, self._moments))
        for moments in self._banked(column, slopes):
            for total, part in zip(of_bins, numbers(moments), strict=False):
                total += part
        self.evaluations += 1
        starts = np.arange(0, self.transform.bins, self.patches.bins)
        rows, gradients = np.add.reduceat(of_bins, starts, axis=1)
        return rows, gradients

    def _banked(self, lengths: FloatArray, slopes: bool) -> Iterator[Moments]:
        """Moments of every block of frames, and their derivatives, each `[F, J]`."""
        here = torch.as_tensor(lengths[:, 0].copy()).to(self.dtype).to(self.device)
        fractions, places = self.frames.places()
        for number, fraction in enumerate(fractions):
            members = np.flatnonzero(places == number)
            bank = MatrixBank(self.transform, here, fraction, slopes=slopes)

            def moments(frames: NDArray[np.int64], bank: MatrixBank = bank) -> Moments:
                weights = self._frame_weights[torch.from_numpy(frames).to(self.device)]

                def pool(cells: Tensor) -> Tensor:
                    return pad(bin_sum(cells, weights), self._unseen)

                parts = bank.parts(self.frames.pick(frames))
                re, im, *slopes_of = (part[..., self.bins] for part in parts)
                inner = [re * slopes_of[0] + im * slopes_of[1]] if slopes else []
                a, *da = powers(self.power, re * re + im * im, *inner)
                return self.criterion.pooled(a, pool, *da)

            size = max(self._block, bank.block)
            blocks = [members[i : i + size] for i in range(0, len(members), size)]
            yield from self._each("descent" if slopes else "evaluate", moments, blocks)
