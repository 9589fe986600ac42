"""`dstft sweep` on real files: what it prints, what it writes, what flows through pipes."""

import csv
import io
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fit.sweeping import sweep

from dstft_cli.cli import main
from dstft_cli.names import CRITERIA
from dstft_cli.settings import OPTIONS, SWEEP_OPTIONS

RATE = 8000
FILES = {"sweep.csv", "sweep.png", "sweep.json"}
PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def signal(tmp_path, monkeypatch):
    """The current folder with a stereo chirp; its left channel."""
    monkeypatch.chdir(tmp_path)
    n = np.arange(9000)
    x = 0.5 * np.sin(n * (0.2 + 1e-4 * n)).astype(np.float32)
    soundfile.write("a.wav", np.stack([x, 0 * x], 1), RATE, subtype="FLOAT")
    return x


@pytest.fixture
def dstft(signal, capsysbinary):
    """`dstft sweep` in this process: what it printed, its exit code checked."""

    def run(*arguments, code=0):
        capsysbinary.readouterr()
        assert main(["sweep", *arguments]) == code
        out, err = capsysbinary.readouterr()
        return out, err.decode()

    return run


def refused(dstft, *arguments, code=2):
    out, err = dstft(*arguments, code=code)
    assert out == b""
    assert err.count("\n") == 1
    return err.removeprefix("dstft: ").rstrip("\n")


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_table_says_which_length_and_whether_it_matters(dstft, signal):
    out, err = dstft("a.wav")
    (curve,) = sweep(signal / 2, RATE).curves
    header, row, empty, verdict, place = out.decode().splitlines()
    assert header.split("  ")[0] == "criterion"
    low, high = curve.good_lengths
    ms = curve.best_length / RATE * 1000
    usual = curve.values[list(curve.lengths).index(2048)]
    assert re.split("  +", row) == [
        "entropy",
        f"{curve.best_length:.4g} ({ms:.3g} ms)",
        str(curve.n_fft),
        f"{curve.best_value:.4g}",
        f"{usual:.4g}",
        f"{low:.4g} to {high:.4g}",
        f"{curve.loss_off_by_two:.2g} nats",
        "a lot",
    ]
    assert empty == ""
    off, loss = curve.loss_off_by_two, usual - curve.best_value
    assert off < np.log(1.5) < loss
    assert verdict == (
        f"The window length matters a lot: the usual 2048 loses {loss:.2g} nats, as if "
        f"{np.exp(loss):.2g} times as many cells were occupied; half or twice of the best loses up to "
        f"{off:.2g} nats, as if {np.expm1(off):.0%} more cells were occupied. Use n_fft {curve.n_fft} "
        f"with a window of {curve.best_length:.4g} samples ({ms:.3g} ms)."
    )
    assert place == "results in a-sweep"
    assert err == ""
    assert {path.name for path in Path("a-sweep").iterdir()} == FILES


def test_all_criteria_on_one_page(dstft, signal):
    out, _ = dstft("a.wav", "--criterion", "all", "-o", "out")
    curves = sweep(signal / 2, RATE, criteria=CRITERIA).curves
    lines = out.decode().splitlines()
    assert [line.split()[0] for line in lines[1:9]] == list(CRITERIA)
    assert lines[-2].startswith("The window length matters a lot for 8 of 8 criteria. ")
    rows = rows_of(Path("out/sweep.csv").read_bytes().decode())
    for curve in curves:
        own = [row for row in rows if row["criterion"] == curve.name]
        table = [row for row in own if row["phase"] == "table"]
        values = [float(row["value"]) for row in table]
        np.testing.assert_allclose(values, curve.values, rtol=1e-5)
        np.testing.assert_allclose([float(row["loss"]) for row in table], curve.losses, atol=1e-5)
        lengths = [float(row["window_length"]) for row in table]
        np.testing.assert_array_equal(lengths, curve.lengths)
        np.testing.assert_allclose(
            [float(row["milliseconds"]) for row in table], curve.lengths / RATE * 1000
        )
        assert [int(row["n_fft"]) / 32 for row in table] == [
            float(row["hop_length"]) for row in table
        ]
        (learned,) = [row for row in own if row["phase"] == "descent"]
        assert float(learned["window_length"]) == pytest.approx(curve.best_length, rel=1e-3)
        assert float(learned["value"]) == pytest.approx(curve.best_value, rel=1e-5)
        assert {row["direction"] for row in own} == {curve.direction}
        assert {row["unit"] for row in own} == {"nats"}
    assert Path("out/sweep.png").read_bytes().startswith(PNG)


