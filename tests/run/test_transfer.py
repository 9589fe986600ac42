"""Parameters learned from one recording, for another length or sample rate."""

import numpy as np
import pytest

from dstft_cli.errors import InputError
from dstft_cli.fit.transfer import transfer
from dstft_cli.records import StoredParameters


def stored(lengths, *, samples=1000, hop=100.0, n_fft=256, rate=8000.0, centers=None):
    centers = hop * np.arange(1 + int(samples // hop)) if centers is None else centers
    return StoredParameters(
        window_length=np.asarray(lengths, np.float64),
        frame_centers=np.asarray(centers, np.float64),
        hop_lengths=np.diff(centers),
        times=np.asarray(centers) / rate,
        frequencies=np.arange(n_fft // 2 + 1) * rate / n_fft,
        sample_rate=rate,
        n_fft=n_fft,
        samples=samples,
        window="hann",
        normalization="energy",
    )


@pytest.mark.parametrize(("samples", "frames"), [(900, 10), (999, 10), (1000, 11), (1100, 12)])
def test_a_hop_more_or_less(samples, frames):
    lengths = np.arange(100.0, 111.0)
    fitting = transfer(stored(lengths[None]), 100.0, samples, 8000.0)
    np.testing.assert_array_equal(fitting.frame_centers, 100.0 * np.arange(frames))
    expected = [*lengths, lengths[-1]][:frames]
    assert fitting.window_length.tolist() == [expected]
    for other in (samples - 201, samples + 301):
        message = (
            r"over 0\.125 s at 8000 Hz, the signal lasts 0\.\d+ s .* `window_mode` constant or"
        )
        with pytest.raises(InputError, match=message):
            transfer(stored(lengths[None]), 100.0, other, 8000.0)


def test_centres_of_their_own_stay_within_the_recording():
    own = stored([[100.0]], centers=[0.0, 80.0, 500.0, 950.0])
    fitting = transfer(own, 100.0, 940, 8000.0)
    assert fitting.frame_centers.tolist() == [0.0, 80.0, 500.0, 600.0, 700.0, 800.0, 900.0]
    assert fitting.window_length.tolist() == [[100.0]]
    with pytest.raises(InputError, match=r"vary from frame to frame over.*`hop_mode` constant$"):
        transfer(own, 100.0, 2000, 8000.0)


def test_frames_go_on_to_the_end_of_a_longer_recording():
    lengths = np.linspace(100, 140, 4)[None]
    own = stored(lengths, centers=[30.0, 330.0, 660.0, 960.0], hop=300.0)
    fitting = transfer(own, 300.0, 1270, 8000.0)
    assert fitting.frame_centers.tolist() == [30.0, 330.0, 660.0, 960.0, 1260.0]
    assert fitting.window_length.tolist() == [[*lengths[0], 140.0]]


@pytest.mark.parametrize(
    ("n_fft", "length", "rate", "expected"),
    [
        (1024, 500.0, 44100.0, (940, 459.375)),  # 940.8: the nearest even size
        (1024, 1024.0, 44100.0, (942, 940.8)),  # which must hold the window
        (255, 100.0, 48000.0, (255, 100.0)),  # the same rate: unchanged
        (1024, 1024.0, 24000.0, (512, 512.0)),
        (1024, 1000.5, 96000.0, (2048, 2001.0)),
        (8, 4.0, 24000.0, (4, 2.0)),
    ],
)
def test_lengths_at_another_sample_rate(n_fft, length, rate, expected):
    fitting = transfer(stored([[length]], n_fft=n_fft, rate=48000.0), 100.0, 5000, rate)
    assert (fitting.n_fft, fitting.window_length.item()) == pytest.approx(expected)
    assert fitting.window_length.item() <= fitting.n_fft
    assert fitting.hop_length == pytest.approx(100.0 * rate / 48000)
    assert len(fitting.notes) == (rate != 48000)


def test_lengths_that_another_sample_rate_does_not_allow():
    for n_fft, length, rate in ((256, 10.0, 8000.0), (1 << 19, 4096.0, 192000.0)):
        with pytest.raises(InputError, match="`sr` 48000"):
            transfer(stored([[length]], n_fft=n_fft, rate=48000.0), 100.0, 5000, rate)


def test_each_frequency_keeps_its_length():
    """Twice the rate and a little: the bins learned, at their Hz, then the last of them."""
    lengths = np.linspace(20, 64, 33)[:, None]
    fitting = transfer(stored(lengths, n_fft=64, rate=8000.0), 4.0, 5000, 20000.0)
    assert fitting.n_fft == 160
    assert fitting.window_length.shape == (81, 1)
    np.testing.assert_allclose(fitting.window_length[:33], 2.5 * lengths)
    assert (fitting.window_length[33:] == 2.5 * 64).all()
    low = transfer(stored(lengths, n_fft=64, rate=8000.0), 4.0, 5000, 4000.0)
    np.testing.assert_allclose(low.window_length, lengths[:17] / 2)


@pytest.mark.parametrize("rate", [8000.0, 16000.0])
def test_a_learned_hop_stays_in_the_middle(rate):
    centers = np.array([50.0, 150.0, 250.0, 350.0, 450.0, 550.0, 650.0, 750.0, 850.0, 950.0]) - 0.5
    learned = stored([[200.0]], centers=centers, hop=80.0)
    fitting = transfer(learned, 80.0, 1251, rate)
    hop = 100.0 * rate / 8000
    assert fitting.hop_length == pytest.approx(hop)
    assert np.diff(fitting.frame_centers) == pytest.approx(hop)
    left, right = fitting.frame_centers[0], 1250 - fitting.frame_centers[-1]
    assert left == pytest.approx(right)
    assert left <= hop / 2


def test_frames_that_lie():
    """A hop of nothing, a recording that ends before the first frame, frames close together."""
    with pytest.raises(InputError, match=r"makes 1e\+13 frames"):
        transfer(stored([[48.5]], centers=[0.0, 1e-7], hop=4.0, n_fft=64), 4.0, 1_000_000, 8000.0)
    late = stored([[48.5]], centers=[500.0, 504.0, 509.0], hop=300.0, samples=520)
    with pytest.raises(InputError, match="ends before the first frame"):
        transfer(late, 300.0, 300, 8000.0)
    own = stored([np.linspace(40, 64, 5)], centers=[0.0, 1, 2, 4, 5], hop=1.0, samples=20, n_fft=64)
    got = transfer(own, 1.0, 21, 8000.0)
    assert got.frame_centers[-1] >= 20 - 0.45 * 64
    assert got.window_length.shape == (1, len(got.frame_centers))
