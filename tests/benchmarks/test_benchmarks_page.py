"""The page of the benchmarks: every section on it, with what failed or was left out told loudly."""

import re
import sys
import types
from collections.abc import Callable
from typing import Any

import pytest

from benchmarks.__main__ import main
from benchmarks.catalogue import CATALOGUE
from benchmarks.growth import Growth
from benchmarks.measure import Claim
from benchmarks.report import Report

PAGED = [name for name, benchmark in CATALOGUE.items() if benchmark.page]


@pytest.fixture
def fake(monkeypatch):
    """Puts a function in the place of a benchmark."""

    def put(name: str, run: Callable[..., None]) -> None:
        module = types.ModuleType(f"benchmarks.{name}")
        module.run = run  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, f"benchmarks.{name}", module)

    return put


def tells(name: str) -> Callable[..., None]:
    def run(report: Report, *sizes: Any) -> None:
        report.text(f"text of {name}")
        report.table(f"table of {name}", ["work", "ms"], [["a", 1], ["longer", 22]])
        report.claims([Claim(f"claim of {name}", 1.0, 2.0, "ms")])

    return run


def test_the_page_has_every_section_and_a_plot(fake, tmp_path, capsys):
    def grows(report: Report, *sizes: Any) -> None:
        for quantity in ("time, s", "memory, MB"):
            report.growth(Growth("frames", "fit", quantity, [1, 10, 100], [2, 19, 210]))

    for name in PAGED:
        fake(name, grows if name == "scaling" else tells(name))
    page = tmp_path / "out" / "PAGE.md"
    assert main(["--quick", "-o", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    titles = [CATALOGUE[name].title for name in PAGED]
    assert re.findall(r"^## (.+)$", text, re.M) == titles
    for name in set(PAGED) - {"scaling"}:
        assert f"text of {name}\n\nTable of {name}:\n\n| work   | ms |\n|---" in text
        assert f"- met      claim of {name}: 1 ms, claimed ≤ 2\n" in text
    count = len(PAGED) - 1
    assert f"Claims met: {count} of {count}." in text
    assert "--quick -o" in text
    assert "torch 2." in text
    assert "**Not m" not in text
    (picture,) = re.findall(r"!\[.+\]\((.+)\)", text)
    png = (page.parent / picture).read_bytes()
    assert picture == "docs/benchmarks.png"
    assert png.startswith(b"\x89PNG")
    assert f"written: {page}" in capsys.readouterr().out


def test_a_benchmark_that_fails_is_named_and_the_others_run(fake, tmp_path, capsys):
    def fails(report: Report, *sizes: Any) -> None:
        report.text("this far")
        raise RuntimeError("disk full")

    def misses(report: Report, *sizes: Any) -> None:
        report.claims([Claim("too slow", 3.0, 2.0, "passes")])

    fake("speed", fails)
    fake("startup", misses)
    page = tmp_path / "PAGE.md"
    assert main(["speed", "startup", "-o", str(page)]) == 1
    text = page.read_text(encoding="utf-8")
    head = text.partition("\n## ")[0]
    assert "- speed: FAILED: RuntimeError: disk full" in head
    assert "- NOT MET  too slow: 3 passes, claimed ≤ 2" in head
    assert "Claims met: 0 of 1." in head
    assert "this far" in text
    assert "NOT MEASURED: FAILED: RuntimeError: disk full" in capsys.readouterr().out
    assert not (tmp_path / "docs").exists(), "a picture of nothing was drawn"
