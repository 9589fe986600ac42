"""`dstft apply DIR INPUT`: what was learned from one recording, on others."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from criteria_reference import criterion_value

from dstft_cli.cli import main
from dstft_cli.results import StoredParameters, read_parameters
from dstft_cli.stft import stft

RATE = 8000
FILES = {"spectrogram.npy", "spectrogram.png", "parameters.npz", "result.json"}


def recording(samples: int, seed: int, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    n = np.arange(samples)
    tone = 0.3 * np.sin(n * (0.3 + 0.1 * seed)) + 0.5 * (n % 1500 == 700)
    return np.stack([tone + 0.01 * rng.standard_normal(samples) for _ in range(channels)], 1)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Directories `constant` and `time`, learned from half a second, and recordings beside them."""
    folder = tmp_path_factory.mktemp("learned")
    for name, samples, rate, channels in (
        ("a", 4000, RATE, 1),
        ("b", 4000, RATE, 2),
        ("longer", 6500, RATE, 1),
        ("other", 6000, 12000, 1),
    ):
        x = recording(samples, len(name), channels)
        soundfile.write(folder / f"{name}.wav", x, rate, subtype="FLOAT")
    options = ["--n-fft", "256", "--window", "blackman", "--normalization", "amplitude", "-q"]
    options += ["--criterion", "renyi", "--order", "2", "--power", "1.5", "--seed", "3"]
    for mode in ("constant", "time"):
        arguments = ["--window-mode", mode, "-o", str(folder / mode)]
        assert main(["optimize", str(folder / "a.wav"), *options, *arguments]) == 0
    assert read_parameters(folder / "time/parameters.npz").window_length.shape == (1, 251)
    return folder


@pytest.fixture
def folder(learned, tmp_path, monkeypatch):
    """A copy of it that a test may change, as the current directory."""
    shutil.copytree(learned, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def apply(capsysbinary):
    """`dstft apply` in this process: stdout and stderr, its exit code checked."""

    def run(*arguments, code=0):
        capsysbinary.readouterr()
        assert main(["apply", *arguments]) == code
        out, err = capsysbinary.readouterr()
        return out.decode() if code or b"\x93NUMPY" not in out else out, err.decode()

    return run


def read_json(path: str) -> dict:
    return json.loads(Path(path).read_text(encoding="utf-8"))


def recomputed(x: np.ndarray, name: str) -> np.ndarray:
    """The transform `[C, F, T]` of samples `[N, C]`, by the parameters that were written."""
    stored = read_parameters(Path(name) / "parameters.npz")
    return stft(
        torch.from_numpy(x.T.astype(np.float64)),
        torch.from_numpy(stored.frame_centers),
        torch.from_numpy(stored.window_length),
        stored.n_fft,
        window="blackman",
        normalization="amplitude",
    ).numpy()


def check_written(name: str, source: str, x: np.ndarray) -> None:
    """Spectrogram and criterion are those of the written parameters, settings those of DIR."""
    X = recomputed(x, name)
    spectrogram = np.load(f"{name}/spectrogram.npy")
    np.testing.assert_allclose(spectrogram, np.abs(X[0]), atol=1e-5 * spectrogram.max())
    record = read_json(f"{name}/result.json")
    a = np.abs(X.transpose(0, 2, 1)) ** 1.5
    assert record["criterion"] == {
        "name": "renyi",
        "direction": "minimize",
        "start": None,
        "best_fixed": {"win_length": None, "value": None},
        "final": pytest.approx(criterion_value("renyi", a, 2.0), rel=1e-4),
        "table_bound": None,
    }
    kept = {"window": "blackman", "normalization": "amplitude", "order": 2.0, "seed": 3}
    assert {key: record["settings"][key] for key in kept} == kept
    assert record["input"]["path"] == source
    assert record["stop_reason"] == "fixed"
    assert record["outputs"] == {path.name: f"{name}/{path.name}" for path in Path(name).iterdir()}


@pytest.mark.parametrize("mode", ["constant", "time"])
def test_the_recording_learned_from(folder, apply, mode):
    out, err = apply(mode, "a.wav", "-o", "again")
    assert err == ""
    assert {path.name for path in Path("again").iterdir()} == FILES
    before, after = (read_parameters(Path(name) / "parameters.npz") for name in (mode, "again"))
    for name in StoredParameters.__dataclass_fields__:
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))
    spectra = [np.load(f"{name}/spectrogram.npy") for name in (mode, "again")]
    np.testing.assert_array_equal(*spectra)
    first, second = (read_json(f"{name}/result.json") for name in (mode, "again"))
    assert second["criterion"]["final"] == pytest.approx(first["criterion"]["final"], rel=1e-6)
    for key in ("window_length", "hop_length", "n_fft", "frames", "version"):
        assert second[key] == first[key]
    assert second["input"] == {**first["input"], "path": "a.wav"}
    assert second["learned_in"] == mode
    assert second["settings"]["window_mode"] == mode
    check_written("again", "a.wav", soundfile.read("a.wav", always_2d=True)[0])
    value = f"{second['criterion']['final']:.5g}"
    assert out.splitlines()[1] == f"renyi          {value} (lower is sparser)"
    assert out.splitlines()[-1] == "results        again"


