"""What a method asks of the stages of a fit."""

import pytest

from dstft_cli.fit.method import Method


def method(window_mode: str, hop_mode: str, **how) -> Method:
    usual = {"smoothness": 0.1, "search": True, "optimizer": "auto", "lr": None}
    usual |= {"max_steps": 200, "tolerance": 1e-6}
    return Method(window_mode=window_mode, hop_mode=hop_mode, **{**usual, **how})


@pytest.mark.parametrize(
    ("window_mode", "hop_mode", "first", "by_turns"),
    [
        ("fixed", "time", False, False),
        ("constant", "fixed", True, False),
        ("time", "fixed", True, False),
        ("time", "time", False, False),
        ("constant", "constant", False, False),
        ("frequency", "time", False, True),
        ("frequency", "fixed", False, False),
        ("time-frequency", "time", False, True),
        ("time-frequency", "fixed", False, False),
    ],
)
def test_which_parameters_move_when(window_mode, hop_mode, first, by_turns):
    found = method(window_mode, hop_mode)
    assert (found.descends_lengths_first, found.by_turns) == (first, by_turns)


@pytest.mark.parametrize("how", [{"search": False}, {"optimizer": "adam"}])
def test_lengths_per_patch_descend_where_that_is_asked_for(how):
    found = method("time-frequency", "time", **how)
    assert found.descends_lengths_first
    assert not found.by_turns
