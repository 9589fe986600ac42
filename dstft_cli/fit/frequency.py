"""Criterion and gradient with one window length per frequency bin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from dstft_cli.criteria import bin_sum
from dstft_cli.fit.cells import CellEvaluator
from dstft_cli.fit.patches import Patches
from dstft_cli.fit.power import power_and_slopes, power_of
from dstft_cli.stft import FrequencyBank, Samples, Transform, frequency_bank

FloatArray = NDArray[np.float64]
Moments = tuple[Tensor, Tensor | None]


class FrequencyEvaluator(CellEvaluator):
    """As `CellEvaluator`, with bands of bins as rows: lengths are `[1, 1]` or `[F, 1]`, moments `[R, J]`.

    Where frames lie at few places between samples, lengths that differ go through one matrix
    product per block of frames (`stft.bank`).
    """

    def __init__(
        self,
        samples: Samples,
        centers: FloatArray,
        transform: Transform,
        *args: Any,
        band: int = 1,
        **options: Any,
    ) -> None:
        bands = Patches((transform.bins, len(centers)), band, len(centers))
        super().__init__(samples, centers, transform, *args, patches=bands, **options)

    def shown(self, row: FloatArray) -> FloatArray:
        """Lengths per bin, `[F, 1]`; of all `[1]`, `[1, 1]`."""
        return self.arrange(row)

    def _rows(
        self, lengths: FloatArray, *, slopes: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
        if (lengths.size == 1 and not slopes) or not self.frames.few_fractions:
            return super()._rows(lengths, slopes=slopes)
        shape = (self.transform.bins, self._moments)
        rows, gradients = np.zeros(shape), np.zeros(shape)
        for sums, derivatives in self._banked(lengths, slopes):
            rows += sums.cpu().numpy()
            if derivatives is not None:
                gradients += derivatives.cpu().numpy()
        self.evaluations += 1
        starts = np.arange(0, self.transform.bins, self.patches.bins)
        rows, gradients = (np.add.reduceat(of_bins, starts) for of_bins in (rows, gradients))
        return rows, gradients if slopes else None

    def _banked(self, lengths: FloatArray, slopes: bool) -> Iterator[Moments]:
        """Moments of every block of frames, and their derivatives, each `[F, J]`."""
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

            def moments(frames: NDArray[np.int64], bank: FrequencyBank = bank) -> Moments:
                weights = self._frame_weights[torch.from_numpy(frames).to(self.device)]

                def pool(cells: Tensor) -> Tensor:
                    return pad(bin_sum(cells, weights), self._unseen)

                parts = bank.parts(self.frames.pick(frames))
                re, im, *slopes_of = (part[..., self.bins] for part in parts)
                squared = re * re + im * im
                if not slopes:
                    return self.criterion.pooled(power_of(self.power, squared), pool)
                dre, dim = slopes_of
                a, da = power_and_slopes(self.power, squared, re * dre + im * dim)
                return self.criterion.pooled(a, pool, da)

            size = max(self._block, bank.block)
            blocks = [members[i : i + size] for i in range(0, len(members), size)]
            yield from self._each("descent" if slopes else "evaluate", moments, blocks)
