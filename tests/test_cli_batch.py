"""`dstft batch` as its users run it: real processes, real files."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from batch_example import (
    COMMAND,
    ENVIRONMENT,
    PATIENCE,
    SETTINGS,
    batch,
    clip,
    clips,
    config,
    leftovers,
    results,
)
from dstft_cli.cli.batch_text import read_list
from dstft_cli.cli.batch_told import Told

from dstft_cli.batch import from_list, make_plan
from dstft_cli.errors import UsageError

ROOT = Path(__file__).parent.parent
PIPED = [part for pair in SETTINGS for part in ("--set", pair)]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A batch of good files with broken ones among them, and how it ended."""
    folder = tmp_path_factory.mktemp("mixed")
    clips(folder / "in", 4)
    (folder / "in" / "clip01.wav").write_bytes(b"RIFF no wave")
    (folder / "in" / "clip02.wav").write_bytes(b"")
    path = config(
        folder,
        "output: out/{stem}\njobs:\n  - input: [in/*.wav, in/gone.wav]\n",
    )
    return folder, batch(path, "--json", "--workers", 2)


def test_broken_files_stop_no_good_ones(mixed):
    folder, done = mixed
    assert done.returncode == 1
    assert set(results(folder / "out")) == {"clip00", "clip03"}
    assert leftovers(folder) == []
    assert sorted(os.listdir(folder / "out")) == [
        "batch-journal.jsonl",
        "clip00",
        "clip03",
        "report.html",
        "summary.csv",
    ]


def test_a_line_of_json_per_job_and_nothing_else(mixed):
    folder, done = mixed
    rows = {row["index"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert sorted(rows) == [1, 2, 3, 4, 5]
    good, bad = rows[1], rows[2]
    assert good["input"] == str(folder / "in" / "clip00.wav")
    assert good["output"] == str(folder / "out" / "clip00")
    record = json.loads((folder / "out" / "clip00" / "result.json").read_text(encoding="utf-8"))
    assert good["criterion"] == record["criterion"]
    assert good["window_length"] == record["window_length"]
    assert (good["status"], good["error"]) == ("done", None)
    assert (bad["status"], bad["criterion"]) == ("failed", None)
    assert rows[3]["error"].endswith("clip02.wav: is empty (0 bytes): check what wrote it")
    assert rows[5]["error"].endswith("gone.wav: no such file: check the path")


def test_what_failed_and_why_is_told_in_a_table(mixed):
    _, done = mixed
    lines = done.stderr.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("failed  input")))
    assert [line.split()[:2] for line in lines[start + 1 : start + 4]] == [
        ["2", "in/clip01.wav"],
        ["3", "in/clip02.wav"],
        ["5", "in/gone.wav"],
    ]
    assert lines[start + 4].startswith("5 jobs         2 done, 3 failed in ")


def test_the_summary_has_a_row_per_job(mixed):
    folder, _ = mixed
    with open(folder / "out" / "summary.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["input"], row["status"]) for row in rows] == [
        ("in/clip00.wav", "done"),
        ("in/clip01.wav", "failed"),
        ("in/clip02.wav", "failed"),
        ("in/clip03.wav", "done"),
        ("in/gone.wav", "failed"),
    ]
    assert float(rows[0]["final"]) <= float(rows[0]["start"])


def test_the_next_run_does_what_failed_or_changed_alone(mixed):
    folder, _ = mixed
    before = results(folder / "out")
    clip(folder / "in" / "clip01.wav", 1)
    clip(folder / "in" / "clip03.wav", 33)
    (folder / "in" / "clip02.wav").unlink()
    (folder / "in" / "gone.wav").unlink(missing_ok=True)
    path = config(folder, "output: out/{stem}\njobs:\n  - input: in/*.wav\n")
    done = batch(path, "--no-report")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("3 jobs         2 done, 1 kept in ")
    after = results(folder / "out")
    assert set(after) == {"clip00", "clip01", "clip03"}
    assert after["clip00"] == before["clip00"]
    assert after["clip03"] != before["clip03"]
    again = batch(path, "--no-report", "--json")
    rows = [json.loads(line) for line in again.stdout.splitlines()]
    assert [row["status"] for row in rows] == ["kept"] * 3
    assert [row["index"] for row in rows] == [1, 2, 3]


