"""From a directory to a file: what is found, in which order, and what happens when it fails."""

import os
import random
import shutil
import threading
import tracemalloc
from pathlib import Path

import pytest
from batch_example import Seconds
from report_example import make_result, names, read_page, table

from dstft_cli.errors import InputError, UsageError
from dstft_cli.report import build, build_report, write_report
from dstft_cli.report.find import result_directories


def test_results_are_found_at_every_depth_in_the_order_of_their_paths(tmp_path):
    places = ["b", "a/z", "a/b/c/d", "a", "a-b", "a10", "a2", "Z", "é", ".hidden"]
    for place in random.Random(0).sample(places, len(places)):
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        (tmp_path / place / "result.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    found = [str(path.relative_to(tmp_path)) for path, _ in result_directories(tmp_path)]
    assert found == [".hidden", "Z", "a", "a/b/c/d", "a/z", "a-b", "a10", "a2", "b", "é"]
    assert names(read_page(write_report(tmp_path))) == found


def test_the_directory_itself_may_be_a_result(tmp_path):
    make_result(tmp_path / "owl-dstft")
    assert names(read_page(write_report(tmp_path / "owl-dstft"))) == ["."]


def test_what_a_killed_run_has_left_is_no_result(tmp_path):
    for name in ("owl", ".owl.0123abcd.partial", ".owl.0123abcd.old"):
        make_result(tmp_path / name, pictures=False)
    assert names(read_page(write_report(tmp_path))) == ["owl"]


def test_links_to_directories_are_not_followed(tmp_path):
    make_result(tmp_path / "results" / "a", pictures=False)
    (tmp_path / "results" / "again").symlink_to(".")
    (tmp_path / "results" / "b").symlink_to("a")
    assert names(read_page(write_report(tmp_path / "results"))) == ["a"]


def test_a_directory_that_cannot_be_listed_is_a_broken_result(tmp_path, monkeypatch):
    make_result(tmp_path / "a", pictures=False)
    (tmp_path / "closed").mkdir()
    scandir = os.scandir

    def refusing(path):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    report = build_report(tmp_path)
    page = read_page(report.output)
    rows = table(page)
    assert names(page) == ["a", "closed"]
    assert rows[1]["Warnings and errors"].text == (
        "Broken: the directory cannot be listed: permission denied"
    )
    assert (report.results, report.broken) == (2, 1)


def test_a_path_too_long_to_be_opened_is_a_broken_result(tmp_path, monkeypatch):
    make_result(tmp_path / "a", pictures=False)
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "b")
    for _ in range(21):
        os.mkdir("x" * 200)
        os.chdir("x" * 200)
    os.chdir(tmp_path)
    try:
        rows = table(read_page(write_report(tmp_path)))
    finally:
        shutil.rmtree("b")
    assert rows[0]["Input"].text == "owl.wav"
    assert rows[1]["Warnings and errors"].text == (
        "Broken: the directory cannot be listed: file name too long"
    )


def test_a_result_that_vanishes_is_a_broken_result(tmp_path, monkeypatch):
    folder = make_result(tmp_path / "a", pictures=False)
    make_result(tmp_path / "b", pictures=False)
    find = build.result_directories

    def vanishing(top):
        yield from list(find(top))
        (folder / "result.json").unlink()

    monkeypatch.setattr(build, "result_directories", vanishing)
    rows = table(read_page(write_report(tmp_path)))
    assert rows[0]["Warnings and errors"].text == (
        "Broken: cannot read result.json: no such file or directory"
    )
    assert rows[1]["Input"].text == "owl.wav"


def test_the_same_results_give_the_same_bytes(tmp_path):
    for name in ("c", "a", "b"):
        make_result(tmp_path / name)
    first = write_report(tmp_path).read_bytes()
    assert write_report(tmp_path, force=True).read_bytes() == first


def test_an_existing_page_is_kept_unless_forced(tmp_path):
    make_result(tmp_path / "a", pictures=False)
    (tmp_path / "report.html").write_text("mine")
    with pytest.raises(UsageError, match=r"report\.html exists: use --force to replace it"):
        write_report(tmp_path)
    assert (tmp_path / "report.html").read_text() == "mine"
    assert write_report(tmp_path, force=True) == tmp_path / "report.html"
    assert names(read_page(tmp_path / "report.html")) == ["a"]


def test_an_interrupted_report_leaves_what_was_there(tmp_path, monkeypatch):
    make_result(tmp_path / "a", pictures=False)
    (tmp_path / "report.html").write_text("mine")

    def interrupted(broken):
        raise KeyboardInterrupt

    monkeypatch.setattr(build, "foot", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path, force=True)
    with pytest.raises(KeyboardInterrupt):
        write_report(tmp_path, output=tmp_path / "new" / "page.html")
    assert (tmp_path / "report.html").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "report.html"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: None, "results: no such directory: check the path"),
        (lambda path: path.write_text(""), "results is not a directory: name one that holds"),
        (lambda path: path.mkdir(), r"results holds no result\.json, nor does any directory below"),
        (lambda path: path.symlink_to("away"), "results: no such directory: check the path"),
    ],
    ids=["missing", "file", "empty", "dangling"],
)
def test_a_directory_without_results_is_refused(tmp_path, make, message):
    make(tmp_path / "results")
    with pytest.raises(InputError, match=message):
        write_report(tmp_path / "results", output=tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()


def test_a_directory_that_cannot_be_listed_at_all_is_refused(tmp_path, monkeypatch):
    def refusing(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", refusing)
    with pytest.raises(InputError, match="cannot be listed: permission denied: check its perm"):
        write_report(tmp_path)


def test_a_directory_as_output_is_refused(tmp_path):
    make_result(tmp_path / "a", pictures=False)
    with pytest.raises(UsageError, match=r"a is a directory: name a file in it"):
        write_report(tmp_path, output=tmp_path / "a")


def test_progress_counts_every_result(tmp_path):
    for number in range(3):
        make_result(tmp_path / str(number), pictures=False)
    calls = []
    report = build_report(tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [("report", 1, 3), ("report", 2, 3), ("report", 3, 3)]
    assert (report.results, report.broken, report.warnings) == (3, 0, [])


def test_rows_are_drawn_a_few_at_a_time(tmp_path, monkeypatch):
    for number in range(9):
        make_result(tmp_path / str(number), pictures=False)
    monkeypatch.setattr(build, "_AT_ONCE", 4)
    lock, drawn, most = threading.Lock(), 0, 0
    draw = build.row

    def counting(*arguments):
        nonlocal drawn
        with lock:
            drawn += 1
        return draw(*arguments)

    def written(stage, done, total):
        nonlocal most
        most = max(most, drawn - done + 1)

    monkeypatch.setattr(build, "row", counting)
    build_report(tmp_path, progress=written)
    assert drawn == 9
    assert most <= 4


def test_a_thousand_results_take_little_time_and_space(tmp_path):
    first = make_result(tmp_path / "0000")
    for number in range(1, 1000):
        folder = tmp_path / f"{number:04}"
        folder.mkdir()
        for file in first.iterdir():
            os.link(file, folder / file.name)
    timer = Seconds()
    tracemalloc.start()
    try:
        page = write_report(tmp_path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert timer.stop() < 60
    assert len(table(read_page(page))) == 1000
    assert page.stat().st_size < 13e6
    assert peak < page.stat().st_size / 2 + 8e6
