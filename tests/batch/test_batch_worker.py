"""One job within a worker: what it returns, and what it leaves as it is."""

import errno
import json
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from batch.batch_example import SETTINGS, clip
from dstft_cli.audio import content_digest
from dstft_cli.batch import from_list, make_plan
from dstft_cli.batch.worker import Task, check_settings, job_key, run_task


@pytest.fixture
def task(tmp_path):
    source = str(clip(tmp_path / "a.wav"))
    variant = make_plan(from_list([source], "list", SETTINGS)).variants[0]
    return Task(source, str(tmp_path / "out" / "a"), dict(variant.values), variant.digest, 1)


def record_of(task):
    return json.loads((Path(task.place) / "result.json").read_text(encoding="utf-8"))


def test_a_job_travels_and_returns_what_was_found(task):
    ending = pickle.loads(pickle.dumps(run_task(pickle.loads(pickle.dumps(task)))))
    record = record_of(task)
    assert ending.error is None
    assert ending.found["criterion"] == record["criterion"]
    assert ending.found["window_length"] == record["window_length"]
    assert (ending.found["sample_rate"], ending.found["warnings"]) == (8000, record["warnings"])
    assert ending.key == job_key(record["input"]["sha256"], task.digest)
    assert record["input"]["sha256"] == content_digest(task.source)
    assert record["batch"] == {"settings": task.digest}
    assert record["settings"]["threads"] == 1
    again = run_task(task)  # what a lost worker has finished is taken
    assert (again.key, again.found) == (ending.key, ending.found)
    assert record_of(task) == record


def test_a_result_of_the_batch_is_replaced_where_it_has_to_be(task):
    key, before = run_task(task).key, record_of(task)
    other = replace(task, settings={**task.settings, "seed": 5}, digest="d" * 64)
    for change in ("again", "settings", "damage", "lost record", "content"):
        changed = task
        if change == "again":
            changed = replace(task, again=True)
        elif change == "settings":
            changed = other
        elif change == "damage":
            run_task(task)
            (Path(task.place) / "spectrogram.npy").write_bytes(b"")
        elif change == "lost record":
            (Path(task.place) / "result.json").write_bytes(b"")
            changed = replace(task, ours=True)
        else:
            clip(Path(task.source), 7)
        ending = run_task(changed)
        assert ending.error is None, change
        assert (ending.key == key) == (change not in ("settings", "content"))
        assert record_of(task)["seconds"] != before["seconds"], change
        assert (Path(task.place) / "spectrogram.npy").stat().st_size > 0
        before = record_of(task)


def test_a_chunk_that_is_missing_makes_the_job_run_again(task):
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    task = replace(task, settings={**task.settings, "store": "zarr"}, digest="e" * 64)
    assert run_task(task).error is None
    before = record_of(task)
    assert run_task(task).error is None
    assert record_of(task) == before
    (Path(task.place) / "spectrogram.zarr" / "time" / "c" / "0").unlink()
    assert run_task(task).error is None
    assert record_of(task)["seconds"] != before["seconds"]
    assert (Path(task.place) / "spectrogram.zarr" / "time" / "c" / "0").is_file()


def test_what_others_wrote_is_left_alone(task):
    place = Path(task.place)
    place.mkdir(parents=True)
    for name, text in (("notes.txt", "mine"), ("result.json", "{}")):
        (place / name).write_text(text)
        assert "exists" in run_task(task).error
        assert (place / name).read_text() == text
        (place / name).unlink()


def test_every_error_becomes_a_line_of_its_job(task, monkeypatch):
    for error, text in (
        (OSError(errno.ENOSPC, "No space left", "x"), "disk full: x: free some space"),
        (OSError(errno.EIO, "Input/output error", "x"), "input/output error: x: check"),
        (MemoryError(), "out of memory: "),
        (KeyError("k\nl"), "internal error: KeyError: 'k\\nl': report it"),
    ):

        def fail(*arguments, error=error, **options):
            raise error

        monkeypatch.setattr("dstft_cli.run.optimize.run_optimize", fail)
        ending = run_task(task)
        assert ending.error.startswith(text)
        assert "\n" not in ending.error
        assert ending.detail.startswith("Traceback")
        assert ending.key is None


def test_settings_that_only_a_worker_can_judge(task):
    assert check_settings([task.settings]) is None
    wrong = {**task.settings, "save": "pictures", "figures": True, "cmap": "magna"}
    assert "magna" in check_settings([task.settings, wrong])
