"""What docs/batch.md says of keys, fields and options holds."""

import json
import re
from pathlib import Path

from batch_example import SETTINGS, batch, clips, results

from dstft_cli.batch import make_plan, read_config
from dstft_cli.batch.config import FIELDS, JOB_KEYS, TOP_KEYS
from dstft_cli.cli.app import load
from dstft_cli.settings import OPTIONS

TEXT = (Path(__file__).parent.parent / "docs" / "batch.md").read_text(encoding="utf-8")


def column(heading: str) -> list[str]:
    """First cells of the table below a header cell, without their backquotes."""
    table = TEXT.partition(f"| {heading} |")[2].partition("\n\n")[0]
    return re.findall(r"`([^`]+)`", " ".join(re.findall(r"^\| (.*?) \|", table, re.MULTILINE)))


def test_keys_of_configs():
    tables = TEXT.split("| key |")
    named = re.findall(r"^\| `(\w+)` \|", tables[1].partition("\n\n")[0], re.MULTILINE)
    assert sorted(named) == sorted({*TOP_KEYS, *JOB_KEYS})


def test_fields_of_templates():
    named = [field.strip("{}") for field in column("field")]
    assert set(named) <= set(FIELDS)
    assert set(FIELDS) - set(named) <= set(OPTIONS)


def test_options():
    params = load("batch").params
    offered = {
        name for parameter in params for name in (*parameter.opts, *parameter.secondary_opts)
    }
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", TEXT))
    of_dask = {"--nworkers", "--nthreads"}
    assert of_dask < named
    assert named - of_dask <= offered
    assert {"--workers", "--force", "--from0", "--scheduler", "--json"} < named


def test_the_example_plans(tmp_path):
    (example,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    path = tmp_path / "night.yaml"
    path.write_text(example)
    clips(tmp_path / "recordings" / "meadow" / "dawn", 1)
    plan = make_plan(read_config(path))
    assert [job.output for job in plan.jobs] == [
        "meadow/entropy/clip00",
        "meadow/renyi/clip00",
        "calls/entropy/a",
        "calls/entropy/b",
    ]


def test_keys_of_the_lines_of_json(tmp_path):
    inputs = "\n".join(map(str, clips(tmp_path, 1)))
    fast = [part for pair in SETTINGS for part in ("--set", pair)]
    arguments = ["--from", "-", *fast, "--no-report", "--json"]
    done = batch(*arguments, cwd=tmp_path, input=inputs)
    assert done.returncode == 0, done.stderr
    keys = {key for row in map(json.loads, done.stdout.splitlines()) for key in row}
    tables = TEXT.split("| key |")
    cells = re.findall(r"^\| (`.*?) \|", tables[2], re.MULTILINE)
    assert keys == set(re.findall(r"`(\w+)`", " ".join(cells)))
    assert len(results(tmp_path)) == 1
