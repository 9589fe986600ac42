"""The layer: values, start, bounds, what it learns, and how it lives with the rest of torch."""

import copy
import re
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch
from fit.cases import HOP_MODES, WINDOW_MODES, each
from stft.reference import noise as double_noise

from dstft_cli import DSTFT, UsageError
from dstft_cli.stft import stft

N = 410
PAGE = (Path(__file__).parents[2] / "docs" / "layer.md").read_text(encoding="utf-8")


noise = partial(double_noise, dtype=torch.float32)


def layer_of(window_mode: str, hop_mode: str = "fixed", **options) -> DSTFT:
    given = {"win_length": 40.3, "signal_length": N, "window_mode": window_mode} | options
    return DSTFT(64, 16, hop_mode=hop_mode, **given)


@each(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@each(("n_fft", "hop", "length"), [(64, 16, 64), (128, 10, 50), (32, 40, 32)])
def test_equals_torch_at_integer_parameters(n_fft, hop, length, dtype, tolerance):
    hann = torch.hann_window(length, dtype=dtype)
    options = {"center": True, "pad_mode": "constant", "return_complex": True}
    layer = DSTFT(n_fft, hop, length, normalization="none", dtype=dtype)
    x, y = (noise(2, 1001).to(dtype).requires_grad_() for _ in range(2))
    X, expected = layer(x), torch.stft(y, n_fft, hop, length, hann, **options)
    theta, centers = torch.tensor([[float(length)]]), torch.arange(X.shape[-1]) * hop
    function = stft(x.detach(), centers, theta, n_fft, normalization="none")
    for found in (X, function):
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert (found - expected).abs().max() <= tolerance * expected.abs().max()
    for Z in (X, expected):
        Z.abs().square().sum().backward()
    assert (x.grad - y.grad).abs().max() <= 10 * tolerance * y.grad.abs().max()


@each("modes", list(product(WINDOW_MODES, HOP_MODES)))
def test_shapes_and_gradients_of_every_mode(modes):
    window_mode, hop_mode = modes
    layer = layer_of(*modes, dtype=torch.float64)
    F, T = 33, 26
    per_bin, per_frame = "frequency" in window_mode, window_mode.startswith("time")
    assert layer.window_length.shape == (F if per_bin else 1, T if per_frame else 1)
    learned = {name for name, value in layer.named_parameters() if value.requires_grad}
    expected = {"log_length"} if window_mode != "fixed" else set()
    assert learned == expected | {"constant": {"log_hop"}, "time": {"center_shift"}}.get(
        hop_mode, set()
    )
    with torch.no_grad():  # away from whole centres, and within all bounds
        for name, value in layer.named_parameters():
            change = 0.05 + 0.1 * torch.rand(value.shape, generator=torch.manual_seed(1))
            value += -change if name == "log_hop" else change
    layer.requires_grad_(True)
    x = noise(2, N).double().requires_grad_()
    assert layer(x).shape == (2, F, T)

    def loss() -> torch.Tensor:
        return layer(x).abs().square()[:, 3:9].pow(1.5).sum()

    loss().backward()
    assert x.grad.norm() > 0
    for value in layer.parameters():
        along = torch.randn(value.shape, dtype=torch.float64, generator=torch.manual_seed(2))
        values = []
        with torch.no_grad():
            for moved in (1e-6, -2e-6):
                value += moved * along
                values.append(loss())
            value += 1e-6 * along
        expected = float((values[0] - values[1]) / 2e-6)
        assert float((value.grad * along).sum()) == pytest.approx(expected, rel=1e-5, abs=1e-4)


def test_what_is_learned_stays_in_its_range():
    for shift, length in ((50.0, 48.0), (-50.0, 8.0), (0.1, 40.3 * np.exp(0.1))):
        layer = layer_of("constant", win_length_min=8, win_length_max=48)
        with torch.no_grad():
            layer.log_length += shift
        assert layer.window_length.item() == pytest.approx(length, rel=1e-6)
    free, kept = DSTFT(64, 16, hop_mode="constant"), layer_of("constant", "constant")
    moved = layer_of("constant", "time", center_reach=0.45)
    with torch.no_grad():
        free.log_hop += 9
        kept.log_hop += 9
        moved.center_shift.copy_(torch.randn(26, generator=torch.manual_seed(4)) * 5)
    assert free.hop_length.item() == 32
    assert free(noise(N)).shape[-1] == 1 + N // 32
    assert kept.frame_centers[-1].item() <= N
    assert kept(noise(N)).shape[-1] == 26
    centers = moved.frame_centers.detach()
    assert 0 <= float(centers[0]) <= float(centers[-1]) <= N
    assert float(centers.diff().min()) >= 16 * 0.1 - 1e-5
    assert float(centers.diff().max()) <= 16 * 1.9 + 1e-5


def test_the_start_comes_back_exactly():
    for length in (2.0, 37.123456789, 64.0):
        layer = DSTFT(64, 16.5, length, win_length_min=2, dtype=torch.float64)
        assert layer.window_length.item() == length
        assert layer.hop_length.item() == 16.5
        layer = DSTFT(64, 16.5, length, win_length_min=2, hop_mode="constant", signal_length=N)
        assert layer.window_length.item() == np.float32(length)
        assert torch.equal(layer.frame_centers, torch.arange(25, dtype=torch.float64) * 16.5)
    curve = torch.linspace(20, 60, 26)
    assert torch.equal(layer_of("time", win_length=curve).window_length, curve[None])
    assert "window_length=40.3" in repr(layer_of("constant"))
    assert "window_length=20…60, centers=26" in repr(layer_of("time", "time", win_length=curve))
    column = torch.linspace(20, 60, 33)[:, None]
    assert torch.equal(layer_of("frequency", win_length=column).window_length, column)


def test_a_gradient_on_a_bound_passes_inwards_only():
    for bound, length in ((-1, 8.0), (1, 48.0)):
        layer = layer_of("constant", win_length=length, win_length_min=8, win_length_max=48)
        (-bound * layer.window_length).sum().backward()  # a descent would leave the range
        assert float(layer.log_length.grad) == 0.0
        layer.zero_grad()
        (bound * layer.window_length).sum().backward()
        assert float(layer.log_length.grad) == pytest.approx(bound * length)
    layer = layer_of("constant", win_length=30, win_length_max=40)
    with torch.no_grad():
        layer.log_length.fill_(0.4)  # 44.8 samples: momentum leads there
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.01)
    for _ in range(200):
        optimizer.zero_grad()
        (layer.window_length.log() - np.log(25.0)).square().sum().backward()
        optimizer.step()
    assert layer.window_length.item() == pytest.approx(25.0, abs=0.5)


