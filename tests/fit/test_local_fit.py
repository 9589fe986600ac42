"""The fit under the local criterion: known answers, invariances, modes and refusals;

its tiles, its exact path and its splines on small tables.
"""

import itertools

import numpy as np
import pytest
import torch

from dstft_cli.criteria.local import Tiling, log_lengths
from dstft_cli.errors import UsageError
from dstft_cli.fit import local_search, tiles
from dstft_cli.fit.descent import Schedule
from dstft_cli.fit.local_descent import descend_rows, spline_costs
from dstft_cli.fit.local_search import exact_path, path_over_time
from dstft_cli.fit.path import cheapest_path
from dstft_cli.records import StopReason
from dstft_cli.stft import Frames, Transform, map_spectra

from .cases import HOP_MODES, WINDOW_MODES, kinds, optimize

RATE = 16000
N = 2 * RATE
AT = np.arange(N) / RATE
BUILT_IN = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp")


def local(samples, sample_rate=RATE, **values):
    """The fit with its defaults under the local criterion."""
    given = {"scope": "local", "window_mode": "time-frequency", "threads": 1}
    return optimize(samples, sample_rate, **{**given, **values})


def milliseconds(result, frequency, seconds):
    """Window length of a map at a frequency, Hz, and time."""
    at = np.array([seconds]) * result.sample_rate
    return 1e3 / result.sample_rate * float(result.length_map.at(np.array([frequency]), at)[0, 0])


def noise(count=N, seed=0):
    return np.random.default_rng(seed).standard_normal(count)


def chirp(count=4000, rate=8000.0):
    t = np.arange(count) / rate
    sweep = np.sin(2 * np.pi * (300 * t + 1500 * t * t))
    return sweep + 0.01 * noise(count)


def test_two_tones_have_long_windows_and_a_click_short_ones():
    x = np.sin(2 * np.pi * 1000 * AT) + np.sin(2 * np.pi * 1050 * AT)
    x[RATE] += 30
    result = local(x)
    assert milliseconds(result, 1000, 0.5) > 150
    assert milliseconds(result, 5000, 1.0) < 8
    assert milliseconds(result, 1000, 1.5) > 150


def test_a_click_in_silence_wants_a_short_window():
    x = np.zeros(2 * 44100)
    x[44100] = 0.5  # its mean is no offset
    assert local(x, 44100.0, window_mode="constant").lengths.item() < 0.02 * 44100
    assert np.median(local(x, 44100.0, window_mode="frequency").lengths) < 0.008 * 44100
    assert milliseconds(local(x, 44100.0), 5000, 1.0) < 8


def test_a_chirp_has_the_window_that_its_rate_asks_for():
    for rate in (1000, 4000, 16000):  # Hz per second; best near 2/√rate for a Hann window
        duration = min(2, 6000 / rate)
        t = np.arange(int(duration * RATE)) / RATE
        x = np.sin(2 * np.pi * (500 * t + rate * t * t / 2)) + 1e-4 * noise(len(t))
        found = milliseconds(local(x), 500 + rate * duration / 2, duration / 2)
        assert abs(np.log2(found / (2e3 / np.sqrt(rate)))) < 0.75, rate


def test_what_lies_before_a_tone_is_short_in_time_be_it_silent_or_quiet():
    for level, noise_level, at in ((0, 1e-4, 0.97), (1e-3, 1e-5, 0.98)):
        x = np.where(AT > 1, 1.0, level) * np.sin(2 * np.pi * 2000 * AT) + noise_level * noise()
        before, after = (milliseconds(local(x), 2000, seconds) for seconds in (at, 1.1))
        assert before < 20 < 100 < after, level


