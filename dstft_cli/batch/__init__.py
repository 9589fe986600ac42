"""Runs many jobs, several at a time, from a config file or a list; a batch can be resumed.

`config` reads the YAML file, `plan` finds inputs and output places, `run` submits and collects jobs,
`worker` runs one job in its process, `pools` are the processes or the Dask cluster, `journal` records
finished jobs.
"""

from dstft_cli.batch.config import BatchConfig, from_list, read_config
from dstft_cli.batch.plan import Plan, PlannedJob, make_plan

__all__ = ["BatchConfig", "Plan", "PlannedJob", "from_list", "make_plan", "read_config"]
