import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.plot import pool_curve


@given(st.lists(st.floats(1, 1e4), min_size=1, max_size=300), st.integers(1, 50))
@settings(deadline=None, derandomize=True)
def test_a_pooled_curve_keeps_its_envelope(values: list[float], width: int) -> None:
    times = np.arange(len(values)) * 0.1
    curve = pool_curve(times, values, width)
    size = -(-len(values) // width)
    parts = [values[i : i + size] for i in range(0, len(values), size)]
    assert len(curve.times) == len(parts) <= max(width, 1)
    np.testing.assert_allclose(curve.low, [min(p) for p in parts])
    np.testing.assert_allclose(curve.high, [max(p) for p in parts])
    np.testing.assert_allclose(curve.median, [np.median(p) for p in parts])
    means = [np.mean(times[i : i + size]) for i in range(0, len(values), size)]
    np.testing.assert_allclose(curve.times, means, atol=1e-9)


def test_a_curve_needs_a_time_for_each_value() -> None:
    with pytest.raises(ValueError, match=r"values of shape \(2,\) are no curve"):
        pool_curve([0.0], [1.0, 2.0])
