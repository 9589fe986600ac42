"""Where to compute."""

from __future__ import annotations

import torch

from dstft_cli.errors import UsageError


def resolve_device(name: str = "auto", dtype: str = "float32") -> torch.device:
    """The device called `name`.

    Args:
        name: `auto` (CUDA, then MPS, then CPU), `cpu`, `cuda`, `cuda:N` or `mps`.
        dtype: `float32` or `float64`, which MPS does not have.

    Raises:
        UsageError: unknown, absent, or without that dtype.
    """
    available = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available() and dtype == "float32",
        "cpu": True,
    }
    if name == "auto":
        name = next(kind for kind, usable in available.items() if usable)
    kind, _, number = name.partition(":")
    if kind not in available:
        raise UsageError(f"device {name!r} is unknown: use auto, cpu, cuda or mps")
    if kind == "mps" and dtype == "float64":
        raise UsageError("device mps has no float64: use --dtype float32 or --device cpu")
    if not available[kind] or (number and int(number) >= torch.cuda.device_count()):
        raise UsageError(f"device {name} is not available here: use --device cpu or auto")
    return torch.device(name)