def test_settings_that_change_are_run_again_and_those_of_no_effect_are_not(tmp_path):
    clips(tmp_path / "in", 2)
    text = "output: out/{stem}\njobs:\n  - input: in/clip00.wav\n    seed: 1\n"
    text += "  - input: in/clip01.wav\n"
    assert batch(config(tmp_path, text), "--no-report").returncode == 0
    text = text.replace("seed: 1", "seed: 2").replace(
        "clip01.wav\n", "clip01.wav\n    threads: 1\n"
    )
    done = batch(config(tmp_path, text), "--no-report")
    assert done.stdout.startswith("2 jobs         1 done, 1 kept in "), done.stderr
    record = json.loads((tmp_path / "out" / "clip00" / "result.json").read_text(encoding="utf-8"))
    assert record["settings"]["seed"] == 2


def test_what_others_wrote_is_kept_unless_forced(tmp_path):
    clips(tmp_path / "in", 1)
    path = config(tmp_path, "output: out/{stem}\njobs: [{input: in/clip00.wav}]\n")
    (tmp_path / "out" / "clip00").mkdir(parents=True)
    (tmp_path / "out" / "clip00" / "result.json").write_text("{}")
    done = batch(path, "--no-report")
    assert done.returncode == 1
    assert "clip00 exists: use --force to replace it" in done.stderr
    assert (tmp_path / "out" / "clip00" / "result.json").read_text() == "{}"
    assert batch(path, "--no-report", "--force").returncode == 0
    assert set(results(tmp_path / "out")) == {"clip00"}


NAMES = ["two words", "line\nbreak", "🐦", "-o", "--force", "ü", "a\udcffb", "'quote\"", "*"]


