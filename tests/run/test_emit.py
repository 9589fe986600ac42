"""`--emit`: what is printed runs in its library and gives the transform that is written."""

import importlib.util
import json
import re
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from scipy.signal import butter, sosfilt

from dstft_cli import optimize
from dstft_cli.cli import main
from dstft_cli.run.emit import emitted_call
from dstft_cli.stft import stft

RATE = 8000
PYTHON = ("scipy", "torch", "librosa")
WINDOWS = ("hann", "blackman", "nuttall", "gaussian", "kaiser")
SMALL = ["--n-fft", "128", "--window-mode", "fixed", "--win-length", "61.3"]


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
    """What `dstft COMMAND ... --emit LIBRARY -o out` prints, or its error."""

    def run(library, *options, command=("optimize", "a.wav"), code=0):
        capsys.readouterr()
        given = [*command, "--emit", library, "-o", "out", "--force", "--save-stft", "-q"]
        assert main([*given, "--no-figures", *options]) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


def computed(text, library, x):
    """`X` after running the text as it is printed, with `x [N]` or `[C, N]` given."""
    scope = {"x": torch.from_numpy(x) if library == "torch" else x}
    exec(text, scope)
    return np.asarray(scope["X"])


def check(text, library, x):
    """The text gives what is in `out`, complex values and magnitudes."""
    if library == "librosa" and importlib.util.find_spec("librosa") is None:
        return
    X = computed(text, library, x)
    written, magnitude = np.load("out/stft.npy"), np.load("out/spectrogram.npy")
    assert X.shape == written.shape
    scale = np.abs(written).max()
    np.testing.assert_allclose(X, written, atol=2e-6 * scale)
    np.testing.assert_allclose(np.abs(X), magnitude, atol=2e-6 * scale)


def test_every_window_and_normalization(recording):
    x = recording.mean(1).astype(np.float64)
    for window, normalization in product(WINDOWS, ("energy", "amplitude", "none")):
        kind = {"window": window, "normalization": normalization}
        asked = {"n_fft": 256, "window_mode": "fixed", "win_length": 101.7, "dtype": "float64"}
        result = optimize(x, RATE, **asked, **kind)
        centers, lengths = map(torch.from_numpy, (result.frame_centers, result.window_length))
        X = stft(torch.from_numpy(x), centers, lengths, 256, **kind).numpy()
        for library in ("scipy", "torch"):
            Y = computed(emitted_call(result, library), library, x)
            np.testing.assert_allclose(Y, X, atol=1e-9 * np.abs(X).max())
        formulas = [
            re.findall(r"^w = (.*v.*?);?$", emitted_call(result, library), re.MULTILINE)[0]
            for library in ("scipy", "matlab")
        ]
        for old, new in (("np.i0(", "besseli(0, "), ("np.", ""), ("v**2", "v.^2")):
            formulas[0] = formulas[0].replace(old, new)
        assert formulas[0] == formulas[1]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of librosa's imports
@pytest.mark.parametrize("library", PYTHON)
def test_lengths_hops_and_channels(recording, emit, library):
    mix = recording.mean(1)
    for options, x in (
        ([*SMALL, "--n-fft", "100", "--hop-length", "7"], mix),
        ([*SMALL, "--hop-length", "4003", "--channel", "1"], recording[:, 1]),
        ([*SMALL, "--channel", "all"], recording.T.copy()),
        ([*SMALL, "--offset", "0.1", "--duration", "0.2"], mix[800:2400]),
        (["--n-fft", "256", "--max-steps", "5"], mix),
    ):
        check(emit(library, *options), library, x)
    length = json.loads(Path("out/result.json").read_text())["window_length"]
    assert length != round(length)  # a learned length is no whole number


def test_a_high_pass_filter_is_told_beside_the_signal(recording, emit):
    text = emit("scipy", *SMALL, "--highpass", "90")
    told = re.search(r"4003 samples, after scipy\.signal\.(.*) at the file's RATE", text)[1]
    scope = {"sosfilt": sosfilt, "butter": butter, "RATE": RATE, "x": recording.mean(1)}
    check(text, "scipy", eval(told, scope).astype(np.float32))


def test_matlab_by_its_shape(recording, emit):
    text = emit("matlab", "--n-fft", "256", "--hop-length", "32")
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


def test_what_no_call_can_tell_is_refused(recording, emit):
    for library, options, needed in (
        ("torch", ["--window-mode", "time"], "--window-mode"),
        ("torch", ["--hop-mode", "constant"], "--hop-mode"),
        ("torch", ["--json"], "standard output"),
        ("torch", ["--hop-length", "1.3ms"], "--hop-length 10"),
        ("torch", ["--n-fft", "100"], "--hop-length 6"),
        ("torch", ["--n-fft", "101", "--hop-length", "29", "--window-mode", "fixed"], "n-fft"),
        ("scipy", ["--n-fft", "256", "--duration", "0.012"], "--n-fft"),
        ("octave", [], "octave"),
    ):
        line = emit(library, *options, code=2)
        assert needed in line
        assert line.count("\n") == 1
        assert not Path("out").exists()
    check(emit("scipy", *SMALL, "--n-fft", "101", "--hop-length", "29"), "scipy", recording.mean(1))


def test_parameters_that_are_applied_to_another_recording(recording, emit):
    x = recording[::-1, 0].copy()
    soundfile.write("b.wav", x, RATE, subtype="FLOAT")
    learn = ["optimize", "a.wav", "-q", "--no-figures"]
    assert main([*learn, *SMALL, "--window", "blackman", "-o", "learned"]) == 0
    check(emit("scipy", command=("apply", "learned", "b.wav")), "scipy", x)
    for name, options, given, needed in (
        ("half", [*SMALL, "--hop-length", "6.5"], [], "--hop-length 6"),
        ("whole", [*SMALL, "--hop-length", "7"], ["--sr", "9000"], "--sr 8000"),
        ("odd", [*SMALL, "--n-fft", "101", "--hop-length", "29"], [], "n_fft"),
        ("time", ["--n-fft", "128", "--window-mode", "time"], [], "--window-mode"),
        ("moved", ["--n-fft", "128", "--hop-mode", "constant"], [], "--hop-mode"),
    ):
        assert main([*learn, *options, "-o", name]) == 0
        Path("out").is_dir() and [path.unlink() for path in Path("out").iterdir()]
        assert needed in emit("torch", *given, command=("apply", name, "a.wav"), code=2)
        assert not list(Path("out").iterdir())
