"""Headers that promise what is not there: nothing is allocated for it, and nothing is printed."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
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


# for each container: behind which bytes a length stands, how far, how it is written, and the lie
LIES: dict[str, list[tuple[bytes, int, str, int]]] = {
    "WAV": [(b"RIFF", 4, "<I", 0xFFFFFF00), (b"data", 4, "<I", 0xFFFFFFF0)],
    "RF64": [(b"ds64", 8, "<Q", 2**43), (b"ds64", 16, "<Q", 2**42), (b"ds64", 24, "<Q", 2**41)],
    "AIFF": [(b"SSND", 4, ">I", 0x7FFFFFF0), (b"COMM", 10, ">I", 0xFFFFFFF0)],
    "W64": [(b"data", 16, "<Q", 2**42)],
    "FLAC": [(b"fLaC", 21, ">B", 0xFF), (b"fLaC", 22, ">I", 0xFFFFFFFF)],
    "AU": [(b".snd", 8, ">I", 0xFFFFFFF0)],
    "CAF": [(b"data", 4, ">Q", 2**42)],
    "MP3": [(b"Info", 8, ">I", 0x7FFFFFFF)],
    "OGG": [(b"OggS", 6, "<Q", 2**42)],
}


def test_terabytes_promised_allocate_nothing(tmp_path: Path) -> None:
    for kind, lies in LIES.items():
        data = file_of(kind)
        for mark, place, form, value in lies:
            at = data.rfind(mark) if kind == "OGG" else data.find(mark)
            struct.pack_into(form, data, max(at, 0) + place, value)
        (tmp_path / kind).write_bytes(data)
    paths = [tmp_path / kind for kind in LIES]
    ended = subprocess.run(
        [sys.executable, "-c", READ, *paths], capture_output=True, text=True, check=True
    )
    *told, grown = ended.stdout.splitlines()
    assert len(told) == len(LIES)
    assert int(grown) < 50_000  # kB
    assert ended.stderr == ""
    lengths = dict(zip(LIES, told, strict=True))
    for kind in ("WAV", "RF64", "AIFF", "W64", "FLAC"):
        assert lengths[kind] == str(RATE)
    for kind in ("AU", "CAF", "OGG"):  # libsndfile does not look further
        assert "holds no samples" in lengths[kind] or "is not audio" in lengths[kind]


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
