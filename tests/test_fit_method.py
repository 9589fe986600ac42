"""What a method asks of the stages of a fit."""

import pytest

from dstft_cli.fit.method import Method


def method(window_mode: str, hop_mode: str, **how) -> Method:
    usual = {"smoothness": 0.1, "search": True, "optimizer": "auto", "lr": None}
    usual |= {"max_steps": 200, "tolerance": 1e-6}
    return Method(window_mode=window_mode, hop_mode=hop_mode, **{**usual, **how})


@pytest.mark.parametrize(
    ("window_mode", "hop_mode", "first", "jointly", "by_turns"),
    [
        ("fixed", "time", False, False, False),
        ("constant", "fixed", True, False, False),
        ("time", "fixed", True, False, False),
        ("time", "time", False, True, False),
        ("constant", "constant", False, True, False),
        ("frequency", "time", True, False, True),
        ("time-frequency", "fixed", False, False, True),
    ],
)
def test_which_parameters_move_when(window_mode, hop_mode, first, jointly, by_turns):
    found = method(window_mode, hop_mode)
    assert (found.descends_lengths_first, found.jointly, found.by_turns) == (
        first,
        jointly,
        by_turns,
    )


@pytest.mark.parametrize("how", [{"search": False}, {"optimizer": "adam"}])
def test_lengths_per_patch_descend_where_that_is_asked_for(how):
    found = method("time-frequency", "fixed", **how)
    assert found.descends_lengths_first
    assert not found.by_turns
