"""What a result is a result of: content, settings and version."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstft_cli._version import __version__

ENTRY = "batch"  # of result.json: which settings the batch asked for
_BLOCK = 1 << 20  # bytes


@dataclass(frozen=True)
class Standing:
    """What a directory's `result.json` says it was made of.

    Attributes:
        content: SHA-256 of the recording.
        digest: of the settings, as `Variant.digest`.
        version: of dstft.
        record: all of it.
    """

    content: str
    digest: str
    version: str
    record: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The identity of the result."""
        return job_key(self.content, self.digest, self.version)


def job_key(content: str, digest: str, version: str = __version__) -> str:
    """One digest for the recording's content, the settings and the version: SHA-256."""
    return hashlib.sha256(f"{content} {digest} {version}".encode()).hexdigest()


def read_standing(place: Path) -> Standing | None:
    """What stands at `place`; None where that is no result of a batch."""
    try:
        record = json.loads((place / "result.json").read_bytes())
        content, digest = record["input"]["sha256"], record[ENTRY]["settings"]
        return Standing(str(content), str(digest), str(record["version"]), record)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


class Contents:
    """SHA-256 of files; within one run, each is read once as long as size and time stay.

    Args:
        stop: once set, `digest` gives up.
    """

    def __init__(self, stop: threading.Event | None = None) -> None:
        self._stop = stop or threading.Event()
        self._known: dict[tuple[int, int, int, int], str] = {}

    def digest(self, path: str) -> str | None:
        """In hexadecimal; None where the file cannot be read or is no regular one."""
        try:
            with open(path, "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode):
                    return None
                identity = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
                if identity in self._known:
                    return self._known[identity]
                digest = hashlib.sha256()
                while not self._stop.is_set():
                    block = file.read(_BLOCK)
                    if not block:
                        self._known[identity] = digest.hexdigest()
                        return self._known[identity]
                    digest.update(block)
        except (OSError, ValueError):
            pass
        return None
