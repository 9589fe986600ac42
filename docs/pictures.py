"""Draws the pictures of these pages again: python docs/pictures.py [NAME ...] (dstft must be installed)."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
SAMPLES = DOCS.parent / "sample_audio"
WIDTH = 900  # pixels
MOST_BYTES = 400_000  # of a picture
COLOURS = (256, 128, 64, 32)  # tried in turn until a picture is small enough
CURVE = (830, 530)  # pixels from the bottom of a comparison: its curve of window lengths

RUNS = {
    "comparison.png": "notes-and-drums.wav --fmin 60 --db-range 60",
    "time-frequency.png": "speech.wav --duration 3 --freq-scale mel",
    "frame-positions.png": (
        "six-tones.wav --scope plane --window-mode fixed --win-length 577 --hop-mode time "
        "--n-fft 1500 --hop-length 250 --overlap 1"
    ),
    "frequency.png": "fm-and-tone.wav --scope plane --window-mode frequency",
    "time-frequency-free.png": (
        "speech.wav --scope plane --duration 3 --n-fft 1024 --smoothness 0 --freq-scale mel"
    ),
    "time-frequency-smooth.png": (
        "speech.wav --scope plane --duration 3 --n-fft 1024 --freq-scale mel"
    ),
}
SWEEPS = {"sweep.png": "speech.wav --scope plane --criterion all"}
TUTORIAL = "speech.wav --duration 3 --window-mode time"
TUTORIAL_PICTURES = ("comparison", "trajectory")
CURVES = [
    f"speech.wav --scope plane --window-mode time --duration 3 --n-fft 1024 --smoothness {mu}"
    for mu in ("0", "0.1", "1")
]


def picture(options: str, name: str = "comparison") -> Image.Image:
    """A picture of a run of `dstft optimize`, whose options follow the recording."""
    recording, *rest = options.split()
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "result")
        arguments = [str(SAMPLES / recording), *rest, "-o", str(output), "-q"]
        command = [sys.executable, "-m", "dstft_cli", "optimize", *arguments]
        subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        return Image.open(output / f"{name}.png").convert("RGB")


def sweep(options: str) -> Image.Image:
    """The picture of a run of `dstft sweep`."""
    name, *rest = options.split()
    command = [sys.executable, "-m", "dstft_cli", "sweep", str(SAMPLES / name), *rest]
    run = subprocess.run([*command, "--png", "-", "-q"], check=True, stdout=subprocess.PIPE)
    return Image.open(io.BytesIO(run.stdout)).convert("RGB")


def save(drawn: Image.Image, name: str) -> None:
    """Scaled to the width of a page, in as many colours as its size allows."""
    height = round(drawn.height * WIDTH / drawn.width)
    small = drawn.resize((WIDTH, height), Image.Resampling.LANCZOS)
    for colours in COLOURS:
        few = small.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=2)
        few.save(DOCS / name, optimize=True)
        if (DOCS / name).stat().st_size <= MOST_BYTES:
            return


def smoothness() -> Image.Image:
    """The curves of window lengths alone, one below the other."""
    panels = []
    for options in CURVES:
        drawn = picture(options)
        top, bottom = (drawn.height - above for above in CURVE)
        panels.append(drawn.crop((0, top, drawn.width, bottom)))
    stack = Image.new("RGB", (panels[0].width, sum(p.height for p in panels)))
    for number, panel in enumerate(panels):
        stack.paste(panel, (0, number * panel.height))
    return stack


def main(wanted: list[str]) -> None:
    drawings = {name: partial(picture, options) for name, options in RUNS.items()}
    drawings |= {name: partial(sweep, options) for name, options in SWEEPS.items()}
    for name in TUTORIAL_PICTURES:
        drawings[f"tutorial-{name}.png"] = partial(picture, TUTORIAL, name)
    drawings["smoothness.png"] = smoothness
    for name in wanted or drawings:
        save(drawings[name](), name)


if __name__ == "__main__":
    main(sys.argv[1:])
