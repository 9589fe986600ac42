"""`dstft optimize` killed at random moments: what stands under a final name is whole."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random

from .files import check_result
from .seeds import recording

ROOT = Path(__file__).parents[2]
NAME = "out"
MARK = "kill here"
# the moment lies between the end of the imports and some time after the end of the run
_CODE = f"""
import importlib, sys
for name in ("job", "plot.pictures", "cli.optimize"):
    importlib.import_module("dstft_cli." + name)
from dstft_cli.cli import main
print({MARK!r}, flush=True)
sys.exit(main(sys.argv[1:]))
"""


def run_kills(kills: int, *, seed: int, scratch: Path) -> list[str]:
    """The campaign; prints counts and returns a line for each kill that did harm.

    Half of the runs write a new place, half replace an earlier result by one with another window;
    every other run also writes single files.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    (scratch / "a.wav").write_bytes(recording("wav"))
    chance, failures, counts = Random(seed), [], Counter()
    began = time.monotonic()
    _, usual = _run(scratch, "hann", [], None)
    for number in range(kills):
        folder = scratch / f"kill-{number}"
        folder.mkdir()
        (folder / "a.wav").write_bytes(recording("wav"))
        problems = [*_one(folder, chance, usual, number % 2 == 1, number % 4 > 1, counts)]
        failures += [f"kill {number}: {problem}" for problem in problems]
        if not problems:
            shutil.rmtree(folder)
    told = ", ".join(f"{count} {what}" for what, count in sorted(counts.items()))
    print(f"{kills} kills in {time.monotonic() - began:.0f} s: {told}; {len(failures)} failures")
    return failures


def _one(
    folder: Path, chance: Random, usual: float, replacing: bool, singles: bool, counts: Counter[str]
) -> list[str]:
    problems = []
    extra = ["--npy", "single.npy", "--png", "single.png"] if singles else []
    before = None
    if replacing:
        shutil.copytree(folder.parent / NAME, folder / NAME)
        before = digest(folder / NAME)
    code, _ = _run(folder, "blackman", [*extra, "--force"], chance.uniform(0, 1.1 * usual))
    counts["ended before"] += code == 0
    if (folder / NAME).exists():
        new = digest(folder / NAME) != before
        counts["new result" if new else "old result"] += 1
        problems += _whole(folder / NAME)
    else:
        counts["nothing there"] += 1
        if replacing and not list(folder.glob(f".{NAME}.*.old")):
            problems.append("the earlier result is gone")
    for single, end in ((folder / "single.npy", None), (folder / "single.png", b"IEND\xaeB`\x82")):
        if single.exists():
            data = single.read_bytes()
            cut = len(data) != 128 + 4 * _values(data) if end is None else not data.endswith(end)
            problems += [f"{single.name} is cut short"] * cut
    for path in folder.iterdir():
        if path.name not in {"a.wav", NAME, "single.npy", "single.png"} and path.name[0] != ".":
            problems.append(f"stray {path.name}")
    code, _ = _run(folder, "nuttall", [*extra, "--force"], None)
    if code != 0:
        problems.append(f"the next run ends with {code}: {(folder / 'stderr').read_text()}")
    problems += _whole(folder / NAME)
    return problems


def _run(folder: Path, window: str, extra: list[str], until: float | None) -> tuple[int, float]:
    """Exit code and seconds of a run, killed `until` seconds after its imports."""
    command = [sys.executable, "-c", _CODE, "optimize", "a.wav", "-o", NAME, "--window", window]
    with open(folder.parent / "stderr.txt", "wb") as stderr:
        process = subprocess.Popen(
            [*command, "--n-fft", "256", "--window-mode", "time", *extra],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=stderr,
        )
    assert process.stdout is not None
    while MARK not in process.stdout.readline().decode():
        assert process.poll() is None
    began = time.monotonic()
    try:
        process.communicate(timeout=until)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    return process.returncode, time.monotonic() - began


def _values(data: bytes) -> int:
    import io

    import numpy as np

    file = io.BytesIO(data)
    np.lib.format.read_magic(file)
    shape, _, _ = np.lib.format.read_array_header_1_0(file)
    return int(np.prod(shape))


def digest(folder: Path) -> str:
    """Of all files in it, by name and content."""
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()


def _whole(folder: Path) -> list[str]:
    try:
        check_result(folder)
    except Exception as error:
        return [f"broken result: {type(error).__name__}: {error}"]
    return []
