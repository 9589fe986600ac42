"""`dstft plot`, and the section `plot` of YAML files."""

import json
import shutil
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import soundfile
from contract.support import RATE, refused

from dstft_cli.cli import main
from dstft_cli.plot import pictures
from dstft_cli.plot.spectrogram import Comparison
from dstft_cli.run import plot as module

NAME = "20230131_235900.wav"
LEARN = ("-q", "--no-view", "--no-search", "--n-fft", "256", "--max-steps", "1", "--offset", "0.25")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """A click at 1 s over a tone of 1 kHz, from 0.25 s on; `cells` and `frames` learned from it."""
    place = tmp_path_factory.mktemp("plot")
    t = np.arange(2 * RATE) / RATE
    x = np.stack([0.2 * np.sin(2000 * np.pi * t), 0.1 * np.sin(2000 * np.pi * t)], axis=1)
    x[RATE] = 1.0
    soundfile.write(place / NAME, x, RATE)
    (place / "look.yaml").write_text("plot:\n  cmap: gray\n  size: 120mm\n  time: clock\n")
    learn = ["optimize", str(place / NAME), *LEARN]
    config = ["--config", str(place / "look.yaml")]
    assert main([*learn, "-o", str(place / "cells"), "--save-stft", *config]) == 0
    assert main([*learn, "-o", str(place / "frames"), "--window-mode", "time", "--no-figures"]) == 0
    return place


