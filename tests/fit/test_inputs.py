"""What the fit accepts and refuses, what it records, and that it repeats itself exactly."""

import numpy as np
import pytest
import torch

from dstft_cli.errors import InputError, UsageError
from dstft_cli.records import Result, StopReason
from fit.cases import each, optimize

RATE = 1000
OPTIONS = {"n_fft": 128, "window_mode": "time"}


def signal(channels: int | None = None, n: int = 3000) -> np.ndarray:
    """A swinging tone in noise: its best lengths vary and lie within their bounds."""
    shape = (n,) if channels is None else (channels, n)
    noise = np.random.default_rng(4).standard_normal(shape)
    return np.sin(np.cumsum(1 + 0.6 * np.sin(2 * np.pi * np.arange(n) / 700))) + 0.1 * noise


def same(one: Result, other: Result) -> bool:
    np.testing.assert_array_equal(one.window_length, other.window_length)
    np.testing.assert_array_equal(one.trajectory.criterion, other.trajectory.criterion)
    assert one.trajectory.phase == other.trajectory.phase
    return one.criterion == other.criterion


class Slices:
    """A signal that can only be read a slice at a time, and remembers the longest."""

    def __init__(self, data: np.ndarray) -> None:
        self._data = data
        self.shape = data.shape
        self.longest = 0

    def __getitem__(self, index):
        part = self._data[index]
        self.longest = max(self.longest, part.shape[-1])
        return part


@each("channels", [None, 2])
def test_arrays_tensors_and_slices_are_the_same_signal(channels):
    x = signal(channels).astype(np.float32)
    expected = optimize(x, RATE, **OPTIONS)
    assert same(optimize(torch.from_numpy(x), RATE, **OPTIONS), expected)
    assert same(optimize(Slices(np.atleast_2d(x)), RATE, **OPTIONS), expected)
    whole = np.round(3000 * x).astype(np.int16)
    whole.flat[7] = -32768
    frozen = whole.astype(np.float64)
    frozen.setflags(write=False)
    backwards = frozen[..., ::-1].copy()[..., ::-1]
    forms = [whole, frozen, backwards, frozen.astype(">f8"), whole.astype(float).tolist()]
    finals = [optimize(form, RATE, n_fft=128).criterion.final for form in forms]
    assert finals == pytest.approx([finals[0]] * len(finals), rel=1e-9)


def test_a_sample_rate_that_is_no_number():
    from dstft_cli import optimize as public

    with pytest.raises(UsageError, match="8k"):
        public(signal(2), "8k")


def test_a_tensor_with_gradients_and_numbers_beyond_all_sound():
    x = torch.from_numpy(np.random.default_rng(0).standard_normal(4000))
    plain = optimize(x, RATE)
    assert optimize(x.requires_grad_(), RATE).criterion == plain.criterion
    with pytest.raises(InputError, match="1e\\+200"):
        optimize(np.full(4000, 1e200), RATE, dtype="float64")


@each("window_mode", ["constant", "time"])
@each("criterion", ["entropy", "gini"])
def test_trajectory_records_every_step(window_mode, criterion):
    calls = []
    options = {"n_fft": 128, "window_mode": window_mode, "criterion": criterion, "max_steps": 5}
    result = optimize(signal(), RATE, progress=lambda *call: calls.append(call), **options)
    steps = result.trajectory
    assert steps.phase[0] == "start"
    order = [phase for i, phase in enumerate(steps.phase) if phase not in steps.phase[:i]]
    assert order == ["start", "table", *(["search"] if window_mode == "time" else []), "descent"]
    assert steps.phase.count("table") == 16
    assert len(steps) == len(steps.evaluations) == len(steps.window_lengths)
    assert (np.diff(steps.evaluations) >= 0).all()
    assert (np.diff(steps.seconds) >= 0).all()
    assert steps.evaluations[0] == 1
    assert steps.evaluations[-1] <= result.evaluations
    assert np.isfinite(steps.criterion).all()
    assert steps.criterion[0] == result.criterion.start
    tabulated = [lengths.item() for lengths in steps.window_lengths[1:17]]
    np.testing.assert_allclose(tabulated, np.geomspace(16, 128, 16), rtol=1e-6)
    stages = {stage for stage, _, _ in calls}
    assert {"evaluate" if criterion == "entropy" else "rank", "descent"} <= stages
    assert all(0 < done <= total for _, done, total in calls)


@each("win_length", [16.0, 77.123456789, 128.0])
@each("window_mode", ["constant", "time"])
def test_start_comes_back_exactly(win_length, window_mode):
    options = {"n_fft": 128, "window_mode": window_mode, "search": False, "max_steps": 0}
    result = optimize(signal(), RATE, win_length=win_length, **options)
    assert set(result.window_length.ravel().tolist()) == {win_length}
    assert result.start_window_length.tolist() == [[win_length]]
    assert result.criterion.final == result.criterion.start
    assert result.evaluations == 1
    assert result.trajectory.phase == ("start",)


@each(
    ("options", "reason"),
    [
        ({"window_mode": "fixed"}, StopReason.FIXED),
        ({"search": False, "max_steps": 0}, StopReason.FIXED),
        ({"max_steps": 0}, StopReason.SEARCH),
        ({}, StopReason.CONVERGED),
        ({"search": False, "max_steps": 1}, StopReason.STEP_LIMIT),
        ({"search": False, "optimizer": "adam", "max_steps": 3}, StopReason.STEP_LIMIT),
        ({"search": False, "optimizer": "sgd", "max_steps": 3}, StopReason.STEP_LIMIT),
    ],
)
def test_stop_reasons(options, reason):
    result = optimize(signal(), RATE, n_fft=128, **options)
    assert result.stop_reason is reason
    assert np.isfinite(result.criterion.final)


@each("criterion", ["entropy", "kurtosis"])
def test_threads_change_nothing(criterion):
    x = signal(n=9000)
    options = {"n_fft": 256, "hop_length": 4, "window_mode": "time", "max_steps": 3}
    one, two = (optimize(x, RATE, criterion=criterion, threads=n, **options) for n in (1, 2))
    assert one.frames == 2251  # several blocks
    assert same(one, two)
    assert same(optimize(x, RATE, criterion=criterion, threads=2, **options), two)


def test_long_signals_are_read_in_pieces():
    samples = Slices(signal(1, n=200_000).astype(np.float32))
    optimize(samples, RATE, n_fft=512, hop_length=64, max_steps=0, peak=5.0)
    assert samples.longest <= 2048 * 64  # blocks of about half a million samples of frames


def test_what_is_no_array_is_refused():
    for samples in ("a.wav", None):
        with pytest.raises(UsageError, match=type(samples).__name__):
            optimize(samples, 8000)
