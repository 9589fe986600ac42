"""A high-pass filter that runs over a recording block by block."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dstft_cli.errors import UsageError

ORDER = 4  # 24 dB per octave
_LOWEST = 1e-6  # of the sample rate, below which the filter's coefficients round to none


class HighPass:
    """Butterworth filter of order 4, 3 dB down at the cut-off, which also removes a constant offset.

    It is causal: nothing sounds before its time. Before the first sample the signal is taken to have
    been constant, so that an offset leaves no step.

    Args:
        cutoff: Hz, as `check_highpass` allows.
        sample_rate: Hz.
    """

    def __init__(self, cutoff: float, sample_rate: float) -> None:
        from scipy.signal import butter  # not needed by most runs, and slow to import

        self._sections = butter(ORDER, cutoff, "highpass", fs=sample_rate, output="sos")
        self._state: NDArray[np.float64] | None = None

    def block(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples, [n, C], filtered."""
        from scipy.signal import sosfilt, sosfilt_zi

        if not len(block):
            return block
        x = block.astype(np.float64)
        if self._state is None:
            self._state = sosfilt_zi(self._sections)[..., None] * x[0]
        y, self._state = sosfilt(self._sections, x, axis=0, zi=self._state)
        filtered: NDArray[np.float32] = y.astype(np.float32)
        return filtered


def check_highpass(cutoff: float | None, sample_rate: float) -> None:
    """UsageError where the cut-off, Hz, does not lie between 0 and half the sample rate, Hz."""
    if cutoff is None:
        return
    low, top = _LOWEST * sample_rate, sample_rate / 2
    if not low <= cutoff < top:
        raise UsageError(
            f"--highpass {cutoff:g} Hz does not lie between {low:.3g} and {top:g} Hz, half the sample "
            f"rate: {'raise' if cutoff < low else 'lower'} --highpass"
        )
