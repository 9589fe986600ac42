"""Values that the sample recordings give, stored in golden.json."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .golden import CASES, STORED, SWEEPS, computed, swept

VALUES, LENGTHS = 1e-6, 1e-4  # relative: criteria; window lengths, where an optimum is flat


def differences(
    name: str, got: dict[str, Any], wanted: dict[str, Any], exact: float | None = None
) -> list[str]:
    """Every value that is not what it was."""
    assert set(got) == set(wanted), name
    found = []
    for key, value in wanted.items():
        rel = exact or (LENGTHS if "length" in key else VALUES)
        if got[key] != (value if value is None else pytest.approx(value, rel=rel)):
            found.append(f"{name}: {key} {got[key]}, was {value}")
    return found


def stored() -> dict[str, Any]:
    return json.loads(STORED.read_text(encoding="utf-8"))


def test_every_case_is_stored() -> None:
    assert set(stored()) == set(CASES) | set(SWEEPS)


@pytest.mark.parametrize("recording", sorted({name.split()[0] for name in CASES}))
def test_optimize(recording: str) -> None:
    names = [name for name in CASES if name.startswith(recording)]
    wanted = stored()
    found = [line for name in names for line in differences(name, computed(name), wanted[name])]
    assert found == []


def test_sweep() -> None:
    wanted = stored()
    found = [line for name in SWEEPS for line in differences(name, swept(name), wanted[name])]
    assert found == []


def test_the_same_command_gives_the_same_values() -> None:
    for name in ("speech time", "six hops"):
        assert differences(name, computed(name), computed(name), exact=1e-9) == []
