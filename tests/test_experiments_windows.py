"""Learned windows against every whole length, and the values of both by their definition."""

import numpy as np
import pytest
import torch

from dstft_cli.experiments import windows
from dstft_cli.experiments.signals import swinging_tone

SMALL = windows.Size(samples=3000, n_fft=200, hop_length=40)


@pytest.fixture(scope="module")
def found():
    return windows.run(0, 1, None, SMALL)


def test_the_search_is_that_of_torch_stft(found):
    signal, _ = swinging_tone(0)
    x = torch.from_numpy(signal[:3000])
    for name, power in (("|X|, normalization none", 1), ("|X|², normalization energy", 2)):
        values = found.figures[f"entropy of {name}"]["search"]["values"]
        assert list(values) == list(range(40, 201))
        for length in (40, 122, 200):
            hann = torch.hann_window(length, dtype=torch.float64)
            X = torch.stft(x, 200, 40, length, hann, pad_mode="constant", return_complex=True)
            share = X.abs().numpy() ** power
            share /= share.sum()
            expected = -np.sum(share * np.log(np.where(share > 0, share, 1)))
            assert values[length] == pytest.approx(expected, rel=1e-9)


def test_more_lengths_never_do_worse(found):
    for modes in found.figures.values():
        whole = min(modes["search"]["values"].values())
        assert modes["constant"]["entropy"] <= whole + 1e-4
        assert modes["time"]["entropy"] <= whole + 1e-4
        assert modes["frequency"]["entropy"] < whole - 0.05
        assert modes["time-frequency"]["entropy"] < modes["time"]["entropy"]
        assert modes["constant"]["transforms"] < 161 / 3
        assert modes["fixed"]["transforms"] == 1
        assert modes["fixed"]["entropy"] == pytest.approx(modes["search"]["values"][100], rel=1e-9)


def test_the_table_has_a_row_for_every_mode(found):
    names = [row[1] for row in found.table.rows]
    modes = ["fixed", "constant", "time", "frequency", "time-frequency"]
    assert names == [windows.SEARCH, *modes] * 2
    assert {len(row) for row in found.table.rows} == {len(found.table.columns)}
    assert found.table.rows[0][5] == 161
    assert found.settings["n_fft"] == 200


def test_threads_change_nothing():
    signal, _ = swinging_tone(1)
    one, two = (windows.search(signal[:2000], SMALL, "none", 1.0, n) for n in (1, 2))
    assert one == two
