"""`dstft reconstruct DIR`: the analysed audio comes back, and what is broken is said."""

import io
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from dstft_cli.audio import load
from dstft_cli.cli import main
from dstft_cli.stft import stft

SAMPLES = Path(__file__).parent.parent / "sample_audio"
RECORDINGS = sorted(path.name for path in SAMPLES.iterdir() if path.suffix in (".wav", ".oga"))
RATE = 8000


def process(folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-W", "error", "-m", "dstft_cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)


def relative_error(audio: Path | io.BytesIO, x: np.ndarray) -> float:
    """Of the audio written, against the samples [C, N] that were analysed."""
    back, _ = soundfile.read(audio, dtype="float32", always_2d=True)
    assert back.T.shape == x.shape
    return float(np.linalg.norm(back.T - x) / np.linalg.norm(x))


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """A directory of results of half a second in two channels, one length per frame."""
    folder = tmp_path_factory.mktemp("learned")
    rng = np.random.default_rng(0)
    x = 0.4 * np.sin(np.arange(4000) / 9) * (np.arange(4000) > 2000)
    stereo = np.stack([x, np.roll(x, 500)], 1) + 0.01 * rng.standard_normal((4000, 2))
    soundfile.write(folder / "a.wav", stereo, RATE, subtype="FLOAT")
    arguments = [str(folder / "a.wav"), "--channel", "all", "--window-mode", "time"]
    arguments += ["--save-stft", "--n-fft", "256", "-q"]
    assert main(["optimize", *arguments, "-o", str(folder / "a-dstft")]) == 0
    return folder


@pytest.fixture
def folder(learned, tmp_path, monkeypatch):
    """A copy of it that a test may break, as the current directory."""
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def samples(folder):
    return np.asarray(load(folder / "a.wav", channel="all").samples)


@pytest.fixture
def reconstruct(capsysbinary):
    """`dstft reconstruct` in this process: stdout and stderr, its exit code checked."""

    def run(*arguments, code=0):
        capsysbinary.readouterr()
        assert main(["reconstruct", *arguments]) == code
        out, err = capsysbinary.readouterr()
        return out, err.decode()

    return run


@pytest.mark.parametrize("name", RECORDINGS)
@pytest.mark.parametrize("mode", ["time", "constant"])
def test_the_audio_of_every_recording_comes_back(tmp_path, monkeypatch, reconstruct, name, mode):
    monkeypatch.chdir(tmp_path)
    options = ["--save-stft", "--window-mode", mode, "-o", "out", "-q"]
    assert main(["optimize", str(SAMPLES / name), *options]) == 0
    out, err = reconstruct("out")
    signal = load(SAMPLES / name)
    assert relative_error(tmp_path / "out-reconstructed.wav", np.asarray(signal.samples)) <= 1e-5
    assert err == ""
    assert out.decode().splitlines() == [
        f"reconstructed  {signal.length} samples, {signal.seconds:.3f} s, "
        f"{signal.sample_rate} Hz, 1 channel",
        "audio          out-reconstructed.wav",
    ]
    assert soundfile.info(tmp_path / "out-reconstructed.wav").samplerate == signal.sample_rate


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_that_hardly_meet(folder, reconstruct, dtype):
    main(
        ["optimize", "a.wav", "--save-stft", "--dtype", dtype, "-o", "sparse", "--overlap", "0.9",
         "--window-mode", "fixed", "--n-fft", "256", "--win-length", "200", "--hop-length", "179.9",
         "-q"]
    )  # fmt: skip
    # the last frame stands 42.2 samples before the end, well within its window
    assert reconstruct("sparse", "-q") == (b"", "")
    x = np.asarray(load("a.wav").samples)
    assert relative_error(folder / "sparse-reconstructed.wav", x) <= 1e-5


def test_all_channels_to_standard_output(folder, samples):
    done = process(folder, "reconstruct", "a-dstft", "-o", "-")
    assert done.returncode == 0
    assert done.stderr == b""
    assert relative_error(io.BytesIO(done.stdout), samples) <= 1e-5
    assert sorted(path.name for path in folder.iterdir()) == ["a-dstft", "a.wav"]


