"""Small pictures: the right part, small enough, and none of what is damaged."""

import io
import os
import struct
import tracemalloc
import zlib

import numpy as np
from PIL import Image

from dstft_cli.report.entry import LARGEST, SIZES, axes_box, thumbnail
from report.report_example import BOX, a_picture


def test_the_picture_within_the_axes_is_found_whatever_its_colours():
    for colour in ("navy", "black", "white", "gold"):
        box = axes_box(a_picture(colour))
        assert all(0 < abs(at - edge) <= 12 for at, edge in zip(box, BOX, strict=True)), colour
        whole = axes_box(Image.new("RGB", (90, 40), colour))  # a picture without axes
        assert whole[2:] in ((90, 40), (87, 36))


def test_colours_survive_and_noise_of_any_kind_becomes_small(tmp_path):
    path, rng = tmp_path / "spectrogram.png", np.random.default_rng(0)
    a_picture("green").save(path)
    small = thumbnail(path)
    picture = Image.open(io.BytesIO(small.jpeg))
    assert (picture.format, picture.size) == ("JPEG", (small.width, small.height))
    assert np.abs(np.asarray(picture, dtype=int) - [0, 128, 0]).max() <= 8
    noise = Image.fromarray(rng.integers(0, 256, (600, 1300, 3), dtype=np.uint8))
    deep = Image.fromarray(rng.integers(0, 2**16, (600, 1300), dtype=np.uint16))
    for image in (deep, *map(noise.convert, ("RGB", "RGBA", "L", "P"))):
        image.save(path)
        small = thumbnail(path)
        assert len(small.jpeg) <= LARGEST
        assert small.width <= SIZES[0][0]
        assert small.height <= SIZES[0][1]


def test_no_thumbnail_of_what_cannot_be_read(tmp_path):
    path = tmp_path / "spectrogram.png"
    a_picture().save(path)
    png = path.read_bytes()
    a_picture().save(path, "JPEG")
    jpeg = path.read_bytes()
    second = png[8:33]  # its header once more, and larger
    second = second[:8] + struct.pack(">2I", 20_000, 20_000) + second[16:21]
    second += struct.pack(">I", zlib.crc32(second[4:]))
    for content in (
        b"",
        png[:60],
        png[: len(png) // 2],
        png[:16] + struct.pack(">2I", 2**31 - 1, 2**31 - 1) + png[24:],
        png[:33] + second + png[33:],
        png[:40] + bytes(50) + png[90:],
        jpeg,
        b"P6\n60 30\n255\n" + bytes(60 * 30 * 3),
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
