"""What is looked for in every decoded block: NaN and infinity, silence, clipping."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import InputError

FULL_SCALE = 1 - 2.0**-15  # the largest value that 16-bit audio reaches
CLIPPED_RUN = 3  # samples in a row at full scale; a sine that just reaches it has fewer
CLIPPED_SHARE = 0.001


class BlockChecks:
    """Looks at the samples as the file holds them, before they are mixed and resampled.

    Args:
        name: of the recording, for messages.
        sample_rate: of the file, Hz.
        start: position in the file of the first sample seen.
        first_channel: index in the file of a block's first column.
    """

    def __init__(self, name: str, sample_rate: int, start: int, first_channel: int) -> None:
        self._name = name
        self._sample_rate = sample_rate
        self._position = start
        self._first_channel = first_channel
        self._seen = 0
        self._clipped = 0
        self.peak = 0.0

    def block(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same block [n, C], checked.

        Raises:
            InputError: a sample is NaN or infinite.
        """
        magnitude = np.abs(block)
        peak = float(magnitude.max(initial=0.0))
        if not np.isfinite(peak):
            row, column = np.argwhere(~np.isfinite(block))[0]
            sample = self._position + int(row)
            raise InputError(
                f"{self._name}: sample {sample} ({sample / self._sample_rate:.3f} s) of channel"
                f" {self._first_channel + int(column)} is {block[row, column]}: repair the file"
            )
        if peak >= FULL_SCALE:
            self._clipped += _count_in_runs(magnitude >= FULL_SCALE)
        self.peak = max(self.peak, peak)
        self._seen += block.size
        self._position += len(block)
        return block

    def warnings(self) -> tuple[str, ...]:
        """One line if the recording clips; a file that goes beyond 1 did not clip at 1."""
        share = self._clipped / max(self._seen, 1)
        if share <= CLIPPED_SHARE or self.peak > 1:
            return ()
        return (f"{100 * share:.1f} % of samples are at full scale (clipping)",)


def _count_in_runs(full: NDArray[np.bool_]) -> int:
    """How many of the marked samples [n, C] lie in runs of at least CLIPPED_RUN down a column."""
    n = len(full) - CLIPPED_RUN + 1
    if n < 1:
        return 0
    starts = np.logical_and.reduce([full[k : k + n] for k in range(CLIPPED_RUN)])
    in_run = np.zeros_like(full)
    for k in range(CLIPPED_RUN):
        in_run[k : k + n] |= starts
    return int(np.count_nonzero(in_run))
