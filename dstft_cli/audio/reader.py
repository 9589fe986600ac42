"""libsndfile, made to read forward in blocks and to say how much of what was promised is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import numpy as np
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray

from dstft_cli.audio.quiet import without_remarks
from dstft_cli.audio.source import Source
from dstft_cli.audio.wav_header import UNKNOWN_LENGTHS, with_known_length
from dstft_cli.errors import InputError

BLOCK_SAMPLES = 2**18  # of all channels together: 1 MiB of float32
UNKNOWN_FRAMES = 2**62  # libsndfile says 2^63 - 1 for a FLAC stream of unknown length
FORMATS = "WAV, FLAC, OGG, MP3, AIFF, AU, CAF, W64, RF64"
MP3_SLACK = 0.05  # without a Xing header the length of an MP3 is an estimate


class _ForwardFile(soundfile.SoundFile):  # type: ignore[misc]
    def seekable(self) -> bool:
        """False: else soundfile seeks after every read, which loses the end of a broken FLAC."""
        return False


class Reader:
    """An open recording, read forward once.

    Attributes:
        name: for messages.
        sample_rate: Hz.
        channels: in the file.
        warnings: one line each, complete once `blocks` has ended.
    """

    def __init__(self, name: str, sound: soundfile.SoundFile) -> None:
        self.name = name
        self.sample_rate = int(sound.samplerate)
        self.channels = int(sound.channels)
        self.warnings: list[str] = []
        self._sound = sound
        self._quiet = without_remarks if sound.format == "MP3" else nullcontext
        self._start = 0
        # libsndfile gives the frames it found, and in its log the bytes that the header promised
        self._found = sound.frames if 0 <= sound.frames < UNKNOWN_FRAMES else None
        if self._found is not None:
            promised = _promised_frames(sound.extra_info, self._found)
            if promised > self._found:
                self._warn_short(promised, self._found)
            if re.search("lacks an end-of-stream bit|Junk after the last page", sound.extra_info):
                self.warnings.append(
                    f"the OGG stream cannot be read after {self._found / self.sample_rate:.1f} s:"
                    " read up to there"
                )

    def skip_to(self, offset: float) -> int:
        """Go to `offset` seconds; the position in samples.

        Raises:
            InputError: the recording ends before it, or cannot be decoded up to it.
        """
        self._start = round(offset * self.sample_rate)
        if self._start == 0:
            return 0
        if self._found is not None:
            if self._start >= self._found:
                raise self._ends_at(self._found)
            try:
                with self._quiet():
                    self._sound.seek(self._start)
            except soundfile.LibsndfileError as error:
                raise self._undecodable(error) from error
            return self._start
        left = self._start
        buffer = self._buffer()
        while left:
            got = len(self._sound.read(min(left, len(buffer)), out=buffer))
            if got == 0:
                raise self._ends_at(self._start - left)
            left -= got
        return self._start

    def blocks(self, limit: int | None) -> Iterator[NDArray[np.float32]]:
        """Samples [n, C] up to the end or `limit` of them; each block is overwritten by the next.

        Raises:
            InputError: nothing can be decoded, or nothing is left after `skip_to`.
        """
        buffer = self._buffer()
        read = 0
        while limit is None or read < limit:
            size = len(buffer) if limit is None else min(len(buffer), limit - read)
            # rows that a failing decoder did not reach stay NaN
            buffer.fill(np.nan)
            try:
                with self._quiet():
                    block = self._sound.read(size, out=buffer)
            except soundfile.LibsndfileError as error:
                reached = np.flatnonzero(np.isnan(buffer).all(axis=1))
                block = buffer[: reached[0]] if len(reached) else buffer
                if read + len(block) == 0:
                    raise self._undecodable(error) from error
                self._warn_broken(read + len(block), error)
                yield block
                return
            # a short block may also be a hole in an OGG stream: only an empty one is the end
            if len(block) == 0:
                if read == 0:
                    raise self._ends_at(self._start)
                self._check_end(read)
                return
            read += len(block)
            yield block

    def _buffer(self) -> NDArray[np.float32]:
        return np.empty((max(1024, BLOCK_SAMPLES // self.channels), self.channels), np.float32)

    def _check_end(self, read: int) -> None:
        """Warn where fewer samples were decoded than the header led to expect."""
        if self._found is None:
            return
        slack = MP3_SLACK * self._found if self._sound.format == "MP3" else 0
        if self._start + read < self._found - slack:
            self._warn_short(self._found, self._start + read)

    def _warn_short(self, promised: int, held: int) -> None:
        self.warnings.append(
            f"the header promises {promised / self.sample_rate:.1f} s, the file holds"
            f" {held / self.sample_rate:.1f} s: read what is there"
        )

    def _warn_broken(self, read: int, error: soundfile.LibsndfileError) -> None:
        self.warnings.append(
            f"decoding failed at {(self._start + read) / self.sample_rate:.1f} s"
            f" ({_reason(error)}): read up to there"
        )

    def _ends_at(self, frames: int) -> InputError:
        if frames == 0:
            return InputError(f"{self.name}: holds no samples: check what wrote it")
        return InputError(
            f"{self.name}: offset {self._start / self.sample_rate:g} s is not before its end"
            f" ({frames / self.sample_rate:g} s): lower --offset"
        )

    def _undecodable(self, error: soundfile.LibsndfileError) -> InputError:
        return InputError(
            f"{self.name}: cannot be decoded ({_reason(error)}): repair or convert the file"
        )


@contextmanager
def open_reader(source: Source) -> Iterator[Reader]:
    """Open the source with libsndfile.

    Raises:
        InputError: it is not audio, or in no format that libsndfile reads.
    """
    repaired = with_known_length(source.file)
    source.file.seek(0)
    try:
        with without_remarks():
            sound = _ForwardFile(repaired or source.file.fileno(), closefd=False)
    except (soundfile.LibsndfileError, TypeError, ValueError) as error:
        raise InputError(
            f"{source.name}: is not audio that can be read ({_reason(error)}):"
            f" formats read: {FORMATS}; pipe others through ffmpeg -i FILE -f wav -"
        ) from error
    with sound:
        if sound.samplerate <= 0 or sound.channels <= 0:
            raise InputError(f"{source.name}: its header gives no sample rate: repair the file")
        yield Reader(source.name, sound)


def _reason(error: Exception) -> str:
    text = error.error_string if isinstance(error, soundfile.LibsndfileError) else str(error)
    return " ".join(text.split()).removeprefix("Error : ").rstrip(".")


def _promised_frames(log: str, found: int) -> int:
    """Frames the header promised, by libsndfile's log: `data : 320000 (should be 191982)`."""
    if match := re.search(
        r"frame count (\d+) does not match value from 'ds64' chunk of (\d+)", log
    ):
        return int(match[2])
    # the last one is the data's: RIFF sizes, which hold it, come first
    sizes = re.findall(r"(\d+) \(should be (\d+)\)", log)
    if not sizes or int(sizes[-1][0]) in UNKNOWN_LENGTHS:
        return found
    said, there = map(int, sizes[-1])
    return found * said // max(there, 1)
