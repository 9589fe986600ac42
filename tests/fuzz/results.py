"""Directories of results with lies in them, given to the commands that read them."""

import io
import json
import os
import re
import shutil
import zipfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from dstft_cli.results import store

from .files import check_result
from .forked import Outcome, Run, campaign, outcomes, warm_up
from .mutate import cut, flip_bits, recording, write_over

COMMANDS = {
    "apply": ["apply", "learned", "a.wav", "-o", "out", "--no-figures"],
    "reconstruct": ["reconstruct", "learned", "-o", "out.wav"],
    "plot": ["plot", "learned", "-o", "out.svg", "--panels", "learned,plain,map,curve"],
    "view": ["view", "learned", "--no-open"],
    "report": ["report", "learned", "-o", "out.html"],
    "batch": ["batch", "b.yaml", "--workers", "1", "--json"],
}
LEARN = ["optimize", "a.wav", "--n-fft", "64", "--hop-length", "32", "--save-stft", "--no-figures"]
LEARN += ["-o", "learned"]
BATCH = """defaults: {n_fft: 64, hop_length: 32, window_mode: constant, figures: false}
output: results/{stem}
jobs: [{input: a.wav}, {input: b.wav}]
"""
STORES = ("npy", "zarr")[: 1 if find_spec("zarr") is None else 2]
MODES = ("constant", "time", "frequency", "time-frequency")
NUMBERS = (0, -1, 1, 2, 3, 1e-300, 1e-9, 0.5, 1e9, 2**31, 2**63, 1e300, np.nan, np.inf, -np.inf)
SIZES = (0, -1, 1, 2, 10**6, 10**12, 2**62, 2**63, 10**30)
VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**400, "", "x" * 99999, "<script>alert(1)</script>", "\ud800", [], {},
    ["a"], {"min": None}, {"min": 1, "median": 2, "max": "3"}, "nan", "os:system", "../../up", "1e-9",
    "1e308s", "0.0001ms", [[[]]],
)  # fmt: skip


def run_results(cases: int, *, seed: int, workers: int, scratch: Path) -> list[str]:
    """The campaign; prints counts and returns a line for each case that failed."""
    warm_up()
    store.CHUNK_BYTES = 1 << 13  # so that arrays have several chunks
    if "zarr" in STORES:
        store.zarr_library()
    kinds = [(mode, kind) for mode in MODES for kind in STORES]
    bases = [
        _base(scratch / f"base-{mode}-{kind}", [*LEARN, "--window-mode", mode, "--store", kind])
        for mode, kind in kinds
    ]
    batched = _base(scratch / "base-batch", COMMANDS["batch"])
    runs = (
        _run(number, Random(f"{seed} {number}"), bases[number % len(bases)], batched, scratch)
        for number in range(cases)
    )
    return campaign(runs, workers, _problems, lambda run: run.arguments[0])


def _base(folder: Path, arguments: list[str]) -> Path:
    """A folder with two recordings, and what a command has written."""
    folder.mkdir(parents=True)
    for name in ("a.wav", "b.wav"):
        (folder / name).write_bytes(recording("WAV"))
    (folder / "b.yaml").write_text(BATCH)
    (outcome,) = outcomes([Run(0, folder, arguments)], 1)
    assert outcome.code == 0, outcome.stderr
    return folder


