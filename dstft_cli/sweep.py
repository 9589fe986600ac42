"""One recording, swept over window lengths: load, compute, write."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import torch

from dstft_cli.audio import Signal
from dstft_cli.criteria import Criterion, resolve
from dstft_cli.fit import resolve_device
from dstft_cli.fit.sweep import sweep
from dstft_cli.job import (
    JobOutcome,
    Progress,
    Report,
    input_record,
    limited_threads,
    load_recording,
    naming,
)
from dstft_cli.names import CRITERIA
from dstft_cli.output import picture_title, refuse_collisions
from dstft_cli.preflight import output_directory
from dstft_cli.result import Sweep
from dstft_cli.settings import ALL, SWEEP_OPTIONS, Length, SweepSettings
from dstft_cli.writers import (
    SWEEP_NAMES,
    OutputDirectory,
    atomic_file,
    disk_errors,
    peak_memory_mb,
    sweep_csv,
    sweep_record,
    write_json,
)


def run_sweep(
    source: str,
    settings: SweepSettings,
    *,
    stdout: BinaryIO | None = None,
    report: Report = lambda line: None,
    progress: Progress | None = None,
) -> JobOutcome:
    """Sweeps one recording and writes what the settings ask for.

    Args: as for `run_optimize`.

    Raises:
        DstftError: the input, the settings or the output are at fault; nothing is written then.
    """
    began = time.perf_counter()
    device = resolve_device(settings.device, settings.dtype)  # before a long file is read
    names = CRITERIA if settings.criterion == ALL else (settings.criterion,)
    criteria = [resolve(name, settings.order) for name in names]
    directory = output_directory(source, settings, "sweep")
    refuse_collisions(source, settings, directory)
    with ExitStack() as stack:
        outputs = _Outputs(stack, settings, directory, stdout)
        with limited_threads(settings.threads), load_recording(source, settings) as signal:
            loaded = time.perf_counter()
            report(
                f"loaded {signal.seconds:.3f} s, {signal.length} samples at "
                f"{signal.sample_rate} Hz, in {loaded - began:.2f} s"
            )
            found = _sweep(signal, settings, criteria, device, progress)
            info = input_record(signal)
        report(
            f"swept {len(found.lengths)} window lengths in {found.seconds['search']:.2f} s over "
            f"{found.looked_at:.0%} of the signal, learned the optima in "
            f"{found.seconds['descent']:.2f} s"
        )
        swept = time.perf_counter()
        outputs.write(found, picture_title(signal, settings.channel))
        now = time.perf_counter()
        record = sweep_record(
            found,
            settings=_resolved(settings, device),
            signal_info=info,
            seconds={"load": loaded - began, "write": now - swept, "total": now - began},
            peak_memory_mb=peak_memory_mb(),
            warnings=signal.warnings,
            outputs=outputs.names,
        )
        outputs.write_record(record)
    return JobOutcome(record, directory, [])


def _sweep(
    signal: Signal,
    settings: SweepSettings,
    criteria: list[Criterion],
    device: torch.device,
    progress: Progress | None,
) -> Sweep:
    def samples(length: Length | None) -> float | None:
        return None if length is None else length.samples(signal.sample_rate)

    with naming(signal):
        return sweep(
            signal.samples,
            signal.sample_rate,
            criteria=criteria,
            n_fft=None if settings.n_fft == "auto" else settings.n_fft,
            win_length_min=samples(settings.win_length_min),
            win_length_max=samples(settings.win_length_max),
            hop_length=samples(settings.hop_length),
            overlap=settings.overlap,
            window=settings.window,
            normalization=settings.normalization,
            power=settings.power,
            device=device.type,
            dtype=settings.dtype,
            peak=signal.peak,
            progress=progress,
        )


def _resolved(settings: SweepSettings, device: torch.device) -> dict[str, Any]:
    """The settings of a sweep as JSON values."""
    values = {name: value for name, value in settings.as_dict().items() if name in SWEEP_OPTIONS}
    return {**values, "device": device.type}


class _Outputs:
    """All places of one sweep, opened before the work begins so that a bad one fails at once."""

    def __init__(
        self,
        stack: ExitStack,
        settings: SweepSettings,
        directory: Path | None,
        stdout: BinaryIO | None,
    ) -> None:
        self._settings = settings
        self._directory = directory
        self._stdout = stdout
        self._folder: OutputDirectory | None = None
        if directory is not None:
            folder = OutputDirectory(directory, force=settings.force, known=SWEEP_NAMES)
            self._folder = stack.enter_context(folder)
        self._singles = {
            target: self._open(stack, target)
            for target in (settings.png, settings.csv)
            if target is not None
        }
        self.names: dict[str, str] = {}

    def write(self, found: Sweep, title: str) -> None:
        """The curves and their picture, wherever they are wanted."""
        settings = self._settings
        makers: dict[str, tuple[str | None, Callable[[], bytes], bool]] = {
            f"sweep.{settings.format}": (settings.png, lambda: self._picture(found, title), True),
            "sweep.csv": (settings.csv, lambda: sweep_csv(found), False),
        }
        for name, (target, make, drawn) in makers.items():
            into_folder = self._folder is not None and (settings.figures or not drawn)
            content = make() if into_folder or target is not None else b""
            if into_folder:
                assert self._folder is not None
                with disk_errors(name):
                    self._folder.path(name).write_bytes(content)
                self.names[name] = str(self._folder.final(name))
            if target is not None:
                with disk_errors(target):
                    self._singles[target].write(content)
                    self._singles[target].flush()
                self.names["png" if drawn else "csv"] = target
        if self._folder is not None:
            self.names["sweep.json"] = str(self._folder.final("sweep.json"))

    def write_record(self, record: dict[str, Any]) -> None:
        """`sweep.json`, to the directory and with `--json` to standard output."""
        if self._folder is not None:
            write_json(self._folder.path("sweep.json"), record)
        if self._settings.json:
            assert self._stdout is not None
            write_json(self._stdout, record)

    def _picture(self, found: Sweep, title: str) -> bytes:
        from dstft_cli.plot.sweep import draw_sweep

        return draw_sweep(found, title=title, format=self._settings.format)

    def _open(self, stack: ExitStack, target: str) -> BinaryIO:
        if target == "-":
            assert self._stdout is not None
            return self._stdout
        return stack.enter_context(atomic_file(Path(target), force=self._settings.force))
