"""High-pass filter and resampling, block by block."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import ArrayLike, NDArray

from dstft_cli.errors import UsageError

Block = NDArray[np.float32]  # [n, C]

ORDER = 4  # 24 dB per octave
# of the sample rate; below it the coefficients are rounding errors
_LOWEST = 1e-6
# of the loudest sample so far; below it all is rounding
_ROUNDING = 1e-6


class HighPass:
    """Butterworth filter of order 4, 3 dB down at the cut-off, which also removes a constant offset.

    It is causal. The signal is taken as constant before its first sample, so that an offset makes no
    step. Digital silence is silent again after the decay of the filter.
    """

    def __init__(self, cutoff: float, sample_rate: float) -> None:
        from scipy.signal import butter  # slow to import, and most runs do not need it

        self._sections = butter(ORDER, cutoff, "highpass", fs=sample_rate, output="sos")
        self._state: NDArray[np.float64] | None = None
        self._peak = self._peak_before = 0.0

    @property
    def left_nothing(self) -> bool:
        """Whether no sample so far is above rounding."""
        return self._peak < _ROUNDING * self._peak_before

    def block(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples, [n, C], filtered."""
        from scipy.signal import sosfilt, sosfilt_zi

        if not len(block):
            return block
        x = block.astype(np.float64)
        if self._state is None:
            self._state = sosfilt_zi(self._sections)[..., None] * x[0]
        y, self._state = sosfilt(self._sections, x, axis=0, zi=self._state)
        levels = np.abs(y).max(axis=1)
        levels[0] = max(levels[0], self._peak)
        loudest = np.maximum.accumulate(levels)
        y[(x == 0) & (np.abs(y) < _ROUNDING * loudest[:, None])] = 0
        self._peak = float(loudest[-1])
        self._peak_before = max(self._peak_before, float(np.abs(x).max()))
        filtered: NDArray[np.float32] = y.astype(np.float32)
        return filtered


def check_highpass(cutoff: float | None, sample_rate: float, name: str) -> None:
    """Raises UsageError if this cut-off, Hz, is not possible at this sample rate, Hz."""
    if cutoff is None:
        return
    low, top = _LOWEST * sample_rate, sample_rate / 2
    if cutoff >= top:
        raise UsageError(
            f"{name}: `highpass` {cutoff:g} Hz is not below {top:g} Hz, half the sample rate: lower it"
        )
    if cutoff < low:
        raise UsageError(
            f"{name}: `highpass` {cutoff:g} Hz is below {low:.3g} Hz, a millionth of the sample rate: "
            "raise it"
        )


def filtered(samples: ArrayLike, cutoff: float, sample_rate: float) -> NDArray[np.float32]:
    """A signal `[N]` or `[C, N]` through `HighPass`; cut-off and sample rate in Hz.

    Raises:
        UsageError: the cut-off is not possible at this sample rate.
    """
    check_highpass(cutoff, sample_rate, "samples")
    signal = np.asarray(samples, np.float32)
    block = np.atleast_2d(signal).T
    return HighPass(cutoff, sample_rate).block(block).T.reshape(signal.shape)


def resampled(blocks: Iterator[Block], from_rate: int, to_rate: int) -> Iterator[Block]:
    """The blocks [n, C] at the new rate."""
    if from_rate == to_rate:
        yield from blocks
        return
    stream: soxr.ResampleStream | None = None
    for block in blocks:
        if stream is None:
            stream = soxr.ResampleStream(
                from_rate, to_rate, block.shape[1], dtype="float32", quality="VHQ"
            )
        yield stream.resample_chunk(np.ascontiguousarray(block))
        last = block[:0].copy()
    if stream is not None:
        yield stream.resample_chunk(last, last=True)
