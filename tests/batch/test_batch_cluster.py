"""A batch on a Dask cluster: a scheduler and two workers on loopback, one of them killed."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from contract.support import run as dstft

from batch.batch_example import (
    PATIENCE,
    Gate,
    batch,
    clips,
    config,
    in_process,
    journal,
    leftovers,
    results,
    start,
    wait_for,
)

JOBS = 8
TEXT = "output: out/{stem}\njobs: [{input: 'in/*.wav', criterion: 'batch_criteria:Gated'}]\n"

pytestmark = pytest.mark.slow
distributed = pytest.importorskip(
    "distributed", reason="NOT TESTED: Dask is not installed: pip install 'dstft-cli[cluster]'"
)


class Cluster:
    """A scheduler and its workers, each a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.gate = Gate(folder)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.log = folder / "scheduler.log"
        self._run("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", log=self.log)
        self.address = self._wait_for_address()
        self.workers = [
            self._run(
                *("worker", self.address, "--host", "127.0.0.1", "--nthreads", "1", "--no-nanny"),
                *("--no-dashboard", "--local-directory", str(folder / f"worker{number}")),
                log=folder / f"worker{number}.log",
            )
            for number in range(2)
        ]

    def _run(self, *arguments: str, log: Path) -> "subprocess.Popen[bytes]":
        line, env = [sys.executable, "-m", "dask", *arguments], self.gate.environment
        with open(log, "wb") as file:
            process = subprocess.Popen(line, stdout=file, stderr=file, env=env)
        self.processes.append(process)
        return process

    def _wait_for_address(self) -> str:
        def found() -> "re.Match[str] | None":
            return re.search(r"Scheduler at:\s*(tcp://\S+)", self.log.read_text(errors="replace"))

        wait_for(lambda: found() is not None or self.processes[0].poll() is not None)
        address = found()
        assert address is not None, self.log.read_text(errors="replace")
        return address[1]

    def close(self) -> None:
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait(PATIENCE)


@pytest.fixture
def cluster(tmp_path):
    cluster = Cluster(tmp_path)
    yield cluster
    cluster.close()


def test_a_worker_killed_in_mid_run_costs_time_alone(cluster, tmp_path):
    clips(tmp_path / "in", JOBS)
    path, out = config(tmp_path, TEXT), tmp_path / "out"
    run = start(path, "--scheduler", cluster.address, "--no-report")
    cluster.gate.let_pass(2)
    wait_for(lambda: len(journal(out)) >= 2 or run.poll() is not None)
    assert run.poll() is None, run.communicate()
    cluster.workers[0].send_signal(signal.SIGKILL)
    assert len(journal(out)) == 2
    cluster.gate.open()
    stdout, stderr = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, stderr
    assert stdout.split()[:4] == [str(JOBS), "jobs", str(JOBS), "done"]
    assert len(results(out)) == JOBS
    again = in_process(path, "--no-report")  # the same jobs here: all of them stand
    assert f"0 done, {JOBS} kept in" in again.text
    assert leftovers(out) == []


def test_errors_come_back_from_the_cluster_and_a_scheduler_that_is_none(cluster, tmp_path):
    clips(tmp_path / "in", 2)
    (tmp_path / "in" / "bad.wav").write_bytes(b"")
    cluster.gate.open()
    path = config(tmp_path, TEXT)
    done = batch(path, "--scheduler", cluster.address, "--no-report")
    assert done.returncode == 1
    assert "bad.wav: is empty (0 bytes)" in done.stderr
    assert len(results(tmp_path / "out")) == 2
    for address, option, words in (
        (cluster.address, "criterion=no.such:x", "no.such"),
        ("tcp://127.0.0.1:9", "seed=1", "no scheduler answers"),
        ("nonsense://x", "seed=1", "address"),
    ):
        done = batch(path, "--scheduler", address, "--set", option)
        assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
        assert words in done.stderr


def test_a_collection_loses_a_worker_and_nothing_else(cluster, tmp_path):
    clips(tmp_path / "in", JOBS)
    inputs = ("sweep", str(tmp_path / "in"), "--no-figures")
    gated = ("--criterion", "batch_criteria:Gated", "--scheduler", cluster.address)
    line = [sys.executable, "-m", "dstft_cli", *inputs, "-o", str(tmp_path / "out"), *gated]
    process = subprocess.Popen(line, env=cluster.gate.environment)
    tables = tmp_path / "out-tables"
    cluster.gate.let_pass(2)
    wait_for(lambda: (tables.is_dir() and any(tables.glob("*.npz"))) or process.poll() is not None)
    cluster.workers[0].send_signal(signal.SIGKILL)
    cluster.gate.open()
    assert process.wait(PATIENCE) == 0
    found = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert found["collection"]["used"] == JOBS
    here = dstft(*inputs, "--json", "--workers", "1").json
    assert here["criteria"][0]["best"] == found["criteria"][0]["best"]