def test_another_recording_of_another_duration(folder, apply):
    apply("constant", "longer.wav")
    check_written("longer-dstft", "longer.wav", soundfile.read("longer.wav", always_2d=True)[0])
    stored = read_parameters(Path("longer-dstft/parameters.npz"))
    assert stored.samples == 6500
    np.testing.assert_array_equal(stored.frame_centers, 16.0 * np.arange(407))
    learned = read_parameters(Path("constant/parameters.npz"))
    np.testing.assert_array_equal(stored.window_length, learned.window_length)


def test_another_sample_rate_keeps_the_durations(folder, apply):
    _, err = apply("constant", "other.wav", "-o", "out")
    note = (
        "the parameters were learned at 8000 Hz, the recording has 12000 Hz: lengths are kept in "
        "seconds, n_fft 256 becomes 384"
    )
    assert err == f"warning: {note}\n"
    assert read_json("out/result.json")["warnings"] == [note]
    learned = read_parameters(Path("constant/parameters.npz"))
    stored = read_parameters(Path("out/parameters.npz"))
    assert (stored.sample_rate, stored.n_fft) == (12000, 384)
    np.testing.assert_allclose(stored.window_length / 12000, learned.window_length / 8000)
    np.testing.assert_allclose(np.diff(stored.times), 16 / 8000)
    check_written("out", "other.wav", soundfile.read("other.wav", always_2d=True)[0])
    # resampled, it is as any recording of 8000 Hz
    assert apply("constant", "other.wav", "-o", "resampled", "--sr", "8000")[1] == ""
    assert read_parameters(Path("resampled/parameters.npz")).n_fft == 256


def test_lengths_per_frame_on_a_part_of_the_same_duration(folder, apply):
    apply("time", "longer.wav", "--offset", "0.25", "--duration", "0.5", "-o", "part")
    x = soundfile.read("longer.wav", always_2d=True)[0][2000:6000]
    check_written("part", "longer.wav", x)
    learned = read_parameters(Path("time/parameters.npz"))
    np.testing.assert_array_equal(
        read_parameters(Path("part/parameters.npz")).window_length, learned.window_length
    )


def test_all_channels_and_back_to_audio(folder, apply):
    apply("time", "b.wav", "--channel", "all", "--save-stft", "--format", "svg")
    written = {path.name for path in Path("b-dstft").iterdir()}
    assert written == (FILES - {"spectrogram.png"}) | {"stft.npy", "spectrogram.svg"}
    assert np.load("b-dstft/spectrogram.npy").shape == (2, 129, 251)
    x, _ = soundfile.read("b.wav")
    X = np.load("b-dstft/stft.npy")
    np.testing.assert_allclose(X, recomputed(x, "b-dstft"), atol=1e-5 * np.abs(X).max())
    assert main(["reconstruct", "b-dstft", "-o", "back.wav"]) == 0
    back, _ = soundfile.read("back.wav")
    assert np.linalg.norm(back - x) <= 1e-5 * np.linalg.norm(x)


def test_json_and_npy_on_standard_output(folder, apply):
    before = set(folder.rglob("*"))
    out, _ = apply("constant", "longer.wav", "--json")
    assert json.loads(out)["learned_in"] == "constant"
    out, _ = apply("constant", "longer.wav", "--npy", "-")
    assert out.startswith(b"\x93NUMPY")
    assert set(folder.rglob("*")) == before


def test_results_of_apply_can_be_applied(folder, apply):
    apply("constant", "longer.wav", "-o", "first")
    apply("first", "a.wav", "-o", "second")
    for name in ("frame_centers", "window_length"):
        np.testing.assert_array_equal(
            getattr(read_parameters(Path("second/parameters.npz")), name),
            getattr(read_parameters(Path("constant/parameters.npz")), name),
        )


def edit_record(name: str, change) -> None:
    record = read_json(f"{name}/result.json")
    change(record)
    Path(f"{name}/result.json").write_text(json.dumps(record), encoding="utf-8")


