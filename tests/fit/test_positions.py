"""Learned hops and frame centres: constraints, guarantees, known answers and odd cases."""

import numpy as np
from fuzz.fits import check_constraints

from fit.cases import each, optimize

RATE = 1000


def signals() -> dict[str, np.ndarray]:
    n, noise = np.arange(4000), np.random.default_rng(1).standard_normal(4000)
    return {
        "tone in noise": np.sin(0.3 * n) + 0.3 * np.random.default_rng(0).standard_normal(4000),
        "noise": noise,
        "chirp": np.sin(0.1 * n + 1e-4 * n**2) + 0.05 * noise,
        "bursts": np.sin(0.3 * n) * (np.sin(0.01 * n) > 0) + 0.01 * noise,
    }


@each("name", list(signals()))
def test_denser_frames_must_pay(name):
    """A hop below the start's is taken for a gain of 0.002 nats or more, not for less."""
    options = {"n_fft": 256, "hop_length": 32, "win_length": 128}
    options |= {"hop_length_min": 2, "hop_length_max": 64, "window_mode": "fixed"}
    result = optimize(signals()[name], RATE, hop_mode="constant", **options)
    check_constraints(result, 0.5, "constant")
    hop = float(result.hop_lengths.mean())
    gain = result.criterion.start - result.criterion.final
    assert hop > 0.9 * 32 or gain >= 0.002
    searched = np.array(result.trajectory.phase) == "search"
    assert result.criterion.final <= result.trajectory.criterion[searched].min() + 0.0021
