"""Gradients and second derivatives of the transform, what it keeps for them, and how it is computed."""

import weakref
from contextlib import contextmanager
from itertools import product
from unittest import mock

import numpy as np
import pytest
import torch
from fit.cases import each
from torch import library

from dstft_cli import UsageError
from dstft_cli.records import NORMALIZATIONS, WINDOWS
from dstft_cli.stft import autograd, bank, differentiable_stft
from stft.reference import explicit_stft, noise


class Kept:
    """A tensor that autograd saved, for as long as it needs it."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self.tensor = tensor


SHAPES = {"constant": (False, False), "time": (False, True), "frequency": (True, False)}
SHAPES["time-frequency"] = (True, True)
CLOSE = {"fast_mode": True, "rtol": 1e-5, "atol": 1e-7}  # of gradcheck: a thousandth off fails
CENTERS = [2.3, 9.8, 16.45]  # no sample lies on the end of a window
every_shape = each("mode", SHAPES)
PLACES = {"hop": [0, 7, 14], "real hop": [0, 8.7, 17.4], "centres": CENTERS}


def lengths_of(mode: str, n_fft: int, frames: int) -> torch.Tensor:
    per_bin, per_frame = SHAPES[mode]
    shape = (n_fft // 2 + 1 if per_bin else 1, frames if per_frame else 1)
    return 5.2 + 4.5 * torch.from_numpy(np.random.default_rng(5).random(shape))


def problem(mode: str, n_fft: int, places: str, window="hann", normalization="energy"):
    """A function of tensors, and the tensors: signal, lengths and, where they move, centres."""
    arguments = [noise(2, 20).requires_grad_(), lengths_of(mode, n_fft, 3).requires_grad_()]
    if places == "centres":
        arguments.append(torch.tensor(CENTERS, dtype=torch.float64, requires_grad=True))
    hop = {"hop": 7, "real hop": 8.7, "centres": None}[places]
    options = {"hop_length": hop, "window": window, "normalization": normalization}

    def f(x, theta, t=None):
        return differentiable_stft(x, theta, n_fft, centers=t, **options)

    return f, tuple(arguments)


@contextmanager
def small_blocks(threads: int = 1):
    """Blocks of one or two frames, bands of two bins."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    blocks = mock.patch.dict(autograd.BLOCK_SAMPLES, cpu=24)
    with blocks, mock.patch.object(bank, "_BAND_VALUES", 24):
        yield
    torch.set_num_threads(before)


@every_shape
def test_against_the_explicit_sum(mode):
    for n_fft, (places, centers) in product((11, 12), PLACES.items()):
        f, arguments = problem(mode, n_fft, places)
        with small_blocks(threads=n_fft - 10):
            X = f(*arguments).detach()
        x, theta = (one.detach().numpy() for one in arguments[:2])
        for channel in range(2):
            expected = explicit_stft(x[channel], np.array(centers, dtype=float), theta, n_fft)
            np.testing.assert_allclose(X[channel].numpy(), expected, rtol=0, atol=1e-12)


@every_shape
@each("places", PLACES)
def test_gradients_and_second_derivatives(mode, places):
    if (mode, places) == ("time", "centres"):
        assert torch.autograd.gradcheck(*problem(mode, 12, places), rtol=1e-5, atol=1e-7)
    with small_blocks():
        f, arguments = problem(mode, 11 if places == "real hop" else 12, places)
        assert torch.autograd.gradcheck(f, arguments, **CLOSE)
        if places != "real hop":
            assert torch.autograd.gradgradcheck(f, arguments, fast_mode=True)


@each("window", WINDOWS)
def test_gradients_of_every_window(window):
    for normalization in NORMALIZATIONS:
        f, arguments = problem("time", 12, "centres", window, normalization)
        assert torch.autograd.gradcheck(f, arguments, **CLOSE)
    assert torch.autograd.gradgradcheck(f, arguments, fast_mode=True)


@every_shape
def test_one_gradient_alone_is_that_of_all(mode):
    """Each has a way of its own where no other is needed."""
    for places in PLACES:
        f, arguments = problem(mode, 12, places)
        together = torch.autograd.grad(f(*arguments).abs().square().sum(), arguments)
        for alone, expected in enumerate(together):
            others = [
                value.detach().requires_grad_(i == alone) for i, value in enumerate(arguments)
            ]
            f(*others).abs().square().sum().backward()
            torch.testing.assert_close(others[alone].grad, expected, rtol=1e-12, atol=1e-12)


