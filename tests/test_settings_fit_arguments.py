"""Settings reach the functions that compute, each under its own name."""

import inspect

import pytest

from dstft_cli.fit import optimize
from dstft_cli.settings import OPTIONS, Length, SweepSettings, fit_arguments

OF_THE_RUN = {"samples", "sample_rate", "peak", "threads", "progress", "report"}


@pytest.mark.parametrize(
    ("function", "options", "own"),
    [(optimize, OPTIONS, set())],
)
def test_settings_are_parameters_and_all_parameters_are_settings(function, options, own):
    found = set(fit_arguments(SweepSettings(), options, 8000))
    known = set(inspect.signature(function).parameters)
    assert found - known <= {"criterion"}  # of which a sweep has several
    assert known - found <= OF_THE_RUN | own


def test_lengths_are_in_samples_and_auto_is_none():
    settings = SweepSettings(hop_length=Length(10, "ms"), win_length_max=Length(512.5))
    found = fit_arguments(settings, OPTIONS, 8000)
    assert (found["hop_length"], found["win_length_max"]) == (80, 512.5)
    assert (found["n_fft"], found["win_length"], found["power"]) == (None, None, 2)
