"""Decoders that read a recording forward in blocks: libsndfile, and ffmpeg for other formats.

They warn if the file is shorter than its header says.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import audioread.ffdec  # type: ignore[import-untyped]
import numpy as np
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray

from dstft_cli.audio.headers import UNKNOWN_LENGTHS, with_true_length
from dstft_cli.audio.source import Source
from dstft_cli.errors import InputError
from dstft_cli.settings.option import time_text

BLOCK_SAMPLES = 2**18  # of all channels together: 1 MiB of float32
UNKNOWN_FRAMES = 2**62  # libsndfile says 2^63 - 1 for a FLAC stream of unknown length
FORMATS = "WAV, FLAC, OGG, MP3, AIFF, AU, CAF, W64, RF64"
MP3_SLACK = 0.05  # without a Xing header the length of an MP3 is estimated
PLAIN_FORMATS = ("WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF")  # plain samples, seekable
PLAIN_SAMPLES = ("PCM_", "FLOAT", "DOUBLE", "ULAW", "ALAW")
FAILURES = (soundfile.LibsndfileError, audioread.DecodeError)
SILENT_SECONDS = 60.0  # then ffmpeg is stopped
PIECES = 64  # of ffmpeg's output, waiting to be read
_STDERR = 2
_ONE_AT_A_TIME = threading.RLock()  # the descriptor belongs to the whole process


@contextmanager
def without_remarks() -> Iterator[None]:
    """Discards standard error in the block, where mpg123 notes damaged frames: we have messages."""
    with _ONE_AT_A_TIME:
        try:
            kept = os.dup(_STDERR)
        except OSError:  # it is closed
            yield
            return
        try:
            nothing = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nothing, _STDERR)
            os.close(nothing)
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
    def seekable(self) -> bool:
        """False: else soundfile seeks after every read, which loses the end of a broken FLAC."""
        return False


class _FfmpegFile:
    """16-bit samples from ffmpeg, with the members of a `SoundFile` that `Reader` needs."""

    format, subtype, extra_info, frames = "FFMPEG", "", "", -1

    def __init__(self, path: str) -> None:
        # `file:` keeps ffmpeg from taking a name for an address
        self._file = audioread.ffdec.FFmpegAudioFile(f"file:{path}", block_size=2**16)
        self._queue = self._file.stdout_reader.queue
        self._queue.maxsize = PIECES  # bounds what waits in memory
        self.samplerate, self.channels = self._file.samplerate, self._file.channels
        self.promised = int(self._file.duration * self.samplerate)
        self._pieces = self._file.read_data(timeout=SILENT_SECONDS)
        self._rest = b""

    def read(self, frames: int, out: NDArray[np.float32]) -> NDArray[np.float32]:
        """The next samples [n, C], in `out`; fewer than asked for only at the end."""
        size = 2 * self.channels
        while len(self._rest) < frames * size and (piece := next(self._pieces, b"")):
            self._rest += piece
        whole = min(len(self._rest) // size, frames) * size
        block = np.frombuffer(self._rest[:whole], "<i2").reshape(-1, self.channels)
        self._rest = self._rest[whole:]
        np.divide(block, np.float32(32768), out=out[: len(block)])
        return out[: len(block)]

    def close(self) -> None:
        """End ffmpeg, also while its output waits to be read."""
        with self._queue.not_full:
            self._queue.maxsize = UNKNOWN_FRAMES
            self._queue.not_full.notify_all()
        self._file.close()


class Reader:
    """An open recording, read forward once."""

    def __init__(self, name: str, sound: Any, warning: str = "", cut: bool = False) -> None:
        self.name = name
        self.sample_rate = int(sound.samplerate)
        self.channels = int(sound.channels)
        self.warnings: list[str] = [warning] if warning else []
        self._sound = sound
        self._offset = 0.0
        self._quiet = without_remarks if sound.format == "MP3" else nullcontext
        self._start = 0
        # libsndfile gives the frames it found, and in its log the bytes of the header
        self._promised: int = getattr(sound, "promised", 0)
        known = 0 <= sound.frames < UNKNOWN_FRAMES and not cut
        self._found = sound.frames if known else None
        if self._found is not None:
            promised = _promised_frames(sound.extra_info, self._found)
            if promised > self._found:
                self._warn_short(promised, self._found)
            if re.search("lacks an end-of-stream bit|Junk after the last page", sound.extra_info):
                self.warnings.append(
                    f"the OGG stream cannot be read after {time_text(self._found / self.sample_rate)}:"
                    " read up to there"
                )

    @property
    def seconds(self) -> float | None:
        """Duration of the file, as far as it is known."""
        frames = self._found or self._promised
        return frames / self.sample_rate if frames else None

    def skip_to(self, offset: float) -> int:
        """Go to `offset` seconds; the position in samples."""
        self._offset = offset
        self._start = round(min(offset * self.sample_rate, float(UNKNOWN_FRAMES)))
        if self._start == 0:
            return 0
        if self._found is not None and self._start >= self._found:
            raise self._ends_at(self._found)
        plain = self._sound.subtype.startswith(PLAIN_SAMPLES)
        left, buffer = self._start, self._buffer()
        try:
            with self._quiet():
                if self._found is not None and plain and self._sound.format in PLAIN_FORMATS:
                    self._sound.seek(self._start)
                    left = 0
                while left:  # a decoder may crash on seeking in a damaged file
                    got = len(self._sound.read(min(left, len(buffer)), out=buffer))
                    if got == 0:
                        raise self._ends_at(self._start - left)
                    left -= got
        except FAILURES as error:
            raise self._undecodable(error) from error
        return self._start

    def blocks(self, limit: int | None) -> Iterator[NDArray[np.float32]]:
        """Samples [n, C] up to the end or `limit` of them; each block is overwritten by the next."""
        buffer = self._buffer()
        read = 0
        while limit is None or read < limit:
            size = len(buffer) if limit is None else min(len(buffer), limit - read)
            # rows that a failing decoder did not reach stay NaN
            buffer.fill(np.nan)
            try:
                with self._quiet():
                    block = self._sound.read(size, out=buffer)
            except FAILURES as error:
                missing = np.flatnonzero(np.isnan(buffer).all(axis=1))
                block = buffer[: missing[0]] if len(missing) else buffer
                if read + len(block) == 0:
                    raise self._undecodable(error) from error
                reached = (self._start + read + len(block)) / self.sample_rate
                self.warnings.append(
                    f"decoding failed at {time_text(reached)} ({_reason(error)}): read up to there"
                )
                yield block
                return
            # a short block may be a hole in an OGG stream; only an empty one is the end
            if len(block) == 0:
                if read == 0:
                    raise self._ends_at(self._start)
                promised = self._found or self._promised
                slack = MP3_SLACK * promised if self._sound.format in ("MP3", "FFMPEG") else 0
                if self._start + read < promised - slack:
                    self._warn_short(promised, self._start + read)
                return
            read += len(block)
            yield block

    def _buffer(self) -> NDArray[np.float32]:
        return np.empty((max(1024, BLOCK_SAMPLES // self.channels), self.channels), np.float32)

    def _warn_short(self, promised: int, held: int) -> None:
        self.warnings.append(
            f"the header says {time_text(promised / self.sample_rate)}, the file holds"
            f" {time_text(held / self.sample_rate)}: read what is there"
        )

    def _ends_at(self, frames: int) -> InputError:
        if frames == 0:
            return InputError(f"{self.name}: holds no samples: check the program that wrote it")
        return InputError(
            f"{self.name}: offset {self._offset:g} s is not before its end"
            f" ({frames / self.sample_rate:g} s): lower `offset`"
        )

    def _undecodable(self, error: Exception) -> InputError:
        return InputError(
            f"{self.name}: cannot be decoded ({_reason(error)}): repair or convert the file"
        )


@contextmanager
def open_reader(source: Source) -> Iterator[Reader]:
    """Open the source with libsndfile, or with ffmpeg where that cannot read it."""
    mended, warning = with_true_length(source.file)
    source.file.seek(0)
    try:
        with without_remarks():
            sound: Any = _ForwardFile(mended or source.file.fileno(), closefd=False)
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        sound = _by_ffmpeg(source, error)
    with closing(sound):
        for count, what in ((sound.samplerate, "sample rate"), (sound.channels, "channels")):
            if count <= 0:
                raise InputError(f"{source.name}: has no {what} in its header: repair the file")
        yield Reader(source.name, sound, warning, source.cut)


def _by_ffmpeg(source: Source, error: Exception) -> _FfmpegFile:
    """The source as ffmpeg decodes it; `error` is the one of libsndfile."""
    what = f"{source.name}: is not audio that can be read ({_reason(error)})"
    source.file.seek(0)
    head = source.file.read(4096) or b""
    if head.isascii() and b"\0" not in head:  # ffmpeg would open the files of a playlist
        raise InputError(f"{what}: formats read: {FORMATS}") from error
    if not shutil.which("ffmpeg"):
        raise InputError(
            f"{what}: formats read: {FORMATS}; install ffmpeg to read M4A, AAC, WMA and video"
        ) from error
    try:
        return _FfmpegFile(source.path)
    except (audioread.DecodeError, OSError) as failure:
        raise InputError(
            f"{source.name}: neither libsndfile ({_reason(error)}) nor ffmpeg reads it:"
            " check that it is a sound file"
        ) from failure


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", "") or str(error) or type(error).__name__
    return " ".join(text.split()).removeprefix("Error : ").rstrip(".")


def _promised_frames(log: str, found: int) -> int:
    """Frames in the header, by libsndfile's log: `data : 320000 (should be 191982)`."""
    if match := re.search(
        r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)", log
    ):
        return int(match[2])
    # the last size is of the data; RIFF sizes come first
    sizes = re.findall(r"^(?! *Bytes/sec).*?(\d+) \(should be (\d+)\)", log, re.MULTILINE)
    if not sizes or int(sizes[-1][0]) in UNKNOWN_LENGTHS:
        return found
    said, there = map(int, sizes[-1])
    return found * said // max(there, 1)
