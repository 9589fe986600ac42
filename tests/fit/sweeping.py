"""`sweep` with defaults for what is not given."""

from typing import Any

from dstft_cli.fit.sweep import sweep as sweep_request
from dstft_cli.records import Sweep
from fit.cases import request


def sweep(samples: Any, sample_rate: float, **values: Any) -> Sweep:
    """A sweep of the entropy, or of `criteria`."""
    names = ("criteria", "peak", "progress", "most_points")
    options = {name: values.pop(name) for name in names if name in values}
    criteria = options.pop("criteria", ("entropy",))
    return sweep_request(samples, request(sample_rate, **values), criteria=criteria, **options)
