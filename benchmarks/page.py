"""The page of a run: what was measured where, with its verdicts at the head."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.report import Report, Section, Table


@dataclass(frozen=True)
class Run:
    """What the figures come from.

    Attributes:
        command: as typed.
        date: of the start.
        hardware, versions: one line each.
        minutes: that it took.
        load: before and after, mean number of processes that ran or waited.
    """

    command: str
    date: str
    hardware: str
    versions: str
    minutes: float
    load: tuple[str, str]


def page(report: Report, run: Run, plot: str | None) -> str:
    """Markdown.

    Args:
        report: with at least one section.
        run: what the figures come from.
        plot: where the picture lies, seen from the page; None: there is none.
    """
    claims = [claim for section in report.sections for claim in section.claims]
    missing = [f"{section.name}: {text}" for section in report.sections for text in section.missing]
    parts = [
        "# Benchmarks",
        f"Written by `{run.command}` on {run.date}, in {run.minutes:.0f} minutes. Medians, and ratios "
        "within a round; each figure beside its reference, measured in turns.",
        f"- Machine: {run.hardware}\n- Versions: {run.versions}\n"
        f"- Load of the machine over a minute, before and after: {run.load[0]} and {run.load[1]}",
        f"Claims met: {sum(claim.met for claim in claims)} of {len(claims)}.",
        _list("**Not met:**", [str(claim) for claim in claims if not claim.met]),
        _list("**Not measured:**", missing),
        f"![Time and memory against size, with fitted exponents]({plot})" if plot else "",
        *(_section(section) for section in report.sections),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(section: Section) -> str:
    parts = [f"## {section.title}"]
    for block in section.blocks:
        if isinstance(block, Table):
            title, rest = str(block).split("\n", 1)
            parts.append(f"{title[:1].upper()}{title[1:]}:\n{rest}")
        else:
            parts.append(block)
    parts.append(_list("", [f"**Not measured:** {text}" for text in section.missing]))
    parts.append(_list("Claims:", [str(claim) for claim in section.claims]))
    return "\n\n".join(part for part in parts if part)


def _list(head: str, items: list[str]) -> str:
    if not items:
        return ""
    lines = "\n".join(f"- {item}" for item in items)
    return f"{head}\n\n{lines}" if head else lines
