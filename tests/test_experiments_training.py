"""Windows learned with a network: no worse than a grid's best, at a fraction of its cost."""

import math
from dataclasses import replace

import pytest
import torch

from dstft_cli.experiments import classification, tracking
from dstft_cli.experiments.signals import CLASSES, sounds, wandering_tones
from dstft_cli.experiments.statistics import Spread, spread, verdict

TRACKING = replace(
    tracking.FULL,
    levels=(10.0,),
    grid=(24, 48, 96, 256),
    repetitions=2,
    train=128,
    held_out=128,
    steps=120,
    batch=12,
)
CLASSIFICATION = replace(classification.FULL, grid=(3 / 8, 1.0), repetitions=1, steps=200)


@pytest.fixture(scope="module")
def tracked():
    return tracking.run(3, 1, None, TRACKING)


@pytest.fixture(scope="module")
def classified():
    return classification.run(3, 1, None, CLASSIFICATION)


def test_joint_tracking_is_as_good_as_the_best_of_the_grid(tracked):
    found = tracked.figures["10 dB"]
    assert found["verdict"] in ("better", "equal")
    by_length = {entry["win_length"]: entry["mean"] for entry in found["fixed"]}
    assert found["best_fixed_win_length"] == 48
    # a window that never left its start would score like the grid's longest, six times worse
    assert by_length[256] > 6 * by_length[48]
    assert found["joint"]["mean"] < 1.3 * by_length[48]
    assert all(30 < length < 90 for length in found["joint"]["win_lengths"])
    assert sum(found["joint"]["seconds"]) / 2 < 0.9 * found["grid_seconds"]


def test_joint_classification_beats_the_window_it_starts_from(classified):
    found = classified.figures
    by_length = {entry["win_length"]: entry["mean"] for entry in found["fixed"]}
    assert by_length[96] > by_length[256] + 0.08
    assert found["joint"]["mean"] > by_length[256] + 0.05
    assert all(50 < length < 200 for length in found["joint"]["win_lengths"])


def test_tables_agree_with_the_figures(tracked, classified):
    rows = tracked.table.rows
    assert len(rows) == 4 + 2
    assert {len(row) for row in rows} == {len(tracked.table.columns)}
    found = tracked.figures["10 dB"]
    assert [row[3] for row in rows[:4]] == [entry["mean"] for entry in found["fixed"]]
    assert rows[4][3:5] == (found["joint"]["mean"], found["joint"]["deviation"])
    assert rows[5][5] == 4
    assert [row[0] for row in classified.table.rows] == [
        *["fixed"] * 2,
        "learned",
        "optimize, frozen",
        "whole grid",
    ]
    frozen = classified.figures["frozen"]
    assert classified.table.rows[3][2] == frozen["mean"]
    assert len(frozen["win_lengths"]) == 1
    assert classified.settings["classes"] == list(CLASSES)
    assert tracked.picture.startswith(b"\x89PNG")


def test_the_same_seed_gives_the_same_numbers_on_any_threads():
    small = replace(TRACKING, grid=(48.0,), steps=5)
    runs = [tracking.run(seed, threads, None, small) for seed, threads in ((1, 1), (1, 2), (2, 1))]
    one, two, other = (run.figures["10 dB"] for run in runs)
    assert one["joint"]["scores"] == two["joint"]["scores"]
    assert one["fixed"][0]["scores"] == two["fixed"][0]["scores"]
    assert one["joint"]["trajectories"] == two["joint"]["trajectories"]
    assert one["joint"]["scores"] != other["joint"]["scores"]


def test_progress_is_told():
    told = []
    small = replace(TRACKING, grid=(48.0,), steps=2)
    tracking.run(0, 1, lambda *step: told.append(step), small)
    assert told == [("tracking, 10 dB", done, 4) for done in (1, 2, 3, 4)]


def test_wandering_tones_have_the_frequency_they_say():
    generator = torch.Generator().manual_seed(0)
    signals, frequency = wandering_tones(4, 2000, 1000.0, 80.0, generator)
    spectrum = torch.fft.fft(signals, dim=-1)
    spectrum[:, 1000:] = 0  # the analytic signal, but for a factor
    angle = torch.fft.ifft(spectrum, dim=-1).angle()
    advance = torch.remainder(angle.diff(dim=-1), 2 * math.pi) * 1000 / (2 * math.pi)
    assert (advance - frequency[:, 1:])[:, 100:-100].abs().median() < 1.0
    assert 0 < frequency.min() < frequency.max() < 500


def test_noise_has_the_power_asked_for():
    tones = [
        wandering_tones(50, 1000, 1000.0, level, torch.Generator().manual_seed(0))[0]
        for level in (200.0, 3.0)
    ]
    ratio = tones[0].square().mean() / (tones[1] - tones[0]).square().mean()
    assert 10 * math.log10(ratio) == pytest.approx(3.0, abs=0.2)


def test_sounds_differ_in_class_and_have_unit_power():
    signals, labels = sounds(3, 2048, 4000.0, 0.0, torch.Generator().manual_seed(0))
    assert signals.shape == (27, 2048)
    assert labels.tolist() == [label for label in range(9) for _ in range(3)]
    torch.testing.assert_close(signals.square().mean(-1), torch.ones(27))
    crest = signals.abs().amax(-1).reshape(9, 3).mean(-1)
    assert (crest[4:6] > crest[:4].max() + 0.5).all()  # bursts stand out
    spectrum = torch.fft.rfft(signals[6:9] * torch.hann_window(2048)).abs()  # fast rise
    assert (spectrum > 0.3 * spectrum.amax(-1, keepdim=True)).sum(-1).min() > 200


@pytest.mark.parametrize(
    ("ours", "best", "lower", "expected"),
    [
        (5.0, 6.0, True, "better"),
        (5.6, 6.0, True, "equal"),
        (6.4, 6.0, True, "equal"),
        (6.6, 6.0, True, "worse"),
        (6.6, 6.0, False, "better"),
        (5.0, 6.0, False, "worse"),
    ],
)
def test_verdict(ours, best, lower, expected):
    of = [Spread(mean, 0.5, 1.0) for mean in (ours, best)]
    assert verdict(*of, lower_is_better=lower) == expected


def test_spread_is_that_of_a_student_interval():
    found = spread([1.0, 2.0, 3.0, 4.0, 5.0])
    assert (found.mean, found.deviation) == (3.0, pytest.approx(math.sqrt(2.5)))
    assert found.half_width == pytest.approx(2.776445 * math.sqrt(2.5 / 5), rel=1e-6)
    assert spread([2.0]) == Spread(2.0, 0.0, math.inf)


def test_scores_are_over_seeds(tracked):
    found = tracked.figures["10 dB"]["joint"]
    assert found["mean"] == pytest.approx(sum(found["scores"]) / 2)
