"""Criterion and gradient with one window length per frequency bin."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.criteria import Gini
from dstft_cli.errors import UsageError
from dstft_cli.fit.evaluator import Evaluator, power_and_slope, power_of
from dstft_cli.stft import FrequencyBank, frequency_bank
from dstft_cli.stft.frames import MOST_FRACTIONS

FloatArray = NDArray[np.float64]
Moments = tuple[Tensor, Tensor | None]


class FrequencyEvaluator(Evaluator):
    """As `Evaluator`, with bins as rows: lengths are `[1, 1]` or `[F, 1]`, moments `[F, J]`.

    One length for all bins goes through the FFT; lengths that differ through one matrix product per
    block of frames (`stft.bank`). The quadrature over frames is part of the moments, so rows
    weigh 1.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        fractions = sum(1 for _ in self.frames.groups())
        if fractions > MOST_FRACTIONS:
            raise UsageError(
                f"the hop length puts frame centres at {fractions} different places between samples, "
                f"above {MOST_FRACTIONS} with window mode frequency: give a whole --hop-length"
            )
        self._frame_weights = torch.from_numpy(self.weights).to(self.dtype).to(self.device)
        self.weights = np.ones(self.transform.bins)
        self.variation = 1 / self.transform.bins

    def arrange(self, row: FloatArray) -> FloatArray:
        """Lengths of the rows `[R]` in the shape of a parameter, `[F, 1]`."""
        return row[:, None]

    def table(self, lengths: FloatArray) -> NDArray[np.floating[Any]]:
        """Moments per bin for each of M fixed window lengths, `[F, M, J]`, in one read."""
        windows = self._windows_of_all(lengths)
        table = np.zeros((self.transform.bins, len(lengths), self._moments))

        def work(block: tuple[int, int]) -> Tensor:
            frames = self.frames.block(*block)
            fractions = self.frames.fractions(*block)
            columns = []
            for m, length in enumerate(lengths):
                w = windows[m] if windows is not None else self._row(fractions, length)
                a = self._cells(frames, w)
                columns.append(self.criterion.bins(a, self._frame_weights[slice(*block)])[0])
            return torch.stack(columns, dim=1)

        for part in self._each("search", work, self._contiguous()):
            table += part.cpu().numpy()
        self.evaluations += len(lengths)
        return table.astype(self._table_dtype)

    def rank(self, lengths: FloatArray) -> NDArray[np.float64]:
        """Fixes the ranks of a ranked criterion at these lengths, and returns the sums `[J]`."""
        histogram = Gini.empty_histogram(self.device)
        lock = threading.Lock()

        def count(a: Tensor, weights: Tensor) -> None:
            with lock:
                Gini.add_to_histogram(histogram, a, weights)

        for _ in self._parts("rank", lengths, slopes=False, take=lambda a, w, da: count(a, w)):
            pass
        self.evaluations += 1
        self.criterion, sums = Gini.from_histogram(histogram)
        return sums.numpy()

    def _rows(
        self, lengths: FloatArray, *, slopes: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        shape = (self.transform.bins, self._moments)
        rows, gradients = np.zeros(shape), np.zeros(shape)

        def take(a: Tensor, weights: Tensor, da: Tensor | None) -> Moments:
            return self.criterion.bins(a, weights, da)

        stage = "descent" if slopes else "evaluate"
        for sums, derivatives in self._parts(stage, lengths, slopes=slopes, take=take):
            rows += sums.cpu().numpy()
            if derivatives is not None:
                gradients += derivatives.cpu().numpy()
        self.evaluations += 1
        return rows, gradients if slopes else None

    def _parts(
        self,
        stage: str,
        lengths: FloatArray,
        *,
        slopes: bool,
        take: Callable[[Tensor, Tensor, Tensor | None], Any],
    ) -> Any:
        """`take(a, weights, ∂a)` of every block of frames, in order."""
        if lengths.size == 1 and not slopes:

            def plain(block: tuple[int, int]) -> Any:
                row = self._row(self.frames.fractions(*block), float(lengths[0, 0]))
                a = self._cells(self.frames.block(*block), row)
                return take(a, self._frame_weights[slice(*block)], None)

            yield from self._each(stage, plain, self._contiguous())
            return
        column = np.broadcast_to(lengths[:, 0], self.transform.bins)
        here = torch.as_tensor(column.copy()).to(self.dtype).to(self.device)
        for fraction, members in self.frames.groups():
            bank = frequency_bank(
                self.transform.n_fft,
                here,
                fraction,
                window_name=self.transform.window,
                normalization=self.transform.normalization,
                slopes=slopes,
            )

            def banked(frames: NDArray[np.int64], bank: FrequencyBank = bank) -> Any:
                weights = self._frame_weights[torch.from_numpy(frames).to(self.device)]
                re, im, *slopes_of = bank.parts(self.frames.pick(frames))
                squared = re * re + im * im
                if not slopes:
                    return take(power_of(self.power, squared), weights, None)
                dre, dim = slopes_of
                a, da = power_and_slope(self.power, squared, re * dre + im * dim)
                return take(a, weights, da)

            size = max(self._block, bank.block)
            blocks = [members[i : i + size] for i in range(0, len(members), size)]
            yield from self._each(stage, banked, blocks)

    def _contiguous(self) -> list[tuple[int, int]]:
        T = len(self.frames)
        return [(start, min(start + self._block, T)) for start in range(0, T, self._block)]
