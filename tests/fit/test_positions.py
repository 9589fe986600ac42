"""Learned hops and frame centres: constraints, guarantees, known answers and odd cases."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli import istft
from dstft_cli.criteria import resolve
from dstft_cli.errors import InputError
from dstft_cli.records import Result
from dstft_cli.stft import stft
from fit.cases import MODES, PEER, WINDOW_MODES, each, kinds, optimize, two_tones


def random_signal(rng: np.random.Generator, length: int) -> np.ndarray:
    """Noise, a tone from somewhere on, clicks, and silence at one end or in the middle."""
    n = np.arange(length)
    x = rng.choice([0.0, 0.01, 1.0]) * rng.standard_normal(length)
    x += np.cos(rng.uniform(0.05, 3) * n) * (n > rng.integers(0, length)) * rng.integers(0, 2)
    x[rng.integers(0, length, 3)] += rng.uniform(0, 8) * rng.integers(0, 2)
    a, b = np.sort(rng.integers(0, length, 2))
    x[a:b] *= rng.integers(0, 2)
    if not x.any():
        x[length // 3] = 1.0
    return x


def entropy_of(result: Result, x: np.ndarray, power: float, normalization: str) -> float:
    """By the definition, from the parameters alone."""
    t = result.frame_centers
    X = stft(
        torch.from_numpy(x),
        torch.from_numpy(t),
        torch.from_numpy(np.ascontiguousarray(result.window_length)),
        result.n_fft,
        normalization=normalization,
    )
    a = X.abs().numpy() ** power
    shares = np.gradient(t) if len(t) > 1 else np.ones(1)
    if result.hop_bounds is not None:  # what is nearest to each frame, of the whole signal
        shares = np.diff((t[:-1] + t[1:]) / 2, prepend=0.0, append=max(len(x) - 1.0, 1.0))
    shares = shares / shares.mean()
    p = a / (a * shares).sum()
    return float(-(shares * p * np.log(np.where(p > 0, p, 1.0))).sum())


def default_smoothness(window_mode: str, smoothness: float | None) -> float:
    usual = 0.5 if "frequency" in window_mode else 0.1
    return usual if smoothness is None else smoothness


def penalty_of(result: Result, smoothness: float) -> float:
    """Of every cell by itself: what a patch pays is this at least."""
    z = np.log(result.window_length)
    F, T = z.shape
    along_time = smoothness * result.n_fft / result.length * np.abs(np.diff(z, axis=1)).sum() / F
    along_frequency = smoothness / result.frequencies.size * np.abs(np.diff(z, axis=0)).sum() / T
    return float(along_time + along_frequency)


def check_constraints(result: Result, overlap: float, hop_mode: str) -> None:
    t, N = result.frame_centers, result.length
    low, high = result.length_bounds
    lengths, tiny = result.window_length, 1e-9 * N
    assert np.isfinite(t).all()
    assert np.isfinite(lengths).all()
    assert (np.diff(t) > 0).all()
    assert t[0] >= 0
    assert t[-1] <= N
    assert (lengths >= low * (1 - 1e-12)).all()
    assert (lengths <= high * (1 + 1e-12)).all()
    assert lengths.shape in [(1, 1), (1, len(t)), (len(result.frequencies), 1)] or (
        lengths.shape == (len(result.frequencies), len(t))
    )
    shortest = np.broadcast_to(lengths.min(0), len(t))
    assert (np.diff(t) <= overlap * (shortest[1:] + shortest[:-1]) / 2 + tiny).all()
    if hop_mode != "fixed":
        assert t[0] <= overlap * shortest[0] / 2 + tiny
        assert N - 1 - t[-1] <= overlap * shortest[-1] / 2 + tiny
        least, most = result.hop_bounds
        assert (np.diff(t) >= least - tiny).all()
        assert (np.diff(t) <= most + tiny).all()
    if hop_mode == "constant":
        assert np.ptp(np.diff(t)) <= tiny if len(t) > 1 else True


@settings(max_examples=120, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    length=st.integers(40, 500),
    n_fft=st.sampled_from([31, 32, 48, 63, 64]),
    modes=st.sampled_from(MODES),
    overlap=st.floats(0.3, 1.0),
    hop_share=st.floats(0.15, 0.9),
    smoothness=st.sampled_from([0.0, None]),
    power=st.sampled_from([1.0, 2.0]),
    search=st.sampled_from([True, True, False]),
    optimizer=st.sampled_from(["auto", "auto", "lbfgs", "adam", "sgd"]),
)
def test_what_holds_for_every_signal(
    seed, length, n_fft, modes, overlap, hop_share, smoothness, power, search, optimizer
):
    window_mode, hop_mode = modes
    rng = np.random.default_rng(seed)
    x = random_signal(rng, length)
    result = optimize(
        x,
        100,
        n_fft=n_fft,
        hop_length=hop_share * overlap * n_fft,
        win_length=n_fft if window_mode == "fixed" else None,
        overlap=overlap,
        window_mode=window_mode,
        hop_mode=hop_mode,
        smoothness=smoothness,
        power=power,
        search=search,
        optimizer=optimizer,
        max_steps=6,
        threads=1,
    )
    check_constraints(result, overlap, hop_mode)
    summary = result.criterion
    assert np.isfinite(result.trajectory.criterion).all()
    final = entropy_of(result, x, power, "energy")
    assert summary.final == pytest.approx(final, rel=1e-4, abs=1e-4)
    mu = default_smoothness(window_mode, smoothness)
    total = summary.final + penalty_of(result, mu)
    assert total <= min(summary.start, summary.best_fixed) + 3e-5 * max(1.0, abs(summary.final))
    told = "lost_tail" in kinds(result)
    assert hop_mode == "fixed" or not told
    if overlap <= 0.9 and "frequency" not in window_mode and not told:
        check_inverse(result, x)


def check_inverse(result: Result, x: np.ndarray) -> None:
    centers = torch.from_numpy(result.frame_centers)
    lengths = torch.from_numpy(np.ascontiguousarray(result.window_length))
    X = stft(torch.from_numpy(x.astype(np.float32)), centers, lengths.float(), result.n_fft)
    back = istft(X, centers, lengths.float(), result.n_fft, len(x)).numpy()
    assert np.linalg.norm(back - x) <= 1e-5 * np.linalg.norm(x)


RATE = 1000
TONES = [(1484, 50), (1153, 228), (635, 65), (361, 171), (1796, 30), (1207, 144)]  # samples, Hz
TRANSITIONS = np.cumsum([samples for samples, _ in TONES])[:-1]


def six_tones(seed: int = 0) -> np.ndarray:
    """Six tones in a row, in noise."""
    parts = [np.sin(2 * np.pi * f * np.arange(n) / RATE) for n, f in TONES]
    x = np.concatenate(parts)
    return x + 0.2 * np.random.default_rng(seed).standard_normal(len(x))


def energy_across(centers: np.ndarray, length: float) -> float:
    """Of Hann windows beyond the transitions: per frame and transition the smaller part, summed."""
    total = 0.0
    for center in centers:
        n = np.arange(np.floor(center - length / 2), np.ceil(center + length / 2) + 1)
        u = (n - center) / length
        energy = np.where(np.abs(u) <= 0.5, (0.5 + 0.5 * np.cos(2 * np.pi * u)) ** 2, 0.0)
        energy /= energy.sum()
        total += sum(min(energy[n < at].sum(), energy[n >= at].sum()) for at in TRANSITIONS)
    return total


@each(
    ("hop", "options", "before"),
    [
        (500, {}, 0.73),
        (250, {}, 1.30),
        (250, {"hop_length_min": 62.5, "hop_length_max": 577}, 1.30),
    ],
)
def test_frames_move_away_from_the_transitions(hop, options, before):
    x = six_tones()
    result = optimize(
        x,
        RATE,
        n_fft=1500,
        hop_length=hop,
        win_length=577,
        overlap=1,
        window_mode="fixed",
        hop_mode="time",
        **options,
    )
    check_constraints(result, 1, "time")
    assert result.window_length.tolist() == [[577]]
    uniform = energy_across(np.arange(0, len(x) + 1, hop), 577)
    assert uniform == pytest.approx(before, abs=0.01)
    assert energy_across(result.frame_centers, 577) <= uniform / 10
    assert result.criterion.final <= result.criterion.start - 0.2


def steady(seed: int = 0) -> np.ndarray:
    n = np.arange(4000)
    return np.sin(0.3 * n) + 0.3 * np.random.default_rng(seed).standard_normal(4000)


def searched_hops(result: Result) -> tuple[np.ndarray, np.ndarray]:
    """Hops of the search and their values."""
    steps = [i for i, phase in enumerate(result.trajectory.phase) if phase == "search"]
    hops = np.array([float(result.trajectory.hop_lengths[i].mean()) for i in steps])
    return hops, result.trajectory.criterion[steps]


def test_values_at_different_hops_compare():
    """All are given for frames as dense as the final ones: dense frames alone gain nothing."""
    result = optimize(
        steady(),
        RATE,
        n_fft=256,
        hop_length=16,
        win_length=128,
        hop_length_min=2,
        hop_length_max=40,
        window_mode="fixed",
        hop_mode="constant",
    )
    hops, values = searched_hops(result)
    assert hops[0] == pytest.approx(2, rel=1e-6)
    assert hops[-1] == pytest.approx(40, rel=1e-6)
    assert len(hops) > 20
    assert np.ptp(values) < 0.002
    assert result.criterion.start == pytest.approx(values.mean(), abs=0.002)


def test_frames_answer_for_the_whole_signal():
    """Noise is the same everywhere: dense frames that leave its ends gain nothing."""
    noise = np.random.default_rng(6).standard_normal(4000)
    options = {"n_fft": 256, "hop_length": 16, "win_length": 128, "window_mode": "fixed"}
    result = optimize(noise, RATE, **options, hop_mode="time")
    assert result.criterion.start - result.criterion.final < 0.03


def signals() -> dict[str, np.ndarray]:
    n, noise = np.arange(4000), np.random.default_rng(1).standard_normal(4000)
    return {
        "tone in noise": steady(),
        "noise": noise,
        "chirp": np.sin(0.1 * n + 1e-4 * n**2) + 0.05 * noise,
        "bursts": np.sin(0.3 * n) * (np.sin(0.01 * n) > 0) + 0.01 * noise,
    }


@each("name", list(signals()))
def test_denser_frames_must_pay(name):
    """A hop below the start's is taken for a gain of 0.002 nats or more, not for less."""
    result = optimize(
        signals()[name],
        RATE,
        n_fft=256,
        hop_length=32,
        win_length=128,
        hop_length_min=2,
        hop_length_max=64,
        window_mode="fixed",
        hop_mode="constant",
    )
    check_constraints(result, 0.5, "constant")
    hop = float(result.hop_lengths.mean())
    gain = result.criterion.start - result.criterion.final
    assert hop > 0.9 * 32 or gain >= 0.002
    _, values = searched_hops(result)
    assert result.criterion.final <= values.min() + 0.0021


