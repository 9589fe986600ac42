import io
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from dstft_cli.plot import pictures as module
from dstft_cli.plot.pictures import Pictures
from dstft_cli.records import CriterionSummary, Result, StopReason, Trajectory

from .example import RATE, labelled, titled

N_FFT, HOP, LENGTH = 128, 400.0, 16000
EVEN = np.arange(0, LENGTH + 1, HOP)
UNEVEN = np.cumsum(np.geomspace(100.0, 1500.0, 25))


def result_of(
    window_length: Any,
    centers: Any = EVEN,
    *,
    hops_learned: bool = False,
    best: float = 64.0,
    tables: int = 1,
) -> Result:
    """From a start of 100 samples, over `tables` fixed windows of `best` samples."""
    hops = np.diff(centers)
    return Result(
        sample_rate=RATE,
        length=LENGTH,
        n_fft=N_FFT,
        start_window_length=np.array([[100.0]]),
        lengths=np.asarray(window_length),
        hop_length=HOP,
        length_bounds=(16.0, 128.0),
        frame_centers=centers,
        window="hann",
        normalization="energy",
        power=2.0,
        criterion=CriterionSummary("entropy", "minimize", 9.5, best, 9.2, 8.0, None),
        trajectory=Trajectory(
            phase=("start", *["table"] * tables, "search"),
            seconds=np.arange(2.0 + tables),
            evaluations=np.arange(1, 3 + tables),
            criterion=np.array([9.5, *[9.2] * tables, 8.0]),
            window_lengths=(
                np.array([[100.0]]),
                *[np.array([[best]])] * tables,
                np.asarray(window_length),
            ),
            hop_lengths=(np.array([HOP]), *[np.array([HOP])] * tables, hops),
        ),
        stop_reason=StopReason.SEARCH,
        evaluations=3,
        seconds={"search": 1.0, "descent": 0.0},
        warnings=(),
        hop_bounds=(100.0, 1500.0) if hops_learned else None,
        start_centers=EVEN if hops_learned else None,
    )


def fill(pool: Any) -> Any:
    pool.add(0, np.random.default_rng(0).uniform(size=(pool.grid.frames, N_FFT // 2 + 1)))
    return pool


def drawn(pictures: Pictures) -> bytes:
    """The comparison of noise."""
    fill(pictures.learned)
    return pictures.comparison([fill(pictures.new_pool()) for _ in pictures.plain_lengths])


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are rendered while the test runs."""
    kept: list[Figure] = []

    def render(figure: Figure, format: str) -> bytes:
        kept.append(figure)
        return original(figure, format)

    original = module.render
    monkeypatch.setattr(module, "render", render)
    return kept


def test_pools_have_the_frames_they_are_for() -> None:
    result = result_of([[80.0]], UNEVEN)
    same = Pictures(result, title="")
    assert same.new_pool().grid.extent == same.learned.grid.extent
    plain = Pictures(result_of([[80.0]], UNEVEN, hops_learned=True), title="")
    assert plain.new_pool().grid.frames == EVEN.size
    assert plain.new_pool().grid.extent[:2] == pytest.approx((-0.025, 2.025))
    assert plain.learned.grid.frames == UNEVEN.size
    assert plain.learned.grid.extent == same.learned.grid.extent


@pytest.mark.parametrize(
    ("shape", "centers", "learned"),
    [
        ((1, 41), EVEN, False),
        ((65, 1), UNEVEN, True),
        ((65, 25), UNEVEN, True),
        ((1, 1), HOP / 3 + np.arange(30) * 500.0, True),
    ],
)
def test_a_comparison_shows_what_was_learned(
    shape: tuple[int, int], centers: Any, learned: bool, figures: list[Figure]
) -> None:
    lengths = np.geomspace(20.0, 125.0, shape[0] * shape[1]).reshape(shape)
    pictures = Pictures(result_of(lengths, centers, hops_learned=learned), title="a.wav")
    assert pictures.plain_lengths == (100.0, 64.0)
    data = drawn(pictures)
    assert imread(io.BytesIO(data)).shape[1] == 1300
    axes = titled(figures[0])
    ends = np.diff(centers)[[0, -1]] * 1000 / RATE
    start_hop = ", hop 50 ms" if learned else ""
    ends = sorted(ends)
    hops = "" if not learned else f", hop {ends[0]:.3g}"
    hops += "" if not learned else " ms" if ends[0] == ends[1] else f" ms to {ends[1]:.3g} ms"
    one, several = "20 samples (2.5 ms)", "20 to 125 samples (2.5 ms to 15.6 ms)"
    assert list(axes)[:3] == [
        f"Start: 100 samples (12.5 ms){start_hop}",
        f"Best fixed window: 64 samples (8 ms){start_hop}",
        f"Learned: {one if lengths.size == 1 else several}{hops}",
    ]
    assert bool(axes["Window length"].images) == (min(shape) > 1)
    assert ("Hop length" in axes) == learned
    if learned:
        start = labelled(axes["Hop length"])["start"]
        np.testing.assert_allclose(start.get_ydata(), HOP / 8)


@pytest.mark.parametrize(
    ("learned", "best", "tables", "names"),
    [
        (80.0, 100.0, 0, ["Start", "Learned", "Window length"]),  # --no-search
        (80.0, 100.0, 9, ["Start, best fixed window", "Learned", "Window length"]),
        (64.0, 64.0, 9, ["Start", "Best fixed window, learned", "Window length"]),
        (100.0, 100.0, 9, ["Start, best fixed window, learned", "Window length"]),
        (100.0, 100.0, 1, ["Fixed window"]),
    ],
)
def test_what_is_the_same_is_drawn_once(
    learned: float, best: float, tables: int, names: list[str], figures: list[Figure]
) -> None:
    drawn(Pictures(result_of([[learned]], best=best, tables=tables), title=""))
    assert [name.split(":")[0] for name in titled(figures[0])] == names


def test_a_fixed_window_at_learned_places_is_drawn_at_both(figures: list[Figure]) -> None:
    result = result_of([[100.0]], UNEVEN, hops_learned=True, best=100.0)
    drawn(Pictures(result, title=""))
    assert list(titled(figures[0])) == [
        "Start: 100 samples (12.5 ms), hop 50 ms",
        "Learned: 100 samples (12.5 ms), hop 14 ms to 188 ms",
        "Hop length",
    ]
    panels = list(titled(figures[0]).values())
    assert {axes.get_xlim() for axes in panels} == {(0.0, 2.0)}  # of the recording
    for axes in panels[:2]:  # and no strip is left without a frame
        left, right, *_ = axes.images[0].get_extent()
        assert left <= 0.0
        assert right >= 2.0


def test_all_three_pictures_have_the_format_asked_for() -> None:
    pictures = Pictures(result_of([[80.0]]), title="a.wav", format="svg")
    for data in (drawn(pictures), pictures.spectrogram(), pictures.trajectory()):
        assert data.startswith(b"<?xml")
