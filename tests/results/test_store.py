"""Zarr folders: frames in, [F, T] out, for xarray too; and what is damaged or foreign in them."""

import json
import os
import shutil
import sys

import numpy as np
import pytest

from dstft_cli.errors import InputError, UsageError
from dstft_cli.results import OutputDirectory, open_stft
from dstft_cli.results import store as stores
from dstft_cli.results.place import size_of
from dstft_cli.results.store import ZarrStream, open_zarr, zarr_library

xarray = pytest.importorskip("xarray")
pytest.importorskip("zarr")


def write(path, array, step=3):
    """The array [..., T], frame by frame."""
    axes = {"frequency": np.arange(array.shape[-2]) * 10.0, "time": np.arange(array.shape[-1]) / 4}
    with ZarrStream(path, array.shape, array.dtype, axes, {"n_fft": 8}) as stream:
        for start in range(0, array.shape[-1], step):
            stream.write(np.ascontiguousarray(array[..., start : start + step].T))
    return path


def example(shape, dtype="complex64"):
    values = np.random.default_rng(0).standard_normal((2, *shape))
    return (values[0] + (1j * values[1] if dtype == "complex64" else 0)).astype(dtype)


@pytest.mark.parametrize("dtype", ["float16", "complex64"])
@pytest.mark.parametrize("shape", [(5, 23), (2, 5, 23), (5, 1)])
def test_what_was_written_is_read(tmp_path, monkeypatch, dtype, shape):
    monkeypatch.setattr(stores, "CHUNK_BYTES", 7 * 5 * 2)  # several chunks, the last one not full
    array = example(shape, dtype)
    path = write(tmp_path / "stft.zarr", array)
    found = xarray.open_zarr(path)
    np.testing.assert_array_equal(found.stft.values, array)
    assert (found.stft.dtype, found.attrs) == (array.dtype, {"n_fft": 8})
    assert found.stft.dims == ("channel", "frequency", "time")[-len(shape) :]
    assert (found.time.units, found.frequency.units) == ("s", "Hz")
    chunk = open_zarr(path).chunks
    assert chunk[:-1] == shape[:-1]
    assert chunk[-1] < shape[-1] or shape[-1] == 1
    assert size_of(path) == sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
    if dtype == "complex64":
        with open_stft(path) as stored:
            assert stored.shape == shape
            block = np.moveaxis(stored.frames(1, 20), 1, -1)
        np.testing.assert_array_equal(block.reshape(*shape[:-1], -1), array[..., 1:20])


def test_damaged_folders(tmp_path, monkeypatch):
    monkeypatch.setattr(stores, "CHUNK_BYTES", 4 * 5 * 8)
    whole = write(tmp_path / "whole" / "stft.zarr", example((5, 23)))
    chunks = whole / "stft" / "c" / "0"

    def edit(path, key, value):
        meta = json.loads((path / "zarr.json").read_text())  # of all arrays
        of = meta["consolidated_metadata"]["metadata"]["stft"]
        of[key] = value(of[key])
        (path / "zarr.json").write_text(json.dumps(meta))

    def chunk(path, change):
        place = path / "stft" / "c" / "0" / "2"
        data = place.read_bytes()
        place.unlink()
        place.write_bytes(change(data)) if callable(change) else change[0](*change[1:], place)

    (tmp_path / "outside").write_bytes((chunks / "2").read_bytes())
    zlib = {"name": "numcodecs.zlib", "configuration": {"level": 1}}
    grid = {"name": "regular", "configuration": {"chunk_shape": [5, 1 << 40]}}
    for damage, message in (
        (lambda path: shutil.rmtree(path / "stft"), "frame 0 holds NaN"),
        (lambda path: (path / "zarr.json").write_text("{"), "is damaged"),
        (lambda path: (path / "zarr.json").write_text(" " * (1 << 20) + "{}"), "is damaged"),
        (lambda path: edit(path, "codecs", lambda codecs: [*codecs[:-1], zlib]), "is damaged"),
        (lambda path: edit(path, "codecs", lambda codecs: codecs[:-1]), "is damaged"),
        (lambda path: edit(path, "chunk_grid", lambda _: grid), "is damaged"),
        (lambda path: edit(path, "shape", lambda _: [1 << 40, 23]), "is damaged"),
        (lambda path: chunk(path, lambda data: b"cut"), "is damaged"),
        (lambda path: chunk(path, lambda data: data[:-1]), "is damaged"),
        (lambda path: chunk(path, lambda data: data[:4] + b"\0\0\0\x7f" + data[8:]), "is damaged"),
        (lambda path: chunk(path, lambda data: data[:-9] + b"\0" + data[-8:]), "is damaged"),
        (lambda path: chunk(path, (os.symlink, tmp_path / "outside")), "is damaged"),
        (lambda path: chunk(path, (os.mkfifo,)), "is damaged"),
        (lambda path: (path / "stft" / "c" / "0" / "2").unlink(), "frame 8 holds NaN"),
    ):
        path = tmp_path / "stft.zarr"
        shutil.copytree(whole, path)
        damage(path)
        with pytest.raises(InputError, match=message), open_stft(path) as stored:
            [stored.frames(start, start + 4) for start in (0, 4, 8)]
        shutil.rmtree(path)
    assert len(list(chunks.iterdir())) == 6
    write(tmp_path / "real" / "stft.zarr", example((5, 9), "float32"))
    with pytest.raises(InputError, match="holds float32"), open_stft(tmp_path / "real/stft.zarr"):
        pass


def test_a_folder_is_replaced_if_it_holds_chunks_alone(tmp_path):
    place = tmp_path / "d"

    def fill(force):
        with OutputDirectory(place, force=force) as out:
            write(out.path("spectrogram.zarr"), example((5, 9), "float32"))
            out.path("result.json").write_text(json.dumps({"version": "0", "outputs": {}}))

    fill(False)
    fill(True)
    (place / "spectrogram.zarr" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds 'spectrogram\.zarr', which dstft did not write"):
        fill(True)
    assert (place / "spectrogram.zarr" / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize("name", ["zarr", "xarray"])
def test_a_missing_library_is_one_line(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match=r"dstft-cli\[store\]"):
        zarr_library()
