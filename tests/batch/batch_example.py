"""What the tests of batches share: small recordings, a command line to run, results to compare."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from contract.support import Ran, run

RATE = 8000  # Hz
SETTINGS = ("n_fft=256", "hop_length=64", "figures=false", "threads=1")  # some 20 ms per clip
COMMAND = [sys.executable, "-m", "dstft_cli"]
_PATHS = str(Path(__file__).parent), os.environ.get("PYTHONPATH")  # `batch_criteria`, the rest
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, _PATHS))}
ENVIRONMENT["OMP_NUM_THREADS"] = "1"
PATIENCE = 300.0  # s: what hangs is ended then; a loaded machine may need most of it


def clip(path: Path, seed: int = 0, seconds: float = 0.2) -> Path:
    """A sweep in noise, different for every seed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    t = np.arange(int(seconds * RATE)) / RATE
    noise = np.random.default_rng(seed).standard_normal(len(t))
    sweep = np.sin(2 * np.pi * (300 + 100 * (seed % 7) + 2000 * t) * t)
    samples = (0.3 * sweep + 0.03 * noise).astype(np.float32)
    soundfile.write(os.fsencode(path), samples, RATE, format="WAV")
    return path


def clips(folder: Path, count: int) -> list[Path]:
    """`clip00.wav`, `clip01.wav`, ..."""
    return [clip(folder / f"clip{number:02d}.wav", number) for number in range(count)]


def config(folder: Path, text: str, name: str = "batch.yaml") -> Path:
    """A config whose jobs are fast."""
    defaults = "".join(f"  {pair.replace('=', ': ')}\n" for pair in SETTINGS)
    path = folder / name
    path.write_text(f"defaults:\n{defaults}{text}", encoding="utf-8")
    return path


def batch(*arguments: Any, **options: Any) -> subprocess.CompletedProcess[str]:
    """Runs `dstft batch` to its end."""
    options = {"timeout": PATIENCE, "capture_output": True, "text": True, **options}
    options = {"env": ENVIRONMENT, **options}
    return subprocess.run([*COMMAND, "batch", *map(str, arguments)], **options)


def start(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
    """Starts `dstft batch` in a session of its own, as a terminal would."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    options = {"env": ENVIRONMENT, "start_new_session": True, **pipes, **options}
    return subprocess.Popen([*COMMAND, "batch", *map(str, arguments)], **options)


class InProcess:
    """Workers that run every call at once, in this process."""

    threads = 1

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def capacity(self) -> int:
        return 1

    def missing(self) -> None:
        return None

    gone = abandon = missing

    def stage(self, future: Any) -> None:
        return None

    def submit(self, fn: Callable[..., Any], /, *args: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args))
        except Exception as error:
            future.set_exception(error)
        return future


def in_process(*arguments: Any, stdin: bytes = b"", code: int | None = 0) -> Ran:
    """Runs `dstft batch`, with all its jobs, in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parent))
        patch.setattr("dstft_cli.batch.pools.LocalExecutor", InProcess)
        return run("batch", *map(str, arguments), stdin=stdin, code=code)


def journal(folder: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; none where there is no journal yet."""
    try:
        data = (folder / "batch-journal.jsonl").read_bytes()
    except FileNotFoundError:
        return []
    return [json.loads(line) for line in data.split(b"\n")[:-1] if line]


def results(folder: Path) -> dict[str, Any]:
    """Every whole result below `folder`: its arrays, and of its record what no clock decides."""
    found = {}
    for path in sorted(folder.rglob("result.json")):
        if "/." in str(path):  # what a killed run was writing
            continue
        record = json.loads(path.read_text(encoding="utf-8"))
        # the size of trajectory.csv depends on the seconds in it
        for name in ("seconds", "peak_memory_mb", "outputs", "sizes"):
            del record[name]
        for name in ("output", "force"):
            record["settings"][name] = None
        record["input"]["path"] = None
        array = np.load(path.parent / "spectrogram.npy").tobytes()
        names = sorted(entry.name for entry in path.parent.iterdir())
        found[str(path.parent.relative_to(folder))] = (record, array, names)
    return found


def leftovers(folder: Path) -> list[str]:
    """Hidden names below `folder`."""
    return sorted(path.name for path in folder.rglob(".*"))


def wait_for(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Returns once `condition` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


class Gate:
    """Lets so many jobs of the criterion `batch_criteria:Gated` pass as the test says.

    Attributes:
        environment: for the batch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "gate"
        self._folder.mkdir()
        self.environment = {**ENVIRONMENT, "GATE": str(self._folder)}

    def let_pass(self, count: int) -> None:
        """At most `count` jobs from now on."""
        for token in self._folder.glob("token*"):
            token.unlink(missing_ok=True)
        for number in range(count):
            (self._folder / f"token{number}").touch()

    def wait_until_used(self) -> None:
        """Returns once as many jobs have passed as may."""
        wait_for(lambda: not any(self._folder.iterdir()))

    def open(self) -> None:
        """Lets all pass."""
        (self._folder / "open").touch()
