"""The commands beside `dstft optimize`: what they take, print and refuse."""

import json
import re
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from contract.support import listing, refused
from contract.support import run as dstft

from dstft_cli.cli import main

from .conftest import Terminal

# sweep


def test_sweep_prints_a_table_and_a_verdict(folder):
    printed = dstft("sweep", "a.wav", "--no-figures")
    header, row, empty, verdict, place = printed.text.splitlines()
    record = json.loads(Path("a-sweep/sweep.json").read_text())
    (entry,) = record["criteria"]
    assert header.split()[0] == "criterion"
    fields = re.split("  +", row)
    assert fields[0] == "entropy"
    assert fields[2] == str(entry["best"]["n_fft"])
    assert fields[-1] == entry["matters"]
    assert verdict.startswith(f"The window length matters {entry['matters']}: ")
    assert f"Use n_fft {entry['best']['n_fft']} " in verdict
    assert (empty, place, printed.err) == ("", "results in a-sweep", "")
    assert dstft("sweep", "a.wav", "-q", "--force", "--no-figures").text == ""


def test_sweep_takes_what_concerns_it(folder):
    Path("c.yaml").write_text(
        "window_mode: time\nsmoothness: 1\ncriterion: all\npower: 1\ncsv: c.csv\n"
    )
    options = ["--config", "c.yaml", "--set", "power=3", "-o", "out"]
    printed = dstft("sweep", "a.wav", *options, "--set", "smoothness=1", "--no-figures")
    assert printed.err.splitlines()[0].startswith("note: --set smoothness=1 has no effect")
    assert Path("c.csv").exists()
    assert json.loads(Path("out/sweep.json").read_text())["settings"]["power"] == 3


# apply


def test_apply_keeps_what_was_learned(place):
    for name, source in (("time", "a.wav"), ("constant", "other.wav")):
        options = ["--highpass", "20", "--freq-scale", "mel", "--no-figures"]
        printed = dstft("apply", name, source, "-o", f"{name}-{source}", *options)
        assert printed.text.splitlines()[-1].split() == ["results", f"{name}-{source}"]
        record = json.loads(Path(f"{name}-{source}/result.json").read_text())
        learned = json.loads(Path(f"{name}/result.json").read_text())
        assert record["settings"]["window_mode"] == learned["settings"]["window_mode"] == name
        assert record["settings"]["criterion"] == "entropy"
        assert record["learned_in"] == name
        assert "note" in printed.err  # --freq-scale without a picture
    again = dstft("apply", "time-a.wav", "a.wav", "--json", "--highpass", "20")
    assert json.loads(again.text)["settings"]["window_mode"] == "time"
    told = dstft("apply", "constant", "a.wav", "--preset", "speech", "--json")
    assert "--highpass 20" in told.err
    settings = json.loads(told.text)["settings"]
    assert (settings["window_mode"], settings["hop_length"]) == ("constant", 32)


def test_warnings_of_several_recordings_name_them(place):
    err = dstft("apply", "constant", "a.wav", "other.wav", "--no-figures").err.splitlines()
    warnings = [line for line in err if line.startswith("warning: ")]
    assert warnings
    assert all(line.split(": ")[1] in ("a.wav", "other.wav") for line in warnings)


# reconstruct


def test_reconstruct_refuses(place, monkeypatch):
    data = Path("time/stft.npy").read_bytes()
    for broken in (data[:-1], b"This is not an array.\n", b""):
        Path("time/stft.npy").write_bytes(broken)
        assert "time/stft.npy" in refused("reconstruct", "time", "-o", "x.wav", code=1)
    Path("time/stft.npy").unlink()
    assert "--save-stft" in refused("reconstruct", "time", "-o", "x.wav", code=1)
    monkeypatch.setattr(sys, "stdout", Terminal())
    assert main(["reconstruct", "time", "-o", "-"]) == 2
    assert sys.stdout.text() == ""


# report


