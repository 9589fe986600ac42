"""Requests and plans: defaults, what comes back exactly, and what is refused."""

import numpy as np
import pytest
import torch

from dstft_cli.errors import InputError, UsageError
from dstft_cli.fit.plan import make_plan
from dstft_cli.fit.problem import Problem
from fit.cases import each, optimize, request

NOISE = np.random.default_rng(4).standard_normal(3000)


def plan(n_fft: int = 512, length: int = 0, **options):
    return make_plan(request(**options), n_fft, length)


@each(
    ("options", "bounds", "names"),
    [
        ({}, (64, 512), "hop_length n_fft"),
        ({"hop_length": 16.0}, (32, 512), "hop_length n_fft"),
        ({"hop_length": 4.0}, (16, 512), "win_length_min n_fft"),
        ({"hop_length": 32.0, "overlap": 1.0}, (32, 512), "hop_length n_fft"),
        (
            {"win_length_min": 200.5, "win_length_max": 500.0},
            (200.5, 500),
            "win_length_min win_length_max",
        ),
        ({"win_length_max": 512.0}, (64, 512), "hop_length n_fft"),
        ({"hop_mode": "constant"}, (128, 512), "hop_length_max n_fft"),
        ({"n_fft": 32, "hop_length": 0.5}, (2, 32), "hop_length n_fft"),
    ],
)
def test_bounds_and_what_moves_them(options, bounds, names):
    found = plan(**{"length": 3200, **options}).bounds
    assert (found.low, found.high) == bounds
    assert f"{found.low_option} {found.high_option}" == names


def test_defaults():
    found = plan()
    assert (found.n_fft, found.hop_length, found.start) == (512, 32, 256)
    for length in (100.12345, 64.0, 512.0):
        assert plan(win_length=length).start == length
    assert plan(win_length_max=100.0).start == pytest.approx(np.sqrt(64 * 100))
    assert plan(hop_mode="constant", hop_length_max=16.0).hop_length == 16
    assert plan(hop_mode="constant", hop_length_min=40.0).hop_length == 40
    fixed = plan(window_mode="fixed", win_length=3.5, hop_length=300.0)
    assert (fixed.start, fixed.hop_length, fixed.bounds.low) == (3.5, 300, 3.5)
    assert fixed.tabulated_lengths().tolist() == [3.5]


def test_tabulated_lengths():
    lengths = plan().tabulated_lengths()
    assert (len(lengths), lengths[0], lengths[-1]) == (16, 64, 512)
    np.testing.assert_allclose(np.diff(np.log2(lengths)), 1 / 5)
    assert len(plan().tabulated_lengths(20)) == 61
    assert len(plan(hop_length=0.5, win_length_min=2.0).tabulated_lengths()) == 32  # of 8 octaves


def test_what_is_resolved():
    found = optimize(NOISE, 1000, n_fft=128, window_mode="time", hop_mode="constant", max_steps=0)
    lengths = {"n_fft": 128, "win_length": 64, "win_length_min": 32, "win_length_max": 128}
    hops = {"hop_length": 8, "hop_length_min": 4, "hop_length_max": 16}
    rest = {"smoothness": 0.1, "device": "cpu", "threads": 1}
    assert found.resolved | {"threads": 1} == lengths | hops | rest
    assert Problem.of(NOISE, request(window_mode="frequency"), None, None).smoothness == 0.5


