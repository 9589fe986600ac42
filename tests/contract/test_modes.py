"""Every mode, criterion and optimizer on one short sound, checked by the definitions."""

from __future__ import annotations

import math
from pathlib import Path

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
    refused,
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
def test_every_combination_of_modes(folder: Path, x: np.ndarray, window_mode: str) -> None:
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


def test_every_criterion(folder: Path, x: np.ndarray) -> None:
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


def test_options_of_the_criterion(folder: Path, x: np.ndarray) -> None:
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


def test_own_criterion(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "contract_own.py").write_text(
        "class Mine:\n"
        "    direction = 'minimize'\n"
        "    def moments(self, a): return a, a ** 2\n"
        "    def value(self, sums, cells): return sums[0] / sums[1].sqrt()\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(folder))
    run("optimize", "a.wav", *CONSTANT, *SMALL[4:], "--criterion", "contract_own:Mine")
    own = read("out").record["criterion"]
    run("optimize", "a.wav", *CONSTANT, *SMALL[4:], "--criterion", "l1l2")
    builtin = read("out").record["criterion"]
    assert own["name"] == "contract_own:Mine"
    assert own["final"] == pytest.approx(builtin["final"], rel=1e-4)
    refused("optimize", "a.wav", *CONSTANT, "--criterion", "contract_own:Absent")
    refused("optimize", "a.wav", *CONSTANT, "--criterion", "no_such_module_here:x")


def test_optimizers_and_search(folder: Path) -> None:
    start = ["--win-length", "100"]
    finals = []
    for options in (
        ["--optimizer", "lbfgs"],
        ["--optimizer", "adam", "--max-steps", "30", "--lr", "0.1"],
        ["--optimizer", "sgd", "--max-steps", "30"],
        ["--no-search", "--optimizer", "lbfgs"],
        ["--no-search", "--optimizer", "adam", "--max-steps", "3"],
        ["--no-search"],
    ):
        run("optimize", "a.wav", *TIME, *SMALL[4:], *start, *options)
        told = read("out").record
        finals.append(told["criterion"]["final"])
        assert told["criterion"]["final"] <= told["criterion"]["start"], options
        assert told["stop_reason"] in {"converged", "step_limit", "search"}, options
    assert max(finals[:3]) <= min(finals[:3]) * 1.05
    run("optimize", "a.wav", *TIME, *SMALL[4:], "--max-steps", "0")
    phases = (folder / "out/trajectory.csv").read_text(encoding="utf-8")
    assert ",descent," not in phases
    run("optimize", "a.wav", *TIME, *SMALL[4:], "--no-search", "--max-steps", "2")
    assert read("out").record["stop_reason"] == "step_limit"


def test_table_bound(folder: Path) -> None:
    for mode in ("time", "frequency"):
        run("optimize", "a.wav", "--window-mode", mode, *SMALL, "--smoothness", "0")
        told = read("out").record["criterion"]
        assert told["table_bound"] <= told["final"] + 1e-4, mode
        assert told["table_bound"] <= told["best_fixed"]["value"] + 1e-6, mode
    run("optimize", "a.wav", *TIME, *SMALL[4:], "--criterion", "gini")
    assert read("out").record["criterion"]["table_bound"] is None


def test_smoothness_lessens_variation(folder: Path) -> None:
    variation = []
    for strength in ("0", "0.1", "10"):
        run("optimize", "a.wav", *TIME, *SMALL[4:], "--smoothness", strength)
        assert read("out").settings["smoothness"] == float(strength)
        logs = np.log(read("out").parameters["window_length"])
        variation.append(np.abs(np.diff(logs)).sum())
    assert variation[0] >= variation[1] >= variation[2]
    assert variation[0] > variation[2]


def test_learned_hop_bounds(folder: Path) -> None:
    bounds = ["--hop-mode", "constant", "--hop-length-min", "24", "--hop-length-max", "40"]
    run("optimize", "a.wav", *TIME, *SMALL[4:], *bounds)
    hops = read("out").parameters["hop_lengths"]
    assert 24 * (1 - 1e-9) <= hops.min() <= hops.max() <= 40 * (1 + 1e-9)


def test_known_answers(folder: Path) -> None:
    n = np.arange(N)
    tone, click = 0.5 * np.sin(n * np.pi / 8), np.where(n == N // 2, 0.9, 0.0)
    soundfile.write("tone.wav", tone, 8000, subtype="FLOAT")
    soundfile.write("click.wav", click + 1e-6 * np.sin(n), 8000, subtype="FLOAT")
    lengths = {}
    for name in ("tone", "click"):
        run("optimize", f"{name}.wav", *CONSTANT, *SMALL[4:])
        lengths[name] = read("out").record["window_length"]
    assert lengths["tone"] > 250
    assert lengths["click"] < 70


def test_double_precision(folder: Path, x: np.ndarray) -> None:
    run("optimize", "a.wav", *TIME, *SMALL[4:], "--dtype", "float64", "--threads", "1")
    written = read("out")
    assert (written.settings["dtype"], written.settings["threads"]) == ("float64", 1)
    assert written.final == pytest.approx(recomputed(written, x)[1], rel=1e-9)
    assert written.spectrogram.dtype == np.float32
    assert math.isfinite(written.final)
