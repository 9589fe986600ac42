"""Plans: which files, which places; none shared, none outside; ten thousand at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dstft_cli.batch import make_plan, read_config
from dstft_cli.batch.config import Entry
from dstft_cli.batch.plan import input_files
from dstft_cli.errors import UsageError

MANY = 10_000


def plan_of(folder: Path, jobs: str, output: str = "{stem}"):
    path = folder / "batch.yaml"
    path.write_text(f"output: '{output}'\njobs: {jobs}", encoding="utf-8")
    return make_plan(read_config(path))


def refused(folder: Path, jobs: str, output: str = "{stem}") -> str:
    with pytest.raises(UsageError) as caught:
        plan_of(folder, jobs, output)
    return str(caught.value)


@pytest.fixture
def tree(tmp_path):
    for name in ("a.wav", "b.wav", "field/one/a.wav", "field/two/deep/c.wav", "field/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.fixture
def files(tree):
    def found(*texts: str, patterns: bool = True) -> list[tuple[str, str]]:
        entry = Entry([(text, "batch.yaml:1") for text in texts], patterns, "", ())
        return list(input_files(entry, str(tree), None))

    return found


def test_patterns_are_sorted_recursive_and_match_files_alone(tree):
    (tree / "field" / "dir.wav").mkdir()
    plan = plan_of(tree, "[{input: 'field/**/*.wav'}]", "r/{folder}/{parent}-{stem}")
    assert [(job.input, job.output) for job in plan.jobs] == [
        ("field/one/a.wav", "one/one-a"),
        ("field/two/deep/c.wav", "two/deep/deep-c"),
    ]
    assert plan_of(tree, "[{input: a.wav}]", "{parent}").jobs[0].output == tree.name
    (tree / "results" / "x").mkdir(parents=True)
    (tree / "results" / "x" / "sound.wav").touch()  # a result is no input
    plan = plan_of(tree, "[{input: '**/*.wav'}]", "results/{folder}/{stem}")
    assert [job.input for job in plan.jobs] == [
        *("a.wav", "b.wav", "field/one/a.wav", "field/two/deep/c.wav")
    ]


def test_paths_and_patterns_name_each_file_once(files, tree):
    assert files("*.wav", "a.wav", "[ab].wav") == [("a.wav", ""), ("b.wav", "")]
    assert files("field/**/a.wav") == [("field/one/a.wav", "one")]
    assert files("**/one/*.wav") == [("field/one/a.wav", "field/one")]
    assert files(f"{tree}/*/one/*.wav") == [(f"{tree}/field/one/a.wav", "field/one")]
    assert files("field/one/a.wav", patterns=False) == [("field/one/a.wav", "field/one")]
    (tree / "[ab].wav").touch()  # a name that looks like a pattern is a name where it exists
    assert files("[ab].wav") == [("[ab].wav", "")]
    with pytest.raises(UsageError, match=r"^batch\.yaml:1: input '\*\.mp3' matches no file"):
        files("*.mp3")


def test_links_that_go_in_circles_are_not_followed_around(files, tree):
    for name in ("a/x", "b/low.wav", "top.wav"):
        (tree / "to" / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / "to" / name).touch()
    (tree / "to" / "again").symlink_to(".")
    (tree / "to" / "a" / "to_b").symlink_to("../b")
    (tree / "to" / "b" / "to_a").symlink_to("../a")
    assert [path for path, _ in files("to/**/*.wav")] == ["to/b/low.wav", "to/top.wav"]


def test_places_that_are_shared_or_taken(tree):
    (tree / "field" / "one.wav").touch()
    for jobs, output, part in (
        ("[{input: '**/a.wav'}]", "{stem}", "{parent} or {folder}"),
        ("[{input: a.wav, name: x}, {input: a.wav}]", "{stem}", "add {name}"),
        ("[{input: a.wav, matrix: {criterion: [entropy, hoyer]}}]", "{stem}", "add {criterion}"),
        ("[{input: [a.wav, b.wav], name: x}]", "{name}", "add {index}"),
        ("[{input: a.wav}, {input: a.wav}]", "{stem}", "twice"),
        ("[{input: a.wav, name: summary.csv}]", "{name}", "a file of its own"),
        ("[{input: ['field/*.wav', 'field/**/a.wav']}]", "x/{folder}/{stem}", "directory of job 1"),
    ):
        assert part in refused(tree, jobs, output)


def test_links_within_the_output_folder_lead_nowhere_else(tree, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (tree / "results").mkdir()
    for name, output in (("a", "results/{stem}"), ("entropy", "results/{criterion}/{stem}")):
        (tree / "results" / name).symlink_to(outside)
        assert f"a link to {outside}" in refused(tree, "[{input: a.wav}]", output)
        (tree / "results" / name).unlink()
    (tree / "results").rmdir()
    (tree / "real").mkdir()
    (tree / "results").symlink_to("real")
    (tree / "linked.wav").symlink_to("a.wav")
    plan = plan_of(tree, "[{input: linked.wav}]", "results/{stem}")
    assert plan.place(plan.jobs[0]) == tree / "results" / "linked"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux's /proc")
def test_ten_thousand_jobs_stay_small_and_need_no_torch():
    code = (
        "import sys, re; from dstft_cli.cli import main; code = main(sys.argv[1:]);"
        "import dstft_cli.batch.run, dstft_cli.batch.pools, dstft_cli.report;"
        "peak = re.search('VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1];"
        "print(code, int(peak) // 1000, 'torch' in sys.modules, file=sys.stderr)"
    )
    line = [sys.executable, "-W", "ignore", "-c", code, "batch", "--from", "-", "--dry-run"]
    names = "".join(f"x/{number}.wav\n" for number in range(MANY))
    done = subprocess.run(line, input=names, capture_output=True, text=True)
    code, peak, torch = done.stderr.split()
    assert (code, torch) == ("0", "False")
    assert int(peak) < 500  # MB
    assert len(done.stdout.splitlines()) == MANY + 2
