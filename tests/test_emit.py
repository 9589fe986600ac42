"""`--emit`: what is printed runs in its library and gives the transform that is written."""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import butter, sosfilt

from dstft_cli.cli import main
from dstft_cli.names import LIBRARIES, NORMALIZATIONS, WINDOWS

RATE = 8000
FAST = ["--n-fft", "512", "--max-steps", "20", "-q"]
PYTHON = [name for name in LIBRARIES if name != "matlab"]


@pytest.fixture
def recording(tmp_path, monkeypatch):
    """A stereo file of a chirp, a click and noise, in the current directory; its samples `[N, 2]`."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(1)
    n = np.arange(4003)
    x = 0.4 * np.sin(n * (0.2 + 3.5e-4 * n)) + 0.5 * (n == 1700)
    x = np.stack([x, 0.5 * x], 1) + 0.01 * rng.standard_normal((len(n), 2))
    soundfile.write("a.wav", x, RATE, subtype="FLOAT")
    return soundfile.read("a.wav", dtype="float32")[0]


@pytest.fixture
def emit(capsys):
    """The text that `dstft COMMAND ... --emit LIBRARY -o out` prints."""

    def run(library, *options, command=("optimize", "a.wav"), code=0):
        capsys.readouterr()
        given = [*command, "--emit", library, "-o", "out", "--force", "--save-stft"]
        assert main([*given, "--no-figures", *options]) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


def computed(text, library, x):
    """`X` after running the text as it is printed, with `x [N]` or `[C, N]` given."""
    if library == "librosa" and importlib.util.find_spec("librosa") is None:
        pytest.skip("NOT TESTED: librosa is not installed, so the call printed for it did not run")
    scope = {"x": torch.from_numpy(x) if library == "torch" else x}
    exec(text, scope)
    return np.asarray(scope["X"])


def check(text, library, x):
    """The text gives what is in `out`, complex values and magnitudes."""
    X = computed(text, library, x)
    written, magnitude = np.load("out/stft.npy"), np.load("out/spectrogram.npy")
    assert X.shape == written.shape
    scale = np.abs(written).max()
    np.testing.assert_allclose(X, written, atol=2e-6 * scale)
    np.testing.assert_allclose(np.abs(X), magnitude, atol=2e-6 * scale)


@pytest.mark.parametrize("library", PYTHON)
@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@pytest.mark.parametrize("window", WINDOWS)
def test_every_window_and_normalization(recording, emit, library, window, normalization):
    text = emit(library, "--window", window, "--normalization", normalization, *FAST)
    length = json.loads(Path("out/result.json").read_text())["window_length"]
    assert length != round(length)  # a learned length is no whole number
    assert repr(length) in text
    check(text, library, recording.mean(1))


@pytest.mark.parametrize("library", PYTHON)
@pytest.mark.parametrize(
    "options",
    [
        ["--n-fft", "100", "--hop-length", "7", "--window-mode", "fixed", "--win-length", "61.3"],
        ["--n-fft", "512", "--hop-length", "4003", "--window-mode", "fixed", "--win-length", "512"],
        ["--channel", "1", "--n-fft", "128"],
        ["--channel", "all", "--n-fft", "128"],
        ["--offset", "0.1", "--duration", "0.2", "--n-fft", "128"],
        [],
    ],
    ids=lambda options: " ".join(options) or "defaults",
)
def test_lengths_hops_and_channels(recording, emit, library, options):
    text = emit(library, *options, "-q")
    x = recording.mean(1)
    if "--channel" in options:
        x = recording[:, 1] if "1" in options else recording.T.copy()
    if "--offset" in options:
        x = x[800:2400]
    check(text, library, x)


def test_a_high_pass_filter_is_told_beside_the_signal(recording, emit):
    text = emit("scipy", "--n-fft", "128", "--highpass", "90", "-q")
    told = re.search(r"4003 samples, after scipy\.signal\.(.*) at the file's RATE", text)[1]
    scope = {"sosfilt": sosfilt, "butter": butter, "RATE": RATE, "x": recording.mean(1)}
    check(text, "scipy", eval(told, scope).astype(np.float32))


def test_odd_sizes_are_for_scipy_alone(recording, emit):
    options = ["--n-fft", "101", "--hop-length", "29", "--window-mode", "fixed", "-q"]
    check(emit("scipy", *options), "scipy", recording.mean(1))
    assert emit("torch", *options, code=2) == (
        "dstft: --n-fft 101 is odd, for which --emit torch places frames otherwise: "
        "use an even one, or scipy\n"
    )


def test_matlab_by_its_shape(recording, emit):
    text = emit("matlab", "--n-fft", "256", "--hop-length", "32", "-q")
    length = json.loads(Path("out/result.json").read_text())["window_length"]
    comments, code = text.splitlines()[:2], text.splitlines()[2:]
    assert all(line.startswith("% ") for line in comments)
    assert code == [
        f"v = min(max(((0:255)' - 128) / {length!r}, -0.5), 0.5);",
        "w = 0.5 + 0.5 * cos(2 * pi * v);",
        "w = w / norm(w);",
        "X = stft([zeros(128, size(x, 2)); x; zeros(128, size(x, 2))], 8000, 'Window', w, "
        "'OverlapLength', 224, 'FFTLength', 256, 'FrequencyRange', 'onesided');",
    ]


@pytest.mark.parametrize("window", WINDOWS)
def test_formulas_for_matlab_are_those_for_numpy(recording, emit, window):
    def formula(library, *changes):
        text = emit(library, "--window", window, *FAST)
        (line,) = re.findall(r"^w = (.*v.*?);?$", text, re.MULTILINE)
        for old, new in changes:
            line = line.replace(old, new)
        return line

    changes = [("np.i0(", "besseli(0, "), ("np.", ""), ("v**2", "v.^2")]
    assert formula("scipy", *changes) == formula("matlab")


def test_stdout_carries_the_call_alone_and_a_directory_only_where_asked_for(recording, capsys):
    assert main(["optimize", "a.wav", "--emit", "torch", "--n-fft", "256"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("import torch\n")
    assert "return_complex=True)\n" in out
    assert sorted(path.name for path in Path().iterdir()) == ["a.wav"]
    assert [line for line in err.splitlines() if not line.startswith("warning: ")] == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--window-mode", "time"],
            "--emit torch prints one call with one window, and with --window-mode time it varies: "
            "use window mode constant, or leave the first out",
        ),
        (
            ["--hop-mode", "constant"],
            "--emit torch prints a call with a whole hop from the first sample on, and --hop-mode "
            "constant learns another: use hop mode fixed, or leave the first out",
        ),
        (
            ["--json"],
            "--json and --emit torch would both fill standard output: "
            "give one of them a path or leave it out",
        ),
        (
            ["--hop-length", "1.3ms"],
            "--emit torch: hop length 10.4 samples is no whole number, which torch needs: "
            "use --hop-length 10",
        ),
        (
            ["--n-fft", "100"],
            "--emit torch: hop length 6.25 samples is no whole number, which torch needs: "
            "use --hop-length 6",
        ),
        (
            ["--overlap", "0.21"],
            r"--emit torch: hop length \d+\.\d+ samples is no whole number, which torch needs: "
            r"use --hop-length \d+",
        ),
    ],
)
def test_what_no_call_can_tell_is_refused(recording, emit, options, message):
    line = emit("torch", *options, "-q", code=2)
    assert re.fullmatch(f"dstft: (?:{message}|{re.escape(message)})\n", line)
    assert not Path("out").exists()


def test_unknown_library(recording, emit):
    assert emit("octave", code=2) == (
        "dstft: --emit octave: must be one of none, librosa, torch, scipy, matlab\n"
    )


def test_a_signal_too_short_for_scipy(tmp_path, monkeypatch, emit):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", np.random.default_rng(0).uniform(-1, 1, 100), RATE, subtype="FLOAT")
    assert emit("scipy", "--n-fft", "256", code=2) == (
        "dstft: --emit scipy: a signal of 100 samples is shorter than half of n_fft 256, which scipy "
        "refuses: use --emit torch, or use a lower --n-fft\n"
    )


def test_of_parameters_applied_to_another_recording(recording, emit):
    assert main(["optimize", "a.wav", *FAST, "--window", "blackman", "-o", "learned"]) == 0
    soundfile.write("b.wav", recording[::-1, 0].copy(), RATE, subtype="FLOAT")
    text = emit("scipy", "-q", command=("apply", "learned", "b.wav"))
    check(text, "scipy", recording[::-1, 0].copy())


def test_advice_for_parameters_that_are_applied_is_to_learn_again(recording, emit):
    options = ["optimize", "a.wav", "-q", "--n-fft", "100", "--hop-length", "6.5", "--no-figures"]
    assert main([*options, "-o", "learned"]) == 0
    assert emit("scipy", command=("apply", "learned", "a.wav"), code=2) == (
        "dstft: --emit scipy: hop length 6.5 samples is no whole number, which scipy needs: run dstft "
        "optimize again with --hop-length 6\n"
    )
    assert main([*options, "--hop-length", "7", "-o", "whole"]) == 0
    line = emit("torch", "--sr", "9000", command=("apply", "whole", "a.wav"), code=2)
    assert line.endswith("is no whole number, which torch needs: resample with --sr 8000\n")


def test_an_odd_size_that_is_applied(recording, emit):
    odd = ["--n-fft", "101", "--hop-length", "29", "--window-mode", "fixed", "--no-figures"]
    assert main(["optimize", "a.wav", "-q", *odd, "-o", "learned"]) == 0
    assert emit("torch", command=("apply", "learned", "a.wav"), code=2) == (
        "dstft: --emit torch: n_fft 101 is odd, for which torch places frames otherwise: "
        "use --emit scipy, or run dstft optimize again with an even --n-fft\n"
    )
    text = emit("scipy", "-q", command=("apply", "learned", "a.wav"))
    check(text, "scipy", recording.mean(1))


@pytest.mark.parametrize("mode", [["--window-mode", "time"], ["--hop-mode", "constant"]])
def test_parameters_that_vary_are_refused_where_they_are_applied(recording, emit, mode):
    assert main(["optimize", "a.wav", *FAST, *mode, "-o", "learned"]) == 0
    line = emit("torch", command=("apply", "learned", "a.wav"), code=2)
    assert line == (
        "dstft: --emit torch prints one call with one window and one hop from the first sample on, "
        "and here they vary: learn with --window-mode constant and --hop-mode fixed\n"
    )
    assert not Path("out").exists()
