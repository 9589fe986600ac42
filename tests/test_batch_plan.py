"""Plans: which files, which places; none shared, none outside; ten thousand at once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from batch_example import PATIENCE

from dstft_cli.batch import from_list, make_plan, read_config
from dstft_cli.errors import UsageError


def plan_of(folder: Path, jobs: str, output: str = "{stem}"):
    path = folder / "batch.yaml"
    path.write_text(f"output: '{output}'\njobs: {jobs}", encoding="utf-8")
    return make_plan(read_config(path))


def refused(folder: Path, jobs: str, output: str = "{stem}") -> str:
    with pytest.raises(UsageError) as caught:
        plan_of(folder, jobs, output)
    return str(caught.value).replace(str(folder), "HERE")


@pytest.fixture
def tree(tmp_path):
    for name in ("a.wav", "b.wav", "field/one/a.wav", "field/two/deep/c.wav", "field/notes.txt"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


def test_patterns_are_sorted_recursive_and_match_files_alone(tree):
    (tree / "field" / "dir.wav").mkdir()
    plan = plan_of(tree, "[{input: 'field/**/*.wav'}]", "r/{folder}/{parent}-{stem}")
    assert [(job.input, job.output) for job in plan.jobs] == [
        ("field/one/a.wav", "one/one-a"),
        ("field/two/deep/c.wav", "two/deep/deep-c"),
    ]


def test_results_of_earlier_runs_are_no_inputs(tree):
    earlier = tree / "results" / "x" / "sound.wav"
    earlier.parent.mkdir(parents=True)
    earlier.touch()
    plan = plan_of(tree, "[{input: '**/*.wav'}]", "results/{folder}/{stem}")
    assert [job.input for job in plan.jobs] == [
        "a.wav",
        "b.wav",
        "field/one/a.wav",
        "field/two/deep/c.wav",
    ]


def test_a_parent_of_the_working_folder_is_named(tree):
    assert plan_of(tree, "[{input: a.wav}]", "{parent}").jobs[0].output == tree.name


WHERE = "HERE/batch.yaml:1: "


@pytest.mark.parametrize(
    ("jobs", "output", "message"),
    [
        (
            "[{input: '**/a.wav'}]",
            "{stem}",
            "output '{stem}': jobs 1 and 2 would both write 'a': add {parent} or {folder} to output",
        ),
        (
            "[{input: a.wav, name: x}, {input: a.wav}]",
            "{stem}",
            "output '{stem}': jobs 1 and 2 would both write 'a': add {name} to output",
        ),
        (
            "[{input: a.wav, matrix: {criterion: [entropy, hoyer]}}]",
            "{stem}",
            "output '{stem}': jobs 1 and 2 would both write 'a': add {criterion} to output",
        ),
        (
            "[{input: [a.wav, b.wav], name: x}]",
            "{name}",
            "output '{name}': jobs 1 and 2 would both write 'x': add {index} to output",
        ),
        (
            "[{input: a.wav}, {input: a.wav}]",
            "{stem}",
            "output '{stem}': jobs 1 and 2 would both write 'a': 'a.wav' is there twice with the "
            "same settings: leave one out",
        ),
        (
            "[{input: a.wav, name: summary.csv}]",
            "{name}",
            "job 1 would write 'summary.csv', where the batch has a file of its own: use other "
            "fields in output",
        ),
    ],
)
def test_places_that_are_shared(tree, jobs, output, message):
    assert refused(tree, jobs, output) == WHERE + message


def test_a_place_within_another_job_s_directory(tree):
    (tree / "field" / "one.wav").touch()
    found = refused(tree, "[{input: ['field/*.wav', 'field/**/a.wav']}]", "x/{folder}/{stem}")
    assert found == (
        WHERE + "output 'x/{folder}/{stem}' puts job 2, 'one/a', into the directory of job 1: give "
        "all jobs the same number of folders"
    )


def test_links_within_the_output_folder_lead_nowhere_else(tree, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside")
    (tree / "results").mkdir()
    (tree / "results" / "a").symlink_to(outside)
    expected = (
        WHERE + f"job 1 would write HERE/results/a, a link to {outside}, outside the output folder "
        "HERE: remove the link"
    )
    assert refused(tree, "[{input: a.wav}]", "results/{stem}") == expected
    (tree / "results" / "a").unlink()
    (tree / "results" / "hoyer").symlink_to(outside)
    found = refused(tree, "[{input: a.wav, criterion: hoyer}]", "results/{criterion}/{stem}")
    assert f"a link to {outside}/a, outside the output folder" in found


def test_links_that_stay_inside_and_linked_inputs_are_fine(tree):
    (tree / "real").mkdir()
    (tree / "results").symlink_to("real")
    (tree / "linked.wav").symlink_to("a.wav")
    plan = plan_of(tree, "[{input: linked.wav}]", "results/{stem}")
    assert plan.place(plan.jobs[0]) == tree / "results" / "linked"


@pytest.mark.parametrize("name", ["two words", "line\nbreak", "🐦", "-o", "ü", "{x}", "a\udcffb"])
def test_any_name_of_a_file(tree, name):
    (tree / f"{name}.flac").touch()
    plan = plan_of(tree, "[{input: '*.flac'}]", "r/{stem}")
    assert [job.output for job in plan.jobs] == [name]
    plan = make_plan(from_list([f"{tree}/{name}.flac"], "--from -", output="{stem}"))
    assert [job.output for job in plan.jobs] == [name]


MANY = 10_000


def test_ten_thousand_jobs_are_planned(tmp_path):
    for number in range(MANY // 2):
        (tmp_path / f"clip{number}.wav").touch()
    jobs = "[{input: '*.wav', matrix: {criterion: [entropy, hoyer]}}]"
    plan = plan_of(tmp_path, jobs, "r/{criterion}/{stem}")
    assert (len(plan.jobs), len(plan.variants)) == (MANY, 2)


def test_ten_thousand_jobs_written_out_are_planned(tmp_path):
    lines = [f"  - {{input: x/{number}.wav, seed: {number}}}\n" for number in range(MANY)]
    path = tmp_path / "batch.yaml"
    path.write_text("output: '{stem}'\njobs:\n" + "".join(lines), encoding="utf-8")
    plan = make_plan(read_config(path))
    assert (len(plan.jobs), len(plan.variants)) == (MANY, MANY)
    assert plan.variants[-1].settings.seed == MANY - 1


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="reads Linux's /proc")
def test_the_parent_stays_small_and_needs_no_torch(tmp_path):
    code = (
        "import sys, re; from dstft_cli.cli import main; code = main(sys.argv[1:]);"
        "import dstft_cli.batch.run, dstft_cli.batch.local, dstft_cli.report;"
        "peak = re.search('VmHWM:\\s*(\\d+)', open('/proc/self/status').read())[1];"
        "print(code, int(peak) // 1000, 'torch' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "batch", "--from", "-", "--dry-run"],
        input="".join(f"x/{number}.wav\n" for number in range(MANY)),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    code, peak, torch = done.stderr.split()
    assert (code, torch) == ("0", "False")
    assert int(peak) < 500  # MB
    assert len(done.stdout.splitlines()) == MANY + 2