def _run(number: int, chance: Random, base: Path, batched: Path, scratch: Path) -> Run:
    folder = scratch / f"case-{number}"
    chunked = base.name.endswith("zarr")
    often = ("apply", "apply", "reconstruct", "reconstruct", "plot", "report", "batch")
    command = chance.choice(("reconstruct", "plot", "view") if chunked else often)
    shutil.copytree(batched if command == "batch" else base, folder)
    below = {
        "apply": ("learned/parameters.npz", "learned/result.json"),
        "reconstruct": ("learned/parameters.npz", "learned/stft.npy"),
        "plot": ("learned/parameters.npz", "learned/result.json", "learned/spectrogram.npy"),
        "view": ("learned/parameters.npz", "learned/result.json"),
        "report": ("learned/result.json",),
        "batch": ("batch-journal.jsonl", "a/result.json", "a/parameters.npz", "b/spectrogram.npy"),
    }[command]
    targets = [folder / ("results" if command == "batch" else "") / name for name in below]
    if command == "view":
        (folder / "a.wav").unlink()  # so that the array is shown
    if chunked:
        array = "stft" if command == "reconstruct" else "spectrogram"
        _damage_zarr(folder / "learned" / f"{array}.zarr", array, chance)
        targets = targets[:2] if chance.random() < 0.1 and command != "reconstruct" else []
    for path in chance.sample(targets, chance.randrange(bool(targets), len(targets) + 1)):
        damage(path, chance)
    return Run(number, folder, COMMANDS[command])


def damage(path: Path, chance: Random) -> None:
    """Changes bytes of the file, or what it holds."""
    data = path.read_bytes()
    if chance.random() < 0.1:
        path.unlink()
        make = (os.mkfifo, os.mkdir, lambda p: p.symlink_to("nowhere"), lambda p: p.symlink_to("."))
        chance.choice((*make, lambda p: None))(path)
        return
    if chance.random() < 0.2:
        change = chance.choice((flip_bits, cut, write_over))
        path.write_bytes(change(data, chance, "result"))
        return
    match path.suffix:
        case ".jsonl":
            lines = [_other_leaf(json.loads(line), chance) for line in data.splitlines()]
            path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        case ".json":
            path.write_text(json.dumps(_other_leaf(json.loads(data), chance)))
        case ".npz":
            _damage_archive(path, chance)
        case "":
            path.write_bytes(chance.choice((flip_bits, cut, write_over))(data, chance, "result"))
        case _:
            path.write_bytes(_other_array(data, chance))


def _damage_zarr(folder: Path, array: str, chance: Random) -> None:
    """Changes a chunk of a zarr folder, or its metadata."""
    chunk = chance.choice(sorted(p for p in (folder / array).rglob("*") if p.name.isdigit()))
    while chunk.is_dir():
        chunk = chance.choice(sorted(chunk.iterdir()))
    meta, data = folder / "zarr.json", chunk.read_bytes()
    match chance.randrange(8):
        case 0:  # of another place
            chunk.rename(folder.parents[1] / "outside")
            chunk.symlink_to(chance.choice((folder.parents[1] / "outside", "/dev/zero")))
        case 1:  # another size in the head of Blosc
            at = chance.choice((4, 8, 12))
            size = chance.choice((0, 1, 2**20, 2**31 - 1, 2**32 - 1)).to_bytes(4, "little")
            chunk.write_bytes(data[:at] + size + data[at + 4 :])
        case 2 | 3:  # of the array, the chunks, or an axis
            wrong = f"[{chance.choice((33, 1, *SIZES))}, {chance.choice((251, *SIZES))}]"
            key = chance.choice(("shape", "chunk_shape"))
            there = rf'"{key}": \[\s*\d+,\s*\d+\s*\]'
            meta.write_text(re.sub(there, f'"{key}": {wrong}', meta.read_text()))
        case 4:
            damage(meta, chance)
        case 5:  # without the metadata of all: that of the array counts
            record = json.loads(meta.read_text())
            del record["consolidated_metadata"]
            meta.write_text(json.dumps(record))
            damage(folder / array / "zarr.json", chance)
        case _:
            damage(chunk, chance)


def _other_leaf(record: Any, chance: Random) -> Any:
    """One value somewhere in a tree of JSON replaced or left out."""
    if not isinstance(record, dict) or not record or chance.random() < 0.1:
        return chance.choice(VALUES)
    key = chance.choice(list(record))
    if chance.random() < 0.1:
        return {name: value for name, value in record.items() if name != key}
    return {**record, key: _other_leaf(record[key], chance)}