@each("hop_mode", ["constant", "time"])
@each("window_mode", WINDOW_MODES)
def test_learned_hops_stay_in_their_range(window_mode, hop_mode):
    options = {"n_fft": 128, "win_length": 128, "window_mode": window_mode, "hop_mode": hop_mode}
    x = signals()["bursts"][:1200]
    for low, high in ((24.0, 31.5), (28.0, 28.0), (28.0, 30.0), (20.0, 28.0)):
        result = optimize(
            x,
            RATE,
            **options,
            hop_length=28,
            hop_length_min=low,
            hop_length_max=high,
            max_steps=10,
        )
        assert result.hop_bounds == (low, high)
        check_constraints(result, 0.5, hop_mode)


def test_two_tones_reach_the_known_optimum_per_cell():
    result = optimize(
        two_tones().astype(np.float32),
        1024,
        **PEER,
        window_mode="time-frequency",
    )
    assert result.window_length.shape == (257, 161)
    assert result.criterion.final <= 6.10
    assert result.criterion.table_bound <= result.criterion.final
    assert result.criterion.table_bound == pytest.approx(result.criterion.final, abs=0.05)


@each("name", list(signals()))
def test_a_length_per_cell_is_no_worse_than_one_per_frame_or_bin(name):
    """Every length per frame or per bin is one per cell too; these are searched alike."""
    x = signals()[name][:1500]
    options = {"n_fft": 128, "hop_length": 16, "smoothness": 0, "max_steps": 0, "dtype": "float64"}
    per_cell, per_frame, per_bin = (
        optimize(x, RATE, window_mode=mode, **options).criterion
        for mode in ("time-frequency", "time", "frequency")
    )
    assert per_cell.final <= min(per_frame.final, per_bin.final) + 1e-6
    assert per_cell.table_bound <= min(per_frame.table_bound, per_bin.table_bound) + 1e-6


