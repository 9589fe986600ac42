"""Writes samples as a sound file, block by block."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import soundfile  # type: ignore[import-untyped]
import soxr  # type: ignore[import-untyped]
from numpy.typing import NDArray

from dstft_cli.audio.read import Samples
from dstft_cli.audio.spool import SpoolFile, no_room
from dstft_cli.errors import InputError, UsageError
from dstft_cli.settings import SUBTYPES

_DEFAULT_SUBTYPES = {"WAV": "FLOAT", "FLAC": "PCM_24"}
_BYTES = {"FLOAT": 4, "PCM_16": 2, "PCM_24": 3}
_LARGEST_WAV = 2**32 - 2**16  # bytes of samples; the header counts in 32 bits
_OPUS_RATES = (8000, 12000, 16000, 24000, 48000)  # Hz
_BLOCK = 1 << 16  # samples
Blocks = Iterable[NDArray[np.floating[Any]]]  # `[C, m]` each


def opus(samples: Samples, sample_rate: int, peak: float) -> bytes | None:
    """The first two channels of a signal [C, N] as an Ogg file of Opus, scaled to a peak of 0.9.

    None if the installed libsndfile has no Opus.
    """
    channels = min(samples.shape[0], 2)
    rate = next((rate for rate in _OPUS_RATES if rate >= sample_rate), _OPUS_RATES[-1])
    if not soundfile.check_format("OGG", "OPUS"):
        return None
    stream = soxr.ResampleStream(sample_rate, rate, channels, dtype="float32")

    def blocks() -> Iterator[NDArray[np.float32]]:
        for start in range(0, samples.shape[1], _BLOCK):
            part = np.asarray(samples[:channels, start : start + _BLOCK], np.float64)
            block = (part * (0.9 / peak)).astype(np.float32).T
            last = start + _BLOCK >= samples.shape[1]
            yield stream.resample_chunk(np.ascontiguousarray(block), last=last).T

    with _spooled(blocks(), rate, channels, "OGG", "OPUS") as written:
        return written.read()


def audio_format(path: Path | None, subtype: str | None) -> tuple[str, str]:
    """Container (None, a stream: WAV) and sample format; UsageError if there is none such."""
    ending = ".wav" if path is None else path.suffix.lower()
    if ending not in (".wav", ".flac"):
        raise UsageError(f"{path}: is not a .wav or .flac file: change its ending")
    container = ending[1:].upper()
    subtype = subtype or _DEFAULT_SUBTYPES[container]
    if subtype not in SUBTYPES:
        raise UsageError(f"subtype {subtype!r} is unknown: use {', '.join(SUBTYPES)}")
    if not soundfile.check_format(container, subtype):
        raise UsageError(f"{path}: {container} has no subtype {subtype}: use PCM_24 or a .wav")
    return container, subtype


def write_audio(
    file: BinaryIO,
    blocks: Blocks,
    *,
    samples: int,
    sample_rate: float,
    channels: int,
    container: str = "WAV",
    subtype: str = "FLOAT",
) -> None:
    """Writes blocks `[C, m]` as a sound file; PCM clips values beyond [-1, 1].

    Above 4 GB a WAV becomes RF64. A file that cannot seek, such as a pipe, is filled from a
    temporary file once all blocks are there. The file stays open. UsageError or InputError if FLAC or
    no sound file holds this sample rate, Hz, or so many channels.
    """
    if container == "WAV" and samples * channels * _BYTES[subtype] > _LARGEST_WAV:
        container = "RF64"
    if sample_rate != int(sample_rate):
        raise InputError(f"sample rate {sample_rate:g} Hz: sound files hold whole numbers only")
    rate = int(sample_rate)
    if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        _write(file.fileno(), blocks, rate, channels, container, subtype)
        return
    with _spooled(blocks, rate, channels, container, subtype) as written:
        shutil.copyfileobj(written, file)
    file.flush()


@contextmanager
def _spooled(blocks: Blocks, *form: Any) -> Iterator[BinaryIO]:
    """A temporary file with these blocks, to be read; `form` as for `_write`."""
    spool = SpoolFile()
    try:
        try:
            _write(spool.fd, blocks, *form)
        except OSError as error:
            raise no_room(os.fstat(spool.fd).st_size, error) from error
        with open(spool.fd, "rb", closefd=False) as written:
            written.seek(0)
            yield written
    finally:
        spool.close()


def _write(fd: int, blocks: Blocks, rate: int, channels: int, container: str, subtype: str) -> None:
    # by descriptor: callbacks of libsndfile lose the errors and interrupts of Python's file objects
    try:
        sound = soundfile.SoundFile(
            fd, "w", rate, channels, subtype, format=container, closefd=False
        )
    except (soundfile.LibsndfileError, ValueError, OverflowError) as error:
        _raise_system_error(fd)
        what = f"{container} does not hold {channels} channels at {rate} Hz"
        if container == "FLAC":
            raise UsageError(f"{what}: use a .wav") from error
        raise InputError(f"{what}, nor does FLAC: no sound file can be written") from error
    try:
        with sound:
            for block in blocks:
                sound.write(np.ascontiguousarray(block.T, np.float32))
    except (soundfile.LibsndfileError, AssertionError) as error:
        _raise_system_error(fd)
        raise OSError(errno.EIO, os.strerror(errno.EIO)) from error


def _raise_system_error(fd: int) -> None:
    """Repeats a failed write in Python, to raise the system error that libsndfile hides."""
    os.lseek(fd, 0, os.SEEK_END)
    os.write(fd, bytes(1 << 16))
