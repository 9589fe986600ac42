"""Many jobs, several at a time: a config or a list becomes a plan, which is run and can be resumed.

`config` reads the YAML file, `plan` finds files and places, `run` submits and collects, `worker` is
one job in its process, `pools` the processes or the Dask cluster, `journal` what has ended.
"""

from dstft_cli.batch.config import BatchConfig, from_list, read_config
from dstft_cli.batch.plan import Plan, PlannedJob, make_plan

__all__ = ["BatchConfig", "Plan", "PlannedJob", "from_list", "make_plan", "read_config"]
