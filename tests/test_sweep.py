"""Criteria against window length: values by the definition, known answers, long signals in part."""

import math

import numpy as np
import pytest
import torch
from criteria_reference import criterion_value

from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit import optimize
from dstft_cli.fit import sweep as sweep_module
from dstft_cli.fit.sweep import sweep
from dstft_cli.fit.sweep_grids import sweep_grids
from dstft_cli.names import CRITERIA
from dstft_cli.records import SweepCurve
from dstft_cli.stft import stft

RATE = 8000.0
N = np.arange(12000)
TONE = np.sin(0.7 * N)
CLICK = (N == 6001) * 1.0
NOISE = np.random.default_rng(0).standard_normal(120_000)
CHIRP = np.sin(N * (0.2 + 1e-4 * N)) + 0.05 * NOISE[: len(N)]


class Level:
    """Depends on the level of the signal, and its score is no logarithm."""

    direction = "maximize"

    def moments(self, a):
        return (a**2,)

    def value(self, sums, cells):
        return (sums[0] / cells).sqrt()


def plane(x, length, n_fft, hop, **options):
    """`|X|²` by the transform itself in float64, `[C, T, F]`."""
    centers = torch.arange(1 + int(len(x) // hop), dtype=torch.float64) * hop
    lengths = torch.tensor([[length]], dtype=torch.float64)
    X = stft(torch.from_numpy(x), centers, lengths, n_fft, **options).numpy()
    return np.abs(X.T[None]) ** 2


def with_a_quarter_of_the_cells(name, value, n):
    """The value if every sum, and the number n of cells, were a quarter of what it is."""
    if name in ("entropy", "renyi"):
        return value - math.log(4)
    if name == "hoyer":
        l1l2 = math.sqrt(n) - value * (math.sqrt(n) - 1)
        return (math.sqrt(n) - l1l2) / (math.sqrt(n) - 2)
    return value * {"concentration": 4, "l1l2": 1 / 2, "lp": 4**-0.75}.get(name, 1)


def test_every_value_is_that_of_the_definition():
    found = sweep(CHIRP, RATE, criteria=CRITERIA, window="blackman", normalization="amplitude")
    assert [curve.name for curve in found.curves] == list(CRITERIA)
    np.testing.assert_array_equal(found.hop_lengths, found.n_ffts / 32)
    assert (found.n_ffts >= 2 * found.lengths).all()
    assert (found.n_ffts < 4 * found.lengths * (1 + 1e-9)).all()
    for m in range(0, len(found.lengths), 6):
        given = (found.lengths[m], int(found.n_ffts[m]), found.hop_lengths[m])
        a = plane(CHIRP, *given, window="blackman", normalization="amplitude")
        for curve in found.curves:
            inner = np.concatenate([a, a[..., 1:-1]], axis=-1)  # as the ends count half
            value = criterion_value(curve.name, inner)
            expected = with_a_quarter_of_the_cells(curve.name, value, inner.size)
            assert curve.values[m] == pytest.approx(expected, rel=1e-4), curve.name


@pytest.mark.parametrize("criterion", CRITERIA)
def test_with_an_fft_size_it_agrees_with_optimize(criterion):
    options = {"n_fft": 1024, "dtype": "float64"}
    (curve,) = sweep(CHIRP, RATE, criteria=[criterion], **options).curves
    learned = optimize(CHIRP, RATE, criterion=criterion, **options)
    table = learned.trajectory.criterion[np.array(learned.trajectory.phase) == "table"]
    np.testing.assert_allclose(curve.values, table, rtol=1e-6)
    k = curve.minimum
    assert curve.lengths[k] == learned.criterion.best_fixed_win_length
    assert curve.values[k] == pytest.approx(learned.criterion.best_fixed, rel=1e-6)
    assert curve.best_length == pytest.approx(float(learned.window_length[0, 0]), rel=2e-2)
    assert curve.best_value == pytest.approx(learned.criterion.final, rel=1e-5)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_curves_do_not_jump_where_the_fft_size_changes(criterion):
    drone = np.sin(0.04 * N) + 3 * (N % 3000 == 1501)
    below = sweep(drone, RATE, criteria=[criterion], win_length_min=64, win_length_max=128)
    above = sweep(drone, RATE, criteria=[criterion], win_length_min=128.001, win_length_max=256)
    assert (below.n_ffts[-1], above.n_ffts[0]) == (256, 512)
    value = below.curves[0].values[-1]
    assert above.curves[0].values[0] == pytest.approx(value, rel=4e-3)


def test_all_at_once_are_what_each_is_alone():
    together = sweep(CHIRP, RATE, criteria=CRITERIA)
    for curve in together.curves:
        (alone,) = sweep(CHIRP, RATE, criteria=[curve.name]).curves
        np.testing.assert_allclose(curve.values, alone.values, rtol=1e-5)
        assert curve.best_length == pytest.approx(alone.best_length, rel=1e-3)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_a_tone_wants_the_longest_window_and_a_click_the_shortest(criterion):
    tone = sweep(TONE, RATE, criteria=[criterion])
    assert tone.lengths[-1] == len(TONE) / 4
    assert tone.curves[0].best_length == pytest.approx(len(TONE) / 4, rel=1e-9)
    assert tone.warnings == (
        f"{criterion}: the best window length is the longest of the sweep, 3000 samples: "
        "longer ones, beyond a quarter of the recording, no longer tell when something happens",
    )
    short = sweep(TONE, RATE, criteria=[criterion], win_length_max=500)
    assert short.warnings[0].endswith(
        ", 500 samples: raise `win_length_max` to look further, to 3000 at most"
    )
    click = sweep(CLICK, RATE, criteria=[criterion])
    if criterion == "kurtosis":  # every frame of a click is flat, whatever its window
        assert click.curves[0].matters == "not at all"
        return
    assert click.curves[0].best_length == click.lengths[0] == 32
    assert click.curves[0].matters == "a lot"


@pytest.mark.parametrize("criterion", ["entropy", "lp", "gini"])
def test_noise_has_no_best_window(criterion):
    (curve,) = sweep(NOISE, 44100.0, criteria=[criterion]).curves
    assert curve.spread < 0.03
    (chirp,) = sweep(CHIRP, RATE, criteria=[criterion]).curves
    assert chirp.spread > 0.5


@pytest.mark.parametrize(
    ("options", "limit", "remedy"),
    [
        ({}, 32, "lower `win_length_min` to look further"),
        ({"hop_length": 20}, 40, "lower `hop_length` to look further"),
        ({"win_length_min": 2}, 2, "a shorter window holds no sample"),
        ({"n_fft": 512}, 64, "lower `hop_length` to look further"),
        ({"n_fft": 512, "hop_length": 4}, 16, "lower `win_length_min` to look further"),
    ],
)
def test_advice_for_a_click_leads_to_shorter_windows(options, limit, remedy):
    assert sweep(CLICK, RATE, **options).warnings == (
        f"entropy: the best window length is the shortest of the sweep, {limit} samples: {remedy}",
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"win_length_min": 2000},
        {"win_length_max": 2100},
        {"n_fft": 4096, "win_length_min": 600},
    ],
)
def test_the_usual_length_is_tried_wherever_it_lies_in_the_range(options):
    (curve,) = (found := sweep(CHIRP, RATE, **options)).curves
    assert list(found.lengths).count(2048.0) == 1
    assert curve.at(2048.0) is not None
    assert (np.diff(found.lengths) > 0).all()


