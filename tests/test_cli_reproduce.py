"""`dstft reproduce NAME`: table, CSV, record, pictures, errors."""

import csv
import io
import json
import re
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import soundfile
from PIL import Image

from dstft_cli.cli import main
from dstft_cli.experiments import classification, hops, reproduce, tracking, windows

RATE = 8000
SIZES = {
    "windows": (windows.run, windows.Size(samples=1500, n_fft=64, hop_length=16)),
    "hops": (hops.run, hops.Size(cases=hops.CASES[:2], max_steps=5)),
    "tracking": (
        tracking.run,
        replace(tracking.FULL, levels=(10.0,), grid=(32, 64), repetitions=2, steps=3, train=16),
    ),
    "classification": (
        classification.run,
        replace(classification.FULL, grid=(0.5, 1.0), repetitions=2, steps=3, train=4, held_out=4),
    ),
}


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Every experiment in small, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    for name, (run, size) in SIZES.items():
        monkeypatch.setitem(reproduce.RUN, name, partial(run, size=size))


def run(capsys, *arguments: str, code: int = 0) -> tuple[str, str]:
    assert main(["reproduce", *arguments]) == code
    return capsys.readouterr()


def recordings(folder, names=("low", "high"), each=4, seconds=0.7):
    rng = np.random.default_rng(0)
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        for index in range(each):
            n = np.arange(round(seconds * RATE))
            x = 0.4 * np.sin(2 * np.pi * (300 + 900 * number) * n / RATE + index)
            x += 0.01 * rng.standard_normal(len(x))
            soundfile.write(folder / name / f"{index}.wav", x, RATE)
    return folder


def without_times(record):
    """The record but for what a clock or the number of threads says."""
    if isinstance(record, dict):
        return {k: without_times(v) for k, v in record.items() if "seconds" not in k}
    return [without_times(v) for v in record] if isinstance(record, list) else record


@pytest.mark.parametrize("name", list(SIZES))
def test_the_table_the_record_and_the_picture(capsys, tmp_path, name):
    out, err = run(capsys, name)
    assert err == ""
    folder = tmp_path / f"{name}-dstft"
    assert sorted(path.name for path in folder.iterdir()) == [f"{name}.json", f"{name}.png"]
    record = json.loads((folder / f"{name}.json").read_text())
    assert (record["seed"], list(record["experiments"])) == (0, [name])
    found = record["experiments"][name]
    lines = out.splitlines()
    assert lines[0] == found["title"]
    assert re.split(r" {2,}", lines[1]) == found["table"]["columns"]
    assert len(found["table"]["rows"]) == next(
        index for index, line in enumerate(lines[2:]) if line.startswith("- ")
    )
    assert [line[2:] for line in lines if line.startswith("- ")] == found["notes"]
    assert lines[-1] == f"output  {name}-dstft"
    assert found["settings"]["seed" if name in ("windows", "hops") else "seeds"] in (0, [0, 1])
    with Image.open(folder / found["picture"]) as picture:
        assert picture.size[0] == 1300
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 50


def test_csv_is_the_table_and_nothing_else(capsys, tmp_path):
    out, err = run(capsys, "tracking", "--csv", "-o", "here")
    rows = list(csv.reader(io.StringIO(out)))
    record = json.loads((tmp_path / "here" / "tracking.json").read_text())
    table = record["experiments"]["tracking"]["table"]
    assert rows[0] == table["columns"]
    assert [[float(row[3] or "nan")] for row in rows[1:-1]] == [
        [row[3]] for row in table["rows"][:-1]
    ]
    assert rows[-1][1] == "whole grid"
    assert err == ""


def test_all_runs_every_experiment(capsys, tmp_path):
    out, _ = run(capsys, "all", "-q")
    assert out == ""
    folder = tmp_path / "all-dstft"
    assert sorted(path.name for path in folder.iterdir()) == [
        "all.json",
        *sorted(f"{name}.png" for name in SIZES),
    ]
    record = json.loads((folder / "all.json").read_text())
    assert list(record["experiments"]) == list(SIZES)
    assert all(found["figures"] for found in record["experiments"].values())


@pytest.mark.parametrize("name", ["hops", "classification"])
def test_a_seed_gives_the_same_record(capsys, tmp_path, name):
    records = []
    for number, seed in enumerate((5, 5, 6)):
        run(capsys, name, "--seed", str(seed), "-o", str(number), "-q", "--threads", "1")
        record = json.loads((tmp_path / str(number) / f"{name}.json").read_text())
        records.append(without_times(record)["experiments"][name]["figures"])
    assert records[0] == records[1]
    assert records[0] != records[2]


