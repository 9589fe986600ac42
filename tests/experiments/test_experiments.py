"""The experiments in small: what each is to show, by numbers that were computed another way too."""

import json
import math
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dstft_cli.experiments import classification, hops, tracking, windows
from dstft_cli.experiments.hops import CASES, Placed
from dstft_cli.experiments.signals import CLASSES, swinging_tone, wandering_tones
from dstft_cli.experiments.training import Compared, Spread, Trainings, shown, spread
from dstft_cli.labels.training import Trained

APART = 0.5 / math.sqrt(2)  # of two scores from their mean: their deviation is ½
DOCS = Path(__file__).parents[2] / "docs"
WINDOWS = windows.Size(samples=3000, n_fft=200, hop_length=40)
HOPS = hops.Size(cases=tuple(CASES[index] for index in (0, 3, 4, 9)), max_steps=120)
SIZE = {"levels": (10.0,), "grid": (48, 256), "repetitions": 1, "train": 128, "held_out": 128}
TRACKING = replace(tracking.FULL, **SIZE, steps=120, batch=12)
CLASSIFICATION = replace(classification.FULL, grid=(3 / 8, 1.0), repetitions=1)


def check_table(found, rows):
    """As many rows as there are to be, each as wide as the head; and a picture."""
    assert len(found.table.rows) == rows
    assert {len(row) for row in found.table.rows} == {len(found.table.columns)}
    assert found.picture.startswith(b"\x89PNG")


def test_windows_against_every_whole_length():
    found = windows.run(0, 1, None, WINDOWS)
    signal, _ = swinging_tone(0)
    x = torch.from_numpy(signal[:3000])
    for name, power in (("|X|, normalization none", 1), ("|X|², normalization energy", 2)):
        modes = found.figures[f"entropy of {name}"]
        values = modes["search"]["values"]
        assert list(values) == list(range(40, 201))
        for length in (40, 122, 200):
            hann = torch.hann_window(length, dtype=torch.float64)
            X = torch.stft(x, 200, 40, length, hann, pad_mode="constant", return_complex=True)
            share = X.abs().numpy() ** power
            share /= share.sum()
            expected = -np.sum(share * np.log(np.where(share > 0, share, 1)))
            assert values[length] == pytest.approx(expected, rel=1e-9)
        best = min(values.values())
        assert modes["constant"]["entropy"] <= best + 1e-4
        assert modes["time"]["entropy"] <= best + 1e-4
        assert modes["frequency"]["entropy"] < best - 0.05
        assert modes["time-frequency"]["entropy"] < modes["time"]["entropy"]
        assert modes["constant"]["transforms"] < 161 / 3
        assert modes["fixed"]["transforms"] == 1
        assert modes["fixed"]["entropy"] == pytest.approx(values[100], rel=1e-9)
    check_table(found, 12)
    assert [row[1] for row in found.table.rows] == [windows.SEARCH, *windows.WINDOW_MODES] * 2
    one, two = (windows.search(signal[:2000], WINDOWS, "none", 1.0, threads) for threads in (1, 2))
    assert one == two


def test_frames_step_off_as_far_as_coverage_lets_them():
    found = hops.run(0, 1, None, HOPS)
    uniform, tight, loose, none = found.figures.values()
    on = "frames_on_transitions"
    assert uniform[on] > 1.2
    assert loose[on] < uniform[on] / 10
    assert loose[on] < tight[on] < uniform[on]
    assert none[on] < 0.1
    assert loose["entropy"] < uniform["entropy"] - 0.1
    for covered in (uniform, tight, loose):
        assert covered["reconstruction_error"] < 1e-9
        assert covered["hop_max"] <= 577
    assert tight["hop_max"] <= 577 / 2 + 1e-6
    assert none["reconstruction_error"] > 0.05  # what coverage is for
    assert none["hop_max"] > 577
    check_table(found, 4)
    assert [row[1] for row in found.table.rows] == ["η = 0.5", "η = 0.5", "η = 1", "none"]
    assert any("of the signal is lost" in note for note in found.notes)


def test_a_frame_counts_by_its_smaller_part():
    v = np.linspace(-0.5, 0.5, 200_001)
    energy = np.cumsum((0.5 + 0.5 * np.cos(2 * np.pi * v)) ** 2)
    for u in (-0.4, -0.1, 0.0, 0.25, 0.49):
        expected = np.interp(u, v, energy / energy[-1])
        assert hops.hann_energy_below(u) == pytest.approx(expected, abs=1e-5)
    assert (hops.hann_energy_below(-3), hops.hann_energy_below(3)) == pytest.approx((0, 1))
    for center, expected in ((1484.0, 0.5), (1534.0, 0.0), (1459.0, 0.25 - 2 / (3 * np.pi))):
        placed = Placed(np.array([center]), np.array([100.0]), 1)
        assert hops.frames_on_transitions(placed) == pytest.approx(expected, abs=1e-12)


