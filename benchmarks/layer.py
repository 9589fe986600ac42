"""Cost of the learnable layer, in forward passes of `torch.stft` over the same signal."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

import torch
from torch import Tensor

from benchmarks import peer
from benchmarks.machine import machine
from benchmarks.measure import Claim, in_turns, median_ratio
from benchmarks.report import Report
from benchmarks.signals import music
from dstft_cli import DSTFT

SAMPLE_RATE = 44100
N_FFT = 2048
HOP_LENGTH = 512
_WIN_LENGTH = 1300.0
_PEER_SECONDS = 2.0  # of signal: the peer builds [F, T, n_fft] where lengths vary with frequency


def run(report: Report, seconds: float, rounds: int) -> None:
    """Measures forward and backward passes on `seconds` of music at 44.1 kHz, on two threads.

    The layer of the peer library is compared in values and in time where it is installed.
    """
    torch.set_num_threads(2)
    report.text(f"{seconds:g} s at {SAMPLE_RATE} Hz, n_fft {N_FFT}, hop {HOP_LENGTH}; {machine()}")
    signal = torch.from_numpy(music(seconds, SAMPLE_RATE)).float()
    claims = _claimed(report, signal, rounds)
    _modes(report, signal[: round(10 * SAMPLE_RATE)], rounds)
    _against_peer(report, signal[: round(_PEER_SECONDS * SAMPLE_RATE)], rounds)
    report.claims(claims)


def _plain(signal: Tensor) -> Tensor:
    hann = torch.hann_window(N_FFT)
    return torch.stft(
        signal, N_FFT, HOP_LENGTH, window=hann, pad_mode="constant", return_complex=True
    )


def _forward(transform: Callable[[Tensor], Tensor], signal: Tensor) -> Callable[[], object]:
    def work() -> object:
        with torch.no_grad():
            return transform(signal)

    return work


def _both_passes(
    transform: Callable[[Tensor], Tensor], signal: Tensor, *, through: bool = False
) -> Callable[[], object]:
    """Forward and backward of `Σ|X|`; `through`: with the gradient to the signal too."""

    def work() -> object:
        x = signal.detach().requires_grad_(through)
        torch.autograd.backward(transform(x).abs().sum())
        return x.grad

    return work


def _loss_alone(X: Tensor) -> Callable[[], object]:
    def work() -> object:
        given = X.detach().requires_grad_()
        torch.autograd.backward(given.abs().sum())
        return given.grad

    return work


def _claimed(report: Report, signal: Tensor, rounds: int) -> list[Claim]:
    """The mode `constant` with a whole hop."""
    layer = DSTFT(N_FFT, HOP_LENGTH, _WIN_LENGTH)
    names = (
        "forward",
        "forward, backward",
        "the same, to the signal too",
        "torch.stft, to the signal",
        "of the two passes: abs and sum alone",
    )
    works = (
        _forward(layer, signal),
        _both_passes(layer, signal),
        _both_passes(layer, signal, through=True),
        _both_passes(_plain, signal, through=True),
        _loss_alone(layer(signal).detach()),
    )
    tasks = {"torch.stft, forward": _forward(_plain, signal)} | dict(zip(names, works, strict=True))
    measured = in_turns(tasks, rounds)
    one = measured["torch.stft, forward"]
    rows = [
        [name, f"{median(times) * 1e3:.0f}", f"{median_ratio(times, one):.2f}"]
        for name, times in measured.items()
    ]
    report.table(f"one learned length, median of {rounds}", ["work", "ms", "passes"], rows)
    through = median_ratio(measured[names[2]], measured[names[3]])
    return [
        Claim("layer, forward", median_ratio(measured[names[0]], one), 1, "passes"),
        Claim("layer, forward and backward", median_ratio(measured[names[1]], one), 4, "passes"),
        Claim("layer, to the signal too", through, 2, "x the same through torch.stft"),
    ]


def _modes(report: Report, signal: Tensor, rounds: int) -> None:
    """Every mode, on the first ten seconds; lengths per cell on the first half second."""
    rows = []
    for window_mode in ("constant", "time", "frequency", "time-frequency"):
        for hop_mode in ("fixed", "time"):
            slow = window_mode == "time-frequency" or (window_mode, hop_mode) == (
                "frequency",
                "time",
            )
            x = signal[: SAMPLE_RATE // 2] if slow else signal
            layer = DSTFT(
                N_FFT,
                HOP_LENGTH,
                _WIN_LENGTH,
                window_mode=window_mode,
                hop_mode=hop_mode,
                signal_length=len(x),
            )
            tasks = {
                "pass": _forward(_plain, x),
                "forward": _forward(layer, x),
                "both": _both_passes(layer, x, through=True),
            }
            measured = in_turns(tasks, max(rounds // 2, 1))
            cost = [
                f"{median_ratio(measured[name], measured['pass']):.1f}"
                for name in ("forward", "both")
            ]
            rows.append([window_mode, hop_mode, f"{len(x) / SAMPLE_RATE:g}", *cost])
    header = ["window mode", "hop mode", "s of signal", "forward", "and backward to everything"]
    report.table("passes of torch.stft over the same signal", header, rows)


def _against_peer(report: Report, signal: Tensor, rounds: int) -> None:
    """Values and time of the peer's layer: one length, the same window, neither side normalizes."""
    library = peer.load()
    if library is None:
        report.missing(f"the layer beside the peer's: {peer.ABSENT}")
        return
    x = signal[None, :]
    theirs = library.DSTFT(
        n_fft=N_FFT,
        hop_length=HOP_LENGTH,
        win_length=_WIN_LENGTH,
        win_length_min=N_FFT / 32,
        win_length_max=N_FFT,
        window_mode="constant",
    )
    theirs.initialize(x)
    ours = DSTFT(N_FFT, HOP_LENGTH, _WIN_LENGTH, normalization="none")

    def magnitude(signal: Tensor) -> Tensor:
        found: Tensor = theirs(signal)[0]
        return found

    with torch.no_grad():
        a, b = ours(x).abs(), magnitude(x)
    inner = slice(N_FFT // HOP_LENGTH, min(a.shape[-1], b.shape[-1]) - N_FFT // HOP_LENGTH)
    gap = float((a[..., inner] - b[..., inner]).norm() / a[..., inner].norm())
    tasks = {
        "pass": _forward(_plain, x),
        "this layer": _both_passes(ours, x),
        "the peer's layer": _both_passes(magnitude, x),
    }
    measured = in_turns(tasks, rounds)
    rows = [
        [name, f"{median_ratio(times, measured['pass']):.1f}"] for name, times in measured.items()
    ]
    report.table(
        f"forward and backward, {_PEER_SECONDS:g} s; shapes {tuple(a.shape)} and {tuple(b.shape)}, "
        f"relative difference of magnitudes {gap:.1e}",
        ["work", "passes"],
        rows,
    )
    report.claims([Claim("magnitudes beside the peer's, relative difference", gap, 1e-5)])
