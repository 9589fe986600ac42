"""Headers with a wrong length: of files written to a pipe, or by a recorder that was cut off.

libsndfile corrects a length above the true one, but not one below it: 0 from a recorder that was cut
off, 0x7FFFF000 from sox and 0xFFFFFFFF from ffmpeg on a longer stream, or a size modulo 2³². Such a
file is given to libsndfile with a new header of the true length: WAV and W64 as RF64 (EBU Tech 3306),
AIFF with corrected sizes.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import soundfile  # type: ignore[import-untyped]
from numpy.typing import NDArray

from dstft_cli.settings.option import time_text

HEAD_BYTES = 2**20  # bytes of a stream that show its format
# sox rounds 0x7FFFF000 (WAV) down to whole frames, its AIFF says 0x7F000008; others say 2^31.
UNKNOWN_LENGTHS = frozenset({0, 0x7F000000, 0x7F000008, 0xFFFFFFFF, *range(0x7FFFE000, 0x80000001)})
LARGEST_HEADER = 2**24  # bytes before the samples of a corrected file
MOST_BYTES_PER_SECOND = 2**25  # of any compressed stream, for certain
LOOKED_AT = 2**16  # bytes at either side of the header's end of the samples
LOUDEST = 0.3  # RMS, relative to full scale, that samples may jump to; that of random bits is 0.58
TAGS = (b"TAG", b"ID3", b"APETAG", b"LYRICS")  # tags of music players at the end of any file
# formats that libsndfile recognizes only whole, and those of ffmpeg
STREAMS = (b"OggS", b"caff", b".snd", b"dns.", b"ID3", b"\x1aE\xdf\xa3", b"0&\xb2u", b"FLV")


class _Form(NamedTuple):
    """The format of chunks: their head, the part of it in their size, and the place of the first."""

    head: struct.Struct
    included: int
    align: int
    first: int


FORMS = {
    b"RIFF": _Form(struct.Struct("<4sI"), 0, 2, 12),
    b"RF64": _Form(struct.Struct("<4sI"), 0, 2, 12),
    b"riff": _Form(struct.Struct("<4s12xQ"), 24, 8, 40),  # W64: names are GUIDs
    b"FORM": _Form(struct.Struct(">4sI"), 0, 2, 12),
}


class _Layout(NamedTuple):
    """The samples of a file: first byte, bytes in the header, and format."""

    kind: bytes
    start: int
    declared: int
    rate: float
    frame: int  # bytes
    bits: int
    code: str
    order: str
    fmt: bytes  # the whole chunk of a WAV or W64
    places: tuple[int, int]  # of the bodies of COMM and SSND in an AIFF


def recognized(head: bytes) -> bool:
    """Whether a stream of more than HEAD_BYTES that begins like this may be audio."""
    if head.startswith(STREAMS) or head[4:8] == b"ftyp":
        return True
    try:
        soundfile.info(io.BytesIO(head))
    except (soundfile.LibsndfileError, TypeError, ValueError):
        return False
    return True


def bytes_needed(head: bytes, seconds: float) -> int:
    """Bytes of the stream that begins with `head` which hold its first `seconds`, at least."""
    layout = _layout(io.BytesIO(head))
    if layout is None or not layout.code:
        return HEAD_BYTES + int(min(seconds * MOST_BYTES_PER_SECOND, 2.0**62))
    frames = int(min(seconds * layout.rate, 2.0**62)) + 2
    return layout.start + frames * layout.frame


def with_true_length(file: io.RawIOBase) -> tuple[io.RawIOBase | None, str]:
    """The file with a header of its true length, or None if the header is right; and a warning."""
    total = file.seek(0, os.SEEK_END)
    layout = _layout(file)
    if layout is None:
        return None, ""
    rest = total - layout.start
    end = layout.start + layout.declared
    if layout.declared >= rest or _only_chunks(file, layout.kind, end, total):
        return None, ""
    warning = ""
    if layout.declared not in UNKNOWN_LENGTHS:
        whole = (rest - layout.declared) % 2**32 == 0 or _continues(file, layout, end)
        if not whole or not layout.code:
            left = (rest - layout.declared) / max(layout.frame * layout.rate, 1)
            return None, (
                f"{rest - layout.declared} bytes ({time_text(left)}) follow the samples of the header "
                "but do not look like samples: left out"
            )
        promised, held = (n / (layout.frame * layout.rate) for n in (layout.declared, rest))
        warning = (
            f"the header says {time_text(promised)}, the file holds {time_text(held)}: "
            "read what is there"
        )
    header = _aiff_header(file, layout, rest) if layout.kind == b"FORM" else _rf64(layout, rest)
    return _Reheaded(file, header, layout.start), warning


def _layout(file: io.RawIOBase | io.BytesIO) -> _Layout | None:
    """The layout; None without a data chunk, or for another format."""
    total = file.seek(0, os.SEEK_END)
    file.seek(0)
    kind = (file.read(4) or b"")[:4]
    if kind not in FORMS:
        return None
    found: dict[bytes, tuple[int, int, bytes]] = {}
    for name, place, size in chunks(file, kind, FORMS[kind].first, total):
        name = name.strip() if kind != b"FORM" else name
        body = (file.read(min(max(size, 0), 64)) or b"") if name not in (b"data", b"SSND") else b""
        found.setdefault(name, (place, max(size, 0), body))
        if place > LARGEST_HEADER or name == b"data" or {b"COMM", b"SSND"} <= set(found):
            break
    if kind == b"FORM":
        return _aiff_layout(file, found)
    if b"data" not in found or len(found.get(b"fmt", (0, 0, b""))[2]) < 16:
        return None
    fmt = found[b"fmt"][2][: found[b"fmt"][1]]
    tag, _, rate, _, frame, bits = struct.unpack_from("<HHIIHH", fmt)
    if tag == 0xFFFE and len(fmt) >= 26:
        (tag,) = struct.unpack_from("<H", fmt, 24)
    start, declared, _ = found[b"data"]
    if kind == b"RF64" and declared == 0xFFFFFFFF:
        (declared,) = struct.unpack_from(
            "<8xQ", found.get(b"ds64", (0, 0, b""))[2].ljust(16, b"\0")
        )
        declared = 0 if declared >> 63 else declared  # never filled in
    plain = frame > 0 and rate > 0 and bits % 8 == 0 and bits > 0
    code = {1: "i", 3: "f"}.get(tag, "") if plain else ""
    return _Layout(kind, start, declared, rate, frame, bits, code, "<", fmt, (0, 0))


def _aiff_layout(
    file: io.RawIOBase | io.BytesIO, found: dict[bytes, tuple[int, int, bytes]]
) -> _Layout | None:
    if b"COMM" not in found or b"SSND" not in found or len(found[b"COMM"][2]) < 18:
        return None
    comm, _, body = found[b"COMM"]
    ssnd, size, _ = found[b"SSND"]
    channels, frames, bits, exponent, mantissa = struct.unpack_from(">HIHHQ", body)
    rate = mantissa * 2.0 ** ((exponent & 0x7FFF) - 16446)  # an 80-bit float
    file.seek(ssnd)
    (offset,) = struct.unpack(">I", (file.read(4) or b"").ljust(4, b"\0"))
    start = ssnd + 8 + offset
    compression = body[18:22] if len(body) >= 22 else b"NONE"
    code = "i" if compression == b"NONE" and bits % 8 == 0 and comm < ssnd else ""
    frame = channels * -(-bits // 8)
    declared = max(size - 8 - offset, 0)
    if code and declared not in UNKNOWN_LENGTHS:
        declared = min(declared, frames * frame)
    return _Layout(b"FORM", start, declared, rate, frame, bits, code, ">", b"", (comm, ssnd))


def chunks(
    file: io.RawIOBase | io.BytesIO, kind: bytes, position: int, total: int
) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and size of the body of each chunk; the file is left at the body."""
    form = FORMS[kind]
    while position + form.head.size <= total:
        file.seek(position)
        name, size = form.head.unpack(file.read(form.head.size) or bytes(form.head.size))
        size -= form.included
        position += form.head.size
        yield name, position, size
        if size < 0:
            return
        position += size + -size % form.align


