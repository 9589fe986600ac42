"""Values, channels, times and rates of what is read, from files, standard input and FIFOs."""

import hashlib
import io
import os
import struct
import threading
from typing import Any

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import load
from dstft_cli.errors import InputError

from .recordings import LIST, PCM, RATE, file_of, pcm_wav, stereo

EVERY = """
    WAV/PCM_16 WAV/PCM_24 WAV/FLOAT WAV/DOUBLE WAVEX/PCM_16 FLAC/PCM_16 AIFF/PCM_16 AU/PCM_16
    CAF/PCM_16 W64/FLOAT RF64/PCM_24 OGG/VORBIS MP3/MPEG_LAYER_III
"""


def test_every_format_gives_back_its_values(tmp_path):
    path = tmp_path / "recording"
    lossy = {"PCM_16": 2**-15, "PCM_24": 2**-23, "VORBIS": 0.1, "MPEG_LAYER_III": 0.1}
    for kind in EVERY.split():
        container, subtype = kind.split("/")
        soundfile.write(path, stereo(), RATE, format=container, subtype=subtype)
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        with load(path, channel="all") as signal, path.open("rb") as stream:
            assert (signal.sample_rate, signal.channels, signal.path) == (RATE, 2, str(path))
            assert (signal.length, signal.seconds, signal.offset) == (RATE, 1.0, 0.0)
            samples = signal.samples[:, :]
            assert samples.dtype == np.float32
            tolerance = lossy.get(subtype, 0)
            np.testing.assert_allclose(samples, stereo().T, rtol=0, atol=tolerance, err_msg=kind)
            assert signal.peak == np.abs(samples).max()
            assert (signal.sha256, signal.warnings) == (sha256, ())
            with load("-", channel="all", stdin=stream) as piped:
                np.testing.assert_array_equal(piped.samples[:, :], samples)


def test_integers_are_scaled_by_their_full_range_and_huge_samples_do_not_overflow(tmp_path):
    path = tmp_path / "i.wav"
    soundfile.write(path, np.array([-32768, 16384, 1, 0], np.int16), RATE)
    with load(path) as signal:
        assert signal.samples[:, :].tolist() == [[-1.0, 0.5, 2**-15, 0.0]]
    huge = np.full((9, 2), 3e38, np.float32)
    huge[0] = 0.0
    soundfile.write(path, huge, RATE, subtype="FLOAT")
    with load(path) as signal:
        assert signal.peak == pytest.approx(3e38)


def test_mix_is_the_mean_and_a_number_is_that_channel(wav):
    with load(wav) as mix, load(wav, channel=0) as left, load(wav, channel=1) as right:
        mean = stereo().mean(axis=1)[None]
        np.testing.assert_allclose(mix.samples[:, :], mean, rtol=0, atol=1e-7)
        np.testing.assert_array_equal(left.samples[:, :], stereo().T[:1])
        np.testing.assert_array_equal(right.samples[:, :], stereo().T[1:])
        assert (mix.channels, left.channels) == (2, 2)


def test_offset_and_duration_are_times_of_the_file(tmp_path):
    path = tmp_path / "r"
    parts = (0.25, None, 2000, 8000), (0.5, 0.125, 4000, 5000), (0.9, 5.0, 7200, 8000)
    for kind in ("WAV", "FLAC", "OGG", "MP3"):
        soundfile.write(path, stereo(), RATE, format=kind)
        with load(path, channel="all") as whole:
            for offset, duration, start, stop in parts:
                with load(path, channel="all", offset=offset, duration=duration) as part:
                    assert part.offset == start / RATE
                    expected = whole.samples[:, start:stop]
                    np.testing.assert_array_equal(part.samples[:, :], expected, err_msg=kind)


def test_offset_in_a_flac_stream_of_unknown_length(tmp_path):
    path = tmp_path / "stream.flac"
    data = file_of("FLAC")
    data[21] &= 0xF0  # the 36-bit number of samples in STREAMINFO, zeroed as ffmpeg leaves it
    data[22:26] = bytes(4)
    path.write_bytes(data)
    with load(path, channel="all", offset=0.25) as signal:
        np.testing.assert_allclose(signal.samples[:, :], stereo().T[:, 2000:], atol=2**-15)
        assert signal.warnings == ()
    for offset in (1, 3):
        with pytest.raises(InputError, match=rf"offset {offset} s is not before its end \(1 s\)"):
            load(path, offset=offset)


def test_resampling_keeps_a_tone_unless_it_is_above_the_new_nyquist(tmp_path):
    path, n = tmp_path / "tone.wav", 2 * 2**18 + 1000  # more than two blocks
    for frequency, rate in ((1000, 5000), (1000, 48000), (3500, 5000)):
        tone = 0.5 * np.sin(2 * np.pi * frequency * np.arange(n) / RATE)
        soundfile.write(path, tone, RATE, subtype="FLOAT")
        with load(path, sample_rate=rate) as signal:
            assert signal.sample_rate == rate
            assert abs(signal.length - n * rate / RATE) <= 1
            inner = slice(rate, signal.length - rate)  # away from where the tone begins and ends
            expected = 0.5 * np.sin(2 * np.pi * frequency * np.arange(signal.length) / rate)
            expected *= frequency < rate / 2
            np.testing.assert_allclose(signal.samples[:, inner][0], expected[inner], atol=2e-4)


HEADERS: tuple[dict[str, Any], ...] = (
    {"riff": 0xFFFFFFFF, "size": 0xFFFFFFFF, "extra": LIST},  # ffmpeg
    {"riff": 0x7FFFF024, "size": 0x7FFFF000},  # sox
    {"riff": 0x80000024, "size": 0x80000000},  # arecord
    {"riff": 0, "size": 0},
    {"riff": 36, "size": 0, "extra": LIST},
    {},
)


def rf64_with_an_empty_ds64() -> bytes:
    plain = pcm_wav(PCM.tobytes(), size=0xFFFFFFFF)
    ds64 = b"ds64" + struct.pack("<I", 28) + bytes(28)
    return b"RF64" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + ds64 + plain[12:]


def test_wav_streams_of_unknown_length(tmp_path):
    path = tmp_path / "captured.wav"
    wavs = (pcm_wav(PCM.tobytes(), **header) for header in HEADERS)
    for data in (*wavs, rf64_with_an_empty_ds64()):
        path.write_bytes(data)
        with load("-", stdin=io.BytesIO(data)) as stream, load(path) as file:
            assert stream.path == "-"
            assert stream.sha256 == file.sha256 == hashlib.sha256(data).hexdigest()
            assert stream.warnings == file.warnings == ()
            np.testing.assert_array_equal(stream.samples[:, :], PCM[None] / np.float32(32768))
            np.testing.assert_array_equal(file.samples[:, :], stream.samples[:, :])


def test_a_chunk_after_the_data_is_not_data():
    # the data says 0 bytes, and the total agrees that a LIST chunk follows: there are no samples
    data = pcm_wav(LIST, size=0)
    with pytest.raises(InputError, match=r"^standard input: holds no samples"):
        load("-", stdin=io.BytesIO(data))


def test_a_fifo_is_read_like_a_stream(wav, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    writer = threading.Thread(daemon=True, target=lambda: fifo.write_bytes(wav.read_bytes()))
    writer.start()
    with load(fifo, channel="all") as signal:
        np.testing.assert_array_equal(signal.samples[:, :], stereo().T)
    writer.join()
