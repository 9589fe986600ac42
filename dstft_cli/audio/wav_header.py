"""WAV headers written before the length was known, as ffmpeg and sox write them to pipes.

libsndfile shortens a length that is above what is there, but believes one that is below it: 0 from
a recorder that was cut off, 0x7FFFF000 from sox and 0xFFFFFFFF from ffmpeg on a stream longer than
that. Such a file is shown to libsndfile under an RF64 header (EBU Tech 3306) with the true length.
"""

from __future__ import annotations

import io
import os
import struct

HEAD_BYTES = 2**16  # the data chunk starts within these, or the header is left as it is
CHUNK = struct.Struct("<4sI")
# sox rounds 0x7FFFF000 (WAV) down to whole frames, its AIFF says 0x7F000008; others say 2^31.
UNKNOWN_LENGTHS = frozenset({0, 0x7F000000, 0x7F000008, 0xFFFFFFFF, *range(0x7FFFE000, 0x80000001)})


def with_known_length(file: io.RawIOBase) -> io.RawIOBase | None:
    """The WAV under a header with its true length, or None where the header may stay.

    Args:
        file: seekable, binary; left at an arbitrary position.
    """
    total = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(HEAD_BYTES) or b""
    if head[:4] not in (b"RIFF", b"RF64") or head[8:12] != b"WAVE":
        return None
    (riff_size,) = struct.unpack_from("<I", head, 4)
    kept, position, long_size = [], 12, 0
    while position + CHUNK.size <= len(head):
        name, size = CHUNK.unpack_from(head, position)
        position += CHUNK.size
        if name == b"data":
            break
        chunk = head[position : position + size + size % 2]
        if name == b"ds64":
            (long_size,) = struct.unpack_from("<8xQ", chunk.ljust(16, b"\0"))
        else:
            kept.append(CHUNK.pack(name, size) + chunk)
        position += size + size % 2
    else:
        return None
    rest = total - position
    declared = long_size if head[:4] == b"RF64" else size
    # a finished file of just such a size has a matching total: what follows is another chunk
    finished = riff_size + CHUNK.size == total
    if declared not in UNKNOWN_LENGTHS or declared >= rest or finished:
        return None
    chunks = b"".join(kept) + CHUNK.pack(b"data", 0xFFFFFFFF)
    riff = 4 + 36 + len(chunks) + rest
    ds64 = CHUNK.pack(b"ds64", 28) + struct.pack("<QQQI", riff, rest, 0, 0)
    header = CHUNK.pack(b"RF64", 0xFFFFFFFF) + b"WAVE" + ds64 + chunks
    return _Reheaded(file, header, position)


class _Reheaded(io.RawIOBase):
    """A file whose first `replaced` bytes are read as `header`; nothing is copied or changed."""

    def __init__(self, file: io.RawIOBase, header: bytes, replaced: int) -> None:
        self._file, self._header, self._shift = file, header, replaced - len(header)
        self._length = file.seek(0, os.SEEK_END) - self._shift
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
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
        # libsndfile takes a short read for the end: go on into the data
        return len(piece) + (self.readinto(view[len(piece) :]) if 0 < len(piece) < len(view) else 0)
