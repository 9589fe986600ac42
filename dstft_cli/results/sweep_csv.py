"""sweep.csv and sweep.json: the curves of a sweep as lines of a table, and what they say as a record."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from dstft_cli._version import __version__
from dstft_cli.records import GOOD_ENOUGH, USUAL_LENGTH, Sweep, SweepCurve

SWEEP_COLUMNS = (
    "criterion",
    "direction",
    "phase",
    "window_length",
    "milliseconds",
    "n_fft",
    "hop_length",
    "value",
    "loss",
    "unit",
)


def sweep_csv(sweep: Sweep) -> bytes:
    """The curves as CSV (RFC 4180: comma, CRLF; UTF-8, decimal point, full precision).

    A line per criterion and length, `phase` being `table`, and one for each learned optimum,
    `descent`. Lengths are in samples; n_fft and hop are those that the value was computed with.
    """
    text = io.StringIO(newline="")
    lines = csv.writer(text)
    lines.writerow(SWEEP_COLUMNS)
    for curve in sweep.curves:
        rows = [
            ("table", curve.lengths[m], m, curve.values[m], curve.losses[m])
            for m in range(len(curve.lengths))
        ]
        rows.append(("descent", curve.best_length, curve.minimum, curve.best_value, 0.0))
        for phase, length, m, value, loss in rows:
            lines.writerow(
                [
                    curve.name,
                    curve.direction,
                    phase,
                    repr(float(length)),
                    repr(float(length) / sweep.sample_rate * 1000),
                    int(sweep.n_ffts[m]),
                    repr(float(sweep.hop_lengths[m])),
                    repr(float(value)),
                    repr(float(loss)),
                    _unit(curve),
                ]
            )
    return text.getvalue().encode("utf-8")


def sweep_record(
    sweep: Sweep,
    *,
    settings: Mapping[str, Any],
    signal_info: Mapping[str, Any],
    seconds: Mapping[str, float],
    peak_memory_mb: float | None,
    warnings: tuple[str, ...],
    outputs: Mapping[str, str],
) -> dict[str, Any]:
    """The record that is sweep.json: per criterion its best length and how much that matters.

    Args:
        sweep: the curves.
        settings: those of a sweep.
        signal_info, seconds, peak_memory_mb, outputs: as in `result_record`.
        warnings: of the recording and of the sweep.
    """
    return {
        "version": __version__,
        "settings": settings,
        "input": signal_info,
        "looked_at": sweep.looked_at,
        "window_length": {
            "min": float(sweep.lengths[0]),
            "max": float(sweep.lengths[-1]),
            "count": len(sweep.lengths),
        },
        "criteria": [_summary(curve, sweep.n_fft_of(curve)) for curve in sweep.curves],
        "seconds": {**sweep.seconds, **seconds},
        "peak_memory_mb": peak_memory_mb,
        "warnings": list(warnings),
        "outputs": outputs,
    }


def _summary(curve: SweepCurve, n_fft: int) -> dict[str, Any]:
    low, high = curve.good_lengths
    usual = curve.at(USUAL_LENGTH)
    return {
        "name": curve.name,
        "direction": curve.direction,
        "unit": _unit(curve),
        "best": {"win_length": curve.best_length, "n_fft": n_fft, "value": curve.best_value},
        "usual": None
        if usual is None
        else {
            "win_length": USUAL_LENGTH,
            "value": float(curve.values[usual]),
            "loss": float(curve.losses[usual]),
        },
        "good_enough": {"min": low, "max": high, "loss": GOOD_ENOUGH},
        "off_by_two": curve.loss_off_by_two,
        "spread": curve.spread,
        "matters": curve.matters,
    }


def _unit(curve: SweepCurve) -> str:
    return "nats" if curve.in_nats else "share of the best value"
