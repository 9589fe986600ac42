"""Completion in shells: the protocol, the scripts, and a real bash and fish."""

import os
import shutil
import subprocess
import sys
import sysconfig

import pytest
from dstft_cli.cli.completion import SHELLS

from dstft_cli.cli import group, main
from dstft_cli.names import CRITERIA, WINDOW_MODES

SCRIPTS = sysconfig.get_path("scripts")
ENVIRONMENT = {**os.environ, "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"}


@pytest.fixture
def complete(monkeypatch, capsys):
    """What click answers a shell that has this line before the cursor: (type, value) each."""

    def ask(line: str) -> list[tuple[str, ...]]:
        count = len(line.split())
        monkeypatch.setenv("_DSTFT_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(count if line.endswith(" ") else count - 1))
        assert main([]) == 0
        return [tuple(row.split(",", 1)) for row in capsys.readouterr().out.splitlines()]

    return ask


def words(answers):
    assert {kind for kind, _ in answers} <= {"plain"}
    return [value for _, value in answers]


def test_commands(complete):
    assert words(complete("dstft ")) == list(group.COMMANDS)
    assert words(complete("dstft op")) == ["optimize"]


@pytest.mark.parametrize("command", group.COMMANDS)
def test_options_of_every_command(complete, command):
    offered = words(complete(f"dstft {command} --"))
    params = group.dstft.get_command(None, command).params
    declared = {name for p in params for name in [*p.opts, *p.secondary_opts] if name[:2] == "--"}
    assert set(offered) == declared | {"--help"}


@pytest.mark.parametrize(
    ("line", "choices"),
    [
        ("dstft optimize a.wav --criterion ", list(CRITERIA)),
        ("dstft optimize --window-mode ", list(WINDOW_MODES)),
        ("dstft optimize --window-mode f", ["fixed", "frequency"]),
        ("dstft completion ", list(SHELLS)),
    ],
)
def test_choices(complete, line, choices):
    assert words(complete(line)) == choices


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        ("dstft optimize sample", ("file", "sample")),
        ("dstft optimize - --npy x", ("file", "x")),
        ("dstft optimize - --config c", ("file", "c")),
        ("dstft optimize - -o d", ("dir", "d")),
        ("dstft apply d", ("dir", "d")),
        ("dstft apply d in", ("file", "in")),
        ("dstft batch c", ("file", "c")),
        ("dstft batch --from0 l", ("file", "l")),
        ("dstft reconstruct d -o x", ("file", "x")),
        ("dstft report d", ("dir", "d")),
    ],
)
def test_places(complete, line, answer):
    assert complete(line) == [answer]


def test_completion_imports_nothing_heavy():
    code = (
        "import sys; from dstft_cli.cli import main; main([]);"
        "print([name for name in ('torch', 'numpy', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "_DSTFT_COMPLETE": "bash_complete",
            "COMP_WORDS": "dstft optimize --window-mode t",
            "COMP_CWORD": "3",
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.splitlines() == ["plain,time", "plain,time-frequency", "[]"]


@pytest.mark.parametrize("shell", SHELLS)
def test_scripts_ask_by_the_right_name(capsys, shell):
    assert main(["completion", shell]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert f"_DSTFT_COMPLETE={shell}_complete" in out


def test_unknown_shell(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert capsys.readouterr().err == (
        "dstft: completion for 'tcsh': the shells are bash, zsh, fish\n"
    )


def in_shell(shell: str, script: str, cwd) -> list[str]:
    if shutil.which(shell) is None:
        pytest.skip(f"NOT TESTED: {shell} is not installed, so its completion did not run")
    options = ["--norc", "--noprofile"] if shell == "bash" else []
    done = subprocess.run(
        [shell, *options, "-c", script],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_a_real_bash(tmp_path):
    ask = "COMPREPLY=(); COMP_WORDS=({line}); COMP_CWORD={n}; _dstft_completion dstft\n"
    ask += "echo ${{COMPREPLY[@]}}"
    script = 'eval "$(dstft completion bash)"\n'
    script += ask.format(line="dstft rec", n=1) + "\n"
    script += ask.format(line="dstft optimize --criterion ho", n=3) + "\ncomplete -p dstft"
    answer = in_shell("bash", script, tmp_path)
    assert answer[:2] == ["reconstruct", "hoyer"]
    assert answer[2:] == ["complete", "-o", "nosort", "-F", "_dstft_completion", "dstft"]


def test_a_real_fish(tmp_path):
    (tmp_path / "calls.wav").touch()
    script = "dstft completion fish | source\n"
    script += "complete -C 'dstft optimize --hop-mode c'; complete -C 'dstft optimize cal'"
    assert in_shell("fish", script, tmp_path) == ["constant", "calls.wav"]


def test_zsh_reads_its_script(tmp_path):
    script = 'autoload -Uz compinit && compinit -D; eval "$(dstft completion zsh)"; whence -w '
    script += "_dstft_completion; print $_comps[dstft]"
    assert in_shell("zsh", script, tmp_path) == [
        "_dstft_completion:",
        "function",
        "_dstft_completion",
    ]
