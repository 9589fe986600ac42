"""The journal: a line of JSON per job that has ended, on disk before the next is told."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from dstft_cli.batch.plan import JOURNAL, REPORT, SUMMARY
from dstft_cli.errors import OutputError, UsageError
from dstft_cli.results import disk_errors, shown
from dstft_cli.results.place import make_parents, remove_empty


class Journal:
    """The journal of an output folder, which one batch at a time may write.

    A context manager: entering creates the folder, takes the lock and reads what is there. Only
    whole lines are appended; a last line that was cut off, by a kill or a full disk, is ignored.

    Attributes:
        entries: by output, the last line of each, oldest first.

    Raises (on entering):
        OutputError: the folder cannot be written, or another batch is writing it.
        UsageError: there is a file of another origin where the batch would write its own.
    """

    def __init__(self, folder: Path, *, force: bool) -> None:
        self.path = folder / JOURNAL
        self.entries: dict[str, dict[str, Any]] = {}
        self._force = force
        self._file = -1
        self._parents: list[Path] = []

    def __enter__(self) -> Journal:
        folder = self.path.parent
        with disk_errors(folder):
            self._parents = make_parents(folder)
        known = self.path.exists()
        for name in (SUMMARY, REPORT):
            if not known and not self._force and os.path.lexists(folder / name):
                raise UsageError(
                    f"{shown(folder / name)} exists and is of no batch: "
                    "use --force to replace it, or another output"
                )
        with disk_errors(self.path):
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            self._lock()
            self._read()
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if os.fstat(self._file).st_size == 0:  # nothing has ended: nothing is left behind
            with suppress(OSError):
                self.path.unlink()
            remove_empty(self._parents)
        os.close(self._file)

    def append(self, entry: dict[str, Any]) -> None:
        """Writes the line of a job; it is on disk when this returns.

        Raises:
            OutputError: the disk is full, or the journal is no longer where it was.
        """
        line = json.dumps(entry, allow_nan=False).encode() + b"\n"
        with disk_errors(self.path):
            written = os.write(self._file, line)
            if written < len(line):  # a full disk takes what still fits
                written += os.write(self._file, line[written:])
            os.fsync(self._file)
        self.entries[entry["output"]] = entry
        self._check_place()

    def _check_place(self) -> None:
        ours = os.fstat(self._file)
        with suppress(OSError):
            there = os.stat(self.path)
            if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
                return
        raise OutputError(
            f"{shown(self.path)} has vanished while the batch was running: bring its folder back "
            "and run the same command again"
        )

    def _lock(self) -> None:
        try:
            import fcntl
        except ImportError:  # Windows: without the lock, the second run loses by its places
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise OutputError(
                f"another dstft batch is writing to {shown(self.path.parent)}: "
                "wait for it to end, or use another output"
            ) from None
        except OSError:  # a file system without locks
            return

    def _read(self) -> None:
        data = self.path.read_bytes()
        if data and not data.endswith(b"\n"):
            with disk_errors(self.path):
                os.write(self._file, b"\n")  # a cut line stays alone
        for line in data.splitlines():
            with suppress(ValueError, KeyError, TypeError, RecursionError):
                entry = json.loads(line)
                self.entries[str(entry["output"])] = entry