@pytest.mark.parametrize(
    ("name", "subtype", "container", "steps"),
    [
        ("b.wav", "PCM_16", "WAV", 2**15),
        ("b.wav", "PCM_24", "WAV", 2**23),
        ("deep/b.flac", None, "FLAC", 2**23),
        ("b.FLAC", "PCM_16", "FLAC", 2**15),
    ],
)
def test_formats(folder, samples, reconstruct, name, subtype, container, steps):
    reconstruct("a-dstft/", "-o", name, *(["--subtype", subtype] if subtype else []))
    info = soundfile.info(folder / name)
    assert (info.format, info.subtype) == (container, subtype or "PCM_24")
    assert (info.samplerate, info.channels, info.frames) == (RATE, 2, 4000)
    back, _ = soundfile.read(folder / name)
    np.testing.assert_allclose(back.T, samples, rtol=0, atol=1 / steps + 1e-7)


def test_values_beyond_full_scale(folder, reconstruct):
    X = np.load("a-dstft/stft.npy")
    np.save("a-dstft/stft.npy", np.ascontiguousarray(4 * X))  # in C order, as others may save it
    _, err = reconstruct("a-dstft", "-o", "loud.wav", "--subtype", "PCM_16")
    loud, _ = soundfile.read("a.wav")
    beyond = np.count_nonzero(np.abs(4 * loud) > 1 + 1e-5)
    assert beyond > 100
    assert err == (
        f"warning: {beyond} values are beyond [-1, 1] and clipped: use --subtype FLOAT\n"
    )
    back, _ = soundfile.read("loud.wav")
    np.testing.assert_allclose(back, np.clip(4 * loud, -1, 1), atol=1e-4)
    assert reconstruct("a-dstft", "-o", "loud.wav", "--force")[1] == ""
    back, _ = soundfile.read("loud.wav")
    np.testing.assert_allclose(back, 4 * loud, atol=1e-5)


def test_gaps_are_counted(folder, reconstruct):
    main(
        ["optimize", "a.wav", "--save-stft", "-o", "gaps", "--window-mode", "fixed", "-q",
         "--n-fft", "256", "--win-length", "100", "--hop-length", "200"]
    )  # fmt: skip
    out, err = reconstruct("gaps")
    # windows at 0, 200, ... 4000 reach 49 samples to each side; the outermost hold w² ≈ 1e-6
    uncovered = 4000 - (50 + 19 * 99 + 49)
    remedy = "learn again with a lower --hop-length or --overlap"
    assert err.splitlines() == [
        f"warning: {uncovered} samples (0.51 of all) are covered by no window and set to zero: "
        f"{remedy}",
        "warning: 40 samples (0.01 of all) are covered only by the ends of windows and inexact: "
        f"{remedy}",
    ]
    back, _ = soundfile.read("gaps-reconstructed.wav", dtype="float32")
    assert np.count_nonzero(back == 0) == uncovered
    assert out.startswith(b"reconstructed  4000 samples")


def test_what_exists_is_kept_unless_forced(folder, samples, reconstruct):
    (folder / "a-dstft-reconstructed.wav").write_text("mine")
    out, err = reconstruct("a-dstft", code=2)
    assert (out, err) == (
        b"",
        "dstft: a-dstft-reconstructed.wav exists: use --force to replace it or choose another "
        "name\n",
    )
    assert (folder / "a-dstft-reconstructed.wav").read_text() == "mine"
    reconstruct("a-dstft", "--force")
    assert relative_error(folder / "a-dstft-reconstructed.wav", samples) <= 1e-5


def edited(name: str, **changes) -> None:
    with np.load(name, allow_pickle=False) as npz:
        arrays = {**dict(npz), **changes}
    np.savez(name, **arrays)


def saved(samples: np.ndarray, lengths: np.ndarray, kind: str = "complex64") -> None:
    """The transform of a.wav with other window lengths, in its directory."""
    with np.load("a-dstft/parameters.npz") as npz:
        centers = npz["frame_centers"]
    X = stft(*map(torch.as_tensor, (samples, centers, lengths)), 256)
    np.save("a-dstft/stft.npy", X.numpy().astype(kind))
    edited("a-dstft/parameters.npz", window_length=lengths)


def by_bin() -> np.ndarray:
    return np.geomspace(256, 40, 129)[:, None]


def by_cell() -> np.ndarray:
    """Patches of 8 bins and 4 frames."""
    values = np.random.default_rng(1).choice([256.0, 120, 64.5, 40], (17, 63))
    return values.repeat(8, axis=0).repeat(4, axis=1)[:129, :251]


