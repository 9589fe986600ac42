"""Signals and options of every kind together: refused in one line, or all that is promised holds."""

from fuzz.fits import cases, check
from hypothesis import given, settings

from dstft_cli.errors import DstftError


def test_every_combination_is_refused_or_keeps_what_is_promised():
    kept = []

    @settings(
        max_examples=int(__import__("os").environ.get("N", "400")),
        deadline=None,
        derandomize=True,
        database=None,
    )
    @given(cases())
    def one(case):
        kept.append(check(*case))

    one()
    assert len(kept) >= 400
    assert sum(kept) > len(kept) / 2  # most of them are fits
