"""What docs/sweep.md shows is what comes out."""

import re
import runpy
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from test_readme import blocks, folder, run_shell

from dstft_cli.records import GOOD_ENOUGH, LITTLE, MUCH, SOMEWHAT

__all__ = ["folder"]

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "sweep.md").read_text(encoding="utf-8")
COMMANDS = blocks("sh", PAGE)
(TABLE,) = re.findall(r"^prints\n\n```\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def test_the_table_is_what_the_first_command_prints(folder):
    printed = run_shell(COMMANDS[0], folder).stdout
    assert NUMBER.sub("#", printed).split() == NUMBER.sub("#", TABLE).split()
    shown, found = (list(map(float, NUMBER.findall(text))) for text in (TABLE, printed))
    np.testing.assert_allclose(found, shown, rtol=0.01)


@pytest.mark.parametrize("block", COMMANDS[1:], ids=lambda block: block.strip()[:60])
def test_every_command_runs(block, folder):
    run_shell(block, folder)
    for name in re.findall(r"(?:-o|>) (\S+)$", block, re.MULTILINE):
        assert (folder / name).exists()
    written = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert all(path.stat().st_size > 0 for path in written)


def code_of(text):
    """Without the layout, the version, and lengths, whose last digits depend on the machine."""
    text = re.sub(r"\d+\.\d{2,}|\d+\.\d+\.\d+", "#", text)
    return re.sub(r"\s", "", text).replace(",)", ")")


def test_the_call_shown_gives_the_spectrogram(folder):
    (example,) = blocks("python", PAGE)
    emit = COMMANDS[-1].replace(" > learned.py", " -o out")
    printed = run_shell(emit, folder).stdout
    assert code_of(printed) == code_of(example)
    scope = {"x": torch.from_numpy(soundfile.read(folder / "sample_audio/speech.wav")[0])}
    exec(example, scope)
    written = np.load(folder / "out/spectrogram.npy")
    np.testing.assert_allclose(scope["X"].abs().numpy(), written, atol=1e-3 * written.max())


def test_thresholds_and_pictures_are_those_of_the_page():
    assert f"lose at most {GOOD_ENOUGH:g}" in PAGE
    assert f"below {SOMEWHAT:g} `little`, below {MUCH:g} `somewhat`, else `a lot`" in PAGE
    assert f"`not at all` where losses stay within {LITTLE:g}" in PAGE
    script = runpy.run_path(str(ROOT / "docs" / "pictures.py"))
    ((picture, options),) = script["SWEEPS"].items()
    assert f"]({picture})" in PAGE
    assert f"dstft sweep sample_audio/{options}" in PAGE
    assert (ROOT / "docs" / picture).stat().st_size < 200_000