@pytest.fixture
def here(results, tmp_path, monkeypatch):
    for folder in ("cells", "frames"):
        shutil.copytree(results / folder, tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def kept(monkeypatch):
    """What was drawn while the test runs."""
    found: list[tuple[Comparison, pictures.Settings]] = []
    original = pictures.comparison_figure

    def keep(shown, *, title, look):
        found.append((shown, look))
        return original(shown, title=title, look=look)

    monkeypatch.setattr(pictures, "comparison_figure", keep)
    return found


def test_a_result_is_drawn_again_as_it_was(here, kept, capsys):
    assert main(["plot", "cells"]) == 0
    assert "cells.png" in capsys.readouterr().out
    (shown, look), data = kept[0], Path("cells.png").read_bytes()
    assert data.startswith(b"\x89PNG")
    assert (look.cmap, look.size, look.time) == ("gray", "120mm", "clock")
    assert str(shown.recorded) == "2023-01-31 23:59:00"
    assert main(["plot", "cells", "-q"]) == 2
    assert main(["plot", "cells", "--force", "-q"]) == 0
    assert Path("cells.png").read_bytes() == data


def moved(folder: str, **changes: str) -> None:
    """Lets the record of a result name another recording."""
    path = Path(folder, "result.json")
    record = json.loads(path.read_text())
    path.write_text(json.dumps({**record, "input": {**record["input"], **changes}}))


def test_the_range_of_an_array_is_drawn_with_its_levels(here, kept, monkeypatch, capsys):
    monkeypatch.setattr(module, "BLOCK", 1000)  # some frames at a time
    options = ["--tmin", "900ms", "--tmax", "1.1", "--fmin", "200", "--fmax", "2000"]
    assert main(["plot", "cells", *options, "--db-range", "40", "-o", "fine.png"]) == 0
    assert NAME in capsys.readouterr().out
    moved("cells", path=f"gone/{NAME}")
    for source, output in (("spectrogram.npy", "a.pdf"), ("stft.npy", "b.pdf")):
        assert main(["plot", "cells", *options, "--db-range", "40", "-o", output]) == 0
        assert "array" in capsys.readouterr().out
        Path("cells", source).unlink()
    (fine, _), (first, _), (second, _) = kept
    pool = first.learned
    assert fine.learned.grid.frames > 2 * pool.grid.frames
    assert fine.learned.grid.time_limits == pool.grid.time_limits
    assert pool.grid.time_limits == pytest.approx((0.9, 1.1))
    assert pool.grid.freq_range == (200.0, 2000.0)
    rows = pool.grid.row_frequencies
    loud = pool.image[:, -1].argmax()
    assert rows[loud] == pytest.approx(1000, rel=0.05)
    click = pool.image[np.abs(rows - 300).argmin()]
    assert pool.grid.column_times[click.argmax()] == pytest.approx(1.0, abs=0.01)
    np.testing.assert_array_equal(pool.image, second.learned.image)
    assert Path("a.pdf").read_bytes().startswith(b"%PDF-")
    assert main(["plot", "cells", "-q"]) == 1  # no array is left


def test_panels_come_from_the_recording_and_from_the_parameters(here, kept):
    panels = ["--panels", "plain,learned,map,curve,hops", "--freq-scale", "linear", "-q"]
    assert main(["plot", "cells", *panels, "-o", "a.svg", "--no-title", "--time", "part"]) == 0
    shown, _ = kept[0]
    (name, plain), (_, learned), *below = shown.panels
    assert below == ["map", "curve", "hops"]
    assert plain.grid.time_limits == learned.grid.time_limits == (0.0, 1.75)
    levels = [pool.image[:, pool.grid.shape[1] // 4].max() for pool in (plain, learned)]
    # one scale: the energy of a tone grows with the window, 64 ms and at most 32 ms
    assert levels[0] / levels[1] == pytest.approx(2**0.5, rel=0.1)
    assert "64 ms" in name
    root = ElementTree.parse("a.svg").getroot()
    texts = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert "Time (s)" in texts
    assert NAME not in texts
    assert main(["plot", "frames", "--panels", "curve,best", "-o", "b.png", "-q"]) == 0
    lengths = np.load("frames/parameters.npz")["window_length"]
    assert np.shape(kept[1][0].window_lengths) == lengths.shape
    assert kept[1][0].panels[1][0].startswith("Best single window: ")


def test_what_cannot_be_drawn_is_told_in_one_line(here):
    assert "absent" in refused("plot", "absent", code=1)
    assert "--tmin" in refused("plot", "cells", "--tmin", "5", code=1)
    assert "spans 0.25 to 2 s" in refused("plot", "cells", "--tmax", "0.2", code=1)
    assert "--tmax" in refused("plot", "cells", "--tmin", "2", "--tmax", "1")
    assert "room" in refused("plot", "cells", "--size", "30mm")
    assert "WIDTHxHEIGHT" in refused("plot", "cells", "--size", "90")
    assert "learned, plain" in refused("plot", "cells", "--panels", "map,lernt")
    assert "--format" in refused("plot", "cells", "-o", "a.pdf", "--format", "svg")
    assert ".png" in refused("plot", "cells", "-o", "a.jpg")
    moved("cells", sha256="0" * 64)
    assert "has changed" in refused("plot", "cells", "--panels", "plain", code=1)
    moved("cells", path="gone.wav")
    assert "gone.wav" in refused("plot", "cells", "--panels", "plain", "--time", "part", code=1)
    assert "--time recording" in refused("plot", "cells", code=1)
    record = json.loads(Path("cells/result.json").read_text())
    damaged = {**record, "settings": {**record["settings"], "dpi": "many"}}
    Path("cells/result.json").write_text(json.dumps(damaged))
    assert "damaged" in refused("plot", "cells", code=1)
    assert sorted(path.name for path in here.iterdir()) == ["cells", "frames"]


def test_standard_output_carries_the_picture_alone(here, capsysbinary):
    assert main(["plot", "cells", "-o", "-", "--format", "svg"]) == 0
    assert capsysbinary.readouterr().out.startswith(b"<?xml")


def test_an_early_look_at_what_cannot_be_drawn(results, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", np.arange(RATE) % 8 / 8, RATE)
    for options, code in ((["--time", "clock"], 1), (["--tmin", "9"], 1), (["--font", "no"], 2)):
        assert main(["optimize", "a.wav", *options]) == code
        assert options[0] in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["a.wav"]
