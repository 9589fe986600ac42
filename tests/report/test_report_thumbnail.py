"""Small pictures: the right part, small enough, and none of what is damaged."""

import io
import os
import struct
import tracemalloc
import zlib

import numpy as np
import pytest
from PIL import Image

from dstft_cli.report.thumbnail import LARGEST, SIZES, axes_box, thumbnail
from report.report_example import BOX, a_picture


@pytest.mark.parametrize("colour", ["navy", "black", "white", "gold"])
def test_the_picture_within_the_axes_is_found_whatever_its_colours(colour):
    left, top, right, bottom = axes_box(a_picture(colour))
    assert BOX[0] < left <= BOX[0] + 12
    assert BOX[1] < top <= BOX[1] + 5
    assert BOX[2] > right >= BOX[2] - 5
    assert BOX[3] > bottom >= BOX[3] - 5


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


def test_no_thumbnail_of_what_cannot_be_read(tmp_path):
    path = tmp_path / "spectrogram.png"
    second = png()[8:33]  # its header once more, and larger
    second = second[:8] + struct.pack(">2I", 20_000, 20_000) + second[16:21]
    second += struct.pack(">I", zlib.crc32(second[4:]))
    for content in (
        b"",
        b"\x89PNG",
        png()[:60],
        png()[: len(png()) // 2],
        png()[:16] + struct.pack(">2I", 2**31 - 1, 2**31 - 1) + png()[24:],
        png()[:33] + second + png()[33:],
        png()[:40] + bytes(50) + png()[90:],
        jpeg(),
        b"P6\n60 30\n255\n" + bytes(60 * 30 * 3),
        b"<svg/>",
    ):
        path.write_bytes(content)
        tracemalloc.start()
        assert thumbnail(path) is None
        assert tracemalloc.get_traced_memory()[1] < 2**25
        tracemalloc.stop()
    assert thumbnail(tmp_path / "missing.png") is None
    path.unlink()
    os.mkfifo(path)
    assert thumbnail(path) is None


def test_a_picture_of_very_many_pixels_is_not_decoded(tmp_path):
    Image.new("1", (5000, 5000)).save(tmp_path / "spectrogram.png")
    assert thumbnail(tmp_path / "spectrogram.png") is None
    Image.new("1", (500, 500)).save(tmp_path / "spectrogram.png")
    assert thumbnail(tmp_path / "spectrogram.png") is not None
