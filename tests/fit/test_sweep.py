"""Criteria against window length: values by the definition, known answers, long signals in part;

which lengths a curve calls good, and how much it says the choice matters.
"""

import math

import numpy as np
import pytest
import torch
from criteria.reference import criterion_value

from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit.centers import spread_segments
from dstft_cli.records import SweepCurve
from dstft_cli.run.sentences import sentence
from dstft_cli.stft import stft
from fit.cases import CRITERIA, kinds, optimize, sweep

RATE = 8000.0
N = np.arange(12000)
TONE = np.sin(0.7 * N)
CLICK = (N == 6001) * 1.0
NOISE = np.random.default_rng(0).standard_normal(60_000)
CHIRP = np.sin(N * (0.2 + 1e-4 * N)) + 0.05 * NOISE[: len(N)]


class Level:
    """Depends on the level of the signal, and its score is no logarithm."""

    direction = "maximize"

    def moments(self, a):
        return (a**2,)

    def value(self, sums, cells):
        return (sums[0] / cells).sqrt()


@pytest.fixture(scope="module")
def chirp():
    """All criteria of the chirp."""
    return sweep(CHIRP, RATE, criteria=CRITERIA)


def plane(x, length, n_fft, hop, **options):
    """`|X|²` by the transform itself in float64, `[C, T, F]`, the inner bins twice."""
    centers = torch.arange(1 + int(len(x) // hop), dtype=torch.float64) * hop
    lengths = torch.tensor([[length]], dtype=torch.float64)
    X = stft(torch.from_numpy(x), centers, lengths, n_fft, **options).numpy()
    a = np.abs(X.T[None]) ** 2
    return np.concatenate([a, a[..., 1:-1]], axis=-1)


def with_a_quarter_of_the_cells(name, value, n):
    """The value if every sum, and the number n of cells, were a quarter of what it is."""
    if name in ("entropy", "renyi"):
        return value - math.log(4)
    if name == "hoyer":
        l1l2 = math.sqrt(n) - value * (math.sqrt(n) - 1)
        return (math.sqrt(n) - l1l2) / (math.sqrt(n) - 2)
    return value * {"concentration": 4, "l1l2": 1 / 2, "lp": 4**-0.75}.get(name, 1)


def test_values_are_those_of_the_definition():
    options = {"window": "blackman", "normalization": "amplitude"}
    found = sweep(CHIRP, RATE, criteria=CRITERIA, **options)
    assert [curve.name for curve in found.curves] == list(CRITERIA)
    np.testing.assert_array_equal(found.hop_lengths, found.n_ffts / 32)
    assert (found.n_ffts >= 2 * found.lengths).all()
    assert (found.n_ffts < 4 * found.lengths * (1 + 1e-9)).all()
    for m in range(0, len(found.lengths), 6):
        a = plane(CHIRP, found.lengths[m], int(found.n_ffts[m]), found.hop_lengths[m], **options)
        for curve in found.curves:
            value = criterion_value(curve.name, a)
            expected = with_a_quarter_of_the_cells(curve.name, value, a.size)
            assert curve.values[m] == pytest.approx(expected, rel=1e-4), curve.name


def test_with_an_fft_size_it_agrees_with_a_fit():
    band = {"criterion_fmin": 500.0, "criterion_fmax": 2500.0}
    options = {"n_fft": 1024, "dtype": "float64"}
    cases = {name: {} for name in ("renyi", "kurtosis", "gini", "lp")} | {"entropy": band}
    for criterion, more in cases.items():
        (curve,) = sweep(CHIRP, RATE, criteria=[criterion], **options, **more).curves
        learned = optimize(CHIRP, RATE, criterion=criterion, **options, **more)
        table = learned.trajectory.criterion[np.array(learned.trajectory.phase) == "table"]
        np.testing.assert_allclose(curve.values, table, rtol=1e-6)
        assert curve.lengths[curve.minimum] == learned.criterion.best_fixed_win_length
        assert curve.best_length == pytest.approx(float(learned.window_length[0, 0]), rel=2e-2)
        # interpolated between tabulated lengths
        assert curve.best_value == pytest.approx(learned.criterion.final, rel=1e-4)


def test_curves_do_not_jump_where_the_fft_size_changes():
    drone = np.sin(0.04 * N) + 3 * (N % 3000 == 1501)
    below = sweep(drone, RATE, criteria=CRITERIA, win_length_min=64, win_length_max=128)
    above = sweep(drone, RATE, criteria=CRITERIA, win_length_min=128.001, win_length_max=256)
    assert (below.n_ffts[-1], above.n_ffts[0]) == (256, 512)
    for last, first in zip(below.curves, above.curves, strict=True):
        assert first.values[0] == pytest.approx(last.values[-1], rel=4e-3), first.name


def test_a_tone_wants_the_longest_window_and_a_click_the_shortest():
    tone, click = (sweep(x, RATE, criteria=CRITERIA) for x in (TONE, CLICK))
    assert tone.lengths[-1] == len(TONE) / 4
    for curve in tone.curves:
        assert curve.best_length == pytest.approx(len(TONE) / 4, rel=1e-9), curve.name
    for curve in click.curves:
        if curve.name == "kurtosis":  # every frame of a click is flat, whatever its window
            assert curve.matters == "not at all"
        else:
            assert (curve.best_length, curve.matters) == (32, "a lot"), curve.name


def test_notes_of_an_optimum_on_an_end():
    lengths = (
        ({}, 32, "win_length_min"),
        ({"hop_length": 20}, 40, "hop_length"),
        ({"win_length_min": 2}, 2, ""),  # a shorter window holds no sample
        ({"n_fft": 512}, 64, "hop_length"),
        ({"n_fft": 512, "hop_length": 4}, 16, "win_length_min"),
    )
    for options, value, parameter in lengths:
        (note,) = sweep(CLICK, RATE, **options).notes
        found = (note.kind, note.value, note.parameter, note.detail)
        assert found == ("best_is_shortest", value, parameter, "entropy"), options
    (note,) = sweep(TONE, RATE, win_length_max=500, criteria=("entropy", "gini")).notes
    assert (note.kind, note.parameter) == ("best_is_longest", "win_length_max")
    assert (note.value, note.limit, note.detail) == (500, 3000, "entropy, gini")
    assert sentence(note).endswith("raise `win_length_max` to look further, to 3000 at most")
    (note,) = sweep(TONE, RATE).notes
    assert (note.kind, note.parameter, note.limit) == ("best_is_longest", "", 3000)
    assert "a quarter of the recording" in sentence(note)
    (note,) = sweep(NOISE[:100], 44100.0, scope="local").notes
    assert (note.kind, note.value, note.detail) == ("recording_short", 128, "100")


def test_noise_has_no_best_window(chirp):
    for curve in sweep(NOISE, 44100.0, criteria=("entropy", "lp", "gini")).curves:
        assert curve.spread < 0.03, curve.name
        assert curve.matters == "not at all"
    assert all(curve.spread > 0.5 for curve in chirp.curves if curve.name != "kurtosis")
    for seed in range(3):
        noise = np.random.default_rng(seed).standard_normal(8000)
        found = sweep(noise, RATE)
        assert (found.curves[0].matters, found.notes) == ("not at all", ())
        assert "lengths_alike" in kinds(optimize(noise, RATE, max_steps=0))


def test_losses_are_in_nats_of_the_score(chirp):
    curves = {curve.name: curve for curve in chirp.curves}
    for curve in chirp.curves:  # the optimum is no worse than any length
        m = curve.minimum
        assert 0 <= curve.losses.min() <= curve.losses[m] < 0.03
        assert curve.lengths[max(m - 1, 0)] <= curve.best_length <= curve.lengths[m + 1]
    for name, score in {
        "entropy": lambda v: v,
        "kurtosis": lambda v: -np.log(v),
        "concentration": lambda v: -np.log(v),
        "l1l2": lambda v: 2 * np.log(v),
        "gini": lambda v: np.log(1 - v),
    }.items():
        curve = curves[name]
        expected = score(curve.values) - score(curve.best_value)
        np.testing.assert_allclose(curve.losses, expected, atol=3e-4)  # interpolated
    np.testing.assert_allclose(curves["hoyer"].losses, curves["l1l2"].losses, atol=1e-5)


def test_a_criterion_of_ones_own():
    (curve,) = sweep(100 * CHIRP, RATE, criteria=[Level()], dtype="float64").curves
    assert (curve.name, curve.in_nats) == ("Level", False)
    for m in (0, 12):
        n_fft = 2 << math.ceil(math.log2(curve.lengths[m]) - 1e-9)
        a = plane(100 * CHIRP, curve.lengths[m], n_fft, n_fft / 32)
        assert curve.values[m] == pytest.approx(np.sqrt((a**2).mean()), rel=1e-9)
    expected = (curve.best_value - curve.values) / curve.best_value
    np.testing.assert_allclose(curve.losses, expected, atol=1e-9)
    both = sweep(100 * CHIRP, RATE, criteria=["entropy", Level()], dtype="float64").curves
    alone = sweep(CHIRP, RATE, dtype="float64").curves[0]  # its level does not matter
    np.testing.assert_allclose(both[1].values, curve.values, rtol=1e-9)
    np.testing.assert_allclose(both[0].losses, alone.losses, atol=1e-9)


def test_what_cannot_be_swept():
    class Nowhere(Level):
        def value(self, sums, cells):
            return sums[0] * math.nan

    for options, message in (
        ({"win_length_min": 500, "win_length_max": 500}, "from 500 to 500 samples leave nothing"),
        ({"n_fft": 512, "win_length_min": 1}, "window length min 1 samples is below 2"),
        ({"hop_length": 2000}, "from 4000 to 3000 .* lower `hop_length` or raise `win_length_max`"),
        (
            {"n_fft": 512, "hop_length": 256},
            "from 512 to 512 .* lower `hop_length` or raise `n_fft`",
        ),
        ({"hop_length": 20, "win_length_min": 10}, "below hop length / overlap = 40"),
        ({"win_length_min": 1.5}, "window length min 1.5 samples is below 2"),
        ({"win_length_min": 2.0**18}, "window length min 262144 samples is above 131072"),
        ({"win_length_max": 2.0**20}, "is above 524288: lower `win_length_max`"),
        ({"criteria": ["entropi"]}, "criterion 'entropi' is unknown"),
        ({"criteria": []}, "criteria is empty"),
        ({"criteria": [Nowhere()]}, "criterion Nowhere is nan at every window length"),
    ):
        with pytest.raises(UsageError, match=message):
            sweep(CHIRP, RATE, **options)
    with pytest.raises(InputError, match="every sample is zero"):
        sweep(np.zeros(1000), RATE)
    with pytest.raises(InputError, match="signal of 1 sample"):
        sweep(np.ones(1), RATE)


def test_a_narrow_band_leaves_out_windows_that_see_no_more_of_it():
    band = {"criterion_fmin": 1000.0, "criterion_fmax": 1040.0}
    wide, narrow = sweep(NOISE, RATE), sweep(NOISE, RATE, **band)
    assert (wide.lengths[0], narrow.lengths[0]) == (32, 400)  # half of four bins in 40 Hz
    assert narrow.curves[0].matters == "not at all"
    clicks = np.zeros(len(NOISE))
    clicks[::20_000] = 1
    (note,) = sweep(clicks, RATE, criterion_fmin=1000.0, criterion_fmax=1010.0).notes
    assert (note.kind, note.value) == ("best_is_shortest", 1600)
    assert note.parameter == "criterion_fmin criterion_fmax"


def test_a_long_signal_is_looked_at_in_segments():
    rng = np.random.default_rng(3)
    x = np.concatenate([CHIRP * rng.uniform(0.2, 1) for _ in range(10)])
    whole = sweep(x, RATE, win_length_max=1024)
    part = sweep(x, RATE, win_length_max=1024, most_points=32 * len(x) // 4)
    assert whole.looked_at == 1
    assert part.looked_at == pytest.approx(0.25, abs=0.01)
    np.testing.assert_allclose(part.curves[0].losses, whole.curves[0].losses, atol=0.05)
    np.testing.assert_allclose(part.curves[0].values, whole.curves[0].values, atol=0.2)
    assert part.curves[0].best_length == pytest.approx(whole.curves[0].best_length, rel=0.1)


def test_silent_segments_move_to_where_there_is_sound():
    x = np.zeros((1, 1 << 18), np.float32)
    part = x.shape[1] // 8
    for at in range(0, x.shape[1], part):  # where the parts meet, with silence in their middles
        x[0, at : at + 8_000] = np.sin(0.3 * np.arange(8_000))
    segments = spread_segments(x, 1 << 15, longest_hop=100, peak=1.0)
    for k, start in enumerate(segments.starts):
        assert np.abs(x[0, start : start + segments.size]).max() > 0.99
        assert k * part <= start <= (k + 1) * part - segments.size
    few = {"win_length_min": 256, "win_length_max": 4096, "most_points": 1 << 20}
    assert sweep(x, RATE, **few).curves[0].best_length > 1500


def curve(losses, best=200.0):
    lengths = 100.0 * 2.0 ** np.arange(len(losses))
    losses = np.array(losses)
    return SweepCurve("entropy", "minimize", True, lengths, losses + 5, losses, best, 5.0)


def test_good_lengths_end_where_the_loss_passes_a_hundredth():
    low, high = curve([0.02, 0.0, 0.005, 0.015]).good_lengths
    assert low == pytest.approx(200 / 2**0.5)
    assert high == pytest.approx(400 * 2**0.5)
    low, high = curve([0.02, 0.001, 0.02], best=250.0).good_lengths
    assert low == pytest.approx(200 * 2 ** (-9 / 19))
    assert high == pytest.approx(250 * (400 / 250) ** 0.5)
    assert curve([0.0, 0.001], best=100.0).good_lengths == (100, 200)
    assert curve([np.inf, 0.0, np.inf]).good_lengths == (200, 200)


def test_how_much_it_matters():
    known = {0.029: "not at all", 0.031: "little", 0.09: "little", 0.11: "somewhat"}
    for loss, matters in (known | {0.29: "somewhat", 0.31: "a lot"}).items():
        assert curve([loss, 0.0, np.inf]).matters == matters
        further = "little" if loss < 0.03 else matters
        assert curve([3.0, loss, 0.0, np.inf], best=400.0).matters == further
    # losses that add up over many octaves are those of noise
    assert curve([0.0, 0.02, 0.02, 0.02, 0.04]).matters == "not at all"
    assert curve([0.0, 0.02, 0.02, 0.04]).matters == "little"
    losses, lengths = np.array([0.0, 0.01, 0.05, 0.4, 0.7]), 256 * 2.0 ** np.arange(5)
    usual = SweepCurve("entropy", "minimize", True, lengths, losses, losses, 256.0, 0.0)
    assert (usual.at(2048), usual.loss_off_by_two, usual.matters) == (3, 0.01, "a lot")
    assert curve(losses, best=100.0).matters == "little"


def test_the_loss_of_half_and_twice_the_best_length():
    assert curve([0.2, 0.1, 0.0, 0.1, 0.6], best=400.0).loss_off_by_two == pytest.approx(0.1)
    # 500 lies between 400 and 800: half of it a third of an octave above 200
    off = curve([0.5, 0.3, 0.0, 0.1, 0.6], best=500.0)
    up = np.log2(1000 / 800)
    assert off.loss_off_by_two == pytest.approx(max(0.3 * (1 - np.log2(250 / 200)), 0.1 + 0.5 * up))
    assert curve([0.5, 0.0], best=200.0).loss_off_by_two == 0.5  # no further than it goes
    assert curve([np.inf, 0.0, 0.2]).loss_off_by_two == 0.2


def test_the_fft_size_to_use():
    for best, n_fft in ((1024.0, 1024), (1024 * (1 + 1e-9), 1024), (1025.0, 2048), (3.5, 4)):
        assert curve([0.0, 0.0], best=best).n_fft == n_fft
    x = np.random.default_rng(0).standard_normal(4000)
    given, free = sweep(x, 8000, n_fft=512), sweep(x, 8000)
    assert given.n_fft_of(given.curves[0]) == 512
    assert free.n_fft_of(free.curves[0]) == free.curves[0].n_fft