def test_a_record_that_holds_smoothness_for_one_length_can_be_applied(folder, apply):
    edit_record("constant", lambda record: record["settings"].update(smoothness=0.1))
    apply("constant", "longer.wav", "-o", "applied")
    assert read_json("applied/result.json")["settings"]["smoothness"] is None


LACKS = "constant/result.json lacks the settings of a run or is damaged: run dstft optimize again"
BROKEN_RECORDS = {
    "missing": (
        lambda: Path("constant/result.json").unlink(),
        "constant/result.json does not exist: name a directory that dstft optimize has written",
    ),
    "cut": (
        lambda: Path("constant/result.json").write_text('{"settings": '),
        "constant/result.json is not JSON or is damaged: run dstft optimize again",
    ),
    "list": (
        lambda: Path("constant/result.json").write_text("[]"),
        "constant/result.json holds no record of a run: run dstft optimize again",
    ),
    "no settings": (lambda: edit_record("constant", lambda r: r.pop("settings")), LACKS),
    "no criterion": (
        lambda: edit_record("constant", lambda r: r["settings"].pop("criterion")),
        LACKS,
    ),
    "bad power": (
        lambda: edit_record("constant", lambda r: r["settings"].update(power=-1)),
        LACKS,
    ),
    "no hop": (
        lambda: edit_record("constant", lambda r: r["settings"].update(hop_length=None)),
        "constant/result.json holds no hop length: run dstft optimize again",
    ),
    "no directory": (
        lambda: shutil.rmtree("constant"),
        "constant: no such directory: check the path",
    ),
    "no parameters": (
        lambda: Path("constant/parameters.npz").unlink(),
        "constant/parameters.npz does not exist: name a directory that dstft optimize has written",
    ),
}


@pytest.mark.parametrize(("damage", "message"), BROKEN_RECORDS.values(), ids=BROKEN_RECORDS)
def test_broken_directories(folder, apply, damage, message):
    damage()
    before = set(folder.rglob("*"))
    assert apply("constant", "a.wav", "-o", "new/out", code=1) == ("", f"dstft: {message}\n")
    assert set(folder.rglob("*")) == before


REFUSED = {
    "duration": (
        ["time", "longer.wav"],
        1,
        "longer.wav: the parameters vary from frame to frame over 0.500 s, the recording lasts 0.812 s: "
        "choose as much of it with --offset and --duration, or learn with --window-mode constant or "
        "frequency",
    ),
    "rate": (
        ["time", "other.wav"],
        1,
        "other.wav: the parameters vary from frame to frame at 8000 Hz, the recording has 12000 Hz: "
        "resample it with --sr 8000",
    ),
    "input": (["constant", "none.wav"], 1, "none.wav: no such file: check the path"),
    "itself": (
        ["constant", "a.wav", "-o", "time/../constant", "--force"],
        2,
        "time/../constant holds the parameters that are applied: choose another place with -o",
    ),
    "exists": (
        ["constant", "a.wav", "-o", "time"],
        2,
        "time exists: use --force to replace it or -o for another place",
    ),
    "option": (["constant", "a.wav", "--db-range", "0"], 2, "--db-range 0: must be above 0"),
    "swapped": (
        ["a.wav", "constant"],
        2,
        "a.wav is a file and constant a directory: the order is dstft apply DIR INPUT",
    ),
    "one sample": (
        ["constant", "a.wav", "--duration", "0.1ms"],
        1,
        "a.wav: signal of 1 sample: at least 2 are needed for a window",
    ),
    "colours": (
        ["constant", "a.wav", "--cmap", "vridis"],
        2,
        "colour map 'vridis' is unknown: choose another --cmap, such as viridis, cividis, Reds",
    ),
    "frequencies": (
        ["constant", "a.wav", "--fmax", "1e9"],
        2,
        "--fmax 1e+09 Hz is above the highest frequency 4000 Hz: lower --fmax",
    ),
    "no input": (["constant"], 2, "missing argument 'INPUT': see 'dstft apply --help'"),
}


@pytest.mark.parametrize(("arguments", "code", "message"), REFUSED.values(), ids=REFUSED)
def test_refused(folder, apply, arguments, code, message):
    before = set(folder.rglob("*"))
    assert apply(*arguments, code=code) == ("", f"dstft: {message}\n")
    assert set(folder.rglob("*")) == before


