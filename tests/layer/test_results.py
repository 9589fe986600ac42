"""A layer from a result, and a plain module from a layer."""

import io
import warnings
from itertools import product

import numpy as np
import pytest
import torch
from contract.support import RATE, N, sound
from stft.reference import noise

from dstft_cli import DSTFT, InputError, UsageError, optimize
from dstft_cli.cli import main
from dstft_cli.records import NORMALIZATIONS, WINDOWS


@pytest.fixture
def recording(folder):
    """Samples of `a.wav` in the current directory."""
    return torch.from_numpy(sound()[:, 0])


@pytest.mark.parametrize(
    ("options", "frames"),
    [
        ("--window-mode constant", None),
        ("--window-mode fixed --hop-length 10.5 --win-length 61.3 --normalization none", None),
        ("--window-mode time --window blackman", N),
        ("--window-mode frequency", None),
        ("--window-mode time-frequency", N),
        ("--window-mode constant --hop-mode constant --hop-length 24", N),
        ("--window-mode time --hop-mode time --hop-length 24", N),
    ],
)
def test_a_layer_computes_the_transform_of_the_result(recording, options, frames):
    given = ["optimize", "a.wav", "--n-fft", "128", "--max-steps", "5", "--save-stft", "-q"]
    assert main([*given, *options.split(), "--no-figures", "-o", "out"]) == 0
    layer = DSTFT.from_result("out")
    assert layer.signal_length == frames
    written = torch.from_numpy(np.load("out/stft.npy"))
    X = layer(recording)
    assert X.shape == written.shape
    assert (X - written).abs().max() <= 1e-5 * written.abs().max()
    assert layer.log_length.requires_grad
    assert bool((layer.centers_of(N).diff() > 0).all())


def test_a_layer_of_a_result_in_memory(recording):
    result = optimize(recording.numpy(), RATE, n_fft=128, window_mode="constant")
    layer = DSTFT.from_result(result, window_mode="fixed", dtype=torch.float64)
    assert not any(value.requires_grad for value in layer.parameters())
    assert layer.window_length.item() == result.window_length.item()
    assert layer.hop_length.item() == result.hop_length
    learned = {"scope": "plane", "hop_mode": "constant", "hop_length": 24, "max_steps": 3}
    result = optimize(recording.numpy(), RATE, n_fft=128, window_mode="fixed", **learned)
    layer = DSTFT.from_result(result)
    (hop,) = set(np.diff(result.frame_centers).round(6))
    assert hop != result.hop_length == 24  # the learned one, and the start
    assert layer.hop_length.item() == pytest.approx(hop)
    for place, words in (("none", "no such directory"), ("a.wav", "is not a directory")):
        with pytest.raises(InputError, match=words):
            DSTFT.from_result(place)


def test_centres_of_the_start():
    centers = torch.tensor([0.0, 10.25, 30.5, 64.0])
    layer = DSTFT(32, frame_centers=centers, signal_length=64, hop_mode="time", window_mode="fixed")
    assert torch.equal(layer.frame_centers, centers.double())
    with torch.no_grad():
        layer.center_shift.copy_(torch.tensor([9.0, 9, -9, -9]))
    assert layer.frame_centers.tolist() == pytest.approx([4.1, 14.35, 26.4, 59.9])
    for wrong in ({"signal_length": 63}, {"signal_length": None}, {"hop_mode": "constant"}):
        given = {"signal_length": 64, "frame_centers": centers} | wrong
        with pytest.raises(UsageError, match="`frame_centers` needs"):
            DSTFT(32, **given)


