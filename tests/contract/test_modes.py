"""Every mode, criterion and optimizer on one short sound, checked by the definitions."""

import numpy as np
import pytest
import soundfile

from .support import CONSTANT, CRITERIA, HOP_MODES, WINDOW_MODES, read, recomputed, run

SMALL = ("--n-fft", "128", "--hop-length", "32", "--no-figures", "--force", "-o", "out", "-q")
SMALL += ("--scope", "plane")


@pytest.mark.parametrize("window_mode", WINDOW_MODES)
def test_every_combination_of_modes(folder, x, window_mode):
    for hop_mode in HOP_MODES:
        case = ["--window-mode", window_mode, "--hop-mode", hop_mode]
        run("optimize", "a.wav", *case, *SMALL, "--save-stft")
        written = read("out")
        record, p = written.record, written.parameters
        T, lengths = record["frames"], p["window_length"]
        shape = 65 if "frequency" in window_mode else 1, T if "time" in window_mode[:4] else 1
        assert (lengths.shape, p["frame_centers"].shape) == (shape, (T,)), case
        assert (written.spectrogram.shape, p["hop_lengths"].shape) == ((65, T), (T - 1,)), case
        for name, values in (("window_length", lengths), ("hop_length", p["hop_lengths"])):
            told = record[name]
            if not isinstance(told, dict):
                told = dict.fromkeys(("min", "median", "max"), told)
            for key, of in (("min", np.min), ("median", np.median), ("max", np.max)):
                assert told[key] == pytest.approx(of(values)), case
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
