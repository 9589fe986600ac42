"""Small pictures: the right part, small enough, and none of what is damaged."""

import io
import struct

import numpy as np
import pytest
from PIL import Image
from report_example import BOX, a_picture

from dstft_cli.plot.grid import PixelGrid
from dstft_cli.plot.pool import PixelPool
from dstft_cli.plot.spectrogram import spectrogram_figure
from dstft_cli.plot.style import render
from dstft_cli.report.thumbnail import LARGEST, SIZES, axes_box, thumbnail


@pytest.mark.parametrize("colour", ["navy", "black", "white", "gold"])
def test_the_picture_within_the_axes_is_found_whatever_its_colours(colour):
    left, top, right, bottom = axes_box(a_picture(colour))
    assert BOX[0] < left <= BOX[0] + 12
    assert BOX[1] < top <= BOX[1] + 5
    assert BOX[2] > right >= BOX[2] - 5
    assert BOX[3] > bottom >= BOX[3] - 5


@pytest.mark.parametrize("cmap", ["magma", "gray_r", "viridis"])
def test_only_the_spectrogram_is_cut_out_of_what_dstft_draws(cmap):
    grid = PixelGrid(times=np.arange(50) / 50, frequencies=np.arange(33) * 100.0)
    pool = PixelPool(grid)
    pool.add(0, np.random.default_rng(0).random((50, 33)).astype(np.float32))
    figure = spectrogram_figure(pool, title="owl.wav", cmap=cmap)
    x0, y0, x1, y1 = figure.axes[0].get_position().extents
    picture = Image.open(io.BytesIO(render(figure, "png"))).convert("RGB")
    found = np.array(axes_box(picture)) / (picture.size * 2)
    assert found == pytest.approx([x0, 1 - y1, x1, 1 - y0], abs=0.02)


@pytest.mark.parametrize("colour", ["white", "black", "gray"])
def test_a_picture_without_axes_is_taken_whole(colour):
    assert axes_box(Image.new("RGB", (90, 40), colour))[2:] in ((90, 40), (87, 36))


def test_colours_survive(tmp_path):
    a_picture("green").save(tmp_path / "spectrogram.png")
    small = thumbnail(tmp_path / "spectrogram.png")
    picture = Image.open(io.BytesIO(small.jpeg))
    assert (picture.format, picture.size) == ("JPEG", (small.width, small.height))
    assert np.abs(np.asarray(picture, dtype=int) - [0, 128, 0]).max() <= 8


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16"])
def test_noise_of_any_kind_becomes_small(tmp_path, mode):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (600, 1300, 3), dtype=np.uint8))
    if mode == "I;16":
        noise = Image.fromarray(rng.integers(0, 2**16, (600, 1300), dtype=np.uint16))
    else:
        noise = noise.convert(mode)
    noise.save(tmp_path / "spectrogram.png")
    small = thumbnail(tmp_path / "spectrogram.png")
    assert len(small.jpeg) <= LARGEST
    assert small.width <= SIZES[0][0]
    assert small.height <= SIZES[0][1]


def png() -> bytes:
    file = io.BytesIO()
    a_picture().save(file, "PNG")
    return file.getvalue()


def jpeg() -> bytes:
    file = io.BytesIO()
    a_picture().save(file, "JPEG")
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x89PNG",
        png()[:60],
        png()[: len(png()) // 2],
        png()[:16] + struct.pack(">2I", 2**31 - 1, 2**31 - 1) + png()[24:],
        png()[:40] + bytes(50) + png()[90:],
        jpeg(),
        b"P6\n60 30\n255\n" + bytes(60 * 30 * 3),
        b"<svg/>",
    ],
    ids=["empty", "signature", "header", "half", "bomb", "damaged", "jpeg", "ppm", "text"],
)
def test_no_thumbnail_of_what_cannot_be_read(tmp_path, content):
    (tmp_path / "spectrogram.png").write_bytes(content)
    assert thumbnail(tmp_path / "spectrogram.png") is None
    assert thumbnail(tmp_path / "missing.png") is None


def test_a_picture_of_very_many_pixels_is_not_decoded(tmp_path):
    Image.new("1", (5000, 5000)).save(tmp_path / "spectrogram.png")
    assert thumbnail(tmp_path / "spectrogram.png") is None
    Image.new("1", (500, 500)).save(tmp_path / "spectrogram.png")
    assert thumbnail(tmp_path / "spectrogram.png") is not None
