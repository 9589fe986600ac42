"""The journal and what is kept by it: torn lines, two batches at once, folders that vanish."""

import json
import os
import shutil

import pytest
from batch_example import clip

from dstft_cli._version import __version__
from dstft_cli.batch import from_list, make_plan
from dstft_cli.batch.identity import ENTRY, Contents, job_key
from dstft_cli.batch.journal import Journal
from dstft_cli.batch.resume import kept_entries
from dstft_cli.errors import OutputError, UsageError


def entry(output: str, **more) -> dict:
    return {"output": output, "status": "done", **more}


def test_entries_come_back_and_the_last_one_counts(tmp_path):
    folder = tmp_path / "deep" / "folder"
    with Journal(folder, force=False) as journal:
        assert journal.entries == {}
        for line in (entry("a", n=1), entry("b\n🐦\udcff", n=2), entry("a", n=3)):
            journal.append(line)
    with Journal(folder, force=False) as journal:
        assert journal.entries == {"a": entry("a", n=3), "b\n🐦\udcff": entry("b\n🐦\udcff", n=2)}


@pytest.mark.parametrize("rest", [b'{"output": "b", "sta', b"\xff\xfe", b"[1]", b"3", b"null"])
def test_a_torn_or_foreign_last_line_is_ignored_and_stays_alone(tmp_path, rest):
    with Journal(tmp_path, force=False) as journal:
        journal.append(entry("a"))
    with open(tmp_path / "batch-journal.jsonl", "ab") as file:
        file.write(rest)
    with Journal(tmp_path, force=False) as journal:
        assert journal.entries == {"a": entry("a")}
        journal.append(entry("c"))
    lines = (tmp_path / "batch-journal.jsonl").read_bytes().split(b"\n")
    assert lines[1] == rest
    assert json.loads(lines[2]) == entry("c")


def test_two_batches_in_one_folder_exclude_each_other(tmp_path):
    pytest.importorskip("fcntl", reason="NOT TESTED: no locks on this system")
    message = f"^another dstft batch is writing to {tmp_path}: wait for it to end, or use another"
    with Journal(tmp_path, force=False), pytest.raises(OutputError, match=message):
        Journal(tmp_path, force=False).__enter__()
    with Journal(tmp_path, force=False) as journal:
        assert journal.entries == {}


@pytest.mark.parametrize("name", ["summary.csv", "report.html"])
def test_files_of_another_origin_are_kept(tmp_path, name):
    (tmp_path / name).write_text("mine")
    message = f"^{tmp_path / name} exists and is of no batch: use --force to replace it, or anothe"
    with pytest.raises(UsageError, match=message):
        Journal(tmp_path, force=False).__enter__()
    assert os.listdir(tmp_path) == [name]
    with Journal(tmp_path, force=True) as journal:
        journal.append(entry("a"))
    with Journal(tmp_path, force=False):  # a batch wrote here before
        pass


def test_a_folder_that_vanishes_is_noticed(tmp_path):
    folder = tmp_path / "results"
    with Journal(folder, force=False) as journal:
        shutil.rmtree(folder)
        with pytest.raises(OutputError, match=r"batch-journal\.jsonl has vanished while the batch"):
            journal.append(entry("a"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="NOT TESTED: needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    with Journal(tmp_path, force=False) as journal:
        os.dup2(os.open("/dev/full", os.O_WRONLY), journal._file)
        with pytest.raises(OutputError, match=r"^disk full while writing .*batch-journal\.jsonl"):
            journal.append(entry("a"))


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"^cannot write .*file/results: not a directory"):
        Journal(tmp_path / "file" / "results", force=False).__enter__()


@pytest.fixture
def done(tmp_path):
    """A plan of one job, and a function that says whether its result is kept."""
    clip(tmp_path / "a.wav")
    plan = make_plan(from_list([str(tmp_path / "a.wav")], "list", (), "results/{stem}", tmp_path))
    digest, content = plan.variants[0].digest, Contents().digest(str(tmp_path / "a.wav"))
    place = tmp_path / "results" / "a"
    place.mkdir(parents=True)
    record = {"version": __version__, "input": {"sha256": content}, ENTRY: {"settings": digest}}
    line = entry("a", key=job_key(content, digest))

    def kept(**changes) -> bool:
        (place / "result.json").write_text(json.dumps({**record, **changes}))
        with Journal(plan.folder, force=False) as journal:
            journal.append(line)
            return set(kept_entries(plan, journal)) == {1}

    return plan, kept


def test_a_result_that_stands_is_kept(done):
    _, kept = done
    assert kept()


@pytest.mark.parametrize(
    "changes",
    [
        {"version": "0.0.0"},
        {"input": {"sha256": "0" * 64}},
        {ENTRY: {"settings": "0" * 64}},
        {ENTRY: None},
        {"input": None},
    ],
)
def test_a_result_of_other_content_settings_or_version_is_not(done, changes):
    _, kept = done
    assert not kept(**changes)


def test_a_recording_that_has_changed_or_gone_is_run_again(done):
    plan, kept = done
    source = plan.jobs[0].input
    before = os.stat(source)
    with open(source, "r+b") as file:
        file.seek(100)
        file.write(b"\x01\x02")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))  # size and time are the same
    assert not kept()
    os.unlink(source)
    assert not kept()


def test_without_its_result_a_job_is_run_again(done):
    plan, kept = done
    assert kept()
    (plan.folder / "a" / "result.json").write_text("{")
    with Journal(plan.folder, force=False) as journal:
        assert kept_entries(plan, journal) == {}
    shutil.rmtree(plan.folder / "a")
    with Journal(plan.folder, force=False) as journal:
        assert kept_entries(plan, journal) == {}