NOISE = np.random.default_rng(2).standard_normal(600)
ODD = {  # signal and options
    "odd n_fft": (NOISE[:300], {"n_fft": 31, "hop_length": 5}),
    "tiny n_fft": (NOISE[:80], {"n_fft": 5, "hop_length": 1}),
    "hop as long as the signal": (NOISE[:32], {"n_fft": 128, "hop_length": 32}),
    "hop longer than the signal": (NOISE[:20], {"n_fft": 128, "hop_length": 30}),
    "signal shorter than n_fft": (NOISE[:100], {"n_fft": 256, "hop_length": 32}),
    "a single frame": (NOISE[:30], {"n_fft": 128, "hop_length": 32}),
    "windows at both bounds": (NOISE[:300], {"n_fft": 64, "hop_length": 16, "win_length_min": 64}),
    "hop at the overlap": (NOISE[:300], {"n_fft": 64, "hop_length": 32, "win_length": 64}),
    "one hop": (
        NOISE[:320],
        {"n_fft": 64, "hop_length": 16, "hop_length_min": 16, "hop_length_max": 16},
    ),
    "a long tail": (NOISE[:599], {"n_fft": 256, "hop_length": 100, "win_length": 256}),
    "a click at the start": (np.eye(1, 300, 0)[0], {"n_fft": 64, "hop_length": 16}),
    "a click at the end": (np.eye(1, 300, 299)[0], {"n_fft": 64, "hop_length": 16}),
    "a click": (np.eye(1, 300, 100)[0], {"n_fft": 64}),
    "two samples": (np.array([1.0, -0.5]), {"n_fft": 4}),
    "two samples, n_fft auto": (np.array([1.0, -0.5]), {}),
    "three samples": (np.array([1.0, -0.5, 0.2]), {"n_fft": 4, "hop_length": 1}),
}


