"""A small result for the tests of what is written."""

import numpy as np

from dstft_cli.records import CriterionSummary, Note, Result, StopReason, Trajectory

K = 64


def a_result(
    lengths: np.ndarray,
    *,
    T: int = 5,
    centers: np.ndarray | None = None,
    steps: tuple[np.ndarray, ...] | None = None,
    hops: tuple[np.ndarray, ...] | None = None,
    final: float = 0.1 + 0.2,
) -> Result:
    steps = steps or (np.array([[32.0]]), np.array([[48.5]]), lengths)
    hops = hops or (np.array([4.0]),) * len(steps)
    S = len(steps)
    centers = np.arange(T) * 4.0 if centers is None else centers
    return Result(
        sample_rate=8000.0,
        length=int(centers[-1]) + 4,
        n_fft=K,
        start_window_length=np.array([[32.0]]),
        lengths=lengths,
        hop_length=4.0,
        length_bounds=(8.0, 64.0),
        frame_centers=centers,
        window="hann",
        normalization="energy",
        power=2.0,
        criterion=CriterionSummary("entropy", "minimize", 3.5, 48.5, 1 / 3, final, None),
        trajectory=Trajectory(
            phase=("start", *["table"] * (S - 2), "search")[:S],
            seconds=np.linspace(0, 1, S),
            evaluations=np.arange(S),
            criterion=np.array([3.5, *np.full(S - 2, 1 / 3), final])[:S],
            window_lengths=steps,
            hop_lengths=hops,
        ),
        stop_reason=StopReason.SEARCH,
        evaluations=S,
        seconds={"search": 1.25, "descent": 0.0},
        notes=(Note("length_on_upper_bound", "win_length_max", 64.0),),
    )


CONSTANT = np.array([[48.5]])
VARYING = np.array([[10.25, 20, 30, 40, 64]])