def test_inputs_from_a_pipe_whatever_their_names(tmp_path):
    for number, name in enumerate(NAMES):
        clip(tmp_path / f"{name}.wav", number)
    (tmp_path / "linked.wav").symlink_to("ü.wav")
    listed = "".join(f"{name}.wav\0" for name in [*NAMES, "linked"])
    done = batch(
        *("--from0", "-", "--output", "out/{stem}", "--json", "--no-report", *PIPED),
        cwd=tmp_path,
        input=listed.encode("utf-8", "surrogateescape"),
        text=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    found = {row["input"].removeprefix(f"{tmp_path}/") for row in rows}
    assert found == {f"{name}.wav" for name in [*NAMES, "linked"]}
    assert set(results(tmp_path / "out")) == {*NAMES, "linked"}
    with open(
        tmp_path / "out" / "summary.csv", encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        assert [row["input"] for row in csv.DictReader(file)] == [
            f"{name}.wav" for name in [*NAMES, "linked"]
        ]


def test_a_thousand_tiny_files(tmp_path):
    for number in range(1000):
        clip(tmp_path / f"{number}.wav", number, seconds=0.02)
    found = subprocess.Popen(["find", ".", "-name", "*.wav", "-print0"], stdout=-1, cwd=tmp_path)
    fixed = ("--set", "window_mode=fixed", "--set", "n_fft=32")
    done = batch(
        *("--from0", "-", "-o", "out/{stem}", "--json", "--no-figures", "--no-report", *fixed),
        cwd=tmp_path,
        stdin=found.stdout,
    )
    found.stdout.close()
    assert (done.returncode, found.wait()) == (0, 0), done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(row["index"] for row in rows) == list(range(1, 1001))
    assert len({row["key"] for row in rows}) == 1000
    assert len(list((tmp_path / "out").glob("*/result.json"))) == 1000
    with open(tmp_path / "out" / "summary.csv", encoding="utf-8", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["done"] * 1000


def test_a_plain_list_and_a_dry_run_write_nothing(tmp_path):
    done = batch("--from", "-", "--dry-run", input="a b.wav\r\nsub/c.wav\n\n", cwd=tmp_path)
    assert done.stdout.splitlines() == [
        "job  input      output",
        "1    a b.wav    a b-dstft",
        "2    sub/c.wav  c-dstft",
        f"2 jobs, results in {tmp_path}",
    ]
    done = batch("--from", "-", "--dry-run", "--json", input="a.wav\n", cwd=tmp_path)
    (row,) = map(json.loads, done.stdout.splitlines())
    assert (row["index"], row["input"]) == (1, "a.wav")
    assert row["output"] == str(tmp_path / "a-dstft")
    assert row["settings"]["criterion"] == "entropy"
    assert os.listdir(tmp_path) == []


def test_a_list_without_end_is_refused(monkeypatch):
    monkeypatch.setattr("dstft_cli.cli.batch_text.LARGEST_LIST", 1 << 20)
    with pytest.raises(UsageError, match="/dev/zero: is above 1 MiB, so no list of inputs"):
        read_list("/dev/zero", b"\n")


def told(folder: Path, force: bool) -> Told:
    plan = make_plan(from_list(["a.wav", "b.wav"], "list", output_folder=folder))
    return Told(plan, as_json=False, quiet=False, verbose=False, force=force)


def test_after_an_interrupt_the_advice_is_that_for_force(tmp_path):
    start = "interrupted with 0 of 2 jobs done: run the same command again to "
    assert told(tmp_path, False).stopped("interrupted") == f"{start}resume"
    assert told(tmp_path, True).stopped("interrupted") == (
        f"{start}begin anew, or without --force to keep every result that stands"
    )


def test_warnings_are_counted_at_the_end(tmp_path, capsys):
    row = {"status": "done", "warnings": []}
    told(tmp_path, False).close({1: row, 2: row})
    assert "\nwarnings" not in capsys.readouterr().out
    told(tmp_path, False).close({1: row, 2: {"status": "kept", "warnings": ["a", "b"]}})
    line = capsys.readouterr().out.splitlines()[1]
    assert line == f"warnings       2 in 1 job, told in {tmp_path / 'summary.csv'}"


def test_a_dry_run_says_auto_for_what_is_not_given(tmp_path):
    text = "jobs: [{input: a.wav, matrix: {win_length_max: [null, 40ms], search: [true, no]}}]\n"
    path = config(tmp_path, text + "output: '{win_length_max}-{search}'\n")
    rows = [line.split() for line in batch(path, "--dry-run").stdout.splitlines()[1:-1]]
    assert [row[3:] for row in rows] == [
        ["auto", "true"],
        ["auto", "false"],
        ["40ms", "true"],
        ["40ms", "false"],
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no jobs: give one of CONFIG, --from FILE and --from0 FILE"),
        (["a.yaml", "--from", "-"], "CONFIG and --from exclude each other: give one of CONFIG,"),
        (["none.yaml"], "none.yaml: no such file: check CONFIG"),
        (["--from", "none.txt"], "none.txt: cannot be read: No such file or directory: check the"),
        (["--from", "-"], "--from - names no inputs: write one path a line, or NUL after each"),
        (["a.yaml", "--workers", "0"], "--workers 0: must be at least 1 and at most 4096"),
        (
            ["a.yaml", "--workers", "1", "--scheduler", "tcp://x"],
            "--workers and --scheduler exclude each other: the cluster has its own",
        ),
    ],
)
def test_wrong_usage(tmp_path, arguments, message):
    done = batch(*arguments, cwd=tmp_path, input="")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"dstft: {message}")
    assert done.stderr.count("\n") == 1


def test_what_only_a_worker_can_know_is_refused_before_anything_runs(tmp_path):
    clips(tmp_path, 2)
    path = config(
        tmp_path, "output: out/{stem}\njobs: [{input: '*.wav', criterion: 'no.such:x'}]\n"
    )
    done = batch(path)
    assert done.returncode == 2
    assert "dstft: criterion no.such:x: module 'no.such' cannot be imported" in done.stderr
    assert not (tmp_path / "out").exists()


def test_fail_fast(tmp_path):
    names = [path.name for path in clips(tmp_path, 3)]
    (tmp_path / "clip00.wav").write_bytes(b"")
    path = config(tmp_path, f"output: out/{{stem}}\njobs: [{{input: [{', '.join(names)}]}}]\n")
    done = batch(path, "--fail-fast", "--workers", 1, "--no-report")
    assert done.returncode == 1
    assert done.stdout.startswith("3 jobs         0 done, 1 failed, 2 not run in ")
    assert leftovers(tmp_path) == []


def as_ordinary_user() -> list[str]:
    """What to put before a command so that modes of folders hold for it, also for the superuser."""
    if os.geteuid() != 0:
        return []
    if shutil.which("setpriv") is None:
        pytest.skip("NOT TESTED: the superuser may write to read-only folders")
    rights = "-dac_override,-dac_read_search"
    return ["setpriv", f"--bounding-set={rights}", f"--inh-caps={rights}"]


def test_read_only_folders(tmp_path):
    clips(tmp_path, 2)
    text = "output: out/{seed}/{stem}\njobs: [{input: '*.wav', matrix: {seed: [1, 2]}}]\n"
    path = config(tmp_path, text)
    command = [*as_ordinary_user(), *COMMAND, "batch", str(path), "--no-report"]
    options = {"env": ENVIRONMENT, "capture_output": True, "text": True, "timeout": PATIENCE}
    out = tmp_path / "out"
    (out / "1").mkdir(parents=True)
    out.chmod(0o555)
    done = subprocess.run(command, **options)
    out.chmod(0o755)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"dstft: cannot write {out}/batch-journal.jsonl: permission denied: choose another place "
        "with -o\n"
    )
    (out / "1").chmod(0o555)
    done = subprocess.run(command, **options)
    (out / "1").chmod(0o755)
    assert done.returncode == 1
    assert done.stdout.startswith("4 jobs         2 done, 2 failed in ")
    assert done.stderr.count(f"cannot write {out}/1/clip00: permission denied") == 2
    assert set(results(out)) == {"2/clip00", "2/clip01"}


