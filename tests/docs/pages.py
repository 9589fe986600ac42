"""The pages of the documentation, and a way to run what they show as a reader would."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[2]
SCRIPTS = Path(sysconfig.get_path("scripts"))
PAGES = {path.name: path.read_text("utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
PAGES["README.md"] = (ROOT / "README.md").read_text("utf-8")
RATE = 48000


def blocks(language: str, page: str) -> list[str]:
    """Contents of the fenced blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGES[page], flags=re.DOTALL | re.MULTILINE)


def commands(page: str) -> list[str]:
    """Shell blocks, without those that set up an environment."""
    return [block for block in blocks("sh", page) if "-m venv" not in block]


def furnish(folder: Path) -> Path:
    """A folder with what the pages speak of: recordings, presets, a batch file."""
    (folder / "sample_audio").symlink_to(ROOT / "sample_audio")
    shutil.copytree(ROOT / "configs", folder / "configs")  # results may go beside them
    t = np.arange(RATE // 10) / RATE
    names = ["recordings/meadow/dawn/lark.wav", "recordings/a.flac", "recordings/b.flac", "c.flac"]
    for n, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        sweep = 0.3 * np.sin(2 * np.pi * (500 * (n + 1) + 3000 * t) * t)
        soundfile.write(folder / name, sweep, RATE)
    (folder / "night.yaml").write_text(blocks("yaml", "batch.md")[0], "utf-8")
    return folder


def run(block: str, folder: Path, language: str = "sh") -> subprocess.CompletedProcess[str]:
    """Runs a block, which must succeed."""
    program = ["bash", "-euo", "pipefail", "-c"]
    if language == "python":
        program = [sys.executable, "-W", "error", "-c"]
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    options = {"env": {**os.environ, "PATH": path}, "text": True, "capture_output": True}
    done = subprocess.run([*program, block], cwd=folder, timeout=600, **options)
    assert done.returncode == 0, f"{block}\nexit code {done.returncode}\n{done.stderr}"
    return done


def check_written(folder: Path) -> None:
    """Whatever was written can be read."""
    for path in folder.rglob("*"):
        if path.is_symlink() or not path.is_file() or path.suffix == ".lock":
            continue
        assert path.stat().st_size > 0, f"{path.name} is empty"
        if path.suffix == ".npy":
            assert np.isfinite(np.load(path, mmap_mode="r")).all(), path.name
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG"), path.name
