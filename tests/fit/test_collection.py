"""One criterion for many recordings: what its sums and its gradient must be."""

import math
from dataclasses import replace

import numpy as np
import pytest

from dstft_cli.batch.tables import mean_of
from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit import fit
from dstft_cli.fit.collection import (
    fit_table,
    grid_of,
    hop_request,
    hop_scores,
    judge,
    learn_hop,
    table_of,
)
from dstft_cli.fit.sweep import sweep

from .cases import request

RATE = 8000
MODES = ("constant", "frequency")


def asked(mode="constant", **values):
    given = {"scope": "local", "window_mode": mode, "dtype": "float64", "threads": 1}
    return request(RATE, **{**given, **values})


def sound(kind, rate=RATE, seconds=0.8):
    """Close tones, or one of quick vibrato, between silences of a fifth of the time."""
    t = np.arange(round(seconds * rate)) / rate
    x = np.sin(2 * np.pi * 1000 * t) + np.sin(2 * np.pi * 1015 * t)
    if kind == "vibrato":
        x = np.sin(2 * np.pi * 2000 * t + 150 * np.sin(2 * np.pi * 10 * t))
    x = x * ((t > seconds / 5) & (t < seconds * 4 / 5))
    return x - x[::-1]  # no offset, which would be taken off


def tabulated(sounds, wanted, *, swept=False):
    grid = grid_of(wanted, swept=swept)
    return [table_of(x, wanted, grid, swept=swept) for x in sounds]


def mean(tables, weights):
    return (
        mean_of([table.costs[0] for table in tables], weights),
        mean_of([table.shares[0] for table in tables], weights),
    )


def test_a_long_recording_of_which_stretches_are_swept_counts_as_a_whole(monkeypatch):
    noise = np.random.default_rng(0).standard_normal(16 * RATE)
    (whole,) = tabulated([noise], asked(), swept=True)
    monkeypatch.setattr("dstft_cli.fit.sweep.MOST_SAMPLES", 8 * RATE)
    (part,) = tabulated([noise], asked(), swept=True)
    assert part.seconds == whole.seconds == 16.0
    assert part.heard == pytest.approx(whole.heard, rel=0.1)


@pytest.mark.parametrize("mode", MODES)
def test_copies_of_a_recording_want_what_it_wants(mode):
    wanted, x = asked(mode), sound("tones") + 0.3 * sound("vibrato")
    own = fit(x, wanted)
    tables = tabulated([x] * 3, wanted)
    found, logs = fit_table(wanted, *mean(tables, [1.0, 2.0, 0.5]), len(x))
    np.testing.assert_allclose(found.window_length, own.window_length, rtol=1e-6)
    assert found.criterion.final == pytest.approx(own.criterion.final, rel=1e-9)
    assert (found.n_fft, found.hop_length) == (own.n_fft, own.hop_length)
    assert len(logs) == len(tables[0].costs[0])
    assert found.trajectory.phase == own.trajectory.phase


def test_the_verdict_on_copies_is_that_of_the_sweep_and_another_kind_stands_out():
    wanted, x = asked(), sound("vibrato")
    own = sweep(x, wanted, criteria=["entropy"])
    grid = grid_of(wanted, swept=True)
    tables = [table_of(y, wanted, grid, swept=True) for y in (x, x, x, x, sound("tones"))]
    values = np.stack([table.costs[:, 0] for table in tables])
    alike = judge(wanted, ["entropy"], mean_of(list(values[:4]), [1.0] * 4), values[:4], len(x))
    assert alike.sweep.curves[0].best_length == pytest.approx(own.curves[0].best_length, rel=1e-9)
    np.testing.assert_allclose(alike.sweep.lengths, own.lengths)
    np.testing.assert_allclose(alike.losses, 0, atol=1e-9)
    weights = [1.0, 1.0, 1.0, 1.0, 0.1]  # one of another kind, and short
    mixed = judge(wanted, ["entropy"], mean_of(list(values), weights), values, len(x))
    assert mixed.outliers(0) == [4]
    assert mixed.best[0, 4] > 2 * mixed.best[0, 0]
    assert mixed.spread(0) == pytest.approx([own.curves[0].best_length] * 3, rel=1e-9)
    low, _, high = mixed.quartiles[0]
    assert (low <= high).all()


def test_sample_rates_compare_in_seconds():
    wanted = asked()
    grid = grid_of(wanted, swept=True)
    tables = [
        table_of(sound("vibrato", rate), replace(wanted, sample_rate=rate), grid, swept=True)
        for rate in (RATE, 2 * RATE)
    ]
    best = [grid[table.costs[0, 0].argmin()] for table in tables]
    assert best[0] == pytest.approx(best[1], rel=0.2)
    assert tables[0].seconds == tables[1].seconds
    with pytest.raises(UsageError, match="6000 Hz"):
        table_of(sound("tones"), replace(wanted, criterion_fmax=6000.0), grid, swept=True)


@pytest.mark.parametrize("rates", [(RATE,) * 3, (RATE, 2 * RATE)])
def test_copies_want_the_hop_of_one_and_others_the_mean(rates):
    wanted, x = asked(hop_mode="constant", n_fft=512, max_steps=2), sound("vibrato")
    own = fit(x, wanted)
    window = own.criterion.best_fixed_win_length / RATE
    sounds = [sound("vibrato", rate) for rate in rates]
    helds = [hop_request(wanted, window, rate) for rate in rates]

    def scores(hops):
        pairs = zip(sounds, helds, strict=True)
        return mean_of(
            [hop_scores(y, held, hops) for y, held in pairs], [1.0, 2.0, 0.5][: len(rates)]
        )

    moved = learn_hop(helds[0], len(x), scores)
    tables = tabulated([x], wanted)
    found, _ = fit_table(wanted, *mean(tables, [1.0]), len(x), moved)
    hops = [np.diff(one.frame_centers).mean() for one in (found, own)]
    assert found.hop_bounds == pytest.approx(own.hop_bounds, rel=1e-12)
    if rates[0] == rates[-1]:
        assert hops[0] == pytest.approx(hops[1], rel=1e-9)
        np.testing.assert_allclose(found.window_length, own.window_length, rtol=1e-6)
    at, step = np.array([1.1 * hops[0]]) / RATE, 1e-6
    value = [scores(at * math.exp(way))[0, 0] for way in (-step, step)]
    assert scores(at)[1, 0] == pytest.approx((value[1] - value[0]) / (2 * step), rel=1e-4)


def test_notes_name_lengths_that_suit_the_longest_recording():
    x = sound("tones", seconds=1.2)[2000:7000]  # the tones alone
    limited = asked(win_length_max=256.0, n_fft=65536)
    swept = asked(win_length_max=256.0)
    curve = tabulated([x], swept, swept=True)[0].costs[:, 0]
    verdict = judge(swept, ["entropy"], curve, curve[None], len(x))
    found, _ = fit_table(limited, *mean(tabulated([x], limited), [1.0]), len(x))
    noted = {note.kind: note.limit for note in (*verdict.sweep.notes, *found.notes)}
    most = len(x) // 4
    assert noted == {"best_is_longest": most, "length_on_upper_bound": most}


def test_a_rate_too_low_for_the_windows_of_all_is_refused():
    grid, slow = grid_of(asked(), swept=True), replace(asked(), sample_rate=50.0)
    with pytest.raises(InputError, match="50 Hz"):
        table_of(sound("tones", 50, 60), slow, grid, swept=True)