def test_report(place):
    printed = dstft("report", ".", "--title", "Owls & co")
    assert "report.html" in printed.text
    assert "Owls &amp; co" in Path("report.html").read_text()
    assert dstft("report", ".", "-q", "--force").text == ""


# reproduce


@pytest.fixture
def experiments(monkeypatch):
    """Calls of the experiments, which take no time."""
    seen: list[dict] = []
    rows = [[1.5, "a"], [2.25, "b"]]
    table = SimpleNamespace(
        columns=["x", "name"], rows=rows, text=lambda: [["1.5", "a"], ["2.2", "b"]]
    )
    findings = SimpleNamespace(title="Hops", table=table, notes=["moved"])

    def run_experiments(name, **options):
        seen.append({"name": name, **options})
        return SimpleNamespace(
            findings={name: findings}, seconds={name: 1.25}, threads=2, output=Path("hops-dstft")
        )

    module = SimpleNamespace(run_experiments=run_experiments)
    monkeypatch.setitem(sys.modules, "dstft_cli.experiments", module)
    return seen


def test_reproduce(experiments, monkeypatch):
    printed = dstft("reproduce", "hops", "--seed", "3", "--threads", "1", "--data", "d", "-o", "o")
    call = experiments[0]
    assert (call["seed"], call["threads"], call["force"]) == (3, 1, False)
    assert (call["data"], call["output"]) == (Path("d"), Path("o"))
    lines = printed.text.splitlines()
    assert lines[:5] == ["Hops", "x    name", "1.5  a", "2.2  b", "- moved"]
    assert lines[-1].split() == ["output", "hops-dstft"]
    printed = dstft("reproduce", "hops", "--csv", "-v")
    assert printed.text == "x,name\n1.5,a\n2.25,b\n"
    assert printed.err == "hops: 1.2 s on 2 threads\n"
    assert dstft("reproduce", "hops", "-q").text == ""
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Terminal())
        assert main(["reproduce", "hops"]) == 0
        assert "┏" in sys.stdout.text()


def test_what_a_sample_rate_forbids_names_the_recording_and_the_preset(folder):
    soundfile.write("slow.wav", np.linspace(-1, 1, 2000), 20)
    message = refused("optimize", "slow.wav", "--preset", "vibration")
    assert message.startswith("slow.wav at 20 Hz: ")
    assert "--preset vibration" in message
    assert "--preset music" in refused("sweep", "slow.wav", "--preset", "music")
    message = refused("optimize", "slow.wav", "--preset", "music", "--highpass", "15")
    assert message.startswith("slow.wav: --highpass 15 Hz")
    assert "--preset" not in message
    assert {path.name for path in listing(folder)} == {"a.wav", "ab.wav", "slow.wav"}


# batch


def test_batch_presets(folder):
    shutil.copy("a.wav", "b.wav")
    text = "defaults: {preset: music, n_fft: 512}\noutput: '{stem}-{fmin}'\n"
    Path("c.yaml").write_text(text + "jobs:\n- {input: a.wav}\n- {input: b.wav, preset: speech}\n")

    def planned(*options: str) -> list[dict]:
        lines = dstft("batch", "c.yaml", "--dry-run", "--json", *options).text.splitlines()
        return [json.loads(line)["settings"] for line in lines]

    found = planned()
    shown = [(s["fmin"], s["freq_scale"], s["n_fft"]) for s in found]
    assert shown == [(30, "log", 512), (50, "mel", 512)]
    assert [s["db_range"] for s in planned("--preset", "vibration")] == [90, 90]
    assert [s["fmin"] for s in planned("--set", "fmin=40")] == [40, 40]
    Path("list").write_text("a.wav\n")
    options = ["--from", "list", "--preset", "bioacoustics", "--dry-run", "--json"]
    line = json.loads(dstft("batch", *options).text)
    assert (line["settings"]["fmin"], line["settings"]["window_mode"]) == (500, "time-frequency")
