"""`--emit`: what is printed runs in its library and gives the transform that is written."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from contract.support import RATE, N, sound
from scipy.signal import butter, sosfilt

from dstft_cli import optimize
from dstft_cli.cli import main
from dstft_cli.run.emit import emitted_call
from dstft_cli.stft import stft

RECORDING = sound()  # `ab.wav`, `[N, 2]`
MIX = RECORDING.mean(1)
PYTHON = ("scipy", "torch", "librosa", "torchaudio")
WINDOWS = ("hann", "blackman", "nuttall", "gaussian", "kaiser")
SMALL = ["--n-fft", "128", "--window-mode", "fixed", "--win-length", "61.3"]


@pytest.fixture
def emit(folder, capsys):
    """What `dstft COMMAND ... --emit LIBRARY -o out` prints, or its error."""

    def run(library, *options, command=("optimize", "ab.wav"), code=0):
        capsys.readouterr()
        given = [*command, "--emit", library, "-o", "out", "--force", "--save-stft", "-q"]
        assert main([*given, "--no-figures", *options]) == code
        out, err = capsys.readouterr()
        return err if code else out

    return run


class Spectrogram:
    """What torchaudio's documentation says of `transforms.Spectrogram`, as far as it is used here."""

    def __init__(self, *, n_fft, hop_length, window_fn, power, center, pad_mode):
        assert power is None, "the complex transform"
        self.lengths, self.window = (n_fft, hop_length, n_fft), window_fn(n_fft)
        self.options = {"center": center, "pad_mode": pad_mode, "return_complex": True}

    def __call__(self, x):
        return torch.stft(x, *self.lengths, self.window, **self.options)


def librosa_stft(x, *, n_fft, hop_length, win_length, window, center, pad_mode):
    """What librosa's documentation says of `stft`; librosa itself compiles for half a minute."""
    options = {"center": center, "pad_mode": pad_mode, "return_complex": True}
    window = torch.from_numpy(window).to(torch.from_numpy(x).dtype)
    return torch.stft(torch.from_numpy(x), n_fft, hop_length, win_length, window, **options).numpy()


def librosa_load(path, *, sr, mono, offset, duration):
    """What librosa does to times: it rounds them down to samples."""
    rate = soundfile.info(path).samplerate
    count, start = int(duration * rate), int(offset * rate)
    x = soundfile.read(path, count, start, dtype="float32", always_2d=True)[0].T
    return (x.mean(0) if mono else x), rate


@pytest.fixture(autouse=True)
def stand_ins(monkeypatch, request):
    if importlib.util.find_spec("torchaudio") is None:
        stand_in = SimpleNamespace(transforms=SimpleNamespace(Spectrogram=Spectrogram))
        monkeypatch.setitem(sys.modules, "torchaudio", stand_in)
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setitem(
            sys.modules, "librosa", SimpleNamespace(stft=librosa_stft, load=librosa_load)
        )


def computed(text, library, x):
    """`X` after running the text as it is printed, with `x [N]` or `[C, N]` given."""
    scope = {"x": torch.from_numpy(x) if "torch" in library else x}
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


def test_every_window_and_normalization():
    x = MIX.astype(np.float64)
    for window, normalization in product(WINDOWS, ("energy", "amplitude", "none")):
        kind = {"window": window, "normalization": normalization}
        asked = {"n_fft": 256, "window_mode": "fixed", "win_length": 101.7, "dtype": "float64"}
        result = optimize(x, RATE, **asked, **kind)
        centers, lengths = map(torch.from_numpy, (result.frame_centers, result.window_length))
        X = stft(torch.from_numpy(x), centers, lengths, 256, **kind).numpy()
        for library in ("scipy", "torch", "torchaudio"):
            Y = computed(emitted_call(result, library), library, x)
            np.testing.assert_allclose(Y, X, atol=1e-9 * np.abs(X).max())
        numpy, matlab, r = (
            re.findall(r"^w (?:=|<-) (.*v.*?);?$", emitted_call(result, library), re.MULTILINE)[0]
            for library in ("scipy", "matlab", "r")
        )
        bessel = r"np\.i0\((.*?v\*\*2\))\)"
        calls = (matlab, r"besseli(0, \1)", "v.^2"), (r, r"besselI(\1, 0)", "v^2")
        for found, call, square in calls:
            expected = re.sub(bessel, call, numpy).replace("np.", "").replace("v**2", square)
            assert found == expected


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of librosa's imports
@pytest.mark.parametrize("library", [*PYTHON, pytest.param("librosa", marks=pytest.mark.slow)])
def test_lengths_hops_and_channels(emit, library):
    for options, x in (
        ([*SMALL, "--n-fft", "100", "--hop-length", "7"], MIX),
        ([*SMALL, "--hop-length", str(N), "--channel", "1"], RECORDING[:, 1]),
        ([*SMALL, "--channel", "all"], RECORDING.T.copy()),
        ([*SMALL, "--offset", "0.1", "--duration", "0.2"], MIX[800:2400]),
        (["--n-fft", "256", "--max-steps", "5"], MIX),
    ):
        check(emit(library, *options), library, x)
    length = json.loads(Path("out/result.json").read_text())["window_length"]
    assert length != round(length)  # a learned length is no whole number


