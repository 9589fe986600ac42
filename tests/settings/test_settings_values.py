"""Every option is declared once; all sources read it alike, and refuse it alike."""

import json
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dstft_cli import records
from dstft_cli.errors import UsageError
from dstft_cli.settings import (
    OPTIONS,
    SWEEP_OPTIONS,
    Length,
    Settings,
    SweepSettings,
    merge,
    settings_in_record,
)
from settings.example import EXAMPLES, refused


def test_examples_cover_every_option():
    assert list(EXAMPLES) == list(OPTIONS)


def test_command_line_set_yaml_and_python_agree(tmp_path):
    texts = {name: text for name, (text, _) in EXAMPLES.items()}
    values = {name: value for name, (_, value) in EXAMPLES.items()}
    config = tmp_path / "all.yaml"
    config.write_text("".join(f"{name}: '{text}'\n" for name, text in texts.items()))
    expected = Settings(**values)
    assert merge(texts) == expected
    assert merge(values) == expected
    assert merge({}, [f"{name}={text}" for name, text in texts.items()]) == expected
    assert merge({}, (), config) == expected
    for name, value in values.items():
        assert getattr(expected, name) == value, name


def test_auto_and_null_ask_for_the_default(tmp_path):
    of_words = [n for n, d in OPTIONS.items() if d.default is None and d.auto_is_none]
    assert {"sr", "win_length", "smoothness", "threads"} <= set(of_words)
    for name in of_words:
        assert getattr(merge({name: "auto"}), name) is None, name
    config = tmp_path / "null.yaml"
    config.write_text("".join(f"{name}: null\n" for name in OPTIONS))
    assert merge({}, (), config) == Settings()
    assert str(merge({"output": "auto"}).output) == "auto"  # a name of a directory


def test_units():
    for text, value in (("500ms", 0.5), ("0.5s", 0.5), ("0.5", 0.5), ("1 S", 1.0)):
        assert merge({"duration": text, "offset": text}).duration == value, text
    for text, value in (("1kHz", 1000), ("80 Hz", 80), ("80", 80), ("0.5khz", 500)):
        assert merge({"highpass": text, "sr": text}).highpass == value, text
        assert merge({"sr": text}).sr == value, text
    for text, samples in (
        *(("1024", 1024), ("1024.5", 1024.5), (" 23ms", 184), ("23 MS", 184), ("0.02s", 160)),
        *(("1e3", 1000), (".5s", 4000), (512, 512), (512.25, 512.25)),
    ):
        assert Length.parse(text).samples(8000.0) == pytest.approx(samples, rel=1e-15), text


@given(st.floats(1e-6, 1e12), st.sampled_from(["samples", "ms", "s"]))
def test_length_round_trip(value, unit):
    length = Length(value, unit)
    assert Length.parse(str(length)) == length
    assert Length.parse(length.as_json()) == length


def test_what_is_no_length():
    for text in ("0", "-3", "3parsecs", "", "nan", "inf", "1e999", True, "1 2", "ms"):
        with pytest.raises(UsageError, match="is not a length"):
            Length.parse(text)
    with pytest.raises(UsageError):
        Length(float("inf"))


def test_values_out_of_range_name_place_and_range(tmp_path):
    for name, text, words in (
        ("power", "0", "above 0"),
        ("power", "nan", "a number"),
        ("overlap", "1.5", "at most 1"),
        ("n_fft", "7", "at least 8"),
        ("n_fft", "big", "auto or a whole number"),
        ("n_fft", "512.5", "whole number"),
        ("channel", "left", "mix, all"),
        ("channel", "-1", "at least 0"),
        ("sr", "0", "at least 1"),
        ("sr", "8000.5", "whole number of Hz"),
        ("offset", "-0.1", "at least 0"),
        ("duration", "5 min", "a time"),
        ("highpass", "1MHz", "a frequency"),
        ("threads", "0", "at least 1"),
        ("search", "perhaps", "true or false"),
        ("hop_length", "-8", "not a length"),
        ("dtype", "32", "float32, float64"),
        ("window", "Han", "did you mean 'hann'?"),
        ("criterion", "entrpy", "did you mean 'entropy'?"),
        ("criterion", "a-b:c", "module:object"),
        ("preset", "musik", "did you mean 'music'?"),
    ):
        config = tmp_path / "c.yaml"
        config.write_text(f"# settings\n\n{name}: '{text}'\n")
        shown = repr(text) if " " in text else text
        for message, start in (
            (refused({name: text}), f"`{name}` {shown}: "),
            (refused(pairs=[f"{name}={text}"]), "`set` "),
            (refused(config=config), f"{config}:3: {name} = {shown}: "),
        ):
            assert message.startswith(start), message
            assert words in message, message


