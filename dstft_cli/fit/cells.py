"""Criterion and gradient with one window length per patch of the time-frequency plane."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from dstft_cli.criteria import sum_dtype
from dstft_cli.fit.evaluator import Evaluator
from dstft_cli.fit.patches import Patches
from dstft_cli.fit.power import spectrum_power, spectrum_power_and_slopes
from dstft_cli.fit.variables import Neighbours
from dstft_cli.stft import cell_spectra

FloatArray = NDArray[np.float64]


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

    def neighbours(self, smoothness: float) -> Neighbours:
        """The price of change, as in `time` and `frequency`, averaged over the other axis."""
        high, wide = self.patches.shape
        by_frequency = smoothness / self.transform.bins / wide
        if wide == 1:
            return Neighbours((high,), (by_frequency,))
        by_time = smoothness * self.transform.n_fft / self.duration / high
        return Neighbours((high, wide), (by_frequency, by_time))

    def shortest(self, row: FloatArray) -> NDArray[np.int64]:
        """Which of the rows of lengths `[R]` holds the shortest of each frame, `[T]`."""
        band = row.reshape(self.patches.shape).argmin(0)
        step = np.arange(self.patches.shape[1])
        rows: NDArray[np.int64] = band * self.patches.shape[1] + step
        return rows.repeat(self.patches.frames)[: len(self.frames)]

    def raised(self, row: FloatArray, least: FloatArray) -> FloatArray:
        """Lengths `[R]`, none shorter than the least of any frame of its patch `[T]`, samples."""
        starts = np.arange(0, len(self.frames), self.patches.frames)
        grid = np.maximum(row.reshape(self.patches.shape), np.maximum.reduceat(least, starts))
        return grid.ravel()

    def table(self, lengths: FloatArray) -> NDArray[np.floating[Any]]:
        """Moments per patch for each of M fixed window lengths, `[R, M, J]`, in one read."""
        windows = self._windows_of_all(lengths)
        shape = (*self.patches.shape, len(lengths), self._moments)
        table = np.zeros(shape, dtype=self._table_dtype)

        def work(start: int, stop: int) -> tuple[int, FloatArray]:
            frames = self.frames.block(start, stop)
            fractions = self.frames.fractions(start, stop)
            pool = self._pool(start, stop)
            parts = []
            for m, length in enumerate(lengths):
                w = windows[m] if windows is not None else self._row(fractions, length)
                parts.append(self.criterion.pooled(self._cells(frames, w), pool)[0])
            return start, torch.stack(parts, dim=2).cpu().numpy()

        for start, part in self._drain("search", work):
            first = start // self.patches.frames
            table[:, first : first + part.shape[1]] += part
        self.evaluations += len(lengths)
        return table.reshape(-1, len(lengths), self._moments)

    def _rows(
        self, lengths: FloatArray, *, slopes: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        shape = (len(self.weights), self._moments)
        rows, gradients = np.zeros(shape), np.zeros(shape)

        def work(start: int, stop: int) -> tuple[int, FloatArray, FloatArray | None]:
            pool = self._pool(start, stop)
            if not slopes:
                moments, _ = self.criterion.pooled(self._plain(start, stop, lengths), pool)
                return start, moments.cpu().numpy(), None
            a, da, _ = self._with_derivatives(start, stop, lengths)
            moments, derivatives = self.criterion.pooled(a, pool, da)
            assert derivatives is not None
            return start, moments.cpu().numpy(), derivatives.cpu().numpy()

        for start, part, derivatives in self._drain("descent" if slopes else "evaluate", work):
            self._add_rows(rows, start, part)
            if derivatives is not None:
                self._add_rows(gradients, start, derivatives)
        self.evaluations += 1
        return rows, gradients if slopes else None

    def _length_slopes(self, start: int, stop: int, a: Tensor, da: Tensor) -> FloatArray:
        _, derivatives = self.criterion.pooled(a, self._pool(start, stop), da)
        assert derivatives is not None
        found: FloatArray = derivatives.cpu().numpy()
        return found

    def _add_rows(self, total: FloatArray, start: int, part: FloatArray) -> None:
        grid = total.reshape(*self.patches.shape, -1)
        first = start // self.patches.frames
        grid[:, first : first + part.shape[1]] += part

    def _plain(self, start: int, stop: int, lengths: FloatArray) -> Tensor:
        frames, fractions = self.frames.block(start, stop), self.frames.fractions(start, stop)
        if lengths.size == 1:
            return self._cells(frames, self._row(fractions, float(lengths[0, 0])))
        part = self._of_cells(start, stop, lengths)
        (X,) = cell_spectra(self.transform, frames, fractions, part)
        return spectrum_power(self.power, X[..., self.bins])

    def _with_derivatives(
        self, start: int, stop: int, lengths: FloatArray
    ) -> tuple[Tensor, Tensor, Tensor]:
        if lengths.size == 1:
            return super()._with_derivatives(start, stop, lengths)
        frames, fractions = self.frames.block(start, stop), self.frames.fractions(start, stop)
        part = self._of_cells(start, stop, lengths)
        found = cell_spectra(self.transform, frames, fractions, part, derivatives=True)
        seen = (X[..., self.bins] for X in found)
        a, by_length, by_center = spectrum_power_and_slopes(self.power, *seen)
        return a, by_length, by_center

    def _of_cells(self, start: int, stop: int, lengths: FloatArray) -> FloatArray:
        """Lengths of a block, `[F, n]`."""
        part = lengths if lengths.shape[1] == 1 else lengths[:, start:stop]
        return np.broadcast_to(part, (self.transform.bins, stop - start))

    def _pool(self, start: int, stop: int) -> Callable[[Tensor], Tensor]:
        """Weighted sums over the patches of a block, `[C, n, B]` to `[R_f, n / frames]`."""
        bins, frames = self.patches.bins, min(self.patches.frames, stop - start)
        below, above = self._unseen
        above += self.patches.shape[0] * bins - self.transform.bins
        weights = self._frame_weights[start:stop, None]
        count = -(-(stop - start) // frames)
        lacking = count * frames - (stop - start)

        def pool(cells: Tensor) -> Tensor:
            weighted = cells * weights
            if lacking:
                weighted = pad(weighted, (0, 0, 0, lacking))
            parts = weighted.reshape(len(cells), count, frames, -1)
            of_bins = parts.sum((0, 2), dtype=sum_dtype(cells))
            return pad(of_bins, (below, above)).reshape(count, -1, bins).sum(2).T

        return pool
