"""The journal: a line of JSON per finished job, flushed to disk at once.

One batch at a time writes to a folder; a lock beside the journal keeps others out.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from dstft_cli.batch.plan import JOURNAL, LOCK, OWN_FILES, REPORT, SUMMARY
from dstft_cli.errors import OutputError, UsageError, printable
from dstft_cli.results import disk_errors
from dstft_cli.results.place import make_parents, remove_empty


class Line(BaseModel):
    """What a batch reads back of a line; the values of a result come from its `result.json`."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)
    output: str
    status: Literal["done", "skipped", "failed"]
    key: str | None = None
    seconds: float | None = None


class Journal:
    """The journal of an output folder, which one batch at a time may write.

    Entering creates the folder, takes the lock and reads what is there; OutputError if another batch is
    writing it, UsageError if another file or a link is where the batch writes its own files.
    """

    def __init__(self, folder: Path, *, force: bool) -> None:
        self.path = folder / JOURNAL
        self.entries: dict[str, Line] = {}  # by output, the last line of each, oldest first
        self.damaged = 0  # lines that are not valid, which are skipped
        self._force = force
        self._stack = ExitStack()

    def __enter__(self) -> Journal:
        folder = self.path.parent
        with ExitStack() as stack, disk_errors(self.path):
            parents = make_parents(folder)
            stack.callback(remove_empty, parents)
            self._refuse_foreign(folder)
            lock = FileLock(folder / LOCK, timeout=0)
            try:
                lock.acquire()
            except Timeout:
                raise OutputError(
                    f"another dstft batch is writing to {printable(folder)}: "
                    "wait for it to end, or use another output"
                ) from None
            stack.callback(_release, lock, folder / LOCK)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o666)
            stack.callback(os.close, self._file)
            stack.callback(self._remove_empty)
            data = self.path.read_bytes()
            if data and not data.endswith(b"\n"):
                os.write(self._file, b"\n")  # after a line that a kill or a full disk has cut
            for text in filter(None, data.split(b"\n")):
                try:
                    line = Line.model_validate(json.loads(text))
                    self.entries[line.output] = line
                except (ValueError, RecursionError):
                    self.damaged += 1
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def append(self, entry: dict[str, Any]) -> None:
        """Writes the line of a job; it is on disk when this returns."""
        line = json.dumps(entry, allow_nan=False).encode() + b"\n"
        with disk_errors(self.path):
            written = os.write(self._file, line)
            if written < len(line):  # a full disk writes a part
                os.write(self._file, line[written:])
            os.fsync(self._file)
        self.entries[entry["output"]] = Line.model_validate(entry)
        with suppress(OSError):
            if os.path.samestat(os.stat(self.path), os.fstat(self._file)):
                return
        raise OutputError(
            f"{printable(self.path)} has vanished while the batch was running: bring its folder "
            "back and run the same command again"
        )

    def _refuse_foreign(self, folder: Path) -> None:
        for name in OWN_FILES:
            with suppress(FileNotFoundError):
                if not stat.S_ISREG((folder / name).lstat().st_mode):
                    raise UsageError(
                        f"{printable(folder / name)} is a link or not a file, but a batch writes "
                        "its own file here: remove it"
                    )
        if self._force or self.path.exists():
            return
        for name in (SUMMARY, REPORT):
            if os.path.lexists(folder / name):
                raise UsageError(
                    f"{printable(folder / name)} exists and is not from a batch: "
                    "use `force` to replace it, or another output"
                )

    def _remove_empty(self) -> None:
        if os.fstat(self._file).st_size == 0:  # no job finished: leave no file
            self.path.unlink(missing_ok=True)


def _release(lock: FileLock, path: Path) -> None:
    with suppress(OSError):  # before the release: a waiting batch then creates a new file
        path.unlink(missing_ok=True)
    lock.release()