def test_the_record(dstft, signal):
    dstft("a.wav", "--channel", "0", "--window", "blackman", "--dtype", "float64", "-o", "out")
    record = json.loads(Path("out/sweep.json").read_text(encoding="utf-8"))
    assert list(record["settings"]) == list(SWEEP_OPTIONS)
    assert record["settings"]["window"] == "blackman"
    assert record["settings"]["device"] == "cpu"
    assert record["input"]["samples"] == 9000
    assert record["looked_at"] == 1
    (curve,) = sweep(signal, RATE, window="blackman", dtype="float64").curves
    (entry,) = record["criteria"]
    low, high = curve.good_lengths
    usual = curve.at(2048.0)
    assert entry == {
        "name": "entropy",
        "direction": "minimize",
        "unit": "nats",
        "best": {
            "win_length": pytest.approx(curve.best_length),
            "n_fft": curve.n_fft,
            "value": pytest.approx(curve.best_value),
        },
        "usual": {
            "win_length": 2048.0,
            "value": pytest.approx(curve.values[usual]),
            "loss": pytest.approx(curve.losses[usual]),
        },
        "good_enough": {"min": pytest.approx(low), "max": pytest.approx(high), "loss": 0.01},
        "off_by_two": pytest.approx(curve.loss_off_by_two),
        "spread": pytest.approx(curve.spread),
        "matters": "a lot",
    }
    assert record["outputs"] == {name: f"out/{name}" for name in FILES}
    assert set(record["seconds"]) == {"load", "search", "descent", "write", "total"}


def test_noise_does_not_matter(dstft):
    x = np.random.default_rng(0).uniform(-1, 1, 100_000)
    soundfile.write("noise.wav", x, 44100, subtype="FLOAT")
    out, _ = dstft("noise.wav", "--win-length-min", "256", "--win-length-max", "4096")
    verdict = out.decode().splitlines()[3]
    expected = (
        r"The window length does not matter: the worst one loses 0\.0\d+ nats\. Any will do\."
    )
    assert re.fullmatch(expected, verdict)


def test_of_a_long_recording_it_tells_how_much_was_looked_at(dstft, monkeypatch):
    monkeypatch.setattr("dstft_cli.fit.sweep.MOST_POINTS", 32 * 3000)
    out, _ = dstft("a.wav", "--win-length-max", "200")
    expected = "from 0.375 s of 1.125 s, in stretches spread evenly over them"
    assert out.decode().splitlines()[2] == expected


def test_quiet_and_verbose(dstft):
    assert dstft("a.wav", "-q") == (b"", "")
    _, err = dstft("a.wav", "-v", "--force")
    loaded, swept = err.splitlines()
    assert re.fullmatch(
        r"loaded 1\.125 s, 9000 samples at 8000 Hz, 2 channels: their mean, peak [\d.]+", loaded
    )
    assert re.fullmatch(
        r"swept 26 window lengths in .* s over 100% of the signal, learned the optima in .* s",
        swept,
    )


@pytest.mark.parametrize(
    ("options", "begin"),
    [(["--json"], b'{\n  "version"'), (["--csv", "-"], b"criterion,"), (["--png", "-"], PNG)],
)
def test_stdout_carries_the_data_alone(dstft, options, begin):
    out, err = dstft("a.wav", *options)
    assert out.startswith(begin)
    assert err == ""
    assert not Path("a-sweep").exists()
    again, _ = dstft("a.wav", *options, "-o", "out")
    assert {path.name for path in Path("out").iterdir()} == FILES
    if options != ["--json"]:  # which holds times
        assert again == out
        assert out in [path.read_bytes() for path in Path("out").iterdir()]
    else:
        assert json.loads(again) == json.loads(Path("out/sweep.json").read_text())


