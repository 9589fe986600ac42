"""Date and time at which a recording began, from the file's name or its header."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path

from dstft_cli.audio.headers import FORMS, chunks

# 20230131_235900, 2023-01-31T23:59:00, and in a broadcast wave 2023-01-3123:59:00
_DATE = re.compile(
    r"(?<!\d)(\d{4})[-_.]?(\d\d)[-_.]?(\d\d)[T_ -]?(\d\d)[-_.:]?(\d\d)[-_.:]?(\d\d)(?!\d)"
)
_AUDIOMOTH = re.compile(r"(\d\d):(\d\d):(\d\d) (\d\d)/(\d\d)/(\d{4})")  # in a comment
_HOLDERS = (b"bext", b"guan", b"LIST")  # EBU Tech 3285, GUANO 1.0, comments of AudioMoth
_MOST_BYTES, _MOST_CHUNKS = 1 << 16, 1000


def recorded_at(path: str) -> datetime | None:
    """When the recording began, in the recorder's time zone; None where nothing says so."""
    for text in (Path(path).name, *_header(path)):
        turned = (
            (y, m, d, *time) for *time, d, m, y in map(re.Match.groups, _AUDIOMOTH.finditer(text))
        )
        for found in (*map(re.Match.groups, _DATE.finditer(text)), *turned):
            with suppress(ValueError):  # digits that are no date
                return datetime.strptime(" ".join(found), "%Y %m %d %H %M %S")
    return None


def _header(path: str) -> Iterator[str]:
    """The texts in the chunks of a WAV that may hold a date."""
    if not Path(path).is_file():  # a pipe is read once
        return
    with suppress(OSError), open(path, "rb", buffering=0) as file:
        kind = file.read(4)
        if kind not in FORMS:
            return
        total = file.seek(0, 2)
        for name, _, size in islice(chunks(file, kind, FORMS[kind].first, total), _MOST_CHUNKS):
            if name in _HOLDERS:
                yield (file.read(min(max(size, 0), _MOST_BYTES)) or b"").decode("latin-1")
