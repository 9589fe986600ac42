"""Whatever goes wrong ends in one line and the right exit code; signals and pipes end cleanly."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from contract.support import ROOT

from dstft_cli.cli import console, main
from dstft_cli.cli.console import Activity, explain, progress_bar
from dstft_cli.errors import InputError, OutputError, UsageError
from dstft_cli.stage import Stage

from .conftest import Terminal


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


def test_every_error_has_a_code_and_one_line():
    for error, code, words in (
        (InputError("a.wav: is empty"), 1, "a.wav: is empty"),
        (OutputError("two\nlines"), 1, "two lines"),
        (UsageError("a\x1b[31m"), 2, "a\\x1b[31m"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (typer.Abort(), 130, "interrupted"),
        (console.Terminated(), 143, "terminated"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
        (typer.Exit(3), 3, ""),
        (SystemExit(4), 4, ""),
        (MemoryError(), 1, "out of memory"),
        (OutOfMemoryError("CUDA out of memory"), 1, "out of memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 1, "out of memory"),
        (OSError(errno.ENOSPC, "No space left", "x.npy"), 1, "disk full: x.npy"),
        (PermissionError(errno.EACCES, "Permission denied", "x"), 1, "permission denied: x"),
        (RuntimeError("first\nsecond"), 1, "internal error: RuntimeError: first second"),
    ):
        found, text = explain(error)
        assert found == code, error
        assert words in text, text
        assert "\n" not in text
        assert (text == "") is (words == ""), text


def test_traceback_only_when_verbose(calls, capsys, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(sys.modules["dstft_cli.run.optimize"], "run_optimize", fail)
    assert main(["optimize", "a.wav"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["optimize", "a.wav", "-v"]) == 1
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("dstft: internal error: RuntimeError: broken")
    assert main(["optimize", "a.wav"]) == 1
    assert "Traceback" not in capsys.readouterr().err


def test_verbose_shows_the_log(calls, capsys, monkeypatch):
    import logging

    log = logging.getLogger("dstft_cli.fit")
    engine = sys.modules["dstft_cli.run.optimize"]
    run_optimize = engine.run_optimize

    def telling(*arguments, **options):
        log.info("raise `n_fft` to %d\nat once", 512)
        log.debug("details of details")
        return run_optimize(*arguments, **options)

    monkeypatch.setattr(engine, "run_optimize", telling)
    assert main(["optimize", "a.wav", "-v"]) == 0
    assert capsys.readouterr().err.splitlines()[0] == "raise --n-fft to 512"
    assert main(["optimize", "a.wav"]) == 0
    assert "raise --n-fft" not in capsys.readouterr().err


def test_progress_is_drawn_on_a_terminal_alone(calls, monkeypatch, capsys):
    assert main(["optimize", "a.wav"]) == 0  # a short run
    assert calls[0].progress is not None
    assert capsys.readouterr().err.startswith("warning: ")
    assert main(["optimize", "a.wav", "-q"]) == 0
    assert calls[1].progress is None
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    stage = Stage()
    stage("load", 0, 0)
    with progress_bar(quiet=False, name="[a]\n.wav") as show:
        show("search", 3, 4)
        show.run({"one": None, "[b]": stage})
    text = sys.stderr.text()
    assert all(part in text for part in ("[a]\\n.wav: search, 3 of 4", "one", "[b]: load")), text
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar(quiet=False):
        pass
    assert sys.stderr.text() == ""


def test_a_log_tells_what_runs_and_what_can_be_known(capsys):
    now = 0.0
    show, job = Activity("a.wav", lambda: now), Stage(clock=lambda: now)
    news = [
        None,
        ("load", 0, 0),
        ("search", 1, 4),  # it took a minute
        None,
        ("search", 1, 4),  # once more
        ("search", 3, 2000),
        ("search", 2000, 2000),
        ["x", "y", *"abcdefg"],
        ["y"],
        {"y": job},
    ]

    def wait(seconds):
        nonlocal now
        assert seconds == 30
        step = news.pop(0) if news else ""
        now += 30
        if isinstance(step, (list, dict)):
            show.run(dict.fromkeys(step) if isinstance(step, list) else step)
            job("descent", 1, 3)
        elif step:
            show(*step)
        return step == ""

    show.log(wait)
    lines = capsys.readouterr().err.splitlines()
    assert [
        line.removeprefix(f"0:0{n // 2}:{n % 2 * 3}0 a.wav: ") for n, line in enumerate(lines, 1)
    ] == [
        "starting",
        "load",
        "search, 1 of 4, about 0:01:30 left",
        "search, 1 of 4, about 0:01:00 left",
        "search, pass 2, 1 of 4, about 0:03:00 left",
        "search, pass 2, 0 %, about 16:38:30 left",
        "search, pass 2 done",
        "search, pass 2 done; "
        + "; ".join(f"0:00:00 {name}" for name in "xyabcdef")
        + "; and 1 more",
        "search, pass 2 done; 0:00:30 y",
        "search, pass 2 done; 0:01:00 y: descent, pass 3, 1 of 3, about 0:01:00 left",
    ]


def test_data_and_terminals(calls, monkeypatch, capsys):
    for option in ("--npy", "--png"):
        monkeypatch.setattr(sys, "stdout", Terminal())
        assert main(["optimize", "a.wav", option, "-"]) == 2
        assert sys.stdout.text() == ""
        assert f"{option} - would write binary data" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["optimize", "a.wav", "--json"]) == 0
    assert sys.stdout.text() == '{"data": 1}'
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["optimize", "a.wav", "--json"]) == 2
    assert "standard output is closed" in capsys.readouterr().err


# a whole process: signals, pipes, full disks

FAKE_JOB = """
import sys, time, types
def run_optimize(source, settings, *, stdout, progress, **_):
    try:
        {body}
    finally:
        print("cleaned up", file=sys.stderr, flush=True)
    return types.SimpleNamespace(result_json={{}}, output=None)
