"""What docs/choosing.md says of noise, silence and normalization, measured."""

import re
import runpy
from pathlib import Path

import pytest

from dstft_cli.names import CRITERIA

DOCS = Path(__file__).parent.parent / "docs"
FACTS = runpy.run_path(str(DOCS / "facts.py"))
PAGE = (DOCS / "choosing.md").read_text("utf-8")
STEP = 1.16  # between neighbouring lengths of the table, rounded up


def rows(head: str) -> dict[tuple[str, ...], list[float]]:
    """A table of the page: leading cells that are names or powers, and the numbers."""
    text = PAGE.partition(f"| {head} |")[2].partition("\n\n")[0]
    found = {}
    for line in text.splitlines()[2:]:
        cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
        names = 2 if head.endswith("power") else 1
        found[tuple(cells[:names])] = [float(cell) for cell in cells[names:]]
    return found


def test_the_page_has_all_rows():
    assert set(rows("criterion | power")) == {(name, p) for name in CRITERIA for p in ("1", "2")}
    assert set(rows("criterion | no silence")) == {(name,) for name in CRITERIA}
    assert set(rows("normalization")) == {("none",), ("amplitude",), ("energy",)}
    shared = [line for line in PAGE.splitlines() if re.match(r"\| .* \|$", line)]
    assert len(shared) == 2 * 3 + 16 + 8 + 3


@pytest.mark.parametrize("name", ["entropy", "renyi", "l1l2", "concentration"])
def test_squares_hold_their_choice_in_noise(name):
    shown = rows("criterion | power")[name, "2"]
    measured = [FACTS["picked"](name, 2.0, snr) for snr in (None, 0)]
    assert [shown[0], shown[-1]] == pytest.approx(measured, abs=1)
    assert measured[0] / STEP < measured[1] < measured[0] * STEP


def test_magnitudes_let_noise_into_the_entropy():
    shown = rows("criterion | power")["entropy", "1"]
    clean, faint = (FACTS["picked"]("entropy", 1.0, snr) for snr in (None, 20))
    assert faint > 1.5 * clean
    assert shown[:2] == pytest.approx([clean, faint], abs=1)


@pytest.mark.parametrize("name", sorted(set(CRITERIA) - {"gini"}))
def test_silence(name):
    shown = rows("criterion | no silence")[name,]
    without, half = (FACTS["with_silence"](name, seconds) for seconds in (0.0, 2.0))
    assert [without, half] == pytest.approx(shown[:2], rel=2e-3)
    if name in ("kurtosis", "hoyer"):
        assert abs(half / without - 1) > 0.02
    else:
        assert half == pytest.approx(without, rel=5e-3)


def test_only_energy_rewards_neither_tone_nor_noise():
    shown = rows("normalization")
    measured = {
        name: [FACTS["gain"](FACTS[kind](), name) for kind in ("tone", "noise")]
        for name in ("none", "amplitude", "energy")
    }
    assert measured["none"][0] > 0.1
    assert measured["amplitude"][1] > 1
    assert measured["energy"][0] < 0.001
    assert measured["energy"][1] < 0.1
    for name, values in measured.items():
        assert values == pytest.approx(shown[name,], abs=0.01)
