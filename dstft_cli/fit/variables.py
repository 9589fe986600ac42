"""Window lengths as functions of the variables of a descent, and the penalty on their change."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

FloatArray = NDArray[np.float64]
Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Neighbours:
    """Neighbouring rows, and the penalty on a change of window length between them.

    Rows lie in a chain (frames, bins) or in a grid (patches of the plane, frequency first); a change
    between neighbours `a` and `b` costs `price · |ln θ_a − ln θ_b|`, with one price per axis.
    """

    shape: tuple[int, ...]  # `(R,)` or `(R_f, R_t)`
    prices: tuple[float, ...]  # per axis, in units of the score, >= 0

    @property
    def free(self) -> bool:
        """Whether there is no penalty."""
        return not any(self.prices)

    def pairs(self) -> tuple[Pairs, FloatArray]:
        """Neighbouring rows `[E, 2]` and the price of a change between them `[E]`."""
        rows = np.arange(int(np.prod(self.shape)), dtype=np.int64).reshape(self.shape)
        found, prices = [], []
        for axis, price in enumerate(self.prices):
            before = rows.take(range(self.shape[axis] - 1), axis).ravel()
            after = rows.take(range(1, self.shape[axis]), axis).ravel()
            found.append(np.stack([before, after], axis=1))
            prices.append(np.full(len(before), price))
        return np.concatenate(found), np.concatenate(prices)

    def change(self, z: FloatArray) -> float:
        """Price of all changes of `z = ln θ`, of all rows `[R]` or of one length `[1]`."""
        if self.free or len(z) == 1:
            return 0.0
        grid = z.reshape(self.shape)
        return float(
            sum(
                price * np.abs(np.diff(grid, axis=axis)).sum()
                for axis, price in enumerate(self.prices)
            )
        )


@dataclass(frozen=True)
class FreeLengths:
    """Window lengths `θ_r = exp(z[index_r])` of rows that may share a variable.

    Neighbours with the same length after the search share one variable, so a curve that is constant over
    a syllable stays constant.
    """

    index: NDArray[np.int64]  # variable of each row, `[R]`; `[1]` for one length for all
    pairs: Pairs  # variables that border on each other, `[P, 2]`
    prices: FloatArray  # of `|z_a − z_b|` for each pair, in units of the score, `[P]`

    @classmethod
    def constant(cls) -> FreeLengths:
        """One length for all."""
        return cls(np.zeros(1, dtype=np.int64), np.zeros((0, 2), dtype=np.int64), np.zeros(0))

    @classmethod
    def runs(
        cls, lengths: FloatArray, neighbours: Neighbours, *, every_row: bool = False
    ) -> FreeLengths:
        """One variable per run or patch of equal lengths `[R]`.

        One per row if asked for, or without a penalty.
        """
        rows = len(lengths)
        if neighbours.free:
            return cls(np.arange(rows), np.zeros((0, 2), dtype=np.int64), np.zeros(0))
        pairs, prices = neighbours.pairs()
        if every_row:
            return cls(np.arange(rows), pairs, prices)
        a, b = pairs[lengths[pairs[:, 0]] == lengths[pairs[:, 1]]].T
        links = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(rows, rows))
        _, labels = connected_components(links, directed=False)
        _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
        rank = np.empty(len(first), dtype=np.int64)  # variables in the order of their first rows
        rank[np.argsort(first)] = np.arange(len(first))
        index = rank[inverse]
        borders = np.sort(index[pairs], axis=1)
        apart = borders[:, 0] != borders[:, 1]
        distinct, where = np.unique(borders[apart], axis=0, return_inverse=True)
        total = np.zeros(len(distinct))
        np.add.at(total, where.ravel(), prices[apart])
        return cls(index, distinct, total)

    def variables(self, lengths: FloatArray) -> FloatArray:
        """`z` of the lengths `[1]` or `[R]`: taken from the first row of each variable."""
        row = np.broadcast_to(lengths, self.index.shape)
        _, first = np.unique(self.index, return_index=True)
        z: FloatArray = np.log(row[first])
        return z

    def lengths(self, z: FloatArray) -> FloatArray:
        """Lengths `[1]` or `[R]`, samples."""
        lengths: FloatArray = np.exp(z)[self.index]
        return lengths

    def total(self, per_row: FloatArray) -> FloatArray:
        """Sum of a quantity `[R]` over the rows of each variable, `[V]`."""
        if len(self.index) == 1:
            return np.array([per_row.sum()])
        return np.bincount(self.index, per_row).astype(np.float64, copy=False)

    def pull_back(self, z: FloatArray, gradient: FloatArray) -> FloatArray:
        """Gradient with respect to `z`, from that with respect to each row's length `[R]`."""
        pulled: FloatArray = np.exp(z) * self.total(gradient)
        return pulled

    def smoothness(self, z: FloatArray) -> tuple[float, FloatArray]:
        """`Σ price · |z_a − z_b|` and its gradient (zero where two neighbours are equal)."""
        if len(self.prices) == 0:
            return 0.0, np.zeros_like(z)
        a, b = self.pairs.T
        steps = z[b] - z[a]
        signs = self.prices * np.sign(steps)
        gradient = np.zeros_like(z)
        np.add.at(gradient, b, signs)
        np.subtract.at(gradient, a, signs)
        return float(self.prices @ np.abs(steps)), gradient
