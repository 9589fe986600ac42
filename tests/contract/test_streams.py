"""Standard streams, existing results, readable files, exit codes."""

import io
import json
import os
import sys

import numpy as np
import pytest
import soundfile

from dstft_cli.cli import main
from tests.batch.batch_example import InProcess

from .support import CONSTANT, FIXED, RATE, N, listing, read, refused, run

PNG = b"\x89PNG\r\n\x1a\n"


def test_data_is_all_of_stdout(folder):
    before = listing(folder)
    record = run("optimize", "a.wav", *CONSTANT, "--json").json
    assert record["criterion"]["name"] == "entropy"
    assert record["input"]["samples"] == N
    magnitudes = np.load(io.BytesIO(run("optimize", "a.wav", *CONSTANT, "--npy", "-").out))
    assert (magnitudes.dtype, magnitudes.shape) == (np.float32, (129, 1 + N // 32))
    picture = run("optimize", "a.wav", *CONSTANT, "--png", "-").out
    assert picture.startswith(PNG)
    assert picture.endswith(b"IEND\xaeB`\x82")
    assert listing(folder) == before


def test_directory_beside_a_stream_where_it_is_asked_for(folder):
    ran = run("optimize", "a.wav", *CONSTANT, "--json", "-o", "out", "--no-figures")
    stored = json.loads((folder / "out/result.json").read_text(encoding="utf-8"))
    assert ran.json["criterion"] == stored["criterion"]
    options = ["--npy", "-", "--png", "x.png", "-o", "two", "--no-figures"]
    ran = run("optimize", "a.wav", *CONSTANT, *options)
    np.testing.assert_array_equal(np.load(io.BytesIO(ran.out)), read("two").spectrogram)
    assert (folder / "x.png").read_bytes().startswith(PNG)
    quiet = run("optimize", "a.wav", *CONSTANT, "-q", "-o", "q", "--npy", "x.npy", "--no-figures")
    assert (quiet.out, quiet.err) == (b"", "")
    np.testing.assert_array_equal(np.load("x.npy"), read("q").spectrogram)


def test_standard_input(folder):
    whole = (folder / "a.wav").read_bytes()
    record = run("optimize", "-", *CONSTANT, "--json", stdin=whole).json
    assert record["input"]["path"] == "-"
    file = run("optimize", "a.wav", *CONSTANT, "--json").json
    assert record["criterion"] == file["criterion"]
    refused("optimize", "-", *CONSTANT, stdin=b"", code=1)


def test_bad_inputs(folder):
    tone = np.sin(np.arange(N) / 5)
    sounds = {"nan": tone.copy(), "inf": tone.copy(), "zeros": 0 * tone, "one": tone[1:2]}
    sounds["nan"][99], sounds["inf"][99] = np.nan, np.inf
    for name, samples in sounds.items():
        soundfile.write(f"{name}.wav", samples, RATE, subtype="FLOAT")
    (folder / "empty.wav").write_bytes(b"")
    (folder / "text.wav").write_text("no recording\n" * 50)
    (folder / "header.wav").write_bytes((folder / "a.wav").read_bytes()[:30])
    (folder / "folder.wav").mkdir()
    before = listing(folder)
    for name in ("gone", "empty", "text", "header", "folder", "one", "zeros", "nan", "inf"):
        for verb in ("optimize", "sweep"):
            message = refused(verb, f"{name}.wav", "--n-fft", "256", "-o", "deep/out", code=1)
            assert f"{name}.wav" in message, message
    refused("optimize", "a.wav", "--offset", "5", code=1)
    assert listing(folder) == before


def test_what_exists_is_kept(folder):
    quick = ["optimize", "a.wav", *FIXED, "--no-figures", "-o", "out", "-q"]
    run(*quick)
    before = (folder / "out/result.json").read_bytes()
    message = refused(*quick)
    assert "out" in message
    assert "--force" in message
    assert (folder / "out/result.json").read_bytes() == before
    run(*quick, "--win-length", "100", "--force")
    assert read("out").record["window_length"] == 100
    assert sorted(os.listdir()) == ["a.wav", "ab.wav", "out"]
    for option in ("--npy", "--png"):
        (folder / "mine").write_text("mine")
        refused("optimize", "a.wav", *FIXED, option, "mine", "-o", "new")
        assert (folder / "mine").read_text() == "mine"
        assert not (folder / "new").exists()


BATCH = """\
defaults: {n_fft: 256, hop_length: 64, window_mode: fixed, figures: false}
output: out/{index}
jobs: [{input: a.wav}, {input: gone.wav}, {input: ab.wav}]
"""
DONE = ["1", "3", "batch-journal.jsonl", "report.html", "summary.csv"]


@pytest.mark.parametrize(
    ("stream", "line", "code", "written"),
    [
        ("stdout", "optimize a.wav --json -o out", 0, ["out", "result.json"]),
        ("stdout", "optimize a.wav --npy - --png x.png", 0, ["x.png"]),
        ("stdout", "optimize a.wav --npy -", 0, []),
        ("stdout", "optimize a.wav --emit scipy --npy x.npy", 0, ["x.npy"]),
        ("stdout", "optimize a.wav -o out", 0, ["out", "result.json"]),
        ("stdout", "optimize a.wav --npy PIPE -o out", 0, ["out", "result.json"]),
        ("stdout", "optimize a.wav --png PIPE --npy x.npy", 0, ["x.npy"]),
        ("stderr", "optimize a.wav -v -o out", 0, ["out", "result.json"]),
        ("stdout", "sweep a.wav --n-fft 256 --csv - -o out", 0, ["out", "sweep.csv"]),
        ("stdout", "batch b.yaml --workers 1", 1, DONE),
        ("stdout", "batch b.yaml --workers 1 --json", 1, DONE),
        ("stderr", "batch b.yaml --workers 1 -v", 1, DONE),
    ],
)
def test_a_reader_that_leaves_stops_no_work(folder, monkeypatch, stream, line, code, written):
    (folder / "b.yaml").write_text(BATCH)
    before = listing(folder)
    name, *options = line.split()
    if name == "optimize":
        options += [*FIXED, "--no-figures"] if "--png" not in options else FIXED
    if name == "batch":
        monkeypatch.setattr("dstft_cli.batch.pools.LocalExecutor", InProcess)
    reader, writer = os.pipe()
    os.close(reader)
    options = [option.replace("PIPE", f"/dev/fd/{writer}") for option in options]
    with open(writer, "w", encoding="utf-8") as pipe:
        monkeypatch.setattr(sys, stream, pipe)
        assert main([name, *options]) == code
    found = {path.name for path in listing(folder) - before}
    assert set(written) <= found
    assert bool(written) == bool(found)
