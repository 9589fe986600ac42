"""The band of frequencies of a criterion."""

from __future__ import annotations

import math
from dataclasses import dataclass

from dstft_cli.errors import UsageError

_LEAST_BINS = 4  # in a band, where the FFT size is free


@dataclass(frozen=True)
class Band:
    """Frequencies from `low` to `high`, Hz, both ends included; by default all."""

    low: float = 0.0
    high: float = math.inf

    def bins(self, n_fft: int, sample_rate: float) -> slice:
        """The bins within the band; UsageError if there are none."""
        spacing = sample_rate / n_fft
        first = math.ceil(self.low / spacing - 1e-9)
        last = math.floor(min(self.high / spacing, n_fft // 2) + 1e-9)
        if first > last:
            raise UsageError(
                f"the criterion's band, {self}, holds none of the bins of n_fft {n_fft}, "
                f"{spacing:g} Hz apart: "
                "raise `n_fft`, or change `criterion_fmin` or `criterion_fmax`"
            )
        return slice(first, last + 1)

    def covered(self, n_fft: int, sample_rate: float, *, half_ends: bool = False) -> float:
        """Ratio of the band covered by its whole bins, above or below 1.

        Without a band it is 1.
        """
        if self == Band():
            return 1.0
        bins = self.bins(n_fft, sample_rate)
        count: int = bins.stop - bins.start
        width = min(self.high, sample_rate / 2) - self.low
        return (count - (half_ends and count > 1)) * sample_rate / n_fft / width

    def least_n_fft(self, sample_rate: float) -> float:
        """The smallest FFT size with a few bins in the band, samples.

        Half of it is the shortest useful window: a shorter one shows no more within the band.
        """
        width = min(self.high, sample_rate / 2) - self.low
        return _LEAST_BINS * sample_rate / width

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g} Hz"


def band_within(low: float | None, high: float | None, sample_rate: float) -> Band:
    """The band of the criterion in a recording.

    Raises:
        UsageError: an end lies outside of 0 to half the sample rate, or the first is not below the
            second.
    """
    if not low and high is None:
        return Band()
    top = sample_rate / 2
    for option, value in (("criterion_fmin", low), ("criterion_fmax", high)):
        if value is not None and not 0 <= value <= top * (1 + 1e-9):
            raise UsageError(
                f"`{option}` {value:g} Hz lies outside 0 to {top:g} Hz, half the sample rate: change it"
            )
    band = Band(low or 0.0, top if high is None else high)
    if band.low >= band.high:
        raise UsageError(
            f"`criterion_fmin` {band.low:g} Hz is not below {band.high:g} Hz: "
            "lower `criterion_fmin` or raise `criterion_fmax`"
        )
    return band
