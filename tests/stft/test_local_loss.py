"""The local criterion as a loss, and the transform with a map of lengths."""

import numpy as np
import pytest
import torch

from dstft_cli import DSTFT, UsageError
from dstft_cli.records import LengthMap
from dstft_cli.stft import Frames, Transform, local_criterion, map_spectra, spectra
from stft.reference import noise

RATE, N, K = 8000, 2000, 256
BINS = torch.arange(K // 2 + 1) * RATE / K


def chirp(dtype=torch.float32):
    n = torch.arange(N, dtype=torch.float64) / RATE
    x = (2 * torch.pi * (500 * n + 4000 * n * n)).sin()
    noise = torch.randn(N, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return (x + 0.01 * noise).to(dtype)


def loss(layer, **options):
    return local_criterion(layer(chirp()), BINS, layer.centers_of(N), RATE, **options)


def test_a_layer_moves_towards_the_better_length():
    lengths = (40.0, 80.0, 120.0, 160.0, 240.0)
    values = [float(loss(DSTFT(K, 16, length)).detach()) for length in lengths]
    best = lengths[int(np.argmin(values))]
    assert 40 < best < 240
    for start in (40.0, 240.0):
        layer = DSTFT(K, 16, start)
        descent = torch.optim.Adam(layer.parameters(), lr=0.05)
        for _ in range(30):
            descent.zero_grad()
            loss(layer).backward()
            descent.step()
        end = layer.window_length.item()
        assert abs(np.log(end / best)) < abs(np.log(start / best)) / 2, start


def test_gradients_of_lengths_are_those_of_the_value():
    x, bins = chirp(torch.float64)[:600], torch.arange(33) * RATE / 64
    plain = [DSTFT(64, 40, length, dtype=torch.float64)(x).detach() for length in (20.0, 60.0)]
    reference = torch.stack(plain)  # with it the weights of the tiles do not depend on the lengths
    for mode in ("time", "frequency", "time-frequency"):
        layer = DSTFT(64, 40, 31.0, window_mode=mode, signal_length=600, dtype=torch.float64)
        parameter, centers = layer.log_length, layer.centers_of(600)

        def value(z, layer=layer, parameter=parameter, centers=centers):
            with torch.no_grad():
                parameter.copy_(z)
            return local_criterion(layer(x), bins, centers, RATE, reference=reference)

        start = torch.zeros_like(parameter)
        value(start).backward()
        generator = torch.Generator().manual_seed(1)
        along = torch.randn(start.shape, generator=generator, dtype=torch.float64)
        step = 1e-6 * along
        quotient = float(value(start + step).detach() - value(start - step).detach()) / 2e-6
        assert np.isclose(float((parameter.grad * along).sum()), quotient, rtol=1e-4), mode


def test_gradients_reach_centres_and_hop():
    for mode in ("time", "constant"):
        layer = DSTFT(K, 40.3, 120.0, hop_mode=mode, signal_length=N)
        loss(layer).backward()
        for parameter in (p for p in layer.parameters() if p.requires_grad):
            assert torch.isfinite(parameter.grad).all(), mode
            assert parameter.grad.abs().sum() > 0, mode


def test_level_does_not_matter_and_energy_at_the_wrong_place_is_charged():
    layer = DSTFT(K, 16, 120.0)
    X, centers = layer(chirp()).detach(), layer.centers_of(N)
    plain = local_criterion(X, BINS, centers, RATE)
    torch.testing.assert_close(local_criterion(100 * X, BINS, centers, RATE), plain)
    clicks = torch.zeros(N)
    clicks[300::600] = 1.0
    for x, right, wrong in ((chirp(), 120.0, 20.0), (clicks, 30.0, 240.0)):
        short, long, good, bad = (
            DSTFT(K, 16, length)(x).detach() for length in (30.0, 250.0, right, wrong)
        )
        values = []
        for Y, references in ((good, (short, long)), (bad, (short, long)), (bad, (short, bad))):
            reference = torch.stack(references)
            values.append(local_criterion(Y, BINS, centers, RATE, reference=reference))
        assert values[0] < values[1] - 0.1
        assert values[2] < values[1]  # its spectrum is now the right one
    with pytest.raises(UsageError, match="reference"):
        local_criterion(X, BINS, centers, RATE, reference=reference[:1])
    for criterion in ("renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp"):
        assert torch.isfinite(local_criterion(0 * X, BINS, centers, RATE, criterion)), criterion
    with pytest.raises(UsageError, match="gini"):
        local_criterion(X, BINS, centers, RATE, "gini")


def test_arguments_that_do_not_belong_together_are_refused():
    layer = DSTFT(K, 64, 100.0)
    X, centers = layer(chirp()), layer.centers_of(N)
    for transform, bins, frames, rate, options in (
        (X[None, None], BINS, centers, RATE, {}),
        (X.abs(), BINS, centers, RATE, {}),
        (X, BINS[:-3], centers, RATE, {}),
        (X, 3 * BINS, centers, RATE, {}),
        (X, BINS, centers[:-3], RATE, {}),
        (X, BINS, centers, 0, {}),
        (X, BINS, centers, RATE, {"longest": -5}),
        (X, BINS, centers, RATE, {"shortest": 200, "longest": 100}),
        (X, BINS, centers, RATE, {"power": 0}),
        (X, BINS, centers, RATE, {"reference": torch.stack([X, X])[..., :-2]}),
    ):
        with pytest.raises(UsageError):
            local_criterion(transform, bins, frames, rate, **options)


def length_map(steps=2):
    lengths = np.geomspace(16, 256, 40).reshape(4, 10).astype(np.float32)
    return LengthMap(np.array([0.0, 500, 1500, 4000]), np.arange(10) * 200.0, lengths, steps)


def test_a_map_fades_between_its_tiles_in_few_steps():
    found = length_map()
    bins = BINS.numpy().astype(float)
    lengths = found.at(bins, np.arange(0, N, 16.0))
    assert lengths.shape == (K // 2 + 1, 125)
    assert lengths.min() >= 16
    assert lengths.max() <= 256
    assert len(np.unique(lengths)) <= 9
    fine = length_map(1000)
    at_tiles = fine.at(fine.frequencies, fine.times)
    np.testing.assert_allclose(at_tiles, fine.lengths, rtol=1e-3)
    between = fine.at(np.array([250.0]), np.array([100.0]))[0, 0]
    around = np.log(fine.lengths[:2, :2]).mean()
    assert np.isclose(np.log(between), around, atol=1e-3)
    outside = fine.at(np.array([4000.0]), np.array([1e6]))
    assert np.isclose(outside[0, 0], 256, rtol=1e-3)
    single = LengthMap(np.zeros(1), np.zeros(1), np.full((1, 1), 64, np.float32), 2)
    assert single.at(bins, bins).max() == 64


@pytest.mark.parametrize(
    ("n_fft", "dtype", "window", "limit"),
    [
        (1024, torch.float32, "hann", 2e-6),  # FFT sizes 128, 256, 512 and 1024
        (1024, torch.float32, "kaiser", 2e-6),
        (1024, torch.float64, "hann", 1e-12),
        (512, torch.float32, "hann", 2e-6),
        (256, torch.float32, "hann", 2e-6),
        (128, torch.float32, "hann", 2e-6),
        (250, torch.float32, "hann", 2e-6),
        (15, torch.float64, "nuttall", 1e-12),
    ],
)
@pytest.mark.parametrize("hop", [16.0, 16.3])
def test_the_transform_of_a_map_is_that_of_its_lengths(n_fft, dtype, window, limit, hop):
    centers, transform = np.arange(0, N, hop), Transform(n_fft, window)
    table = np.geomspace(n_fft / 32, n_fft, 6)
    edges = np.cumsum(noise(len(centers), transform.bins).numpy(), 1) // 4
    index = edges.astype(int) % len(table)  # steps between neighbours and jumps over all lengths
    x = torch.stack([chirp(torch.float64), noise(N)]).to(dtype).numpy()

    def cells(start, stop):
        return table, index[start:stop].astype(np.uint8)

    exact = Frames(x.astype(np.float64), centers, n_fft, dtype=torch.float64)
    whole = torch.cat([X for _, X in spectra(exact, transform, table[index].T)], 1)
    for threads in (1, 2):
        frames = Frames(x, centers, n_fft, dtype=dtype)
        starts, parts = zip(*map_spectra(frames, transform, cells, threads), strict=True)
        found = torch.cat(parts, 1)
        assert starts[0] == 0
        assert found.dtype == dtype.to_complex()
        error = (found - whole).abs()
        assert error.norm() < limit * whole.norm()
        assert error.max() < 3 * limit * whole.abs().max()