def _only_chunks(file: io.RawIOBase, kind: bytes, position: int, total: int) -> bool:
    """Whether only whole chunks or the tags of a music player follow."""
    form = FORMS[kind]
    file.seek(position)
    if total - position < form.head.size or (file.read(8) or b"").startswith(TAGS):
        return True
    for begin in {position, position + -(position - form.first) % form.align}:
        end = begin
        for name, place, size in chunks(file, kind, begin, total):
            end = place + size
            if size < 0 or end > total or not all(32 <= byte < 127 for byte in name):
                break
        else:
            if total - end < form.head.size:
                return True
    return False


def _continues(file: io.RawIOBase, layout: _Layout, end: int) -> bool:
    """Whether the data after the samples looks like samples: as loud, and without the offset of text."""
    if not layout.code:
        return False
    end -= layout.declared % layout.frame
    begin = max(layout.start, end - LOOKED_AT // layout.frame * layout.frame)
    file.seek(begin)
    before = _values(file.read(end - begin) or b"", layout)
    after = _values(file.read(LOOKED_AT) or b"", layout)
    if not after.size or not np.isfinite(after).all():
        return False
    level, rms = _rms(before), _rms(after)
    offset = abs(float(after.mean())) - (abs(float(before.mean())) if before.size else 0.0)
    loud = max(2 * level, min(8 * level, LOUDEST)) if before.size else LOUDEST
    return 0 < rms <= loud and offset <= 0.5 * rms


def _values(data: bytes, layout: _Layout) -> NDArray[np.float64]:
    """Samples of all channels, relative to full scale; of integers the two upper bytes at most."""
    width = layout.bits // 8
    raw = np.frombuffer(data[: len(data) // width * width], np.uint8).reshape(-1, width)
    if layout.code == "f":
        return raw.copy().view(f"{layout.order}f{width}").ravel().astype(np.float64)
    if width == 1:
        shift = 128 if layout.order == "<" else 0  # in WAV zero is 128
        return (raw.ravel() - np.uint8(shift)).view(np.int8) / 128
    upper = raw[:, -2:] if layout.order == "<" else raw[:, :2]
    return np.ascontiguousarray(upper).view(f"{layout.order}i2").ravel() / 32768


def _rms(values: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(np.square(values)))) if values.size else 0.0


def _rf64(layout: _Layout, rest: int) -> bytes:
    chunks = struct.pack("<4sI", b"fmt ", len(layout.fmt)) + layout.fmt
    chunks += bytes(len(layout.fmt) % 2) + struct.pack("<4sI", b"data", 0xFFFFFFFF)
    ds64 = struct.pack("<4sIQQQI", b"ds64", 28, 40 + len(chunks) + rest, rest, 0, 0)
    return struct.pack("<4sI4s", b"RF64", 0xFFFFFFFF, b"WAVE") + ds64 + chunks


def _aiff_header(file: io.RawIOBase, layout: _Layout, rest: int) -> bytes:
    comm, ssnd = layout.places
    file.seek(0)
    header = bytearray(file.read(layout.start) or b"")
    most = 2**32 - 1
    struct.pack_into(">I", header, 4, min(layout.start - 8 + rest, most))
    struct.pack_into(">I", header, comm + 2, min(rest // layout.frame, most))
    struct.pack_into(">I", header, ssnd - 4, min(layout.start - ssnd + rest, most))
    return bytes(header)


class _Reheaded(io.RawIOBase):
    """A file whose first `replaced` bytes are read as `header`; nothing is copied or changed."""

    def __init__(self, file: io.RawIOBase, header: bytes, replaced: int) -> None:
        self._file, self._header, self._shift = file, header, replaced - len(header)
        self._length = file.seek(0, os.SEEK_END) - self._shift
        self._position = 0

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._length}[whence]
        self._position = base + offset
        return self._position

    def readinto(self, buffer, /) -> int:  # type: ignore[no-untyped-def]  # typeshed's Buffer: 3.12
        view = memoryview(buffer).cast("B")
        piece = self._header[self._position : self._position + len(view)]
        if not piece:
            self._file.seek(self._position + self._shift)
            piece = self._file.read(len(view)) or b""
        view[: len(piece)] = piece
        self._position += len(piece)
        # libsndfile takes a short read as the end: read on into the data
        return len(piece) + (self.readinto(view[len(piece) :]) if 0 < len(piece) < len(view) else 0)
