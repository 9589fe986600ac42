"""Reads a recording as a `Signal`, block by block: memory does not depend on its length."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from dstft_cli.audio.blocks import BlockChecks, HighPass, check_highpass, resampled
from dstft_cli.audio.decode import Reader, open_reader
from dstft_cli.audio.source import glance, open_source
from dstft_cli.audio.spool import SampleStore, SpooledSamples
from dstft_cli.errors import InputError, UsageError, counted
from dstft_cli.records import Progress, tell

Block = NDArray[np.float32]
MAX_RATE_RATIO = 256  # beyond it soxr's filters are longer than a typical recording
MOST_FRAMES = 2.0**62  # samples; limit of a duration
ONLY_DC = "every sample is the same, silence apart from its offset (DC)"


class Samples(Protocol):
    """Samples for any stage: a shape [C, N], and float32 pieces `samples[:, a:b]`."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Channels C and samples N."""

    def __getitem__(self, key: tuple[slice, slice], /) -> NDArray[np.float32]:
        """Samples a..b-1 of every channel, [C, b-a]; for reading only, it may be a view."""


@dataclass(frozen=True)
class Signal:
    """A decoded recording; as a context manager it frees its temporary file at the end."""

    samples: Samples  # [C, N], float32: an array, or a `SpooledSamples` above the memory limit
    sample_rate: int  # Hz, of `samples`
    path: str  # as it was given; `-` for standard input
    sha256: str  # of the bytes of the file or stream, 64 hexadecimal digits
    channels: int  # in the file (C is 1 for the mix or one channel)
    peak: float  # largest absolute value of `samples`, above 0 unless silence was allowed
    warnings: tuple[str, ...] = ()  # one line each
    dc_share: float = 0.0  # energy of a constant offset before resampling, in [0, 1]; filtered: 0
    offset: float = 0.0  # where the samples begin in the recording, s
    cancels: bool = False  # whether channels of opposite phase leave little in the mix
    flat: bool = False  # whether every channel of the recording is one value (DC)

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

    def __exit__(self, *error: object) -> None:
        self.close()


class Header(NamedTuple):
    """What the header of a recording shows."""

    sample_rate: int  # that `load` will give, Hz
    channels: int  # of the file
    seconds: float | None  # of the whole file; None where it is not known


