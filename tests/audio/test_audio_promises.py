"""Headers that promise what is not there: nothing is allocated for it, and nothing is printed."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from dstft_cli.audio import load
from dstft_cli.errors import InputError

from .recordings import RATE, stereo

READ = """
import resource, sys
from dstft_cli.audio import load
from dstft_cli.errors import InputError
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in sys.argv[1:]:
    try:
        with load(path) as signal:
            print(signal.length)
    except InputError as error:
        print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def file_of(kind: str) -> bytearray:
    file = io.BytesIO()
    subtype = "PCM_16" if kind not in ("FLAC", "MP3", "OGG") else None
    soundfile.write(file, stereo()[:, 0], RATE, format=kind, subtype=subtype)
    return bytearray(file.getvalue())


def put(data: bytearray, at: int, kind: str, value: int) -> None:
    struct.pack_into(kind, data, at, value)


def wav(data: bytearray) -> None:
    put(data, 4, "<I", 0xFFFFFF00)
    put(data, data.index(b"data") + 4, "<I", 0xFFFFFFF0)


def rf64(data: bytearray) -> None:
    at = data.index(b"ds64")
    for place, value in ((8, 2**43), (16, 2**42), (24, 2**41)):
        put(data, at + place, "<Q", value)


def aiff(data: bytearray) -> None:
    put(data, data.index(b"SSND") + 4, ">I", 0x7FFFFFF0)
    put(data, data.index(b"COMM") + 10, ">I", 0xFFFFFFF0)


def au(data: bytearray) -> None:
    put(data, 8, ">I", 0xFFFFFFF0)


def caf(data: bytearray) -> None:
    put(data, data.index(b"data") + 4, ">Q", 2**42)


def w64(data: bytearray) -> None:
    put(data, data.index(b"data") + 16, "<Q", 2**42)


def flac(data: bytearray) -> None:
    put(data, 21, ">B", data[21] | 0x0F)
    put(data, 22, ">I", 0xFFFFFFFF)


def mp3(data: bytearray) -> None:
    put(data, max(data.find(b"Xing"), data.find(b"Info")) + 8, ">I", 0x7FFFFFFF)


def ogg(data: bytearray) -> None:
    put(data, data.rfind(b"OggS") + 6, "<Q", 2**42)


LIARS: list[Callable[[bytearray], None]] = [wav, rf64, aiff, au, caf, w64, flac, mp3, ogg]


def test_terabytes_promised_allocate_nothing(tmp_path: Path) -> None:
    paths = []
    for lie in LIARS:
        data = file_of(lie.__name__.upper())
        lie(data)
        paths.append(tmp_path / lie.__name__)
        paths[-1].write_bytes(data)
    ended = subprocess.run(
        [sys.executable, "-c", READ, *paths], capture_output=True, text=True, check=True
    )
    *told, grown = ended.stdout.splitlines()
    assert len(told) == len(LIARS)
    assert int(grown) < 50_000  # kB
    assert ended.stderr == ""
    lengths = dict(zip((lie.__name__ for lie in LIARS), told, strict=True))
    for name in ("wav", "rf64", "aiff", "w64", "flac"):
        assert lengths[name] == str(RATE)
    for name in ("au", "caf", "ogg"):  # libsndfile does not look further
        assert "check what wrote it" in lengths[name] or "is not audio" in lengths[name]


def test_decoders_print_nothing_of_their_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "damaged.mp3"
    whole = file_of("MP3")
    for start in (200, 1500, 3000):
        data = whole.copy()
        data[start : start + 400] = bytes(400)
        path.write_bytes(data[:-700])
        try:
            load(path).close()
        except InputError as error:
            assert "\n" not in str(error)  # noqa: PT017
    print("told", file=sys.stderr)
    assert capfd.readouterr().err == "told\n"  # and what comes after is shown
