"""A part of a recording, a silent one, and parameters from a stranger."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from contract.support import RATE, read, refused, run

from dstft_cli import optimize
from dstft_cli.cli import main
from dstft_cli.errors import InputError

PLAIN = ["--window-mode", "fixed", "--n-fft", "256", "--no-figures", "-q", "--force"]
PART = ["--offset", "100.5", "--duration", "0.5"]
CLICKS = (100.5, 100.75)  # s


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A long recording of two clicks, a silent one, and a criterion that tells when it is imported."""
    place = tmp_path_factory.mktemp("parts")
    x = 0.001 * np.random.default_rng(0).standard_normal(101 * RATE)
    for at in CLICKS:
        x[round(at * RATE)] = 0.9
    soundfile.write(place / "long.wav", x, RATE, subtype="FLOAT")
    soundfile.write(place / "zero.wav", np.zeros(RATE), RATE)
    soundfile.write(place / "dc.wav", np.full((RATE, 2), (0.25, 0.1)), RATE)
    soundfile.write(place / "short.wav", x[-RATE:], RATE, subtype="FLOAT")
    (place / "stranger.py").write_text(
        "open('imported', 'w').close()\n"
        "class Criterion:\n"
        "    direction = 'minimize'\n"
        "    def moments(self, a): return a, a * a\n"
        "    def value(self, sums, cells): return sums[0] / sums[1].sqrt()\n"
    )
    return place


@pytest.fixture(autouse=True)
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)


@pytest.mark.parametrize("more", [[], ["--npy-hop", "10ms"]])
def test_times_are_those_of_the_recording(more):
    assert main(["optimize", "long.wav", *PLAIN, *PART, *more, "-o", "part"]) == 0
    part = read("part")
    found, X = part.parameters, part.spectrogram
    assert found["offset"] == part.record["input"]["offset"] == 100.5
    assert found["frame_centers"][0] == 0
    np.testing.assert_allclose(found["times"], 100.5 + found["frame_centers"] / RATE)
    for at in CLICKS:
        near = np.abs(found["times"] - at) < 0.1
        loudest = found["times"][near][X[:, near].sum(0).argmax()]
        assert loudest == pytest.approx(at, abs=0.02)
    applied = ["--offset", "100.25", "--duration", "0.5"]
    quick = ["--no-figures", "-q", "--force"]
    assert main(["apply", "part", "long.wav", *applied, *quick, "-o", "again"]) == 0
    times = read("again").parameters["times"]
    assert (times[0], times[-1]) == pytest.approx((100.25, 100.75), abs=0.02)
    assert main(["sweep", "long.wav", *PART, *quick, "-o", "swept"]) == 0
    assert json.loads(Path("swept/sweep.json").read_text())["input"]["offset"] == 100.5


def test_an_offset_in_the_file_that_is_none_is_refused():
    assert main(["optimize", "long.wav", *PLAIN, *PART, "--save-stft", "-o", "saved"]) == 0
    assert main(["reconstruct", "saved", "-o", "back.wav", "-q", "--force"]) == 0
    assert len(soundfile.read("back.wav")[0]) == RATE // 2
    good = read("saved").parameters
    np.savez("saved/parameters.npz", **{**good, "offset": np.array(-1.0)})
    assert "'offset' -1" in refused("reconstruct", "saved", "-o", "bad.wav", code=1)
    del good["offset"]  # of an earlier version
    np.savez("saved/parameters.npz", **good)
    assert main(["reconstruct", "saved", "-o", "old.wav", "-q"]) == 0


def test_silence_is_drawn_where_nothing_is_learned():
    run("optimize", "zero.wav", *PLAIN, "-o", "silent")
    applied = run("apply", "silent", "zero.wav", "--no-figures", "-o", "quiet", "--force")
    assert "every sample is zero" in applied.err
    for place in ("silent", "quiet"):
        assert not read(place).spectrogram.any()
        assert read(place).final is None
    for scope in ("local", "plane"):
        options = {"scope": scope, "window_mode": "fixed", "n_fft": 256}
        assert [note.kind for note in optimize(np.zeros(RATE), RATE, **options).notes] == ["silent"]
        with pytest.raises(InputError, match="every sample is zero"):
            optimize(np.zeros(RATE), RATE, scope=scope)


@pytest.mark.parametrize("name", ["zero.wav", "dc.wav"])
def test_silence_from_which_is_learned(name):
    learn = ["optimize", name, "-o", "learned", "--win-length", "300", "--n-fft", "512"]
    assert "--on-silence" in refused(*learn, "--force", code=1)
    assert main([*learn, "--on-silence", "skip", "--highpass", "20", "-o", "skipped"]) == 0
    assert not Path("skipped").exists()
    assert "silence" in refused("sweep", name, code=1)
    for options in (["--scope", "local", "--no-figures"], ["--scope", "plane", "--no-view"]):
        assert main([*learn, *options, "--on-silence", "write", "-q", "--force"]) == 0
        learned = read("learned")
        assert (learned.record["window_length"], learned.record["n_fft"]) == (300, 512)
        assert not learned.spectrogram.any()
    assert ("DC" in " ".join(learned.record["warnings"])) == (name == "dc.wav")
    assert Path("learned/spectrogram.png").exists()


def test_code_named_in_a_result_runs_only_if_it_is_named_again(capsys):
    own = ["--criterion", "stranger:Criterion"]
    learn = ["optimize", "short.wav", "--window-mode", "constant", *own, *PLAIN[2:], "-o", "s"]
    assert main(learn) == 0
    import sys

    del sys.modules["stranger"]
    Path("imported").unlink()
    again = ["apply", "s", "short.wav", "--no-figures", "--force", "-o", "t"]
    for command in (again, ["report", "s", "--force"], [*again, "--preset", "speech"]):
        assert main(command) == 0
        assert not Path("imported").exists()
    assert read("t").final is None
    assert "--criterion" in capsys.readouterr().err
    assert main([*again, "-q", *own]) == 0
    assert Path("imported").exists()
    assert read("t").final == pytest.approx(read("s").final)
    assert main([*again, "-q", "--criterion", "kurtosis"]) == 0
    assert read("t").record["criterion"]["name"] == "kurtosis"


def test_numbers_beyond_all_bounds_give_one_line(capsys):
    ends = {"--duration 1e308": 0, "--offset 1e308": 1, "--hop-length 1e-320": 2, "-o /proc/x": 1}
    ends |= {"--overlap 1e-9": 2, "--power 1e308": 2, "--criterion lp --order 1e-320": 2}
    for options, code in ends.items():
        given = ["optimize", "short.wav", "-q", "--no-figures", "--force", "-o", "far"]
        given += options.split()
        assert main(given) == code, options
        err = capsys.readouterr().err
        assert err.count("\n") == (code > 0)
        assert "internal error" not in err
        assert "another run" not in err
