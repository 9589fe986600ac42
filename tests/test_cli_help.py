"""Help and version: complete, and light enough to be instant."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest
import soundfile

from dstft_cli import _version
from dstft_cli.cli import group, main
from dstft_cli.cli.options import help_text
from dstft_cli.settings import OPTIONS

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "numpy", "scipy", "matplotlib", "soundfile", "soxr", "librosa", "rich", "yaml")


def run_python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], ["-h"], *([name, "--help"] for name in group.COMMANDS)],
)
def test_help_imports_nothing_heavy(arguments):
    code = (
        "import sys; from dstft_cli.cli import main; code = main(sys.argv[1:]);"
        f"print([name for name in {HEAVY} if name in sys.modules], code)"
    )
    done = run_python("-c", code, *arguments)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] == "[] 0"
    assert len(done.stdout.splitlines()) > 1


def test_group_help_does_not_even_import_settings():
    code = (
        "import sys; from dstft_cli.cli import main; main(['-h']); print('pydantic' in sys.modules)"
    )
    assert run_python("-c", code).stdout.splitlines()[-1] == "False"


def test_module_runs_as_the_command():
    done = run_python("-m", "dstft_cli", "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"dstft {_version.__version__} (torch ")


def test_version_names_what_results_depend_on(capsys):
    assert main(["--version"]) == 0
    python = ".".join(map(str, sys.version_info[:3]))
    libsndfile = soundfile.__libsndfile_version__
    expected = (
        f"dstft {_version.__version__} (torch {version('torch')}, "
        f"soundfile {version('soundfile')}, libsndfile {libsndfile}, Python {python})\n"
    )
    assert capsys.readouterr().out == expected
    assert main(["optimize", "--version"]) == 0
    assert capsys.readouterr().out == expected


def test_version_without_an_installed_torch(monkeypatch, capsys):
    def absent(package):
        raise PackageNotFoundError(package)

    monkeypatch.setattr("importlib.metadata.version", absent)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: None)
    assert main(["--version"]) == 0
    assert "(no torch, no soundfile, no libsndfile, Python" in capsys.readouterr().out


def test_version_with_a_library_that_is_none(monkeypatch, capsys):
    monkeypatch.setattr("dstft_cli.cli.version._bundled_library", lambda: __file__)
    assert main(["--version"]) == 0
    assert ", no libsndfile, " in capsys.readouterr().out


def test_help_shows_every_option_in_its_group(capsys):
    assert main(["optimize", "--help"]) == 0
    out = capsys.readouterr().out
    sections = re.split(r"^(\w+) options:$", out, flags=re.MULTILINE)
    by_group = {
        heading.lower(): " ".join(text.split())
        for heading, text in zip(sections[1::2], sections[2::2], strict=True)
    }
    assert list(by_group) == [
        *dict.fromkeys(declaration.option.group for declaration in OPTIONS.values()),
        "general",
    ]
    for declaration in OPTIONS.values():
        text = by_group[declaration.option.group]
        assert re.search(rf"(^| ){declaration.flag} ", text)
        assert " ".join(help_text(declaration).split()) in text
    for flag in ("--config FILE", "--set KEY=VALUE", "-q, --quiet", "-v, --verbose", "-h, --help"):
        assert flag in by_group["general"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("offset", "Start reading here, such as 0.5 or 500ms.  [s; at least 0; default: 0]"),
        ("sr", "Resample to this sample rate.  [Hz; at least 1; default: the file's]"),
        (
            "hop_length",
            "Distance between frame centres; at the start, where it is learned.  [default: n_fft/16]",
        ),
        ("force", "Replace what exists."),
    ],
)
def test_help_text(name, text):
    assert help_text(OPTIONS[name]) == text


def test_group_help_lists_every_command(capsys):
    assert main(["--help"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for name, (_, _, text) in group.COMMANDS.items():
        assert f"{name} {text}" in out


def test_every_command_can_be_imported():
    for name in group.COMMANDS:
        command = group.dstft.get_command(None, name)
        assert command.name == name


def test_no_command_shows_help_on_stderr(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: dstft [OPTIONS] ")


def test_unknown_command(capsys):
    assert main(["optimise", "a.wav"]) == 2
    assert capsys.readouterr().err == ("dstft: no command 'optimise': did you mean 'optimize'?\n")
    assert main(["a.wav"]) == 2
    assert capsys.readouterr().err == (
        f"dstft: no command 'a.wav': the commands are {', '.join(group.COMMANDS)}: "
        "see 'dstft --help'\n"
    )


@pytest.mark.parametrize("option", ["--hop_mode", "--HOP-MODE", "--hopmode"])
def test_unknown_option(capsys, option):
    assert main(["optimize", "a.wav", option, "time"]) == 2
    assert capsys.readouterr().err == (
        f"dstft: no such option '{option}': did you mean '--hop-mode'?\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["optimize", "a.wav", "--config", ""], "--config '': must not be empty"),
        (["reconstruct", "a", "--subtype", ""], "--subtype '': must not be empty"),
        (["apply", "", "a.wav"], "DIR '': must not be empty"),
        (["sweep", "a.wav", "--config", "\x1b[31m"], r"\x1b[31m: no such file: check --config"),
    ],
)
def test_empty_and_unprintable_names(capsys, arguments, message):
    assert main(arguments) == 2
    assert capsys.readouterr().err == f"dstft: {message}\n"


def test_choices_complete_in_the_shell(monkeypatch, capsys):
    monkeypatch.setenv("_DSTFT_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "dstft optimize --window g")
    monkeypatch.setenv("COMP_CWORD", "3")
    assert main([]) == 0
    assert capsys.readouterr().out == "plain,gaussian\n"
