"""Signals and options of every kind together: refused in one line, or all that is promised holds."""

from fuzz.fits import cases, check
from hypothesis import given, settings


def test_every_combination_is_refused_or_keeps_what_is_promised():
    fitted = []

    @settings(max_examples=250, deadline=None, derandomize=True, database=None)
    @given(cases())
    def one(case):
        fitted.append(check(*case))

    one()
    assert len(fitted) >= 250
    assert sum(fitted) > len(fitted) / 2
