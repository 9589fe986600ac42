"""Configs of batches: what they mean, and what is refused before anything runs."""

import re
from pathlib import Path

import pytest

from dstft_cli.batch import from_list, make_plan, read_config
from dstft_cli.batch.config import FIELDS
from dstft_cli.batch.template import Template
from dstft_cli.errors import UsageError
from dstft_cli.settings import Length, Settings


def write(folder: Path, text: str) -> Path:
    path = folder / "batch.yaml"
    path.write_text(text, encoding="utf-8")
    for name in ("a.wav", "b.wav"):
        (folder / name).touch()
    return path


def refused(folder: Path, text: str, pairs=(), output=None) -> str:
    """The error of a config, its path shortened."""
    path = write(folder, text)
    with pytest.raises(UsageError) as caught:
        make_plan(read_config(path, pairs, output))
    assert "\n" not in str(caught.value)
    return str(caught.value).replace(str(folder), "HERE")


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
    assert [(job.index, job.input, job.output) for job in plan.jobs] == [
        (1, "a.wav", "first/entropy-constant/a"),
        (2, "a.wav", "first/entropy-time/a"),
        (3, "a.wav", "first/hoyer-constant/a"),
        (4, "a.wav", "first/hoyer-time/a"),
        (5, "b.wav", "b.wav/entropy-constant/b"),
        (6, "a.wav", "a.wav/entropy-constant/a"),
    ]
    shared = {"power": 1.0, "overlap": 0.3, "win_length": Length(8.0, "ms")}
    settings = [plan.variants[job.variant].settings for job in plan.jobs]
    assert settings[3] == Settings(seed=2, criterion="hoyer", window_mode="time", **shared)
    assert settings[4] == settings[5] == Settings(seed=1, **shared)
    assert len(plan.variants) == 5
    assert plan.varying == ("window_mode", "criterion", "seed")
    assert plan.settings_that_vary(plan.jobs[2]) == {
        "window_mode": "constant",
        "criterion": "hoyer",
        "seed": 2,
    }
    assert plan.source(plan.jobs[4]) == str(tmp_path / "b.wav")


def test_a_matrix_is_above_the_job_s_own_settings(tmp_path):
    text = "jobs: [{input: a.wav, seed: 1, matrix: {seed: [2, 3]}}]\noutput: '{seed}'"
    plan = make_plan(read_config(write(tmp_path, text)))
    assert [variant.settings.seed for variant in plan.variants] == [2, 3]


def test_defaults_that_a_matrix_leaves_without_effect_are_passed_over(tmp_path):
    text = (
        "defaults: {smoothness: 0.2, order: 2, criterion: renyi}\noutput: '{window_mode}'\n"
        "jobs: [{input: a.wav, criterion: entropy, matrix: {window_mode: [constant, time]}}]"
    )
    plan = make_plan(read_config(write(tmp_path, text)))
    assert [variant.settings.smoothness for variant in plan.variants] == [None, 0.2]
    assert [variant.settings.order for variant in plan.variants] == [None, None]


def test_defaults_that_only_some_job_completes(tmp_path):
    text = "defaults: {order: 3}\njobs: [{input: a.wav, criterion: renyi}]"
    plan = make_plan(read_config(write(tmp_path, text)))
    assert plan.variants[0].settings.order == 3


JOBS = "jobs: [{input: a.wav}]\n"
MANY = list(range(1, 401))


