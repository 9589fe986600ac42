"""What the tests of the fit share: requests with defaults, a loop over cases, and signals."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from dstft_cli.fit import Request, fit
from dstft_cli.fit.sweep import sweep as sweep_request
from dstft_cli.records import HOP_MODES, WINDOW_MODES, Result, Sweep

CRITERIA = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")

MODES = [(window_mode, hop_mode) for window_mode in WINDOW_MODES for hop_mode in HOP_MODES]
DEFAULTS: dict[str, Any] = {
    **dict.fromkeys(Request.__dataclass_fields__),
    "window": "hann",
    "normalization": "energy",
    "power": 2.0,
    "window_mode": "constant",
    "hop_mode": "fixed",
    "overlap": 0.5,
    "criterion": "entropy",
    "scope": "plane",
    "optimizer": "auto",
    "search": True,
    "max_steps": 200,
    "tolerance": 1e-6,
    "device": "cpu",
    "dtype": "float32",
}
# the settings of the published comparison
PEER = {"n_fft": 512, "hop_length": 32, "win_length_min": 32, "win_length_max": 512}
PEER |= {"power": 1, "normalization": "none", "overlap": 1, "smoothness": 0}


def request(sample_rate: float = 8000.0, **values: Any) -> Request:
    """A request with defaults for what is not given."""
    return Request(**{**DEFAULTS, "sample_rate": sample_rate, **values})


def optimize(samples: Any, sample_rate: float, **values: Any) -> Result:
    """`fit` with defaults."""
    options = {name: values.pop(name, None) for name in ("peak", "progress")}
    return fit(samples, request(sample_rate, **values), **options)


def kinds(result: Result) -> set[str]:
    """The kinds of the notes of a result."""
    return {note.kind for note in result.notes}


def each(names: str | tuple[str, ...], values: Iterable[Any]) -> Callable[..., Callable[..., None]]:
    """As `pytest.mark.parametrize`, in one test: the case that fails stands in the error."""
    keys = (names,) if isinstance(names, str) else names

    def decorate(test: Callable[..., None]) -> Callable[..., None]:
        def loop(**given: Any) -> None:
            for value in values:
                case = dict(zip(keys, (value,) if isinstance(names, str) else value, strict=True))
                try:
                    test(**given, **case)
                except BaseException as error:
                    error.add_note(f"with {case}")
                    raise

        loop.__name__, loop.__doc__ = test.__name__, test.__doc__
        return loop

    return decorate


def sweep(samples: Any, sample_rate: float, **values: Any) -> Sweep:
    """A sweep of the entropy, or of `criteria`, with defaults."""
    names = ("criteria", "peak", "progress", "most_points")
    options = {name: values.pop(name) for name in names if name in values}
    criteria = options.pop("criteria", ("entropy",))
    return sweep_request(samples, request(sample_rate, **values), criteria=criteria, **options)


def two_tones() -> np.ndarray:
    """A tone, and from the middle on a second one; rate 1024 Hz."""
    t = np.arange(5120) / 5 / 1024
    return np.cos(2 * np.pi * 40 * t * 5) + (t > 0.5) * np.cos(2 * np.pi * 180 * t * 5)