@each("search", [True, False])
@each("name", list(ODD))
def test_odd_cases_work_in_every_mode(name, search):
    x, options = ODD[name]
    for window_mode, hop_mode in MODES:
        given = dict(options)
        if window_mode == "fixed":
            given.pop("win_length_min", None)
            given = {"win_length": given.get("n_fft"), **given}
        result = optimize(
            x,
            100,
            window_mode=window_mode,
            hop_mode=hop_mode,
            search=search,
            max_steps=5,
            threads=1,
            **given,
        )
        check_constraints(result, 0.5, hop_mode)
        summary = result.criterion
        assert np.isfinite([summary.start, summary.best_fixed, summary.final]).all()
        assert summary.final <= min(summary.start, summary.best_fixed) + 3e-5
        assert summary.final == pytest.approx(entropy_of(result, x, 2.0, "energy"), abs=1e-4)


@each(("window_mode", "hop_mode"), MODES)
def test_no_window_or_no_sound_is_refused_in_every_mode(window_mode, hop_mode):
    modes = {"window_mode": window_mode, "hop_mode": hop_mode}
    with pytest.raises(
        InputError, match=r"^signal of 1 sample: at least 2 are needed for a window$"
    ):
        optimize(np.ones(1), 100, **modes)
    with pytest.raises(InputError, match=r"^every sample is zero: silence has no best window$"):
        optimize(np.zeros(300), 100, **modes)


@each("criterion", ["renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp"])
@each("hop_mode", ["constant", "time"])
def test_other_criteria_learn_positions(criterion, hop_mode):
    """Each gains, and none by crowding frames or leaving the signal's ends."""
    x = signals()["bursts"][:1500]
    sign = 1 if resolve(criterion).direction == "minimize" else -1
    for window_mode in ("constant", "time"):
        result = optimize(
            x,
            RATE,
            n_fft=128,
            hop_length=16,
            criterion=criterion,
            window_mode=window_mode,
            hop_mode=hop_mode,
            max_steps=15,
        )
        check_constraints(result, 0.5, hop_mode)
        assert sign * result.criterion.final <= sign * result.criterion.best_fixed + 1e-6
        assert sign * result.criterion.final < sign * result.criterion.start