def test_a_value_of_a_matrix_is_never_passed_over(tmp_path):
    """Jobs would differ by a setting without effect, and be the same."""
    text = "jobs:\n  - input: a.wav\n    window_mode: time\n    matrix: {smoothness: [0.2, 0.1]}"
    assert refused(tmp_path, text, ["window_mode=constant"]) == (
        "smoothness = 0.2 (HERE/batch.yaml:4) has no effect with --set window_mode=constant, whose "
        "one length never changes: leave it out, or use window_mode time, frequency or "
        "time-frequency"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "HERE/batch.yaml: has no jobs: write 'jobs:' with '- input: FILE' below it"),
        (
            "- a",
            "HERE/batch.yaml: holds no settings: write one 'key: value' a line, or give a list of "
            "recordings to --from",
        ),
        ("jobs: []", "HERE/batch.yaml:1: jobs must be a list: write '- input: FILE' below it"),
        ("jobs: a.wav", "HERE/batch.yaml:1: jobs must be a list: write '- input: FILE' below it"),
        ("jobs: [a.wav]", "HERE/batch.yaml:1: a job must be a mapping: write '- input: FILE'"),
        ("jobs: [{name: x}]", "HERE/batch.yaml:1: a job has no input: write 'input: FILE'"),
        (JOBS + "output: [x]", "HERE/batch.yaml:2: output: must be a single value, not a sequence"),
        (
            JOBS + "defualts: {}",
            "HERE/batch.yaml:2: unknown key 'defualts': did you mean 'defaults'?",
        ),
        (
            JOBS + "criterion: entropy",
            "HERE/batch.yaml:2: unknown key 'criterion': settings for all jobs belong below "
            "'defaults:'",
        ),
        (
            JOBS + "zzz: 1",
            "HERE/batch.yaml:2: unknown key 'zzz': use defaults, output, output_folder, jobs",
        ),
        (
            "defaults:\n  powr: 2\n" + JOBS,
            "HERE/batch.yaml:2: unknown key 'powr': did you mean 'power'?",
        ),
        (
            "jobs:\n  - input: a.wav\n    inptu: b.wav",
            "HERE/batch.yaml:3: unknown key 'inptu': did you mean 'input'?",
        ),
        (
            "jobs:\n  - name: a\n    inptu: b.wav",
            "HERE/batch.yaml:3: unknown key 'inptu': did you mean 'input'?",
        ),
        (
            f"jobs:\n  - input: a.wav\n    matrix: {{seed: {MANY}, max_steps: {MANY}}}",
            "HERE/batch.yaml:3: matrix multiplies out to 160000 combinations: at most 100000: use "
            "shorter lists",
        ),
        (
            "jobs:\n  - input: a.wav\n    matrix:\n      criterium: [a]",
            "HERE/batch.yaml:4: unknown key 'criterium': did you mean 'criterion'?",
        ),
        (
            "defaults: [1]\n" + JOBS,
            "HERE/batch.yaml:1: defaults must be a mapping: write 'key: value' lines below it",
        ),
        (
            "jobs:\n  - input: a.wav\n    power: -1",
            "HERE/batch.yaml:3: power = -1: must be above 0",
        ),
        (
            "jobs:\n  - input: a.wav\n    lr: 0.1\n    optimizer: lbfgs",
            "lr = 0.1 (HERE/batch.yaml:3) has no effect with optimizer = lbfgs (HERE/batch.yaml:4), "
            "which needs no learning rate: leave it out, or use optimizer adam or sgd",
        ),
        (
            "jobs:\n  - input: a.wav\n    matrix:\n      criterion: [entropy,\n         entopy]",
            "HERE/batch.yaml:5: criterion = entopy: must be one of entropy, renyi, kurtosis, "
            "concentration, l1l2, hoyer, lp, gini, or module:object: did you mean 'entropy'?",
        ),
        (
            "jobs:\n  - input: a.wav\n    matrix: {seed: [1, 2, 1]}",
            "HERE/batch.yaml:3: seed 1 is in the matrix twice: keep one",
        ),
        (
            "jobs:\n  - input: a.wav\n    matrix: {seed: 1}",
            "HERE/batch.yaml:3: seed in matrix must be a list: write [A, B]",
        ),
        (
            "jobs:\n  - input: a.wav\n    input: b.wav",
            "HERE/batch.yaml:3: input is given twice, first on line 2: keep one",
        ),
        (
            "jobs:\n  - input:\n    - a.wav\n    - ''",
            "HERE/batch.yaml:4: input is empty: write a path, a list or a pattern",
        ),
        (
            "jobs: [{input: []}]",
            "HERE/batch.yaml:1: input is empty: write a path, a list or a pattern",
        ),
        (
            "jobs: [{input: a.wav, name: ../x}]",
            "HERE/batch.yaml:1: name '../x' is no name of a directory: write it without '/'",
        ),
        (
            "jobs: [{input: a.wav, output: x}]",
            "HERE/batch.yaml:1: output in a job stands at the top, once: tell jobs apart by {name} "
            "in it",
        ),
        (
            "defaults: {force: true}\n" + JOBS,
            "HERE/batch.yaml:1: force in defaults is an option of the command: dstft batch --force",
        ),
        (
            "defaults: {npy: a.npy}\n" + JOBS,
            "HERE/batch.yaml:1: npy in defaults would be written by every job: arrays go into each "
            "job's directory",
        ),
        (
            "jobs: [{input: '*.flac'}]",
            "HERE/batch.yaml:1: input '*.flac' matches no file: check the pattern and its folder, "
            "HERE",
        ),
        ("jobs: [{input: a", "HERE/batch.yaml:1: not valid YAML: "),
    ],
)
def test_refused(tmp_path, text, message):
    assert refused(tmp_path, text).startswith(message)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("powr=2", "--set powr=2: unknown key 'powr': did you mean 'power'?"),
        ("power=0", "--set power=0: must be above 0"),
        ("output=x", "--set output=x: use --output"),
        (
            "json=true",
            "--set json=true: it is an option of the command: dstft batch --json",
        ),
        (
            "seed=3",
            "--set seed=3: the matrix at HERE/batch.yaml:1 multiplies seed out: leave one of them "
            "out",
        ),
    ],
)
def test_refused_overrides(tmp_path, pair, message):
    text = "jobs: [{input: a.wav, matrix: {seed: [1, 2]}}]\noutput: '{seed}'"
    assert refused(tmp_path, text, [pair]) == message


