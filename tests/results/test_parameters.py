"""parameters.npz read back, and refused where it lies, without memory for what is not there."""

import io
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dstft_cli.errors import InputError
from dstft_cli.results import read_parameters, write_parameters
from results.example import CONSTANT, VARYING, K, a_result
from results.example import npy_header as header

NAMES = [
    *("window_length", "frame_centers", "hop_lengths", "times", "frequencies", "sample_rate"),
    *("n_fft", "samples", "window", "normalization", "trajectory_criterion"),
    *("trajectory_window_length", "trajectory_hop_length"),
]


def test_parameters_of_one_length(tmp_path):
    result = a_result(CONSTANT)
    write_parameters(tmp_path / "parameters.npz", result)
    with np.load(tmp_path / "parameters.npz", allow_pickle=False) as npz:
        stored = dict(npz)
    assert sorted(stored) == sorted([*NAMES, "offset"])
    for name in ("window_length", "frame_centers", "hop_lengths", "times", "frequencies"):
        assert stored[name].dtype == np.float64
        np.testing.assert_array_equal(stored[name], getattr(result, name))
    assert stored["sample_rate"] == 8000.0
    assert stored["n_fft"] == K
    assert stored["n_fft"].dtype == np.int64
    assert (stored["samples"], stored["samples"].dtype) == (20, np.int64)
    for name, word in (("window", "hann"), ("normalization", "energy")):
        assert stored[name].shape == ()
        assert stored[name].dtype.kind == "U"
        assert stored[name] == word
    assert stored["trajectory_criterion"].tolist() == [3.5, 1 / 3, 0.1 + 0.2]
    assert stored["trajectory_window_length"].tolist() == [[[32.0]], [[48.5]], [[48.5]]]
    assert stored["trajectory_hop_length"].tolist() == [[4.0]] * 3


def test_steps_of_one_length_spread_over_the_shape_of_the_result(tmp_path):
    for shape in ((1, 5), (33, 1), (33, 5)):
        lengths = np.linspace(10, 64, shape[0] * shape[1]).reshape(shape)
        write_parameters(tmp_path / "p.npz", a_result(lengths))
        with np.load(tmp_path / "p.npz", allow_pickle=False) as npz:
            steps = npz["trajectory_window_length"]
        assert steps.dtype == np.float32
        expected = [np.full(shape, 32), np.full(shape, 48.5), lengths.astype("f4")]
        np.testing.assert_array_equal(steps, expected)
        np.testing.assert_array_equal(read_parameters(tmp_path / "p.npz").window_length, lengths)


def test_hop_lengths_per_frame(tmp_path):
    hops = (np.array([4.0]), np.array([4.0]), np.array([3.0, 4.0, 5.0, 4.5]))
    result = a_result(VARYING, centers=np.array([0, 3.0, 7.0, 12.0, 16.5]), hops=hops)
    write_parameters(tmp_path / "p.npz", result)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as npz:
        assert npz["trajectory_hop_length"].tolist() == [[4.0] * 4, [4.0] * 4, [3.0, 4.0, 5.0, 4.5]]
    back = read_parameters(tmp_path / "p.npz")
    for name in ("window_length", "frame_centers", "hop_lengths", "times", "frequencies"):
        np.testing.assert_array_equal(getattr(back, name), getattr(result, name))
    assert (back.sample_rate, back.n_fft, back.samples) == (8000.0, K, 20)
    assert (back.window, back.normalization) == ("hann", "energy")


def test_memory_does_not_grow_with_the_steps(tmp_path):
    T = 100_000
    lengths = np.linspace(10, 64, T)[None]
    result = a_result(lengths, T=T, steps=(CONSTANT,) * 40)
    tracemalloc.start()
    write_parameters(tmp_path / "p.npz", result)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    with np.load(tmp_path / "p.npz", allow_pickle=False) as npz:
        assert npz["trajectory_window_length"].shape == (40, 1, T)
    assert peak < 10 * lengths.nbytes  # all steps at once are twice that


