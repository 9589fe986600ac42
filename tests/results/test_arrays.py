"""NpyStream and open_stft: frames in, [F, T] out, through files and pipes, in memory that does not grow."""

import io
import os
import tracemalloc
from typing import BinaryIO, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.errors import InputError, OutputError
from dstft_cli.results import MeanFrames, NpyStream, mean_frames, open_stft
from results.example import npy_header

DTYPES = ["float32", "float64", "complex64", ">f4", "int16"]


def example(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Values that differ everywhere, so that a swapped axis shows."""
    numbers = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    return (numbers * (1 - 2j) if dtype == "complex64" else numbers).astype(dtype)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.lists(st.integers(0, 7), min_size=2, max_size=3).map(tuple),
    dtype=st.sampled_from(DTYPES),
    cuts=st.lists(st.integers(0, 7), max_size=5),
)
def test_what_was_written_is_read(shape, dtype, cuts):
    array = example(shape, dtype)
    file = io.BytesIO()
    with NpyStream(file, shape, dtype) as stream:
        for block in np.split(array.T, sorted(min(cut, shape[-1]) for cut in cuts)):
            stream.write(block)
    back = np.load(io.BytesIO(file.getvalue()), allow_pickle=False)
    assert back.shape == shape
    assert back.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(back, array)


def test_memory_does_not_grow_with_the_number_of_frames():
    block = np.zeros((64, 513), np.float32)
    with open(os.devnull, "wb") as file, NpyStream(file, (513, 64 * 500), np.float32) as stream:
        tracemalloc.start()
        for _ in range(500):
            stream.write(block)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 2 * block.nbytes


def test_frames_are_counted_across_blocks():
    stream = NpyStream(io.BytesIO(), (3, 4), "float32")
    stream.write(np.zeros((3, 3), "f4"))
    with pytest.raises(ValueError, match=r"^3 of 4 frames written: the array is incomplete$"):
        stream.close()
    stream.write(np.zeros((1, 3), "f4"))
    stream.close()
    with pytest.raises(RuntimeError, match="boom"), NpyStream(io.BytesIO(), (3, 4), "f4"):
        raise RuntimeError("boom")  # not hidden by missing frames


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
def test_a_full_disk_is_one_line():
    message = "^disk full while writing stft.npy: "
    with open("/dev/full", "wb", buffering=0) as raw, pytest.raises(OutputError, match=message):
        NpyStream(cast(BinaryIO, raw), (3, 4), "float32", name="stft.npy")
    file = open("/dev/full", "wb")  # noqa: SIM115, closing it fails, which is the point
    stream = NpyStream(file, (3, 4), "float32")
    stream.write(np.zeros((4, 3), "f4"))
    with pytest.raises(OutputError, match=r"disk full while writing the .npy array: free some"):
        stream.close()
    with pytest.raises(OSError, match="No space left"):
        file.close()


def test_a_transform_comes_back_in_blocks(tmp_path):
    for shape in ((3, 4), (2, 3, 4)):
        array = example(shape, "complex64")
        with open(tmp_path / "stft.npy", "wb") as file, NpyStream(file, shape, "complex64") as out:
            out.write(np.ascontiguousarray(array.T))
        with open_stft(tmp_path / "stft.npy") as stored:
            assert (stored.shape, stored.channels) == (shape, 1 if len(shape) == 2 else 2)
            blocks = [stored.frames(start, start + 3) for start in (0, 3)]
        back = np.moveaxis(np.concatenate(blocks, axis=1), 1, -1)
        np.testing.assert_array_equal(back.reshape(shape), array)


def test_transforms_that_lie(tmp_path):
    with pytest.raises(InputError, match="does not exist"), open_stft(tmp_path / "gone.npy"):
        pass
    with pytest.raises(InputError, match="is not a file"), open_stft(tmp_path):
        pass
    for head, message in (
        (npy_header("(0, 33, 5)", "<c8"), r"of shape \(0, 33, 5\)"),
        (npy_header("(99999, 33, 5)", "<c8"), "is damaged"),
        (npy_header("(33, 5)", "<f4"), "holds float32"),
        (npy_header("(33, 99999999999999)", "<c8"), "is damaged"),
        (npy_header("(-33, -5)", "<c8"), "is damaged"),
        (npy_header("(33, 5)", "|O"), "holds object"),
        (npy_header("(33, 5)", "<c8", b"\x02\x00"), "is damaged"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "is damaged"),
        (b"", "is damaged"),
        (b"text", "is damaged"),
    ):
        (tmp_path / "stft.npy").write_bytes(head + bytes(2000) * bool(head))
        with pytest.raises(InputError, match=message), open_stft(tmp_path / "stft.npy"):
            pass


def test_frames_that_are_no_sound(tmp_path):
    for value, dtype in ((np.nan, "complex64"), (-np.inf, "complex64"), (1e300j, "complex128")):
        array = example((3, 4), dtype)
        array[1, 2] = value
        np.save(tmp_path / "stft.npy", array)
        with open_stft(tmp_path / "stft.npy") as stored:
            stored.frames(0, 2)
            with pytest.raises(InputError, match="frame 2 holds NaN"):
                stored.frames(1, 4)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7, 40])
@pytest.mark.parametrize("block", [1, 5, 64])
def test_each_mean_reaches_halfway_to_its_neighbours(step, block):
    frames = 31
    values = np.random.default_rng(step).uniform(size=(frames, 3, 2))
    count = mean_frames(frames, step)
    share = np.zeros((count, frames))
    for i in range(frames):
        below, above = np.floor(i / step + 0.5 - 1e-9), np.floor(i / step + 0.5 + 1e-9)
        for j in (below, above):
            share[int(min(j, count - 1)), i] += 0.5
    share /= share.sum(1, keepdims=True)
    expected = np.sqrt(np.einsum("ji,i...->j...", share, values**2))
    values = values.astype(np.float32)
    means = MeanFrames(frames, step)
    found = np.concatenate([means.add(values[i : i + block]) for i in range(0, frames, block)])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
