"""What a run found, in a few lines for a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dstft_cli.names import band_text
from dstft_cli.settings.length import number_text, time_text


def summary_lines(record: Mapping[str, Any], directory: Path | None) -> list[str]:
    """Lines from the record that is `result.json`."""
    criterion = record["criterion"]
    rate = record["input"]["sample_rate"]
    best = criterion["best_fixed"]
    direction = "lower" if criterion["direction"] == "minimize" else "higher"
    settings = record["settings"]
    band = band_text(settings.get("criterion_fmin"), settings.get("criterion_fmax"))
    over = f"{band}; " if band else ""
    compared = ""
    if best["win_length"] is not None:  # it is, where parameters were applied and not learned
        compared = f"start {_number(criterion['start'])}; "
    if compared and settings["search"] and settings["window_mode"] != "fixed":
        compared = (
            f"start {_number(criterion['start'])}, best fixed window of the table "
            f"{_number(best['value'])} at {_one_length(best['win_length'], rate)}; "
        )
    lines = [
        f"window length  {_length(record['window_length'], rate)}",
        f"{criterion['name']:<13}  {_number(criterion['final'])} "
        f"({over}{compared}{direction} is sparser)",
        f"transform      n_fft {record['n_fft']}, {_frames(record, rate)}",
    ]
    if directory is not None:
        lines.append(f"results        {directory}")
    return lines


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.5g}"


def _frames(record: Mapping[str, Any], rate: float) -> str:
    if record["hop_length"] is None:  # of a single frame
        return "1 frame"
    return f"{record['frames']} frames, hop {_length(record['hop_length'], rate)}"


def _length(length: Any, rate: float) -> str:
    if isinstance(length, Mapping):
        parts = (_one_length(length[key], rate) for key in ("min", "median", "max"))
        low, median, high = parts
        return f"{low} to {high}, median {median}"
    return _one_length(length, rate)


def _one_length(samples: float, rate: float) -> str:
    return f"{time_text(samples / rate)} ({number_text(samples, 6)} samples)"
