"""parameters.npz read back, and refused where it is not what was written."""

import io
import re
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from writers_example import CONSTANT, VARYING, K, a_result

from dstft_cli.errors import InputError
from dstft_cli.results import read_parameters, write_parameters

NAMES = [
    "window_length",
    "frame_centers",
    "hop_lengths",
    "times",
    "frequencies",
    "sample_rate",
    "n_fft",
    "samples",
    "window",
    "normalization",
    "trajectory_criterion",
    "trajectory_window_length",
    "trajectory_hop_length",
]


def test_parameters_of_one_length(tmp_path: Path) -> None:
    result = a_result(CONSTANT)
    write_parameters(tmp_path / "parameters.npz", result)
    with np.load(tmp_path / "parameters.npz", allow_pickle=False) as npz:
        stored = dict(npz)
    assert sorted(stored) == sorted(NAMES)
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


@pytest.mark.parametrize("shape", [(1, 5), (33, 1), (33, 5)])
def test_steps_of_one_length_spread_over_the_shape_of_the_result(
    tmp_path: Path, shape: tuple[int, int]
) -> None:
    lengths = np.linspace(10, 64, shape[0] * shape[1]).reshape(shape)
    write_parameters(tmp_path / "p.npz", a_result(lengths))
    with np.load(tmp_path / "p.npz", allow_pickle=False) as npz:
        steps = npz["trajectory_window_length"]
    assert steps.dtype == np.float32
    expected = [np.full(shape, 32), np.full(shape, 48.5), lengths.astype("f4")]
    np.testing.assert_array_equal(steps, expected)
    np.testing.assert_array_equal(read_parameters(tmp_path / "p.npz").window_length, lengths)


def test_steps_that_are_all_constant_under_a_varying_result(tmp_path: Path) -> None:
    write_parameters(tmp_path / "p.npz", a_result(VARYING, steps=(CONSTANT, CONSTANT)))
    with np.load(tmp_path / "p.npz", allow_pickle=False) as npz:
        np.testing.assert_array_equal(npz["trajectory_window_length"], np.full((2, 1, 5), 48.5))


def test_hop_lengths_per_frame(tmp_path: Path) -> None:
    hops = (np.array([4.0]), np.array([4.0]), np.array([3.0, 4.0, 5.0, 4.5]))
    result = a_result(VARYING, centers=np.array([0, 3.0, 7.0, 12.0, 16.5]), hops=hops)
    write_parameters(tmp_path / "p.npz", result)
    with np.load(tmp_path / "p.npz", allow_pickle=False) as npz:
        assert npz["trajectory_hop_length"].tolist() == [[4.0] * 4, [4.0] * 4, [3.0, 4.0, 5.0, 4.5]]
    back = read_parameters(tmp_path / "p.npz")
    assert back.hop_lengths.tolist() == [3.0, 4.0, 5.0, 4.5]


@pytest.mark.parametrize(("hop", "stored"), [([4.0], 4.0), ([], np.nan)])
def test_a_single_frame(tmp_path: Path, hop: list[float], stored: float) -> None:
    hops = (np.array(hop),) * 3
    write_parameters(tmp_path / "p.npz", a_result(CONSTANT, T=1, hops=hops))
    with np.load(tmp_path / "p.npz", allow_pickle=False) as npz:
        assert npz["hop_lengths"].shape == (0,)
        np.testing.assert_array_equal(npz["trajectory_hop_length"], np.full((3, 1), stored))
    assert read_parameters(tmp_path / "p.npz").frame_centers.tolist() == [0.0]


def test_parameters_come_back(tmp_path: Path) -> None:
    result = a_result(VARYING, centers=np.array([0, 3.0, 7.0, 12.0, 16.5]))
    write_parameters(tmp_path / "p.npz", result)
    back = read_parameters(tmp_path / "p.npz")
    for name in ("window_length", "frame_centers", "hop_lengths", "times", "frequencies"):
        np.testing.assert_array_equal(getattr(back, name), getattr(result, name))
    assert (back.sample_rate, back.n_fft, back.samples) == (8000.0, K, 20)
    assert (back.window, back.normalization) == ("hann", "energy")
    assert back.frequencies[-1] == 4000.0


def test_memory_does_not_grow_with_the_steps(tmp_path: Path) -> None:
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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"n_fft": None}, "lacks the array 'n_fft': run dstft optimize again"),
        ({"window_length": None}, "lacks the array 'window_length': run"),
        ({"samples": None}, "lacks the array 'samples': run"),
        ({"window": None}, "lacks the array 'window': run"),
        ({"normalization": None}, "lacks the array 'normalization': run"),
        ({"window": "triangle"}, "'window' is 'triangle', not one of hann, blackman, nuttall"),
        ({"window": 3}, "'window' is '3', not one of hann"),
        (
            {"normalization": "peak"},
            "'normalization' is 'peak', not one of energy, amplitude, none",
        ),
        ({"samples": 20.5}, "'samples' 20.5 is not an integer: run"),
        ({"samples": 0}, "'samples' is not one number above 0: run"),
        ({"samples": "many"}, "'samples' holds values that are not finite real numbers"),
        ({"samples": 15}, "'frame_centers' holds values outside [0, 15] samples: run"),
        ({"frame_centers": np.arange(-1.0, 4)}, "'frame_centers' holds values outside [0, 20]"),
        ({"n_fft": np.array([64, 64])}, "'n_fft' is not one number above 0: run"),
        ({"n_fft": 64.5}, "'n_fft' 64.5 is not an integer: run"),
        ({"sample_rate": -1.0}, "'sample_rate' is not one number above 0"),
        ({"sample_rate": np.nan}, "'sample_rate' holds values that are not finite real numbers"),
        ({"times": np.array(["a"] * 5)}, "'times' holds values that are not finite real"),
        ({"times": np.zeros(4)}, "'times' has shape (4,) where (5,) is expected"),
        ({"frequencies": np.zeros(5)}, "'frequencies' has shape (5,) where (33,) is expected"),
        ({"hop_lengths": np.zeros(5)}, "'hop_lengths' has shape (5,) where (4,) is expected"),
        ({"frame_centers": np.zeros((1, 5))}, "'frame_centers' has shape (1, 5) where (5,) is"),
        ({"frame_centers": np.zeros(0)}, "'frame_centers' is empty"),
        ({"frame_centers": np.zeros(5)}, "'frame_centers' does not increase"),
        ({"window_length": np.ones(5)}, "'window_length' has shape (5,), which does not broadcast"),
        (
            {"window_length": np.ones((1, 4))},
            "has shape (1, 4), which does not broadcast to (33, 5)",
        ),
        ({"window_length": np.full((1, 1), 65.0)}, "holds values outside [2, 64] samples"),
        ({"window_length": np.full((1, 1), 1e-300)}, "holds values outside [2, 64] samples"),
        ({"window_length": np.zeros((1, 1))}, "holds values outside [2, 64] samples"),
        ({"times": np.array([None] * 5)}, "is not an .npz of dstft or is damaged: run dstft"),
    ],
)
def test_parameters_that_are_wrong(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = edited(tmp_path / "p.npz", **changes)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_parameters(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_files_that_are_no_npz(tmp_path: Path) -> None:
    path = tmp_path / "p.npz"
    with pytest.raises(InputError, match=r"p.npz does not exist: name a directory that dstft"):
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
        with pytest.raises(InputError, match=r"p.npz is not an .npz of dstft or is damaged: run"):
            read_parameters(path)
    with pytest.raises(InputError, match=r"cannot read .*: "):
        read_parameters(tmp_path)
