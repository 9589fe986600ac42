"""Help, version, completion: complete, and light."""

import os
import subprocess
import sys
from importlib.metadata import version

import pytest
import soundfile
from contract.support import ROOT
from contract.support import run as dstft

from dstft_cli import __version__
from dstft_cli.cli.app import COMMANDS, load
from dstft_cli.settings import OPTIONS

HEAVY = ("torch", "numpy", "scipy", "librosa", "matplotlib", "soundfile", "soxr", "yaml")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def flags_of(name: str) -> set[str]:
    params = load(name).params
    names = {flag for param in params for flag in (*param.opts, *param.secondary_opts)}
    return {flag for flag in names if flag.startswith("--")}


def test_help_and_completion_import_nothing_heavy():
    code = (
        "import sys; from dstft_cli.cli import main\n"
        "for arguments in {0}: assert main(arguments) == 0, arguments\n"
        "print([name for name in {1} if name in sys.modules], file=sys.stderr)"
    )
    every = [["--version"], ["-h"], *([name, "--help"] for name in COMMANDS)]
    every.append(["optimize", "--help-all"])
    for heavy, arguments in ((HEAVY, every), ((*HEAVY, "pydantic"), [["--help"], ["--version"]])):
        line = [sys.executable, "-c", code.format(arguments, heavy)]
        done = subprocess.run(line, capture_output=True, text=True, env=ENVIRONMENT, check=False)
        assert done.stderr == "[]\n"


def test_short_help_leaves_experts_options_out():
    text, everything = dstft("optimize", "--help").text, dstft("optimize", "--help-all").text
    for name, declared in OPTIONS.items():
        flag = "--" + name.replace("_", "-") + " "
        assert (flag in text) is not declared.option.hidden, name
        assert flag in everything, name
        assert declared.default_text in everything or declared.is_flag, name
    assert text.count("dstft optimize ") == 4  # usage and three examples
    assert len(text) < 0.7 * len(everything)


def test_version_names_what_results_depend_on(monkeypatch):
    for arguments in (["--version"], ["optimize", "--version"], ["batch", "--version"]):
        text = dstft(*arguments).text
        assert text.count("\n") == 1
        for part in (__version__, version("torch"), soundfile.__libsndfile_version__):
            assert part in text, text
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("ctypes.util.find_library", lambda name: str(ROOT / "README.md"))
    assert "no libsndfile" in dstft("--version").text


def complete(monkeypatch, line: str) -> list[str]:
    monkeypatch.setenv("_DSTFT_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - (not line.endswith(" "))))
    return dstft().text.split()


def test_waiting_threads_do_not_spin_unless_asked(monkeypatch):
    for given, found in ((None, "PASSIVE"), ("ACTIVE", "ACTIVE")):
        monkeypatch.setenv("OMP_WAIT_POLICY", given or "")
        if given is None:
            monkeypatch.delenv("OMP_WAIT_POLICY")
        dstft("--version")
        assert os.environ["OMP_WAIT_POLICY"] == found


def test_completion(monkeypatch):
    assert complete(monkeypatch, "dstft ") == list(COMMANDS)
    assert complete(monkeypatch, "dstft op") == ["optimize"]
    line = "dstft optimize a.wav --criterion "
    assert complete(monkeypatch, line) == list(OPTIONS["criterion"].choices)
    line = "dstft optimize --window-mode f"
    assert complete(monkeypatch, line) == ["fixed", "frequency"]
    assert complete(monkeypatch, "dstft optimize sample") == []  # the shell's own: files
    for name in COMMANDS:
        offered = complete(monkeypatch, f"dstft {name} --")
        assert set(offered) == flags_of(name) | {"--help"}, name
    for shell in ("bash", "zsh", "fish"):
        monkeypatch.setenv("_DSTFT_COMPLETE", f"source_{shell}")
        assert f"_DSTFT_COMPLETE=complete_{shell}" in dstft().text


def test_packages_and_presets_are_all_installed():
    if sys.version_info < (3, 11):
        pytest.skip("NOT TESTED: no tomllib before Python 3.11")
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    setuptools = project["tool"]["setuptools"]
    rooms = sorted(path.parent.name for path in (ROOT / "dstft_cli").glob("*/__init__.py"))
    expected = {"dstft_cli", "dstft_cli.presets", *(f"dstft_cli.{room}" for room in rooms)}
    assert set(setuptools["packages"]) == expected
    files = setuptools["package-data"]["dstft_cli.presets"]
    assert files == [f"{name}.yaml" for name in OPTIONS["preset"].choices]
    folder = ROOT / setuptools["package-dir"]["dstft_cli.presets"]
    assert all((folder / name).is_file() for name in files)