def test_the_best_length_of_a_chirp_scales_with_its_rate():
    best = []
    for rate in (2e-4, 8e-4):  # radians per sample and sample
        n = np.arange(0, math.floor(2.8 / rate))
        (curve,) = sweep(np.sin(0.1 * n + rate / 2 * n**2), RATE).curves
        best.append(curve.best_length)
    assert best[0] / best[1] == pytest.approx(2.0, rel=0.05)


def test_the_learned_optimum_is_no_worse_than_any_length():
    for curve in sweep(CHIRP, RATE, criteria=CRITERIA).curves:
        assert curve.losses.min() >= 0
        assert curve.losses[curve.minimum] < 0.03
        m = curve.minimum
        assert curve.lengths[max(m - 1, 0)] <= curve.best_length <= curve.lengths[m + 1]


def test_losses_are_in_nats_of_the_score():
    curves = {curve.name: curve for curve in sweep(CHIRP, RATE, criteria=CRITERIA).curves}
    for name, score in {
        "entropy": lambda v: v,
        "kurtosis": lambda v: -np.log(v),
        "concentration": lambda v: -np.log(v),
        "l1l2": lambda v: 2 * np.log(v),
        "gini": lambda v: np.log(1 - v),
    }.items():
        curve = curves[name]
        expected = score(curve.values) - score(curve.best_value)
        np.testing.assert_allclose(curve.losses, expected, atol=2e-5)
    np.testing.assert_allclose(curves["hoyer"].losses, curves["l1l2"].losses, atol=1e-5)


