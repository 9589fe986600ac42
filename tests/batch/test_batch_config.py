"""Configs of batches: what they mean, and what is refused before anything runs."""

import re
from pathlib import Path

import pytest

from dstft_cli.batch import make_plan, read_config
from dstft_cli.batch.config import FIELDS, JOB_KEYS, TOP_KEYS
from dstft_cli.batch.plan import Template
from dstft_cli.errors import UsageError
from dstft_cli.settings import OPTIONS, Length

DOCS = (Path(__file__).parents[2] / "docs" / "batch.md").read_text(encoding="utf-8")
JOBS = "jobs: [{input: a.wav}]\n"
MANY = list(range(1, 401))


def write(folder: Path, text: str) -> Path:
    path = folder / "batch.yaml"
    path.write_text(text, encoding="utf-8")
    for name in ("a.wav", "b.wav"):
        (folder / name).touch()
    return path


def refused(folder: Path, text: str, pairs=(), output=None) -> str:
    """The error of a config, its path shortened."""
    with pytest.raises(UsageError) as caught:
        make_plan(read_config(write(folder, text), pairs, output))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder / "batch.yaml"), "FILE")


def test_defaults_own_settings_matrix_and_overrides(tmp_path):
    text = """
    defaults: {power: 1, seed: 1, overlap: 0.4, win_length: 8ms}
    output: results/{name}/{criterion}-{window_mode}/{stem}
    jobs:
      - input: a.wav
        name: first
        seed: 2
        matrix:
          criterion: [entropy, hoyer]
          window_mode: [constant, time]
      - input: [b.wav, a.wav]
    """
    plan = make_plan(read_config(write(tmp_path, text), ["overlap=0.3"]))
    assert plan.folder == tmp_path / "results"
    mode = plan.variants[plan.jobs[4].variant].settings.window_mode
    assert [(job.index, job.input, job.output) for job in plan.jobs] == [
        (1, "a.wav", "first/entropy-constant/a"),
        (2, "a.wav", "first/entropy-time/a"),
        (3, "a.wav", "first/hoyer-constant/a"),
        (4, "a.wav", "first/hoyer-time/a"),
        (5, "b.wav", f"b.wav/entropy-{mode}/b"),
        (6, "a.wav", f"a.wav/entropy-{mode}/a"),
    ]
    found = [plan.variants[job.variant].settings for job in plan.jobs]
    assert {(s.power, s.overlap, s.win_length) for s in found} == {(1.0, 0.3, Length(8.0, "ms"))}
    assert [s.seed for s in found] == [2, 2, 2, 2, 1, 1]
    assert plan.varying == ("window_mode", "criterion", "seed")
    assert plan.settings_that_vary(plan.jobs[2])["criterion"] == "hoyer"
    assert plan.source(plan.jobs[4]) == str(tmp_path / "b.wav")


def test_matrix_preset_and_settings_without_effect(tmp_path):
    text = "defaults: {preset: speech}\njobs: [{input: a.wav}, {input: b.wav, window: kaiser, seed: 1, "
    text += "matrix: {seed: [2, 3]}}]\noutput: '{stem}-{seed}'"
    plan = make_plan(read_config(write(tmp_path, text)))
    assert [v.settings.preset for v in plan.variants] == ["speech"] * 3
    assert [v.settings.seed for v in plan.variants][1:] == [2, 3]
    assert plan.variants[1].settings.window == "kaiser"
    assert "preset" in refused(tmp_path, "defaults: {preset: nosuch}\n" + JOBS)
    text = (
        "defaults: {smoothness: 0.2, order: 2, criterion: renyi}\noutput: '{window_mode}'\n"
        "jobs: [{input: a.wav, criterion: entropy, matrix: {window_mode: [constant, time]}}]"
    )
    plan = make_plan(read_config(write(tmp_path, text)))
    assert [variant.settings.smoothness for variant in plan.variants] == [None, 0.2]
    assert [variant.settings.order for variant in plan.variants] == [None, None]