def test_single_files_and_their_format(dstft):
    dstft("a.wav", "--png", "b.svg", "--csv", "b.csv", "--format", "svg", "--no-figures", "-q")
    assert {path.name for path in Path("a-sweep").iterdir()} == {"sweep.csv", "sweep.json"}
    assert Path("b.svg").read_bytes().startswith(b"<?xml")
    assert Path("b.csv").read_bytes() == Path("a-sweep/sweep.csv").read_bytes()
    outputs = json.loads(Path("a-sweep/sweep.json").read_text())["outputs"]
    assert (outputs["png"], outputs["csv"]) == ("b.svg", "b.csv")


def test_standard_input_part_of_it_and_resampled():
    x = np.sin(np.arange(16000) * 0.3).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, x, 16000, format="WAV")
    command = [sys.executable, "-m", "dstft_cli", "sweep", "-", "--json", "--sr", "8000"]
    command += ["--offset", "0.25", "--duration", "0.5"]
    done = subprocess.run(command, input=file.getvalue(), capture_output=True, check=True)
    record = json.loads(done.stdout)
    assert record["input"]["path"] == "-"
    assert (record["input"]["samples"], record["input"]["sample_rate"]) == (4000, 8000)
    assert record["window_length"]["max"] == 1000


def test_what_exists_is_kept_unless_forced(dstft):
    dstft("a.wav", "-q")
    before = Path("a-sweep/sweep.csv").read_bytes()
    message = refused(dstft, "a.wav", "--criterion", "lp")
    assert message == "a-sweep exists: use --force to replace it or -o for another place"
    assert Path("a-sweep/sweep.csv").read_bytes() == before
    dstft("a.wav", "--criterion", "lp", "--force", "-q")
    assert Path("a-sweep/sweep.csv").read_bytes() != before
    Path("a-sweep/mine.txt").touch()
    assert "which dstft did not write" in refused(dstft, "a.wav", "--force")


def test_a_directory_of_learned_results_is_not_replaced(dstft):
    assert main(["optimize", "a.wav", "--n-fft", "256", "-o", "learned", "-q"]) == 0
    assert "which dstft did not write" in refused(dstft, "a.wav", "-o", "learned", "--force")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["a.wav", "--json", "--csv", "-"],
            "--csv - and --json would both fill standard output: "
            "give one of them a path or leave it out",
        ),
        (
            ["a.wav", "--png", "-", "--csv", "-"],
            "--png - and --csv - would both fill standard output: "
            "give one of them a path or leave it out",
        ),
        (["a.wav", "--csv", "x", "--png", "x"], "--png and --csv both name x: name two files"),
        (["a.wav", "--csv", "a.wav"], "--csv a.wav is the recording itself: name another file"),
        (
            ["a.wav", "--set", "smoothness=1"],
            "--set smoothness=1: a sweep has no smoothness: leave it out",
        ),
        (
            ["a.wav", "--criterion", "giny"],
            f"--criterion giny: must be one of {', '.join(CRITERIA)}, all, or module:object: "
            "did you mean 'gini'?",
        ),
        (
            ["a.wav", "--criterion", "all", "--order", "2"],
            "--order 2 has no effect with --criterion all, which has none: "
            "leave it out, or use criterion renyi or lp",
        ),
        (
            ["a.wav", "--win-length-min", "0.1s", "--win-length-max", "50ms"],
            "--win-length-min 0.1s is above --win-length-max 50ms: "
            "lower the first or raise the second",
        ),
    ],
)
def test_wrong_usage(dstft, arguments, message):
    assert refused(dstft, *arguments) == message
    assert [path.name for path in Path().iterdir()] == ["a.wav"]


def test_options_of_learning_are_no_options_of_a_sweep(dstft):
    message = refused(dstft, "a.wav", "--window-mode", "time")
    assert message.startswith("no such option '--window-mode'")
    assert message.endswith(": see 'dstft sweep --help'")


def test_a_bad_input_leaves_nothing(dstft):
    soundfile.write("zeros.wav", np.zeros(4000), RATE)
    assert refused(dstft, "none.wav", code=1).startswith("none.wav: no such file")
    assert refused(dstft, "zeros.wav", code=1) == (
        "zeros.wav: every sample is zero: silence has no best window"
    )
    assert {path.name for path in Path().iterdir()} == {"a.wav", "zeros.wav"}


