"""`dstft batch` with odd names through a pipe, and with libraries that write to its streams."""

import json

import pytest

from batch.batch_example import SETTINGS, batch, clip, clips, config, in_process, results


def test_inputs_from_a_pipe_whatever_their_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = ["two words", "line\nbreak", "🐦", "--force", "a\udcffb", "'quote\"", "*"]
    for number, name in enumerate(names):
        clip(tmp_path / f"{name}.wav", number)
    done = in_process(
        *("--from0", "-", "--output", "out/{stem}", "--json", "--no-report"),
        *(part for pair in SETTINGS for part in ("--set", pair)),
        stdin="".join(f"{name}.wav\0" for name in names).encode("utf-8", "surrogateescape"),
    )
    rows = [json.loads(line) for line in done.text.splitlines()]
    assert {row["input"] for row in rows} == {f"{tmp_path}/{name}.wav" for name in names}
    assert set(results(tmp_path / "out")) == set(names)


@pytest.mark.slow
def test_what_libraries_print_garbles_nothing(tmp_path):
    clips(tmp_path / "in", 1)
    for verbose in (False, True):
        text = f"output: out-{verbose}/{{stem}}\n"
        text += "jobs: [{input: 'in/*.wav', criterion: 'batch_criteria:Loud'}]\n"
        done = batch(config(tmp_path, text), "--json", "--no-report", *(["-v"] if verbose else []))
        (row,) = map(json.loads, done.stdout.splitlines())
        assert row["status"] == "done"
        assert ("noise on 1" in done.stderr, "noise on 2" in done.stderr) == (verbose, verbose)
