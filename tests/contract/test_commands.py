"""The module as a command, exit codes; the public Python names; the examples of settings."""

import io

import numpy as np
import pytest

import dstft_cli
from dstft_cli import Result, StopReason, optimize

from .support import RATE, ROOT, process, read, run


def test_the_module_is_the_command(folder):
    options = ["--window-mode", "fixed", "--n-fft", "256", "--hop-length", "64", "--npy", "-"]
    with open("a.wav", "rb") as source:
        done = process("optimize", "-", *options, stdin=source)
    assert (done.returncode, done.stderr) == (0, b"")
    assert np.load(io.BytesIO(done.stdout)).shape == (129, 51)
    done = process("nonsuch")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"dstft: ")
    assert done.stderr.count(b"\n") == 1


def test_public_names_and_the_python_function(x):
    for name in dstft_cli.__all__:
        assert hasattr(dstft_cli, name), name
    assert issubclass(dstft_cli.UsageError, dstft_cli.DstftError)
    assert issubclass(dstft_cli.InputError, dstft_cli.DstftError)
    assert {reason.value for reason in StopReason} >= {"fixed", "search", "converged", "step_limit"}
    result = optimize(x, RATE, window_mode="time", n_fft=256, hop_length=32, scope="plane")
    assert isinstance(result, Result)
    assert (result.window_length.shape, result.frame_centers.shape) == ((1, 101), (101,))
    assert result.stop_reason in set(StopReason)
    with pytest.raises(AttributeError):
        result.n_fft = 3


def test_optimize_filters_as_the_command_line_does():
    time = np.arange(4000) / 8000
    tone = 0.3 * np.sin(2 * np.pi * 1000 * time)
    options = {"n_fft": 256, "window_mode": "fixed", "scope": "plane", "dtype": "float64"}
    without = optimize(tone, 8000, **options).criterion.final
    offset = optimize(tone + 0.5, 8000, highpass="80Hz", **options).criterion.final
    assert abs(offset - without) < 0.03
    assert abs(optimize(tone + 0.5, 8000, **options).criterion.final - without) > 0.06
    with pytest.raises(dstft_cli.UsageError):
        optimize(tone, 8000, highpass=5000, **options)


def test_the_examples_of_settings_run(folder):
    names = {path.stem for path in (ROOT / "configs").glob("*.yaml")} - {"batch"}
    assert len(names) >= 4
    for name in sorted(names):
        config = ROOT / f"configs/{name}.yaml"
        options = ["--duration", "0.3", "-o", name, "--no-figures", "-q"]
        run("optimize", "a.wav", "--config", config, *options)
        assert read(name).final <= read(name).record["criterion"]["start"], name
