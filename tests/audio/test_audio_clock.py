"""When a recording began."""

import struct
from datetime import datetime

import pytest

from dstft_cli.audio import recorded_at

NIGHT = datetime(2023, 1, 31, 23, 59)


def test_names_of_recorders():
    for name in ("20230131_235900.WAV", "S4A01234_20230131_235900.wav", "2023-01-31 23-59-00.mp3"):
        assert recorded_at(f"20010101_000000/{name}") == NIGHT
    assert recorded_at("20010101_000000/hut 2023-01-31T23:59:00Z.flac") == NIGHT
    for name in ("20231399_235900.wav", "120230131_235900.wav", "song.wav", "-"):
        assert recorded_at(f"20010101_000000/{name}") is None


def chunk(name: bytes, body: bytes) -> bytes:
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


@pytest.mark.parametrize(
    "header",
    [
        chunk(b"bext", bytes(320) + b"2023-01-3123:59:00" + bytes(8)),
        chunk(b"guan", b"GUANO|Version:1.0\nTimestamp:2023-01-31T23:59:00.5-07:00\n"),
        chunk(
            b"LIST", b"INFOICMT" + b"\x40\0\0\0Recorded at 23:59:00 31/01/2023 (UTC) by AudioMoth"
        ),
    ],
)
def test_headers_of_recorders(header, tmp_path):
    path = tmp_path / "a.wav"
    samples = chunk(b"fmt ", bytes(16)) + chunk(b"data", bytes(3))
    for body in (header + samples, samples + header):
        path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
        assert recorded_at(str(path)) == NIGHT
    path.write_bytes(b"RIFF\0\0\0\0WAVE" + samples + b"bext\xff\xff\xff\xff20230131")
    assert recorded_at(str(path)) is None
