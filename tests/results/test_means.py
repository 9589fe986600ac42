"""Energy means of frames."""

import numpy as np
import pytest

from dstft_cli.results import MeanFrames, mean_frames


@pytest.mark.parametrize("step", [1, 2, 3, 4, 7, 40])
@pytest.mark.parametrize("block", [1, 5, 64])
def test_each_mean_reaches_halfway_to_its_neighbours(step, block):
    frames = 31
    values = np.random.default_rng(step).uniform(size=(frames, 3, 2))
    count = mean_frames(frames, step)
    share = np.zeros((count, frames))
    for i in range(frames):
        below, above = np.floor(i / step + 0.5 - 1e-9), np.floor(i / step + 0.5 + 1e-9)
        for j in (below, above):
            share[int(min(j, count - 1)), i] += 0.5
    share /= share.sum(1, keepdims=True)
    expected = np.sqrt(np.einsum("ji,i...->j...", share, values**2))
    means = MeanFrames(frames, step)
    found = np.concatenate([means.add(values[i : i + block]) for i in range(0, frames, block)])
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert found.dtype == np.float32
