"""Links, pictures and the command reference of the pages; and, slowly, every command that they show."""

import re
import runpy
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from tests.docs.pages import PAGES, ROOT, blocks, check_written, commands, furnish, run

ONE_STORY = ("tutorial.md",)  # whose blocks run one after the other in one folder
# what a block may need that is not there
NEEDED = [name for name in ("ffmpeg", "jq", "dask") if shutil.which(name) is None]


def test_links_lead_somewhere():
    for page, text in PAGES.items():
        folder = ROOT if page == "README.md" else ROOT / "docs"
        for target in re.findall(r"\]\(([^)]+)\)", text.replace("\n", " ")):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            assert not name or (folder / name).is_file(), f"{page}: {target}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", PAGES[Path(name).name or page], re.MULTILINE)
                anchors = {re.sub(r"[^\w -]", "", h).lower().replace(" ", "-") for h in headings}
                assert anchor in anchors, f"{page}: {target}"


def test_pictures_are_small_and_have_text_beside_them():
    for page, text in PAGES.items():
        folder = ROOT if page == "README.md" else ROOT / "docs"
        for words, target in re.findall(r"!\[([^\]]*)\]\(([^)]+\.png)\)", text):
            assert len(words.split()) >= 4, f"{page}: {target}"
            assert (folder / target).stat().st_size < 400_000, target


def test_the_command_reference_is_fresh(monkeypatch):
    script = runpy.run_path(str(ROOT / "docs" / "commands.py"))
    for columns in ("40", "200"):
        monkeypatch.setenv("COLUMNS", columns)
        assert PAGES["commands.md"] == script["page"](), "stale: run python docs/commands.py"


@pytest.mark.slow
def test_every_command_runs(tmp_path):
    for page in PAGES:
        if page in (*ONE_STORY, "README.md"):
            continue
        for number, block in enumerate(commands(page)):
            if any(re.search(rf"\b{name}\b", block) for name in NEEDED) or "tcp://" in block:
                print(f"NOT TESTED: {page} block {number}", file=sys.stderr)
                continue
            (tmp_path / f"{page}-{number}").mkdir()
            folder = furnish(tmp_path / f"{page}-{number}")
            run("dstft optimize c.flac --n-fft 256 --no-figures -o results/c", folder)
            run(block, folder)
            check_written(folder)


@pytest.mark.slow
def test_the_tutorial_runs_and_prints_what_it_shows(tmp_path):
    folder, printed = furnish(tmp_path), []
    for language, block in re.findall(
        r"^```(sh|python)\n(.*?)^```$", PAGES["tutorial.md"], flags=re.DOTALL | re.MULTILINE
    ):
        done = run(block, folder, language)
        printed.append(done.stdout + done.stderr)
    check_written(folder)
    numbers = re.compile(r"\d+(?:\.\d+)?")

    def rounded(text: str) -> str:
        return " ".join(numbers.sub(lambda n: f"{float(n[0]):.2g}", text).split())

    everything = rounded("\n".join(printed))
    for shown in blocks("text", "tutorial.md"):
        assert rounded(shown) in everything


@pytest.mark.slow
def test_the_emitted_call_on_the_sweep_page_gives_the_spectrogram(tmp_path):
    folder = furnish(tmp_path)
    (example,) = blocks("python", "sweep.md")
    (emit,) = [block for block in commands("sweep.md") if "--emit torch " in block]
    run(emit.replace(" > learned.py", " --npy-hop full -o out"), folder)
    scope = {"x": torch.from_numpy(soundfile.read(folder / "sample_audio/speech.wav")[0])}
    exec(example, scope)
    written = np.load(folder / "out/spectrogram.npy")
    np.testing.assert_allclose(scope["X"].abs().numpy(), written, atol=1e-3 * written.max())


@pytest.mark.slow
def test_the_tables_of_choosing_are_those_that_the_script_measures():
    script = runpy.run_path(str(ROOT / "docs" / "facts.py"))
    for name, measure in script["FACTS"].items():
        measured = measure()
        head = measured.splitlines()[0]
        assert head in PAGES["choosing.md"], name
        shown = PAGES["choosing.md"].partition(head)[2].partition("\n\n")[0]
        rows = zip(shown.splitlines()[2:], measured.splitlines()[2:], strict=True)
        for here, there in rows:
            cells = zip(here.split("|"), there.split("|"), strict=True)
            for a, b in cells:
                if re.fullmatch(r"\s*[\d.e+-]+\s*", a):
                    assert float(a) == pytest.approx(float(b), rel=2e-2, abs=0.01), (name, here)
