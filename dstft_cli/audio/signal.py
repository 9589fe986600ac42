"""The record that a decoded recording is."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from dstft_cli.audio.spool import SpooledSamples


class Samples(Protocol):
    """What every stage may ask of samples: a shape [C, N], and float32 pieces `samples[:, a:b]`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels C and samples N."""

    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[np.float32]:
        """Samples a..b-1 of every channel, [C, b-a]; for reading only, it may be a view."""


@dataclass(frozen=True)
class Signal:
    """A recording, decoded; as a context manager it frees its temporary file on leaving.

    Attributes:
        samples: [C, N], float32, within [-1, 1] where the file holds integers: an array, or a
            `SpooledSamples` where it would be above the memory limit.
        sample_rate: Hz, of `samples`.
        path: as it was given; `-` for standard input.
        sha256: of the bytes of the file or stream, 64 hexadecimal digits.
        channels: in the file (C is 1 for the mix or one channel).
        peak: largest absolute value of `samples`, above 0.
        warnings: one line each.
        dc_share: of the energy, before resampling, that is a constant offset, in [0, 1]; 0 where a
            high-pass filter has removed it.
    """

    samples: Samples
    sample_rate: int
    path: str
    sha256: str
    channels: int
    peak: float
    warnings: tuple[str, ...] = ()
    dc_share: float = 0.0

    @property
    def length(self) -> int:
        """Samples per channel N."""
        return self.samples.shape[1]

    @property
    def seconds(self) -> float:
        """Duration, N / sample_rate."""
        return self.length / self.sample_rate

    def close(self) -> None:
        """Free the temporary file; samples kept in memory stay readable."""
        if isinstance(self.samples, SpooledSamples):
            self.samples.close()

    def __enter__(self) -> Signal:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