def test_a_missing_config_is_named():
    with pytest.raises(UsageError, match=r"^none\.yaml: no such file: check CONFIG$"):
        read_config(Path("none.yaml"))


TEMPLATE = "HERE/batch.yaml:2: output "


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (
            "/else/{stem}",
            "'/else/{stem}' leaves the output folder: write a relative path, and the ",
        ),
        ("~/{stem}", "'~/{stem}' leaves the output folder: write a relative path"),
        ("../{stem}", "'../{stem}' leaves the output folder: write it without '..'"),
        ("a/../../{stem}", "'a/../../{stem}' leaves the output folder: write it without '..'"),
        ("{stm}", "'{stm}': no field {stm}: did you mean 'stem'?"),
        (
            "{qqqq}",
            "'{qqqq}': no field {qqqq}: use {stem}, {name}, {parent}, {folder}, {index} or a "
            "setting",
        ),
        ("{stem.__class__}", "'{stem.__class__}': no field {stem.__class__}"),
        ("{stem[0]}", "'{stem[0]}': no field {stem[0]}"),
        ("{}", "'{}': no field {}"),
        ("{stem!r}", "'{stem!r}': {stem} takes no format: only {index} does, such as {index:04d}"),
        ("{stem:>9}", "'{stem:>9}': {stem} takes no format"),
        ("{index:99999d}", "'{index:99999d}': {index} takes no format"),
        ("{stem", "'{stem' is no template (expected '}' before end of string): write fields as "),
        (".", "'.' names no directory: write {stem}"),
        ("x{folder}", "'x{folder}': {folder} may be several folders: let it stand alone"),
        ("{force}", "'{force}': no field {force}"),
        ("x/{folder}", "'x/{folder}' becomes 'x/', in which '' is no name of a directory"),
        ("{folder}", "'{folder}' becomes '', in which '' is no name of a directory: use other fi"),
    ],
)
def test_refused_templates(tmp_path, output, message):
    text = f"jobs: [{{input: a.wav}}]\noutput: '{output}'"
    found = refused(tmp_path, text)
    assert found.startswith(TEMPLATE + message)