@pytest.mark.parametrize("lengths", [by_bin, by_cell])
@pytest.mark.parametrize("kind", ["complex64", "complex128"])
def test_lengths_that_vary_with_frequency(folder, samples, reconstruct, lengths, kind):
    saved(samples if kind == "complex64" else samples.astype(np.float64), lengths(), kind)
    out, err = reconstruct("a-dstft")
    assert err == ""
    assert relative_error(folder / "a-dstft-reconstructed.wav", samples) <= 1e-6
    lines = out.decode().splitlines()
    assert lines[0] == "reconstructed  4000 samples, 0.500 s, 8000 Hz, 2 channels"
    found = re.fullmatch(r"least squares  (\d+) iterations, residual (\S+)", lines[1])
    assert 5 < int(found[1]) < 40
    assert 0 < float(found[2]) < {"complex64": 1e-6, "complex128": 1e-10}[kind]
    assert lines[2:] == ["audio          a-dstft-reconstructed.wav"]


def test_what_frequency_mode_writes(folder, reconstruct):
    arguments = ["--window-mode", "frequency", "--save-stft", "--n-fft", "256", "-q"]
    assert main(["optimize", "a.wav", *arguments, "-o", "bins"]) == 0
    assert np.load("bins/parameters.npz")["window_length"].shape == (129, 1)
    out, err = reconstruct("bins")
    assert err == ""
    assert out.startswith(b"reconstructed  4000 samples")
    x = np.asarray(load("a.wav").samples)
    assert relative_error(folder / "bins-reconstructed.wav", x) <= 1e-5


def test_least_squares_to_standard_output(folder, samples):
    saved(samples, by_cell())
    done = process(folder, "reconstruct", "a-dstft", "-o", "-")
    assert (done.returncode, done.stderr) == (0, b"")
    assert relative_error(io.BytesIO(done.stdout), samples) <= 1e-6


def test_least_squares_that_do_not_converge(folder, samples, reconstruct, monkeypatch):
    saved(samples, by_cell())
    monkeypatch.setattr("dstft_cli.stft.least_squares.MOST_ITERATIONS", 1)
    out, err = reconstruct("a-dstft")
    assert re.fullmatch(
        "warning: least squares stopped after 1 iterations, residual 0.[0-9]+, and the audio may be "
        "inexact: learn again with a lower --hop-length or --overlap\n",
        err,
    )
    assert b"\nleast squares  1 iteration, residual 0." in out
    assert (folder / "a-dstft-reconstructed.wav").exists()


def test_gaps_where_lengths_vary_with_frequency(folder, samples, reconstruct):
    """Frames from 1000 on are left out of the file and of the parameters."""
    saved(samples, by_bin())
    with np.load("a-dstft/parameters.npz") as npz:
        few = {name: npz[name][:63] for name in ("frame_centers", "hop_lengths", "times")}
    few["hop_lengths"] = few["hop_lengths"][:62]
    edited("a-dstft/parameters.npz", **few)
    np.save("a-dstft/stft.npy", np.load("a-dstft/stft.npy")[..., :63])
    _, err = reconstruct("a-dstft")
    back, _ = soundfile.read("a-dstft-reconstructed.wav", dtype="float32")
    last = few["frame_centers"][-1] + 128
    zeros = np.count_nonzero((back == 0).all(axis=1))
    assert zeros == 4000 - np.ceil(last)
    lines = err.splitlines()
    assert lines[0].startswith(f"warning: {zeros} samples (")
    assert "covered by no window and set to zero" in lines[0]
    assert "covered only by the ends of windows and inexact" in lines[1]
    assert "least squares stopped after 200 iterations" in lines[2]
    inside = slice(0, int(last) - 300)
    np.testing.assert_allclose(back.T[:, inside], samples[:, inside], atol=1e-4)


def no_directory():
    shutil.rmtree("a-dstft")


def a_file():
    no_directory()
    Path("a-dstft").write_text("no directory")


def no_parameters():
    Path("a-dstft/parameters.npz").unlink()


def no_transform():
    Path("a-dstft/stft.npy").unlink()


def cut_transform():
    data = Path("a-dstft/stft.npy").read_bytes()
    Path("a-dstft/stft.npy").write_bytes(data[:-1])


def text_as_transform():
    Path("a-dstft/stft.npy").write_text("This is not an array.\n")


def magnitude_as_transform():
    shutil.copy("a-dstft/spectrogram.npy", "a-dstft/stft.npy")


def pickled_transform():
    np.save("a-dstft/stft.npy", np.array([[{}]], object), allow_pickle=True)


def frames_missing():
    np.save("a-dstft/stft.npy", np.load("a-dstft/stft.npy")[..., :-1])


def nan_in_transform():
    X = np.load("a-dstft/stft.npy")
    X[1, 5, 77] = np.nan
    np.save("a-dstft/stft.npy", X)


def fractional_rate():
    edited("a-dstft/parameters.npz", sample_rate=8000.5)


def damaged_parameters():
    Path("a-dstft/parameters.npz").write_bytes(b"PK\x03\x04 no more")


