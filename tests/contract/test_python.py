"""The public Python names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import dstft_cli
from dstft_cli import DSTFT, Result, StopReason, istft, optimize, stft_derivatives, window

from .support import COSINES, PLANE, RATE, criterion_of, run, stft_of, window_of

SETTINGS = {"n_fft": 256, "hop_length": 32, "scope": "plane"}


def test_names() -> None:
    for name in dstft_cli.__all__:
        assert hasattr(dstft_cli, name), name
    assert issubclass(dstft_cli.UsageError, dstft_cli.DstftError)
    assert issubclass(dstft_cli.InputError, dstft_cli.DstftError)
    assert {reason.value for reason in StopReason} >= {"fixed", "search", "converged", "step_limit"}


def test_optimize(x: np.ndarray) -> None:
    for mode, shape in (("constant", (1, 1)), ("time", (1, 101)), ("frequency", (129, 1))):
        result = optimize(x, RATE, window_mode=mode, **SETTINGS)
        assert isinstance(result, Result)
        assert result.window_length.shape == shape, mode
        assert result.frame_centers.shape == (101,), mode
        X = stft_of(x, result.frame_centers, result.window_length, 256)
        assert result.criterion.final == pytest.approx(
            criterion_of("entropy", abs(X) ** 2), rel=1e-4
        )
        assert result.stop_reason in set(StopReason)


def test_optimize_is_the_command(folder: object, x: np.ndarray) -> None:
    options = [
        *PLANE,
        *["--n-fft", "256", "--hop-length", "32", "--threads", "1", "--dtype", "float64"],
    ]
    told = run("optimize", "a.wav", "--window-mode", "time", *options, "--json").json["criterion"]
    result = optimize(x, RATE, window_mode="time", threads=1, dtype="float64", **SETTINGS)
    assert result.criterion.final == pytest.approx(told["final"], rel=1e-9)
    assert result.criterion.table_bound == pytest.approx(told["table_bound"], rel=1e-9)
    assert result.criterion.best_fixed == pytest.approx(told["best_fixed"]["value"], rel=1e-9)


def test_optimize_refuses(x: np.ndarray) -> None:
    for wrong in (
        {"n_fft": 2},
        {"window_mode": "nonsuch"},
        {"criterion": "nonsuch"},
        {"overlap": 2.0},
        {"n_fft": 128, "win_length": 200},
    ):
        with pytest.raises(dstft_cli.UsageError) as caught:
            optimize(x, RATE, **wrong)
        assert "\n" not in str(caught.value), wrong
    with pytest.raises(dstft_cli.DstftError):
        optimize(0 * x, RATE, **SETTINGS)


def test_result_is_frozen(x: np.ndarray) -> None:
    result = optimize(x, RATE, window_mode="fixed", **SETTINGS)
    with pytest.raises(AttributeError):
        result.n_fft = 3
    assert result.stop_reason is StopReason.FIXED


def test_window() -> None:
    u = torch.arange(-64, 64, dtype=torch.float64) - 0.3
    for name in COSINES:
        for normalization in ("energy", "amplitude", "none"):
            w = window(u, torch.tensor([[77.7]], dtype=torch.float64), name, normalization)
            wanted = window_of(u.numpy(), np.array([77.7]), name, normalization)
            np.testing.assert_allclose(w.numpy().ravel(), wanted, atol=1e-12)
    for name in ("gaussian", "kaiser"):
        w = window(u, torch.tensor([[77.7]], dtype=torch.float64), name, "none").ravel()
        assert w.max() == pytest.approx(1, abs=1e-2), name
        assert (w[u.abs() > 77.7 / 2] == 0).all(), name


def test_istft(x: np.ndarray) -> None:
    centers = np.arange(0, 3201, 32.0)
    for lengths in (np.array([[200.0]]), np.linspace(90, 250, len(centers))[None, :]):
        X = torch.from_numpy(stft_of(x, centers, lengths, 256))
        back = istft(X, torch.from_numpy(centers), torch.from_numpy(lengths), 256, len(x))
        np.testing.assert_allclose(back.numpy(), x, atol=1e-9)


def test_derivatives(x: np.ndarray) -> None:
    centers, lengths, step = np.array([500.3, 900.6]), np.array([[100.5, 140.2]]), 1e-4
    X, by_length, by_center = stft_derivatives(*map(torch.from_numpy, (x, centers, lengths)), 256)
    np.testing.assert_allclose(X.numpy(), stft_of(x, centers, lengths, 256), atol=1e-10)
    for derivative, where in ((by_length, (0, step)), (by_center, (step, 0))):
        ahead = stft_of(x, centers + where[0], lengths + where[1], 256)
        behind = stft_of(x, centers - where[0], lengths - where[1], 256)
        quotient = (ahead - behind) / (2 * step)
        atol = 1e-5 * np.abs(quotient).max()
        np.testing.assert_allclose(derivative.numpy(), quotient, atol=atol)


def test_layer(x: np.ndarray) -> None:
    layer = DSTFT(256, 32, 150.0)
    assert layer.window_length.item() == 150.0
    X = layer(torch.from_numpy(x))
    wanted = stft_of(x, np.arange(0, 3201, 32.0), np.array([[150.0]]), 256)
    np.testing.assert_allclose(X.detach().numpy(), wanted, atol=1e-5 * np.abs(wanted).max())
    power = X.abs().square()
    (-(power / power.sum() * (power / power.sum()).log()).sum()).backward()
    gradients = [parameter.grad for parameter in layer.parameters()]
    assert len(gradients) == 1
    assert gradients[0].abs().sum() > 0


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
