"""Contradictions are refused, what has no effect is noted, and what was typed overrules the rest."""

import re
from pathlib import Path

import pytest

from dstft_cli.errors import UsageError
from dstft_cli.settings import OPTIONS, SWEEP_OPTIONS, Length, Settings, SweepSettings, merge
from dstft_cli.settings.rules import IN_FILE, IN_MATRIX
from dstft_cli.settings.settings import Preset
from dstft_cli.settings.sources import from_line, settings_of

PLANE = {"scope": "plane"}
PRESETS = Preset.__args__  # type: ignore[attr-defined]


def read(typed=(), pairs=(), text="", folder: Path | None = None, **more):
    """The settings, and the notes."""
    notes: list[str] = []
    config = None
    if text:
        config = folder / "c.yaml"
        config.write_text(text)
    return merge(dict(typed), pairs, config, note=notes.append, **more), notes


def test_contradictions_name_both():
    for given in (
        {"win_length_min": "100ms", "win_length_max": "0.05s"},
        {"win_length": "1025", "n_fft": "1024"},
        {"win_length_max": "1024.5", "n_fft": "1024"},
        {"win_length_min": "2048", "n_fft": "1024"},
        {"win_length_min": "512", "win_length": "256"},
        {"hop_length_min": "64", "hop_length_max": "32", "hop_mode": "time"},
        {"fmin": "500", "fmax": "500"},
        {"criterion_fmin": "2kHz", "criterion_fmax": "1kHz"},
        {"highpass": "2kHz", "criterion_fmax": "1kHz"},
        {"order": "1", "criterion": "renyi"},
        {"order": "1.5", "criterion": "lp"},
        {"png": "-", "npy": "-"},
        {"npy": "-", "json": True},
        {"json": True, "emit": "torch"},
        {"emit": "librosa", "window_mode": "time"},
        {"emit": "torch", "hop_mode": "constant"},
        {"emit": "torch", "n_fft": "513"},
        {"output": "-"},
        {"save": "spectrogram", "save_stft": True},
        {"save": "pictures", "figures": False},
    ):
        with pytest.raises(UsageError) as caught:
            merge(given)
        for name in given:
            if name != "hop_mode" or "emit" in given:
                assert re.search(f"`(no_)?{name}`", str(caught.value)), caught.value
        with pytest.raises(UsageError):
            merge({}, [f"{name}={str(value).lower()}" for name, value in given.items()])


def test_an_option_without_effect_is_noted_and_left_out():
    for given, idle, cause in (
        ({"smoothness": "0", "window_mode": "constant"}, "smoothness", "window_mode"),
        ({"smoothness": "1"}, "smoothness", "window_mode"),
        ({"tolerance": "1"}, "tolerance", "window_mode"),
        ({"win_length_min": "64", "window_mode": "fixed"}, "win_length_min", "window_mode"),
        ({"hop_length_min": "8"}, "hop_length_min", "hop_mode"),
        ({"max_steps": "9", "window_mode": "fixed"}, "max_steps", "hop_mode"),
        ({"max_steps": "9", "scope": "plane"}, "max_steps", "window_mode"),
        ({"tolerance": "1", "window_mode": "frequency", **PLANE}, "tolerance", "window_mode"),
        ({"order": "2"}, "order", "criterion"),
        ({"lr": "0.1"}, "lr", "optimizer"),
        ({"save_stft": True, "json": True}, "save_stft", "json"),
        ({"save": "stft", "npy": "-"}, "save", "npy"),
        ({"save": "parameters", "store": "zarr"}, "store", "save"),
        ({"save": "stft", "npy_dtype": "float16"}, "npy_dtype", "save"),
        ({"save": "stft", "cmap": "gray"}, "cmap", "save"),
        ({"figures": False, "freq_scale": "log"}, "freq_scale", "figures"),
        ({"npy": "-", "cmap": "gray"}, "cmap", "npy"),
    ):
        settings, notes = read(given)
        assert len(notes) == 1, (given, notes)
        assert f"`{idle}`" in notes[0], notes
        assert cause in notes[0], notes
        assert getattr(settings, idle) == OPTIONS[idle].default, given
        pairs = [f"{name}={str(value).lower()}" for name, value in given.items()]
        assert len(read((), pairs)[1]) == 1, given


def test_what_has_an_effect_all_the_same():
    for given in (
        {"lr": "0.1", "optimizer": "sgd"},
        {"max_steps": "9", "window_mode": "frequency", "criterion": "gini", "scope": "plane"},
        {"max_steps": "9", "window_mode": "time-frequency"},
        {"max_steps": "9", "window_mode": "time-frequency", "optimizer": "adam"},
        {"max_steps": "9", "window_mode": "frequency", "search": False},
        {"freq_scale": "log", "figures": False, "png": "a.png"},
        {"save_stft": True, "json": True, "output": "o"},
        {"smoothness": "1", "window_mode": "time"},
    ):
        settings, notes = read(given)
        assert notes == [], given
        name = next(iter(given))
        assert getattr(settings, name) != OPTIONS[name].default, given


def test_without_effect_in_a_file_is_silent(tmp_path):
    text = "smoothness: 1\norder: 2\nfigures: false\nfreq_scale: log\n"
    settings, notes = read(text=text, folder=tmp_path)
    assert notes == []
    assert settings == Settings(figures=False, view=False, save="spectrogram,parameters")


