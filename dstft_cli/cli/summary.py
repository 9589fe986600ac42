"""The summary of a run, made from its record."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dstft_cli.cli.console import table
from dstft_cli.errors import band_text, counted, printable
from dstft_cli.settings.option import number_text, samples_text, time_text

_HEADER = "criterion", "best length", "n_fft", "value", "at 2048", "as good", "off by 2", "matters"
_MOST_SHOWN = 5  # recordings that want another length
_NOTHING = 5e-4  # a loss below this is shown as "nothing"


def result_lines(record: Mapping[str, Any], directory: Path | None) -> list[str]:
    criterion = record["criterion"]
    rate = record["input"]["sample_rate"]
    best = criterion["best_fixed"]
    direction = "lower" if criterion["direction"] == "minimize" else "higher"
    settings = record["settings"]
    band = band_text(settings.get("criterion_fmin"), settings.get("criterion_fmax"))
    scope = {"local": "local, ", "plane": "whole plane, "}.get(criterion.get("scope"), "")
    over = f"{scope}{band}; " if band else scope.replace(", ", "; ")
    compared = ""
    if criterion["start"] is not None:  # missing where parameters were applied, not learned
        compared = f"start {_number(criterion['start'])}; "
    if best["win_length"] is not None and settings["window_mode"] != "fixed":
        compared = (
            f"start {_number(criterion['start'])}, best fixed window of the table "
            f"{_number(best['value'])} at {_one_length(best['win_length'], rate)}; "
        )
    lines = [
        f"window length  {_length(record['window_length'], rate)}",
        f"{criterion['name']:<13}  {_number(criterion['final'])} "
        f"({over}{compared}{direction} is sparser)",
    ]
    collection, transform = record.get("collection"), record.get("transform", record)
    frames = _frames(transform, rate)
    if collection is not None:  # frames are those of each recording
        frames = f"hop {_length(record['hop_length'], rate)}"
    lines.append(f"transform      n_fft {record['n_fft']}, {frames}")
    if collection is not None:
        lines.append(f"collection     {_count(collection, record['input']['seconds'])}")
    elif transform["frames"] != record["frames"] and (
        settings["npy"] or record["outputs"].keys() & {"spectrogram.npy", "spectrogram.zarr"}
    ):
        lines.append(f"array          {_frames(record, rate)} (all with --npy-hop full)")
    if directory is not None:
        lines.append(f"results        {printable(directory)}")
    return lines


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.5g}"


def _frames(record: Mapping[str, Any], rate: float) -> str:
    if record["hop_length"] is None:  # of a single frame
        return "1 frame"
    return f"{record['frames']} frames, hop {_length(record['hop_length'], rate)}"


def _length(length: Any, rate: float) -> str:
    if isinstance(length, Mapping):
        low, median, high = (_one_length(length[key], rate) for key in ("min", "median", "max"))
        return f"{low} to {high}, median {median}"
    return _one_length(length, rate)


def _one_length(samples: float, rate: float) -> str:
    return f"{time_text(samples / rate)} ({samples_text(samples)} samples)"


def sweep_lines(record: Mapping[str, Any], directory: Path | None) -> list[str]:
    rate = record["input"]["sample_rate"]
    criteria = record["criteria"]
    lines = table(_HEADER, [_row(entry, rate) for entry in criteria])
    if record["looked_at"] < 1:
        seconds = record["input"]["seconds"]
        lines.append(
            f"from {record['looked_at'] * seconds:.3g} s of {seconds:.4g} s, in stretches spread "
            "evenly over them"
        )
    settings = record["settings"]
    if band := band_text(settings["criterion_fmin"], settings["criterion_fmax"]):
        lines.append(f"criterion {band}")
    one = len(criteria) == 1
    lines += ["", _verdict(criteria[0], record, rate) if one else _verdicts(criteria)]
    if (collection := record.get("collection")) is not None:
        lines += _collection_lines(criteria, collection, rate, record["input"]["seconds"])
    if directory is not None:
        lines.append(f"results in {printable(directory)}")
    return lines


def labels_lines(record: Mapping[str, Any], directory: Path | None) -> list[str]:
    rate, rows = record["input"]["sample_rate"], []
    for row in record["windows"]:
        ends = dict.fromkeys(time_text(row[f"win_length_{end}"] / rate) for end in ("min", "max"))
        low, high = row["accuracy_from"], row["accuracy_to"]
        gains = (100 * row[f"over_best_fixed{end}"] for end in ("", "_from", "_to"))
        over = (
            "" if row["window"] == "best fixed" else "{:+.1f} ({:+.1f} to {:+.1f})".format(*gains)
        )
        told = f"{row['accuracy']:.1%}", f"{low:.1%} to {high:.1%}"
        rows.append([row["window"], " to ".join(ends), *told, over])
    header = "window", "length", "accuracy", "95 % interval", "points over the best fixed"
    lines = [*table(header, rows), "", record["verdict"]]
    return lines if directory is None else [*lines, f"results in {printable(directory)}"]


def _collection_lines(
    criteria: list[Mapping[str, Any]], collection: Mapping[str, Any], rate: float, seconds: float
) -> list[str]:
    """The hop, the spread over recordings, and the recordings that want something else."""
    used, rates = collection["used"], collection["sample_rates"]
    lines = [_count(collection, seconds)]
    if len(rates) > 1:
        own = rates[f"{rate:g}"]
        lines.append(f"samples are at {rate:g} Hz, the rate of {own} of {sum(rates.values())}")
    for entry in criteria:
        name = f"{entry['name']}: " if len(criteria) > 1 else ""
        low, middle, high = (
            time_text(entry["recordings"]["best"][q] / rate) for q in ("q1", "median", "q3")
        )
        hop = max(int(entry["best"]["win_length"] // 4), 1)
        others = entry["recordings"]["want_else"]
        lines += [
            f"{name}hop {hop} samples ({time_text(hop / rate)}), a quarter of the window",
            f"{name}best of each: median {middle}, half of them {low} to {high}",
        ]
        if others:
            shown = ", ".join(
                f"{printable(o['recording'])} ({time_text(o['win_length'] / rate)}, "
                f"{_loss(entry, o['loss'])})"
                for o in others[:_MOST_SHOWN]
            )
            more = f", and {len(others) - _MOST_SHOWN} more" * (len(others) > _MOST_SHOWN)
            lines.append(f"{name}{len(others)} of {used} want another: {shown}{more}")
    return lines


def _count(collection: Mapping[str, Any], seconds: float) -> str:
    left = ", ".join(f"{collection[n]} {n}" for n in ("silent", "failed") if collection[n])
    alike = {"recordings": "all count alike", "duration": "long ones count more"}
    return (
        f"{collection['used']} of {counted(collection['recordings'], 'recording')}"
        f"{left and f' ({left})'}, {time_text(seconds)} in all; {alike[collection['weigh']]}"
    )


def _row(entry: Mapping[str, Any], rate: float) -> list[str]:
    best, good, usual = entry["best"], entry["good_enough"], entry["usual"]
    return [
        entry["name"],
        f"{_samples(best['win_length'])} ({time_text(best['win_length'] / rate)})",
        str(best["n_fft"]),
        f"{best['value']:.4g}",
        "not tried" if usual is None else f"{usual['value']:.4g}",
        f"{_samples(good['min'])} to {_samples(good['max'])}",
        _loss(entry, entry["off_by_two"]),
        entry["matters"],
    ]


def _verdict(entry: Mapping[str, Any], record: Mapping[str, Any], rate: float) -> str:
    swept, plane = record["window_length"], record["settings"]["scope"] == "plane"
    if entry["matters"] == "not at all":
        return (
            "The window length does not matter: the worst loses "
            f"{_loss(entry, entry['spread'])}. Use any."
        )
    best, usual, off = entry["best"], entry["usual"], entry["off_by_two"]
    reasons = [(off, f"{_off_by_two(best, swept)} loses up to")]
    if usual is not None:
        reasons.append((usual["loss"], "the usual 2048 loses"))
    reasons.sort(key=lambda reason: -math.inf if reason[0] is None else -reason[0])
    text = f"The window length matters {entry['matters']}: " + "; ".join(
        f"{words} {_loss(entry, loss)}{_in_cells(entry, loss) if plane else ''}"
        for loss, words in reasons
    )
    further = ""
    if math.isclose(best["win_length"], swept["max"], rel_tol=1e-6):
        further = ", the longest of the sweep"
    elif math.isclose(best["win_length"], swept["min"], rel_tol=1e-6):
        further = ", the shortest of the sweep"
    return (
        f"{text}. Use n_fft {best['n_fft']} with a window of {_samples(best['win_length'])} samples "
        f"({time_text(best['win_length'] / rate)}){further}."
    )


def _off_by_two(best: Mapping[str, Any], swept: Mapping[str, Any]) -> str:
    """Half or twice the best length, as far as the sweep tried them, in words."""
    length = best["win_length"] * (1 + 1e-9), best["win_length"] * (1 - 1e-9)
    sides = ["half"] * (length[0] / 2 >= swept["min"]) + ["twice"] * (2 * length[1] <= swept["max"])
    return f"{' or '.join(sides)} of the best" if sides else "the worst one tried"


def _verdicts(criteria: list[Mapping[str, Any]]) -> str:
    words = Counter(entry["matters"] for entry in criteria)
    matters = ", ".join(
        f"{word} for {words[word]} of {len(criteria)} criteria"
        for word in ("a lot", "somewhat", "little", "not at all")
        if word in words
    )
    (n_fft, votes), *_ = Counter(entry["best"]["n_fft"] for entry in criteria).most_common()
    lengths = [entry["best"]["win_length"] for entry in criteria]
    return (
        f"The window length matters {matters}. {votes} of {len(criteria)} choose n_fft {n_fft}; the "
        f"best lengths lie between {_samples(min(lengths))} and {_samples(max(lengths))} samples."
    )


def _loss(entry: Mapping[str, Any], loss: float | None) -> str:
    if loss is None or not math.isfinite(loss):
        return "everything"
    if loss < _NOTHING:
        return "nothing"
    text = f"{loss:#.2g}".rstrip(".")
    return f"{text} nats" if entry["unit"] == "nats" else f"{text} of the best value"


def _in_cells(entry: Mapping[str, Any], loss: float) -> str:
    if entry["unit"] != "nats" or loss is None or not _NOTHING <= loss < math.inf:
        return ""
    more = math.expm1(loss)
    if more < 0.005:  # below one percent
        return ""
    if more < 0.5:
        return f", as if {more:.0%} more cells were occupied"
    return f", as if {number_text(1 + more, 2)} times as many cells were occupied"


def _samples(length: float) -> str:
    return number_text(length, 4)