def test_what_is_refused_names_file_line_and_value(tmp_path):
    job = "jobs:\n  - input: a.wav\n    "
    for text, start, *parts in (
        ("", "FILE: ", "jobs"),
        ("- a", "FILE: ", "no settings"),
        ("jobs: []", "FILE:1: ", "list"),
        ("jobs: [a.wav]", "FILE:1: ", "mapping"),
        ("jobs: [{name: x}]", "FILE:1: ", "no input"),
        (JOBS + "output: [x]", "FILE:2: ", "output", "single value"),
        (JOBS + "defualts: {}", "FILE:2: ", "'defualts'", "'defaults'"),
        (JOBS + "criterion: entropy", "FILE:2: ", "'criterion'", "defaults"),
        ("defaults:\n  powr: 2\n" + JOBS, "FILE:2: ", "'powr'", "'power'"),
        (job + f"matrix: {{seed: {MANY}, max_steps: {MANY}}}", "FILE:3: ", "160000"),
        (job + "matrix:\n      criterium: [a]", "FILE:4: ", "'criterium'", "'criterion'"),
        ("defaults: [1]\n" + JOBS, "FILE:1: ", "defaults", "mapping"),
        (job + "matrix:\n      criterion: [entropy,\n         entopy]", "FILE:5: ", "'entropy'"),
        (job + "matrix: {seed: [1, 2, 1]}", "FILE:3: ", "seed 1", "twice"),
        (job + "matrix: {seed: 1}", "FILE:3: ", "list"),
        (job + "input: b.wav", "FILE:3: ", "line 2"),
        ("jobs:\n  - input:\n    - a.wav\n    - ''", "FILE:2: ", "empty"),
        ("jobs: [{input: []}]", "FILE:1: ", "empty"),
        ("jobs: [{input: a.wav, name: ../x}]", "FILE:1: ", "'../x'"),
        ("jobs: [{input: a.wav, output: x}]", "FILE:1: ", "output in a job"),
        ("defaults: {force: true}\n" + JOBS, "FILE:1: ", "force in defaults"),
        ("defaults: {npy: a.npy}\n" + JOBS, "FILE:1: ", "npy in defaults"),
        ("jobs: [{input: '*.flac'}]", "FILE:1: ", "'*.flac'", str(tmp_path)),
        ("jobs: [{input: a", "FILE:1: ", "YAML"),
    ):
        found = refused(tmp_path, text)
        assert found.startswith(start), found
        assert all(part in found for part in parts), found
    matrix = "jobs: [{input: a.wav, matrix: {seed: [1, 2]}}]\noutput: '{seed}'"
    for pair in ("powr=2", "power=0", "output=x", "json=true", "seed=3"):
        assert refused(tmp_path, matrix, [pair]).startswith(f"`set` {pair}: ")
    with pytest.raises(UsageError, match=r"none\.yaml: .*no such file"):
        read_config(Path("none.yaml"))


def test_templates_that_are_refused(tmp_path):
    for output, part in (
        ("~/{stem}", "leaves the output folder"),
        ("../{stem}", "'..'"),
        ("a/../../{stem}", "'..'"),
        ("{stm}", "'stem'"),
        ("{qqqq}", "{folder}"),
        ("{stem.__class__}", "no field {stem.__class__}"),
        ("{}", "no field {}"),
        ("{stem!r}", "only {index}"),
        ("{index:99999d}", "two digits"),
        ("{stem", "not a template"),
        (".", "names no directory"),
        ("x{folder}", "several folders"),
        ("{folder}", "becomes ''"),
    ):
        text = f"jobs: [{{input: a.wav}}]\noutput: '{output}'"
        found = refused(tmp_path, text)
        assert found.startswith("FILE:"), found
        assert part in found
    template = Template.parse("x/{criterion}", "T")
    for value in ("..", "a/b", ""):  # a value that would lead elsewhere
        with pytest.raises(UsageError, match="not a directory name"):
            template.expand({"criterion": value})
    assert len(refused(tmp_path, f"{JOBS}output: '{'x' * 999}/..'")) < 300


def test_braces_numbers_and_folders_in_templates(tmp_path):
    text = "jobs: [{input: [a.wav, b.wav], win_length_max: 23ms}]\n"
    text += "output: 'r/{{x}}-{index:03d}-{win_length_max}-{n_fft}-{search}'"
    path = write(tmp_path, text)
    plan = make_plan(read_config(path))
    assert [job.output for job in plan.jobs] == ["{x}-001-23ms-auto-true", "{x}-002-23ms-auto-true"]
    assert plan.folder == tmp_path / "r"
    plan = make_plan(read_config(path, (), "y/{name}"))
    assert plan.place(plan.jobs[0]) == tmp_path / "y" / "a.wav"
    path.write_text(f"{JOBS}output_folder: {tmp_path / 'elsewhere'}")
    plan = make_plan(read_config(path))
    assert plan.place(plan.jobs[0]) == tmp_path / "elsewhere" / "a-dstft"


def test_a_config_cannot_repeat_jobs_without_limit(tmp_path, monkeypatch):
    path = tmp_path / "b.yaml"
    monkeypatch.setattr("dstft_cli.batch.config.MOST_JOBS", 100)
    path.write_text("jobs:\n  - &j\n    input: [a.wav, b.wav]\n" + "  - *j\n" * 60)
    with pytest.raises(UsageError, match="more than 100 jobs"):
        read_config(path)


def test_the_docs_name_every_key_and_field_and_their_example_plans(tmp_path):
    named = re.findall(r"^\| `(\w+)` \|", DOCS.split("| key |")[1].partition("\n\n")[0], re.M)
    assert sorted(named) == sorted({*TOP_KEYS, *JOB_KEYS})
    table = DOCS.partition("| field |")[2].partition("\n\n")[0]
    fields = set(re.findall(r"`\{(\w+)\}`", table))
    assert fields <= set(FIELDS)
    assert set(FIELDS) - fields <= set(OPTIONS)
    (example,) = re.findall(r"```yaml\n(.*?)```", DOCS, re.DOTALL)
    path = tmp_path / "night.yaml"
    path.write_text(example)
    clip = tmp_path / "recordings" / "meadow" / "dawn" / "clip.wav"
    clip.parent.mkdir(parents=True)
    clip.touch()
    outputs = [job.output for job in make_plan(read_config(path)).jobs]
    names = "meadow/entropy/clip meadow/renyi/clip calls/entropy/a calls/entropy/b"
    assert outputs == names.split()