@every_shape
@each(("places", "through"), [("hop", True), ("hop", False), ("centres", True)])
def test_autograd_keeps_no_frames(mode, through, places):
    """What is saved beside X itself is no larger than the signal and the lengths."""
    x = noise(4000).requires_grad_(through)
    n_fft, frames = 64, 401
    theta = (20 + 0 * lengths_of(mode, n_fft, frames)).requires_grad_()
    kept: weakref.WeakSet[Kept] = weakref.WeakSet()

    def pack(tensor: torch.Tensor) -> Kept:
        kept.add(one := Kept(tensor))
        return one

    def sizes() -> list[int]:
        return [one.tensor.untyped_storage().size() // one.tensor.element_size() for one in kept]

    place = {"hop_length": 10}
    if places == "centres":
        place = {"centers": torch.arange(frames, dtype=torch.float64, requires_grad=True) * 10}
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda one: one.tensor):
        X = differentiable_stft(x, theta, n_fft, **place)
        assert X.shape == (33, frames)
        assert len(kept) >= 2
        assert max(sizes()) <= max(4000, theta.numel())
        wanted = [theta, x] if through else [theta]
        G = torch.ones_like(X)
        found = torch.autograd.grad(X, wanted, G, create_graph=True)
        assert found[0].requires_grad
        assert len(kept) >= 5
        assert max(sizes()) <= G.numel()  # the second pass keeps G, not frames


@every_shape
def test_inference_mode_and_autocast_compute_the_same(mode):
    x, theta = noise(20).float(), lengths_of(mode, 12, 3).float()

    def f(x):
        return differentiable_stft(x, theta, 12, hop_length=7)

    with small_blocks(threads=2):
        expected = f(x)
        with torch.inference_mode():
            assert torch.equal(f(x), expected)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert torch.equal(f(x), expected)
            half = f(x.bfloat16())
        assert half.dtype == torch.complex64
        assert torch.equal(half, f(x.bfloat16().float()))


def test_signals_of_any_shape_and_length():
    theta = torch.full((1, 1), 9.3, dtype=torch.float64, requires_grad=True)
    for n in (0, 1, 5):
        x = noise(2, n).requires_grad_()
        X = differentiable_stft(x, theta, 16, hop_length=4)
        assert X.shape == (2, 9, 1 + n // 4)
        X.abs().square().sum().backward()
        assert x.grad.shape == (2, n)
        assert bool(x.grad.any()) == (n > 0)
    x = noise(2, 3, 40)
    X = differentiable_stft(x, theta, 16, hop_length=4)
    assert X.shape == (2, 3, 9, 11)
    assert torch.equal(X[1, 2], differentiable_stft(x[1, 2], theta, 16, hop_length=4))
    assert differentiable_stft(x[:, :0], theta, 16, hop_length=4).shape == (2, 0, 9, 11)
    theta.grad = None
    differentiable_stft(0 * x, theta, 16, hop_length=4).abs().sum().backward()
    assert torch.equal(theta.grad, torch.zeros_like(theta))  # silence


@pytest.mark.slow
def test_the_operators_obey_what_torch_asks_of_them():
    f, (x, theta, centers) = problem("time", 12, "centres")
    given = x, centers, theta, 0, 12, "hann", "energy"
    library.opcheck(torch.ops.dstft_cli.stft.default, given)
    G = f(x, theta, centers).detach()
    library.opcheck(torch.ops.dstft_cli.stft_backward.default, (G, *given, [True] * 3))


def test_refused_arguments():
    hop = {"hop_length": 4}
    for signal, lengths, options, message in (
        (noise(40).long(), (1, 1), hop, r"signal of shape \(40,\), torch.int64"),
        (noise(40), (1, 1), {}, r"`hop_length` or `centers`"),
        (noise(40), (1, 1), {"hop_length": -1}, r"`hop_length` -1 samples"),
        (noise(40), (1, 1), {**hop, "window": "box"}, r"`window` 'box': use hann"),
        (noise(40), (1, 3), hop, r"shape \(1, 3\) for 11 frames and `n_fft` 16: .*\[9, 11\]"),
    ):
        with pytest.raises(UsageError, match=message):
            differentiable_stft(signal, torch.full(lengths, 9.0), 16, **options)
