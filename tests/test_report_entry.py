"""What is read from a result.json, and what is refused."""

import json
import os

import pytest
from report_example import a_record, make_result

from dstft_cli.errors import InputError
from dstft_cli.report import entry
from dstft_cli.report.entry import Spread, read_summary


def test_every_field_is_read(tmp_path):
    summary = read_summary(make_result(tmp_path / "a"))
    assert summary.source == "/recordings/owl.wav"
    assert summary.mode == "time"
    assert (summary.criterion, summary.maximize) == ("entropy", False)
    assert (summary.start, summary.best_fixed, summary.final) == (3.5, 1 / 3, 0.25)
    assert summary.best_fixed_length == 48.5
    assert summary.window_length == Spread(10.25, 30, 64)
    assert summary.hop_length == Spread(4, 4, 4)
    assert (summary.n_fft, summary.sample_rate, summary.seconds) == (64, 8000, 75.2)
    assert summary.warnings == ("the best length is the bound 64: raise --win-length-max",)


@pytest.mark.parametrize(
    ("direction", "gain"), [("minimize", 3.25), ("maximize", -3.25)], ids=["lower", "higher"]
)
def test_gain_is_above_zero_where_the_result_is_better(tmp_path, direction, gain):
    summary = read_summary(make_result(tmp_path / "a", a_record(criterion__direction=direction)))
    assert summary.gain(summary.start) == gain
    assert summary.gain(None) is None


def test_null_is_no_value(tmp_path):
    record = a_record(
        criterion__start=None,
        criterion__final=None,
        criterion__best_fixed={"win_length": None, "value": None},
        hop_length=None,
        window_length={"min": None, "median": 3, "max": 4},
    )
    summary = read_summary(make_result(tmp_path / "a", record))
    assert (summary.start, summary.final, summary.best_fixed) == (None, None, None)
    assert (summary.best_fixed_length, summary.hop_length, summary.window_length) == (None,) * 3
    assert summary.gain(1.0) is None


def test_a_record_without_settings_has_no_mode(tmp_path):
    record = a_record()
    del record["settings"]
    assert read_summary(make_result(tmp_path / "a", record)).mode is None


def test_json_that_is_not_finite_is_no_value(tmp_path):
    text = json.dumps(a_record(criterion__final=float("nan"), criterion__start=float("inf")))
    summary = read_summary(make_result(tmp_path / "a", text))
    assert (summary.start, summary.final) == (None, None)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"criterion": 5}, "criterion"),
        ({"input": None}, "input"),
        ({"criterion__best_fixed": []}, "criterion.best_fixed"),
        ({"criterion__best_fixed": {}}, "criterion.best_fixed.value"),
        ({"criterion__name": 3}, "criterion.name"),
        ({"criterion__direction": "up"}, "criterion.direction"),
        ({"criterion__start": "low"}, "criterion.start"),
        ({"criterion__final": True}, "criterion.final"),
        ({"criterion__final": 10**400}, "criterion.final"),
        ({"input__path": ["a"]}, "input.path"),
        ({"input__sample_rate": 0}, "input.sample_rate"),
        ({"input__sample_rate": -8000}, "input.sample_rate"),
        ({"input__sample_rate": None}, "input.sample_rate"),
        ({"input__seconds": -1}, "input.seconds"),
        ({"n_fft": 0}, "n_fft"),
        ({"window_length": "long"}, "window_length"),
        ({"window_length": {"min": 1, "max": 2}}, "window_length.median"),
        ({"hop_length": [1]}, "hop_length"),
        ({"warnings": "none"}, "warnings"),
        ({"warnings": [1]}, "warnings"),
    ],
    ids=str,
)
def test_a_wrong_field_is_named(tmp_path, changes, field):
    folder = make_result(tmp_path / "a", json.dumps(a_record(**changes)))
    with pytest.raises(InputError, match=rf"^result\.json: {field} is missing or not "):
        read_summary(folder)


@pytest.mark.parametrize("name", ["criterion", "input", "n_fft", "window_length", "warnings"])
def test_a_missing_field_is_named(tmp_path, name):
    record = a_record()
    del record[name]
    with pytest.raises(InputError, match=rf"^result\.json: {name} is missing or not "):
        read_summary(make_result(tmp_path / "a", record))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not JSON or is damaged"),
        ("{", "is not JSON or is damaged"),
        ("[" * 100_000, "is not JSON or is damaged"),
        ("[1]", "holds no record of a run"),
        ("null", "holds no record of a run"),
    ],
    ids=["empty", "cut", "deep", "list", "null"],
)
def test_what_is_no_record_is_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=rf"^result\.json {message}: run dstft optimize again$"):
        read_summary(make_result(tmp_path / "a", text))


def test_what_is_no_file_is_refused_without_reading(tmp_path):
    (tmp_path / "result.json").mkdir()
    with pytest.raises(InputError, match=r"^result\.json is not a file: remove it"):
        read_summary(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="NOT TESTED: no named pipes here")
def test_a_pipe_does_not_hold_the_report_up(tmp_path):
    os.mkfifo(tmp_path / "result.json")
    with pytest.raises(InputError, match=r"^result\.json is not a file"):
        read_summary(tmp_path)


def test_a_link_to_nothing_is_refused(tmp_path):
    (tmp_path / "result.json").symlink_to("nowhere")
    with pytest.raises(InputError, match=r"^cannot read result\.json: no such file"):
        read_summary(tmp_path)


def test_a_record_beyond_all_measure_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(entry, "LARGEST", 100)
    with pytest.raises(InputError, match=r"^result\.json has \d+ bytes, above 100: run dstft"):
        read_summary(make_result(tmp_path / "a"))