def edited(path: Path, **changes: Any) -> Path:
    """parameters.npz with arrays replaced, or left out where the change is None."""
    write_parameters(path, a_result(VARYING))
    with np.load(path, allow_pickle=False) as npz:
        arrays = {**dict(npz), **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


WRONG: list[tuple[dict[str, Any], str, str]] = [
    *[({name: None}, name, "is missing") for name in NAMES if not name.startswith("trajectory")],
    ({"window": "triangle"}, "window", "not one of hann"),
    ({"normalization": "peak"}, "normalization", "not one of energy"),
    ({"samples": 20.5}, "samples", "not an integer above 0"),
    ({"samples": 0}, "samples", "not an integer above 0"),
    ({"samples": 15}, "frame_centers", "outside [0, 15]"),
    ({"samples": 2**50}, "samples", "far beyond"),
    ({"frame_centers": np.arange(-1.0, 4)}, "frame_centers", "outside [0, 20]"),
    ({"frame_centers": np.zeros((1, 5))}, "frame_centers", "shape (1, 5)"),
    ({"frame_centers": np.zeros(0)}, "frame_centers", "empty"),
    ({"frame_centers": np.zeros(5)}, "frame_centers", "not increase"),
    ({"n_fft": np.array([64, 64])}, "n_fft", "not one value"),
    ({"n_fft": 64.5}, "n_fft", "not an integer"),
    ({"n_fft": 2**40}, "n_fft", "not an integer of 1 to"),
    ({"sample_rate": -1.0}, "sample_rate", "not a number above 0"),
    ({"sample_rate": np.nan}, "sample_rate", "not a number above 0"),
    ({"times": np.full(5, np.inf)}, "times", "not finite"),
    ({"times": np.zeros(4)}, "times", "shape (4,)"),
    ({"frequencies": np.zeros(5)}, "frequencies", "shape (5,)"),
    ({"hop_lengths": np.zeros(5)}, "hop_lengths", "shape (5,)"),
    ({"window_length": np.ones(5)}, "window_length", "shape (5,)"),
    ({"window_length": np.ones((1, 4))}, "window_length", "shape (1, 4)"),
    ({"window_length": np.full((1, 1), 65.0)}, "window_length", "outside [2, 64]"),
    ({"window_length": np.full((1, 1), 1e-300)}, "window_length", "outside [2, 64]"),
]


def test_parameters_that_are_wrong(tmp_path):
    for changes, name, message in WRONG:
        path = edited(tmp_path / "p.npz", **changes)
        with pytest.raises(InputError, match=f"'{name}' .*{re.escape(message)}|'{name}' {message}"):
            read_parameters(path)


def test_files_that_are_no_npz(tmp_path):
    path = tmp_path / "p.npz"
    with pytest.raises(InputError, match=r"p.npz does not exist: run"):
        read_parameters(path)
    write_parameters(path, a_result(VARYING))
    whole = path.read_bytes()
    lone = io.BytesIO()
    np.save(lone, VARYING)
    unpacked = whole[:200] + bytes(byte ^ 0x5A for byte in whole[200:300]) + whole[300:]
    with zipfile.ZipFile(path) as archive:
        first = archive.infolist()[0]
    start = whole.index(first.filename.encode()) + len(first.filename) + 20  # the zip64 field
    not_deflate = whole[:start] + b"\xff" + whole[start + 1 :]
    cut = whole[: len(whole) // 2]
    for data in (b"", b"text", lone.getvalue(), cut, unpacked, not_deflate):
        path.write_bytes(data)
        with pytest.raises(InputError, match="of dstft or is damaged"):
            read_parameters(path)
    with pytest.raises(InputError, match="is not a file"):
        read_parameters(tmp_path)


def with_members(path: Path, **changes: bytes) -> Path:
    """parameters.npz with some of its arrays replaced."""
    write_parameters(path, a_result(VARYING))
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    members |= {f"{name}.npy": data for name, data in changes.items()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return path


LIES = [
    ("window_length", header("(1, 99999999999999)")),
    ("window_length", header("(1, -5)") + bytes(40)),
    ("window_length", header("(1, 5)", "|O") + bytes(40)),
    ("window_length", header("(1, 5)") + bytes(39)),
    ("window_length", header("(1, 5)") + bytes(48)),
    ("window_length", header("(1, 5)", version=b"\x02\x00") + bytes(40)),
    ("window_length", header("(1, 5)", version=b"\x09\x00") + bytes(40)),
    ("window_length", header("(" * 9000)),
    ("window_length", header("(1, 5L)") + bytes(40)),
    ("window_length", header("(1, 5)", "<f7") + bytes(40)),
    ("window_length", b""),
    ("window", header("()", "<U999999") + bytes(4 * 999999)),
    ("window", header("()", "<i8") + bytes(8)),
    ("times", header("(5,)", "<U1") + bytes(20)),
    ("frame_centers", header("(3000000,)") + bytes(24_000_000)),
]


def test_arrays_that_lie(tmp_path):
    for name, data in LIES:
        path = with_members(tmp_path / "p.npz", **{name: data})
        with pytest.raises(InputError) as caught:
            read_parameters(path)
        assert "\n" not in str(caught.value)


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    """All shapes fit each other: four million frames, in a file a thousand times smaller."""
    T = 4_000_000
    shapes = {"frame_centers": T, "times": T, "hop_lengths": T - 1}
    large = {name: header(f"({size},)") + bytes(8 * size) for name, size in shapes.items()}
    one = header("(1, 1)") + np.float64(32.0).tobytes()
    path = with_members(tmp_path / "p.npz", window_length=one, **large)
    assert path.stat().st_size < 500_000
    del large
    tracemalloc.start()
    with pytest.raises(InputError, match="'frame_centers' does not increase"):
        read_parameters(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * T / 10
