"""What is written of a map of lengths, and the way back from it."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from contract.support import N, refused, sound
from contract.support import run as dstft

from dstft_cli.audio import Signal
from dstft_cli.results import read_parameters
from dstft_cli.run.recording import concentrated, recording_warnings
from dstft_cli.settings import Settings
from dstft_cli.stft import Frames, Transform, map_spectra

LOCAL = ["--no-figures", "-q", "--threads", "1"]
pytestmark = pytest.mark.usefixtures("folder")


def run(*arguments: str) -> dict:
    dstft(*arguments, *LOCAL)
    return json.loads((Path(arguments[-1]) / "result.json").read_text())


def test_the_array_keeps_to_its_size_and_means_the_energy():
    record = run("optimize", "a.wav", "-o", "small")
    full = run("optimize", "a.wav", "--npy-hop", "full", "-o", "full")
    one, every = np.load("small/spectrogram.npy"), np.load("full/spectrogram.npy")
    fine = full["transform"]
    assert record["transform"] == fine
    assert fine == {"hop_length": full["hop_length"], "frames": full["frames"]}
    step = round(record["hop_length"] / fine["hop_length"])
    assert step > 1
    assert one.nbytes <= 33 * (N + record["hop_length"])
    assert one.shape == (every.shape[0], record["frames"])
    share = np.full(step + 1, 1.0)
    share[[0, -1]] = 0.5 if step % 2 == 0 else 1.0
    half = step // 2
    around = every[:, 2 * step - half : 2 * step - half + len(share)][:, : step + 1 - step % 2]
    share = share[: around.shape[1]]
    np.testing.assert_allclose(
        one[:, 2], np.sqrt((around.astype(float) ** 2 * share).sum(1) / share.sum()), rtol=1e-5
    )
    more = run("optimize", "a.wav", "--npy", "x.npy", "--npy-hop", "50ms", "-o", "more")
    assert np.load("x.npy").shape[1] == np.load("more/spectrogram.npy").shape[1]
    assert more["hop_length"] == pytest.approx(400, abs=18)


def test_parameters_hold_the_map_and_the_frames_of_the_array():
    record = run("optimize", "a.wav", "-o", "small")
    run("optimize", "a.wav", "--save-stft", "-o", "full")
    small, full = np.load("small/parameters.npz"), np.load("full/parameters.npz")
    for npz, folder in ((small, "small"), (full, "full")):
        frames = np.load(f"{folder}/spectrogram.npy").shape[1]
        assert npz["frame_centers"].shape == npz["times"].shape == (frames,)
        assert npz["hop_lengths"].shape == (frames - 1,)
        back = read_parameters(Path(folder) / "parameters.npz")
        assert len(back.frame_centers) == record["transform"]["frames"]
        assert back.length_map is not None
        assert np.array_equal(back.length_map.lengths, small["window_length"])
    assert small["window_length"].shape == small["tile_window_length"].shape
    assert full["window_length"].shape == np.load("full/stft.npy", mmap_mode="r").shape
    back = read_parameters(Path("full/parameters.npz"))
    cells = back.length_map.at(back.frequencies, back.frame_centers)
    np.testing.assert_allclose(full["window_length"], cells, rtol=1e-6)
    transform = Transform(back.n_fft, back.window, back.normalization)
    source = Frames(sound().T[:1], back.frame_centers, back.n_fft, dtype=torch.float32)
    lengths_at = back.length_map.on(back.frequencies)
    blocks = map_spectra(source, transform, lambda a, b: lengths_at(back.frame_centers[a:b]))
    found = torch.cat([X[0] for _, X in blocks]).T.numpy()
    stored = np.load("full/stft.npy")
    assert np.abs(found - stored).max() < 1e-5 * np.abs(stored).max()


def test_a_map_is_applied_and_inverted():
    learned = run("optimize", "a.wav", "--save-stft", "-o", "d")
    applied = run("apply", "d", "a.wav", "-o", "again")
    assert applied["criterion"]["scope"] == "local"
    # the last windows were made to reach the last sample after that
    final = learned["criterion"]["final"]
    assert applied["criterion"]["final"] == pytest.approx(final, rel=1e-3)
    tiles = (np.load(f"{name}/parameters.npz")["tile_window_length"] for name in ("again", "d"))
    np.testing.assert_allclose(*tiles)
    dstft("reconstruct", "d", "-o", "back.wav", "-q")
    back, x = soundfile.read("back.wav")[0], sound()[:, 0]
    assert np.linalg.norm(back - x) < 1e-4 * np.linalg.norm(x)


def test_damaged_tiles_are_refused():
    run("optimize", "a.wav", "-o", "d")
    good = dict(np.load("d/parameters.npz"))
    for name, value in (
        ("tile_times", good["tile_times"][::-1]),
        ("tile_frequencies", good["tile_frequencies"][:-1]),
        ("tile_window_length", good["tile_window_length"] * 0),
        ("steps_per_octave", np.array(0)),
    ):
        np.savez("d/parameters.npz", **{**good, name: value})
        refused("apply", "d", "a.wav", "-o", "e", *LOCAL, code=1)


def signal_of(samples: np.ndarray, rate: int = 8000) -> Signal:
    samples = np.asarray(samples, np.float32)[None]
    return Signal(samples, rate, "a.wav", "", 1, float(np.abs(samples).max()))


def test_warnings_say_where_the_energy_lies():
    noise = 0.01 * np.random.default_rng(0).standard_normal(40000)
    assert list(concentrated(signal_of(noise), None)) == []
    knock = noise.copy()
    knock[16000:16020] += 1.0
    (text,) = concentrated(signal_of(knock), None)
    assert "around 2.0" in text
    assert "`offset`" in text
    rumble = noise + np.sin(2 * np.pi * 30 * np.arange(40000) / 8000)
    for band, edge in ((None, "100"), (1000.0, "1000")):
        (text,) = concentrated(signal_of(rumble), band)
        assert f"`highpass` {edge}" in text
    assert list(concentrated(signal_of(rumble, 1000), None)) == []
    assert recording_warnings(signal_of(rumble), Settings(window_mode="fixed"), 32.0) == ()
    assert list(concentrated(signal_of(np.zeros(500)), 100.0)) == []
