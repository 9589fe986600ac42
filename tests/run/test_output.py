"""What a run writes, and where: places that must not be written, pictures, sizes, one record."""

import inspect
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from contract.support import FIXED, RATE, refused, sound

import dstft_cli
from dstft_cli.audio import Signal
from dstft_cli.cli import main
from dstft_cli.errors import InputError, UsageError
from dstft_cli.plot import pictures
from dstft_cli.run.optimize import cpu_threads
from dstft_cli.run.recording import picture_title
from dstft_cli.settings import Settings

DATA = {"parameters.npz", "result.json", "spectrogram.npy", "trajectory.csv"}
PICTURES = {"comparison.png", "spectrogram.png", "trajectory.png", "view.html"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_colliding_places_are_refused(folder):
    before = Path("a.wav").read_bytes()
    lines = ["--npy a.wav --force", "--png a.wav --force", "--npy x --png x", "--png q.svg"]
    lines += ["--npy x/y.npy --png x", "--npy d/spectrogram.npy -o d", "--npy d -o d/e"]
    for options in (*lines, "--png q.jpg"):
        refused("optimize", "a.wav", *FIXED, *options.split())
        assert names(folder) == {"a.wav", "ab.wav"}
        assert Path("a.wav").read_bytes() == before


def test_the_record_tells_every_file_and_the_data_is_the_same_without_pictures(folder):
    options = ["--save-stft", "--npy", "x.npy", "-q", "-o", "d"]
    assert main(["optimize", "a.wav", *FIXED, *options]) == 0
    record = json.loads(Path("d/result.json").read_text())
    assert set(record["outputs"]) == DATA | PICTURES | {"stft.npy", "npy"}
    assert names(Path("d")) == set(record["outputs"]) - {"npy"}
    assert record["outputs"]["npy"] == "x.npy"
    assert record["outputs"]["stft.npy"] == str(Path("d/stft.npy"))
    sizes = {path.name: path.stat().st_size for path in Path("d").iterdir()}
    assert record["sizes"] == {name: sizes[name] for name in sizes if name != "result.json"}
    options = ["--no-figures", "--png", "one.png", "-q", "-o", "bare"]
    assert main(["optimize", "a.wav", *FIXED, *options]) == 0
    assert names(Path("bare")) == DATA
    assert np.array_equal(np.load("d/spectrogram.npy"), np.load("bare/spectrogram.npy"))
    assert Path("one.png").read_bytes() == Path("d/spectrogram.png").read_bytes()
    assert main(["sweep", "a.wav", "-q", "-o", "s"]) == 0
    swept = json.loads(Path("s/sweep.json").read_text())
    assert set(swept["sizes"]) == {"sweep.csv", "sweep.png"}


def test_libraries_are_loaded_only_when_they_are_needed(folder):
    """torch after the places and the header are checked, matplotlib to draw."""
    code = (
        "import sys; from dstft_cli.cli import main\n"
        "for options in (['a.wav', '-o', 'd'], ['gone.wav'], ['a.wav', '--channel', '3']):\n"
        "    print(main(['optimize', *options]), 'torch' in sys.modules)\n"
        "print(main(sys.argv[1:]), 'matplotlib' in sys.modules)"
    )
    Path("d").mkdir()
    Path("d/thesis").write_text("years")
    plain = ["optimize", "a.wav", *FIXED, "-q", "--no-figures", "-o", "e"]
    done = subprocess.run([sys.executable, "-c", code, *plain], capture_output=True, text=True)
    assert done.stdout == "2 False\n1 False\n2 False\n0 False\n"
    assert names(Path()) == {"d", "e", "a.wav", "ab.wav"}


def test_all_channels_are_pooled_and_the_picture_says_so(folder, monkeypatch):
    made = []

    class Kept(pictures.Pictures):
        def __post_init__(self):
            super().__post_init__()
            made.append(self)

    monkeypatch.setattr(pictures, "Pictures", Kept)
    options = ["--channel", "all", "--no-view", "-q", "-o", "out"]
    assert main(["optimize", "ab.wav", *FIXED, *options]) == 0
    (drawn,) = made
    assert (drawn.title, drawn.channels) == ("ab.wav (all 2 channels)", 2)
    assert drawn.plain_lengths == ()
    power = np.square(np.load("out/spectrogram.npy")).mean(axis=0)
    loudest = np.sqrt(power.max()) / np.abs(sound()).max()
    assert drawn.learned.pool.image.max() == pytest.approx(loudest, rel=1e-3)


def test_titles_tell_the_channels_the_filter_and_the_band():
    for path, channels, settings, title in (
        ("in/a.wav", 2, {"channel": "mix"}, "a.wav (mean of 2 channels)"),
        ("-", 3, {"channel": "all"}, "standard input (all 3 channels)"),
        ("a.wav", 1, {"criterion_fmax": 900.5}, "a.wav, criterion over 0 to 900.5 Hz"),
        ("a.wav", 1, {"highpass": 20}, "a.wav, high-pass 20 Hz"),
    ):
        signal = Signal(np.zeros((1, 9)), 8000, path, "", channels, 1.0)
        assert picture_title(signal, Settings(**settings)) == title


def test_the_python_function_reads_the_settings(folder):
    signature = inspect.signature(dstft_cli.optimize)
    assert list(signature.parameters)[:2] == ["samples", "sample_rate"]
    for name, parameter in list(signature.parameters.items())[2:-1]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default == getattr(Settings(), name)
    assert {"win_length", "window_mode", "criterion", "device"} <= signature.parameters.keys()
    assert not {"output", "force", "sr", "json"} & signature.parameters.keys()
    kind, x = {"n_fft": 256, "window_mode": "fixed"}, sound()[:, 0]
    result = dstft_cli.optimize(x, RATE, win_length="16ms", **kind)
    assert result.window_length.tolist() == [[128.0]]
    asked = ["--n-fft", "256", "--win-length", "16ms", "--window-mode", "fixed", "--sr", "8000"]
    assert main(["optimize", "a.wav", *asked, "--no-figures", "-q", "-o", "d"]) == 0
    final = json.loads(Path("d/result.json").read_text())["criterion"]["final"]
    assert result.criterion.final == pytest.approx(final, rel=1e-6)
    for wrong in ({"nfft": 3}, {"n_fft": "many"}, {"window_mode": "wide"}, {"output": "d"}):
        with pytest.raises(UsageError):
            dstft_cli.optimize(x, RATE, **wrong)
    with pytest.raises(InputError):
        dstft_cli.optimize(np.zeros(100), RATE)


def test_no_more_threads_than_processors():
    import torch

    before = torch.get_num_threads()
    with cpu_threads(4096) as threads:
        assert threads == torch.get_num_threads() == os.cpu_count()
    assert torch.get_num_threads() == before


def test_a_name_that_no_font_draws_is_told_once(folder, capsys):
    name = "\U00012000.wav"  # cuneiform
    os.rename("a.wav", name)
    for options, notes in ((["-o", "drawn", "--no-view"], 1), (["-o", "bare", "--no-figures"], 0)):
        assert main(["optimize", name, *FIXED, *options]) == 0
        assert capsys.readouterr().err.count(name) == notes
        record = json.loads(Path(options[1], "result.json").read_text())
        assert sum(name in text for text in record["warnings"]) == notes