def test_state_dict_round_trip():
    for window_mode, hop_mode in product(WINDOW_MODES, HOP_MODES):
        one, two = layer_of(window_mode, hop_mode), layer_of(window_mode, hop_mode, win_length=20)
        with torch.no_grad():
            for value in one.parameters():
                value += 0.1
        two.load_state_dict(one.state_dict())
        assert torch.equal(one.window_length, two.window_length)
        assert torch.equal(one.frame_centers, two.frame_centers)
        assert torch.equal(one(noise(N)), two(noise(N)))
        assert torch.equal(copy.deepcopy(one)(noise(N)), two(noise(N)))


def test_the_result_follows_the_dtype_of_the_signal():
    layer = layer_of("time", "time").double()
    assert layer.log_length.dtype == torch.float64
    for x, kind in ((noise(N).double(), torch.complex128), (noise(N).half(), torch.complex64)):
        assert layer(x).dtype == kind


def test_a_compiled_layer_gives_the_same():
    layer = layer_of("constant")
    results = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own, that it leaves complex numbers alone
        for function in (layer, torch.compile(layer, fullgraph=True, backend="aot_eager")):
            layer.zero_grad()
            x = noise(2, N).requires_grad_()
            X = function(x)
            X.abs().square().sum().backward()
            gradients = [value.grad.clone() for value in layer.parameters() if value.requires_grad]
            results.append([X.detach(), x.grad, *gradients])
    for one, two in zip(*results, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_cuda_gives_what_the_cpu_gives():
    for modes in product(WINDOW_MODES, HOP_MODES):
        results = []
        for device in ("cpu", "cuda"):
            layer = layer_of(*modes, dtype=torch.float64).to(device)
            x = noise(2, N).double().to(device).requires_grad_()
            X = layer(x)
            X.abs().square().sum().backward()
            gradients = [value.grad for value in layer.parameters() if value.requires_grad]
            results.append([part.detach().cpu() for part in (X, x.grad, *gradients)])
        for one, two in zip(*results, strict=True):
            torch.testing.assert_close(one, two, rtol=1e-9, atol=1e-9)


def test_refused_settings():
    for options, message in (
        ({"n_fft": 1}, r"^`n_fft` 1 samples: at least 2"),
        ({"hop_length": 0}, r"^`hop_length` 0 samples"),
        ({"window": "box"}, r"`window` 'box': use hann, "),
        ({"normalization": "peak"}, r"`normalization` 'peak': use energy, "),
        ({"window_mode": "bin"}, r"`window_mode` 'bin': use fixed, constant, "),
        ({"hop_mode": "bin"}, r"`hop_mode` 'bin': use fixed, constant, time$"),
        ({"win_length": 65}, r"^`win_length` 65 samples is outside 2…64.*`win_length_max`"),
        ({"win_length_min": 1}, r"^`win_length_min` 1 and `win_length_max` 64"),
        ({"win_length_max": 65}, r"^`win_length_min` 2 and `win_length_max` 65 .* `n_fft` 64"),
        ({"win_length": torch.ones(3)}, r"^`win_length` of shape \(3,\) .* \(1, 1\)"),
        ({"window_mode": "time"}, r"^`window_mode` 'time' .* `signal_length`"),
        ({"hop_mode": "time"}, r"^`hop_mode` 'time' .* `signal_length`"),
        ({"hop_length_min": 3}, r"^`hop_length_min` and `hop_length_max` are for `hop_mode`"),
        ({"hop_mode": "constant", "hop_length_min": 20}, r"^`hop_length_min` 20, `hop_length` 16"),
        ({"center_reach": 0.5}, r"^`center_reach` 0.5 hops"),
    ):
        with pytest.raises(UsageError, match=message):
            DSTFT(**({"n_fft": 64, "hop_length": 16} | options))


def test_refused_signals():
    for modes, message in (
        (("time", "fixed"), r"^signal of 500 samples has 32 frames, the layer 26 window lengths"),
        (("constant", "time"), r"^signal of 500 samples: .* `signal_length` 410"),
        (("constant", "constant"), r"^signal of 500 samples: .* `signal_length` 410"),
    ):
        with pytest.raises(UsageError, match=message):
            layer_of(*modes)(noise(500))
    with pytest.raises(UsageError, match=r"signal of type list: give a real torch\.Tensor"):
        DSTFT(256, 64)([0.0] * 1000)


def test_every_example_of_the_page_runs():
    loop, *others = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    names: dict[str, object] = {}
    exec(loop, names)
    assert names["accuracy"] > 0.9
    assert len(loop.strip().splitlines()) <= 20
    for example in others:
        exec(example, names)
    assert len(others) >= 2
