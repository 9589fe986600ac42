"""Whatever goes wrong ends in one line and the right exit code; signals and pipes end cleanly."""

import errno
import os
import signal
import subprocess
import sys
import types
from pathlib import Path

import click
import pytest
from dstft_cli.cli.failures import explain

from dstft_cli.cli import main
from dstft_cli.errors import InputError, OutputError, UsageError

ROOT = Path(__file__).parent.parent


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (InputError("a.wav: is empty"), 1, "a.wav: is empty"),
        (OutputError("two\nlines"), 1, "two lines"),
        (UsageError("too long"), 2, "too long"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
        (click.Abort(), 130, "interrupted; nothing was written"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 0, ""),
        (
            MemoryError(),
            1,
            "out of memory: use --duration for a shorter part, or a lower --n-fft",
        ),
        (
            OutOfMemoryError("CUDA out of memory"),
            1,
            "out of memory: use --duration for a shorter part, or a lower --n-fft",
        ),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            1,
            "out of memory: use --duration for a shorter part, or a lower --n-fft",
        ),
        (
            OSError(errno.ENOSPC, "No space left on device", "a-dstft/x.npy"),
            1,
            "disk full: a-dstft/x.npy: free some space or write elsewhere",
        ),
        (
            PermissionError(errno.EACCES, "Permission denied", "x"),
            1,
            "Permission denied: x: check the path and its permissions",
        ),
        (
            RuntimeError("first\nsecond"),
            1,
            "internal error: RuntimeError: first second: run again with -v and report it",
        ),
        (SystemExit(3), 3, ""),
    ],
)
def test_explain(error, code, text):
    assert explain(error) == (code, text)


def job_that_raises(monkeypatch, error):
    def run_optimize(*arguments, **options):
        raise error

    module = types.ModuleType("dstft_cli.run.job")
    module.run_optimize = run_optimize
    monkeypatch.setitem(sys.modules, "dstft_cli.run.job", module)
    monkeypatch.setattr("dstft_cli.run.preflight.refuse_early", lambda *_: None)


def test_one_line_and_a_traceback_only_when_verbose(monkeypatch, capsys):
    job_that_raises(monkeypatch, InputError("a.wav: is empty: give a longer one"))
    assert main(["optimize", "a.wav"]) == 1
    assert capsys.readouterr() == ("", "dstft: a.wav: is empty: give a longer one\n")
    assert main(["optimize", "a.wav", "-v"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("Traceback (most recent call last)")
    assert err.endswith("\ndstft: a.wav: is empty: give a longer one\n")


def test_traceback_of_a_wrong_setting(capsys):
    assert main(["optimize", "a.wav", "--power", "0", "-v"]) == 2
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def test_sigterm_handler_is_put_back(monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    job_that_raises(monkeypatch, UsageError("x"))
    assert main(["optimize", "a.wav"]) == 2
    assert signal.getsignal(signal.SIGTERM) is before


# a whole process: signals, pipes, full disks

FAKE_JOB = """
import sys, time, types
def run_optimize(source, settings, *, stdout, report, progress):
    try:
        {body}
    finally:
        print("cleaned up", file=sys.stderr, flush=True)
    return types.SimpleNamespace(result_json={{}}, output=None, summary=["done"])
module = types.ModuleType("dstft_cli.run.job")
module.run_optimize = run_optimize
sys.modules["dstft_cli.run.job"] = module
import dstft_cli.run.preflight
dstft_cli.run.preflight.refuse_early = lambda *_: None
from dstft_cli.cli import main
sys.exit(main(sys.argv[1:]))
"""


# unbuffered streams would hide what is left to flush at the interpreter's end
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def start(body, *options, **streams):
    code = FAKE_JOB.format(body=body)
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code, "optimize", "a.wav", *options],
        cwd=ROOT,
        env=ENVIRONMENT,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


@pytest.mark.skipif(os.name != "posix", reason="signals are those of POSIX")
@pytest.mark.parametrize(
    ("number", "code", "word"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")],
)
def test_signal_unwinds(number, code, word):
    process = start("print('ready', flush=True); time.sleep(60)")
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=30)
    assert process.returncode == code
    assert out == b""
    assert err.decode().splitlines() == ["cleaned up", f"dstft: {word}; nothing was written"]


def test_closed_pipe_ends_quietly():
    process = start("stdout.write(bytes(1 << 20))", "--npy", "-")
    assert process.stdout.read(10) == bytes(10)
    process.stdout.close()
    assert process.stderr.read() == b"cleaned up\n"
    assert process.wait(timeout=30) == 0
    process.stderr.close()


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_pipe_closed_before_anything_is_written(options):
    reader, writer = os.pipe()
    os.close(reader)
    process = start("stdout and stdout.write(b'{}')", *options, stdout=writer)
    os.close(writer)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, b"cleaned up\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("options", [[], ["--json"]])
def test_full_disk_behind_stdout(options):
    with open("/dev/full", "wb") as full:
        process = start("stdout and stdout.write(b'{}')", *options, stdout=full)
        _, err = process.communicate(timeout=30)
    assert process.returncode == 1
    assert err.decode().splitlines() == [
        "cleaned up",
        "dstft: disk full: free some space or write elsewhere",
    ]


def test_summary_the_locale_cannot_show():
    code = FAKE_JOB.format(body="pass").replace('["done"]', r'["\udcff \u2192"]')
    done = subprocess.run(
        [sys.executable, "-c", code, "optimize", "a.wav"],
        cwd=ROOT,
        env={**ENVIRONMENT, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        timeout=30,
    )
    assert done.returncode == 0
    assert done.stdout == rb"\udcff \u2192" + b"\n"


@pytest.mark.parametrize("closed", ["2>&-", "<&- 2>&-"])
def test_closed_standard_streams_are_not_taken_for_files(tmp_path, closed):
    command = f'"{sys.executable}" -m dstft_cli optimize "$1" --duration 0.5 --no-figures -o out'
    recording = ROOT / "sample_audio" / "speech.wav"
    done = subprocess.run(
        ["sh", "-c", f"{command} {closed}", "sh", str(recording)],
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].split() == [b"results", b"out"]
