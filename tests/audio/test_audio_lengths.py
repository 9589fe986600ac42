"""Headers that say less than the file holds, streams of which a part is asked for, and ffmpeg."""

import io
import os
import stat
import struct
import sys
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import load
from dstft_cli.errors import InputError
from dstft_cli.settings.option import time_text

from .recordings import LIST, PCM, RATE, file_of, pcm_wav, stereo

JUNK = b"JUNK" + struct.pack("<I", 2**17) + bytes(2**17)
EXPECTED = PCM[None] / np.float32(32768)


def read(path: Path, data: bytes, **options: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    path.write_bytes(data)
    with load(path, **options) as signal:
        return np.array(signal.samples[:, :]), signal.warnings


def test_samples_beyond_the_size_in_a_wav_header_are_read_and_other_numbers_say_nothing(tmp_path):
    for promised in (len(PCM) // 4 * 2, 2000, 1001):
        samples, warnings = read(tmp_path / "a.wav", pcm_wav(PCM.tobytes(), size=promised))
        np.testing.assert_array_equal(samples, EXPECTED)
        (warning,) = warnings
        assert f"{time_text(promised / 2 / RATE)}, the file holds 1 s" in warning
    # unknown lengths, behind more than the first bytes of the file; wrong bytes per second
    unknown = [pcm_wav(PCM.tobytes(), size=size, extra=JUNK) for size in (0, 0xFFFFFFFF)]
    plain = pcm_wav(PCM.tobytes())
    for data in (*unknown, plain[:28] + (7).to_bytes(4, "little") + plain[32:]):
        samples, warnings = read(tmp_path / "a.wav", data)
        np.testing.assert_array_equal(samples, EXPECTED)
        assert warnings == ()


def test_sizes_modulo_two_to_the_32_are_read_whatever_follows(tmp_path):
    path, end = tmp_path / "long.wav", 2**32 + 2 * len(PCM)
    with path.open("wb") as file:  # a sparse file: takes no room
        file.write(pcm_wav(b"", size=2 * len(PCM)))
        file.seek(44 + end - 2 * len(PCM))
        file.write(PCM.tobytes())
    # of more than 4 GiB, hashing takes a while: the reader alone
    from dstft_cli.audio.headers import with_true_length

    with path.open("rb", buffering=0) as raw:
        mended, warning = with_true_length(raw)
        with soundfile.SoundFile(mended) as sound:
            assert sound.frames == end // 2
    assert "1 s, the file holds" in warning


def test_what_is_no_samples_is_left_out_and_told(tmp_path):
    quiet = (PCM // 8).astype("<i2")
    for rest in (bytes(9000), b"some words of text, " * 500, np.random.default_rng(0).bytes(9000)):
        data = pcm_wav(quiet.tobytes() + rest, size=2 * len(quiet))
        samples, warnings = read(tmp_path / "a.wav", data)
        assert samples.shape[1] == len(quiet)
        (warning,) = warnings
        assert warning.startswith(f"{len(rest)} bytes")
    for rest in (LIST, LIST + LIST, b"TAG" + bytes(125), b"\0"):
        data = pcm_wav(quiet.tobytes() + rest, size=2 * len(quiet))
        assert read(tmp_path / "a.wav", data)[1] == ()


def test_every_container_and_kind_of_samples_is_mended(tmp_path):
    path, kinds = tmp_path / "a", ("WAV", "WAVEX", "RF64", "W64", "AIFF")
    sizes = {"PCM_U8": 1, "PCM_16": 2, "PCM_24": 3, "FLOAT": 4, "DOUBLE": 8, "PCM_S8": 1}
    for kind, subtype in product(kinds, sizes):
        plain = kind != "AIFF" or subtype in ("PCM_S8", "PCM_16", "PCM_24")
        if not plain or not soundfile.check_format(kind, subtype):
            continue
        data = file_of(kind, subtype=subtype)
        expected, _ = read(path, bytes(data), channel="all")
        bytes_in = RATE // 4 * 2 * sizes[subtype]
        if kind == "AIFF":
            struct.pack_into(">I", data, data.index(b"SSND") + 4, bytes_in + 8)
            struct.pack_into(">I", data, data.index(b"COMM") + 10, RATE // 4)
        elif kind == "W64":
            struct.pack_into("<Q", data, data.index(b"data") + 16, bytes_in + 24)
        elif kind == "RF64":
            struct.pack_into("<Q", data, data.index(b"ds64") + 16, bytes_in)
        else:
            struct.pack_into("<I", data, data.index(b"data") + 4, bytes_in)
        samples, warnings = read(path, bytes(data), channel="all")
        np.testing.assert_array_equal(samples, expected, err_msg=f"{kind} {subtype}")
        assert len(warnings) == 1, (kind, subtype)
        if kind == "RF64":  # never filled in
            struct.pack_into("<Q", data, data.index(b"ds64") + 16, 2**64 - 1)
            np.testing.assert_array_equal(read(path, bytes(data), channel="all")[0], expected)
    data = file_of("WAV", subtype="IMA_ADPCM")  # not plain: told
    at = data.index(b"data") + 4
    (size,) = struct.unpack_from("<I", data, at)
    struct.pack_into("<I", data, at, size // 2 // 512 * 512)
    assert any("left out" in warning for warning in read(path, bytes(data))[1])


class Endless(io.RawIOBase):
    """`head`, then `body` again and again; counts what was read."""

    def __init__(self, head: bytes, body: bytes) -> None:
        self.head, self.body, self.taken = head, body, 0

    def isatty(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        piece, self.head = (self.head or self.body * (2**16 // len(self.body))), b""
        self.taken += len(piece)
        assert self.taken < 2**28, "reads for ever"
        return piece


def test_an_endless_stream_is_read_as_far_as_is_asked_for():
    head = pcm_wav(b"", riff=0xFFFFFFFF, size=0xFFFFFFFF)
    stream = Endless(head, PCM.tobytes())
    with load("-", stdin=stream, offset=0.25, duration=0.5) as signal:  # type: ignore[arg-type]
        assert signal.warnings == ()
        assert signal.offset == 0.25
        np.testing.assert_array_equal(signal.samples[:, :], EXPECTED[:, 2000:6000])
    assert stream.taken < 2**18
    stream = Endless(bytes(file_of("FLAC", stereo(80000))), bytes(4096))
    with load("-", stdin=stream, duration=0.5) as signal:  # type: ignore[arg-type]
        assert (signal.length, signal.warnings) == (4000, ())
    assert stream.taken < 2**26
    for body in (b"\0", b"y\n", bytes(range(256))):
        stream = Endless(b"", body)
        with pytest.raises(InputError, match="does not begin like audio"):
            load("-", stdin=stream)  # type: ignore[arg-type]
        assert stream.taken < 2**22


def test_a_named_pipe_without_a_writer_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dstft_cli.audio.source.WAIT", 0.1)
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="pipe without a writer"):
        load(tmp_path / "fifo")


def test_times_beyond_all_bounds_give_one_line(wav):
    for kind in ("WAV", "FLAC", "OGG", "MP3"):
        path = wav.with_suffix(".any")
        soundfile.write(path, stereo(), RATE, format=kind)
        with pytest.raises(InputError, match=r"offset 1e\+308 s is not before its end"):
            load(path, offset=1e308)
        with load(path, duration=1e308) as signal, load(path) as whole:
            np.testing.assert_array_equal(signal.samples[:, :], whole.samples[:, :])
    with load("-", stdin=io.BytesIO(wav.read_bytes()), offset=0.5, duration=1e308) as signal:
        assert signal.length == RATE // 2


@pytest.fixture
def ffmpeg(tmp_path, monkeypatch):
    """A stand-in that writes the samples of a file behind eight bytes, as ffmpeg would."""
    program = tmp_path / "bin" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import sys\n"
        "data = open(sys.argv[2].removeprefix('file:'), 'rb').read()\n"
        "if not data[4:8] == b'ftyp': sys.exit('Invalid data found when processing input')\n"
        f"print('  Duration: 00:00:{len(PCM) // RATE:02}.00, start: 0.0', file=sys.stderr)\n"
        f"print('  Stream #0:0: Audio: aac (LC), {RATE} Hz, mono, fltp', file=sys.stderr, flush=True)\n"
        "sys.stdout.buffer.write(data[8:])\n"
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return program


M4A = b"\0\0\0\x20ftyp"


def test_what_libsndfile_does_not_read_is_read_by_ffmpeg(ffmpeg, tmp_path):
    path = tmp_path / "-a.m4a"
    samples, warnings = read(path, M4A + PCM.tobytes())
    np.testing.assert_array_equal(samples, EXPECTED)
    assert warnings == ()
    with load(path, offset=0.25, duration=0.5) as part:
        np.testing.assert_array_equal(part.samples[:, :], EXPECTED[:, 2000:6000])
    with load("-", stdin=io.BytesIO(path.read_bytes())) as signal:
        np.testing.assert_array_equal(signal.samples[:, :], EXPECTED)
    half, warnings = read(path, M4A + PCM[: RATE // 2].tobytes())
    assert half.shape[1] == RATE // 2
    assert "1 s, the file holds" in warnings[0]
    many = np.tile(PCM, 400)  # more than waits in memory: ffmpeg is ended in the middle
    assert read(path, M4A + many.tobytes(), duration=0.5)[0].shape[1] == RATE // 2


def test_what_neither_reads_is_refused(ffmpeg, tmp_path):
    with pytest.raises(InputError, match=r"neither libsndfile .* nor ffmpeg reads it"):
        read(tmp_path / "a.m4a", b"\x80" * 5000)
    with pytest.raises(InputError, match="is not audio that can be read"):  # perhaps a playlist
        read(tmp_path / "a.m4a", b"#EXTM3U\n/etc/passwd\n")


def test_without_ffmpeg_the_remedy_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="install ffmpeg"):
        read(tmp_path / "a.m4a", M4A + PCM.tobytes())