def test_a_criterion_of_ones_own():
    (curve,) = sweep(100 * CHIRP, RATE, criteria=[Level()], dtype="float64").curves
    assert (curve.name, curve.in_nats) == ("Level", False)
    for m in (0, 12):
        n_fft = 2 << math.ceil(math.log2(curve.lengths[m]) - 1e-9)
        a = plane(100 * CHIRP, curve.lengths[m], n_fft, n_fft / 32)
        inner = np.concatenate([a, a[..., 1:-1]], axis=-1)
        assert curve.values[m] == pytest.approx(np.sqrt((inner**2).mean()), rel=1e-9)
    expected = (curve.best_value - curve.values) / curve.best_value
    np.testing.assert_allclose(curve.losses, expected, atol=1e-9)
    both = sweep(100 * CHIRP, RATE, criteria=["entropy", Level()], dtype="float64").curves
    np.testing.assert_allclose(both[1].values, curve.values, rtol=1e-9)
    np.testing.assert_allclose(
        both[0].losses, sweep(CHIRP, RATE, dtype="float64").curves[0].losses, atol=1e-9
    )


def test_a_given_hop_gives_values_as_for_the_usual_cells():
    free = sweep(CHIRP, RATE, win_length_min=128).curves[0]
    dense = sweep(CHIRP, RATE, win_length_min=128, hop_length=16).curves[0]
    np.testing.assert_array_equal(free.lengths, dense.lengths)
    np.testing.assert_allclose(dense.values, free.values, atol=0.02)
    assert sweep(CHIRP, RATE, hop_length=40).lengths[0] == 80  # neighbours overlap by half


def test_channels_share_one_curve():
    x = np.stack([CHIRP, CHIRP])
    one, two = sweep(CHIRP, RATE).curves[0], sweep(x, RATE).curves[0]
    np.testing.assert_allclose(two.values, one.values + math.log(2), atol=1e-4)


@pytest.mark.parametrize(
    ("rate", "length", "low", "high"),
    [
        (44100.0, 10**6, 88.2, 44100.0),
        (8000.0, 10**5, 32.0, 16000.0),
        (44100.0, 6000, 88.2, 1500.0),
        (1000.0, 10**6, 32.0, 16000.0),
        (44100.0, 100, 6.25, 25.0),
        (44100.0, 2, 4.0, 16.0),
    ],
)
def test_the_range_of_lengths(rate, length, low, high):
    lengths = np.concatenate([grid.lengths for grid in sweep_grids(length, rate)])
    assert (lengths[0], lengths[-1]) == (low, high)
    assert (np.diff(np.log2(lengths)) <= 0.3125 + 1e-9).all()
    powers = [2.0**k for k in range(2, 14) if low < 2.0**k * 0.95 and 2.0**k * 1.05 < high]
    assert set(powers) <= set(lengths)


def test_ranges_of_ones_own():
    lengths = sweep(CHIRP, RATE, win_length_min=100, win_length_max=9000).lengths
    assert (lengths[0], lengths[-1]) == (100, 9000)
    assert sweep(CHIRP, RATE, win_length_min=5000).lengths[-1] == 20000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"win_length_min": 500, "win_length_max": 500},
            "window lengths from 500 to 500 samples leave nothing to sweep: lower "
            "`win_length_min` or raise `win_length_max`$",
        ),
        ({"n_fft": 512, "win_length_min": 1}, "window length min 1 samples is below 2"),
        (
            {"hop_length": 2000},
            "window lengths from 4000 to 3000 samples leave nothing to sweep: lower `hop_length` or "
            "raise `win_length_max`$",
        ),
        (
            {"n_fft": 512, "hop_length": 256},
            "window lengths from 512 to 512 samples leave nothing to sweep: lower `hop_length` or "
            "raise `n_fft`$",
        ),
        ({"hop_length": 20, "win_length_min": 10}, "below hop length / overlap = 40"),
        ({"win_length_min": 1.5}, "window length min 1.5 samples is below 2"),
        (
            {"win_length_max": 2.0**20},
            "window length max 1.04858e.06 samples is above 524288: lower `win_length_max`",
        ),
        ({"criteria": ["entropi"]}, "criterion 'entropi' is unknown"),
    ],
)
def test_what_cannot_be_swept(options, message):
    with pytest.raises(UsageError, match=message):
        sweep(CHIRP, RATE, **options)


def test_signals_without_a_sound():
    with pytest.raises(InputError, match="every sample is zero"):
        sweep(np.zeros(1000), RATE)
    with pytest.raises(InputError, match="signal of 1 sample"):
        sweep(np.ones(1), RATE)


def test_a_criterion_that_is_nowhere_finite():
    class Nowhere(Level):
        def value(self, sums, cells):
            return sums[0] * math.nan

    with pytest.raises(UsageError, match="criterion Nowhere is nan at every window length"):
        sweep(CHIRP, RATE, criteria=[Nowhere()])


