"""result.json: plain JSON whatever the values and file names are, and read back with care."""

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from writers_example import CONSTANT, VARYING, a_result

from dstft_cli._version import __version__
from dstft_cli.errors import InputError, OutputError
from dstft_cli.records import Result
from dstft_cli.results import read_record, read_result, result_record, write_json
from dstft_cli.results.record import is_record


def record_of(result: Result, **changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "settings": {"win_length": None, "power": np.float32(2)},
        "signal_info": {"path": Path("a.wav"), "samples": np.int64(20), "sample_rate": 8000},
        "seconds": {"load": 0.5, "write": 0.25, "total": 2.0},
        "peak_memory_mb": 100.5,
        "warnings": [],
        **changes,
    }
    return result_record(result, **given)


def test_record_in_full(tmp_path: Path) -> None:
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


def test_record_keeps_the_order_of_the_stages_and_says_what_was_not_timed() -> None:
    record = record_of(a_result(CONSTANT), seconds={"total": 2.0})
    assert list(record["seconds"].items()) == [
        ("load", None),
        ("search", 1.25),
        ("descent", 0.0),
        ("write", None),
        ("total", 2.0),
    ]


@pytest.mark.parametrize(
    ("centers", "expected"),
    [
        (np.arange(5) * 4.0, 4.0),
        (np.arange(1_000_000) * 46.3, pytest.approx(46.3, rel=1e-14)),
        (np.array([0.0, 3, 7, 12, 16.5]), {"min": 3.0, "median": 4.25, "max": 5.0}),
        (np.array([0.0]), None),
    ],
)
def test_hop_length_is_a_number_where_it_is_constant(centers: np.ndarray, expected: Any) -> None:
    record = record_of(a_result(CONSTANT, T=len(centers), centers=centers))
    assert record["window_length"] == 48.5
    assert record["hop_length"] == expected


def test_a_warning_given_twice_appears_once() -> None:
    record = record_of(a_result(CONSTANT), warnings=["silence", "clipped", "silence"])
    assert record["warnings"] == ["silence", "clipped"]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_becomes_null(tmp_path: Path, value: float) -> None:
    record = record_of(a_result(CONSTANT, final=value), settings={"nested": [{"x": (value, 1)}]})
    assert record["criterion"]["final"] is None
    assert record["settings"] == {"nested": [{"x": [None, 1]}]}
    write_json(tmp_path / "r.json", {**record, "late": np.array([value, 1.0])})
    text = (tmp_path / "r.json").read_text()
    assert "NaN" not in text
    assert "Infinity" not in text
    assert json.loads(text)["late"] == [None, 1.0]


def test_odd_file_names_come_back(tmp_path: Path) -> None:
    names = ["grün 鳥.wav", "bad\udcff\udce4.wav", 'back\\slash"quote\n.wav', "\\\udcff", "😀"]
    write_json(tmp_path / "r.json", {"names": [Path(names[1]), *names]})
    text = (tmp_path / "r.json").read_bytes().decode("utf-8")
    assert json.loads(text) == {"names": [names[1], *names]}
    assert "grün 鳥.wav" in text
    assert r'"bad\udcff\udce4.wav"' in text
    assert text.startswith('{\n  "names": [\n    "bad')
    assert text.endswith("}\n")


def test_json_to_a_stream_and_errors(tmp_path: Path) -> None:
    stream = io.BytesIO()
    write_json(stream, {"path": "grün\udcff"})
    assert stream.getvalue().decode("utf-8") == '{\n  "path": "grün\\udcff"\n}\n'
    with pytest.raises(OutputError, match="no such file or directory"):
        write_json(tmp_path / "gone" / "r.json", {})


def test_what_was_written_is_read(tmp_path: Path) -> None:
    place, record = tmp_path / "result.json", record_of(a_result(CONSTANT))
    record["input"] |= {"sha256": "0" * 64}
    record |= {"outputs": {"x": "d/x"}, "sizes": {"x": 3}}
    write_json(place, record)
    assert read_record(place) == record
    stored = read_result(place)
    assert (stored.version, stored.settings) == (__version__, record["settings"])
    assert (stored.input.sha256, stored.outputs, stored.sizes) == ("0" * 64, {"x": "d/x"}, {"x": 3})
    assert is_record(place)
    for name in ("version", "settings", "input", "outputs"):
        write_json(place, {key: value for key, value in record.items() if key != name})
        with pytest.raises(InputError, match=f"result.json: '{name}' is missing or damaged"):
            read_result(place)


def test_records_that_cannot_be_read(tmp_path: Path) -> None:
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
