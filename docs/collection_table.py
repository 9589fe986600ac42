"""Writes the tables of collections.md.

python docs/collection_table.py sweeps NAME=SWEEP.JSON ...
python docs/collection_table.py labels NAME=LABELS.JSON ...
python docs/collection_table.py growth FOLDER COUNTS WORKERS    on Linux; such as 10,1000 1,2
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dstft_cli.settings.option import time_text

PAGE = Path(__file__).parent / "collections.md"
HEADS = {
    "sweeps": "collection | recordings | best window | n_fft | half of them want | loss of 2048 "
    "| lose 0.1 or more",
    "labels": "collection | classes | recordings | best fixed | worst fixed | best of sparsity "
    "| learned with the labels | guessing",
    "growth": "recordings | workers | s | s of processors | ms a recording | s again | MB head "
    "| MB each worker",
}


def sweep_cells(record: dict[str, Any]) -> list[str]:
    """What `dstft sweep` wrote about a collection."""
    rate, entry, of = record["input"]["sample_rate"], record["criteria"][0], record["collection"]
    best, spread = entry["best"], entry["recordings"]["best"]
    return [
        f"{of['used']}, {time_text(record['input']['seconds'])}",
        f"{time_text(best['win_length'] / rate)} ({best['win_length']:.0f} at {rate:g} Hz)",
        str(best["n_fft"]),
        " to ".join(time_text(spread[q] / rate) for q in ("q1", "q3")),
        f"{entry['usual']['loss']:.2f} nats" if entry["usual"] else "not tried",
        f"{len(entry['recordings']['want_else'])}",
    ]


def label_cells(record: dict[str, Any]) -> list[str]:
    """What `dstft optimize --labels` wrote: length and accuracy, differences with their intervals."""
    rate, classes = record["input"]["sample_rate"], record["input"]["classes"]
    cells = []
    for row in record["windows"][-4:]:
        ends = dict.fromkeys(time_text(row[f"win_length_{end}"] / rate) for end in ("min", "max"))
        cell = f"{' to '.join(ends)}: {row['accuracy']:.0%}"
        if row["window"] != "best fixed":
            gains = [100 * row[f"over_best_fixed{end}"] for end in ("", "_from", "_to")]
            cell += ", {:+.0f} ({:+.0f} to {:+.0f})".format(*gains)
        cells.append(cell)
    return [str(len(classes)), str(sum(classes.values())), *cells, f"{record['guess']:.0%}"]


def growth_cells(folder: Path, counts: list[int], workers: list[int]) -> Iterator[list[str]]:
    """`dstft sweep` on so many recordings of a folder, the second time with the tables kept."""
    paths = sorted(path for path in folder.iterdir() if path.is_file())
    for number in workers:
        first: tuple[int, float] | None = None
        for count in counts:
            assert count <= len(paths), f"{folder} has {len(paths)} recordings"
            with tempfile.TemporaryDirectory() as place:
                chosen = paths[:: len(paths) // count][:count]
                Path(place, "list").write_text("\n".join(map(str, chosen)) + "\n", "utf-8")
                wall, cpu, head, worker = _measured(place, number)
                again, *_ = _measured(place, number)
            first = first or (count, cpu)
            each = f"{1000 * (cpu - first[1]) / (count - first[0]):.0f}" if count > first[0] else ""
            yield [str(count), str(number), f"{wall:.0f}", f"{cpu:.0f}", each, f"{again:.0f}"] + [
                f"{mb:.0f}" for mb in (head, worker)
            ]
            print(count, number, f"{wall:.1f} s, {cpu:.1f} s of processors", flush=True)


def _measured(place: str, workers: int) -> tuple[float, float, float, float]:
    """Seconds, those of processors, and the largest memory of the head and of a worker, MB."""
    command = [sys.executable, "-m", "dstft_cli", "sweep", "--from", "list", "--no-figures", "-q"]
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    extra = ["--workers", str(workers), "-o", "out", "--force"]
    process, head, worker = subprocess.Popen([*command, *extra], cwd=place), 0.0, 0.0
    while process.poll() is None:
        head = max(head, _peak(process.pid))
        for task in Path(f"/proc/{process.pid}/task").glob("*/children"):
            try:
                worker = max([worker, *map(_peak, map(int, task.read_text().split()))])
            except OSError:  # the thread has ended
                continue
        time.sleep(0.2)
    assert process.returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return time.perf_counter() - began, cpu, head, worker


def _peak(process: int) -> float:
    """Largest memory of a process so far, MB; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM")), 0.0)


def main(kind: str, *arguments: str) -> None:
    if kind == "growth":
        folder, *texts = arguments
        numbers = [[int(number) for number in text.split(",")] for text in texts]
        rows = list(growth_cells(Path(folder), *numbers))
    else:
        cells = {"sweeps": sweep_cells, "labels": label_cells}[kind]
        pairs = [argument.split("=", 1) for argument in arguments]
        rows = [[name, *cells(json.loads(Path(path).read_text("utf-8")))] for name, path in pairs]
    head, start = HEADS[kind], f"<!-- written by docs/collection_table.py {kind} -->\n"
    lines = [head, " | ".join(["---"] * (head.count("|") + 1)), *map(" | ".join, rows)]
    before, _, rest = PAGE.read_text("utf-8").partition(start)
    table = "".join(f"| {line} |\n" for line in lines)
    PAGE.write_text(before + start + table + rest[rest.index("<!-- end -->") :], "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
