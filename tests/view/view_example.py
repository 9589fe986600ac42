"""A recording, its result, and what its page holds."""

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image
from report.report_example import Element, read_page

from dstft_cli.cli import main

RATE, TONE, CLICK, OFFSET = 8000, 1000.0, 0.9, 0.25  # Hz, Hz, s, s
OPTIONS = ["--window-mode", "time", "--offset", str(OFFSET), "-q"]


def make_recording(path: Path) -> None:
    """A tone, a click and faint noise, 1.5 s."""
    n = np.arange(RATE * 3 // 2)
    x = 0.25 * np.sin(2 * np.pi * TONE / RATE * n)
    x += 1e-4 * np.random.default_rng(0).standard_normal(n.size)
    x[round(CLICK * RATE)] += 0.7
    soundfile.write(path, x, RATE, subtype="FLOAT")


def make_result(folder: Path, *options: str) -> Path:
    """The directory of a result of `a.wav` in a folder."""
    make_recording(folder / "a.wav")
    place = folder / "out"
    assert main(["optimize", str(folder / "a.wav"), *OPTIONS, *options, "-o", str(place)]) == 0
    return place


def page_of(place: Path) -> tuple[Element, dict]:
    """The elements of a page, and its data."""
    return read_page(place / "view.html"), data_of((place / "view.html").read_text())


def data_of(text: str) -> dict:
    return json.loads(
        re.search(r'<script type="application/json" id="data">(.*?)</script>', text)[1]
    )


def pixels(text: str) -> np.ndarray:
    """Grey levels of a picture, [rows, columns]."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("L")).T


def level_at(data: dict, layer: int, seconds: float, hz: float, resolution: int = 0) -> float:
    """The level that the page has there, dB."""
    level = data["layers"][layer]["levels"][resolution]
    column = int((seconds - level["begin"]) / level["step"])
    row = int(np.searchsorted(data["edges"], hz)) - 1
    grey = pixels(level["tiles"][column // data["tile"]])[row, column % data["tile"]]
    return data["db"][0] + data["db"][1] * float(grey)
