"""Many jobs: which files, where results go, what is done already; run on an executor.

| idea | where |
|---|---|
| a YAML file, or a list of inputs, is read | `config` |
| what it is to run: inputs, settings and their digest | `entries` |
| `results/{stem}`: fields, and names that stay inside | `template` |
| paths and patterns become files | `inputs` |
| entries become jobs, each with its own place | `plan` |
| what has ended, a line of JSON each | `journal` |
| what need not be run again | `resume` |
| one job, within a worker process | `worker` |
| processes of this machine, or a Dask cluster | `local`, `cluster` |
| submit, collect, retry | `run` |
| `summary.csv` | `summary` |
"""

from dstft_cli.batch.config import from_list, read_config
from dstft_cli.batch.entries import BatchConfig
from dstft_cli.batch.plan import Plan, PlannedJob, make_plan

__all__ = ["BatchConfig", "Plan", "PlannedJob", "from_list", "make_plan", "read_config"]
