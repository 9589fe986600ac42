"""`dstft batch` as its users run it: real processes, real files."""

import csv
import json
import os
from pathlib import Path

import pytest

from batch.batch_example import SETTINGS, batch, clip, clips, config, leftovers, results

ROOT = Path(__file__).parents[2]
PIPED = [part for pair in SETTINGS for part in ("--set", pair)]
ONE = "output: out/{stem}\njobs: [{input: 'in/*.wav'}]\n"


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A batch of good files with broken ones among them, and how it ended."""
    folder = tmp_path_factory.mktemp("mixed")
    clips(folder / "in", 4)
    (folder / "in" / "clip01.wav").write_bytes(b"RIFF no wave")
    (folder / "in" / "clip02.wav").write_bytes(b"")
    path = config(folder, "output: out/{stem}\njobs:\n  - input: [in/*.wav, in/gone.wav]\n")
    return folder, batch(path, "--json", "--workers", 2)


def test_broken_files_stop_no_good_ones(mixed):
    folder, done = mixed
    assert done.returncode == 1
    assert set(results(folder / "out")) == {"clip00", "clip03"}
    assert leftovers(folder) == []
    own = {"batch-journal.jsonl", "report.html", "summary.csv"}
    assert set(os.listdir(folder / "out")) == {"clip00", "clip03", *own}
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert all(text in page for text in ("clip00", "clip01", "is empty", "gone"))
    with open(folder / "out" / "summary.csv", encoding="utf-8", newline="") as file:
        rows = {row["input"]: row["status"] for row in csv.DictReader(file)}
    assert rows == {
        **{f"in/clip0{n}.wav": "done" if n in (0, 3) else "failed" for n in range(4)},
        "in/gone.wav": "failed",
    }


def test_a_line_of_json_per_job_and_nothing_else(mixed):
    folder, done = mixed
    rows = {row["index"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert sorted(rows) == [1, 2, 3, 4, 5]
    record = json.loads((folder / "out" / "clip00" / "result.json").read_text(encoding="utf-8"))
    assert rows[1]["input"] == str(folder / "in" / "clip00.wav")
    assert rows[1]["output"] == str(folder / "out" / "clip00")
    assert rows[1]["criterion"] == record["criterion"]
    assert rows[1]["window_length"] == record["window_length"]
    assert [rows[n]["status"] for n in (1, 2)] == ["done", "failed"]
    assert "clip02.wav: is empty" in rows[3]["error"]
    assert "gone.wav: no such file" in rows[5]["error"]
    docs = (ROOT / "docs" / "batch.md").read_text(encoding="utf-8").split("| key |")[2]
    named = {
        word.strip("`")
        for line in docs.splitlines()
        if line.startswith("| `")
        for word in line.split("|")[1].replace(",", " ").split()
    }
    assert named == set(rows[1])


def test_the_next_run_does_what_failed_changed_or_was_damaged_alone(mixed):
    folder, _ = mixed
    before = results(folder / "out")
    clip(folder / "in" / "clip01.wav", 1)
    (folder / "in" / "clip02.wav").unlink()
    (folder / "out" / "clip03" / "spectrogram.npy").write_bytes(b"")
    path = config(folder, ONE)
    done = batch(path, "--no-report", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row["status"] for row in map(json.loads, done.stdout.splitlines())}
    assert rows == {"clip00.wav": "kept", "clip01.wav": "done", "clip03.wav": "done"}
    after = results(folder / "out")
    assert (after["clip00"], after["clip03"]) == (before["clip00"], before["clip03"])
    clip(folder / "in" / "clip03.wav", 33)
    (folder / "out" / ".clip00.01234567.partial").mkdir()
    done = batch(path, "--no-report", "--set", "threads=1")
    assert "1 done, 2 kept in " in done.stdout, done.stderr
    assert results(folder / "out")["clip03"] != after["clip03"]
    assert leftovers(folder) == []
    assert "3 done in " in batch(path, "--no-report", "--set", "seed=2").stdout


def test_what_others_wrote_is_kept_unless_forced(tmp_path):
    clips(tmp_path / "in", 1)
    path, place = config(tmp_path, ONE), tmp_path / "out" / "clip00"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine")
    for more in ((), ("--force",)):
        assert batch(path, "--no-report", *more).returncode == 1
        assert os.listdir(place) == ["notes.txt"]
    (tmp_path / "out" / "summary.csv").unlink()
    (tmp_path / "out" / "summary.csv").symlink_to(place / "notes.txt")
    done = batch(path, "--force")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert (place / "notes.txt").read_text() == "mine"


def test_a_full_disk_fails_its_job_alone(tmp_path):
    clips(tmp_path / "in", 3)
    text = "output: out/{stem}\njobs: [{input: 'in/*.wav', criterion: 'batch_criteria:Full'}]\n"
    done = batch(config(tmp_path, text), "--no-report", "--json", "--workers", 1)
    assert done.returncode == 1
    rows = {row["name"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert [rows[f"clip0{n}.wav"]["status"] for n in range(3)] == ["failed"] * 3
    assert "disk full" in rows["clip00.wav"]["error"]


def test_inputs_from_a_pipe_whatever_their_names(tmp_path):
    names = ["two words", "line\nbreak", "🐦", "--force", "a\udcffb", "'quote\"", "*"]
    for number, name in enumerate(names):
        clip(tmp_path / f"{name}.wav", number)
    done = batch(
        *("--from0", "-", "--output", "out/{stem}", "--json", "--no-report", *PIPED),
        cwd=tmp_path,
        input="".join(f"{name}.wav\0" for name in names).encode("utf-8", "surrogateescape"),
        text=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert {row["input"].removeprefix(f"{tmp_path}/") for row in rows} == {
        f"{name}.wav" for name in names
    }
    assert set(results(tmp_path / "out")) == set(names)


def test_what_only_a_worker_can_know_is_refused_before_anything_runs(tmp_path):
    clips(tmp_path / "in", 2)
    done = batch(config(tmp_path, ONE), "--set", "criterion=no.such:x")
    assert done.returncode == 2
    assert "no.such" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_what_libraries_print_garbles_nothing(tmp_path):
    clips(tmp_path / "in", 1)
    for verbose in (False, True):
        text = f"output: out-{verbose}/{{stem}}\n"
        text += "jobs: [{input: 'in/*.wav', criterion: 'batch_criteria:Loud'}]\n"
        done = batch(config(tmp_path, text), "--json", "--no-report", *(["-v"] if verbose else []))
        (row,) = map(json.loads, done.stdout.splitlines())
        assert row["status"] == "done"
        assert ("noise on 1" in done.stderr, "noise on 2" in done.stderr) == (verbose, verbose)


@pytest.mark.slow
def test_a_thousand_tiny_files(tmp_path):
    for number in range(1000):
        clip(tmp_path / f"{number}.wav", number, seconds=0.02)
    fixed = ("--set", "window_mode=fixed", "--set", "n_fft=32")
    done = batch(
        *("--from0", "-", "-o", "out/{stem}", "--json", "--no-figures", "--no-report", *fixed),
        cwd=tmp_path,
        input="".join(f"{number}.wav\0" for number in range(1000)),
    )
    assert done.returncode == 0, done.stderr
    assert len({json.loads(line)["key"] for line in done.stdout.splitlines()}) == 1000
    assert len(list((tmp_path / "out").glob("*/result.json"))) == 1000


def test_the_config_of_the_repository_plans(tmp_path):
    done = batch(ROOT / "configs" / "batch.yaml", "--dry-run", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 10
    assert {Path(row["output"]).parts[-4] for row in rows} == {"batch-results"}
