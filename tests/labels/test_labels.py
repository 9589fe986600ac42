"""`--labels`: recordings by class, who is held out, the statistics, and the command."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from dstft_cli.cli import main
from dstft_cli.errors import InputError
from dstft_cli.labels import compare
from dstft_cli.labels.compare import Trials, difference, verdict, wilson
from dstft_cli.labels.recordings import read_classes

RATE = 2000


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """`data/low` and `data/high`, four tones each, in the current directory."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    n = np.arange(RATE)
    for name, frequency in (("low", 200), ("high", 600)):
        Path("data", name, "more").mkdir(parents=True)
        for index in range(4):
            x = np.sin(2 * np.pi * (frequency + 9 * index) * n / RATE)
            x = 0.5 * x + 0.1 * rng.standard_normal(len(n))
            place = Path("data", name, "more" if index == 3 else "", f"{index}.wav")
            soundfile.write(place, x, RATE)
    return tmp_path


def test_recordings_become_pieces_of_unit_power_on_one_side_each(tmp_path):
    rng = np.random.default_rng(0)
    for name, rate in (("high", 8000), ("low", 16000)):
        (tmp_path / name).mkdir()
        for index in range(5):
            samples = 0.1 * rng.standard_normal(round(1.7 * rate))
            soundfile.write(tmp_path / name / f"{index}.wav", samples, rate)
    (tmp_path / ".hidden").mkdir()
    data = read_classes([tmp_path], 8)
    assert (data.classes, data.sample_rate, data.n_fft) == (("high", "low"), 8000, 512)
    assert data.counts == {"high": 5, "low": 5}
    parts = data.split(3)
    assert (len(parts.signals), len(parts.held_out)) == (2 * 3 * 3, 2 * 2 * 3)
    torch.testing.assert_close(parts.signals.square().mean(-1), torch.ones(18))
    known = {tuple(row[:8].tolist()) for row in parts.signals}
    assert not known & {tuple(row[:8].tolist()) for row in parts.held_out}
    assert parts.targets.tolist() == [0] * 9 + [1] * 9


def test_a_rate_too_low_for_the_network_is_refused(folders):
    soundfile.write("data/low/slow.wav", np.ones(200), 100)
    with pytest.raises(InputError, match="100 Hz, too low"):
        read_classes([Path("data")], 8)


def test_every_recording_is_held_out_once(folders):
    data = read_classes([Path("data/low"), Path("data/high")], 8)
    assert data.classes == ("low", "high")
    folds = list(data.folds(3, 5))
    assert sorted(index for _, held in folds for index in held) == list(range(8))
    for order, held in folds:
        assert sorted(order) == list(range(8))
        parts = data.data(order, held)
        assert set(parts.targets.tolist()) == {0, 1}
        pieces = [data.all[i].pieces for i in order if i in held]
        assert torch.equal(parts.held_out, torch.cat(pieces))
    assert list(data.folds(3, 5)) == folds
    assert list(data.folds(3, 6)) != folds
    given = read_classes([Path("data")], 8, sample_rate=1000, n_fft=32)
    assert (given.classes, given.sample_rate, given.n_fft) == (("high", "low"), 1000, 32)
    assert given.all[0].pieces.shape == (3, 256)


def test_files_that_cannot_be_read_are_left_out(folders):
    Path("data/low/notes.txt").write_text("not a sound")
    found = read_classes([Path("data")], 8)
    assert found.counts == {"high": 4, "low": 4}
    assert [text.startswith("left out: data/low/notes.txt") for text in found.warnings] == [True]
    for path in Path("data/low").glob("[12].wav"):
        path.unlink()
    Path("data/low/0.wav").write_bytes(b"RIFF")
    for places, words in (
        ([Path("data")], "low has 1 recording .*; left out: data/low/0.wav"),
        ([Path("data/low")], "low holds . folders?: at least two classes"),
        ([Path("none"), Path("data")], "none is no folder"),
    ):
        with pytest.raises(InputError, match=words):
            read_classes(places, 8)


