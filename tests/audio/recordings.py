"""Recordings that the tests of `dstft_cli.audio` read."""

import io
import struct
from typing import Any

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 8000
Array = NDArray[np.float32]


def stereo(n: int = RATE) -> Array:
    """Two tones in noise, one per channel: no two samples alike, so shifts and swaps show."""
    noise = np.random.default_rng(1).uniform(-0.05, 0.05, (n, 2))
    t = np.arange(n)[:, None] / RATE
    return (0.4 * np.sin(2 * np.pi * t * [440, 700]) + noise).astype(np.float32)


def file_of(kind: str, samples: Any = None, subtype: str | None = None) -> bytearray:
    """The bytes of a sound file, of `stereo()` by default."""
    file, samples = io.BytesIO(), stereo() if samples is None else samples
    soundfile.write(file, samples, RATE, format=kind, subtype=subtype)
    return bytearray(file.getvalue())


def pcm_wav(
    data: bytes, *, riff: int | None = None, size: int | None = None, extra: bytes = b""
) -> bytes:
    """A mono 16-bit WAV with any lengths in its header and chunks between `fmt ` and `data`."""
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, RATE, 2 * RATE, 2, 16)
    body = b"WAVE" + fmt + extra + b"data" + struct.pack("<I", len(data) if size is None else size)
    total = len(body) + len(data)
    return b"RIFF" + struct.pack("<I", total if riff is None else riff) + body + data


PCM = (stereo()[:, 0] * 32767).astype("<i2")
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0"
