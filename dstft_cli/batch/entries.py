"""What a batch is to run: entries of inputs and settings, before any file is looked for."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dstft_cli.batch.template import Template
from dstft_cli.settings import Settings

MOST_JOBS = 10**6  # some hundred bytes each
# what a batch decides for all its jobs, and why such a key is refused
NOT_PER_JOB = {
    "output": "stands at the top, once: tell jobs apart by {name} in it",
    "force": "is an option of the command: dstft batch --force",
    "json": "is an option of the command: dstft batch --json",
    "emit": "prints to standard output: use it with dstft optimize",
    "png": "would be written by every job: pictures go into each job's directory",
    "npy": "would be written by every job: arrays go into each job's directory",
}
# no part of what is learned and drawn: a result stands when these change
_IMMATERIAL = {*NOT_PER_JOB, "threads"}


@dataclass(frozen=True)
class Variant:
    """Settings that some jobs share.

    Attributes:
        settings: checked.
        values: the same as JSON values.
        digest: SHA-256 over all that decides about the result.
    """

    settings: Settings
    values: Mapping[str, Any]
    digest: str

    @classmethod
    def of(cls, settings: Settings) -> Variant:
        """The variant of checked settings."""
        values = settings.as_dict()
        material = {name: value for name, value in values.items() if name not in _IMMATERIAL}
        text = json.dumps(material, sort_keys=True)
        return cls(settings, values, hashlib.sha256(text.encode()).hexdigest())


@dataclass(frozen=True)
class Entry:
    """One item of `jobs`: its inputs, each run with every variant.

    Attributes:
        inputs: paths or patterns as written, with the `FILE:LINE` of each.
        patterns: whether an input may be a pattern.
        name: of the jobs; empty: the file name of each input.
        variants: one per combination of the matrix.
    """

    inputs: Sequence[tuple[str, str]]
    patterns: bool
    name: str
    variants: Sequence[Variant]


@dataclass(frozen=True)
class BatchConfig:
    """What is to be run.

    Attributes:
        folder: what inputs are relative to.
        output_folder: what the template is relative to.
        template: where the results of a job go.
        entries: inputs with settings.
    """

    folder: Path
    output_folder: Path
    template: Template
    entries: Sequence[Entry]
