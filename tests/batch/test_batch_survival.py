"""Batches that are killed, interrupted or lose workers; odd names and libraries that print."""

import json
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path

import pytest

from batch.batch_example import (
    PATIENCE,
    SETTINGS,
    Gate,
    batch,
    clip,
    clips,
    config,
    in_process,
    journal,
    leftovers,
    results,
    start,
    wait_for,
)

JOBS = 5
TEXT = "output: out/{stem}\njobs: [{input: 'in/*.wav', criterion: 'batch_criteria:Gated'}]\n"


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """The results of a batch that nothing stopped."""
    folder = tmp_path_factory.mktemp("reference")
    clips(folder / "in", JOBS)
    in_process(config(folder, TEXT), "--no-report")
    return results(folder / "out")


def group(pid: int) -> set[int]:
    """Living processes of the process group `pid`."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
        except (OSError, ValueError):
            continue
        if int(process_group) == pid and state != "Z":
            found.add(int(stat.parent.name))
    return found


def wait_for_the_end_of(pid: int) -> None:
    """All processes of the group `pid` end by themselves."""
    wait_for(lambda: not group(pid))


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="NOT TESTED: needs Linux's /proc"
)


@needs_proc
@pytest.mark.parametrize("kills", [1, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_at_random_moments_and_resumed_it_ends_as_if_nothing_had_happened(
    tmp_path, reference, kills
):
    clips(tmp_path / "in", JOBS)
    path, out = config(tmp_path, TEXT), tmp_path / "out"
    gate, moments = Gate(tmp_path), random.Random(4)
    for _ in range(kills):
        if len(journal(out)) > JOBS - 4:  # at most three jobs end each time: one is left to kill
            shutil.rmtree(out)
        goal = len(journal(out)) + 1
        run = start(path, "--no-report", "--workers", 2, env=gate.environment)
        gate.let_pass(1)
        gate.wait_until_used()
        passed = time.monotonic()
        wait_for(lambda: len(journal(out)) >= goal)  # noqa: B023
        from_gate_to_journal = time.monotonic() - passed
        gate.let_pass(2)
        time.sleep(moments.uniform(0, 2 * from_gate_to_journal))
        assert run.poll() is None, run.communicate()
        run.kill()
        run.communicate(timeout=PATIENCE)
        wait_for_the_end_of(run.pid)
        gate.let_pass(0)
        assert set(results(out)) <= set(reference)
        for name, result in results(out).items():
            assert result == reference[name]
    stood = {line["output"] for line in journal(out) if line["status"] == "done"}
    done = in_process(path, "--no-report")
    assert results(out) == reference
    assert leftovers(tmp_path) == []
    lines = [line["output"] for line in journal(out)]
    assert len(lines) == len(set(lines)) == JOBS  # no job was done twice
    assert f"{JOBS - len(stood)} done, {len(stood)} kept in" in done.text


@pytest.mark.slow
@needs_proc
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_and_says_how_to_resume(tmp_path, reference, number):
    clips(tmp_path / "in", JOBS)
    path, out, gate = config(tmp_path, TEXT), tmp_path / "out", Gate(tmp_path)
    run = start(path, "--no-report", "--workers", 2, env=gate.environment)
    gate.let_pass(1)
    wait_for(lambda: len(journal(out)) >= 1)
    gate.let_pass(4)  # work is being done when it comes, and left afterwards
    os.killpg(run.pid, number) if number == signal.SIGINT else run.send_signal(number)
    stdout, stderr = run.communicate(timeout=PATIENCE)
    how, code = ("interrupted", 130) if number == signal.SIGINT else ("terminated", 143)
    assert run.returncode == code, stderr
    assert stdout == ""
    told = rf"dstft: {how} with (\d+) of {JOBS} jobs done: run the same command again to resume"
    found = re.fullmatch(told, stderr.splitlines()[-1])
    assert found is not None, stderr
    assert 0 <= len(journal(out)) - int(found[1]) <= 1  # it may come between a line and its count
    assert "Traceback" not in stderr
    wait_for_the_end_of(run.pid)
    assert leftovers(tmp_path) == []
    in_process(path, "--no-report")
    assert results(out) == reference


def test_inputs_from_a_pipe_whatever_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["two words", "line\nbreak", "🐦", "--force", "a\udcffb", "'quote\"", "*"]
    for number, name in enumerate(names):
        clip(tmp_path / f"{name}.wav", number)
    done = in_process(
        *("--from0", "-", "--output", "out/{stem}", "--json", "--no-report"),
        *(part for pair in SETTINGS for part in ("--set", pair)),
        stdin="".join(f"{name}.wav\0" for name in names).encode("utf-8", "surrogateescape"),
    )
    rows = [json.loads(line) for line in done.text.splitlines()]
    assert {row["input"] for row in rows} == {f"{tmp_path}/{name}.wav" for name in names}
    assert set(results(tmp_path / "out")) == set(names)


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
