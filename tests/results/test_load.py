"""`dstft_cli.load`: what a run wrote, as arrays with coordinates, whatever was saved and how."""

import numpy as np
import pytest

import dstft_cli
from dstft_cli.errors import InputError
from tests.contract.support import RATE, run, write_sound
from tests.docs.pages import blocks

TIME = ("--window-mode", "time", "--n-fft", "256", "--no-figures", "-q")


@pytest.mark.parametrize("store", ["npy", "zarr"])
def test_arrays_have_the_axes_of_the_recording(folder, store):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    options = ["--store", store, "--channel", "all", "--offset", "0.1", "--no-figures", "-q"]
    run("optimize", "ab.wav", *options, "--save-stft", "--npy-hop", "20ms", "-o", "d")
    found = dstft_cli.load("d")
    assert isinstance(found.spectrogram, np.memmap) == (store == "npy")
    C, F, T = found.spectrogram.shape
    assert (2, len(found.times)) == (C, T)
    assert found.stft.shape == (2, F, len(found.parameters.times))
    assert found.stft.shape[2] > T
    assert found.times[0] == found.parameters.times[0] == 0.1
    assert found.times[-1] > found.attrs["input"]["seconds"] - 0.02 + 0.1
    np.testing.assert_allclose(found.frequencies, np.linspace(0, RATE / 2, F))
    data = found.to_xarray()
    for name, time in (("spectrogram", "time"), ("stft", "stft_time")):
        assert data[name].dims == ("channel", "frequency", time)
        np.testing.assert_array_equal(data[name].values, np.asarray(getattr(found, name)[...]))
        assert data[time].units == "s"
    assert data.window_length.dims == ("tile_frequency", "tile_time")
    assert data.window_length.shape == found.window_length.shape
    assert (data.window_length.units, data.tile_frequency.units) == ("samples", "Hz")
    assert float(data.tile_time[0]) >= 0.1
    if store == "zarr":  # the folder alone, without dstft
        alone = xarray.open_zarr("d/spectrogram.zarr")
        np.testing.assert_array_equal(alone.time, found.times)
        assert alone.attrs["n_fft"] == found.parameters.n_fft


def test_what_was_not_saved_is_none_or_told(folder):
    run("optimize", "ab.wav", *TIME, "--save", "parameters", "-o", "few")
    found = dstft_cli.load(folder / "few")
    assert (found.spectrogram, found.stft) == (None, None)
    assert found.window_length.shape[1] == len(found.times) > 1
    run("optimize", "ab.wav", *TIME, "--save", "spectrogram", "-o", "bare")
    for name, message in (("bare", "parameters.npz does not exist"), ("gone", "no such directory")):
        with pytest.raises(InputError, match=message):
            dstft_cli.load(folder / name)
    path = folder / "few/spectrogram.npy"
    np.save(path, np.zeros((7, 9), np.float32))
    for damaged in (b"text", path.read_bytes().replace(b"9)", b"9 ")):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"spectrogram\.npy is not"):
            dstft_cli.load(folder / "few")
    for shape in ((5,), (7, 9), (len(found.frequencies), 0)):
        np.save(folder / "few/spectrogram.npy", np.zeros(shape, np.float32))
        with pytest.raises(InputError, match=r"spectrogram\.npy does not fit"):
            dstft_cli.load(folder / "few")


def test_the_examples_of_the_docs_run(folder):
    burst = 0.01 * np.random.default_rng(0).standard_normal(RATE)
    burst[3000:4000] *= 50
    write_sound(folder / "c.wav", burst.astype(np.float32))
    run("optimize", "c.wav", *TIME, "-o", "c-dstft")
    scope: dict[str, object] = {}
    for example in blocks("python", "settings.md"):
        exec(example, scope)
    lines = (folder / "c.selections.txt").read_text().splitlines()
    assert lines[0].split("\t")[3] == "Begin Time (s)"
    (row,) = (line.split("\t") for line in lines[1:])
    assert [float(cell) for cell in row[3:5]] == pytest.approx([3000 / RATE, 4000 / RATE], abs=0.03)
