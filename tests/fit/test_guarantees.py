"""What the fit guarantees for every signal: no worse than what was tried, no better than the bound."""

import numpy as np

from dstft_cli.records import WINDOW_MODES
from fit.cases import PEER, each, optimize, two_tones


def random_signal(seed: int) -> np.ndarray:
    """Tones, clicks and noise by chance, [1, 400]."""
    rng = np.random.default_rng(seed)
    n = np.arange(400)
    x = rng.uniform(0, 0.5) * rng.standard_normal(400)
    x += np.cos(rng.uniform(0.05, 3) * n) * (n > rng.integers(0, 400))
    x[rng.integers(0, 400, 3)] += rng.uniform(0, 8)
    x[: rng.integers(0, 100)] = 0.0
    return x[None]


@each("options", [{"criterion": "gini"}, {"window_mode": "constant"}])
def test_no_bound_where_none_is_proved(options):
    result = optimize(two_tones(), 1024, **{**PEER, "window_mode": "time", **options})
    assert result.criterion.table_bound is None


@each("search", [False, True])
@each("smoothness", [0.1, 5.0])
def test_the_descent_pays_for_changes_too(search, smoothness):
    """Value and penalty together never rise from stage to stage."""
    n_fft = 256
    x = np.sin(np.cumsum(1 + 0.6 * np.sin(2 * np.pi * np.arange(3000) / 700)))  # a swinging tone
    totals = []
    for max_steps in (0, 30):
        how = {"smoothness": smoothness, "search": search, "max_steps": max_steps}
        result = optimize(x, 1024, n_fft=n_fft, window_mode="time", win_length=100, **how)
        variation = np.abs(np.diff(np.log(result.window_length[0]))).sum()
        totals.append(result.criterion.final + smoothness * n_fft / len(x) * variation)
    assert totals[1] <= totals[0] + 1e-6
    if smoothness == 0.1 and not search:
        assert totals[1] < totals[0]


def snare(seed: int) -> np.ndarray:
    """A drum's stroke: noise and two low tones that die away, [1200]."""
    n = np.arange(1200)
    u = np.clip(n - 400, 0, None)
    noise = np.exp(-u / 250) * np.random.default_rng(seed).standard_normal(len(n))
    return (n >= 400) * (noise + 0.9 * np.exp(-u / 350) * np.sin(2 * np.pi * 0.05 * u))


@each(
    ("hop_length", "criterion", "smoothness"),
    [(8, "entropy", None), (8, "renyi", 0.3), (32, "entropy", 0.0), (64, "gini", None)],
)
def test_time_frequency_is_no_worse_than_the_simpler_modes(hop_length, criterion, smoothness):
    """Patches of the plane are coarser than frames: their answer must not be worse for that."""
    more = {"n_fft": 256, "hop_length": hop_length}
    more |= {"criterion": criterion, "smoothness": smoothness}
    ends = {mode: optimize(snare(1), 8000, window_mode=mode, **more) for mode in WINDOW_MODES[1:]}
    sign = 1 if ends["time"].criterion.direction == "minimize" else -1
    finals = {mode: sign * end.criterion.final for mode, end in ends.items()}
    assert finals["time-frequency"] <= min(finals.values()) + 1e-6 * abs(finals["time"])
    cells = ends["time-frequency"]
    assert cells.window_length.shape == (129, len(cells.frame_centers))
    if criterion != "gini" and smoothness == 0:
        assert sign * cells.criterion.table_bound <= finals["time-frequency"] + 1e-3


@each("scope", ["plane", "local"])
@each(("optimizer", "win_length"), [("auto", 256), ("lbfgs", 16), ("adam", 256), ("sgd", 16)])
def test_a_descent_without_search_is_no_worse_than_one_common_length(scope, optimizer, win_length):
    n = np.arange(900)
    x = np.cos(0.3 * n) * (n < 500) + np.cos(1.1 * n + 0.0003 * n * n) * (n > 400)
    x = x + 0.05 * np.random.default_rng(1).standard_normal(len(n)) + 5 * (n == 250)
    more = {"n_fft": 256, "hop_length": 16, "win_length_min": 16, "overlap": 1.0, "max_steps": 8}
    more |= {"search": False, "optimizer": optimizer, "scope": scope, "win_length": win_length}
    ends = {m: optimize(x, 1000, window_mode=m, **more).criterion for m in WINDOW_MODES[1:]}
    assert ends["constant"].final <= ends["constant"].start
    for end in ends.values():
        assert end.final <= ends["constant"].final + 1e-6


@each("mode", ["time", "frequency", "time-frequency"])
@each(("criterion", "dtype"), [("entropy", "float32"), ("lp", "float32"), ("entropy", "float64")])
def test_no_searched_value_is_below_the_bound(mode, criterion, dtype):
    """The moments of a table are rounded, the bound allows for it."""
    how = {"criterion": criterion, "dtype": dtype, "smoothness": 0.0, "max_steps": 0}
    for seed in range(3):
        end = optimize(
            random_signal(seed), 400, n_fft=64, hop_length=4, window_mode=mode, **how
        ).criterion
        assert end.table_bound <= end.final
