"""Settings: declared once, merged by precedence, refused in one line that names the place."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from dstft_cli import names
from dstft_cli.errors import UsageError
from dstft_cli.settings import OPTIONS, Length, Settings, merge
from dstft_cli.settings.length import number_text, time_text
from dstft_cli.settings.option import auto_is_none

CONFIGS = Path(__file__).parent.parent / "configs"
PRESETS = sorted(path for path in CONFIGS.glob("*.yaml") if path.stem != "batch")

# one value per option that is not its default, as text, and what it becomes
EXAMPLES = {
    "channel": ("2", 2),
    "sr": ("22050", 22050),
    "offset": ("1.5", 1.5),
    "duration": ("30", 30.0),
    "highpass": ("20", 20.0),
    "n_fft": ("4096", 4096),
    "win_length": ("46ms", Length(46.0, "ms")),
    "win_length_min": ("256", Length(256.0)),
    "win_length_max": ("2048.5", Length(2048.5)),
    "hop_length": ("0.004s", Length(0.004, "s")),
    "window": ("blackman", "blackman"),
    "normalization": ("none", "none"),
    "power": ("1", 1.0),
    "window_mode": ("time", "time"),
    "hop_mode": ("time", "time"),
    "hop_length_min": ("16", Length(16.0)),
    "hop_length_max": ("2048", Length(2048.0)),
    "smoothness": ("0", 0.0),
    "overlap": ("0.9", 0.9),
    "criterion": ("renyi", "renyi"),
    "order": ("2.5", 2.5),
    "criterion_fmin": ("300", 300.0),
    "criterion_fmax": ("3400", 3400.0),
    "optimizer": ("adam", "adam"),
    "search": ("false", False),
    "lr": ("1e-2", 0.01),
    "max_steps": ("0", 0),
    "tolerance": ("1e-5", 1e-5),
    "seed": ("7", 7),
    "device": ("cuda", "cuda"),
    "dtype": ("float64", "float64"),
    "threads": ("2", 2),
    "output": ("some/where", Path("some/where")),
    "png": ("a.png", "a.png"),
    "npy": ("-", "-"),
    "json": ("false", False),
    "emit": ("none", "none"),
    "save_stft": ("true", True),
    "force": ("true", True),
    "figures": ("false", False),
    "freq_scale": ("mel", "mel"),
    "fmin": ("20", 20.0),
    "fmax": ("8000", 8000.0),
    "db_range": ("60", 60.0),
    "cmap": ("viridis", "viridis"),
    "format": ("svg", "svg"),
}


def write(folder: Path, text: str) -> Path:
    path = folder / "music.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refused(command_line=(), pairs=(), config=None) -> str:
    with pytest.raises(UsageError) as caught:
        merge(dict(command_line), pairs, config)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# lengths


@pytest.mark.parametrize(
    ("text", "seconds"), [("500ms", 0.5), ("0.5s", 0.5), ("0.5", 0.5), ("1 S", 1.0)]
)
def test_times_with_and_without_a_unit(text, seconds):
    settings = merge({"duration": text, "offset": text})
    assert (settings.duration, settings.offset) == (seconds, seconds)
    assert merge({"offset": "0ms"}).offset == 0
    assert refused({"duration": "5 min"}) == (
        "--duration '5 min': must be a time (0.5, 0.5s, 500ms), above 0"
    )
    assert refused({"duration": "0ms"}) == "--duration 0ms: must be above 0"


@pytest.mark.parametrize(
    ("text", "samples"),
    [
        ("1024", 1024.0),
        ("1024.5", 1024.5),
        (" 23ms", 184.0),
        ("23 MS", 184.0),
        ("0.02s", 160.0),
        ("1e3", 1000.0),
        (".5s", 4000.0),
        (512, 512.0),
        (512.25, 512.25),
    ],
)
def test_length_in_samples(text, samples):
    assert Length.parse(text).samples(8000.0) == pytest.approx(samples, rel=1e-15)


@given(st.floats(1e-6, 1e12), st.sampled_from(["samples", "ms", "s"]))
def test_length_round_trip(value, unit):
    length = Length(value, unit)
    assert Length.parse(str(length)) == length
    assert Length.parse(json.loads(json.dumps(length.as_json()))) == length


def test_length_error_quotes_name_and_text():
    with pytest.raises(UsageError) as caught:
        Length.parse("12 parsecs", "window length")
    assert str(caught.value) == (
        "window length '12 parsecs' is not a length: use samples (1024) or a time (23ms, 0.02s)"
    )


@pytest.mark.parametrize("text", ["0", "0ms", "1e400", "1e-400"])
def test_length_is_positive_and_finite(text):
    with pytest.raises(UsageError, match=rf"length '{text}' is not a length: .*, above 0"):
        Length.parse(text)


@pytest.mark.parametrize("text", ["", "-5", "ms", "1,5", "nan", "inf", "20us", "1_000", "٣", True])
def test_length_refuses_other_text(text):
    with pytest.raises(UsageError, match="is not a length: use samples"):
        Length.parse(text)


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_length_value_is_positive_and_finite(value):
    with pytest.raises(UsageError, match="is not a length"):
        Length(value)


# one declaration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0232, "23.2 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1 s"),
        (3.56, "3.56 s"),
        (47.554, "47.6 s"),
        (4321.0, "4321 s"),
    ],
)
def test_times_as_text(seconds, text):
    assert time_text(seconds) == text


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (677.7234, 6, "677.723"),
        (2.0**20, 6, "1048576"),
        (16384.0, 4, "16384"),
        (9999.6, 4, "10000"),
        (0.5, 4, "0.5"),
    ],
)
def test_numbers_as_text_have_no_power_of_ten(value, digits, text):
    assert number_text(value, digits) == text


def test_defaults_are_those_of_the_declarations():
    settings = Settings()
    assert {name: getattr(settings, name) for name in OPTIONS} == {
        name: declaration.default for name, declaration in OPTIONS.items()
    }
    assert (settings.n_fft, settings.power, settings.overlap) == ("auto", 2.0, 0.5)


def test_examples_cover_every_option():
    assert list(EXAMPLES) == list(OPTIONS)


def test_command_line_set_yaml_and_model_agree(tmp_path):
    texts = {name: text for name, (text, _) in EXAMPLES.items()}
    config = write(tmp_path, "".join(f"{name}: '{text}'\n" for name, text in texts.items()))
    by_model = Settings(**{name: value for name, (_, value) in EXAMPLES.items()})
    assert merge(texts) == by_model
    assert merge({}, [f"{name}={text}" for name, text in texts.items()]) == by_model
    assert merge({}, [], config) == by_model
    assert merge(by_model.as_dict()) == by_model


def test_as_dict_is_json():
    settings = Settings(**{name: value for name, (_, value) in EXAMPLES.items()})
    read = json.loads(json.dumps(settings.as_dict()))
    assert list(read) == list(OPTIONS)
    assert (read["win_length"], read["win_length_min"], read["win_length_max"]) == (
        "46ms",
        256,
        2048.5,
    )
    assert read["output"] == str(Path("some/where"))


def test_settings_are_frozen_and_closed():
    with pytest.raises(AttributeError, match="power"):
        Settings().power = 1.0
    with pytest.raises(ValidationError, match="criterium"):
        Settings(criterium="entropy")


def test_choices_are_those_of_names():
    assert OPTIONS["window_mode"].option.choices == names.WINDOW_MODES
    for word in names.CRITERIA:
        assert merge({"criterion": word}).criterion == word


def test_auto_and_null_ask_for_the_default(tmp_path):
    accepting = {
        name
        for name, declaration in OPTIONS.items()
        if declaration.default == "auto" or auto_is_none(declaration.type)
    }
    assert {"n_fft", "win_length_min", "lr", "threads", "fmin"} <= accepting
    for name in accepting:
        assert getattr(merge({name: "auto"}), name) == OPTIONS[name].default
    assert merge({}, [], write(tmp_path, "n_fft: null\npower: ~\nseed:\n")) == Settings()


@pytest.mark.parametrize("name", ["output", "png", "npy"])
def test_auto_is_a_file_name_too(name):
    assert str(getattr(merge({name: "auto"}), name)) == "auto"


# precedence


def test_precedence(tmp_path):
    config = write(tmp_path, "power: 1\nseed: 1\noffset: 1\n")
    settings = merge({"power": "3"}, ["power=2", "seed=2", "seed=4"], config)
    assert (settings.power, settings.seed, settings.offset, settings.overlap) == (3.0, 4, 1.0, 0.5)


def test_values_contradict_only_after_merging(tmp_path):
    config = write(tmp_path, "criterion: renyi\norder: 2\nfmin: 9000\nfmax: 10000\n")
    assert merge({"fmin": "10"}, ["fmax=100"], config).fmax == 100.0
    assert merge({"criterion": "entropy", "order": "auto"}, [], config).order is None


def test_what_a_preset_sets_for_another_mode_is_passed_over(tmp_path):
    preset = "window_mode: time\nsmoothness: 0.2\nhop_mode: time\nhop_length_max: 64\n"
    preset += "win_length_min: 50\nwin_length_max: 99\nmax_steps: 9\nfmin: 20\nsave_stft: true\n"
    config = write(tmp_path, preset + "criterion: renyi\norder: 2\noptimizer: adam\nlr: 1\n")
    other = {"window_mode": "constant", "hop_mode": "fixed", "criterion": "entropy"}
    settings = merge({**other, "optimizer": "lbfgs"}, [], config)
    assert (settings.smoothness, settings.hop_length_max) == (None, None)
    assert (settings.order, settings.lr) == (None, None)
    assert merge({}, ["window_mode=fixed"], config).smoothness is None
    assert merge({**other, "hop_length": "100"}, [], config).hop_length == Length(100)
    kept = merge({"hop_mode": "fixed", "window_mode": "fixed", "win_length": "100"}, [], config)
    assert kept == merge({"window_mode": "fixed", "win_length": "100"}, [
        "criterion=renyi", "order=2", "fmin=20", "save_stft=true"])  # fmt: skip
    piped = merge({"json": True}, [], config)
    assert (piped.fmin, piped.save_stft, piped.max_steps) == (None, False, 9)
    assert merge({"figures": False}, [], config).fmin is None
    assert merge({"figures": False, "png": "a.png"}, [], config).fmin == 20
    assert merge({}, [], config).smoothness == 0.2


def test_an_option_without_effect_is_refused_where_nothing_overrules_it(tmp_path):
    config = write(tmp_path, "seed: 1\nsmoothness: 0.2\n")
    told = (
        " has no effect with {}, whose one length never changes: leave it out, or use window_mode "
        "time, frequency or time-frequency"
    )
    default = told.format("the default --window-mode constant")
    assert refused(config=config) == f"smoothness = 0.2 ({config}:2){default}"
    assert refused({"smoothness": "0.2"}) == f"--smoothness 0.2{default}"
    assert refused({"window_mode": "fixed"}, ["smoothness=0.2"]) == (
        f"--set smoothness=0.2{told.format('--window-mode fixed')}"
    )
    assert merge({"window_mode": "time"}, [], config).smoothness == 0.2


MODES = "--window-mode fixed and the default --hop-mode fixed, which learn nothing"
LENGTHS = "--window-mode fixed, which learns no window length"
NO_PICTURE = ", and no picture is asked for: leave it out, or ask for one with png"


@pytest.mark.parametrize(
    ("command_line", "message"),
    [
        ({"win_length_min": "90"}, f"--win-length-min 90 has no effect with {LENGTHS}: "),
        ({"win_length_max": "90ms"}, f"--win-length-max 90ms has no effect with {LENGTHS}: "),
        ({"max_steps": "5"}, f"--max-steps 5 has no effect with {MODES}: "),
        ({"tolerance": "1e-3"}, f"--tolerance 1e-3 has no effect with {MODES}: "),
        ({"search": False}, f"--no-search has no effect with {MODES}: "),
        ({"optimizer": "adam"}, f"--optimizer adam has no effect with {MODES}: "),
        ({"optimizer": "adam", "lr": "1"}, f"--lr 1 has no effect with {MODES}: "),
        ({"figures": False, "fmin": "9"}, f"--fmin 9 has no effect with --no-figures{NO_PICTURE}"),
        ({"json": True, "cmap": "x"}, f"--cmap x has no effect with --json{NO_PICTURE}"),
        ({"npy": "-", "format": "svg"}, f"--format svg has no effect with --npy -{NO_PICTURE}"),
        (
            {"json": True, "save_stft": True},
            "--save-stft has no effect with --json, and no directory is asked for: "
            "leave it out, or name one with output",
        ),
    ],
)
def test_what_has_no_effect_with_fixed_windows_or_without_pictures(command_line, message):
    assert refused({"window_mode": "fixed", **command_line}).startswith(message)


@pytest.mark.parametrize("mode", ["frequency", "time-frequency"])
@pytest.mark.parametrize(("name", "value"), [("max_steps", "5"), ("tolerance", "0.001")])
def test_limits_of_a_descent_that_does_not_follow(mode, name, value):
    option = "--" + name.replace("_", "-")
    assert refused({"window_mode": mode, name: value}) == (
        f"{option} {value} has no effect with --window-mode {mode}, which is searched and does not "
        "descend: leave it out, or name an optimizer"
    )
    for descends in (
        {"optimizer": "lbfgs"},
        {"search": False},
        {"hop_mode": "time"},
        *([{"criterion": "gini"}, {"criterion": "mine:Own"}] if mode == "frequency" else []),
    ):
        merge({"window_mode": mode, name: value, **descends})


def test_a_filter_above_the_band_of_the_criterion_is_refused():
    assert refused({"highpass": "2000", "criterion_fmax": "500"}) == (
        "--highpass 2000 is not below --criterion-fmax 500: lower the first or raise the second"
    )


def test_what_has_an_effect_all_the_same():
    learned_hop = {"window_mode": "fixed", "hop_mode": "time", "max_steps": "5", "search": False}
    assert merge(learned_hop).max_steps == 5
    assert merge({"json": True, "output": "a", "save_stft": True, "fmin": "9"}).fmin == 9
    assert merge({"npy": "a.npy", "save_stft": True, "db_range": "60"}).db_range == 60
    assert merge({"window_mode": "fixed", "figures": False, "png": "-", "cmap": "x"}).cmap == "x"


@pytest.mark.parametrize("name", PRESETS, ids=lambda path: path.stem)
def test_a_preset_serves_where_nothing_is_learned(name):
    settings = merge({"window_mode": "fixed", "json": True}, [], name)
    assert (settings.win_length_min, settings.win_length_max) == (None, None)
    assert settings.win_length is not None
    assert settings.freq_scale == "linear"


@pytest.mark.parametrize("text", ["", "# all as by default\n", "---\n"])
def test_empty_config_is_all_defaults(tmp_path, text):
    assert merge({}, [], write(tmp_path, text)) == Settings()


def test_yaml_text_means_what_it_means_on_the_command_line(tmp_path):
    config = write(tmp_path, "\ufefftolerance: 1e-7\noutput: 2024-01-01\nnpy: '-'\nsearch: no\n")
    settings = merge({}, [], config)
    assert (settings.tolerance, settings.npy, settings.search) == (1e-7, "-", False)
    assert settings.output == Path("2024-01-01")
    assert merge({}, ["npy=-"]).npy == "-"


# refusals of one value


CRITERIA = "entropy, renyi, kurtosis, concentration, l1l2, hoyer, lp, gini"


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("power", "-1", "must be above 0"),
        ("power", "high", "must be a number, above 0"),
        ("power", "nan", "must be a number, above 0"),
        ("power", "true", "must be a number, above 0"),
        ("overlap", "0", "must be above 0 and at most 1"),
        ("overlap", "1.01", "must be above 0 and at most 1"),
        ("max_steps", "1.5", "must be a whole number, at least 0 and at most 1000000000"),
        ("seed", "-1", "must be at least 0 and at most 4294967295"),
        ("n_fft", "7", "must be at least 8 and at most 1048576"),
        ("n_fft", "1048577", "must be at least 8 and at most 1048576"),
        ("n_fft", "big", "must be auto or a whole number, at least 8 and at most 1048576"),
        ("channel", "left", "must be mix, all or a channel number, at least 0"),
        ("channel", "-1", "must be at least 0"),
        ("sr", "0", "must be at least 1"),
        ("offset", "-0.1", "must be at least 0"),
        ("duration", "0", "must be above 0"),
        ("threads", "0", "must be at least 1 and at most 4096"),
        ("tolerance", "0", "must be above 0"),
        ("smoothness", "-0.1", "must be at least 0"),
        ("db_range", "0", "must be above 0"),
        ("fmax", "0", "must be above 0"),
        ("search", "perhaps", "must be true or false"),
        ("hop_length", "-8", "not a length: use samples (1024) or a time (23ms, 0.02s)"),
        ("hop_length", "0", "not a length: use samples (1024) or a time (23ms, 0.02s), above 0"),
        ("dtype", "32", "must be one of float32, float64"),
        ("window", "Han", f"must be one of {', '.join(names.WINDOWS)}: did you mean 'hann'?"),
        ("device", "qqq", "must be one of auto, cpu, cuda, mps"),
        (
            "criterion",
            "entrpy",
            f"must be one of {CRITERIA}, or module:object: did you mean 'entropy'?",
        ),
        ("criterion", "a-b:c", f"must be one of {CRITERIA}, or module:object"),
        ("criterion", "a.:b", f"must be one of {CRITERIA}, or module:object"),
    ],
)
def test_refused_value_names_its_place(tmp_path, name, text, reason):
    flag = OPTIONS[name].flag
    assert refused({name: text}) == f"{flag} {text}: {reason}"
    assert refused(pairs=[f"{name}={text}"]) == f"--set {name}={text}: {reason}"
    config = write(tmp_path, f"# settings\n\n{name}: '{text}'\n")
    assert refused(config=config) == f"{config}:3: {name} = {text}: {reason}"


def test_refused_text_with_spaces_is_quoted():
    assert refused({"win_length": "12 parsecs"}) == (
        "--win-length '12 parsecs': not a length: use samples (1024) or a time (23ms, 0.02s)"
    )
    assert refused({"output": ""}) == "--output '': must not be empty"
    assert refused({"png": "a\0b"}) == r"--png 'a\x00b': must not hold a NUL character"


@pytest.mark.parametrize("path", ["own:criterion", "a.b_2:C.d", "größe:wert"])
def test_own_criterion(path):
    assert merge({"criterion": path}).criterion == path


# contradictions


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"win_length_min": "100ms", "win_length_max": "0.05s"},
            "--win-length-min 100ms is above --win-length-max 0.05s: "
            "lower the first or raise the second",
        ),
        (
            {"win_length": "1025", "n_fft": "1024"},
            "--win-length 1025 is above --n-fft 1024: lower the first or raise the second",
        ),
        (
            {"win_length_max": "1024.5", "n_fft": "1024"},
            "--win-length-max 1024.5 is above --n-fft 1024: lower the first or raise the second",
        ),
        (
            {"win_length_min": "2048", "n_fft": "1024"},
            "--win-length-min 2048 is above --n-fft 1024: lower the first or raise the second",
        ),
        (
            {"fmin": "500", "fmax": "500"},
            "--fmin 500 is not below --fmax 500: lower the first or raise the second",
        ),
        (
            {"order": "2"},
            "--order 2 has no effect with the default --criterion entropy, which has none: "
            "leave it out, or use criterion renyi or lp",
        ),
        (
            {"order": "1", "criterion": "renyi"},
            "--order 1 is excluded for --criterion renyi: "
            "use criterion entropy, which is its limit at 1",
        ),
        (
            {"order": "1.5", "criterion": "lp"},
            "--order 1.5 is too high for --criterion lp: use an order above 0 and at most 1",
        ),
        (
            {"lr": "0.1"},
            "--lr 0.1 has no effect with the default --optimizer auto, which needs no learning "
            "rate: leave it out, or use optimizer adam or sgd",
        ),
        (
            {"lr": "0.1", "optimizer": "lbfgs"},
            "--lr 0.1 has no effect with --optimizer lbfgs, which needs no learning "
            "rate: leave it out, or use optimizer adam or sgd",
        ),
        (
            {"png": "-", "npy": "-"},
            "--png - and --npy - would both fill standard output: "
            "give one of them a path or leave it out",
        ),
        (
            {"npy": "-", "json": True},
            "--npy - and --json would both fill standard output: "
            "give one of them a path or leave it out",
        ),
    ],
)
def test_contradiction_quotes_both(given, message):
    assert refused(given) == message


@pytest.mark.parametrize(
    "given",
    [
        {"win_length": "1024", "n_fft": "1024"},
        {"win_length_min": "20ms", "win_length_max": "0.02s"},
        {"win_length": "2000s", "n_fft": "1024"},  # depends on the sample rate
        {"win_length_min": "1024", "win_length_max": "20ms"},
        {"overlap": "1"},
        {"n_fft": "8"},
        {"lr": "0.1", "optimizer": "sgd"},
        {"order": "1", "criterion": "lp"},
        {"order": "0.5", "criterion": "renyi"},
    ],
)
def test_no_contradiction(given):
    settings = merge(given)
    assert {name: str(getattr(settings, name)) for name in given}.keys() == given.keys()


def test_contradiction_in_the_model_itself():
    with pytest.raises(ValidationError, match=r"fmin 2\.0 is not below fmax 1\.0"):
        Settings(fmin=2, fmax=1)


# YAML and --set as text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("power: 1\n\ncriterium: x\n", "{}:3: unknown key 'criterium': did you mean 'criterion'?"),
        ("win-length: 1\n", "{}:1: unknown key 'win-length': did you mean 'win_length'?"),
        ("zzz: 1\n", "{}:1: unknown key 'zzz': see 'dstft optimize --help'"),
        ("seed: 1\nseed: 2\n", "{}:2: seed is given twice, first on line 1: keep one"),
        ("- seed\n", "{}: holds no settings: write one 'key: value' a line"),
        ("seed\n", "{}: holds no settings: write one 'key: value' a line"),
        ("seed: [1, 2]\n", "{}:1: seed: must be a single value, not a sequence"),
        ("seed: {{a: 1}}\n", "{}:1: seed: must be a single value, not a mapping"),
        ("? [a]\n: 1\n", "{}:1: must be a single value, not a sequence"),
        ("~: 1\n", "{}:1: a key is missing: write 'key: value'"),
        (
            "seed: 1\ncmap: !!python/name:os.system\n",
            "{}:2: cmap: tag !!python/name:os.system is not allowed: write a plain value",
        ),
        (
            "cmap: !!python/object/apply:os.system ['true']\n",
            "{}:1: cmap: must be a single value, not a sequence",
        ),
        ("cmap: !own x\n", "{}:1: cmap: tag !own is not allowed: write a plain value"),
        ("cmap: !!binary aaaa\n", "{}:1: cmap: tag !!binary is not allowed: write a plain value"),
    ],
)
def test_refused_yaml(tmp_path, text, message):
    config = write(tmp_path, text.replace("{{", "{").replace("}}", "}"))
    assert refused(config=config) == message.format(config)


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("seed: 1\n\tpower: 2\n", 2, "a tab"),
        ("seed: 1\ncmap: 'open\n", 3, "quoted scalar"),
        ("seed: 1\n  power: 2\n", 2, "mapping values are not allowed here"),
        ("seed: 1\n---\nseed: 2\n", 2, "another document"),
        ("seed: *nobody\n", 1, "undefined alias"),
    ],
)
def test_yaml_syntax_error_names_the_line(tmp_path, text, line, problem):
    config = write(tmp_path, text)
    message = refused(config=config)
    assert message.startswith(f"{config}:{line}: not valid YAML: ")
    assert problem in message


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"RIFF\xff\xfe\x00\x00WAVE", "is not UTF-8 text: give --config a YAML file"),
        (b"seed: \x01\n", "not YAML: remove the control characters in it"),
        (b"#" * ((1 << 20) + 1), "is above 1 MiB, so no settings file: give --config a YAML file"),
        (b"[" * 20_000, "nested too deeply: write one 'key: value' a line"),
    ],
)
def test_refused_bytes(tmp_path, data, reason):
    config = tmp_path / "garbage.yaml"
    config.write_bytes(data)
    message = refused(config=config)
    assert message.startswith(str(config))
    assert message.endswith(f": {reason}")


def test_a_batch_given_as_settings_is_told_from_them(tmp_path):
    for config in (CONFIGS / "batch.yaml", write(tmp_path, "defaults: {power: 1}\n")):
        message = refused(config=config)
        assert message.startswith(f"{config}:")
        assert message.endswith(f" belongs to a batch: run dstft batch {config}")


def test_missing_config_and_directory(tmp_path):
    absent = tmp_path / "absent.yaml"
    assert refused(config=absent) == f"{absent}: no such file: check --config"
    assert refused(config=tmp_path) == f"{tmp_path}: is a directory: give --config a YAML file"
    within = write(tmp_path, "") / "x.yaml"
    assert refused(config=within) == f"{within}: cannot be read: Not a directory: check --config"


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("hop mode=x", "--set 'hop mode=x': unknown key 'hop mode': did you mean 'hop_mode'?"),
        ("--HOP-MODE=x", "--set --HOP-MODE=x: unknown key '--HOP-MODE': did you mean 'hop_mode'?"),
        (
            "windowmode=x",
            "--set windowmode=x: unknown key 'windowmode': did you mean 'window_mode'?",
        ),
        ("criterium=x", "--set criterium=x: unknown key 'criterium': did you mean 'criterion'?"),
        ("power", "--set power: not a setting: write --set key=value"),
        ("=1", "--set =1: unknown key '': see 'dstft optimize --help'"),
        ("power=[1]", "--set power=[1]: must be a single value, not a sequence"),
        ("power= ", "--set 'power= '"),
    ],
)
def test_refused_pair(pair, message):
    if pair == "power= ":
        assert merge({}, [pair]) == Settings()  # nothing is YAML's null
    else:
        assert refused(pairs=[pair]) == message


def test_pair_with_yaml_syntax_error():
    assert refused(pairs=["power='1"]).startswith("--set power='1: not valid YAML: ")


# presets


@pytest.mark.parametrize("name", ["music", "speech", "bioacoustics", "vibration"])
def test_preset_holds_at_any_sample_rate(name):
    settings = merge({}, [], CONFIGS / f"{name}.yaml")
    assert settings != Settings()
    lengths = [settings.win_length_min, settings.win_length, settings.win_length_max]
    for sample_rate in (8000.0, 11025.0, 44100.0, 384000.0):
        shortest, start, longest = (length.samples(sample_rate) for length in lengths)
        assert shortest < start < longest
        assert settings.hop_length.samples(sample_rate) <= settings.overlap * shortest


@pytest.mark.parametrize("path", PRESETS, ids=lambda path: path.stem)
def test_every_key_of_a_preset_says_why(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert all("  # " in line for line in lines[1:])
