"""Notes of a fit: each names what helps, and following them goes round in no circle."""

import numpy as np

from dstft_cli.fit.notes import Outcome, notes
from dstft_cli.fit.plan import make_plan
from dstft_cli.records import Note
from dstft_cli.run.sentences import sentence
from fit.cases import HOP_MODES, each, optimize, request

LENGTH = 100_000  # of the signal, samples
SETTLED = {("fixed", "fixed"), ("fixed", "time")}  # modes in which the start asks for nothing
LOWER = {"length_on_lower_bound", "hop_on_lower_bound", "windows_too_long", "gaps", "lost_tail"}
UPPER = {"length_on_upper_bound", "hop_on_upper_bound", "hop_unmoved"}


def told(
    row, hops=(), n_fft=1024, *, length=LENGTH, automatic=False, featureless=False, **options
) -> list[Note]:
    """Notes on rows that weigh alike, learned under such a plan."""
    asked = request(n_fft=None if automatic else n_fft, **options)
    plan = make_plan(asked, n_fft, length)
    row = np.array(row, dtype=np.float64)
    outcome = Outcome(
        request=asked,
        plan=plan,
        row=row,
        importance=np.full(len(row), 1 / len(row)),
        hops=np.array(hops, dtype=np.float64),
        last=float(row.min()),
        length=length,
        featureless=featureless,
    )
    found = notes(outcome)
    for note in found:
        assert 0 < len(sentence(note).split()) <= 40
        assert "{" not in sentence(note)
    return found


LOW, HIGH, HOP = "length_on_lower_bound", "length_on_upper_bound", "hop_on_upper_bound"
EDGE = {"hop_length": 64, "hop_length_max": 64}  # with a learned hop
NOTED = [  # window lengths, learned hop, options: kind, names, limit of the one note
    ([128], None, {}, LOW, "hop_length", 32),
    ([32], None, {"hop_length": 8}, LOW, "win_length_min", None),
    ([99], None, {"hop_length": 40, "win_length_min": 99}, LOW, "win_length_min hop_length", None),
    ([2], None, {"hop_length": 1, "n_fft": 32}, LOW, "", None),
    ([256], 100, {}, LOW, "hop_length_max", 64),
    ([128], 50, EDGE, LOW, "hop_length_max hop_length", 32),
    ([1024], None, {}, HIGH, "n_fft", 25000),
    ([1024], None, {"automatic": True, "length": 6200}, HIGH, "n_fft", 1550),
    ([500], None, {"win_length_max": 500}, HIGH, "win_length_max", 25000),
    ([1024], None, {"win_length_max": 1024, "automatic": True}, HIGH, "win_length_max", 25000),
    ([1024] * 2, None, {"window_mode": "time"}, HIGH, "n_fft hop_length", 25000),
    ([1024] * 2, None, {"window_mode": "time", "hop_length": 64}, HIGH, "n_fft", 25000),
    ([1024], None, {"length": 4096}, HIGH, "", 1024),
    ([1024], None, {"length": 4 * 1200}, HIGH, "", 1200),  # can hardly be raised
    ([1024], None, {"length": 5_000_000}, HIGH, "n_fft", 1 << 20),
    ([1 << 20], None, {"n_fft": 1 << 20, "length": 10**8}, HIGH, "", 1 << 20),
    ([700], 128, {}, HOP, "hop_length_max", 280),
    ([380], 128, {}, HOP, "hop_length_max", 190),
    ([180], 128, {"overlap": 0.9}, HOP, "hop_length_max", 162),
    ([300, 256], 128, {}, HOP, "overlap", 128),
    ([512], 128, {"window_mode": "fixed"}, HOP, "hop_length_max", 256),
    ([700], 32, {}, "hop_on_lower_bound", "", None),
    ([400], 32, {}, "hop_on_lower_bound", "hop_length_min", None),
    ([700], 64, {"hop_mode": "time"}, "hop_unmoved", "hop_length", 280),
    ([300], 64, {"hop_mode": "time"}, "hop_unmoved", "hop_mode", None),
    ([700], 64, {}, "hop_unmoved", "hop_mode", None),
]


@each(("row", "hop", "options", "kind", "names", "limit"), NOTED)
def test_a_bound_is_noted_with_what_helps(row, hop, options, kind, names, limit):
    learned = {} if hop is None else {"hop_mode": "constant"}
    found = told(row, [] if hop is None else [hop] * 9, **{**learned, **options})
    assert found == [Note(kind, names, hop if kind.startswith("hop") else row[0], limit)]


def test_what_is_noted_of_a_bound_in_part_and_of_a_range_of_one_length():
    (note,) = told([1024, 1024, 500, 500, 500], window_mode="time")
    assert (note.kind, note.detail) == (HIGH, "40%")
    assert told([1024, 500, 500, 500], window_mode="time") == []
    options = {"n_fft": 32, "win_length_max": 4}
    both, alone = "hop_length win_length_max", "hop_length"
    assert told([4], **options) == [Note("nothing_to_learn", both, 4.0)]
    assert told([4], **options, length=16) == [Note("nothing_to_learn", alone, 4.0)]


def test_where_all_lengths_score_alike_bounds_are_not_noted():
    options = {"hop_mode": "constant", "featureless": True}
    for row in ([128], [1024]):
        assert told(row, [128] * 9, **options) == [Note("lengths_alike", "window_mode", 256, 1024)]
    (fixed,) = told([512], [128] * 9, **options, window_mode="fixed")
    assert fixed.kind == "hop_on_upper_bound"


def followed(result, options) -> tuple[dict[str, float], set[tuple[str, str]]]:
    """The options after what is advised: half, twice, or as far as it says; and what was advised."""
    now = {**result.resolved, "overlap": 0.5, **options}
    changed, advised = dict(options), set()
    for note in result.notes:
        if note.kind not in LOWER | UPPER:
            continue
        down = note.kind in LOWER
        for k, name in enumerate(note.parameter.split()):
            if name == "hop_mode":
                continue
            if name == "hop_length" and note.kind == "length_on_upper_bound" and k:
                changed[name] = now[name]  # kept
                continue
            limited = note.limit is not None and note.kind != "lost_tail" and name != "overlap"
            limit = note.limit if limited else 0.9 if name == "overlap" else np.inf
            changed[name] = min(now[name] * (0.5 if down else 2.0), limit)
            advised.add((name, "down" if down else "up"))
    if "n_fft" in changed:
        changed["n_fft"] = int(changed["n_fft"])
    return changed, advised


@each(
    ("window_mode", "hop_mode"),
    [
        *(("fixed", hop_mode) for hop_mode in HOP_MODES),
        *(("constant", "constant"), ("time", "time"), ("frequency", "fixed")),
    ],
)
def test_following_notes_comes_to_an_end(window_mode, hop_mode):
    n = np.arange(3000)
    signal = np.sin(0.9 * n) * (n < 1500) + 3.0 * (n % 700 == 350)
    modes = {"window_mode": window_mode, "hop_mode": hop_mode, "max_steps": 3}
    options, rounds = {"n_fft": 128}, []
    while len(rounds) < 8:
        result = optimize(signal, 8000, **modes, **options)
        options, now = followed(result, options)
        opposite = {(name, {"up": "down", "down": "up"}[way]) for name, way in now}
        assert not opposite & now, result.notes
        if not now:
            break
        rounds.append(options)
    assert len(rounds) < 8, rounds
    assert rounds or (window_mode, hop_mode) in SETTLED