NAN = float("nan")
REFUSED = [  # options, and what the message names
    ({"window_mode": "frame"}, "time-frequency"),
    ({"hop_mode": "bent"}, "constant"),
    ({"optimizer": "newton"}, "lbfgs"),
    ({"dtype": "float16"}, "float64"),
    ({"smoothness": -0.5}, "-0.5"),
    ({"smoothness": NAN}, "nan"),
    ({"overlap": 0.0}, "overlap 0"),
    ({"overlap": 1.5}, "1.5"),
    ({"power": 0.0}, "power 0"),
    ({"device": "tpu"}, "tpu"),
    ({"device": "cuda:99"}, "`device`"),
    ({"device": "mps", "dtype": "float64"}, "`dtype`"),
    ({"hop_length": 0}, "hop length 0"),
    ({"hop_length": NAN}, "nan"),
    ({"threads": -1}, "threads -1"),
    ({"optimizer": "adam", "lr": -1}, "lr -1"),
    ({"n_fft": 127.5}, "127.5"),
    ({"n_fft": 1}, "at least 4"),
    ({"n_fft": 1 << 21}, "`n_fft`"),
    ({"n_fft": None, "win_length_max": 64e6}, "`win_length_max`"),
    ({"max_steps": -1}, "max steps -1"),
    ({"tolerance": NAN}, "nan"),
    ({"window": "square"}, "square"),
    ({"normalization": "rms"}, "rms"),
    ({"window_mode": "frequency", "criterion": "kurtosis"}, "`criterion`"),
    ({"hop_mode": "time", "criterion": "gini"}, "`hop_mode`"),
    ({"win_length": 200}, "`win_length`"),
    ({"win_length": 1.0}, "`win_length`"),
    ({"win_length": 10.0}, "`hop_length`"),
    ({"win_length": 50.0, "win_length_min": 70.0}, "`win_length_min`"),
    ({"win_length": 100.0, "win_length_max": 90.0}, "`win_length_max`"),
    ({"win_length_min": 100.0, "win_length_max": 90.0}, "`win_length_max`"),
    ({"win_length_max": 600.0}, "`n_fft`"),
    ({"win_length_max": 0.025}, "`win_length_max`"),
    ({"hop_length": 0.01}, "`hop_length`"),
    ({"win_length_min": 1.5, "hop_length": 0.5}, "`win_length_min`"),
    ({"win_length_min": 30.0, "hop_length": 16}, "`overlap`"),
    ({"hop_length": 100.0}, "`overlap`"),
    ({"hop_length": 1e-6}, "`hop_length`"),
    ({"hop_mode": "time", "hop_length": 70.0}, "`win_length`"),
    ({"hop_mode": "constant", "hop_length": 8.0, "hop_length_min": 9.0}, "`hop_length_min`"),
    ({"hop_mode": "time", "hop_length": 8.0, "hop_length_max": 7.0}, "`hop_length_max`"),
    ({"hop_mode": "constant", "hop_length_max": 66.0}, "`hop_length_max`"),
    ({"hop_mode": "time", "hop_length_min": 0.0}, "hop length min 0"),
]


@each(("options", "named"), REFUSED)
def test_what_is_refused_names_the_parameter(options, named):
    with pytest.raises(UsageError) as caught:
        optimize(NOISE, 1000, **{"n_fft": 128, **options})
    text = str(caught.value)
    assert named in text
    assert "\n" not in text
    assert "--" not in text
    assert len(text.split()) <= 40


@each(
    ("x", "error", "named"),
    [
        (np.zeros(0), InputError, "at least 2"),
        (np.ones(1), InputError, "at least 2"),
        (np.zeros(500), InputError, "zero"),
        (np.array([1.0, 2.0, np.nan, 3.0]), InputError, "sample 2"),
        (np.array([[1.0, 2.0], [3.0, -np.inf]]), InputError, "sample 1"),
        (NOISE + 1j, UsageError, "complex128"),
        (torch.ones(300, dtype=torch.complex64), UsageError, "complex64"),
        (NOISE.reshape(1, 1, -1), UsageError, "(1, 1, 3000)"),
        (NOISE.reshape(-1, 2), UsageError, "transpose"),
    ],
)
def test_what_is_no_signal_or_holds_nothing(x, error, named):
    for modes in ({}, {"window_mode": "time-frequency", "hop_mode": "time"}):
        with pytest.raises(error) as caught:
            optimize(x, 1000, n_fft=128, **modes)
        assert named in str(caught.value)
