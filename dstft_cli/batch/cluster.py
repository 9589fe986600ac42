"""A Dask cluster, as the executor that `run` submits to."""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from typing import Any

from dstft_cli.errors import UsageError

RETRIES = 2  # of a job whose Dask worker is lost
_QUEUED = 2  # calls per thread of the cluster
_FRESH = 2.0  # s: how long a count of threads is believed
_CONNECT = "5s"
_ADDRESS = re.compile(r"((tcp|tls|ucx|ws|wss)://)?[^/\s]+:[0-9]+/?")


class ClusterExecutor(Executor):
    """The workers of a Dask scheduler.

    Args:
        address: of the scheduler, e.g. `tcp://host:8786`.

    Raises:
        UsageError: no address, Dask is not installed, or no scheduler answers there.
    """

    threads = 1  # several workers may share a machine: settings say where they may have more

    def __init__(self, address: str) -> None:
        if not _ADDRESS.fullmatch(address):
            raise UsageError(
                f"--scheduler {address}: is no address: write it as tcp://host:8786, "
                "which 'dask scheduler' prints"
            )
        try:
            import distributed
        except ImportError:
            raise UsageError(
                f"--scheduler {address}: needs Dask: pip install 'dstft-cli[cluster]'"
            ) from None
        # what Dask says about lost workers is told again, in one line, by whoever waits for the job
        logging.getLogger("distributed").setLevel(logging.CRITICAL)
        client: Any = distributed.Client  # it has no types
        try:
            self._client = client(address, timeout=_CONNECT, set_as_default=False)
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(
                f"--scheduler {address}: no scheduler answers ({' '.join(str(error).split())}): "
                "start one with 'dask scheduler', and check host and port"
            ) from None
        self._executor = self._client.get_executor(pure=False, retries=RETRIES)
        self._counted = float("-inf")
        self._capacity = 0

    def capacity(self) -> int:
        """How many calls keep all workers busy, those that have joined meanwhile included."""
        if time.monotonic() - self._counted > _FRESH:
            threads = sum(self._client.nthreads().values())
            self._capacity = _QUEUED * max(1, threads)
            self._counted = time.monotonic()
        return self._capacity

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Runs `fn(*args)` somewhere on the cluster."""
        future: Future[Any] = self._executor.submit(fn, *args, **kwargs)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Leaves the cluster."""
        self._executor.shutdown(wait=wait)
        self.abandon()

    def abandon(self) -> None:
        """Leaves the cluster: its scheduler forgets what waits; what runs there ends by itself."""
        with suppress(Exception):
            self._client.close(timeout=1)