def test_a_long_signal_is_looked_at_in_stretches(monkeypatch):
    rng = np.random.default_rng(3)
    x = np.concatenate([CHIRP * rng.uniform(0.2, 1) for _ in range(20)])
    whole = sweep(x, RATE, win_length_max=1024)
    assert whole.looked_at == 1
    monkeypatch.setattr(sweep_module, "MOST_POINTS", 32 * len(x) // 4)
    part = sweep(x, RATE, win_length_max=1024)
    assert part.looked_at == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(part.curves[0].losses, whole.curves[0].losses, atol=0.05)
    np.testing.assert_allclose(part.curves[0].values, whole.curves[0].values, atol=0.2)
    assert part.curves[0].best_length == pytest.approx(whole.curves[0].best_length, rel=0.1)


def curve(losses, best=200.0):
    lengths = 100.0 * 2.0 ** np.arange(len(losses))
    losses = np.array(losses)
    return SweepCurve("entropy", "minimize", True, lengths, losses + 5, losses, best, 5.0)


def test_lengths_that_are_good_enough_end_where_the_loss_passes_a_hundredth():
    low, high = curve([0.02, 0.0, 0.005, 0.015]).good_lengths
    assert low == pytest.approx(200 / 2**0.5)
    assert high == pytest.approx(400 * 2**0.5)
    low, high = curve([0.02, 0.001, 0.02], best=250.0).good_lengths
    assert low == pytest.approx(200 * 2 ** (-9 / 19))
    assert high == pytest.approx(250 * (400 / 250) ** 0.5)
    assert curve([0.0, 0.001], best=100.0).good_lengths == (100, 200)
    assert curve([np.inf, 0.0, np.inf]).good_lengths == (200, 200)


@pytest.mark.parametrize(
    ("loss", "matters"),
    [
        (0.029, "not at all"),
        (0.031, "little"),
        (0.09, "little"),
        (0.11, "somewhat"),
        (0.29, "somewhat"),
        (0.31, "a lot"),
    ],
)
def test_how_much_it_matters(loss, matters):
    assert curve([loss, 0.0, np.inf]).matters == matters
    assert curve([3.0, loss, 0.0, np.inf], best=400.0).matters == (
        "little" if loss < 0.03 else matters
    )


def test_the_usual_length_counts_where_it_is_off_by_more_than_two():
    losses = np.array([0.0, 0.01, 0.05, 0.4, 0.7])
    lengths = 256 * 2.0 ** np.arange(5)
    usual = SweepCurve("entropy", "minimize", True, lengths, losses, losses, 256.0, 0.0)
    assert usual.at(2048) == 3
    assert usual.loss_off_by_two == 0.01
    assert usual.matters == "a lot"
    assert curve(losses, best=100.0).matters == "little"


def test_the_loss_of_half_and_twice_the_best_length():
    assert curve([0.2, 0.1, 0.0, 0.1, 0.6], best=400.0).loss_off_by_two == pytest.approx(0.1)
    # 500 lies between 400 and 800: half of it a third of an octave above 200
    off = curve([0.5, 0.3, 0.0, 0.1, 0.6], best=500.0)
    up = np.log2(1000 / 800)
    assert off.loss_off_by_two == pytest.approx(max(0.3 * (1 - np.log2(250 / 200)), 0.1 + 0.5 * up))
    assert curve([0.5, 0.0], best=200.0).loss_off_by_two == 0.5  # no further than it goes
    assert curve([np.inf, 0.0, 0.2]).loss_off_by_two == 0.2


def test_losses_that_add_up_over_many_octaves_do_not_matter():
    assert curve([0.0, 0.02, 0.02, 0.02, 0.04]).matters == "not at all"
    assert curve([0.0, 0.02, 0.02, 0.04]).matters == "little"


@pytest.mark.parametrize("seed", range(3))
def test_noise_is_judged_as_by_optimize(seed):
    noise = np.random.default_rng(seed).standard_normal(8000)
    found = sweep(noise, 8000)
    assert found.curves[0].matters == "not at all"
    assert found.warnings == ()
    assert optimize(noise, 8000, max_steps=0).notes[0].kind == "lengths_alike"


@pytest.mark.parametrize(
    ("best", "n_fft"), [(1024.0, 1024), (1024 * (1 + 1e-9), 1024), (1025.0, 2048), (3.5, 4)]
)
def test_the_power_of_two_that_holds_the_best_window(best, n_fft):
    assert curve([0.0, 0.0], best=best).n_fft == n_fft


def test_the_fft_size_to_use_is_the_given_one():
    x = np.random.default_rng(0).standard_normal(4000)
    given, free = sweep(x, 8000, n_fft=512), sweep(x, 8000)
    assert given.n_fft_of(given.curves[0]) == 512
    assert free.n_fft_of(free.curves[0]) == free.curves[0].n_fft