def test_shorthands_and_what_is_saved_follow_each_other(tmp_path):
    every = "spectrogram,stft,parameters,pictures,view"
    for typed, text, saved in (
        ({}, "", "spectrogram,parameters,pictures,view"),
        ({"view": False}, "", "spectrogram,parameters,pictures"),
        ({"view": True, "figures": False}, "", "spectrogram,parameters,view"),
        ({"figures": False}, "", "spectrogram,parameters"),
        ({"save": "view"}, "", "view"),
        ({"save_stft": True}, "", every),
        ({"save_stft": True, "figures": False}, "", "spectrogram,stft,parameters"),
        ({"save": "stft"}, "figures: true", "stft"),
        ({"figures": True, "save_stft": True}, "save: spectrogram", "spectrogram,stft,pictures"),
        ({"figures": False}, "save: parameters, pictures", "parameters"),
        ({}, "save_stft: true\npreset: music", every),
    ):
        settings, notes = read(typed, (), text or "seed: 1", tmp_path)
        assert (settings.save, notes) == (saved, [])
        assert settings.save_stft == ("stft" in saved)
        assert settings.figures == ("pictures" in saved)
        assert settings.view == ("view" in saved)
        assert merge(settings.as_dict()).as_dict() == settings.as_dict()  # as a batch sends them
    for wrong in ("sound", "stft,", "", "stft;parameters"):
        with pytest.raises(UsageError, match=r"`save`.*(parameters|empty)"):
            merge({"save": wrong})


def test_a_preset_is_what_its_file_is():
    configs = Path(__file__).parents[2] / "configs"
    for name in PRESETS:
        settings = merge({"preset": name})
        from_file = merge({}, (), configs / f"{name}.yaml")
        assert settings == merge({**from_file.as_dict(), "preset": name}), name
        lengths = [settings.win_length_min, settings.win_length, settings.win_length_max]
        assert len({length is None for length in [*lengths, settings.hop_length]}) == 1, name
        for rate in (8000.0, 11025.0, 44100.0, 384000.0) if lengths[0] is not None else ():
            shortest, start, longest = (length.samples(rate) for length in lengths)
            assert shortest < start < longest, name
            assert settings.hop_length.samples(rate) <= settings.overlap * shortest, name
        assert (settings.criterion_fmin or 0) <= settings.highpass, name
        lines = (configs / f"{name}.yaml").read_text(encoding="utf-8").splitlines()
        assert lines[0].startswith("# ")
        assert all("  # " in line for line in lines if not line.startswith("# ")), name


def test_what_was_typed_overrules_a_preset_bounds_included():
    every = [{"n_fft": "512"}, {"win_length": "2ms"}, {"win_length": "3s"}, {"hop_length": "100ms"}]
    every += [{"win_length_max": "1ms", "hop_length": "0.2ms"}, {"window_mode": "fixed"}]
    every += [{"emit": "librosa"}, {"overlap": "0.1"}, {"criterion_fmax": "50"}, {"fmax": "20"}]
    for typed in every:
        for name in PRESETS:
            settings, notes = read({"preset": name, **typed})
            assert notes == [], (name, typed)
            for rate in (8000.0, 44100.0):
                values = settings.request_values(rate)
                for key, text in typed.items():
                    value = getattr(settings, key)
                    assert str(value).removesuffix(".0") == text, (name, typed)
                    if key in values and isinstance(value, Length):
                        assert values[key] == value.samples(rate), (name, typed)


def test_values_of_a_preset_yield_after_a_way_through_json_too():
    values = merge({"preset": "vibration", "n_fft": "512"}).as_dict()
    assert values["win_length_min"] == "50ms"  # 2205 samples at 44.1 kHz
    assert merge(values).request_values(44100.0)["win_length_min"] is None
    with pytest.raises(UsageError, match="`win_length_min`"):
        merge({**values, "preset": None}).request_values(44100.0)


def test_a_typed_value_overrules_a_file_and_only_typed_names_are_told(tmp_path):
    text = "win_length_min: 512\nwindow_mode: time\n"
    settings, _ = read({"win_length": "100"}, (), text, tmp_path)
    assert (settings.win_length, settings.win_length_min) == (Length(100.0), None)
    settings, _ = read({"emit": "torch"}, (), text, tmp_path)
    assert settings.window_mode == "constant"
    with pytest.raises(UsageError) as caught:
        read({"n_fft": "64", "win_length": "100"}, (), text, tmp_path)
    assert "512" not in str(caught.value)
    with pytest.raises(UsageError, match=r"c.yaml:2.*c.yaml:1"):
        read((), (), "n_fft: 64\nwin_length: 512\n", tmp_path)


def test_a_matrix_keeps_what_has_no_effect():
    given = {
        "window_mode": from_line("window_mode", "constant", "b.yaml:1"),
        "smoothness": from_line("smoothness", "1", "b.yaml:2", rank=IN_MATRIX),
        "order": from_line("order", "2", "b.yaml:3", rank=IN_FILE),
    }
    settings = settings_of(given)
    assert (settings.smoothness, settings.order) == (1.0, None)
    assert settings.request_values(8000.0)["smoothness"] is None


def test_other_commands_take_their_share(tmp_path):
    text = "smoothness: 1\nn_fft: 512\n"
    more = {"kind": SweepSettings, "only": SWEEP_OPTIONS}
    settings, notes = read((), ["lr=0.1"], text, tmp_path, **more)
    assert (settings.n_fft, settings.smoothness, settings.lr) == (512, None, None)
    assert len(notes) == 1
    assert "lr" in notes[0]
    settings, notes = read({"preset": "music"}, **more)
    assert (settings.fmin, settings.highpass, notes) == (None, 20.0, [])
