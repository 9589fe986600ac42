"""`sweep` and `fit` with the values that a person leaves open."""

from dataclasses import fields
from typing import Any

from dstft_cli.fit import Request, fit
from dstft_cli.fit.sweep import sweep as sweep_request
from dstft_cli.records import Result, Sweep

GIVEN = {"window": "hann", "normalization": "energy", "power": 2.0, "overlap": 0.5, "search": True}
GIVEN |= {
    "window_mode": "constant",
    "hop_mode": "fixed",
    "criterion": "entropy",
    "optimizer": "auto",
}
GIVEN |= {"max_steps": 200, "tolerance": 1e-6, "device": "cpu", "dtype": "float32"}


def request(sample_rate: float, **values: Any) -> Request:
    """A request with None where nothing is given."""
    open_values = {field.name: GIVEN.get(field.name) for field in fields(Request)}
    return Request(**{**open_values, "sample_rate": sample_rate, **values})


def sweep(samples: Any, sample_rate: float, **values: Any) -> Sweep:
    """A sweep of the entropy, or of `criteria`."""
    names = ("criteria", "peak", "progress", "most_points")
    options = {name: values.pop(name) for name in names if name in values}
    criteria = options.pop("criteria", ("entropy",))
    return sweep_request(samples, request(sample_rate, **values), criteria=criteria, **options)


def learn(samples: Any, sample_rate: float, **values: Any) -> Result:
    """A fit of one length for all frames, unless another is asked for."""
    return fit(samples, request(sample_rate, **values))