def test_a_frozen_layer_gives_the_same():
    x = noise(2, 3, 410, dtype=torch.float32)
    for n_fft, hop, (window, normalization) in (
        *((64, 16, kind) for kind in product(WINDOWS, NORMALIZATIONS)),
        (63, 10, ("hann", "energy")),
        (512, 100, ("hann", "none")),
    ):
        layer = DSTFT(n_fft, hop, 40.3, window=window, normalization=normalization)
        with torch.no_grad():
            layer.log_length += 0.1
        frozen = layer.freeze()
        assert not list(frozen.parameters())
        X = layer(x).detach()
        pairs = (frozen(x), X), (frozen(x[0, 0]), X[0, 0]), (frozen.double()(x), X)
        for found, expected in pairs:
            assert found.shape == expected.shape
            assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_what_is_not_one_window_cannot_be_frozen():
    per_frame = DSTFT(64, 16, 40, window_mode="time", signal_length=410)
    moved = DSTFT(64, 16, 40, hop_mode="time", signal_length=410)
    hop = DSTFT(64, 16, 40, hop_mode="constant")
    assert [frozen.freeze().hop_length for frozen in (per_frame, moved, hop)] == [16, 16, 16]
    with torch.no_grad():
        per_frame.log_length[0, 3] += 0.1
        moved.center_shift[3] += 0.1
        hop.log_hop += 0.1
    for layer, words in (
        (per_frame, r"here lengths are 40…44.2068 samples \(`window_mode` time\)"),
        (moved, r"frames are not one hop apart \(`hop_mode` time\)"),
        (hop, "the hop is 17.6827 samples"),
        (DSTFT(64, 16.5, 40), "the hop is 16.5 samples"),
    ):
        with pytest.raises(UsageError, match=words):
            layer.freeze()


def test_a_frozen_layer_is_scripted_and_saved():
    frozen, x, file = DSTFT(64, 16, 40.3).freeze(), noise(2, 410, dtype=torch.float32), io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of torch.jit
        torch.jit.save(torch.jit.script(frozen), file)
        file.seek(0)
        loaded = torch.jit.load(file)
    assert torch.equal(loaded(x), frozen(x))
    assert torch.equal(loaded(x[:, :200]), frozen(x[:, :200]))


class Power(torch.nn.Module):
    def __init__(self, frozen):
        super().__init__()
        self.frozen = frozen

    def forward(self, x):
        return self.frozen(x).abs().square()


def test_a_frozen_layer_runs_in_onnx_runtime(tmp_path):
    runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: not run")
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: not exported")
    model, place = Power(DSTFT(64, 16, 40.3).freeze()).eval(), str(tmp_path / "power.onnx")
    x = noise(2, 410, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter
        sizes = ({1: torch.export.Dim("samples", min=64)},)
        torch.onnx.export(model, (x,), place, dynamo=True, dynamic_shapes=sizes, verbose=False)
    session = runtime.InferenceSession(place)
    for part in (x, x[:, :300].contiguous()):
        (found,) = session.run(None, {session.get_inputs()[0].name: part.numpy()})
        expected = model(part).numpy()
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"n_fft": 128}, "of n_fft 128, hop 16, .* has n_fft 64, hop 16"),
        ({"hop_length": 32}, "hop 32, .* hop 16"),
        ({"window": "kaiser"}, "kaiser windows"),
        ({"normalization": "none"}, "normalization none"),
    ],
)
def test_weights_of_another_transform_are_an_error(other, words):
    here = {"n_fft": 64, "hop_length": 16}
    network = torch.nn.Sequential(DSTFT(**here, win_length=40))
    theirs = torch.nn.Sequential(DSTFT(**(here | other), win_length=50))
    with pytest.raises(RuntimeError, match=words):
        network.load_state_dict(theirs.state_dict())
    assert network[0].window_length.item() == 40
    earlier = torch.nn.Sequential(DSTFT(**here, win_length=50)).state_dict()
    del earlier["0.kind"]
    network.load_state_dict(earlier)
    assert network[0].window_length.item() == 50


def test_autocast_and_data_parallel():
    layer, x = DSTFT(64, 16, 40.3), noise(2, 410, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer(x), layer(x.float()))
        assert layer(x.bfloat16()).dtype == torch.complex64
        assert layer.freeze()(x.bfloat16()).dtype == torch.complex64
    assert torch.equal(torch.nn.DataParallel(layer)(x), layer(x))
