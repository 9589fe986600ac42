"""Value reached on the two-tone signal, beside the peer library's recipe."""

from __future__ import annotations

import time

import torch

from benchmarks import peer
from benchmarks.measure import Claim, print_claims, print_table
from benchmarks.signals import two_tones
from dstft_cli import optimize

N_FFT, HOP_LENGTH = 512, 32
LIMITS = {"constant": 7.0718, "time": 6.7960}  # nats


def run() -> None:
    """Entropy of |X|, no normalization, lengths of 32 to 512 samples, float64, one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a signal only waits for a second one
    try:
        _measure()
    finally:
        torch.set_num_threads(threads)


def _measure() -> None:
    signal, sample_rate = two_tones()
    library = peer.load()
    rows, claims = [], []
    for mode, limit in LIMITS.items():
        began = time.perf_counter()
        result = optimize(
            signal,
            sample_rate,
            n_fft=N_FFT,
            hop_length=HOP_LENGTH,
            window_mode=mode,
            power=1.0,
            normalization="none",
            overlap=1.0,  # lengths from one hop, 32 samples, upwards
            smoothness=0.0,
            dtype="float64",
        )
        ours = time.perf_counter() - began
        found = result.criterion
        bound = "" if found.table_bound is None else f"{found.table_bound:.4f}"
        rows.append(
            [mode, "dstft optimize", f"{found.final:.4f}", bound, f"{ours:.2f}", result.evaluations]
        )
        claims.append(Claim(f"two tones, {mode}", found.final, limit, "nats"))
        for start in (HOP_LENGTH * 2, N_FFT / 2, N_FFT - 1) if library is not None else ():
            began = time.perf_counter()
            value, steps = peer.learn(
                library,
                torch.from_numpy(signal),
                window_mode=mode,
                n_fft=N_FFT,
                hop_length=float(HOP_LENGTH),
                win_length=float(start),
                win_length_min=float(HOP_LENGTH),
            )
            taken = time.perf_counter() - began
            name = f"dstft 3.0.0 layer, Adam, from {start:g}"
            rows.append([mode, name, f"{value:.4f}", "", f"{taken:.2f}", steps])
    print_table(
        "entropy of |X|, two tones",
        ["mode", "by", "value, nats", "table bound", "s", "transforms or steps"],
        rows,
    )
    if library is None:
        print("\nTHE PEER LIBRARY IS NOT INSTALLED: only one side was measured")
        print("to measure both: pip install --no-deps dstft==3.0.0")
    print_claims(claims)