def load(
    source: str | Path,
    *,
    channel: Literal["mix", "all"] | int = "mix",
    sample_rate: int | None = None,
    offset: float = 0.0,
    duration: float | None = None,
    highpass: float | None = None,
    memory_limit: int = 64 * 2**20,
    allow_silence: bool = False,
    stdin: BinaryIO | None = None,
    progress: Progress | None = None,
) -> Signal:
    """Decode a recording to float32 samples [C, N]; integers become [-1, 1) as in libsndfile.

    A truncated or damaged file is read as far as possible, with a warning; clipping brings a warning
    too. Of a stream only the part that `duration` needs is read. Close the signal, or use it in a `with`
    statement.

    Args:
        source: a file that libsndfile reads, or `-` for standard input.
        channel: `mix`, the mean of all channels; `all` of them; or the index of one, from 0.
        sample_rate: Hz; resample to it (soxr, very high quality). None keeps the file's.
        offset: start, in seconds of the file, at least 0.
        duration: at most so much, in seconds of the file, above 0. None reads to the end.
        highpass: cut-off of a high-pass filter (`HighPass`) before resampling, Hz; None: no filter.
        memory_limit: bytes; above it samples are kept in a temporary file.
        allow_silence: accept a recording of zeros, with a peak of 0.
        stdin: binary stream that `-` reads; None for the process's.
        progress: called as `progress("load", done, total)` with samples of the file; total 0: unknown.

    Raises:
        InputError: the recording cannot be read, ends before `offset`, holds no samples, NaN or
            infinity, or only zeros.
        UsageError: the file has no such channel, or the rate or the cut-off is not possible.
        OutputError: there is no room for temporary files.
    """
    seconds = None if duration is None else offset + duration
    with open_source(source, stdin, seconds) as opened, open_reader(opened) as reader:
        picked, rate = _picked(reader, channel, sample_rate, highpass)
        start = reader.skip_to(offset)
        limit = None
        if duration is not None:
            limit = max(1, round(min(duration * reader.sample_rate, MOST_FRAMES)))
        known = max(round((reader.seconds or 0.0) * reader.sample_rate) - start, 0)
        total = min(known, limit or known)
        checks = BlockChecks(reader.name, reader.sample_rate, start, picked.start)
        mix = channel == "mix" and reader.channels > 1
        store = SampleStore(1 if mix else picked.stop - picked.start, memory_limit)
        try:
            blocks: Iterator[Block] = (
                checks.block(block[:, picked]) for block in reader.blocks(limit)
            )
            if mix:
                blocks = map(checks.mix, blocks)
            high_pass = None
            if highpass is not None:
                high_pass = HighPass(highpass, reader.sample_rate)
                blocks = map(high_pass.block, blocks)
            peak = 0.0
            for block in resampled(blocks, reader.sample_rate, rate):
                peak = max(peak, float(np.abs(block).max(initial=0.0)))
                store.append(block)
                tell(progress, "load", checks.position - start, total)
            flat = checks.flat and (checks.peak == 0 or store.length > 1)
            wrong = ""
            if high_pass is not None and high_pass.left_nothing and not flat:
                wrong = f"above {highpass:g} Hz only rounding errors are left: lower `highpass`"
            elif store.length == 0:
                wrong = f"less than one sample is left at {rate} Hz: raise `sr`"
            elif not math.isfinite(peak):
                wrong = "its samples overflow float32: scale the recording down"
            elif flat and not allow_silence:
                what = ONLY_DC if checks.peak else "every sample is zero"
                wrong = f"{what}: silence has no best window, choose another part"
            elif peak == 0 and not flat:
                wrong = "the channels cancel each other: choose one with `channel`"
            if wrong:
                raise InputError(f"{reader.name}: {wrong}")
            return Signal(
                samples=store.finish(),
                sample_rate=rate,
                path=str(source),
                sha256=opened.sha256,
                channels=reader.channels,
                peak=peak,
                warnings=(*reader.warnings, *checks.warnings()),
                dc_share=checks.dc_share() if highpass is None else 0.0,
                cancels=checks.cancels,
                offset=start / reader.sample_rate,
                flat=flat,
            )
        except BaseException:
            store.close()
            raise


def probe(
    source: str | Path,
    *,
    channel: Literal["mix", "all"] | int = "mix",
    sample_rate: int | None = None,
    highpass: float | None = None,
) -> Header | None:
    """Raises the errors of `load` that the header shows; does not read from pipes, whose header is None."""
    with glance(source) as seen:
        if seen is None:
            return None
        with open_reader(seen) as reader:
            rate = _picked(reader, channel, sample_rate, highpass)[1]
            return Header(rate, reader.channels, reader.seconds)


def _picked(
    reader: Reader, channel: str | int, sample_rate: int | None, highpass: float | None
) -> tuple[slice, int]:
    """Which channels of the file are decoded, those of `mix` to be averaged, and the rate, Hz."""
    rate = sample_rate or reader.sample_rate
    if isinstance(channel, str):
        picked = slice(0, reader.channels)
    elif channel < reader.channels:
        picked = slice(channel, channel + 1)
    else:
        known = f"0..{reader.channels - 1}" if reader.channels > 1 else "0"
        raise UsageError(
            f"{reader.name}: channel {channel} of a file with {counted(reader.channels, 'channel')}: "
            f"use {known}, mix or all"
        )
    low, high = reader.sample_rate / MAX_RATE_RATIO, reader.sample_rate * MAX_RATE_RATIO
    if not low <= rate <= high:
        raise UsageError(
            f"{reader.name}: sample rate {rate} Hz is more than {MAX_RATE_RATIO} times away from"
            f" the file's {reader.sample_rate} Hz: use `sr` between {low:.0f} and {high:.0f}"
        )
    check_highpass(highpass, min(rate, reader.sample_rate), reader.name)
    return picked, rate
