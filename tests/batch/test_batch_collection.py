"""Many recordings, one answer: `dstft sweep`, `optimize --shared`, `shared` in a batch, `apply` to many."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from contract.support import run

from batch.batch_example import RATE, InProcess, clip, clips, config, in_process
from dstft_cli.batch import tables
from dstft_cli.batch.pools import LocalExecutor
from dstft_cli.errors import InputError
from dstft_cli.records import RecordingTable
from dstft_cli.results import read_parameters

SMALL = ("--win-length-max", "64ms", "--no-figures", "-q")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("dstft_cli.batch.pools.LocalExecutor", InProcess)


@pytest.fixture
def computed(monkeypatch):
    """The recordings whose tables were computed."""
    found, compute = [], tables.compute_table

    def counted(source, question):
        found.append(Path(source).name)
        return compute(source, question)

    monkeypatch.setattr(tables, "compute_table", counted)
    return found


def rows(path):
    return list(csv.DictReader(io.StringIO(Path(path).read_text(encoding="utf-8"))))


def record(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_a_sweep_over_a_folder_has_one_verdict_a_row_each_and_names_what_is_left_out():
    clips(Path("in/deep"), 4)
    soundfile.write("in/none.wav", np.full(1600, 0.5), RATE)
    Path("in/bad.wav").write_bytes(b"RIFF")
    Path("in/notes.txt").write_text("no sound")
    done = run("sweep", "in", "--csv", "-", "--png", "all.png", "-o", "out", code=1)
    assert "in/bad.wav" in done.err
    assert "in/none.wav" in done.err
    assert "notes.txt" not in done.err
    found = record("out/sweep.json")
    counts = {"recordings": 6, "used": 4, "silent": 1, "failed": 1, "tables_computed": 5}
    assert found["collection"] == counts | {"weigh": "recordings", "sample_rates": {f"{RATE}": 5}}
    names = sorted(["recordings.csv", "sweep.csv", "sweep.json", "sweep.png"])
    assert sorted(path.name for path in Path("out").iterdir()) == names
    assert Path("all.png").read_bytes() == Path("out/sweep.png").read_bytes()
    table = rows("out/recordings.csv")
    assert done.out == Path("out/recordings.csv").read_bytes()
    status = {row["recording"]: row["status"] for row in table}
    assert status["in/none.wav"] == "silent"
    assert status["in/bad.wav"] == "failed"
    assert list(status.values()).count("used") == 4
    best = [float(row["best_ms"]) for row in table if row["status"] == "used"]
    spread = found["criteria"][0]["recordings"]["best"]
    assert min(best) <= 1000 * spread["median"] / RATE <= max(best)
    for command in (("apply", "out", "in/none.wav"), ("plot", "out"), ("view", "out", "--no-open")):
        assert "out holds sweep.json and no result.json" in run(*command, code=1).err


def test_one_recording_is_swept_as_before_however_it_is_named():
    clip(Path("in/a.wav"))
    plain = run("sweep", "in/a.wav", "--no-figures", "--json").json
    assert "collection" not in plain
    Path("list").write_text("in/a.wav\n")
    for inputs in (["in"], ["in/*.wav"], ["--from", "list"]):
        assert run("sweep", *inputs, "--no-figures", "--json").json["criteria"] == plain["criteria"]


@pytest.mark.parametrize("mode", ["constant", "frequency"])
def test_shared_parameters_fit_every_recording(mode):
    paths = clips(Path("in"), 3)
    asked = ["--shared", "--window-mode", mode, "--win-length-max", "64ms", "-o", "out"]
    printed = run("optimize", *paths, *asked).text
    assert "3 of 3 recordings" in printed
    found, stored = record("out/result.json"), read_parameters(Path("out/parameters.npz"))
    assert found["criterion"]["final"] <= found["criterion"]["best_fixed"]["value"]
    assert stored.window_length.shape == ((1, 1) if mode == "constant" else (257, 1))
    losses = [float(row["loss"]) for row in rows("out/recordings.csv")]
    assert (np.array(losses) >= 0).all()
    run("apply", "out", *paths, "-o", "each/{stem}", *SMALL[2:])
    for path in paths:
        own = read_parameters(Path("each") / path.stem / "parameters.npz")
        np.testing.assert_array_equal(own.window_length, stored.window_length)
        assert own.samples == soundfile.info(path).frames
    for command in (("plot", "out"), ("view", "out", "--no-open"), ("reconstruct", "out")):
        assert "dstft apply DIR INPUT" in run(*command, code=1).err
    Path("in/bad.wav").write_bytes(b"")
    done = run("apply", "out", "in", "-o", "more", *SMALL[2:], code=1)
    assert "bad.wav" in done.err
    assert sorted(path.name for path in Path("more").iterdir()) == [
        f"{p.stem}-dstft" for p in paths
    ]


def test_only_new_and_damaged_tables_are_computed_and_orders_are_alike(computed):
    paths = clips(Path("in"), 4)
    run("optimize", *paths[:2], "--shared", "-o", "out", *SMALL)
    assert computed == ["clip00.wav", "clip01.wav"]
    kept = sorted(Path("out-tables").iterdir())
    assert all(path.stat().st_size < 10_000 for path in kept)
    computed.clear()
    run("optimize", *paths, "--shared", "-o", "out", "--force", *SMALL)
    assert computed == ["clip02.wav", "clip03.wav"]
    damaged = next(path for path in Path("out-tables").iterdir() if path not in kept)
    damaged.write_bytes(damaged.read_bytes()[:-300])
    kept[0].write_bytes(b"\0" * 2000)
    computed.clear()
    run("optimize", *reversed(paths), "--shared", "-o", "back", *SMALL)
    assert len(computed) == 4  # another folder of tables
    computed.clear()
    first = Path("out/parameters.npz").read_bytes()
    run("optimize", "in", "--shared", "-o", "out", "--force", *SMALL)
    assert len(computed) == 2
    for name in ("out", "back"):
        with np.load(f"{name}/parameters.npz") as own, np.load(io.BytesIO(first)) as other:
            for key in own.files:
                np.testing.assert_array_equal(own[key], other[key])
    computed.clear()
    changed = (*SMALL, "--order", "2.5", "--criterion", "renyi")
    run("optimize", *paths, "--shared", "-o", "out", "--force", *changed)
    assert len(computed) == 4


def test_a_table_is_written_without_a_look_through_the_folder(tmp_path, monkeypatch):
    table = RecordingTable(8000.0, 800, 0.1, np.ones((1, 1, 3)), np.ones((1, 1)))
    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, None)
    place = tmp_path / "new" / "key.npz"
    tables.write_table(place, tables.Answer("digest", table))
    assert tables.read_table(place).table.samples == 800


def test_weights_of_long_recordings():
    clip(Path("in/short.wav"), 0, 0.2)
    soundfile.write("in/long.wav", np.sin(np.arange(8 * RATE)), RATE)
    values = {}
    for weigh in ("recordings", "duration"):
        run("sweep", "in", "--weigh", weigh, "-o", weigh, "--no-figures", "-q")
        values[weigh] = record(f"{weigh}/sweep.json")["criteria"][0]["best"]["value"]
    weights = {row["recording"]: float(row["weight"]) for row in rows("duration/recordings.csv")}
    assert weights["in/long.wav"] > 5 * weights["in/short.wav"]
    assert values["recordings"] != values["duration"]


@pytest.mark.parametrize(
    ("option", "noted"),
    [
        (["--save-stft"], ["--save-stft"]),
        (["--save", "stft,pictures"], ["--save stft"]),
        (["--set", "npy_dtype=float64", "--on-silence", "skip"], ["--npy-dtype", "--on-silence"]),
        (["--config", "own.yaml", "--no-figures"], []),
    ],
)
def test_what_one_recording_has_is_noted_if_it_was_typed(option, noted):
    Path("own.yaml").write_text("save_stft: true\nstore: zarr\n")
    clips(Path("in"), 2)
    done = run("optimize", "in", "--shared", *option, "--win-length-max", "64ms", "-o", "out")
    lines = [line for line in done.err.splitlines() if "--shared" in line]
    assert len(lines) == len(noted)
    assert all(name in line for name, line in zip(noted, lines, strict=True)), lines


def test_a_broken_recording_ends_the_run_if_asked_and_nothing_is_written():
    clips(Path("in"), 2)
    Path("in/bad.wav").write_bytes(b"RIFF")
    done = run("sweep", "in", "--fail-fast", "--no-figures", code=1)
    assert "bad.wav" in done.err
    assert not Path("in-sweep").exists()
    for name in ("clip00", "clip01"):
        Path(f"in/{name}.wav").write_bytes(b"RIFF")
    assert "none of 3 recordings" in run("sweep", "in", code=1).err
    Path("empty").mkdir()
    assert "'empty'" in run("sweep", "empty", code=1).err


def test_a_batch_keeps_a_shared_result_until_its_recordings_change(computed):
    clips(Path("in/birds"), 2)
    clip(Path("in/one.wav"), 9)
    path = config(
        Path(),
        "output: out/{name}\njobs:\n- {input: in/birds, shared: true, weigh: duration}\n"
        "- {input: in/one.wav, window_mode: constant}\n",
    )
    assert "2 done" in in_process(path, "--no-report").text
    assert record("out/birds/result.json")["collection"]["weigh"] == "duration"
    assert "2 kept" in in_process(path, "--no-report").text
    assert computed == ["clip00.wav", "clip01.wav"]
    clip(Path("in/birds/clip02.wav"), 5)
    assert "1 done, 1 kept" in in_process(path, "--no-report").text
    assert computed[2:] == ["clip02.wav"]
    assert [row["status"] for row in rows("out/summary.csv")] == ["done", "kept"]
    for text, words in (
        ("{input: in/birds, shared: maybe}", "shared"),
        ("{input: in/birds, shared: true, window_mode: time}", "constant"),
    ):
        assert words in in_process(config(Path(), f"jobs: [{text}]\n"), code=2).err


def test_processes_find_what_one_process_finds_and_a_shared_hop_is_applied(monkeypatch):
    paths, asked = clips(Path("in"), 3), ("--shared", "--hop-mode", "constant", *SMALL)
    run("optimize", "in", *asked, "-o", "one")
    monkeypatch.setattr("dstft_cli.batch.pools.LocalExecutor", LocalExecutor)
    run("optimize", *reversed(paths), *asked, "-o", "two", "--workers", "2")
    with np.load("one/parameters.npz") as one, np.load("two/parameters.npz") as two:
        for name in one.files:
            np.testing.assert_array_equal(one[name], two[name])
    found = record("one/result.json")
    (warning,) = [text for text in found["warnings"] if "plane" in text]
    assert "--scope" not in warning
    run("apply", "one", paths[0], "-o", "applied", "--no-figures", "-q")
    for name in ("one", "applied"):
        centers = read_parameters(Path(name) / "parameters.npz").frame_centers
        assert np.diff(centers) == pytest.approx(found["hop_length"])


def test_a_recording_without_a_hop_is_left_out_of_it(monkeypatch):
    asked = ("--shared", "--hop-mode", "constant", *SMALL)
    clips(Path("in"), 3)

    def without_the_first(source, *rest):
        if source.endswith("clip00.wav"):
            raise InputError("it is gone")
        return tables.find_hops(source, *rest)

    monkeypatch.setattr("dstft_cli.batch.collection.find_hops", without_the_first)
    run("optimize", "in", *asked, "-o", "two", code=1)
    found = record("two/result.json")
    assert [text for text in found["warnings"] if "clip00.wav" in text and "it is gone" in text]
    assert (found["collection"]["used"], found["collection"]["failed"]) == (3, 1)
    assert found["seconds"]["hops"] > 0
    assert "clip00.wav" in run("optimize", "in", *asked, "-o", "no", "--fail-fast", code=1).err
    assert not Path("no").exists()
