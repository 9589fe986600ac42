"""The journal and what is kept by it: torn lines, two batches at once, links, folders that vanish."""

import json
import os
import shutil

import pytest
from report.report_example import a_record

from batch.batch_example import clip
from dstft_cli._version import __version__
from dstft_cli.audio import content_digest
from dstft_cli.batch import from_list, make_plan
from dstft_cli.batch.journal import Journal
from dstft_cli.batch.run import Watch, kept_rows, write_summary
from dstft_cli.batch.worker import ENTRY, job_key
from dstft_cli.errors import OutputError, UsageError


def entry(output: str, **more) -> dict:
    return {"output": output, "status": "done", **more}


def test_entries_come_back_and_the_last_one_counts(tmp_path):
    folder = tmp_path / "deep" / "folder"
    with Journal(folder, force=False):
        pass
    assert os.listdir(tmp_path) == []  # nothing has ended, nothing is left
    with Journal(folder, force=False) as journal:
        assert journal.entries == {}
        for line in (entry("a", key="1"), entry("b\n🐦\udcff", seconds=2), entry("a", key="3")):
            journal.append(line)
    with Journal(folder, force=False) as journal:
        found = {name: (e.key, e.seconds) for name, e in journal.entries.items()}
        assert found == {"a": ("3", None), "b\n🐦\udcff": (None, 2.0)}
        assert journal.damaged == 0
    assert os.listdir(folder) == ["batch-journal.jsonl"]


def test_lines_that_are_torn_are_passed_over(tmp_path):
    odd = [b"[1]", b"3", b"null", b"\xff\xfe", b"[" * 100_000, b'{"output": 5, "status": "done"}']
    for change in ({"status": ["x"]}, {"seconds": float("nan")}, {"seconds": 10**400}, {"key": 7}):
        odd.append(json.dumps({**entry("b"), **change}).encode())
    path = tmp_path / "batch-journal.jsonl"
    path.write_bytes(b"\n".join([json.dumps(entry("a")).encode(), *odd, b'{"output": "b", "sta']))
    with Journal(tmp_path, force=False) as journal:
        assert (list(journal.entries), journal.damaged) == (["a"], len(odd) + 1)
        journal.append(entry("c"))
    lines = path.read_bytes().split(b"\n")
    assert lines[-3:] == [b'{"output": "b", "sta', json.dumps(entry("c")).encode(), b""]


def test_two_batches_in_one_folder_exclude_each_other(tmp_path):
    with Journal(tmp_path, force=False), pytest.raises(OutputError, match="another dstft batch"):
        Journal(tmp_path, force=False).__enter__()
    with Journal(tmp_path, force=False):
        pass


def test_files_of_another_origin_are_kept(tmp_path):
    for name in ("summary.csv", "report.html"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / name).write_text("mine")
        with pytest.raises(UsageError, match=f"{name} exists and is not from a batch"):
            Journal(folder, force=False).__enter__()
        assert os.listdir(folder) == [name]
        with Journal(folder, force=True) as journal:
            journal.append(entry("a"))
        with Journal(folder, force=False):  # a batch wrote here before
            pass


def test_nothing_is_written_through_a_link_or_into_a_pipe(tmp_path):
    (tmp_path / "precious").write_text("mine")
    for name in ("summary.csv", "report.html", "batch-journal.jsonl", ".batch.lock"):
        for number, make in enumerate((lambda p: p.symlink_to("../precious"), os.mkfifo)):
            folder = tmp_path / f"{name}-{number}"
            folder.mkdir()
            if name != "batch-journal.jsonl":
                (folder / "batch-journal.jsonl").touch()
            make(folder / name)
            for force in (False, True):
                with pytest.raises(UsageError, match="is a link or not a file"):
                    Journal(folder, force=force).__enter__()
    assert (tmp_path / "precious").read_text() == "mine"


def test_a_folder_that_vanishes_or_cannot_be_made(tmp_path):
    folder = tmp_path / "results"
    with Journal(folder, force=False) as journal:
        shutil.rmtree(folder)
        with pytest.raises(OutputError, match=r"batch-journal\.jsonl has vanished"):
            journal.append(entry("a"))
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="not a directory"):
        Journal(tmp_path / "file" / "results", force=False).__enter__()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="NOT TESTED: needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    with Journal(tmp_path, force=False) as journal:
        os.dup2(os.open("/dev/full", os.O_WRONLY), journal._file)
        with pytest.raises(OutputError, match=r"^disk full while writing .*batch-journal\.jsonl"):
            journal.append(entry("a"))


@pytest.fixture
def done(tmp_path):
    """A plan of one job, and a function that says whether its result is kept."""
    clip(tmp_path / "a.wav")
    plan = make_plan(
        from_list([str(tmp_path / "a.wav")], "list", (), "results/{stem}", None, tmp_path)
    )
    digest, content = plan.variants[0].digest, content_digest(str(tmp_path / "a.wav"))
    place = tmp_path / "results" / "a"
    place.mkdir(parents=True)
    outputs = {name: str(place / name) for name in ("spectrogram.npy", "result.json")}
    own = {ENTRY: {"settings": digest}, "outputs": outputs, "sizes": {"spectrogram.npy": 5}}
    record = a_record(version=__version__, input__sha256=content, **own)
    (place / "spectrogram.npy").write_bytes(b"12345")
    line = entry("a", key=job_key(content, digest))
    warned = []

    def kept(text=None, **changes) -> bool:
        (place / "result.json").write_text(text or json.dumps({**record, **changes}))
        if text is None and not changes:
            kept.record = record
        with Journal(plan.folder, force=False) as journal:
            journal.append(line)
            rows = kept_rows(plan, journal, Watch(warn=warned.append))
        json.dumps(rows, allow_nan=False)  # what is kept can be printed and written
        write_summary(plan, rows)
        return set(rows) == {1}

    return plan, kept, warned


def test_only_a_result_of_the_same_content_settings_and_version_is_kept(done):
    plan, kept, warned = done
    assert kept()
    for changes in (
        {"version": "0.0.0"},
        {"input": {**kept.record["input"], "sha256": "0"}},
        {ENTRY: {"settings": "0"}},
    ):
        assert not kept(**changes)
    assert kept()
    source = plan.jobs[0].input
    before = os.stat(source)
    with open(source, "r+b") as file:
        file.seek(100)
        file.write(b"\x01\x02")
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))  # size and time are the same
    assert not kept()
    os.unlink(source)
    assert not kept()
    assert warned == []


def test_a_damaged_record_is_told_with_one_remedy(done):
    _, kept, warned = done
    assert not kept("{")
    (warning,) = warned
    assert warning.endswith("result.json is not JSON or is damaged: the job is run again")


def test_a_result_with_a_file_missing_empty_or_cut_is_not_kept(done):
    plan, kept, _ = done
    array = plan.folder / "a" / "spectrogram.npy"
    assert kept()
    assert kept(sizes={})  # of an earlier version
    for damage in (b"", b"1234", b"123456"):
        array.write_bytes(damage)
        assert not kept()
    array.write_bytes(b"")
    assert not kept(sizes={})
    array.unlink()
    assert not kept()
    array.symlink_to("result.json")
    assert not kept()
