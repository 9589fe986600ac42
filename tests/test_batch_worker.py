"""One job within a worker: what it returns, and what it leaves as it is."""

import errno
import json
import pickle
from dataclasses import replace

import pytest
from batch_example import SETTINGS, clip

from dstft_cli._version import __version__
from dstft_cli.batch import from_list, make_plan
from dstft_cli.batch.identity import Contents, job_key
from dstft_cli.batch.worker import Task, check_settings, run_task


@pytest.fixture
def task(tmp_path):
    source = str(clip(tmp_path / "a.wav"))
    variant = make_plan(from_list([source], "list", SETTINGS)).variants[0]
    return Task(source, str(tmp_path / "out" / "a"), dict(variant.values), variant.digest, 1, False)


def record_of(task):
    with open(f"{task.place}/result.json", encoding="utf-8") as file:
        return json.load(file)


def test_a_job_travels_and_returns_what_was_found(task):
    ending = pickle.loads(pickle.dumps(run_task(pickle.loads(pickle.dumps(task)))))
    record = record_of(task)
    assert ending.error is None
    assert ending.found["criterion"] == record["criterion"]
    assert ending.found["window_length"] == record["window_length"]
    assert (ending.found["sample_rate"], ending.found["warnings"]) == (8000, record["warnings"])
    assert ending.key == job_key(record["input"]["sha256"], task.digest)
    assert record["input"]["sha256"] == Contents().digest(task.source)
    assert record["batch"] == {"settings": task.digest}
    assert record["settings"]["threads"] == 1


def test_a_result_that_a_lost_worker_has_finished_is_taken(task):
    first = run_task(task)
    before = record_of(task)
    again = run_task(task)
    assert again.key == first.key
    assert again.found == first.found
    assert record_of(task) == before


@pytest.mark.parametrize("change", ["force", "settings", "content"])
def test_a_result_of_the_batch_is_replaced_where_it_has_to_be(task, change):
    first = run_task(task)
    before = record_of(task)
    if change == "force":
        task = replace(task, force=True)
    elif change == "settings":
        task = replace(task, settings={**task.settings, "seed": 5}, digest="d" * 64)
    else:
        with open(task.source, "r+b") as file:
            file.seek(200)
            file.write(b"\x10\x20\x30\x40")
    second = run_task(task)
    assert second.error is None
    assert (second.key == first.key) == (change == "force")
    assert record_of(task)["seconds"] != before["seconds"]


def test_what_others_wrote_is_left_alone(task, tmp_path):
    place = tmp_path / "out" / "a"
    place.mkdir(parents=True)
    (place / "notes.txt").write_text("mine")
    ending = run_task(task)
    assert ending.error == f"{place} exists: use --force to replace it or -o for another place"
    assert [path.name for path in place.iterdir()] == ["notes.txt"]


def test_a_worker_of_another_version_refuses(task):
    ending = run_task(replace(task, version="9.9"))
    assert ending.error == (
        f"the worker has dstft {__version__}, the batch 9.9: install the same version"
    )


@pytest.mark.parametrize(
    ("error", "text", "hopeless"),
    [
        (OSError(errno.ENOSPC, "No space left", "x"), "No space left: x: check the path", True),
        (OSError(errno.EIO, "Input/output error", "x"), "Input/output error: x: check", False),
        (MemoryError(), "out of memory: use a shorter duration, a lower n_fft or fewer", False),
        (KeyError("k\nl"), "internal error: KeyError: 'k\\nl': report it", False),
    ],
)
def test_every_error_becomes_a_line(task, monkeypatch, error, text, hopeless):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr("dstft_cli.run.optimize.run_optimize", fail)
    ending = run_task(task)
    assert ending.error.startswith(text)
    assert "\n" not in ending.error
    assert ending.hopeless is hopeless
    assert ending.detail.startswith("Traceback")
    assert ending.key is None


def test_settings_that_only_a_worker_can_judge(task):
    assert check_settings([task.settings]) is None
    wrong = {**task.settings, "figures": True, "cmap": "magna"}
    assert check_settings([task.settings, wrong]).startswith("colour map 'magna' is unknown")
    assert check_settings([{**task.settings, "figures": False}]) is None