def test_folders_that_will_not_do_are_named_without_torch(folders):
    Path("words/one").mkdir(parents=True)
    Path("words/two").mkdir()
    for k in range(2):
        Path(f"words/one/{k}.txt").write_text("no sound")
    for named, *places in (["low", "data/low"], ["one", "words"], ["two", "data/low", "words/two"]):
        code = (
            "import sys; from dstft_cli.cli import main\n"
            f"code = main(['optimize', '--labels', *{places}])\n"
            "sys.exit(9 if 'torch' in sys.modules else code)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 1, done.stderr
        assert named in done.stderr


def test_intervals():
    assert wilson(0.5, 10) == pytest.approx((0.236593, 0.763407), abs=1e-6)
    assert wilson(1.0, 10) == pytest.approx((0.722467, 1.0), abs=1e-6)
    assert wilson(0.0, 3)[0] == pytest.approx(0, abs=1e-12)
    ours, theirs = np.array([[1.0] * 7 + [0] * 3]), np.array([[1.0] * 3 + [0] * 6 + [1]])
    gain, low, high = difference(ours, theirs)  # four for ours, one against, of ten
    half = 1.959964 * (4 + 1 + 1 - 3**2 / 12) ** 0.5 / 12
    assert (gain, low, high) == pytest.approx((0.3, 3 / 12 - half, 3 / 12 + half))
    assert difference(ours, ours) == pytest.approx((0, -1.959964 / 12, 1.959964 / 12))


def test_a_fixed_window_is_chosen_without_the_recordings_it_is_measured_on(monkeypatch):
    fixed = np.array([[[1.0, 1, 0, 0, 0, 0]], [[0, 0, 1, 0, 0, 0]]])  # windows, repeats, recordings
    folds = [(0, [], [0, 1]), (0, [], [2, 3]), (0, [], [4, 5])]
    monkeypatch.setattr(Trials, "folds", folds)
    trials = Trials(None, None, 0)
    answers, chosen = trials.picked(fixed, 1)
    assert chosen == [1, 0, 0]  # without its own recordings the first window has nothing
    assert answers.tolist() == [[0, 0, 0, 0, 0, 0]]
    answers, chosen = trials.picked(fixed, -1)
    assert chosen == [0, 1, 1]
    assert answers.tolist() == [[1, 1, 1, 0, 0, 0]]


def row(window, mean, over):
    names = ("", "_from", "_to")
    told = {f"accuracy{end}": mean + d for end, d in zip(names, (0, -0.05, 0.05), strict=True)}
    gain = {
        f"over_best_fixed{end}": over + d for end, d in zip(names, (0, -0.03, 0.03), strict=True)
    }
    return {"window": window, "win_length": 100.0, **told, **gain}


def test_the_answer_follows_the_intervals():
    for best, worst, learned, guess, matters, words in (
        (0.9, 0.6, 0.91, 0.5, True, ["matters", "100 ms: 91% (86% to 96%), no difference shown"]),
        (0.9, 0.88, 0.95, 0.5, False, ["not shown to matter", "100%), better"]),
        (0.9, 0.6, 0.8, 0.5, True, ["85%), worse"]),
        (0.52, 0.5, 0.5, 0.5, False, ["guessing, 50%"]),
    ):
        rows = [row("best fixed", best, 0), row("worst fixed", worst, worst - best)]
        rows += [row("entropy", best, 0), row("learned", learned, learned - best)]
        found, text = verdict(rows, guess, 1000.0)
        assert found is matters
        assert [word for word in words if word not in text] == []


def test_the_command(folders, monkeypatch, capsys):
    for name, value in (("REPEATS", 1), ("FOLDS", 2), ("STEPS", 12)):
        monkeypatch.setattr(compare, name, value)
    monkeypatch.setattr(compare, "GRID", (1 / 4, 1.0))
    Path("data/low/notes.txt").write_text("not a sound")
    command = ["optimize", "--labels", "data", "--n-fft", "64", "--seed", "3"]
    assert main([*command, "--window-mode", "time"]) == 0
    out, err = capsys.readouterr()
    assert "--window-mode" in err.splitlines()[0]
    assert "left out: data/low/notes.txt" in err
    record = json.loads(Path("data-labels/labels.json").read_text())
    assert record["verdict"] in out
    assert record["input"]["classes"] == {"high": 4, "low": 4}
    assert record["settings"]["n_fft"] == 64
    names = [entry["window"] for entry in record["windows"]]
    assert names[:4] == ["fixed", "fixed", "best fixed", "worst fixed"]
    assert record["windows"][-1]["accuracy"] == 1  # tones of 200 and 600 Hz
    assert {one["learned"] for one in record["recordings"]} == {1}
    assert Path("data-labels/labels.png").read_bytes().startswith(b"\x89PNG")
    with open("data-labels/labels.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["window"] for line in lines] == names
    assert float(lines[-1]["accuracy"]) == 1
    assert main([*command, "--json", "--threads", "1"]) == 0
    assert json.loads(capsys.readouterr().out)["windows"] == record["windows"]
    assert main(["optimize", "--labels", "none"]) == 1
    assert "none is no folder" in capsys.readouterr().err