def _damage_archive(path: Path, chance: Random) -> None:
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = chance.choice([name for name in members if not name.startswith("trajectory")])
    members[name] = _other_array(members[name], chance)
    with zipfile.ZipFile(path, "w", chance.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA))) as out:
        for name, data in members.items():
            out.writestr(name, data)


def _other_array(data: bytes, chance: Random) -> bytes:
    """An .npy with another value, shape or type, or with a header that lies."""
    array = np.load(io.BytesIO(data), allow_pickle=False)
    match chance.randrange(8):
        case 0 | 1 if array.dtype.kind in "fci" and array.size:
            array = array.astype(np.result_type(array, np.float64))
            where = chance.randrange(array.size)
            array.flat[where : where + chance.choice((1, array.size))] = chance.choice(NUMBERS)
        case 2:
            array = chance.choice(
                (array[None], array.ravel(), array[..., :-1] if array.ndim else array)
            )
        case 3:
            array = np.array([{"a": 1}] * 3, object)
        case 4 if array.dtype.kind != "U":
            array = array.astype(chance.choice(("U9", "S3", "c16", "c8", ">c16")))
        case 5:
            return bomb(array.dtype.str, chance.choice(((2_500_000,), (10**4, 10**4), (10**12,))))
        case 6:
            return _lying(data, chance)
        case _:
            array = np.sort(array.ravel())[::-1].reshape(array.shape)
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def _lying(data: bytes, chance: Random) -> bytes:
    """The same values under a header with another size in its shape, or another type."""
    head = data[: 10 + int.from_bytes(data[8:10], "little")]
    size = str(chance.choice(SIZES)).encode()
    wrong = re.sub(
        rb"'shape': \(.*?\)",
        chance.choice((b"'shape': (%s,)", b"'shape': (1, %s)", b"'shape': (%s, 33)")) % size,
        head[10:],
    )
    if chance.random() < 0.2:
        wrong = re.sub(rb"'descr': '.*?'", b"'descr': '|O'", wrong)
    return head[:8] + len(wrong).to_bytes(2, "little") + wrong + data[len(head) :]


def bomb(dtype: str, shape: tuple[int, ...]) -> bytes:
    """An .npy of zeros that deflate makes a thousand times smaller."""
    out = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(out, header)
    return out.getvalue() + bytes(20_000_000)


def _problems(outcome: Outcome) -> Iterator[str]:
    folder, code = outcome.run.folder, outcome.code
    lines = outcome.stderr.splitlines()
    if outcome.run.arguments[0] == "batch":
        if code == 0:  # what was damaged has been done again, or is not read by a batch
            for name in "ab":
                place = folder / "results" / name
                sizes = json.loads((place / "result.json").read_text())["sizes"]
                if (place / "spectrogram.npy").stat().st_size != sizes["spectrogram.npy"]:
                    yield f"exit code 0, and {name} has an array of another size"
            rows = (folder / "stdout.txt").read_text().splitlines()
            if [json.loads(row)["status"] in ("done", "kept") for row in rows] != [True, True]:
                yield f"exit code 0 with {rows}"
        return
    if code == 2 or "Warning" in outcome.stderr:
        yield f"exit code {code}: {lines[-1:]}"
    if len([line for line in lines if line.startswith("dstft: ")]) != (code != 0):
        yield f"exit code {code}, and on standard error: {lines}"
    if code == 0 and (folder / "outside").exists():
        yield "read what lies outside"
    outputs = {"out", "out.wav", "out.html", "out.svg", "learned/view.html"}
    there = {name for name in outputs if (folder / name).exists()}
    if bool(there) != (code == 0):
        yield f"exit code {code}, and there is {sorted(there)}"
    if "out.html" in there and "<script>alert" in (folder / "out.html").read_text():
        yield "a script in the report"
    if "out" in there:
        try:
            check_result(folder / "out")
        except Exception as error:
            yield f"broken result: {type(error).__name__}: {error}"
