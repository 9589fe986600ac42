"""Every command in README.md and docs/*.md runs as written, every Python block of the tutorial too."""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import soundfile

from dstft_cli.names import EXPERIMENTS

ROOT = Path(__file__).parent.parent
SCRIPTS = Path(sysconfig.get_path("scripts"))
PAGES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
PAGES["README.md"] = (ROOT / "README.md").read_text("utf-8")
ONE_STORY = {"tutorial.md"}  # whose blocks run one after the other in one folder
MISSING = {
    program: f"NOT TESTED: {program} is not installed, so the commands with it did not run"
    for program in ("ffmpeg", "jq")
    if shutil.which(program) is None
}
MISSING["dask"] = (
    "NOT TESTED: a cluster of several machines; test_cli_batch_cluster.py runs a small one"
)
RATE = 48000


def blocks(language: str, page: str) -> list[str]:
    """Contents of the fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], flags=re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    return [block for block in blocks("sh", page) if "-m venv" not in block]  # see test_readme.py


CASES = [(page, n) for page in PAGES if page not in ONE_STORY for n in range(len(commands(page)))]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with what the pages speak of: recordings, presets, configs."""
    (tmp_path / "sample_audio").symlink_to(ROOT / "sample_audio")
    shutil.copytree(ROOT / "configs", tmp_path / "configs")  # results may go beside them
    return tmp_path


