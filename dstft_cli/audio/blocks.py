"""What is done with blocks of decoded samples: checks, a high-pass filter, resampling.

Checks find NaN, infinity, silence, clipping, a constant offset (DC), and channels that cancel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import soxr  # type: ignore[import-untyped]
from numpy.typing import ArrayLike, NDArray

from dstft_cli.errors import InputError, UsageError

FULL_SCALE = 1 - 2.0**-15  # largest value of 16-bit audio
CLIPPED_RUN = 3  # samples in a row at full scale; a sine that just reaches it has fewer
CLIPPED_SHARE = 0.001
SILENT_SHARE = 0.5  # of samples that are exactly zero in all channels
LEFT_BY_MIX = 0.1  # share of the energy that a mix of unrelated channels keeps
FAINT = 1e-30  # below this energy squares are rounding errors
Block = NDArray[np.float32]  # [n, C]
ORDER = 4  # 24 dB per octave
_LOWEST = 1e-6  # of the sample rate; below it the coefficients are rounding errors
_ROUNDING = 1e-6  # of the loudest sample so far; below it all is rounding


class BlockChecks:
    """Checks the samples of the file, before they are mixed and resampled."""

    def __init__(self, name: str, sample_rate: int, start: int, first_channel: int) -> None:
        self._name = name
        self._sample_rate = sample_rate
        self.position = self._start = start
        self._first_channel = first_channel
        self._seen = 0
        self._clipped = 0
        self._silent = 0
        self._sums: NDArray[np.float64] | float = 0.0  # per channel
        self._energy = 0.0
        self._first: NDArray[np.float32] | None = None
        self._mixed_energy: float | None = None
        self._mixed_sum = 0.0
        self.peak = 0.0
        self.flat = True  # every channel is one value (DC)

    def block(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same block [n, C], checked."""
        magnitude = np.abs(block)
        peak = float(magnitude.max(initial=0.0))
        if not np.isfinite(peak):
            row, column = np.argwhere(~np.isfinite(block))[0]
            sample = self.position + int(row)
            raise InputError(
                f"{self._name}: sample {sample} ({sample / self._sample_rate:.3f} s) of channel"
                f" {self._first_channel + int(column)} is {block[row, column]}, or too large for float32: "
                "repair or scale it"
            )
        if peak >= FULL_SCALE:
            from scipy.ndimage import binary_opening  # slow to import, and most do not clip

            in_runs = binary_opening(magnitude >= FULL_SCALE, np.ones((CLIPPED_RUN, 1), bool))
            self._clipped += int(np.count_nonzero(in_runs))
        self.peak = max(self.peak, peak)
        if self.flat and len(block):
            self._first = block[0].copy() if self._first is None else self._first
            self.flat = bool((block == self._first).all())
        self._silent += len(block) - int(np.count_nonzero(block.any(axis=1)))
        self._sums = self._sums + block.sum(axis=0, dtype=np.float64)
        self._energy += _energy(block)
        self._seen += block.size
        self.position += len(block)
        return block

    def mix(self, block: NDArray[np.float32]) -> NDArray[np.float32]:
        """The mean of all channels, [n, 1]; summed in float64, so that it cannot overflow."""
        mixed = np.asarray(block.mean(axis=1, keepdims=True, dtype=np.float64), np.float32)
        self._mixed_energy = (self._mixed_energy or 0.0) + _energy(mixed)
        self._mixed_sum += float(mixed.sum(dtype=np.float64))
        return mixed

    def warnings(self) -> tuple[str, ...]:
        found, share = [], self._clipped / max(self._seen, 1)
        if share > CLIPPED_SHARE and self.peak <= 1:  # values beyond 1 were not clipped at 1
            found.append(
                f"{percent(share)} of samples are at full scale (clipping), and their edges favour short "
                "windows: record at a lower level, or choose a part with `offset` and `duration`"
            )
        share = self._silent / max(self.position - self._start, 1)
        if share > SILENT_SHARE and self.peak > 0:  # of silence there is a note
            found.append(
                f"{percent(share)} of samples are exactly zero (digital silence) and teach nothing: "
                "choose a part that sounds with `offset` and `duration`"
            )
        if self.cancels:
            share = 100 * self._left / np.size(self._sums)
            found.append(
                "the channels are of opposite phase and cancel in the mix, which keeps "
                f"{share:.2g} % of their energy: use `channel` all, or `channel` 0"
            )
        return tuple(found)

    @property
    def cancels(self) -> bool:
        """Whether little is left of the channels in their mix."""
        return self._left < LEFT_BY_MIX

    @property
    def _left(self) -> float:
        """Energy of the mix of channels, in that of a mix of unrelated ones; 1 without a mix."""
        if self._mixed_energy is None or not FAINT < self._energy < np.inf:
            return 1.0
        return self._mixed_energy / self._energy * float(np.size(self._sums) ** 2)

    def dc_share(self) -> float:
        """Share of the energy that is a constant offset, in [0, 1]: of the mix where there is one."""
        energy = self._energy if self._mixed_energy is None else self._mixed_energy
        sums = self._sums if self._mixed_energy is None else self._mixed_sum
        if not FAINT < energy < np.inf:
            return 0.0
        per_channel = self._seen / np.size(self._sums)
        return min(float(np.square(sums).sum()) / (per_channel * energy), 1.0)


def percent(share: float) -> str:
    """A share in percent, to three digits; 100 % only for all."""
    text = f"{100 * share:.3g} %"
    return "more than 99.9 %" if text == "100 %" and share < 1 else text


def _energy(block: NDArray[np.float32]) -> float:
    """Sum of squares; infinite where float32 overflows."""
    return float(np.vdot(block, block))


class HighPass:
    """Butterworth filter of order 4, 3 dB down at the cut-off, which also removes a constant offset.

    Causal; the signal is taken as constant before its first sample, so that an offset makes no step.
    """

    def __init__(self, cutoff: float, sample_rate: float) -> None:
        from scipy.signal import butter  # slow to import, and most runs do not need it

        self._sections = butter(ORDER, cutoff, "highpass", fs=sample_rate, output="sos")
        self._state: NDArray[np.float64] | None = None
        self._peak = self._peak_before = 0.0

    @property
    def left_nothing(self) -> bool:
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
        return np.asarray(y, np.float32)


def check_highpass(cutoff: float | None, sample_rate: float, name: str) -> None:
    """Raises UsageError if this cut-off, Hz, is not possible at this sample rate, Hz."""
    if cutoff is None:
        return
    low, top = _LOWEST * sample_rate, sample_rate / 2
    if not low <= cutoff < top:
        raise UsageError(
            f"{name}: `highpass` {cutoff:g} Hz is not from {low:.3g} Hz to below {top:g} Hz, half the "
            "sample rate: change it"
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
