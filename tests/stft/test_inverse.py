"""The inverse: exact wherever windows overlap, as torch's at integer parameters, and in blocks."""

import tracemalloc
from unittest import mock

import numpy as np
import pytest
import torch
from fit.cases import each
from hypothesis import given, settings
from hypothesis import strategies as st

from dstft_cli.errors import UsageError
from dstft_cli.records import WINDOWS
from dstft_cli.stft import Inverse, Transform, inverse_of, istft, overlap_add, stft
from stft.reference import noise

BOUND = {torch.float32: 1e-5, torch.float64: 1e-9}


def column(values) -> torch.Tensor:
    return torch.as_tensor(np.asarray(values, np.float64))


def relative_error(x, centers, lengths, n_fft, **options) -> float:
    X = stft(x, centers, lengths, n_fft, **options)
    back = istft(X, centers, lengths, n_fft, x.shape[-1], **options)
    assert back.shape == x.shape
    assert back.dtype == x.dtype
    return float((back - x).norm() / x.norm())


def covering(length: int, lengths_in_turn, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Centres and lengths as a fit with learned hops may have them.

    `t_{i+1} − t_i ≤ η(θ_i + θ_{i+1})/2`, and the ends within `ηθ/2` of the first and last centre.
    """
    centers, lengths = [], []
    for theta in lengths_in_turn:
        step = (lengths[-1] + theta) / 2 if centers else theta / 2
        centers.append((centers[-1] if centers else 0.0) + overlap * step)
        lengths.append(theta)
        if length - 1 - centers[-1] <= overlap * theta / 2:
            break
    else:
        raise AssertionError("too few lengths")
    return np.minimum(centers, length), np.array([lengths])


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(WINDOWS),
    st.sampled_from(list(BOUND)),
    st.floats(0.1, 0.9),
    st.integers(40, 300),  # a smaller one cuts a window off that nearly fills it, between samples
    st.integers(1, 1200),
    st.integers(0, 2**31),
)
def test_the_bound_holds_for_any_overlap_up_to_nine_tenths(
    window, dtype, overlap, n_fft, length, seed
):
    rng = np.random.default_rng(seed)
    shortest = max(4.0, n_fft / 32)
    in_turn = np.exp(rng.uniform(np.log(shortest), np.log(n_fft), 20_000))
    centers, lengths = covering(length, in_turn, overlap)
    x = noise(length, dtype=dtype, seed=seed) + 0.1
    error = relative_error(x, column(centers), column(lengths), n_fft, window=window)
    assert error <= BOUND[dtype]


def test_signals_shorter_than_a_frame_or_a_hop():
    for length in (1, 2, 37, 256):
        x, several = noise(length), column(np.linspace(0, length, 3))
        assert relative_error(x, column([(length - 1) / 2]), column([[400.0]]), 400) <= 1e-9
        assert relative_error(x, several, column([[300.0, 350.5, 400.0]]), 400) <= 1e-9
    x = noise(100)
    centers = column([50.0])  # the only multiple of the hop within the signal would be 0
    assert relative_error(x, centers, column([[256.0]]), 256) <= 1e-9
    far = column([50.0, 5000.0])  # the second frame lies beyond the end
    assert relative_error(x, far, column([[256.0]]), 256) <= 1e-9


def test_as_torch_at_integer_parameters():
    x = noise(2, 5000)
    hann = torch.hann_window(200, dtype=torch.float64)
    X = torch.stft(
        x, 256, 50, 200, window=hann, center=True, pad_mode="constant", return_complex=True
    )
    # what torch inverts need not be the transform of a signal
    X = X + 0.1 * torch.view_as_complex(noise(*X.shape, 2, seed=1))
    centers = column(50.0 * np.arange(X.shape[-1]))
    ours = istft(X, centers, column([[200.0]]), 256, 5000, normalization="none")
    theirs = torch.istft(X, 256, 50, 200, window=hann, length=5000)
    torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)
    kept = istft(X[0].to(torch.complex64), centers, column([[200.0]]), 256, 5000)
    assert kept.dtype == torch.float32
    assert kept.shape == (5000,)


def inverted(x, centers, lengths, n_fft, **options):
    """Finished blocks and the object that gave them, for a signal [C, N]."""
    transform = Transform(n_fft)
    inverse = Inverse(
        transform, centers, lengths, x.shape[-1], channels=len(x), dtype=x.dtype, **options
    )
    X = stft(x, torch.from_numpy(centers), torch.from_numpy(lengths), n_fft).transpose(-1, -2)
    blocks = (X[:, start : start + inverse.block] for start in inverse.starts())
    return list(inverse.samples(blocks)), inverse


def test_blocks_of_any_size_give_the_same(monkeypatch):
    x = noise(2, 3000)
    centers, lengths = covering(3000, np.random.default_rng(2).uniform(20, 128, 400), 0.5)
    (whole,), _ = inverted(x, centers, lengths, 128)
    monkeypatch.setattr("dstft_cli.stft.overlap_add.BLOCK_SAMPLES", 128 * 2 * 7)
    monkeypatch.setattr("dstft_cli.stft.overlap_add._BUFFER_SAMPLES", 300)
    for threads in (1, 2):
        pieces, inverse = inverted(x, centers, lengths, 128, threads=threads)
        assert inverse.block == 7
        assert len(pieces) > 10
        np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_samples_without_a_window_are_counted_and_zero(monkeypatch):
    monkeypatch.setattr("dstft_cli.stft.overlap_add._BUFFER_SAMPLES", 100)
    x = noise(1, 1000) + 1
    centers, lengths = np.array([200.0, 700.0]), np.array([[40.0]])
    pieces, inverse = inverted(x, centers, lengths, 64)
    back = np.concatenate(pieces, axis=1)
    reached = np.zeros(1000, bool)
    reached[181:220] = reached[681:720] = True  # Hann is zero at ±θ/2 itself
    assert inverse.uncovered == np.count_nonzero(~reached) == 922
    assert inverse.weak == 0
    np.testing.assert_array_equal(back[0, ~reached], 0)
    np.testing.assert_allclose(back[0, reached], x[0, reached], rtol=1e-9)


def test_samples_at_the_ends_of_windows_are_counted_as_weak():
    x = noise(1, 1000, dtype=torch.float32)
    _, inverse = inverted(x, np.array([500.0]), np.array([[1024.0]]), 1024)
    assert (inverse.uncovered, inverse.weak) == (0, 0)
    _, inverse = inverted(x, np.array([488.5]), np.array([[1024.0]]), 1024)
    # w = cos²(πu/θ) is below 1.2e-3 for the last 11.3 samples before u = θ/2 = 512
    assert (inverse.uncovered, inverse.weak) == (0, 10)
    _, inverse = inverted(x.double(), np.array([488.5]), np.array([[1024.0]]), 1024)
    assert (inverse.uncovered, inverse.weak) == (0, 0)
    _, inverse = inverted(x, np.array([480.0]), np.array([[1024.0]]), 1024)
    assert (inverse.uncovered, inverse.weak) == (8, 11)


@each("lengths", [[[256.0]], [[200.0]] * 60 + [[120.0]] * 69])
def test_memory_does_not_grow_with_the_signal(lengths):
    def peak(frames: int) -> int:
        centers = np.arange(frames) * 64.0
        inverse = inverse_of(Transform(256), centers, np.array(lengths), frames * 64)
        X = torch.zeros(1, inverse.block, 129, dtype=torch.complex64)
        blocks = (X[:, : min(inverse.block, frames - start)] for start in inverse.starts())
        tracemalloc.start()  # sees NumPy's arrays
        assert sum(piece.shape[1] for piece in inverse.samples(blocks)) == frames * 64
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    with mock.patch.object(overlap_add, "BLOCK_SAMPLES", 2**16):
        assert peak(2**12) < 1.5 * peak(2**10)


def test_refused():
    X, centers, lengths = torch.zeros(33, 5) * 1j, column(np.arange(5.0)), column([[32.0]])
    given = {"X": X, "centers": centers, "lengths": lengths, "n_fft": 64, "length": 20}
    for name, value, message in (
        ("X", given["X"][:, 1:], r"transform of shape \(33, 4\) for `n_fft`"),
        ("X", torch.zeros(33, 5), r"shape \(33, 5\) .* give complex \[33, 5\] or \[C, 33, 5\]"),
        ("lengths", column([[1.0, 2.0]]), r"centres \(5,\) with lengths \(1, 2\) and `n_fft` 64"),
        ("lengths", column(np.ones((32, 1))), r"lengths \(32, 1\)"),
        ("lengths", column(np.ones((33, 4))), r"lengths \(33, 4\)"),
        ("lengths", column([[64.5]]), r"window lengths 64.5…64.5 samples .* `n_fft` 64"),
        ("lengths", column([[0.0]]), r"window lengths 0…0 samples"),
        ("lengths", column(np.full((33, 1), 64.5)), r"window lengths 64.5…64.5 samples"),
        ("centers", column([0, 2, 1, 3, 4]), r"centres decrease"),
        ("length", 0, r"`length` 0 samples"),
        ("window", "box", r"`window` 'box': use hann"),
        ("normalization", "peak", r"`normalization` 'peak': use energy"),
    ):
        with pytest.raises(UsageError, match=message):
            istft(**{**given, name: value})
    with pytest.raises(UsageError, match=r"lengths \(33, 1\) .* `inverse_of`"):
        Inverse(Transform(64), np.arange(5.0), np.full((33, 1), 32.0), 20)
    for shape in ((1, 5), (33, 5)):
        inverse = inverse_of(Transform(64), np.arange(5.0), np.full(shape, 32.0), 20)
        with pytest.raises(ValueError, match="3 of 5 frames came"):
            list(inverse.samples([torch.zeros(1, 3, 33, dtype=torch.complex64)]))
