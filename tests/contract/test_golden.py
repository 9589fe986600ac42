"""Values that the sample recordings give, stored in golden.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .golden import CASES, STORED, SWEEPS, computed, swept

VALUES, LENGTHS = 1e-6, 1e-4  # relative: criteria; window lengths, where an optimum is flat


def stored() -> dict[str, Any]:
    return json.loads(STORED.read_text(encoding="utf-8"))


def check(name: str, got: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert set(got) == set(wanted), name
    for key, value in wanted.items():
        rel = LENGTHS if "length" in key else VALUES
        expected = (
            value if value is None or isinstance(value, str) else pytest.approx(value, rel=rel)
        )
        assert got[key] == expected, f"{name}: {key}"


def test_every_case_is_stored() -> None:
    assert set(stored()) == set(CASES) | set(SWEEPS)


@pytest.mark.parametrize("name", CASES)
def test_optimize(name: str) -> None:
    check(name, computed(name), stored()[name])


@pytest.mark.parametrize("name", SWEEPS)
def test_sweep(name: str) -> None:
    check(name, swept(name), stored()[name])


def test_the_same_command_gives_the_same_values() -> None:
    name = "speech time"
    first, second = computed(name), computed(name)
    for key, value in first.items():
        assert second[key] == pytest.approx(value, rel=1e-9), key


def test_sample_audio_is_there() -> None:
    for arguments in [*CASES.values(), *SWEEPS.values()]:
        assert (Path(__file__).parents[2] / "sample_audio" / arguments.split()[0]).is_file()
