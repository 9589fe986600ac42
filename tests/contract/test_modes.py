"""Every mode, criterion and optimizer on one short sound, checked by the definitions."""

import math

import numpy as np
import pytest
import soundfile

from .support import (
    CONSTANT,
    CRITERIA,
    HOP_MODES,
    TIME,
    WINDOW_MODES,
    N,
    Written,
    read,
    recomputed,
    run,
)

SMALL = ("--n-fft", "128", "--hop-length", "32", "--no-figures", "--force", "-o", "out", "-q")
SMALL += ("--scope", "plane")


def shape_of(mode: str, frames: int, bins: int) -> tuple[int, int]:
    return {"frequency": (bins, 1), "time": (1, frames), "time-frequency": (bins, frames)}.get(
        mode, (1, 1)
    )


def check_constraints(written: Written, case: object) -> None:
    """Shapes, order of the frames, bounds of lengths, windows that meet."""
    settings, p = written.settings, written.parameters
    centers, lengths, hops = p["frame_centers"], p["window_length"], p["hop_lengths"]
    T, F = len(centers), int(p["n_fft"]) // 2 + 1
    assert lengths.shape == shape_of(settings["window_mode"], T, F), case
    assert written.spectrogram.shape == (F, T), case
    assert hops.shape == (T - 1,), case
    assert (np.diff(centers) > 0).all(), case
    assert centers[0] >= 0, case
    assert centers[-1] <= N, case
    assert lengths.max() <= p["n_fft"], case
    assert lengths.min() > 0, case
    if settings["window_mode"] != "fixed":
        assert settings["win_length_min"] * (1 - 1e-9) <= lengths.min(), case
        assert lengths.max() <= settings["win_length_max"] * (1 + 1e-9), case
    if settings["hop_mode"] == "time":
        shortest = np.broadcast_to(lengths.min(0), T)
        reach = settings["overlap"] * (shortest[1:] + shortest[:-1]) / 2
        assert (hops <= reach * (1 + 1e-9)).all(), case
        assert N - 1 - centers[-1] <= settings["overlap"] * shortest[-1] * (1 + 1e-9), case
    if settings["hop_mode"] == "constant":
        np.testing.assert_allclose(hops, hops[0], err_msg=str(case))
    record = written.record
    assert record["frames"] == T, case
    for name, values in (("window_length", lengths), ("hop_length", hops)):
        told = record[name]
        if isinstance(told, dict):
            assert told["min"] == pytest.approx(values.min()), case
            assert told["median"] == pytest.approx(np.median(values)), case
            assert told["max"] == pytest.approx(values.max()), case
        else:
            np.testing.assert_allclose(values, told, err_msg=str(case))


@pytest.mark.parametrize("window_mode", WINDOW_MODES)
def test_every_combination_of_modes(folder, x, window_mode):
    for hop_mode in HOP_MODES:
        case = ["--window-mode", window_mode, "--hop-mode", hop_mode]
        run("optimize", "a.wav", *case, *SMALL, "--save-stft")
        written = read("out")
        check_constraints(written, case)
        X, value = recomputed(written, x)
        assert written.final == pytest.approx(value, rel=1e-4), case
        atol = 1e-5 * np.abs(X).max()
        np.testing.assert_allclose(np.load("out/stft.npy"), X, atol=atol, err_msg=str(case))
        assert written.final <= written.record["criterion"]["start"] + 1e-9, case
        run("reconstruct", "out", "--force", "-q")
        back = soundfile.read("out-reconstructed.wav")[0]
        error = np.linalg.norm(back - x) / np.linalg.norm(x)
        assert error <= (1e-4 if "frequency" in window_mode else 1e-5), case


def test_every_criterion(folder, x):
    highest = {"kurtosis", "concentration", "hoyer", "gini"}
    for criterion in CRITERIA:
        run("optimize", "a.wav", *CONSTANT, *SMALL[4:], "--criterion", criterion)
        told = read("out").record["criterion"]
        _, value = recomputed(read("out"), x)
        assert told["name"] == criterion
        assert told["direction"] == ("maximize" if criterion in highest else "minimize")
        assert told["final"] == pytest.approx(value, rel=1e-4), criterion
        sign = -1 if criterion in highest else 1
        assert sign * told["final"] <= sign * told["start"] + 1e-9, criterion
        assert sign * told["final"] <= sign * told["best_fixed"]["value"] + 1e-6, criterion


def test_options_of_the_criterion(folder, x):
    for line in (
        "--criterion renyi --order 2",
        "--criterion renyi --order 0.5 --power 1",
        "--criterion lp --order 0.8",
        "--power 1.5",
        "--criterion-fmin 500 --criterion-fmax 2000",
        "--window-mode fixed",
    ):
        run("optimize", "a.wav", *CONSTANT, *SMALL[4:], *line.split())
        written = read("out")
        assert written.final == pytest.approx(recomputed(written, x)[1], rel=1e-4), line
        if "fixed" in line:
            told = written.record
            assert told["stop_reason"] == "fixed"
            assert told["criterion"]["start"] == pytest.approx(written.final, rel=1e-6)


def test_smoothness_lessens_variation(folder):
    variation = []
    for strength in ("0", "0.1", "10"):
        run("optimize", "a.wav", *TIME, *SMALL[4:], "--smoothness", strength)
        assert read("out").settings["smoothness"] == float(strength)
        logs = np.log(read("out").parameters["window_length"])
        variation.append(np.abs(np.diff(logs)).sum())
    assert variation[0] >= variation[1] >= variation[2]
    assert variation[0] > variation[2]


def test_double_precision(folder, x):
    run("optimize", "a.wav", *TIME, *SMALL[4:], "--dtype", "float64", "--threads", "1")
    written = read("out")
    assert (written.settings["dtype"], written.settings["threads"]) == ("float64", 1)
    assert written.final == pytest.approx(recomputed(written, x)[1], rel=1e-9)
    assert written.spectrogram.dtype == np.float32
    assert math.isfinite(written.final)
