"""Commands, help, version, exit codes, and what is loaded for them."""

from __future__ import annotations

import re

import pytest

from dstft_cli import __version__

from .support import COMMANDS, process, run

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


def test_help_names_every_command_and_option() -> None:
    assert [name for name in COMMANDS if name not in plain(run("--help").text)] == []
    for name in COMMANDS:
        text = plain(run(name, "--help-all" if name == "optimize" else "--help").text)
        assert [option for option in OPTIONS[name].split() if option not in text] == [], name


def test_the_module_is_the_command() -> None:
    done = process("--version")
    assert (done.returncode, done.stderr) == (0, b"")
    assert __version__.encode() in done.stdout
    done = process("nonsuch")
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.startswith(b"dstft: ")
    assert done.stderr.count(b"\n") == 1
