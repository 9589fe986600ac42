"""Commands, help, version, exit codes, and what is loaded for them."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from dstft_cli import __version__

from .support import COMMANDS, environment, process, refused, run

OPTIONS = {
    "optimize": "--channel --sr --offset --duration --n-fft --win-length --win-length-min "
    "--win-length-max --hop-length --window --normalization --power --window-mode --hop-mode "
    "--hop-length-min --hop-length-max --smoothness --overlap --criterion --order "
    "--criterion-fmin --criterion-fmax --optimizer --search --no-search --lr --max-steps "
    "--tolerance --seed --device --dtype --threads --output --png --npy --json --save-stft "
    "--force --freq-scale --fmin --fmax --db-range --cmap --format --config --set --quiet "
    "--verbose --version --help",
    "sweep": "--channel --n-fft --win-length-min --win-length-max --hop-length --window "
    "--criterion --output --png --json --csv --force --config --set",
    "batch": "--set --output --force --json --dry-run --workers --scheduler --fail-fast --no-report",
    "apply": "--channel --sr --offset --duration --output --png --npy --json --save-stft --force",
    "reconstruct": "--output --subtype --force",
    "report": "--output --title --force",
    "reproduce": "--output --seed --threads --force",
}


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def plain(text: str) -> str:
    """Without the codes of colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_names_every_option(name: str) -> None:
    text = plain(run(name, "--help-all" if name == "optimize" else "--help").text)
    missing = [option for option in OPTIONS[name].split() if option not in text]
    assert missing == []


def test_help_names_every_command() -> None:
    ran = run("--help")
    assert [name for name in COMMANDS if name not in plain(ran.text)] == []
    assert ran.err == ""


def test_version() -> None:
    ran = run("--version")
    assert __version__ in ran.text
    assert ran.text.count("\n") == 1
    assert __version__ in run("optimize", "--version").text


def test_no_command_is_wrong_usage() -> None:
    run(code=2)


def test_unknown_names_are_told_with_the_nearest() -> None:
    for arguments, near in (
        (["optimise", "a.wav"], "optimize"),
        (["swep", "a.wav"], "sweep"),
        (["optimize", "a.wav", "--n-ftt", "512"], "--n-fft"),
        (["optimize", "a.wav", "--windw-mode", "time"], "--window-mode"),
        (["sweep", "a.wav", "--criterium", "gini"], "--criterion"),
        (["optimize", "a.wav", "--criterion", "entrpoy"], "entropy"),
        (["optimize", "a.wav", "--set", "criterium=gini"], "criterion"),
    ):
        assert near in refused(*arguments), arguments


def test_missing_arguments() -> None:
    for name in ("optimize", "sweep", "apply", "reconstruct", "report", "reproduce"):
        refused(name)
    refused("optimize", "a.wav", "--n-fft")


def test_choices_are_named() -> None:
    for option, choice in (
        ("--window-mode", "time-frequency"),
        ("--hop-mode", "constant"),
        ("--normalization", "amplitude"),
        ("--window", "blackman"),
        ("--optimizer", "lbfgs"),
        ("--dtype", "float64"),
        ("--device", "cuda"),
        ("--freq-scale", "mel"),
        ("--format", "svg"),
    ):
        message = refused("optimize", "a.wav", option, "nonsuch")
        assert option in message, message
        assert choice in message, message


def test_help_loads_no_large_library() -> None:
    code = (
        "import sys\nfrom dstft_cli.cli import main\n"
        "try:\n    code = main(['optimize', '--help'])\n"
        "except SystemExit as end:\n    code = end.code\n"
        "heavy = {'torch', 'numpy', 'librosa', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)), code or 0, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=environment()
    )
    assert done.stderr.decode() == "[] 0\n"
    assert b"--window-mode" in done.stdout


def test_the_module_is_the_command() -> None:
    done = process("--version")
    assert (done.returncode, done.stderr) == (0, b"")
    assert __version__.encode() in done.stdout
    done = process("nonsuch")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"dstft: ")
    assert done.stderr.count(b"\n") == 1
