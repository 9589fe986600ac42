"""`dstft optimize` killed at random moments: what has a final name is whole."""

import hashlib
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random

from dstft_cli.results import clear_leftovers

from .files import check_result
from .forked import Outcome, Run, outcomes, warm_up
from .mutate import recording

KNOWN = {"a.wav", "out", "stdout.txt", "stderr.txt"}


def run_kills(kills: int, *, seed: int, scratch: Path) -> list[str]:
    """The campaign; prints counts and returns a line for each kill that did harm.

    Every other run is to replace an earlier result.
    """
    warm_up()
    chance, counts, failures = Random(seed), Counter[str](), []
    earlier = scratch / "earlier"
    earlier.mkdir(parents=True)
    (earlier / "a.wav").write_bytes(recording("WAV"))
    began = time.monotonic()
    usual = max(_run(earlier, "hann").seconds for _ in range(2))
    for number in range(kills):
        folder = scratch / f"kill-{number}"
        if number % 2:
            shutil.copytree(earlier, folder)
        else:
            folder.mkdir()
            (folder / "a.wav").write_bytes(recording("WAV"))
        problems = [*_kill(folder, chance.uniform(0, usual), counts)]
        failures += [f"kill {number}: {problem}" for problem in problems]
        if not problems:
            shutil.rmtree(folder)
    told = ", ".join(f"{what}: {count}" for what, count in sorted(counts.items()))
    print(f"{kills} kills in {time.monotonic() - began:.0f} s; {told}; {len(failures)} failures")
    return failures


def _kill(folder: Path, after: float, counts: Counter[str]) -> Iterator[str]:
    place = folder / "out"
    before = digest(place) if place.exists() else None
    outcome = _run(folder, "blackman", after)
    counts["killed in time" if outcome.code < 0 else "ended before"] += 1
    if not place.exists():
        clear_leftovers([place])  # as the next run does: an old result that is set aside comes back
    if place.exists():
        counts["old result" if digest(place) == before else "new result"] += 1
        yield from _broken(place)
    else:
        counts["no result"] += 1
        if before is not None:
            yield "the earlier result is gone"
    for path in sorted(folder.iterdir()):
        if path.name not in KNOWN and not path.name.startswith("."):
            yield f"there is a stray {path.name}"
    again = _run(folder, "nuttall")
    if again.code != 0:
        yield f"the next run ends with {again.code}: {again.stderr}"
    yield from _broken(place)
    if digest(place) == before:
        yield "the next run has changed nothing"


def _run(folder: Path, window: str, after: float | None = None) -> Outcome:
    arguments = ["optimize", "a.wav", "-o", "out", "--n-fft", "256", "--window-mode", "time"]
    run = Run(0, folder, [*arguments, "--window", window, "--force"], killed_after=after)
    (outcome,) = outcomes([run], 1)
    return outcome


def _broken(place: Path) -> Iterator[str]:
    try:
        check_result(place)
    except Exception as error:
        yield f"broken result: {type(error).__name__}: {error}"


def digest(folder: Path) -> str:
    """Of all files in it, by name and content."""
    found = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        found.update(path.name.encode() + path.read_bytes())
    return found.hexdigest()