def add_recordings(folder: Path) -> None:
    """The recordings and the config that batch.md names, and results for report.md."""
    t = np.arange(RATE // 10) / RATE
    for n, name in enumerate(
        ["recordings/meadow/dawn/lark.wav", "recordings/a.flac", "recordings/b.flac", "c.flac"]
    ):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sweep = 0.3 * np.sin(2 * np.pi * (500 * (n + 1) + 3000 * t) * t)
        soundfile.write(folder / name, sweep, RATE)
    (example,) = blocks("yaml", "batch.md")
    (folder / "night.yaml").write_text(example, "utf-8")
    found = run("dstft optimize c.flac --n-fft 256 -o results/c", folder)
    assert "results        results/c" in found.stdout


def run(block: str, folder: Path, program: tuple[str, ...] = ("bash", "-euo", "pipefail", "-c")):
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [*program, block],
        cwd=folder,
        env={**os.environ, "PATH": path},
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, f"{block}\nexit code {done.returncode}\n{done.stderr}"
    return done


def check_written(folder: Path) -> None:
    """Whatever was written can be read."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file():
            continue
        assert path.stat().st_size > 0, f"{path.name} is empty"
        if path.suffix == ".npy":
            assert np.isfinite(np.load(path, mmap_mode="r")).all()
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")


def test_the_pages_have_commands() -> None:
    assert {page for page, _ in CASES} >= {"README.md", "batch.md", "modes.md", "report.md"}
    for page in PAGES:
        assert [b for b in commands(page) if "dstft " not in b] == []
    assert (SCRIPTS / "dstft").exists(), f"dstft is not installed in {SCRIPTS}"


@pytest.mark.parametrize(("page", "number"), CASES, ids=[f"{page}-{n}" for page, n in CASES])
def test_every_command_runs(page: str, number: int, folder: Path) -> None:
    block = commands(page)[number]
    for program, reason in MISSING.items():
        if re.search(rf"\b{program}\b", block):
            pytest.skip(reason)
    if re.search(r"recordings|night\.yaml|\*\.flac|report results$", block, re.MULTILINE):
        add_recordings(folder)
    run(block, folder)
    for name in re.findall(r"(?:> ?|-o )([\w.]+)(?=\s|$)", block):
        assert (folder / name).exists(), name
    check_written(folder)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder after the tutorial's commands and Python, and what each block printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "sample_audio").symlink_to(ROOT / "sample_audio")
    printed = []
    for language, block in re.findall(
        r"^```(sh|python)\n(.*?)^```$", PAGES["tutorial.md"], flags=re.DOTALL | re.MULTILINE
    ):
        program = ("bash", "-euo", "pipefail", "-c")
        if language == "python":
            program = (sys.executable, "-W", "error", "-c")
        done = run(block, folder, program)
        printed.append(done.stdout + done.stderr)
    return folder, printed


def rounded(text: str) -> list[str]:
    """The words of a text, numbers to two digits: the last ones depend on the machine."""

    def two_digits(number: re.Match[str]) -> str:
        return f"{float(number[0]):.2g}"

    return re.sub(r"\d+(\.\d+)?", two_digits, text).split()


def test_the_tutorial_runs_and_prints_what_it_shows(story: tuple[Path, list[str]]) -> None:
    folder, printed = story
    check_written(folder)
    assert len(printed) >= 12
    shown = blocks("text", "tutorial.md")
    assert len(shown) == 2
    everything = " ".join(rounded("\n".join(printed)))
    for text in shown:
        assert " ".join(rounded(text)) in everything


def test_the_tutorial_writes_what_it_names(story: tuple[Path, list[str]]) -> None:
    folder, _ = story
    for name in ("night/summary.csv", "night/report.html", "night.html", "bell.npy", "back.wav"):
        assert (folder / name).is_file(), name
    lengths = np.load(folder / "free" / "parameters.npz")["window_length"][0]
    calm = np.load(folder / "calm" / "parameters.npz")["window_length"][0]
    assert np.count_nonzero(np.diff(calm)) < np.count_nonzero(np.diff(lengths)) / 10


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_exist(page: str) -> None:
    folder = ROOT if page == "README.md" else ROOT / "docs"
    for target in re.findall(r"\]\(([^)]+)\)", PAGES[page].replace("\n", " ")):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        assert not name or (folder / name).is_file(), target
        linked = Path(name).name or page
        if anchor:
            headings = re.findall(r"^#+ (.*)$", PAGES[linked], re.MULTILINE)
            anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
            assert anchor in anchors, target


def test_pictures_are_those_that_the_script_draws() -> None:
    shown = {
        name
        for page, text in PAGES.items()
        if page != "README.md"
        for name in re.findall(r"\]\(([^)#]+\.png)\)", text.replace("\n", " "))
    }
    script = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    drawn = {*script["RUNS"], *script["SWEEPS"], "smoothness.png"}
    drawn |= {f"tutorial-{name}.png" for name in script["TUTORIAL_PICTURES"]}
    drawn |= {f"experiments-{name}.png" for name in EXPERIMENTS if name != "all"}  # by reproduce
    assert shown == drawn
    text = "".join(commands("modes.md") + commands("tutorial.md"))
    for options in (
        script["RUNS"]["frame-positions.png"],
        script["RUNS"]["time-frequency.png"],
        script["TUTORIAL"],
    ):
        assert options in text
    for name in drawn:
        assert (ROOT / "docs" / name).stat().st_size < 330_000


def test_the_command_reference_is_fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    script = runpy.run_path(str(ROOT / "docs" / "commands.py"))
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        fresh = script["page"]()
        assert PAGES["commands.md"] == fresh, "stale: run python docs/commands.py"


def test_the_command_reference_holds_every_command_and_option() -> None:
    from dstft_cli.cli.app import COMMANDS, load

    assert re.findall(r"^## `(.*)`$", PAGES["commands.md"], re.MULTILINE) == [
        "dstft",
        *(f"dstft {name}" for name in COMMANDS),
    ]
    sections = PAGES["commands.md"].split("\n## ")[2:]
    for name, section in zip(COMMANDS, sections, strict=True):
        for parameter in load(name).params:
            for option in [*parameter.opts, *parameter.secondary_opts]:
                if option.startswith("-"):
                    assert re.search(rf"(^|[ ,]){option}\b", section, re.MULTILINE), (name, option)
