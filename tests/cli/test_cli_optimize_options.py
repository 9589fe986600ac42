"""`dstft optimize`: what reaches the job, and what goes to which stream."""

from contract.support import run as dstft
from settings.example import EXAMPLES

from dstft_cli.cli.summary import result_lines
from dstft_cli.settings import OPTIONS, Length, Settings

from .conftest import RECORD


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def test_summary_on_stdout_and_warnings_on_stderr(calls):
    printed = dstft("optimize", "a.wav")
    assert printed.err == "warning: at the upper bound: raise --win-length-max\n"
    lines = printed.text.splitlines()
    assert lines[0].split() == ["window", "length", "64", "ms", "(512", "samples)"]
    assert lines[1].split()[:2] == ["entropy", "9"]
    assert lines[-1].split() == ["results", "a-dstft"]
    assert calls[0].source == "a.wav"
    assert calls[0].settings == Settings()


def test_fixed_windows_are_compared_with_the_start_alone():
    for mode, compared in (("fixed", False), ("constant", True)):
        lines = result_lines(
            RECORD | {"settings": RECORD["settings"] | {"window_mode": mode}}, None
        )
        assert ("best fixed window" in lines[1]) == compared
        assert "start 9.5" in lines[1]


def test_every_option_reaches_the_job(calls):
    arguments = []
    for name, (text, value) in EXAMPLES.items():
        if not OPTIONS[name].is_flag:
            arguments += [flag(name), text]
        elif value != OPTIONS[name].default:
            arguments.append(flag(name) if value else f"--no-{name}")
    dstft("optimize", "a.wav", *arguments)
    expected = {name: value for name, (_, value) in EXAMPLES.items()}
    assert calls[0].settings == Settings(**expected)


def test_precedence(calls, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("power: 1\nseed: 1\noffset: 1\nforce: true\nsearch: false\n")
    pairs = ["--set", "power=2", "--set", "seed=2", "--set", "win_length=23ms"]
    preset = ["--preset", "speech"]
    dstft("optimize", "a.wav", "--power", "3", *pairs, "--config", config, *preset)
    settings = calls[0].settings
    assert (settings.power, settings.seed, settings.offset) == (3.0, 2, 1.0)
    assert (settings.force, settings.search, settings.json) == (True, False, False)
    assert settings.win_length == Length(23.0, "ms")
    assert (settings.freq_scale, settings.db_range) == ("mel", 70.0)
    dstft("optimize", "a.wav", "--search", "--config", config)
    assert calls[1].settings.search is True


def test_an_option_without_effect_is_one_note(calls):
    for arguments, words in (
        (["--smoothness", "0", "--window-mode", "constant"], "--smoothness 0"),
        (["--no-figures", "--freq-scale", "log"], "--freq-scale log"),
        (["--set", "order=2"], "--set order=2"),
        (["--json", "--save-stft"], "--save-stft"),
    ):
        err = dstft("optimize", "a.wav", *arguments).err.splitlines()
        assert len(err) == 2, err
        assert err[0].startswith(f"note: {words} has no effect with "), err
    assert len(calls) == 4


def test_options_without_effect_on_labels_are_noted(folder):
    err = dstft("optimize", "none", "--labels", "--shared", "--workers", "2", code=1).err
    notes = [line.split()[1] for line in err.splitlines() if line.startswith("note: ")]
    assert notes == ["--shared", "--workers"]


def test_input_with_a_leading_dash(calls):
    dstft("optimize", "--", "-a.wav")
    dstft("optimize", "-")
    dstft("optimize", "\udcff.wav")  # a name that is not UTF-8
    assert [call.source for call in calls] == ["-a.wav", "-", "\udcff.wav"]
