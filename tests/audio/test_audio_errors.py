"""What cannot be used is refused in one line that names it and the remedy."""

import errno
import io
import os
import re
import sys
from functools import partial
from typing import Any

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import load
from dstft_cli.errors import InputError, UsageError

from .recordings import RATE, file_of, stereo

wav_bytes = partial(file_of, "WAV", subtype="FLOAT")


def with_sample(value: float) -> Any:
    samples = stereo()
    samples[1234, 1] = value
    return samples


def test_unusable_files(tmp_path, monkeypatch):
    path = tmp_path / "input"
    for missing, message in ((lambda: None, "no such file"), (path.mkdir, "is a directory")):
        missing()
        with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {message}"):
            load(path)
    path.rmdir()
    for data, message in (
        (b"", r"is empty \(0 bytes\)"),
        (b"no sound\n" * 99, "is not audio that can be read"),
        (wav_bytes(np.zeros((0, 1))), "holds no samples"),
        (wav_bytes(np.zeros(99)), "every sample is zero"),
        (wav_bytes(stereo()[:, :1] * [1, -1]), "the channels cancel each other.*`channel`"),
        (wav_bytes(with_sample(np.nan)), r"sample 1234 \(0\.154 s\) of channel 1 is nan"),
        (wav_bytes(with_sample(-np.inf)), r"sample 1234 \(0\.154 s\) of channel 1 is -inf"),
    ):
        path.write_bytes(data)
        with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {message}"):
            load(path)

    def refuse(*args: object, **kwargs: object) -> None:  # as root every mode can be read
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match="no permission to read it"):
        load(path)


def test_nan_is_placed_in_the_file_whatever_is_read_of_it(tmp_path):
    path = tmp_path / "nan.wav"
    path.write_bytes(wav_bytes(with_sample(np.nan)))
    with pytest.raises(InputError, match=r"sample 1234 .* of channel 1 is nan"):
        load(path, channel=1, offset=0.1)
    samples = np.full(2**18 + 8, 0.5, np.float32)  # more than one block
    samples[-1] = np.nan
    with load(path, channel=0) as signal:
        assert signal.length == RATE
    path.write_bytes(wav_bytes(samples))
    with pytest.raises(InputError, match=rf"sample {2**18 + 7} \(32\.769 s\) of channel 0 is nan"):
        load(path)


def test_arguments_out_of_range(wav):
    with pytest.raises(UsageError, match=r"channel 5 of a file with 2 channels: use 0\.\.1"):
        load(wav, channel=5)
    with pytest.raises(UsageError, match=r"256 times away .* `sr` between 31 and"):
        load(wav, sample_rate=10**9)
    for offset in (1, 3):
        with pytest.raises(InputError, match=rf"offset {offset} s is not before .* \(1 s\): lower"):
            load(wav, offset=offset)
    mono = wav.with_name("mono.wav")
    soundfile.write(mono, [0.5, 0.5], RATE)
    with pytest.raises(UsageError, match="channel 1 of a file with 1 channel: use 0, mix or all"):
        load(mono, channel=1)
    with pytest.raises(InputError, match="less than one sample is left at 40 Hz: raise `sr`"):
        load(mono, sample_rate=40)


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_unusable_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    for stdin, message in (
        (Terminal(), " is a terminal"),
        (io.BytesIO(), r": is empty \(0 bytes\)"),
        (io.BytesIO(b"text" * 99), ": is not audio that can be read"),
        (None, " is closed"),
    ):
        with pytest.raises(InputError, match=f"^standard input{message}"):
            load("-", stdin=stdin)


def test_odd_names_load_and_stay_on_one_line(wav, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, shown in (
        ("-rf.wav", "-rf.wav"),
        ("two words 🎵.wav", "two words 🎵.wav"),
        ("line\nbreak", r"line\nbreak"),
        (os.fsdecode(b"caf\xe9"), r"caf\udce9"),
    ):
        with pytest.raises(InputError, match=f"^{re.escape(shown)}: no such file") as caught:
            load(name)
        assert str(caught.value).encode().decode().count("\n") == 0
        wav = wav.rename(tmp_path / name)
        with load(name) as signal:
            assert (signal.path, signal.length) == (name, RATE)
