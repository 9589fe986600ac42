"""result.json and trajectory.csv: plain whatever values and file names are, read back with care."""

import csv
import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dstft_cli._version import __version__
from dstft_cli.errors import InputError, OutputError
from dstft_cli.records import Result
from dstft_cli.results import read_record, read_result, result_record, write_json, write_trajectory
from dstft_cli.results.record import is_record
from results.example import CONSTANT, VARYING, a_result


def record_of(result: Result, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "settings": {"win_length": None, "power": np.float32(2)},
        "signal_info": {"path": Path("a.wav"), "samples": np.int64(20), "sample_rate": 8000},
        "seconds": {"load": 0.5, "write": 0.25, "total": 2.0},
        "warnings": [],
        **changes,
    }
    return result_record(result, **given)


def test_record_in_full(tmp_path, monkeypatch):
    monkeypatch.setattr("dstft_cli.results.record.peak_memory_mb", lambda: 100.5)
    write_json(tmp_path / "result.json", record_of(a_result(VARYING), warnings=["silence"]))
    assert json.loads((tmp_path / "result.json").read_text(encoding="utf-8")) == {
        "version": __version__,
        "settings": {"win_length": None, "power": 2.0},
        "input": {"path": "a.wav", "samples": 20, "sample_rate": 8000},
        "criterion": {
            "name": "entropy",
            "scope": "plane",
            "direction": "minimize",
            "start": 3.5,
            "best_fixed": {"win_length": 48.5, "value": 1 / 3},
            "final": 0.1 + 0.2,
            "table_bound": None,
        },
        "window_length": {"min": 10.25, "median": 30.0, "max": 64.0},
        "hop_length": 4.0,
        "n_fft": 64,
        "frames": 5,
        "transform": {"hop_length": 4.0, "frames": 5},
        "stop_reason": "search",
        "evaluations": 3,
        "seconds": {"load": 0.5, "search": 1.25, "descent": 0.0, "write": 0.25, "total": 2.0},
        "peak_memory_mb": 100.5,
        "warnings": ["silence"],
        "outputs": {},
    }


def test_what_is_constant_unknown_or_given_twice():
    for centers, expected in (
        (np.arange(100_000) * 46.3, pytest.approx(46.3, rel=1e-14)),
        (np.array([0.0, 3, 7, 12, 16.5]), {"min": 3.0, "median": 4.25, "max": 5.0}),
        (np.array([0.0]), None),
    ):
        record = record_of(a_result(CONSTANT, T=len(centers), centers=centers))
        assert (record["window_length"], record["hop_length"]) == (48.5, expected)
    told = {"warnings": ["silence", "clipped", "silence"], "seconds": {"total": 2.0}}
    record = record_of(a_result(CONSTANT), **told)
    assert record["warnings"] == ["silence", "clipped"]
    assert list(record["seconds"]) == ["load", "search", "descent", "write", "total"]
    assert record["seconds"]["load"] is None


def test_what_is_not_finite_becomes_null(tmp_path):
    for value in (np.nan, np.inf, -np.inf):
        record = record_of(a_result(CONSTANT, final=value), settings={"a": [{"x": (value, 1)}]})
        assert record["criterion"]["final"] is None
        assert record["settings"] == {"a": [{"x": [None, 1]}]}
        write_json(tmp_path / "r.json", {**record, "late": np.array([value, 1.0])})
        text = (tmp_path / "r.json").read_text()
        assert "NaN" not in text
        assert "Infinity" not in text
        assert json.loads(text)["late"] == [None, 1.0]


def test_odd_file_names_come_back(tmp_path):
    names = ["grün 鳥.wav", "bad\udcff\udce4.wav", 'back\\slash"quote\n.wav', "\\\udcff", "😀"]
    write_json(tmp_path / "r.json", {"names": [Path(names[1]), *names]})
    text = (tmp_path / "r.json").read_bytes().decode("utf-8")
    assert json.loads(text) == {"names": [names[1], *names]}
    assert "grün 鳥.wav" in text
    assert r'"bad\udcff\udce4.wav"' in text
    assert text.startswith('{\n  "names": [\n    "bad')
    assert text.endswith("}\n")

    stream = io.BytesIO()
    write_json(stream, {"path": "grün\udcff"})
    assert stream.getvalue().decode("utf-8") == '{\n  "path": "grün\\udcff"\n}\n'
    with pytest.raises(OutputError):
        write_json(tmp_path / "gone" / "r.json", {})


def test_what_was_written_is_read(tmp_path):
    place, record = tmp_path / "result.json", record_of(a_result(CONSTANT))
    record["input"] |= {"sha256": "0" * 64, "seconds": 0.1}
    record |= {"outputs": {"x": "d/x"}, "sizes": {"x": 3}}
    write_json(place, record)
    assert read_record(place) == record
    stored = read_result(place)
    assert (stored.version, stored.settings) == (__version__, record["settings"])
    assert (stored.input.sha256, stored.outputs, stored.sizes) == ("0" * 64, {"x": "d/x"}, {"x": 3})
    assert is_record(place)
    for name in ("version", "settings", "input", "outputs"):
        write_json(place, {key: value for key, value in record.items() if key != name})
        with pytest.raises(InputError, match=f"result.json: {name} is missing or damaged"):
            read_result(place)


def test_records_that_cannot_be_read(tmp_path):
    place = tmp_path / "result.json"
    for content, message in (
        (None, "does not exist"),
        (b"{", "is not JSON"),
        (b"\xff", "is not JSON"),
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "no record"),
    ):
        if content is not None:
            place.write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_record(place)
        assert not is_record(place)
    with open(place, "wb") as file:
        file.truncate(2**42)
    with pytest.raises(InputError, match="is above"):
        read_record(place)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(InputError, match="is not a file"):
        read_record(place)


COLUMNS = "step phase seconds evaluations criterion window_length_min window_length_median "
COLUMNS += "window_length_max hop_length_min hop_length_median hop_length_max"


def test_trajectory(tmp_path):
    hops = (np.array([4.0]), np.array([4.0, 6.0, 5.0, 5.5]), np.zeros(0))
    write_trajectory(tmp_path / "t.csv", a_result(VARYING, hops=hops).trajectory)
    data = (tmp_path / "t.csv").read_bytes()
    assert data.count(b"\r\n") == data.count(b"\n") == 4
    with open(tmp_path / "t.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == COLUMNS.split()
    assert [list(row.values())[:4] for row in rows] == [
        ["0", "start", "0.0", "0"],
        ["1", "table", "0.5", "1"],
        ["2", "search", "1.0", "2"],
    ]
    assert [float(row["criterion"]) for row in rows] == [3.5, 1 / 3, 0.1 + 0.2]
    assert list(rows[2].values())[5:] == ["10.25", "30.0", "64.0", "", "", ""]
    assert list(rows[1].values())[5:] == ["48.5", "48.5", "48.5", "4.0", "5.25", "6.0"]
