"""`dstft batch`: plan, files, what failed, what a second run keeps."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from tests.batch.batch_example import in_process

from .support import ROOT, read, run, write_sound

OPTIONS = ("--workers", "1", "--set", "power=1.5")  # the latter is above the config
CONFIG = """\
defaults:
  n_fft: 256
  hop_length: 64
  window_mode: constant
  power: 1
  figures: false
output: out/{stem}-{criterion}
jobs:
  - input: in/*.wav
    matrix:
      criterion: [entropy, renyi]
"""


def clips(folder: Path, count: int) -> None:
    (folder / "in").mkdir(parents=True)
    for number in range(count):
        n = np.arange(1600)
        x = 0.4 * np.sin(n * (0.2 + 0.1 * number + 2e-4 * n))
        write_sound(folder / f"in/clip{number}.wav", x.astype(np.float32))


def changed(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.rglob("result.json")}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A batch of two clips and a broken one, by two criteria; run, mended, run again."""
    folder = tmp_path_factory.mktemp("batch")
    clips(folder, 2)
    (folder / "in/broken.wav").write_bytes(b"RIFF no wave")
    (folder / "b.yaml").write_text(CONFIG, encoding="utf-8")
    ran = []
    for number in range(2):
        now = in_process(folder / "b.yaml", "--json", *OPTIONS, code=None)
        with open(folder / "out/summary.csv", encoding="utf-8", newline="") as file:
            ran.append((now, changed(folder), list(csv.DictReader(file))))
        if number == 0:
            mended = np.sin(np.arange(1600) / 3).astype(np.float32)
            write_sound(folder / "in/broken.wav", mended)
            (folder / "out/clip0-renyi/spectrogram.npy").write_bytes(b"")  # damaged
    return folder, ran


def test_a_broken_input_stops_no_other_and_each_job_is_a_line_of_json(done):
    folder, ((first, results, _), _) = done
    assert first.code == 1
    assert set(results) == {f"clip{n}-{name}" for n in (0, 1) for name in ("entropy", "renyi")}
    assert "broken.wav" in first.err
    assert "Traceback" not in first.err
    rows = [json.loads(line) for line in first.out.decode().splitlines()]
    assert len(rows) == 6
    for row in rows:
        broken = "broken" in row["input"]
        assert row["status"] == ("failed" if broken else "done"), row
        assert (row["error"] is None) == (not broken), row
        if not broken:
            written = read(row["output"])
            assert row["criterion"] == written.record["criterion"]
            assert row["window_length"] == written.record["window_length"]
            assert written.settings["criterion"] in row["output"]
            assert written.settings["power"] == 1.5
            assert Path(row["output"]).parent == folder / "out"
    docs = (ROOT / "docs/batch.md").read_text(encoding="utf-8").split("| key |")[2]
    table = [line.split("|")[1] for line in docs.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(table))) == set(rows[0])


def test_summary(done):
    folder, ((_, _, rows), _) = done
    assert len(rows) == 6
    columns = {"input", "status", "criterion", "start", "best_fixed", "final", "seconds", "error"}
    assert columns <= set(rows[0])
    page = (folder / "out/report.html").read_text(encoding="utf-8")
    good = [row for row in rows if row["status"] == "done"]
    assert len(good) == 4
    for row in good:
        record = read(folder / "out" / row["output"]).record
        told, rate = record["criterion"], record["input"]["sample_rate"]
        assert float(row["final"]) == pytest.approx(told["final"], rel=1e-6)
        gain = told["best_fixed"]["value"] - told["final"]
        assert float(row["gain_over_best_fixed"]) == pytest.approx(gain, abs=1e-9)
        assert f"{told['start'] - told['final']:+.3g}" in page  # as the report shows it
        assert (float(row["hop"]), int(row["n_fft"])) == (record["hop_length"], record["n_fft"])
        length = float(row["window_length"])
        assert length == pytest.approx(record["window_length"])
        assert float(row["window_length_ms"]) == pytest.approx(1000 * length / rate)
        for name in record["outputs"]:
            assert (folder / "out" / row[name]).samefile(record["outputs"][name])
    assert all(row["error"] for row in rows if row["status"] == "failed")


def test_a_second_run_does_what_failed_or_was_damaged_alone(done):
    _, ((_, before, _), (second, after, rows)) = done
    assert second.code == 0
    assert set(after) - set(before) == {"broken-entropy", "broken-renyi"}
    assert {name for name in before if after[name] != before[name]} == {"clip0-renyi"}
    assert sorted(row["status"] for row in rows) == ["done"] * 3 + ["kept"] * 3


def test_dry_run_writes_nothing(folder):
    clips(folder, 2)
    (folder / "b.yaml").write_text(CONFIG, encoding="utf-8")
    before = sorted(folder.rglob("*"))
    ran = run("batch", "b.yaml", "--dry-run")
    for name in ("clip0-entropy", "clip1-renyi"):
        assert name in ran.text, name
    assert sorted(folder.rglob("*")) == before
    assert "4 jobs, 800 ms of sound, about 0.0" in ran.text
    (folder / "in/broken.wav").write_bytes(b"RIFF no wave")
    ran = run("batch", "b.yaml", "--dry-run", "--json")
    rows = [json.loads(line) for line in ran.text.splitlines()]
    known = [row for row in rows if "broken" not in row["input"]]
    assert {(row["sound_seconds"], row["bytes"]) for row in known} == {(0.2, 1600 * 4 * 128 // 64)}
    assert {(row["sound_seconds"], row["bytes"]) for row in rows if row not in known} == {
        (None, None)
    }
    assert "6 jobs, 800 ms of sound" in ran.err
    assert "2 jobs of unknown size" in ran.err
