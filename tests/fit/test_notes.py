"""Notes of a fit: each names what helps, and following them goes round in no circle."""

import inspect

import numpy as np

from dstft_cli.fit.notes import Outcome, notes
from dstft_cli.fit.plan import make_plan
from dstft_cli.records import Note
from dstft_cli.run.sentences import sentence
from fit.cases import HOP_MODES, each, kinds, optimize, request

LENGTH = 100_000  # of the signal, samples
TONE = np.sin(0.9 * np.arange(8000))
CLICKS = 1.0 * (np.arange(8000) % 700 == 350)
SETTLED = {("fixed", "fixed"), ("fixed", "time")}  # modes in which the start asks for nothing
LOWER = {"length_on_lower_bound", "hop_on_lower_bound", "windows_too_long", "gaps", "lost_tail"}
UPPER = {"length_on_upper_bound", "hop_on_upper_bound", "hop_unmoved"}


def told(
    row, hops=(), n_fft=1024, *, length=LENGTH, automatic=False, featureless=False,
    larger_is_worse=False, **options,
) -> list[Note]:  # fmt: skip
    """Notes on rows that weigh alike, learned under such a plan."""
    asked = request(n_fft=None if automatic else n_fft, **options)
    names = inspect.signature(make_plan).parameters
    lengths = {name: value for name, value in options.items() if name in names}
    plan = make_plan(
        n_fft, fixed=not asked.learns_lengths, length=length, **{"overlap": 0.5, **lengths}
    )
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
        larger_is_worse=larger_is_worse,
    )
    found = notes(outcome)
    for note in found:
        assert 0 < len(sentence(note).split()) <= 40
        assert "{" not in sentence(note)
    return found


@each(
    ("row", "options", "names", "limit"),
    [
        ([128], {}, "hop_length", 32),
        ([32], {"hop_length": 8}, "win_length_min", None),
        ([100], {"hop_length": 40, "win_length_min": 100}, "win_length_min hop_length", None),
        ([2], {"hop_length": 1, "n_fft": 32}, "", None),
        ([256], {"hop_mode": "constant", "hops": [100]}, "hop_length_max", 64),
        (
            [128],
            {"hop_mode": "constant", "hop_length": 64, "hop_length_max": 64, "hops": [50]},
            "hop_length_max hop_length",
            32,
        ),
    ],
)
def test_windows_on_their_lower_bound(row, options, names, limit):
    assert told(row, **options) == [Note("length_on_lower_bound", names, row[0], limit)]


@each(
    ("row", "options", "names", "limit"),
    [
        ([1024], {}, "n_fft", 25000),
        ([1024], {"automatic": True, "length": 6200}, "n_fft", 1550),
        ([500], {"win_length_max": 500}, "win_length_max", 25000),
        ([1024], {"win_length_max": 1024, "automatic": True}, "win_length_max", 25000),
        ([1024, 1024], {"window_mode": "time"}, "n_fft hop_length", 25000),
        ([1024, 1024], {"window_mode": "time", "hop_length": 64}, "n_fft", 25000),
        ([1024], {"length": 4096}, "", 1024),
        ([1024], {"length": 4 * 1200}, "", 1200),  # can hardly be raised
        ([1024], {"length": 5_000_000}, "n_fft", 1 << 20),
        ([1 << 20], {"n_fft": 1 << 20, "length": 10**8}, "", 1 << 20),
    ],
)
def test_windows_on_their_upper_bound(row, options, names, limit):
    assert told(row, **options) == [Note("length_on_upper_bound", names, row[0], limit)]


def test_a_range_of_one_length_leaves_nothing_to_learn():
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


@each(
    ("row", "hop", "options", "kind", "names", "limit"),
    [
        ([700], 128, {}, "hop_on_upper_bound", "hop_length_max", 280),
        ([380], 128, {}, "hop_on_upper_bound", "hop_length_max", 190),
        ([180], 128, {"overlap": 0.9}, "hop_on_upper_bound", "hop_length_max", 162),
        ([300, 256], 128, {}, "hop_on_upper_bound", "overlap", 128),
        ([512], 128, {"window_mode": "fixed"}, "hop_on_upper_bound", "hop_length_max", 256),
        ([700], 32, {}, "hop_on_lower_bound", "", None),
        ([400], 32, {}, "hop_on_lower_bound", "hop_length_min", None),
        ([700], 64, {"hop_mode": "time"}, "hop_unmoved", "hop_length", 280),
        ([300], 64, {"hop_mode": "time"}, "hop_unmoved", "hop_mode", None),
        ([700], 64, {}, "hop_unmoved", "hop_mode", None),
    ],
)
def test_learned_hops(row, hop, options, kind, names, limit):
    found = told(row, [hop] * 9, **{"hop_mode": "constant", **options})
    assert found == [Note(kind, names, hop, limit)]


@each(
    ("options", "name", "limit"),
    [
        ({"win_length_max": 2e5}, "win_length_max", 2000),
        ({"n_fft": 4096}, "n_fft", 2000),
        ({"win_length_min": 4000}, "win_length_min", 2000),
        ({"hop_length": 2500}, "hop_length", 900),
        ({"win_length": 5000, "window_mode": "fixed"}, "win_length", 2000),
        ({"n_fft": 8192, "window_mode": "fixed"}, "n_fft", 2000),
    ],
)
def test_windows_too_long_for_the_signal(options, name, limit):
    found = optimize(TONE, 8000, max_steps=0, **options)
    (note,) = [note for note in found.notes if note.kind == "windows_too_long"]
    assert (note.parameter, note.limit, note.detail) == (name, limit, "8000")
    assert "length_on_upper_bound" not in kinds(found)


def test_gaps_between_windows_and_an_overlap_that_leaves_little():
    gaps = {"window_mode": "fixed", "win_length": 64, "hop_length": 60, "n_fft": 128}
    assert told([64], **gaps)[0] == Note("gaps", "hop_length", 60, 57.6)
    wide = Note("overlap_too_wide", "overlap", 0.95, 0.9)
    assert wide in told([64], n_fft=128, overlap=0.95, hop_length=30)


def test_how_much_lies_on_a_bound():
    (note,) = told([1024, 1024, 500, 500, 500], window_mode="time")
    assert (note.kind, note.detail) == ("length_on_upper_bound", "40%")
    assert told([1024, 500, 500, 500], window_mode="time") == []


def test_a_bound_that_n_fft_auto_has_looked_beyond_is_not_noted():
    options = {"window_mode": "time", "automatic": True, "larger_is_worse": True}
    assert told([1024, 1024], **options) == []
    assert [note.kind for note in told([128, 1024], **options)] == ["length_on_lower_bound"]


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


@each("hop_mode", HOP_MODES)
@each("window_mode", ["fixed", "constant", "time", "frequency"])
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
