"""Samples in memory and in a temporary file are the same samples."""

import errno
import io
import os
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from dstft_cli.audio import SpooledSamples, load
from dstft_cli.errors import InputError, OutputError

from .recordings import RATE, stereo


@pytest.fixture
def spooled(wav):
    with load(wav, channel="all", memory_limit=1000) as signal:
        yield signal.samples


def test_above_the_limit_samples_are_spooled(wav):
    size = 2 * RATE * 4
    with load(wav, channel="all", memory_limit=size) as memory:
        assert isinstance(memory.samples, np.ndarray)
        with load(wav, channel="all", memory_limit=size - 1) as spooled:
            assert isinstance(spooled.samples, SpooledSamples)
            assert spooled.samples.shape == (2, RATE)
            assert spooled.peak == memory.peak
            np.testing.assert_array_equal(spooled.samples[:, :], memory.samples)
            np.testing.assert_array_equal(spooled.samples[1:, 5:9], memory.samples[1:, 5:9])


def test_many_blocks_are_joined_in_order(tmp_path):
    path = tmp_path / "long.wav"
    samples = np.random.default_rng(2).uniform(-1, 1, (2 * 2**17 + 77, 2)).astype(np.float32)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    for limit in (2**30, 2**20 + 8, 0):  # in memory; spilled at the second block; from the first
        with load(path, channel="all", memory_limit=limit) as signal:
            np.testing.assert_array_equal(signal.samples[:, :], samples.T)


WINDOWS_LACKS = ("pread", "O_NONBLOCK", "set_blocking")


@pytest.mark.parametrize("missing", [(), WINDOWS_LACKS], ids=["here", "windows"])
def test_threads_read_at_once(missing, monkeypatch, request):
    for name in missing:
        monkeypatch.delattr(os, name)
    spooled = request.getfixturevalue("spooled")
    starts = np.random.default_rng(3).integers(0, RATE - 100, 400)
    barrier = threading.Barrier(4)

    def wrong(part: NDArray[np.int64]) -> int:
        barrier.wait()
        expected = stereo().T
        return sum(
            not np.array_equal(spooled[:, a : a + 99], expected[:, a : a + 99]) for a in part
        )

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(wrong, np.split(starts, 4))) == [0, 0, 0, 0]


def test_no_file_is_left_open(wav, tmp_path):
    broken = tmp_path / "nan.wav"
    samples = stereo(2**18)
    samples[-1] = np.nan
    soundfile.write(broken, samples, RATE, subtype="FLOAT")

    def open_files() -> int:
        return len(os.listdir("/dev/fd"))

    before = open_files()
    load(wav, memory_limit=0).close()
    assert open_files() == before
    load(wav, memory_limit=0)  # and not closed
    with wav.open("rb") as stdin, load("-", stdin=stdin):
        pass
    assert open_files() == before
    data = io.BytesIO(broken.read_bytes())
    with pytest.raises(InputError, match="is nan") as from_file:
        load(broken, memory_limit=0)
    with pytest.raises(InputError, match="is nan") as from_stream:
        load("-", stdin=data, memory_limit=0)
    # these frames keep alive what was not closed
    assert from_file.tb is not from_stream.tb
    assert open_files() == before


def test_no_room_names_the_remedy(wav, monkeypatch):
    def full(fd: int, data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    data = io.BytesIO(wav.read_bytes())
    monkeypatch.setattr(os, "write", full)
    for options in ({"memory_limit": 0}, {"stdin": data}):
        with pytest.raises(
            OutputError, match=r"cannot keep the samples in .* \(No space .* TMPDIR"
        ):
            load("-" if "stdin" in options else wav, **options)
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/place")
    with pytest.raises(OutputError, match=r"cannot keep the samples in /no/such/place .* TMPDIR"):
        load(wav, memory_limit=0)
