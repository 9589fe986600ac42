"""What `--verbose` tells of a fit agrees with its result."""

import re

import numpy as np
import pytest

from dstft_cli import optimize

RATE = 8000


def chirp(n: int = RATE) -> np.ndarray:
    t = np.arange(n) / RATE
    return np.sin(2 * np.pi * (500 * t + 1500 * t**2))


def told(signal: np.ndarray, **options):
    lines: list[str] = []
    result = optimize(signal, RATE, report=lines.append, **options)
    return result, lines


def only(lines: list[str], start: str) -> str:
    (line,) = [line for line in lines if line.startswith(start)]
    return line


def test_one_length():
    result, lines = told(chirp())
    assert [line.split(":")[0] for line in lines] == [
        *["n_fft auto"] * (len(lines) - 3), "plan", "table", "descent"
    ]  # fmt: skip
    assert only(lines, "plan: ").startswith(f"plan: n_fft {result.n_fft}, hop ")
    table = re.fullmatch(
        r"table: (\d+) single windows tried, the best has (\S+) samples: entropy (\S+), against "
        r"entropy (\S+) at the start",
        only(lines, "table"),
    )
    summary = result.criterion
    assert int(table[1]) == result.trajectory.phase.count("table")
    assert [float(table[n]) for n in (2, 3, 4)] == pytest.approx(
        [summary.best_fixed_win_length, summary.best_fixed, summary.start], rel=1e-3
    )
    descent = re.fullmatch(
        r"descent: lbfgs, 1 variable, (\d+) steps?, converged: entropy (\S+); kept",
        only(lines, "descent"),
    )
    assert int(descent[1]) == result.trajectory.phase.count("descent")
    assert float(descent[2]) == pytest.approx(summary.final, rel=1e-4)


def test_the_steps_of_n_fft_auto():
    _, lines = told(np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE))
    steps = [line for line in lines if line.startswith("n_fft auto")]
    assert steps == [
        "n_fft auto: 512 samples are about the best of all single windows: from 1024",
        "n_fft auto: at 1024 the best single window has 1024 samples: the largest for this signal",
    ]
    clicks = np.zeros(RATE)
    clicks[500::1000] = 1
    _, lines = told(clicks, window_mode="time")
    steps = [line for line in lines if line.startswith("n_fft auto")]
    assert re.fullmatch(
        r"n_fft auto: \d+ samples are about the best of all single windows: from \d+", steps[0]
    )
    chosen = re.search(r"the score is (.*): (\d+) taken", steps[-1])
    scores = {int(size): float(score) for score, size in re.findall(r"(\S+) at (\d+)", chosen[1])}
    assert scores[int(chosen[2])] == min(scores.values())
    assert told(chirp(), window_mode="fixed")[1][0] == "n_fft auto: 512, near 64 ms"
    assert told(chirp(), win_length_max=300)[1][0] == (
        "n_fft auto: 512, which holds the longest window allowed, 300 samples"
    )


@pytest.mark.parametrize("mode", ["time", "frequency", "time-frequency"])
def test_lengths_that_vary(mode):
    signal = chirp()
    signal[4000] = 20  # a click, so that one length does not do for all
    result, lines = told(signal, window_mode=mode, n_fft=256)
    assert lines[0].startswith("plan: n_fft 256")
    found = re.fullmatch(
        r"search: (\d+) lengths chosen from the table(, (\d+) changes between neighbours)?: "
        r"entropy (\S+); proved: no choice from the table is better than (\S+); kept",
        only(lines, "search"),
    )
    assert float(found[5]) == pytest.approx(result.criterion.table_bound, rel=1e-4)
    rows = {"time": result.frames, "frequency": 4}  # bands of 33 bins, a lobe of 32 samples
    if mode in rows:
        assert int(found[1]) == rows[mode]
    assert (found[2] is None) == (mode == "time-frequency")


def test_a_descent_that_gains_nothing_says_so():
    _, lines = told(chirp(), n_fft=256, optimizer="sgd", lr=1e-9, max_steps=3)
    assert only(lines, "descent").endswith("what was found before stays")
    _, lines = told(chirp(), n_fft=256, optimizer="adam", max_steps=2)
    assert ", 2 steps, stopped at --max-steps: " in only(lines, "descent")
