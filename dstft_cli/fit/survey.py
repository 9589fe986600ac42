"""Sums of several criteria for several window lengths, each transform computed once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from dstft_cli.criteria import Criterion, Gini, rows_together
from dstft_cli.criteria.gini import COARSE
from dstft_cli.fit.evaluator import Evaluator

Array = NDArray[np.float64]


class Survey(Evaluator):
    """An evaluator of frames that all weigh 1, as those of stretches of a signal do.

    Args: as for `Evaluator`; `criterion` is the one that a descent asks for, and says whether the
        signal is scaled.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.frame_weights = self.weights = np.ones(len(self.frames))
        self.cells = float(self.cells_per_frame * len(self.frames))

    def sums_of(self, criteria: Sequence[Criterion], lengths: Array) -> list[Array]:
        """Sums `[M, J]` of each criterion for each of M fixed lengths, samples, in one pass."""
        plain = [criterion for criterion in criteria if not criterion.ranked]
        totals = [np.zeros((len(lengths), criterion.sums_per_frame)) for criterion in plain]
        ranking = len(plain) < len(criteria)
        histograms = [Gini.empty_histogram(self.device, COARSE) for _ in lengths] if ranking else []
        windows = self._windows_of_all(lengths)
        locks = [threading.Lock() for _ in lengths]

        def work(start: int, stop: int) -> list[list[Array]]:
            block = self.frames.block(start, stop)
            fractions = self.frames.fractions(start, stop)
            weights = torch.ones(stop - start, dtype=self.dtype, device=self.device)
            found = []
            for m, length in enumerate(lengths):
                w = windows[m] if windows is not None else self._row(fractions, length)
                a = self._cells(block, w)
                rows = rows_together(plain, a) if plain else []
                found.append([row.sum(0).cpu().double().numpy() for row in rows])
                if ranking:
                    with locks[m]:
                        Gini.add_to_histogram(histograms[m], a, weights)
            return found

        for found in self._drain("sweep", work):
            for m, rows in enumerate(found):
                for total, row in zip(totals, rows, strict=True):
                    total[m] += row
        self.evaluations += len(lengths)
        ranked = np.array([Gini.from_histogram(h)[1].numpy() for h in histograms])
        of_plain = iter(totals)
        return [ranked if criterion.ranked else next(of_plain) for criterion in criteria]
