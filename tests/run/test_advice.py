"""Every note is raised once, and what it advises is accepted when typed."""

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.cli import main
from dstft_cli.run import sentences

RATE = 8000
T = np.arange(RATE) / RATE
NOISE = np.random.default_rng(0).standard_normal(RATE)
CLICKS = 0.001 * NOISE + 0.9 * (np.arange(RATE) % 1600 == 800)
TONE = 0.5 * np.sin(2 * np.pi * 440 * T) + 0.001 * NOISE
SOUNDS = {"three": np.array([0.1, -0.2, 0.3]), "noise": 0.1 * NOISE, "clicks": CLICKS}
SOUNDS |= {"tone": TONE, "zero": 0 * T}
CODE = """
import torch
class Mine:
    direction = "minimize"
    def moments(self, a):
        return a, a * a
    def value(self, sums, cells):
        return sums[0] / sums[1].sqrt()
class Late(Mine):
    count = 0
    def value(self, sums, cells):
        self.count += 1
        return super().value(sums, cells) * (1 if self.count < 4 else float("nan"))
"""
# kind: recording: options that raise it: options that follow it, where LIMIT is its last number
CASES = """
band_too_narrow: tone: {P} {C} {B} 440 --criterion-fmax 441: --criterion-fmin 300 --criterion-fmax 600
best_is_longest: tone: sweep {P} --n-fft 256: --n-fft LIMIT
best_is_shortest: clicks: sweep {P} --n-fft 2048 --win-length-min 512: --win-length-min 256
criterion_left_out: tone: apply: --criterion mine:Mine
descent_stuck: tone: {P} {T} {S} --optimizer adam --lr 1e-9: --search --lr 0.1
gaps: tone: {F} --n-fft 256 --hop-length 120: --hop-length LIMIT
hop_on_lower_bound: clicks: {P} {F} {H} time --n-fft 256 --hop-length 32: --hop-length-min 8
hop_on_upper_bound: clicks: {P} {F} {H} constant --n-fft 256: --hop-length-max LIMIT
hop_unmoved: tone: {P} {F} {H} time --n-fft 512 --max-steps 0: --hop-length LIMIT
learned_elsewhere: tone: apply --sr 16000 --criterion mine:Mine: --sr 8000
length_on_lower_bound: clicks: {P} {C} --win-length-min 512 --n-fft 2048: --win-length-min 128
length_on_upper_bound: tone: {P} {C} --n-fft 256: --n-fft FIRST
lengths_alike: noise: {P} {C} --n-fft 256: --window-mode fixed
lost_tail: tone: {F} --n-fft 64 --hop-length 28.7: --hop-length 16
non_finite: tone: {P} {T} {S} --optimizer sgd --criterion mine:Late: --dtype float64
not_local: tone: sweep --criterion all --win-length-max 256: --scope plane
nothing_to_learn: three: --n-fft 8: --win-length-min 4
overlap_too_wide: tone: {P} {C} --overlap 0.95 --n-fft 256: --overlap 0.9
positions_by_plane: tone: {H} constant --n-fft 256: --scope plane
quiet_frames_rewarded: tone: {P} {T} --normalization none --n-fft 256: --normalization energy
recording_short: three: --seed 0: --n-fft 8
silent: zero: {F}: --on-silence skip
spread_rewarded: clicks: {P} {W} frequency --n-fft 256 {K} l1l2 {B} 2e3 {K}-fmax 3e3: --criterion lp
windows_too_long: tone: --win-length 4000: --win-length LIMIT
""".strip()
WORDS = "--scope plane", "--hop-mode", "--criterion-fmin", "--criterion", "--window-mode"
SHORT = dict(zip("PHBKW", WORDS, strict=True))
SHORT["S"] = "--no-search --n-fft 256 --max-steps 2"
SHORT |= {w[0].upper(): f"--window-mode {w}" for w in ("constant", "fixed", "time")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("advice")
    for name, samples in SOUNDS.items():
        soundfile.write(place / f"{name}.wav", samples, RATE, subtype="FLOAT")
    (place / "mine.py").write_text(CODE)
    return place


def told(monkeypatch):
    """The notes of the runs to come, by kind."""
    notes, sentence = {}, sentences.sentence
    monkeypatch.setattr(
        sentences, "sentence", lambda note: notes.setdefault(note.kind, sentence(note))
    )
    return notes


def test_every_kind_has_a_case():
    without_advice = {"name_not_drawn"}
    kinds = {case.split(":")[0] for case in CASES.splitlines()}
    assert kinds | without_advice == set(sentences._SENTENCES)


@pytest.mark.parametrize("case", CASES.splitlines())
def test_what_a_note_advises_can_be_typed(case, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    notes = told(monkeypatch)
    kind, name, options, advice = case.split(": ")
    first, *rest = options.format(**SHORT).split()
    command = [first] if first in ("apply", "sweep") else ["optimize"]
    rest = rest if first in ("apply", "sweep") else [first, *rest]
    if first == "apply":
        command.append("mine-dstft")
        if not Path("mine-dstft").exists():
            own = ["--criterion", "mine:Mine", "--window-mode", "constant", "--n-fft", "256"]
            assert main(["optimize", "tone.wav", *own, "-o", "mine-dstft", "-q"]) == 0
    command += [f"{name}.wav", "--no-figures", "--force", "-q", "-o", f"out-{first[:5]}"]
    assert main([*command, *rest]) == 0
    assert kind in notes
    numbers = re.findall(r"to ([\d.]+) (first|at most)", notes[kind].format())
    for number, word in numbers:
        advice = advice.replace("LIMIT" if word == "at most" else "FIRST", number)
    assert main([*command, *rest, *advice.split()]) == 0