@pytest.mark.parametrize("verbose", [False, True])
def test_what_libraries_print_garbles_nothing(tmp_path, verbose):
    clips(tmp_path, 1)
    text = "output: out/{stem}\njobs: [{input: '*.wav', criterion: 'batch_criteria:Loud'}]\n"
    done = batch(
        *(config(tmp_path, text), "--json", "--no-report", *(["-v"] if verbose else [])),
    )
    (row,) = map(json.loads, done.stdout.splitlines())
    assert row["status"] == "done"
    assert ("noise on 1" in done.stderr, "noise on 2" in done.stderr) == (verbose, verbose)


def test_quiet_says_what_failed_alone(tmp_path):
    clips(tmp_path, 1)
    (tmp_path / "bad.wav").write_bytes(b"")
    path = config(tmp_path, "output: out/{stem}\njobs: [{input: '*.wav'}]\n")
    done = batch(path, "-q", "--no-report")
    assert (done.returncode, done.stdout) == (1, "")
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["failed", "1"]


def test_the_report_is_written_and_replaced(mixed):
    folder, _ = mixed
    page = (folder / "out" / "report.html").read_text(encoding="utf-8")
    assert "clip00" in page


def test_the_config_of_the_repository_plans(tmp_path):
    done = batch(ROOT / "configs" / "batch.yaml", "--dry-run", "--json")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rows) == 10
    assert {Path(row["output"]).parts[-4] for row in rows} == {"batch-results"}


def test_the_config_of_the_repository_runs(tmp_path):
    for name in ("sample_audio", "configs"):
        (tmp_path / name).symlink_to(ROOT / name)
    done = batch("configs/batch.yaml", "--set", "duration=1", "--no-figures", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(results(tmp_path / "batch-results")) == 10


def test_a_bar_on_a_terminal(tmp_path):
    pty = pytest.importorskip("pty", reason="NOT TESTED: no terminals on this system")
    import threading

    clips(tmp_path, 3)
    path = config(tmp_path, "output: out/{stem}\njobs: [{input: '*.wav'}]\n")
    ours, theirs = pty.openpty()
    seen = []

    def read():
        try:
            while data := os.read(ours, 4096):
                seen.append(data)
        except OSError:
            pass

    reader = threading.Thread(target=read)
    reader.start()
    done = subprocess.run(
        [*COMMAND, "batch", str(path), "--no-report"],
        env={**ENVIRONMENT, "TERM": "xterm", "COLUMNS": "100"},
        stdout=subprocess.PIPE,
        stderr=theirs,
        timeout=PATIENCE,
    )
    os.close(theirs)
    reader.join(PATIENCE)
    os.close(ours)
    screen = b"".join(seen).decode("utf-8")
    assert done.returncode == 0
    assert "3/3" in screen
    assert "jobs/" in screen
    assert "[1/3]" not in screen
    assert done.stdout.decode().startswith("3 jobs         3 done in ")