AGAIN = "run dstft optimize again"
DAMAGED = "is not an .npy of dstft or is damaged: run dstft optimize with --save-stft again"
BROKEN = {
    no_directory: "a-dstft: no such directory: check the path",
    a_file: "a-dstft is not a directory: name one that dstft optimize has written",
    no_parameters: "a-dstft/parameters.npz does not exist: name a directory that dstft optimize has "
    "written",
    no_transform: "a-dstft/stft.npy does not exist: run dstft optimize with --save-stft",
    cut_transform: f"a-dstft/stft.npy {DAMAGED}",
    text_as_transform: f"a-dstft/stft.npy {DAMAGED}",
    magnitude_as_transform: "a-dstft/stft.npy holds float32 of shape (2, 129, 251), where complex "
    "[F, T] or [C, F, T] is expected: run dstft optimize with --save-stft",
    pickled_transform: "a-dstft/stft.npy holds object of shape (1, 1), where complex [F, T] or "
    "[C, F, T] is expected: run dstft optimize with --save-stft",
    frames_missing: "a-dstft/stft.npy has shape (2, 129, 250), where parameters.npz has 129 "
    f"frequencies and 251 frames: {AGAIN}",
    nan_in_transform: f"a-dstft/stft.npy: frame 77 holds NaN or infinity: {AGAIN}",
    damaged_parameters: f"a-dstft/parameters.npz is not an .npz of dstft or is damaged: {AGAIN}",
}


@pytest.mark.parametrize(
    ("damage", "message"), BROKEN.items(), ids=lambda x: getattr(x, "__name__", "")
)
def test_broken_directories(folder, reconstruct, damage, message):
    damage()
    before = set(folder.rglob("*"))
    assert reconstruct("a-dstft", "-o", "new/x.wav", code=1) == (b"", f"dstft: {message}\n")
    assert set(folder.rglob("*")) == before


WRONG = {
    "ending": (["-o", "x.mp3"], "x.mp3: no known sound file: end the name in .wav or .flac"),
    "subtype": (["--subtype", "PCM_8"], "subtype 'PCM_8' is unknown: use PCM_16, PCM_24, FLOAT"),
    "flac": (
        ["-o", "x.flac", "--subtype", "FLOAT"],
        "x.flac: FLAC has no subtype FLOAT: use PCM_24 or a .wav",
    ),
    "verbosity": (["-qv"], "--quiet and --verbose exclude each other: leave one out"),
}


@pytest.mark.parametrize(("options", "message"), WRONG.values(), ids=WRONG)
def test_wrong_usage(folder, reconstruct, options, message):
    before = set(folder.rglob("*"))
    assert reconstruct("a-dstft", *options, code=2)[1].splitlines()[-1] == f"dstft: {message}"
    assert set(folder.rglob("*")) == before


def test_a_sample_rate_that_no_file_holds(folder, reconstruct):
    fractional_rate()
    _, err = reconstruct("a-dstft", code=1)
    assert err == "dstft: sample rate 8000.5 Hz: sound files hold whole numbers only\n"
    assert not (folder / "a-dstft-reconstructed.wav").exists()


def test_no_audio_to_a_terminal(folder, monkeypatch, capsys):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["reconstruct", "a-dstft", "-o", "-"]) == 2
    assert capsys.readouterr().err == (
        "dstft: --output - would write binary data to a terminal: "
        "redirect it (> FILE), pipe it, or give a path for -\n"
    )


def test_the_record_is_not_needed(folder, samples, reconstruct):
    """Only stft.npy and parameters.npz are read."""
    record = json.loads((folder / "a-dstft/result.json").read_text())
    assert record["frames"] == 251
    for entry in (folder / "a-dstft").iterdir():
        if entry.name not in ("stft.npy", "parameters.npz"):
            entry.unlink()
    reconstruct("a-dstft")
    assert relative_error(folder / "a-dstft-reconstructed.wav", samples) <= 1e-5


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(folder):
    (folder / "full.wav").symlink_to("/dev/full")
    done = process(folder, "reconstruct", "a-dstft", "-o", "full.wav")
    assert done.returncode == 1
    assert done.stderr.decode() == (
        "dstft: disk full while writing full.wav: free some space or choose another -o\n"
    )


def test_a_reader_that_stops_is_no_failure(folder):
    command = [sys.executable, "-m", "dstft_cli", "reconstruct", "a-dstft", "-o", "-"]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as p:
        assert p.stdout is not None
        p.stdout.close()
        assert p.stderr is not None
        assert p.stderr.read() == b""
    assert p.returncode == 0