for name in ("job", "optimize", "preflight"):
    module = types.ModuleType("dstft_cli.run." + name)
    module.run_optimize, module.refuse_early = run_optimize, lambda *_: None
    sys.modules[module.__name__] = module
import dstft_cli.cli.summary
dstft_cli.cli.summary.result_lines = lambda *_: ["done"]
from dstft_cli.cli import main
sys.exit(main(sys.argv[1:]))
"""
# unbuffered streams would hide what is left to flush at the interpreter's end
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
ENVIRONMENT["PYTHONPATH"] = str(ROOT)
posix = pytest.mark.skipif(os.name != "posix", reason="signals and pipes are those of POSIX")


def start(body: str, *options: str, **streams):
    command = [sys.executable, "-W", "error", "-c", FAKE_JOB.format(body=body)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    line = [*command, "optimize", "a.wav", *options]
    return subprocess.Popen(line, cwd=ROOT, env=ENVIRONMENT, **pipes)


@posix
def test_signals_unwind():
    ends = (signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")
    for number, code, word in ends:
        process = start("print('ready', flush=True); time.sleep(60)")
        assert process.stdout.readline() == b"ready\n"
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (code, b"")
        lines = err.decode().splitlines()
        assert lines[0] == "cleaned up"
        assert lines[1].startswith(f"dstft: {word}")
        assert len(lines) == 2


@posix
def test_closed_pipes_end_quietly():
    process = start("stdout.write(bytes(1 << 20))", "--npy", "-")
    assert process.stdout.read(10) == bytes(10)
    process.stdout.close()
    assert process.stderr.read() == b"cleaned up\n"
    assert process.wait(timeout=60) == 0
    process.stderr.close()
    reader, writer = os.pipe()
    os.close(reader)
    process = start("stdout and stdout.write(b'{}')", stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"cleaned up\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_full_disk_behind_standard_output():
    for options in ([], ["--json"]):
        with open("/dev/full", "wb") as full:
            process = start("stdout and stdout.write(b'{}')", *options, stdout=full)
            _, err = process.communicate(timeout=60)
        assert process.returncode == 1
        assert err.decode().splitlines()[1].startswith("dstft: disk full"), options


CLOSED = """
import operator, os, sys
from dstft_cli.batch.pools import LocalExecutor
from dstft_cli.cli import console
if __name__ == "__main__":
    console.occupy_closed_streams()
    assert os.open("taken", os.O_WRONLY | os.O_CREAT) > 2
    executor = LocalExecutor(1, os.getpid, silent=False)
    found = executor.submit(operator.neg, 1).result(60)
    executor.abandon()
    sys.exit(found + 1)
"""


@posix
def test_closed_standard_streams_are_not_taken_for_files(tmp_path):
    """Neither here nor in worker processes."""
    (tmp_path / "run.py").write_text(CLOSED)
    command = f'exec "{sys.executable}" run.py <&- >&- 2>&-'
    done = subprocess.run(["sh", "-c", command], cwd=tmp_path, env=ENVIRONMENT, check=False)
    assert done.returncode == 0


@posix
def test_messages_do_not_go_to_standard_output_where_standard_error_is_closed(tmp_path):
    command = f'exec "{sys.executable}" -m dstft_cli optimize none.wav 2>&-'
    arguments = ["sh", "-c", command]
    done = subprocess.run(arguments, cwd=tmp_path, env=ENVIRONMENT, check=False, stdout=-1)
    assert (done.returncode, done.stdout) == (1, b"")
