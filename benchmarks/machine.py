"""What the figures were measured on."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
from pathlib import Path

_PACKAGES = ("torch", "numpy", "scipy", "matplotlib", "soundfile", "dstft-cli", "dstft")


def machine() -> str:
    """Processor, cores and versions, one line."""
    import numpy
    import torch

    return (
        f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"Python {platform.python_version()}, torch {torch.__version__}, numpy {numpy.__version__}"
    )


def hardware() -> str:
    """Processor model, cores, memory, and system, one line."""
    info = _read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", info, re.M)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.M)
    parts = [
        f"{model[1].strip() if model else platform.processor() or 'processor'} "
        f"({platform.machine()})",
        f"{os.cpu_count()} cores",
    ]
    if memory:
        parts.append(f"{int(memory[1]) / 1e6:.0f} GB of memory")
    return ", ".join([*parts, f"{platform.system()} {platform.release()}"])


def versions() -> str:
    """Python and the packages that matter; one that is absent is said to be."""
    found = [f"Python {platform.python_version()}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            found.append(f"{name} absent")
    return ", ".join(found)


def load() -> str:
    """Mean number of processes that ran or waited, last minute; above 0 before a run, others work."""
    try:
        return f"{os.getloadavg()[0]:.1f}"
    except OSError:
        return "unknown"


def _read(path: str) -> str:
    file = Path(path)
    return file.read_text(encoding="utf-8") if file.exists() else ""