def test_tracking_with_a_learned_window_is_as_good_as_the_best_of_the_grid():
    told = []
    run = tracking.run(3, 1, lambda *step: told.append(step), TRACKING)
    found = run.figures["10 dB"]
    assert told == [("tracking, 10 dB", done, 3) for done in range(1, 4)]
    assert found["verdict"] in ("better", "equal")
    by_length = {entry["win_length"]: entry["mean"] for entry in found["fixed"]}
    assert found["best_fixed_win_length"] == 48
    # a window that never left its start would score like the grid's longest, six times worse
    assert by_length[256] > 6 * by_length[48]
    assert found["joint"]["mean"] < 1.3 * by_length[48]
    assert all(30 < length < 90 for length in found["joint"]["win_lengths"])
    assert [found["joint"]["mean"]] == found["joint"]["scores"]
    check_table(run, 2 + 2)
    rows = run.table.rows
    assert [row[3] for row in rows[:2]] == [entry["mean"] for entry in found["fixed"]]
    assert rows[2][3:5] == (found["joint"]["mean"], found["joint"]["deviation"])
    assert rows[3][5] == 2


@pytest.mark.slow
def test_classification_with_a_learned_window_beats_the_window_it_starts_from():
    found = classification.run(3, 1, None, CLASSIFICATION)
    figures, frozen = found.figures, found.figures["frozen"]
    by_length = {entry["win_length"]: entry["mean"] for entry in figures["fixed"]}
    assert by_length[96] > by_length[256] + 0.08
    assert figures["joint"]["mean"] > by_length[256] + 0.05
    assert all(50 < length < 200 for length in figures["joint"]["win_lengths"])
    check_table(found, 5)
    names = [row[0] for row in found.table.rows]
    assert names == ["fixed", "fixed", "learned", "optimize, frozen", "whole grid"]
    assert found.table.rows[3][2] == frozen["mean"]
    assert (len(frozen["win_lengths"]), len(frozen["search_seconds"])) == (1, 1)
    assert found.settings["classes"] == list(CLASSES)


def test_wandering_tones_have_their_frequency_and_their_noise():
    generator = torch.Generator().manual_seed(0)
    signals, frequency = wandering_tones(4, 2000, 1000.0, 80.0, generator)
    spectrum = torch.fft.fft(signals, dim=-1)
    spectrum[:, 1000:] = 0  # the analytic signal, but for a factor
    angle = torch.fft.ifft(spectrum, dim=-1).angle()
    advance = torch.remainder(angle.diff(dim=-1), 2 * math.pi) * 1000 / (2 * math.pi)
    assert (advance - frequency[:, 1:])[:, 100:-100].abs().median() < 1.0
    assert 0 < frequency.min() < frequency.max() < 500
    clean, noisy = (
        wandering_tones(50, 1000, 1000.0, level, torch.Generator().manual_seed(0))[0]
        for level in (200.0, 3.0)
    )
    ratio = clean.square().mean() / (noisy - clean).square().mean()
    assert 10 * math.log10(ratio) == pytest.approx(3.0, abs=0.2)


def test_verdicts_and_intervals():
    for ours, best, lower, expected in (
        (5.0, 6.0, True, "better"),
        (5.6, 6.0, True, "equal"),
        (6.4, 6.0, True, "equal"),
        (6.6, 6.0, True, "worse"),
        (6.6, 6.0, False, "better"),
        (5.0, 6.0, False, "worse"),
    ):
        mine, others = (  # with a deviation of 0.5
            Trainings([Trained(mean + at, 8.0, 1.0, (), torch.empty(0)) for at in (-APART, APART)])
            for mean in (ours, best)
        )
        assert Compared({8.0: others}, mine, lower).verdict(mine) == expected
    found = spread([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.mean, found.deviation) == (3.0, pytest.approx(math.sqrt(2.5)))
    assert found.half_width == pytest.approx(2.776445 * math.sqrt(2.5 / 5), rel=1e-6)
    assert spread([2.0]) == Spread(2.0, 0.0, math.inf)
    cells = (None, "a", 3, 3.0, 1234567.0, 1.23456e-5, 0.5)
    texts = ["", "a", "3", "3", "1.23457e+06", "1.2e-05", "0.5"]
    assert [shown(cell) for cell in cells] == texts


def test_tables_of_the_page_are_written_from_records(tmp_path):
    script = runpy.run_path(str(DOCS / "experiments.py"))
    page = (DOCS / "experiments.md").read_text(encoding="utf-8")
    names = [name for _, name, _, _ in script["MARKED"].findall(page)]
    assert names == ["windows", "hops", "tracking", "classification"]
    columns = ["learned", "entropy, nats", "reconstruction error", "to", "CPU s", "note"]
    table = {"columns": columns, "rows": [["|X|", 1.23456, 3.14e-16, 0.5, 2.0, None]]}
    record = {"experiments": {"hops": {"table": table}}}
    (tmp_path / "hops.json").write_text(json.dumps(record), encoding="utf-8")
    found = script["read"](tmp_path)
    written = script["written"](page, found)
    line = "| \\|X\\| | 1.2346 | 3.1e-16 | 0.500 | 2.00 |  |\n<!-- end -->"
    assert line in written
    assert script["written"](written, found) == written
    assert script["written"](page, {}) == page