def test_text_that_is_no_value():
    assert "must not be empty" in refused({"output": " "})
    assert "NUL" in refused({"png": "a\0b"})
    assert "true or false" not in refused({"threads": True})
    assert "unknown key 'widow'" in refused({"widow": "hann"})
    assert len(refused({"window": "x" * 10_000})) < 300
    for path in ("own:criterion", "a.b_2:C.d", "größe:wert"):
        assert merge({"criterion": path}).criterion == path


def test_json_and_back():
    settings = merge({name: value for name, (_, value) in EXAMPLES.items()})
    values = json.loads(json.dumps(settings.as_dict()))
    assert list(values) == list(OPTIONS)
    assert merge(values) == settings
    assert values["win_length"] == "46ms"
    assert values["win_length_max"] == 2048.5
    del values["preset"]
    assert settings_in_record(values) == Settings(
        **{name: value for name, (_, value) in EXAMPLES.items() if name != "preset"}
    )
    # older records hold a smoothness for one length, which has no effect
    assert settings_in_record({**Settings().as_dict(), "smoothness": 0.1}) == Settings()


def test_choices_are_those_of_the_core():
    from dstft_cli.criteria import _BY_NAME
    from dstft_cli.fit.request import DTYPES, SCOPES
    from dstft_cli.run.emit import _LIBRARIES

    for name, words in (
        ("window", records.WINDOWS),
        ("normalization", records.NORMALIZATIONS),
        ("window_mode", records.WINDOW_MODES),
        ("hop_mode", records.HOP_MODES),
        ("optimizer", records.OPTIMIZERS),
        ("criterion", _BY_NAME),
        ("dtype", DTYPES),
        ("scope", SCOPES),
        ("emit", ("none", "raven", *_LIBRARIES)),
    ):
        assert set(OPTIONS[name].choices) == set(words), name


def test_request_values_are_in_samples():
    settings = merge({"hop_length": "10ms", "win_length_max": "512.5", "smoothness": "1"})
    values = settings.request_values(8000.0)
    found = [values[name] for name in ("hop_length", "win_length_max", "sample_rate")]
    assert found == [80, 512.5, 8000]
    assert (values["n_fft"], values["win_length"], values["smoothness"]) == (None, None, None)
    assert merge({"n_fft": "512"}).request_values(8000.0)["n_fft"] == 512
    assert not {"seed", "output", "preset", "channel", "ranks"} & set(values)
    with pytest.raises(UsageError, match="`win_length`"):
        merge({"win_length": "100ms", "n_fft": "512"}).request_values(8000.0)


def test_a_sweep_varies_few_options():
    assert set(SWEEP_OPTIONS) - set(OPTIONS) == {"csv"}
    for name, declared in SWEEP_OPTIONS.items():
        if name in OPTIONS:
            assert declared.range == OPTIONS[name].range, name
            assert declared.default == OPTIONS[name].default, name
    settings = merge({"criterion": "all", "csv": "-"}, (), None, SweepSettings, only=SWEEP_OPTIONS)
    assert isinstance(settings, SweepSettings)
    assert (settings.criterion, settings.csv, settings.streams) == ("all", "-", ["csv"])


def test_every_option_says_what_it_is():
    for kind, options in ((Settings, OPTIONS), (SweepSettings, SWEEP_OPTIONS)):
        declared = {part.name for part in fields(kind)}
        assert set(options) <= declared
        for name, option in options.items():
            assert option.option.help, name
            assert option.panel, name
            assert option.default_text, name
            assert option.is_flag or option.option.metavar, name
    assert 14 <= sum(not d.option.hidden for d in OPTIONS.values()) <= 18