def test_what_exists_is_kept_unless_forced(capsys, tmp_path):
    run(capsys, "hops", "-q")
    before = (tmp_path / "hops-dstft" / "hops.json").read_bytes()
    _, err = run(capsys, "hops", code=2)
    assert err.startswith("dstft: hops-dstft exists: use --force to replace it")
    assert (tmp_path / "hops-dstft" / "hops.json").read_bytes() == before
    run(capsys, "hops", "-q", "--force", "--seed", "1")
    assert (tmp_path / "hops-dstft" / "hops.json").read_bytes() != before


def test_recordings_of_ones_own(capsys, tmp_path):
    folder = recordings(tmp_path / "mine")
    run(capsys, "classification", "--data", "mine", "-q")
    record = json.loads((tmp_path / "classification-dstft" / "classification.json").read_text())
    found = record["experiments"]["classification"]
    assert found["settings"]["classes"] == ["high", "low"]
    assert found["settings"]["recordings"] == {"high": 4, "low": 4}
    assert (found["settings"]["n_fft"], found["settings"]["sample_rate"]) == (512, RATE)
    assert [entry["win_length"] for entry in found["figures"]["fixed"]] == [256, 512]
    assert folder.exists()


def test_two_tones_are_told_apart(tmp_path):
    recordings(tmp_path / "mine")
    size = replace(SIZES["classification"][1], grid=(0.5,), repetitions=1, steps=40, batch=8)
    found = classification.run(0, 1, None, size, tmp_path / "mine")
    assert found.figures["joint"]["scores"] == [1.0]
    assert found.figures["fixed"][0]["scores"] == [1.0]


def test_no_recording_is_on_both_sides(tmp_path):
    data = classification.read_classes(recordings(tmp_path / "mine", each=5, seconds=1.7), 8)
    parts = data.split(3)
    assert (len(parts.signals), len(parts.held_out)) == (2 * 3 * 3, 2 * 2 * 3)
    known = {tuple(row[:8].tolist()) for row in parts.signals}
    assert not known & {tuple(row[:8].tolist()) for row in parts.held_out}
    assert parts.targets.tolist() == [0] * 9 + [1] * 9


def test_recordings_that_cannot_be_used(capsys, tmp_path):
    def refused(message):
        _, err = run(capsys, "classification", "--data", "mine", code=1)
        assert re.fullmatch(f"dstft: {message}\n", err), err
        assert not (tmp_path / "classification-dstft").exists()

    refused("mine: no such folder: --data needs one folder per class")
    folder = recordings(tmp_path / "mine", names=("a",))
    refused(
        "mine holds 1 folders: --data needs at least two classes, one folder of recordings each"
    )
    recordings(tmp_path / "mine", names=("b",), each=1)
    refused(
        "mine/b holds 1 recordings: at least two are needed, one to learn from and one held out"
    )
    soundfile.write(folder / "b" / "short.wav", np.ones(100) * 0.1, RATE)
    refused(
        r"mine/b/short.wav: 100 samples at 8000 Hz are too short: at least 512 are needed, remove it"
    )
    (folder / "b" / "short.wav").write_text("no sound")
    refused(r"mine/b/short.wav: .*")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "experiment 'nothing' is unknown: use windows, hops, tracking, "),
        (
            ["hops", "--data", "x"],
            "--data is for classification, hops makes its own signals: leave it out",
        ),
        (["hops", "-q", "-v"], "--quiet and --verbose exclude each other"),
        (["hops", "--seed", "-1"], "--seed -1: must be at least 0"),
        (["hops", "--threads", "none"], "--threads none: must be"),
        ([], "missing argument 'NAME'"),
    ],
)
def test_wrong_command_lines(capsys, tmp_path, arguments, message):
    out, err = run(capsys, *arguments, code=2)
    assert err.splitlines()[-1].startswith(f"dstft: {message}"), err
    assert err.count("\n") == 1 or "-v" in arguments
    assert out == ""
    assert list(tmp_path.iterdir()) == []


def test_details_go_to_standard_error(capsys):
    out, err = run(capsys, "hops", "-v", "--threads", "1", "--csv")
    assert re.fullmatch(r"hops: [0-9.]+ s on 1 thread\n", err)
    assert out.startswith("learned,coverage,")


def test_a_terminal_gets_a_drawn_table(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    out, _ = run(capsys, "hops")
    assert "┏" in out
    assert "frames on transitions" in out
