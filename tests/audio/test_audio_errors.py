"""What cannot be used is refused in one line that names it and the remedy."""

from __future__ import annotations

import errno
import io
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from dstft_cli.audio import load
from dstft_cli.errors import InputError, UsageError

from .recordings import RATE, stereo


def write_text(path: Path) -> None:
    path.write_text("no sound\n" * 99)


def write_nothing(path: Path) -> None:
    soundfile.write(path, np.zeros((0, 1)), RATE, format="WAV")


def write_zeros(path: Path) -> None:
    soundfile.write(path, np.zeros(99), RATE, format="WAV")


def write_antiphase(path: Path) -> None:
    soundfile.write(path, stereo()[:, :1] * [1, -1], RATE, format="WAV", subtype="FLOAT")


def write_sample(value: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        samples = stereo()
        samples[1234, 1] = value
        soundfile.write(path, samples, RATE, format="WAV", subtype="FLOAT")

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: None, "no such file: check the path"),
        (Path.mkdir, "is a directory: name a recording in it"),
        (Path.touch, r"is empty \(0 bytes\)"),
        (
            write_text,
            r"is not audio that can be read \(Format not recognised\): formats read: WAV,",
        ),
        (write_nothing, "holds no samples: check what wrote it"),
        (write_zeros, "every sample is zero: silence has no best window"),
        (write_antiphase, "the channels cancel each other: choose one with `channel`"),
        (write_sample(np.nan), r"sample 1234 \(0\.154 s\) of channel 1 is nan: repair the file"),
        (write_sample(-np.inf), r"sample 1234 \(0\.154 s\) of channel 1 is -inf: repair the file"),
    ],
)
def test_unusable_files(tmp_path: Path, write: Callable[[Path], None], message: str) -> None:
    path = tmp_path / "input"
    write(path)
    with pytest.raises(InputError, match=f"^{re.escape(str(path))}: {message}"):
        load(path)


def test_nan_is_placed_in_the_file_whatever_is_read_of_it(tmp_path: Path) -> None:
    path = tmp_path / "nan.wav"
    write_sample(np.nan)(path)
    with pytest.raises(InputError, match=r"sample 1234 .* of channel 1 is nan"):
        load(path, channel=1, offset=0.1)
    late = tmp_path / "late.wav"
    samples = np.full(2**18 + 8, 0.5, np.float32)  # more than one block
    samples[-1] = np.nan
    soundfile.write(late, samples, RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=rf"sample {2**18 + 7} \(32\.769 s\) of channel 0 is nan"):
        load(late)
    with load(path, channel=0) as signal:
        assert signal.length == RATE


def test_a_file_without_permission(
    wav: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # as root every mode can be read
    def refuse(*args: object, **kwargs: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(InputError, match=r"two channels\.wav: no permission to read it: check its"):
        load(wav)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channel": 5}, "channel 5 of a file with 2 channels: use 0..1, mix or all"),
        ({"channel": -1}, "channel -1 is none: use mix, all or a number from 0"),
        ({"channel": "left"}, "channel 'left' is none: use mix, all or a number"),
        ({"channel": True}, "channel True is none"),
        ({"sample_rate": 0}, "sample rate 0 Hz is not above 0: raise `sr`"),
        (
            {"sample_rate": 10**9},
            "1000000000 Hz is more than 256 times away .* `sr` between 31 and",
        ),
        ({"offset": -0.5}, "offset -0.5 s is not a time from 0 on: change `offset`"),
        ({"offset": float("nan")}, "offset nan s is not a time"),
        ({"duration": 0.0}, "duration 0 s is not a time above 0: raise `duration`"),
        ({"duration": float("inf")}, "duration inf s is not a time above 0"),
    ],
)
def test_arguments_out_of_range(wav: Path, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        load(wav, **arguments)


@pytest.mark.parametrize("offset", [1, 3])
def test_an_offset_beyond_the_end(wav: Path, offset: float) -> None:
    message = rf"offset {offset} s is not before its end \(1 s\): lower `offset`"
    with pytest.raises(InputError, match=message):
        load(wav, offset=offset)


def test_a_mono_file_has_channel_0_only(tmp_path: Path) -> None:
    path = tmp_path / "mono.wav"
    soundfile.write(path, stereo()[:, 0], RATE)
    with pytest.raises(UsageError, match="channel 1 of a file with 1 channel: use 0, mix or all"):
        load(path, channel=1)


def test_resampling_to_less_than_a_sample(tmp_path: Path) -> None:
    path = tmp_path / "short.wav"
    soundfile.write(path, [0.5, 0.5], RATE)
    with pytest.raises(InputError, match="less than one sample is left at 40 Hz: raise `sr`"):
        load(path, sample_rate=40)


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


class Failing(io.RawIOBase):
    def isatty(self) -> bool:
        return False

    def read(self, size: int = -1, /) -> bytes:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (Terminal(), "^standard input is a terminal: pipe a WAV into it or name a file$"),
        (io.BytesIO(), r"^standard input: is empty \(0 bytes\)"),
        (Failing(), r"^standard input: cannot be read \(Input/output error\)"),
        (io.BytesIO(b"text" * 99), r"^standard input: is not audio that can be read"),
    ],
)
def test_unusable_standard_input(stdin: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load("-", stdin=stdin)


def test_closed_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(InputError, match=r"^standard input is closed: pipe a WAV into it or name"):
        load("-")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("-rf.wav", "-rf.wav"),
        ("two words 🎵.wav", "two words 🎵.wav"),
        ("line\nbreak", r"line\nbreak"),
        (os.fsdecode(b"caf\xe9"), r"caf\udce9"),
    ],
)
def test_odd_names_load_and_stay_on_one_line(
    wav: Path, tmp_path: Path, name: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=f"^{re.escape(shown)}: no such file") as caught:
        load(name)
    assert str(caught.value).encode().decode().count("\n") == 0
    wav.rename(tmp_path / name)
    with load(name) as signal:
        assert (signal.path, signal.length) == (name, RATE)