def test_values_that_would_lead_elsewhere(tmp_path):
    (tmp_path / "...wav").touch()
    template = Template.parse("x/{criterion}", FIELDS, "T")
    message = r"^T: output 'x/\{criterion\}' becomes 'x/\.\.', in which '\.\.' is no name"
    with pytest.raises(UsageError, match=message):
        template.expand({"criterion": ".."})
    with pytest.raises(UsageError, match=r"becomes 'x/a/b', in which 'a/b' is no name"):
        template.expand({"criterion": "a/b"})


def test_braces_and_numbers_in_templates(tmp_path):
    text = "jobs: [{input: [a.wav, b.wav], win_length_max: 23ms}]\n"
    text += "output: 'r/{{x}}-{index:03d}-{win_length_max}-{n_fft}-{search}'"
    plan = make_plan(read_config(write(tmp_path, text)))
    assert [job.output for job in plan.jobs] == ["{x}-001-23ms-auto-true", "{x}-002-23ms-auto-true"]
    assert plan.folder == tmp_path / "r"


def test_output_of_the_command_line_is_above_that_of_the_config(tmp_path):
    path = write(tmp_path, "jobs: [{input: a.wav}]\noutput: x/{stem}")
    assert make_plan(read_config(path, (), "y/{name}")).place(
        make_plan(read_config(path)).jobs[0]
    ) == (tmp_path / "y" / "a")
    with pytest.raises(UsageError, match=r"^--output /x: output '/x' leaves the output folder"):
        read_config(path, (), "/x")


def test_output_folder_may_lie_elsewhere(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "in").mkdir()
    path = write(tmp_path / "in", f"jobs: [{{input: a.wav}}]\noutput_folder: {elsewhere}")
    plan = make_plan(read_config(path))
    assert plan.place(plan.jobs[0]) == elsewhere / "a-dstft"


def test_a_list_of_inputs_is_taken_as_it_is():
    plan = make_plan(from_list(["a*.wav", "-b.wav", "sub/c.wav"], "--from -", ["seed=3"]))
    assert [job.output for job in plan.jobs] == ["a*-dstft", "-b-dstft", "c-dstft"]
    assert plan.variants[0].settings.seed == 3
    assert plan.source(plan.jobs[1]) == str(Path.cwd() / "-b.wav")
    with pytest.raises(UsageError, match=r"^--from - names no inputs: write one path a line"):
        from_list([], "--from -")


def test_a_matrix_of_any_number_of_jobs_is_not_multiplied_out(tmp_path):
    axes = [f"      {key}: [1, 2, 3, 4, 5, 6, 7, 8]" for key in ("power", "smoothness", "seed")]
    axes += [f"      {key}: [10, 20, 30, 40, 50, 60, 70, 80]" for key in ("max_steps", "db_range")]
    axes += [f"      {key}: [1, 2, 3, 4, 5, 6, 7, 8]" for key in ("threads", "hop_length")]
    path = tmp_path / "b.yaml"
    path.write_text("jobs:\n  - input: a.wav\n    matrix:\n" + "\n".join(axes))
    message = ":3: matrix multiplies out to 2097152 combinations: at most 100000: use shorter lists"
    with pytest.raises(UsageError, match=re.escape(message)):
        read_config(path)


def test_aliases_do_not_multiply_inputs_without_limit(tmp_path):
    inputs = ", ".join(f"{i}.wav" for i in range(2000))
    path = tmp_path / "b.yaml"
    path.write_text(f"jobs:\n  - &j\n    input: [{inputs}]\n" + "  - *j\n" * 60_000)
    with pytest.raises(UsageError, match="more than 1000000 jobs: part the batch into several"):
        read_config(path)
