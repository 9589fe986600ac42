"""Standard input, FIFOs and headers of unknown length."""

from __future__ import annotations

import hashlib
import io
import os
import struct
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dstft_cli.audio import load
from dstft_cli.errors import InputError

from .recordings import LIST, PCM, pcm_wav, stereo

HEADERS: tuple[dict[str, Any], ...] = (
    {"riff": 0xFFFFFFFF, "size": 0xFFFFFFFF, "extra": LIST},  # ffmpeg
    {"riff": 0x7FFFF024, "size": 0x7FFFF000},  # sox
    {"riff": 0x80000024, "size": 0x80000000},  # arecord
    {"riff": 0, "size": 0},
    {"riff": 36, "size": 0, "extra": LIST},
    {},
)


def test_wav_streams_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "captured.wav"
    for header in HEADERS:
        data = pcm_wav(PCM.tobytes(), **header)
        path.write_bytes(data)
        with load("-", stdin=io.BytesIO(data)) as stream, load(path) as file:
            assert stream.path == "-"
            assert stream.sha256 == file.sha256 == hashlib.sha256(data).hexdigest()
            assert stream.warnings == file.warnings == ()
            np.testing.assert_array_equal(stream.samples[:, :], PCM[None] / np.float32(32768))
            np.testing.assert_array_equal(file.samples[:, :], stream.samples[:, :])


def test_rf64_stream_with_an_empty_ds64() -> None:
    plain = pcm_wav(PCM.tobytes(), size=0xFFFFFFFF)
    ds64 = b"ds64" + struct.pack("<I", 28) + bytes(28)
    data = b"RF64" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + ds64 + plain[12:]
    with load("-", stdin=io.BytesIO(data)) as signal:
        np.testing.assert_array_equal(signal.samples[:, :], PCM[None] / np.float32(32768))


def test_a_chunk_after_the_data_is_not_data() -> None:
    # the data says 0 bytes, and the total agrees that a LIST chunk follows: there are no samples
    data = pcm_wav(LIST, size=0)
    with pytest.raises(InputError, match=r"^standard input: holds no samples"):
        load("-", stdin=io.BytesIO(data))


def test_a_fifo_is_read_like_a_stream(wav: Path, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(daemon=True, target=lambda: fifo.write_bytes(wav.read_bytes()))
    writer.start()
    with load(fifo, channel="all") as signal:
        np.testing.assert_array_equal(signal.samples[:, :], stereo().T)
    writer.join()
