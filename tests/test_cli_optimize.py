"""`dstft optimize`: what reaches the job, what goes to which stream."""

import io
import json
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from test_settings import EXAMPLES

from dstft_cli.cli import main
from dstft_cli.settings import OPTIONS, Length, Settings


@dataclass
class Outcome:
    result_json: dict = field(default_factory=lambda: {"warnings": ["at the upper bound"]})
    output: Path | None = Path("a-dstft")
    summary: list = field(default_factory=lambda: ["window length 512", "written to a-dstft"])


@pytest.fixture
def calls(monkeypatch):
    """Every call of the job, which is replaced by one that writes `data` to its stdout."""
    seen = []

    def run_optimize(source, settings, *, stdout, report, progress):
        seen.append(types.SimpleNamespace(source=source, settings=settings, progress=progress))
        report("loading")
        if stdout is not None:
            stdout.write(b'{"data": 1}')
        return Outcome()

    module = types.ModuleType("dstft_cli.run.job")
    module.run_optimize = run_optimize
    monkeypatch.setitem(sys.modules, "dstft_cli.run.job", module)
    monkeypatch.setattr("dstft_cli.run.preflight.refuse_early", lambda *_: None)
    return seen


class Terminal(io.TextIOWrapper):
    def __init__(self):
        super().__init__(io.BytesIO(), encoding="utf-8", write_through=True)

    def isatty(self):
        return True

    def text(self):
        return self.buffer.getvalue().decode()


def refused(capsys, *arguments) -> str:
    assert main(["optimize", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err.rstrip("\n")


def test_summary_on_stdout_and_warnings_on_stderr(calls, capsys):
    assert main(["optimize", "a.wav"]) == 0
    out, err = capsys.readouterr()
    assert out == "window length 512\nwritten to a-dstft\n"
    assert err == "warning: at the upper bound\n"
    assert calls[0].source == "a.wav"
    assert calls[0].settings == Settings()
    assert calls[0].progress is None


def test_quiet_and_verbose(calls, capsys):
    assert main(["optimize", "a.wav", "-q"]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["optimize", "a.wav", "-v"]) == 0
    assert capsys.readouterr().err == "loading\nwarning: at the upper bound\n"
    assert main(["optimize", "a.wav", "-qv"]) == 2
    message = "dstft: --quiet and --verbose exclude each other: leave one out"
    assert capsys.readouterr().err.splitlines()[-1] == message
    assert len(calls) == 2


def test_every_option_reaches_the_job(calls):
    arguments = ["optimize", "a.wav"]
    for name, (text, value) in EXAMPLES.items():
        declaration = OPTIONS[name]
        if not declaration.is_flag:
            arguments += [declaration.flag, text]
        elif declaration.option.negatable:
            arguments.append(declaration.flag if value else f"--no-{declaration.flag[2:]}")
        elif value:
            arguments.append(declaration.flag)
    assert main(arguments) == 0
    assert calls[0].settings == Settings(**{name: value for name, (_, value) in EXAMPLES.items()})


def test_precedence(calls, tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("power: 1\nseed: 1\noffset: 1\nforce: true\nsearch: false\n")
    pairs = ["--set", "power=2", "--set", "seed=2", "--set", "win_length=23ms"]
    assert main(["optimize", "a.wav", "--power", "3", *pairs, "--config", str(config)]) == 0
    settings = calls[0].settings
    assert (settings.power, settings.seed, settings.offset) == (3.0, 2, 1.0)
    assert (settings.force, settings.search, settings.json) == (True, False, False)
    assert settings.win_length == Length(23.0, "ms")
    assert main(["optimize", "a.wav", "--search", "--config", str(config)]) == 0
    assert calls[1].settings.search is True


def test_input_with_a_leading_dash(calls):
    assert main(["optimize", "--", "-a.wav"]) == 0
    assert main(["optimize", "-"]) == 0
    assert [call.source for call in calls] == ["-a.wav", "-"]


@pytest.mark.parametrize("option", [["--json"], ["--npy", "-"], ["--png", "-"]])
def test_stdout_carries_the_data_alone(calls, capsysbinary, option):
    assert main(["optimize", "a.wav", *option]) == 0
    out, err = capsysbinary.readouterr()
    assert json.loads(out) == {"data": 1}
    assert err == b"warning: at the upper bound\n"


@pytest.mark.parametrize("option", ["--npy", "--png"])
def test_no_binary_data_to_a_terminal(calls, monkeypatch, capsys, option):
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["optimize", "a.wav", option, "-"]) == 2
    assert sys.stdout.text() == ""
    assert calls == []
    assert capsys.readouterr().err == (
        f"dstft: {option} - would write binary data to a terminal: "
        "redirect it (> FILE), pipe it, or give a path for -\n"
    )


def test_json_to_a_terminal(calls, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["optimize", "a.wav", "--json"]) == 0
    assert sys.stdout.text() == '{"data": 1}'


def test_data_to_a_closed_stdout(calls, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdout", None)
    assert main(["optimize", "a.wav", "--json"]) == 2
    assert capsys.readouterr().err == (
        "dstft: standard output is closed: redirect it to a file or a pipe\n"
    )


def test_progress_bar_only_on_a_terminal(calls, monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(["optimize", "a.wav"]) == 0
    assert calls[0].progress is not None
    assert main(["optimize", "a.wav", "-q"]) == 0
    assert calls[1].progress is None


def test_progress_bar_names_its_stages(monkeypatch):
    from dstft_cli.cli.progress import progress_bar

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    with progress_bar(quiet=False) as show:
        show("search", 0, 0)
        show("search", 3, 4)
        show("descent", 1, 200)
    text = sys.stderr.text()
    assert "search" in text
    assert "75%" in text
    assert "descent" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "dstft: missing argument 'INPUT': see 'dstft optimize --help'"),
        (["a.wav", "--power", "-1"], "dstft: --power -1: must be above 0"),
        (["a.wav", "--set", "power=-1"], "dstft: --set power=-1: must be above 0"),
        (
            ["a.wav", "--png"],
            "dstft: option '--png' requires an argument: see 'dstft optimize --help'",
        ),
        (["a.wav", "--config", "none.yaml"], "dstft: none.yaml: no such file: check --config"),
        (
            ["a.wav", "--png", "-", "--json"],
            "dstft: --png - and --json would both fill standard output: "
            "give one of them a path or leave it out",
        ),
        (
            ["a.wav", "--n-fft", "512", "--win-length", "1024"],
            "dstft: --win-length 1024 is above --n-fft 512: lower the first or raise the second",
        ),
    ],
)
def test_wrong_usage(calls, capsys, arguments, message):
    assert refused(capsys, *arguments) == message
    assert calls == []


def test_wrong_option_gets_a_suggestion(calls, capsys):
    message = refused(capsys, "a.wav", "--win-lenght", "3")
    assert message == "dstft: no such option '--win-lenght': did you mean '--win-length'?"
    assert "unexpected extra argument" in refused(capsys, "a.wav", "b.wav")
