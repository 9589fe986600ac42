"""Valid files of every container, settings for one run or many, and damage to them."""

import io
import re
import struct
from functools import cache
from random import Random
from typing import Any

import numpy as np
import soundfile

TEXTS = ("yaml", "batch")
BIG = ("AIFF", "CAF", "SVX", "AU")  # sizes of big-endian
HEAD = 128  # bytes in which most of a header lies
SIZES = (0, 1, 2, 7, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 8, 2**32 - 1)
LONG_SIZES = (2**40, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
NAMES = (b"fmt ", b"data", b"LIST", b"fact", b"ds64", b"JUNK", b"COMM", b"SSND", b"FORM", b"bext",
         b"cue ", b"smpl", b"inst", b"PEAK", b"ID3\x04", b"\0\0\0\0", b"MARK", b"cart")  # fmt: skip
WORDS = (
    b"!!python/object/apply:os.system ['touch pwned']", b"!!python/name:os.system", b"&a [*a]",
    b"*nowhere", b"<<: {n_fft: 8}", b"nan", b".inf", b"-.inf", b"1e999", b"-1", b"0", b"0x7f",
    b"1_0", b"99999999999999999999", b"null", b"~", b"[]", b"{}", b"[" * 500, b"{a: " * 200,
    b"'", b'"', b"|", b">", b"%YAML 9.9", b"---", b"...", b"\t", b"\0", b"\xff\xfe", b"\xc2\x85",
    b"{stem}", b"{0.__class__}", b"{stem!r}", b"../../up", b"/elsewhere", b"module:object",
    b"os:system", b"channel: 7", b"n_fft: 1048576", b"hop_length: 1e-9", b"win_length: 1e308",
    b"offset: 9e99", b"sr: 1", b"threads: 4096", b"power: 1e-300", b"order: 1e308", b"duration: 1e-9",
    b"x" * 5000, "ünïcode ‮".encode(),
)  # fmt: skip


NUMBERS = (b"1", b"2", b"3", b"8", b"16", b"31", b"64", b"100", b"127", b"1000", b"4096", b"0.5",
           b"0.9", b"0.1ms", b"3ms", b"20ms", b"0.5s", b"1e2", b"7.25")  # fmt: skip


def flip_bits(data: bytes, chance: Random, kind: str) -> bytes:
    """One to 16 bits, anywhere or in the header; one of a text, in which every bit shows."""
    changed = bytearray(data)
    reach = len(data) if chance.random() < 0.5 else min(HEAD, len(data))
    for _ in range(1 if kind in TEXTS else 2 ** chance.randrange(5)):
        changed[chance.randrange(reach)] ^= 1 << chance.randrange(8)
    return bytes(changed)


def cut(data: bytes, chance: Random, kind: str) -> bytes:
    """Cut short, or with its beginning or its middle missing."""
    a, b = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return chance.choice((data[:b], data[a:], data[:a] + data[b:], data[: min(a, HEAD)]))


def write_over(data: bytes, chance: Random, kind: str) -> bytes:
    """A stretch replaced by noise or by one byte, or garbage put in or added."""
    at, size = chance.randrange(len(data)), 2 ** chance.randrange(12)
    rubbish = chance.choice((chance.randbytes(size), bytes([chance.choice((0, 255))]) * size))
    if chance.random() < 0.5:
        return data[:at] + rubbish + data[at + size :]
    at = chance.choice((0, at, len(data)))
    return data[:at] + rubbish + data[at:]


def absurd_size(data: bytes, chance: Random, kind: str) -> bytes:
    """A number of 2, 4 or 8 bytes, at a size field or anywhere in the header, becomes absurd."""
    starts = [start for start, _ in chunks(data, kind)]
    at = chance.choice(starts) + 4 if starts and chance.random() < 0.5 else chance.randrange(HEAD)
    width = chance.choice((2, 4, 4, 4, 8))
    value = chance.choice(SIZES + LONG_SIZES * (width == 8)) % 2 ** (8 * width)
    order = chance.choice(("little", "big"))
    at = min(at, max(len(data) - width, 0))
    return data[:at] + value.to_bytes(width, order) + data[at + width :]


def shuffle_chunks(data: bytes, chance: Random, kind: str) -> bytes:
    """Two chunks, pages, frames or lines change places, or one is doubled, dropped or invented."""
    found = chunks(data, kind)
    if len(found) < 2:
        return flip_bits(data, chance, kind)
    head = data[: found[0][0]]
    parts = [data[start:stop] for start, stop in found]
    i, j = chance.randrange(len(parts)), chance.randrange(len(parts))
    match chance.randrange(4):
        case 0:
            parts[i], parts[j] = parts[j], parts[i]
        case 1:
            parts.insert(j, parts[i])
        case 2:
            del parts[i]
        case _:
            parts.insert(j, invented(chance, kind))
    return head + b"".join(parts)


def invented(chance: Random, kind: str) -> bytes:
    """A chunk of its own, with a size that may be a lie."""
    if kind in TEXTS:
        return b" " * chance.randrange(5) + chance.choice(WORDS) + b"\n"
    body = chance.randbytes(chance.randrange(64))
    size = chance.choice((len(body), chance.choice(SIZES)))
    return chance.choice(NAMES) + struct.pack(">I" if kind in BIG else "<I", size) + body


def put_word(data: bytes, chance: Random, kind: str) -> bytes:
    """A value of a settings file, a word in it or a whole line becomes another one."""
    lines = data.split(b"\n")
    i = chance.randrange(len(lines))
    key, colon, _ = lines[i].partition(b":")
    word = chance.choice(WORDS)
    value = key + colon + b" " + word
    lines[i] = chance.choice((value, value, value, word, word + lines[i], lines[i] + word))
    return b"\n".join(lines)


def other_number(data: bytes, chance: Random, kind: str) -> bytes:
    """A number of a settings file becomes another one that may well do."""
    numbers = list(re.finditer(rb"[0-9.]+(ms|s)?", data))
    if not numbers:
        return flip_bits(data, chance, kind)
    found = chance.choice(numbers)
    return data[: found.start()] + chance.choice(NUMBERS) + data[found.end() :]


def chunks(data: bytes, kind: str) -> list[tuple[int, int]]:
    """Start and end of every chunk, metadata block (FLAC), page (OGG), frame (MP3) or line.

    Containers without chunks are cut where their bytes look like sizes.
    """
    marks = {"OGG": b"OggS", "MP3": b"\xff\xe3", "yaml": b"\n", "batch": b"\n"}
    if kind in marks:
        mark, starts = marks[kind], [0]
        while (at := data.find(mark, starts[-1] + 1)) >= 0:
            starts.append(at + (mark == b"\n"))
        return list(zip(starts, [*starts[1:], len(data)], strict=True))
    found, at = [], 4 if kind == "FLAC" else 12
    while at + 8 <= len(data):
        if kind == "FLAC":
            stop = at + 4 + int.from_bytes(data[at + 1 : at + 4], "big")
        else:
            size = int.from_bytes(data[at + 4 : at + 8], "big" if kind in BIG else "little")
            stop = at + 8 + size + size % 2
        found.append((at, min(stop, len(data))))
        if kind == "FLAC" and data[at] & 0x80:  # the last block of metadata
            found.append((min(stop, len(data)), len(data)))
            break
        at = stop
    return found


MUTATIONS = (flip_bits, cut, write_over, absurd_size, shuffle_chunks)
TEXT_MUTATIONS = (flip_bits, cut, shuffle_chunks, put_word, other_number, other_number)


def mutated(data: bytes, chance: Random, kind: str) -> bytes:
    """The file after one to three kinds of damage."""
    kinds: tuple[Any, ...] = TEXT_MUTATIONS if kind in TEXTS else MUTATIONS
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        data = chance.choice(kinds)(data, chance, kind) or b"\0"
    return data


RATE = 8000
FORMATS = tuple(
    sorted(set(soundfile.available_formats()) - {"RAW", "SD2"})
)  # of libsndfile, in one file


@cache
def recording(container: str, channels: int = 1) -> bytes:
    """Two tones and a click in this container, with several blocks, pages or frames."""
    n = np.arange(RATE * (6 if container == "OGG" else 1))[:, None]
    x = 0.4 * np.sin(0.3 * n * (1 + np.arange(channels))) + 0.2 * np.sin(1.1 * n)
    x[len(x) // 2] += 0.3
    file = io.BytesIO()
    for rate, sound in ((RATE, x), (RATE, x[:, 0])):  # some know one channel only
        try:
            soundfile.write(file, sound, rate, format=container)
            return file.getvalue()
        except soundfile.LibsndfileError:
            file = io.BytesIO()
    raise ValueError(f"libsndfile does not write {container} at {RATE} Hz")


SETTINGS = b"""# settings of one run
n_fft: 256
hop_length: 1ms
win_length_min: 32
win_length_max: 30ms
window_mode: time   # one length per frame
smoothness: 0.1
criterion: renyi
order: 3
max_steps: 3
figures: no
power: 1.5
threads: 1
"""

BATCH = b"""defaults:
  n_fft: 256
  hop_length: 16
  max_steps: 2
  figures: false
output: results/{criterion}/{stem}-{index:03d}
jobs:
  - input: a.wav
    window_mode: time
    matrix:
      criterion: [entropy, hoyer]
  - input: ["a.wa?"]
    name: again
    win_length: 12ms
"""