def test_settings_of_a_file_that_are_not_for_a_sweep_are_passed_over(dstft):
    Path("c.yaml").write_text(
        "window_mode: time\nnpy: '-'\nemit: none\nsmoothness: 1\ncriterion: all\npower: 1\n"
        "csv: c.csv\n"
    )
    out, _ = dstft("a.wav", "--config", "c.yaml", "--set", "power=3", "-o", "out")
    assert len(out.decode().splitlines()) == 12
    assert Path("c.csv").exists()
    assert json.loads(Path("out/sweep.json").read_text())["settings"]["power"] == 3
    out, _ = dstft("a.wav", "--config", "c.yaml", "--csv", "d.csv", "--json")
    assert len(json.loads(out)["criteria"]) == len(CRITERIA)  # npy: '-' is no second stream
    assert refused(dstft, "a.wav", "--set", "powr=3").endswith("did you mean 'power'?")


def test_a_criterion_of_ones_own(dstft, monkeypatch):
    Path("mine_of_sweeps.py").write_text(
        textwrap.dedent(
            """
            class Peak:
                direction = "maximize"
                def moments(self, a):
                    return a, a**2
                def value(self, sums, cells):
                    return sums[1] / sums[0]
            """
        )
    )
    monkeypatch.syspath_prepend(str(Path.cwd()))
    out, _ = dstft("a.wav", "--criterion", "mine_of_sweeps:Peak", "-o", "out")
    assert "of the best value" in out.decode()
    rows = rows_of(Path("out/sweep.csv").read_bytes().decode())
    assert {row["unit"] for row in rows} == {"share of the best value"}


def test_a_closed_pipe_ends_quietly(signal):
    command = f"{sys.executable} -m dstft_cli sweep a.wav --csv - | head -c 0"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_nothing_is_left_by_a_picture_that_fails(dstft, monkeypatch):
    def fail(*arguments, **options):
        raise RuntimeError("no picture")

    monkeypatch.setattr("dstft_cli.plot.sweep.sweep_figure", fail)
    out, err = dstft("a.wav", "--csv", "x.csv", code=1)
    assert (out, err.count("\n")) == (b"", 1)
    assert [path.name for path in Path().iterdir()] == ["a.wav"]


def test_options_are_those_of_optimize_but_for_a_few(capsys):
    assert set(SWEEP_OPTIONS) - set(OPTIONS) == {"csv"}
    assert main(["sweep", "--help"]) == 0
    text = capsys.readouterr().out
    offered = set(re.findall(r"--[a-z][a-z-]*", text))
    assert {declaration.flag for declaration in SWEEP_OPTIONS.values()} <= offered
    for name in ("channel", "sr", "window", "dtype", "force", "png"):
        assert SWEEP_OPTIONS[name] == OPTIONS[name]


def test_help_imports_no_torch():
    code = "import sys; from dstft_cli.cli import main; main(['sweep', '-h'])"
    code += "; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ)
    )
    assert done.stdout.splitlines()[-1] == "False"


def test_the_band_of_the_criterion_is_told(dstft):
    out, _ = dstft("a.wav", "--criterion-fmin", "100", "--criterion-fmax", "900")
    assert out.decode().splitlines()[2] == "criterion over 100 to 900 Hz"
    out, _ = dstft("a.wav", "--criterion-fmin", "0", "--force")
    assert not [line for line in out.decode().splitlines() if line.startswith("criterion ")][1:]


def test_a_best_length_at_an_end_is_named_as_such(dstft):
    t = np.arange(9000) / RATE
    soundfile.write("tone.wav", 0.5 * np.sin(2 * np.pi * 1234 * t), int(RATE), subtype="FLOAT")
    out, err = dstft("tone.wav")
    verdict = out.decode().splitlines()[3]
    assert ": half of the best loses up to " in verdict
    assert verdict.endswith("), the longest of the sweep.")
    assert "no longer tell when something happens" in err
    out, _ = dstft("tone.wav", "--win-length-max", "180", "--win-length-min", "150", "--force")
    assert ": the worst one tried loses up to " in out.decode().splitlines()[3]
