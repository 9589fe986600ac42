"""Damaged files: every run ends in time, in little memory, in one line or a whole result."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random

import numpy as np

from dstft_cli.results import read_parameters

from .forked import Outcome, Run, campaign, warm_up
from .mutate import BATCH, FORMATS, SETTINGS, mutated, recording

KINDS = (*FORMATS, "yaml", "batch")
RESULT = {"spectrogram.npy", "parameters.npz", "trajectory.csv", "result.json"}
APPLIED = RESULT - {"trajectory.csv"}
PICTURES = {"spectrogram.png", "comparison.png", "trajectory.png"}
OURS = {"stdout.txt", "stderr.txt", "a.wav", "a.yaml"}
_LINE = re.compile(r"(dstft|warning): .+|.*\b(done|failed)\b.*|\d+:\d\d:\d\d .+")


def run_files(cases: int, *, seed: int, workers: int, scratch: Path) -> list[str]:
    """The campaign; prints counts and returns a line for each case that failed."""
    warm_up()
    runs = _runs(cases, seed, scratch)
    return campaign(runs, workers, _problems, lambda run: KINDS[run.number % len(KINDS)])


def _runs(cases: int, seed: int, scratch: Path) -> Iterator[Run]:
    for number in range(-len(KINDS), cases):
        chance = Random(f"{seed} {number}")
        folder = scratch / f"case-{number}"
        folder.mkdir(parents=True)
        yield _run(number, KINDS[number % len(KINDS)], folder, chance)


def _run(number: int, kind: str, folder: Path, chance: Random) -> Run:
    """The run of a case; those below 0 are not damaged, and must succeed."""
    mutate = mutated if number >= 0 else lambda data, *_: data
    (folder / "a.wav").write_bytes(recording("WAV"))
    if kind == "batch":
        (folder / "a.yaml").write_bytes(mutate(BATCH, chance, kind))
        return Run(number, folder, ["batch", "a.yaml", "--workers", "1", "--no-report"])
    if kind == "yaml":
        (folder / "a.yaml").write_bytes(mutate(SETTINGS, chance, kind))
        return Run(number, folder, ["optimize", "a.wav", "--config", "a.yaml", "-o", "out"])
    data = mutate(recording(kind, chance.choice((1, 2))), chance, kind)
    (folder / "a.wav").write_bytes(data)
    arguments = ["-o", "out"]
    for choices in (
        [[], ["--channel", "all"], ["--channel", "1"] if number >= 0 else []],
        [
            ["--max-steps", "2"],
            ["--max-steps", "2", "--window-mode", "time"],
            ["--window-mode", "frequency", "--n-fft", "64"],
        ],
        [["--no-figures"], ["--no-figures"], ["--no-figures"], []],
        [[], ["--sr", "8000"], ["--duration", "0.2"]],
        [[], ["--offset", "0.1"]],
    ):
        arguments += chance.choice(choices)
    piped = chance.random() < 0.3
    return Run(
        number, folder, ["optimize", "-" if piped else "a.wav", *arguments], "a.wav" * piped or None
    )


def _problems(outcome: Outcome) -> Iterator[str]:
    kind = KINDS[outcome.run.number % len(KINDS)]
    if outcome.run.number < 0 and outcome.code != 0:
        yield f"undamaged, and exit code {outcome.code}: {outcome.stderr}"
    if kind != "batch":
        lines = [line for line in re.split("[\r\n]+", outcome.stderr) if line]
        strays = [line for line in lines if not _LINE.fullmatch(line)]
        if strays:
            yield f"stray line on standard error: {strays[0]}"
        told = [line for line in lines if line.startswith("dstft: ")]
        if len(told) != (outcome.code != 0):
            yield f"{len(told)} lines of error with exit code {outcome.code}"
    yield from _left_behind(outcome.run.folder, outcome.code, kind)


def _left_behind(folder: Path, code: int, kind: str) -> Iterator[str]:
    """What is there is whole, and nothing else is."""
    there = {path.name for path in folder.iterdir()} - OURS
    allowed = {"out"} if kind != "batch" else None
    if allowed is not None and there != (allowed if code == 0 else set()):
        yield f"exit code {code}, and there is {sorted(there)}"
    if (folder / "pwned").exists():
        yield "a settings file ran a command"
    for record in folder.rglob("result.json"):
        try:
            check_result(record.parent)
        except Exception as error:
            yield f"broken result: {type(error).__name__}: {error}"
    if kind == "batch":
        known = {record.parent for record in folder.rglob("result.json")}
        for path in folder.rglob("*"):
            alone = path.is_file() and path.parent not in known and path.parent != folder
            if alone and path.name not in ("batch-journal.jsonl", "summary.csv"):
                yield f"a file without a result: {path.relative_to(folder)}"


def check_result(folder: Path) -> None:
    """All files of a result are there, can be read, fit each other and hold finite numbers."""
    names = {path.name for path in folder.iterdir()}
    assert names in (RESULT, APPLIED, RESULT | PICTURES | {"view.html"}), sorted(names)
    record = json.loads((folder / "result.json").read_text())
    stored = read_parameters(folder / "parameters.npz")
    magnitude = np.load(folder / "spectrogram.npy", allow_pickle=False)
    assert magnitude.shape[-2:] == (record["n_fft"] // 2 + 1, record["frames"])
    assert np.isfinite(magnitude).all(), "NaN in the spectrogram"
    assert len(stored.frame_centers) == record["transform"]["frames"]
    assert record["criterion"]["final"] is not None, "the criterion is not finite"
    rows = []
    if names != APPLIED:
        rows = (folder / "trajectory.csv").read_text().splitlines()
        assert len(rows) > 1
    assert all(row.count(",") == rows[0].count(",") for row in rows)
    for picture in names & PICTURES:
        data = (folder / picture).read_bytes()
        assert data.startswith(b"\x89PNG"), picture
        assert data.endswith(b"IEND\xaeB`\x82"), picture