def test_noise_keeps_its_energy_and_nearly_one_length():
    result = local(noise(4 * RATE))
    inner = np.log2(result.lengths)[:, 80:-80]
    assert inner.std(1).mean() < 0.6
    high = result.lengths[2 * len(result.lengths) // 3 :]
    assert np.median(high) == pytest.approx(4 * 64, rel=0.2)  # 64 samples: the shortest
    frames = Frames(noise(4 * RATE)[None], result.frame_centers, result.n_fft)
    transform, bins = Transform(result.n_fft), result.frequencies

    def energy(index_of):
        blocks = map_spectra(frames, transform, index_of)
        return sum(float(X.abs().double().square().sum()) for _, X in blocks)

    lengths_at = result.length_map.on(bins)
    learned = energy(lambda a, b: lengths_at(result.frame_centers[a:b]))
    plain = energy(lambda a, b: (np.array([1024.0]), np.zeros((b - a, len(bins)), np.uint8)))
    assert abs(10 * np.log10(learned / plain)) < 0.1


def test_a_narrow_range_has_lengths_within_it():
    for shortest, longest in ((320, 320), (320, 322), (320, 400), (320, 700)):
        result = local(noise(RATE), win_length_min=shortest, win_length_max=longest)
        low, high = float(result.lengths.min()), float(result.lengths.max())
        assert shortest * 0.9999 <= low <= high <= longest * 1.0001


def test_no_band_of_noise_has_a_length_of_its_own():
    for seed in (0, 1):
        result = local(noise(2 * 44100, seed), 44100)
        high = np.median(result.lengths, axis=1)[len(result.lengths) // 2 :]
        assert high == pytest.approx(4 * 128, rel=0.2)  # 128 samples: the shortest


def test_noise_that_is_kept_for_the_next_recording_is_that_of_its_tiles():
    ways = ({"order": 2.0}, {"order": 3.0}, {"criterion_fmin": 500.0}, {"window": "blackman"})
    ways += ({"power": 1.0}, {"dtype": "float64"}, {"win_length_max": 500}, {"criterion": "lp"})

    def ends(given):
        return local(chirp(), 8000.0, **{"criterion": "renyi", **given}).criterion.final

    after_others = [ends(given) for given in ways]
    for given, value in zip(ways, after_others, strict=True):
        tiles._known.clear()
        assert ends(given) == value, given


def test_white_noise_costs_nothing_under_windows_that_every_band_may_take():
    steps = local(noise(4 * RATE, 5), window_mode="constant").trajectory
    pairs = steps.phase, steps.criterion
    table = [value for phase, value in zip(*pairs, strict=True) if phase == "table"]
    assert np.abs(table[-3:]).max() < 0.05


def test_a_soft_call_keeps_its_own_length_beside_a_loud_one():
    loud = np.exp(-(((AT - 0.5) / 0.1) ** 2)) * np.sin(2 * np.pi * 1000 * AT)
    shape = sum(np.exp(-(((AT - at) / 0.004) ** 2)) for at in (0.5, 0.8, 1.5))
    call = shape * np.sin(2 * np.pi * 4000 * AT)
    found = [local(loud + 10 ** (db / 20) * call + 1e-5 * noise()) for db in (0, -20, -40)]
    for seconds in (0.5, 0.8, 1.5):
        lengths = [milliseconds(result, 4000, seconds) for result in found]
        assert max(lengths) <= 1.5 * min(lengths), seconds
    assert all(milliseconds(result, 1000, 0.5) > 100 for result in found)


def test_the_map_does_not_depend_on_level_offset_padding_or_sample_rate():
    n = np.arange(RATE)
    x = np.sin(2e-5 * 2 * np.pi * n * n / 4) * (np.sin(2 * np.pi * 3 * n / RATE) > 0)
    x = x + np.sin(2 * np.pi * 700 * n / RATE) + 1e-3 * noise(RATE)
    plain = local(x)
    np.testing.assert_array_equal(local(x / 1024).lengths, plain.lengths)
    np.testing.assert_allclose(np.log2(local(x + 30).lengths), np.log2(plain.lengths), atol=0.05)
    step, logs = int(plain.length_map.times[1]), np.log2(plain.lengths)
    padded = local(np.concatenate([np.zeros(160 * step), x, np.zeros(160 * step)]))
    inner = np.log2(padded.lengths)[:, 160 : 160 + logs.shape[1]]
    heard = slice(2, None)  # the lowest bands hold nothing
    assert (np.abs(inner - logs)[heard, 40:-40] < 0.5).mean() > 0.95
    spectrum = np.fft.rfft(x)
    doubled = 2 * np.fft.irfft(np.concatenate([spectrum, np.zeros(RATE // 2)]), 2 * RATE)
    twice = local(doubled, 2 * RATE)
    at, hertz = np.linspace(0.1, 0.9, 40), np.linspace(300, 4000, 12)
    before = np.log2(plain.length_map.at(hertz, at * RATE) / RATE)
    after = np.log2(twice.length_map.at(hertz, at * 2 * RATE) / (2 * RATE))
    assert (np.abs(before - after) <= 1).mean() > 0.95


def test_one_knock_does_not_decide_for_a_recording():
    t = np.arange(8000) / RATE
    x = 2e-4 * noise(20 * RATE)
    for start in range(RATE, 19 * RATE, 2 * RATE):
        x[start : start + 8000] += 4e-3 * np.sin(2 * np.pi * 1600 * t) * np.hanning(8000)
    knocked = x.copy()
    knocked[133000:133240] += 0.4 * np.exp(-np.arange(240) / 48) * noise(240, 1)
    clean, found = (local(y, window_mode="constant") for y in (x, knocked))
    fixed = {"window_mode": "fixed", "n_fft": clean.n_fft}
    kept = local(x, win_length=found.lengths.item(), **fixed)
    assert abs(np.log2(found.lengths / clean.lengths)).item() < 1.1
    assert kept.criterion.final - clean.criterion.final < 0.02  # nats


def test_lengths_have_the_shape_of_their_mode_and_more_freedom_never_loses():
    final = {}
    for mode in WINDOW_MODES:
        result = local(chirp(), 8000.0, window_mode=mode, n_fft=1024)
        final[mode] = result.criterion.final
        F, T = result.n_fft // 2 + 1, result.frames
        shape = {"time": (1, T), "frequency": (F, 1), "time-frequency": (F, T)}.get(mode, (1, 1))
        assert result.window_length.shape == shape, mode
        assert result.scope == "local"
        assert (result.length_map is not None) == (mode == "time-frequency")
        low, high = result.length_bounds
        assert low <= result.window_length.min()
        assert result.window_length.max() <= high
        of, steps = result.criterion, result.trajectory
        assert steps.phase[0] == "start"
        assert np.isclose(steps.criterion[0], of.start)
        if mode != "fixed":
            assert of.final <= min(of.start, of.best_fixed), mode
            searched = steps.criterion[steps.phase.index("search")]
            assert of.table_bound <= min(of.best_fixed, searched) + 1e-9, mode
            assert {"start", "table", "search", "descent"} == set(steps.phase)
            assert np.isclose(steps.criterion[-1], of.final, atol=1e-6)
    # in the same range: that of a fixed window is the default one
    kept, moved = (local(chirp(), 8000.0, window_mode=m, win_length=300) for m in WINDOW_MODES[:2])
    assert kept.criterion.final == pytest.approx(moved.criterion.start, rel=1e-6)
    assert moved.criterion.final <= kept.criterion.final
    assert final["time"] <= final["constant"]
    assert final["frequency"] <= final["constant"]
    assert final["time-frequency"] < min(final["time"], final["frequency"])


def test_a_descent_without_a_search_lowers_j_from_any_start():
    for mode in WINDOW_MODES[1:]:
        for optimizer in ("auto", "lbfgs", "adam", "sgd"):
            values = {"window_mode": mode, "optimizer": optimizer, "search": False}
            result = local(chirp(), 8000.0, win_length=64, max_steps=15, **values)
            steps = result.trajectory
            assert result.criterion.final < result.criterion.start - 0.1, values
            assert set(steps.phase) == {"start", "descent"}
            first = steps.window_lengths[1]
            assert np.ptp(first) == 0, "equal rows move together first"
            assert result.criterion.table_bound is None


def test_a_descent_goes_on_where_slopes_are_small():
    table = 5e-4 * (LOGS[-1] - LOGS)[None]  # nats
    schedule = Schedule("lbfgs", None, 100, 1e-6)
    found = descend_rows(table, np.ones(1), LOGS, LOGS[[3]], 0.0, schedule)
    assert float(found.logs[0]) == pytest.approx(LOGS[-1])
    assert min(found.values) == found.values[-1] == pytest.approx(0, abs=1e-9)


def test_no_steps_is_the_search_alone():
    for mode in WINDOW_MODES[1:]:
        result = local(chirp(), 8000.0, window_mode=mode, max_steps=0)
        assert result.stop_reason is StopReason.SEARCH, mode
        assert "descent" not in result.trajectory.phase


def test_a_descent_that_leads_nowhere_keeps_what_the_search_found():
    searched = local(chirp(), 8000.0, max_steps=0).criterion.final
    for optimizer in ("adam", "sgd"):
        result = local(chirp(), 8000.0, optimizer=optimizer, lr=1000.0, max_steps=5)
        assert result.criterion.final <= searched + 1e-9
        assert result.trajectory.criterion[-1] == result.criterion.final


def test_a_band_without_tiles_brings_no_warning_of_numpy():  # which would be an error here
    local(chirp(), 8000.0, criterion_fmin=100.0, criterion_fmax=101.0, window_mode="time")


def no_costs(tiles: int) -> tuple[torch.Tensor, Tiling, np.ndarray]:
    """Costs of 7 lengths, the tiles, and the bands that may take all lengths."""
    tiling = Tiling(8000.0, np.geomspace(256, 2048, 7))
    return torch.zeros(7, len(tiling.centers), tiles), tiling, tiling.allowed.all(0)


def test_a_path_over_time_is_the_cheapest_through_pairs_of_tiles():
    cost, tiling, free = no_costs(150)
    alike = np.random.default_rng(0).exponential(1.0, (7, 1, 150))  # in all bands
    cost += torch.from_numpy(alike).float()
    cost[3:, :, 40:90] += 2  # there shorter ones are better
    path = path_over_time(cost, tiling, slice(0, 150), torch.ones(cost.shape[1:]))
    assert path.shape == cost.shape[1:]
    pairs = (cost[::2, :, ::2] + cost[::2, :, 1::2]).double().numpy()
    for band in np.flatnonzero(free):
        best = cheapest_path(pairs[:, band].T, np.log(tiling.lengths[::2]))
        np.testing.assert_array_equal(path[band], 2 * best.repeat(2))


def test_bands_seek_their_path_together():
    cost, tiling, free = no_costs(200)
    cost += 0.02 * torch.arange(7.0).flip(0)[:, None, None]  # a little for the longest
    band = int(np.median(np.flatnonzero(free)))

    def shortened(around: int, level: torch.Tensor) -> bool:
        """Whether the path of the band follows what bands up to so far away tell of some tiles."""
        told = cost.clone()
        told[4:, band - around : band + around + 1, 50:100] += 0.2
        path = path_over_time(told, tiling, slice(0, 200), level)
        assert (path[band, :40] == 6).all()
        return bool((path[band, 60:90] < 4).all())

    level = torch.ones(cost.shape[1:])
    assert not shortened(0, level)
    assert shortened(3, level)
    level[band] = 1e12
    assert shortened(0, level)


def test_a_path_leaves_single_tiles_and_follows_what_lasts_beyond_its_parts():
    cost, tiling, free = no_costs(60 + 700 + 60)
    cost[1:, :, 260:] += 0.5  # from there on the shortest
    cost[:6, :, :260] += 0.5  # before the longest
    cost[1:, :, 100] += 2  # for one tile: less than a change there and back costs
    path = path_over_time(cost, tiling, slice(60, 760), torch.ones(cost.shape[1:]))[free]
    assert (path[:, :200] == 6).all()
    assert (path[:, 200:] == 0).all()


def test_tiles_end_no_worse_than_rows_whatever_they_chose(monkeypatch):
    from dstft_cli.fit import local_modes

    def longest(cost, tiling, path):
        return torch.full_like(cost[0], float(np.log(tiling.lengths[-1])))

    monkeypatch.setattr(local_modes, "soft_choice", longest)
    t = np.arange(16000) / 8000
    lines = sum(np.sin(2 * np.pi * f * t) for f in range(250, 4000, 250))
    clicks = np.where(np.arange(16000) % 800 == 400, 100.0, 0.0) + 0.1 * noise(16000)
    bursts = noise(16000) * np.where(np.arange(16000) % 800 < 40, 10, 1)
    beside = bursts + 3 * np.sin(2 * np.pi * 100 * t)
    for mode, signal in {"frequency": beside, "time": np.where(t < 1, clicks, lines)}.items():
        rows = local(signal, 8000.0, window_mode=mode, max_steps=0)
        tiles = local(signal, 8000.0, max_steps=0)
        assert tiles.criterion.final <= rows.criterion.final + 1e-12, mode
        assert tiles.criterion.final == tiles.trajectory.criterion[-1]
        assert tiles.trajectory.phase[-1] == "search"
        along = 0 if mode == "time" else 1
        assert np.ptp(tiles.lengths, axis=along).max() == 0 < np.ptp(tiles.lengths), mode


def test_every_criterion_of_sums_and_ones_own():
    class Own:
        direction = "maximize"

        def moments(self, a):
            return a, a * a

        def value(self, sums, cells):
            assert sums.shape == (2,)
            return sums[1] / sums[0] ** 2

    for criterion in (*BUILT_IN, Own()):
        result = local(chirp(), 8000.0, criterion=criterion)
        assert result.criterion.final < result.criterion.start
    with pytest.raises(UsageError, match="scope"):
        local(chirp(), 8000.0, criterion="gini")


def test_what_is_given_is_kept():
    given = {"n_fft": 512, "hop_length": 40, "win_length_min": 100, "win_length_max": 400}
    result = local(chirp(), 8000.0, **given)
    assert (result.n_fft, result.hop_length, result.length_bounds) == (512, 40, (100, 400))
    result = local(chirp(), 8000.0, window_mode="constant", hop_length=100, overlap=0.4)
    assert result.hop_length == 100
    assert result.length_bounds[0] >= 250
    for values in ({"win_length_min": 900, "n_fft": 512}, {"hop_length": 900, "n_fft": 512}):
        with pytest.raises(UsageError):
            local(chirp(), 8000.0, **values)
    for window in ("blackman", "kaiser", "gaussian"):
        assert local(chirp(), 8000.0, window=window, power=1.0).window == window


def test_a_band_leaves_the_rest_to_its_nearest_neighbour():
    rumble = chirp() + 100 * np.sin(2 * np.pi * 20 * np.arange(4000) / 8000)
    band = {"criterion_fmin": 400, "criterion_fmax": 1500}
    held, plain = local(rumble, 8000.0, **band), local(chirp(), 8000.0, **band)
    # along the chirp, from 600 to 1350 Hz; in the noise beside it short windows show the rumble
    for t in np.linspace(0.1, 0.35, 26):
        where = np.array([300 + 3000 * t]), np.array([8000 * t])
        ratio = held.length_map.at(*where) / plain.length_map.at(*where)
        assert abs(np.log2(float(ratio[0, 0]))) < 0.6, t
    assert np.isfinite(held.lengths).all()


def test_any_sample_rate_and_any_duration():
    counts = (20, 600), (384000, 30000), (44100, 2205), (8000, 3), (8000, 2), (1000, 400)
    for (rate, count), mode in itertools.product(counts, ("constant", "time-frequency")):
        result = local(noise(count), rate, window_mode=mode)
        assert np.isfinite(result.window_length).all()
        assert result.window_length.max() <= result.n_fft


def test_positions_are_learned_by_the_plane_and_said_so():
    for mode in ("fixed", "constant", "time", "time-frequency"):
        for hop_mode in HOP_MODES[1:]:
            values = {"window_mode": mode, "hop_mode": hop_mode, "max_steps": 3}
            result = local(chirp(1600), 8000.0, **values)
            assert "positions_by_plane" in kinds(result), values
            assert (np.diff(result.frame_centers) > 0).all()
            assert result.hop_bounds is not None
            high = [note.value for note in result.notes if note.kind == "hop_on_upper_bound"]
            assert high in ([], [result.hop_bounds[1]]), values  # of the learned hops alone
            gaps = np.diff(result.frame_centers).max(initial=0)
            assert gaps <= 0.5 * result.window_length.max(0).min() * (1 + 1e-6)


def test_the_same_in_double_precision_and_on_two_channels():
    x = chirp()
    one = local(x, 8000.0, window_mode="constant")
    double = local(x, 8000.0, window_mode="constant", dtype="float64")
    both = local(np.stack([x, x]), 8000.0, window_mode="constant", threads=2)
    for other in (double, both):
        np.testing.assert_allclose(other.lengths, one.lengths, rtol=1e-3)


def test_chunks_leave_no_seams(monkeypatch):
    assert tiles.CHUNK % local_search.PATH_TILES == 0  # paths begin anew at the same tiles
    for mode in WINDOW_MODES[1:]:
        whole = local(chirp(20000), 8000.0, max_steps=0, window_mode=mode)
        with monkeypatch.context() as patch:
            patch.setattr(tiles, "CHUNK", local_search.PATH_TILES)
            parts = local(chirp(20000), 8000.0, max_steps=0, window_mode=mode)
        np.testing.assert_allclose(parts.lengths, whole.lengths, rtol=1e-3, err_msg=mode)


LOGS = np.log(log_lengths(16, 512))


def test_rows_add_up_over_chunks():
    generator = torch.Generator().manual_seed(0)
    cost, weight = torch.randn(3, 2, 8, generator=generator), torch.rand(2, 8, generator=generator)
    whole, parts = (local_search.Rows(frames=8) for _ in range(2))
    whole.add(local_search.Costs(cost, weight))
    for part in (slice(0, 5), slice(5, 8)):
        parts.add(local_search.Costs(cost[..., part], weight[..., part]))
    least = float((cost * weight).sum(1).amin(0).sum() / weight.sum())
    for rows in (whole, parts):
        assert rows.least_over_time == pytest.approx(least)
        for mode in ("time", "frequency", "constant"):
            for found, right in zip(rows.table(mode), whole.table(mode), strict=True):
                np.testing.assert_allclose(found, right, rtol=1e-6)


def test_path_is_the_best_of_all_assignments():
    for seed, price in itertools.product(range(5), (0.0, 0.003, 0.05, 1.0)):
        costs = np.random.default_rng(seed).uniform(0, 0.1, (5, 4))
        logs = np.log([16.0, 23, 32, 45])
        best = min(
            costs[range(5), list(m)].sum() + price * np.abs(np.diff(logs[list(m)])).sum()
            for m in itertools.product(range(4), repeat=5)
        )
        found = exact_path(costs, logs, price)
        assert np.isclose(found.value, best, rtol=1e-12, atol=0), (seed, price)
        attained = costs[range(5), found.index].sum()
        assert np.isclose(found.cost, attained)


def test_splines_pass_through_the_table_and_their_slope_is_the_gradient():
    rng, step = np.random.default_rng(0), 1e-6
    for shape in ((3,), (4, 5)):  # rows; tiles
        best, depth = rng.uniform(LOGS[0], LOGS[-1], shape), rng.uniform(0.1, 0.3, shape)
        table = torch.from_numpy(np.stack([depth * (z - best) ** 2 for z in LOGS]))
        costs = spline_costs(table, LOGS)
        for z, expected in zip(LOGS, table, strict=True):
            values, _ = costs(torch.full(shape, z, dtype=torch.float64))
            torch.testing.assert_close(values, expected, rtol=0, atol=1e-12)
        z = torch.from_numpy(rng.uniform(LOGS[0] + 0.1, LOGS[-1] - 0.1, shape))
        quotient = (costs(z + step)[0] - costs(z - step)[0]) / (2 * step)
        torch.testing.assert_close(costs(z)[1], quotient, rtol=1e-5, atol=1e-9)


def test_long_windows_at_a_high_rate_have_no_thousands_of_bands():
    tiling = Tiling(384000.0, log_lengths(38400.0, 384000.0))
    assert len(tiling.centers) < 300
    apart = np.diff(tiling.centers)
    assert apart[1] < 30, "low ones stay narrow"
    assert (apart[1:-1] < 0.05 * tiling.centers[1:-2] + 30).all()


def test_the_shortest_clips_end_no_worse_than_over_frequency():
    for count in (2, 3, 5, 8, 16, 31):
        x = noise(count, 3)
        rows = local(x, 8000.0, window_mode="frequency").criterion.final
        assert local(x, 8000.0).criterion.final <= rows + 1e-12, count


def test_bands_add_up_to_one_and_narrow_towards_low_frequencies():
    for rate, low, high in ((44100.0, 128, 8192), (20.0, 16, 512), (8000.0, 2, 4)):
        tiling = Tiling(rate, log_lengths(low, high))
        frequencies = np.linspace(0, rate / 2, 500)
        np.testing.assert_allclose(tiling.triangles(frequencies).sum(0), 1)
        assert tiling.centers[0] == 0
        assert np.isclose(tiling.centers[-1], rate / 2)
        assert (np.diff(tiling.centers) > 0).all()
        assert tiling.allowed.any(0).all()
        whole = tiling.bin_weights(512).sum()
        assert np.isclose(whole, 1), "cells cover the plane once"


def test_lengths_of_bands_do_not_wander_in_noise():
    def octaves(seed, **values):
        lengths = local(noise(16000, seed), window_mode="frequency", **values).lengths
        return np.abs(np.diff(np.log2(lengths[:, 0]))).sum()

    for seed in (1, 2, 3):
        assert octaves(seed) < 0.5 * octaves(seed, smoothness=0.0)