def test_a_high_pass_filter_is_told_beside_the_signal(emit):
    text = emit("scipy", *SMALL, "--highpass", "90")
    told = re.search(rf"{N} samples, after scipy\.signal\.(.*) at the file's RATE", text)[1]
    scope = {"sosfilt": sosfilt, "butter": butter, "RATE": RATE, "x": MIX}
    check(text, "scipy", eval(told, scope).astype(np.float32))


def test_matlab_by_its_shape(emit):
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


def test_r_by_its_shape(emit):
    text = emit("r", *SMALL, "--n-fft", "101", "--hop-length", "29")
    assert text.splitlines()[2:] == [
        "v <- pmin(pmax((0:100 - 50) / 61.3, -0.5), 0.5)",
        "w <- 0.5 + 0.5 * cos(2 * pi * v)",
        "w <- w / sqrt(sum(w^2))",
        "padded <- c(numeric(50), x, numeric(101))",
        "X <- sapply(seq(0, length(x), by = 29), function(start) "
        "fft(w * padded[start + 1:101])[1:51])",
    ]


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed: code not run")
def test_r_runs(emit):
    for options in ([], ["--n-fft", "101", "--hop-length", "29"], ["--window", "kaiser"]):
        text = emit("r", *SMALL, *options)
        np.savetxt("x.txt", MIX, "%.9g")
        shown = "write.table(cbind(c(Re(X)), c(Im(X))), row.names = FALSE, col.names = FALSE)"
        Path("x.R").write_text(f'x <- scan("x.txt", quiet = TRUE)\n{text}{shown}\n')
        done = subprocess.run(["Rscript", "x.R"], capture_output=True, text=True, check=True)
        parts = np.array(done.stdout.split(), float).reshape(-1, 2) @ [1, 1j]
        written = np.load("out/stft.npy")
        X = parts.reshape(written.shape[::-1]).T
        np.testing.assert_allclose(X, written, atol=2e-6 * np.abs(written).max())


def test_raven_is_told_what_to_enter(emit):
    text = emit("raven", *SMALL, "--hop-length", "16")
    fields = dict(line.split(": ") for line in text.splitlines() if line[0] != "#")
    assert fields == {
        "Window Type": "Hann",
        "Window Size": "61 samples",
        "Overlap": "73.77 %",
        "Hop Size": "16 samples",
        "DFT Size": "128 samples",
    }
    assert emit("raven", *SMALL, "--window", "blackman").count("Window Type: Blackman") == 1


def test_the_verdict_of_a_sweep(folder, capsys):
    sweep = ["sweep", "ab.wav", "-q", "--no-figures", "--force", "-o", "swept"]
    for options, hop in (([], None), (["--hop-length", "24"], 24)):
        assert main([*sweep, "--emit", "scipy", *options]) == 0
        text = capsys.readouterr().out
        best = json.loads(Path("swept/sweep.json").read_text())["criteria"][0]["best"]
        assert f"/ {best['win_length']!r}, -0.5, 0.5)" in text
        assert f"mfft={best['n_fft']}," in text
        hop = hop or int(best["win_length"] // 4)
        X = computed(text, "scipy", MIX)
        assert X.shape == (best["n_fft"] // 2 + 1, 1 + N // hop)
    assert main(sweep) == 0
    plain = json.loads(Path("swept/sweep.json").read_text())
    assert main([*sweep, "--emit", "r"]) == 0
    assert json.loads(Path("swept/sweep.json").read_text())["criteria"] == plain["criteria"]
    for options in (["scipy", "--criterion", "all"], ["raven", "--window", "kaiser"]):
        assert main([*sweep, "--emit", *options]) == 2


def test_what_no_call_can_tell_is_refused(emit):
    for library, options, needed in (
        ("torch", ["--window-mode", "time"], "--window-mode"),
        ("torch", ["--hop-mode", "constant"], "--hop-mode"),
        ("torch", ["--json"], "standard output"),
        ("torch", ["--hop-length", "1.3ms"], "--hop-length 10"),
        ("torch", ["--n-fft", "100"], "--hop-length 6"),
        ("torch", ["--n-fft", "101", "--hop-length", "29", "--window-mode", "fixed"], "n-fft"),
        ("scipy", ["--n-fft", "256", "--duration", "0.012"], "--n-fft"),
        ("octave", [], "octave"),
        ("raven", [*SMALL, "--window", "gaussian"], "--window hann or blackman"),
        ("raven", [*SMALL, "--n-fft", "100", "--hop-length", "5"], "--n-fft 128"),
        ("raven", [*SMALL, "--hop-length", "62"], "--hop-length"),
        ("r", ["--hop-length", "1.3ms"], "--hop-length 10"),
    ):
        line = emit(library, *options, code=2)
        assert needed in line
        assert line.count("\n") == 1
        assert not Path("out").exists()
    check(emit("scipy", *SMALL, "--n-fft", "101", "--hop-length", "29"), "scipy", MIX)


def test_parameters_that_are_applied_to_another_recording(emit):
    x = RECORDING[::-1, 0].copy()
    soundfile.write("b.wav", x, RATE, subtype="FLOAT")
    learn = ["optimize", "ab.wav", "-q", "--no-figures"]
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
        assert needed in emit("torch", *given, command=("apply", name, "ab.wav"), code=2)
        assert not list(Path("out").iterdir())