def test_learning_options_are_not_offered(folder, apply):
    for option in ("--criterion", "--n-fft", "--window-mode", "--config", "--set"):
        _, err = apply("constant", "a.wav", option, "1", code=2)
        assert err.startswith(f"dstft: no such option '{option}'")
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    "options",
    [
        "--window-mode frequency",
        "--window-mode time-frequency",
        "--window-mode frequency --hop-mode time --max-steps 8",
        "--window-mode constant --hop-mode constant --max-steps 8",
        "--window-mode time --hop-mode time --max-steps 8",
    ],
)
def test_every_kind_of_parameters_on_the_recording_learned_from(folder, apply, options):
    learn = [*options.split(), "--n-fft", "128", "-q", "-o", "own"]
    assert main(["optimize", "a.wav", *learn]) == 0
    apply("own", "a.wav", "-o", "again")
    record, again = (json.loads(Path(d, "result.json").read_text()) for d in ("own", "again"))
    assert again["criterion"]["final"] == pytest.approx(record["criterion"]["final"], rel=1e-5)
    one, two = (np.load(Path(d, "spectrogram.npy")) for d in ("own", "again"))
    np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6 * one.max())
    own, same = (read_parameters(Path(d, "parameters.npz")) for d in ("own", "again"))
    np.testing.assert_allclose(own.frame_centers, same.frame_centers, atol=1e-6)
    np.testing.assert_array_equal(own.window_length, same.window_length)


def test_lengths_per_frequency_on_a_longer_recording(folder, apply):
    learn = ["--window-mode", "frequency", "--n-fft", "128", "-q", "-o", "own"]
    assert main(["optimize", "a.wav", *learn]) == 0
    apply("own", "longer.wav", "-o", "other")
    own, other = (read_parameters(Path(d, "parameters.npz")) for d in ("own", "other"))
    np.testing.assert_array_equal(own.window_length, other.window_length)
    assert other.window_length.shape == (65, 1)
    x = torch.from_numpy(soundfile.read("longer.wav", dtype="float32")[0])
    X = stft(x, *(torch.from_numpy(a) for a in (other.frame_centers, other.window_length)), 128)
    np.testing.assert_allclose(np.load("other/spectrogram.npy"), X.abs(), atol=1e-5)


def test_the_criterion_looks_at_the_band_it_was_learned_with(folder, apply):
    options = ["--window-mode", "frequency", "--n-fft", "256", "--criterion-fmin", "500", "-q"]
    assert main(["optimize", "a.wav", *options, "--criterion-fmax", "1500", "-o", "banded"]) == 0
    apply("banded", "a.wav", "-o", "again")
    learned, applied = (read_json(f"{place}/result.json") for place in ("banded", "again"))
    assert applied["criterion"]["final"] == pytest.approx(learned["criterion"]["final"], rel=1e-5)
    assert applied["settings"]["criterion_fmax"] == 1500
    apply("banded", "a.wav", "-o", "drawn", "--format", "svg")
    assert Path("drawn/spectrogram.svg").read_text(encoding="utf-8").count("criterion band") == 2


def test_a_filter_that_is_left_out_is_told(folder, apply):
    options = ["--n-fft", "256", "--highpass", "90", "--no-figures", "-q"]
    assert main(["optimize", "a.wav", *options, "-o", "filtered"]) == 0
    apply("filtered", "a.wav", "-o", "unlike")
    assert read_json("unlike/result.json")["warnings"] == [
        "filtered was learned from a recording above 90 Hz, and this one is read otherwise: give "
        "--highpass 90 too"
    ]
    apply("constant", "a.wav", "-o", "also", "--highpass", "90")
    assert read_json("also/result.json")["warnings"] == [
        "constant was learned from a recording without a filter, and this one is read otherwise: leave "
        "--highpass out"
    ]
    apply("filtered", "a.wav", "-o", "alike", "--highpass", "90")
    record, again = (read_json(f"{place}/result.json") for place in ("filtered", "alike"))
    assert again["warnings"] == []
    assert again["criterion"]["final"] == pytest.approx(record["criterion"]["final"], rel=1e-5)


def test_a_band_above_the_recording_is_refused(folder, capsys):
    options = ["--n-fft", "256", "--criterion-fmin", "1500", "--no-figures"]
    assert main(["optimize", "a.wav", *options, "-o", "banded"]) == 0
    summary = capsys.readouterr().out.splitlines()[1]
    assert "(from 1500 Hz on; start " in summary
    assert main(["apply", "banded", "a.wav", "--sr", "2000", "-o", "low"]) == 2
    assert capsys.readouterr().err == (
        "dstft: the criterion of banded looks from 1500 Hz on, and a recording at 2000 Hz has no bins "
        "there: choose another --sr, or run dstft optimize again with another --criterion-fmin or "
        "--criterion-fmax\n"
    )
    assert not Path("low").exists()
