"""`dstft optimize` when something is wrong: exit code, one line, nothing left behind."""

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from dstft_cli.cli import main

SAMPLES = Path(__file__).parent.parent / "sample_audio"
RATE = 8000


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with one good recording and many bad ones."""
    good = (0.5 * np.sin(np.arange(RATE) / 5)).astype(np.float32)
    broken = good.copy()
    broken[4000] = np.nan
    for name, samples in {
        "good": good,
        "nan": broken,
        "zeros": np.zeros(RATE, np.float32),
        "one": good[1:2],
    }.items():
        soundfile.write(tmp_path / f"{name}.wav", samples, RATE, subtype="FLOAT")
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("This is not a recording.\n" * 20)
    (tmp_path / "header.wav").write_bytes((tmp_path / "good.wav").read_bytes()[:30])
    (tmp_path / "folder.wav").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def listing(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


BAD_INPUTS = {
    "missing.wav": "no such file",
    "empty.wav": "is empty",
    "header.wav": "",
    "text.wav": "",
    "folder.wav": "is a directory",
    "one.wav": "one.wav: signal of 1 sample: at least 2 are needed for a window",
    "zeros.wav": "every sample is zero: silence has no best window",
    "nan.wav": "sample 4000 (0.500 s) of channel 0 is nan: repair the file",
}


@pytest.mark.parametrize(("name", "message"), BAD_INPUTS.items())
def test_bad_inputs(folder, capsys, name, message):
    before = listing(folder)
    assert main(["optimize", name, "-o", "deep/out", "--npy", "x.npy"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("dstft: ")
    assert message in err
    assert name in err
    assert "internal error" not in err
    assert listing(folder) == before


WRONG_USAGE = {
    "criterion": (["--criterion", "entrpoy"], "did you mean 'entropy'?"),
    "module": (["--criterion", "no_such_module_here:x"], "put its folder on PYTHONPATH"),
    "bounds": (
        ["--win-length-min", "400", "--win-length-max", "300"],
        "--win-length-min 400 is above --win-length-max 300",
    ),
    "bounds in two units": (
        ["--win-length-min", "50ms", "--win-length-max", "300"],
        "window length min 400 samples is above the max, 300: "
        "lower --win-length-min or raise --win-length-max",
    ),
    "n_fft": (
        ["--n-fft", "512", "--win-length", "100ms"],
        "window length 800 samples is above n_fft 512: lower --win-length or raise --n-fft",
    ),
    "coverage": (
        ["--n-fft", "512", "--hop-length", "400"],
        "hop length 400 samples with overlap 0.5 needs windows of at least 800 samples, above the "
        "longest allowed, 512: lower --hop-length or raise --overlap or --win-length-max",
    ),
    "order": (["--order", "2"], "--order 2"),
    "channel": (["--channel", "3"], "channel 3 of a file with 1 channel"),
    "streams": (["--json", "--npy", "-"], "would both fill standard output"),
    "directory": (
        ["-o", "-"],
        "--output - would be a directory of that name: for standard output use json, npy - or png -",
    ),
    "frequencies": (["--fmin", "5000"], "5000"),
    "colours": (["--cmap", "nonsuch"], "nonsuch"),
}


@pytest.mark.parametrize(("options", "message"), WRONG_USAGE.values(), ids=WRONG_USAGE)
def test_wrong_usage(folder, capsys, options, message):
    before = listing(folder)
    assert main(["optimize", "good.wav", *options]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("dstft: ")
    assert message in err
    assert listing(folder) == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_absent_device(folder, capsys):
    before = listing(folder)
    assert main(["optimize", "good.wav", "--device", "cuda"]) == 2
    assert capsys.readouterr().err == (
        "dstft: device cuda is not available here: use --device cpu or auto\n"
    )
    assert listing(folder) == before


def test_truncated_recording_is_read_as_far_as_it_goes(folder, capsys):
    whole = (folder / "good.wav").read_bytes()
    (folder / "cut.wav").write_bytes(whole[: len(whole) // 2])
    assert main(["optimize", "cut.wav", "--npy", "x.npy", "--n-fft", "256"]) == 0
    out, err = capsys.readouterr()
    assert "results        cut-dstft" in out
    assert "warning: the header promises 1.0 s, the file holds 0.5 s: read what is there\n" in err
    T = 1 + (len(whole) // 2 - 58) // 4 // 16
    assert np.load("x.npy").shape[0] == 129
    assert np.load("x.npy").shape[1] == pytest.approx(T, abs=2)


REFUSED_EARLY = {
    "missing": (["missing.wav"], 1, "missing.wav: no such file: check the path"),
    "text": (["text.wav"], 1, "text.wav: is not audio that can be read"),
    "empty": (["empty.wav"], 1, "empty.wav: is empty"),
    "folder": (["folder.wav"], 1, "folder.wav: is a directory"),
    "channel": (["good.wav", "--channel", "3"], 2, "channel 3 of a file with 1 channel"),
    "rate": (["good.wav", "--sr", "10"], 2, "use --sr between 31 and 2048000"),
    "taken": (["good.wav", "-o", "folder.wav/.."], 2, "is the current directory or holds it"),
    "file": (["good.wav", "-o", "text.wav"], 2, "text.wav is not a directory"),
    "frequencies": (["good.wav", "--fmax", "1e9"], 2, "--fmax 1e+09 Hz is above the highest"),
    "colours": (["good.wav", "--cmap", "nope"], 2, "colour map 'nope' is unknown"),
}


@pytest.mark.parametrize(
    ("arguments", "code", "message"), REFUSED_EARLY.values(), ids=REFUSED_EARLY
)
def test_what_needs_no_torch_is_refused_without_it(folder, arguments, code, message):
    before = listing(folder)
    script = (
        "import sys; from dstft_cli.cli import main; code = main(['optimize', *sys.argv[1:]]);"
        "print(code, 'torch' in sys.modules)"
    )
    process = subprocess.run(
        [sys.executable, "-W", "error", "-c", script, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert process.stdout == f"{code} False\n"
    assert message in process.stderr
    assert process.stderr.count("\n") == 1
    assert listing(folder) == before


@pytest.mark.skipif(os.name != "posix", reason="named pipes of POSIX")
def test_a_named_pipe_is_not_used_up_by_a_look_at_it(folder, capsys):
    os.mkfifo("pipe.wav")
    with subprocess.Popen(["sh", "-c", "cat good.wav > pipe.wav"]):
        assert main(["optimize", "pipe.wav", "--n-fft", "256", "--no-figures", "-o", "out"]) == 0
    assert "results        out" in capsys.readouterr().out


def test_exit_codes_of_the_process(folder):
    """As in-process above, but of the command itself, with its real streams."""
    for arguments, code in (
        (["good.wav", "--criterion", "entrpoy"], 2),
        (["text.wav"], 1),
    ):
        process = subprocess.run(
            [sys.executable, "-W", "error", "-m", "dstft_cli", "optimize", *arguments],
            cwd=folder,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert process.returncode == code
        assert process.stdout == b""
        assert process.stderr.count(b"\n") == 1


def wav_of_unknown_length(seconds: int) -> bytes:
    """As ffmpeg writes to a pipe: lengths of 2³²−1 in the header."""
    noise = np.random.default_rng(0).integers(-9000, 9000, seconds * 44100)
    fmt = b"fmt " + struct.pack("<IHHIIHH", 16, 1, 1, 44100, 88200, 2, 16)
    unknown = struct.pack("<I", 0xFFFFFFFF)
    return b"RIFF" + unknown + b"WAVE" + fmt + b"data" + unknown + noise.astype("<i2").tobytes()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_interrupt_leaves_nothing(folder):
    before = listing(folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "dstft_cli", "optimize", "-", "-o", "out", "--npy", "x.npy",
         "--window-mode", "time", "--hop-length", "16", "--n-fft", "2048", "--smoothness", "0",
         "--optimizer", "adam", "--max-steps", "100000", "-v"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stderr is not None
    process.stdin.write(wav_of_unknown_length(4))
    process.stdin.close()
    line = process.stderr.readline()
    while line and not line.startswith(b"loaded"):  # then it fits, for far longer than we wait
        line = process.stderr.readline()
    assert listing(folder) != before  # what is being written waits under a hidden name
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    err = process.stderr.read().decode()
    assert process.wait(60) == 130
    assert err.splitlines()[-1] == "dstft: interrupted; nothing was written"
    assert listing(folder) == before
    process.stderr.close()
    assert process.stdout is not None
    assert process.stdout.read() == b""
    process.stdout.close()
