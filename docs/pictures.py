"""Draws the pictures of these pages again: python docs/pictures.py (dstft must be installed)."""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

DOCS = Path(__file__).parent
SAMPLES = DOCS.parent / "sample_audio"
WIDTH = 900  # pixels
LOWEST_PANEL = 0.25  # of the height of a comparison of three spectrograms and a curve

RUNS = {
    "frame-positions.png": (
        "six-tones.wav --window-mode fixed --win-length 577 --hop-mode time --n-fft 1500 "
        "--hop-length 250 --overlap 1"
    ),
    "frequency.png": "fm-and-tone.wav --window-mode frequency",
    "time-frequency.png": (
        "clicks-over-drone.wav --window-mode time-frequency --duration 1.6 --freq-scale log --fmin 80"
    ),
    "time-frequency-free.png": (
        "speech.wav --window-mode time-frequency --duration 3 --n-fft 1024 --smoothness 0 "
        "--freq-scale mel"
    ),
    "time-frequency-smooth.png": (
        "speech.wav --window-mode time-frequency --duration 3 --n-fft 1024 --freq-scale mel"
    ),
}
SWEEPS = {"sweep.png": "speech.wav --criterion all"}
TUTORIAL = "speech.wav --duration 3 --window-mode time"
TUTORIAL_PICTURES = {"comparison": 128, "trajectory": 256}  # colours
CURVES = [
    f"speech.wav --window-mode time --duration 3 --n-fft 1024 --smoothness {mu}"
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


def save(drawn: Image.Image, name: str, colours: int = 256) -> None:
    """Scaled to the width of a page, in few colours."""
    height = round(drawn.height * WIDTH / drawn.width)
    small = drawn.resize((WIDTH, height), Image.Resampling.LANCZOS)
    few = small.quantize(colours, method=Image.Quantize.MAXCOVERAGE, kmeans=2)
    few.save(DOCS / name, optimize=True)


def main() -> None:
    for name, options in RUNS.items():
        save(picture(options), name)
    for name, options in SWEEPS.items():
        save(sweep(options), name)
    for name, colours in TUTORIAL_PICTURES.items():
        save(picture(TUTORIAL, name), f"tutorial-{name}.png", colours)
    panels = []
    for options in CURVES:
        drawn = picture(options)
        top = round(drawn.height * (1 - LOWEST_PANEL))
        panels.append(drawn.crop((0, top, drawn.width, drawn.height)))
    stack = Image.new("RGB", (panels[0].width, sum(p.height for p in panels)))
    for number, panel in enumerate(panels):
        stack.paste(panel, (0, number * panel.height))
    save(stack, "smoothness.png")


if __name__ == "__main__":
    main()
