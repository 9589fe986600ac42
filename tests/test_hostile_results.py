"""Directories of results that lie: one line, exit code 1, and no memory for what is not there."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from writers_example import CONSTANT, VARYING, a_result

from dstft_cli.cli import main
from dstft_cli.errors import InputError
from dstft_cli.results import read_parameters, read_record, write_parameters
from dstft_cli.results.stft_npy import open_stft
from dstft_cli.run.transfer import transfer

DAMAGED = "is not an .npz of dstft or is damaged: run dstft optimize again"


def header(shape: str, kind: str = "<f8", version: bytes = b"\x01\x00") -> bytes:
    """Head of an .npy that announces this shape."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    size = len(text).to_bytes(2 if version[0] == 1 else 4, "little")
    return b"\x93NUMPY" + version + size + text


def with_member(path: Path, name: str, data: bytes) -> Path:
    """parameters.npz with one of its arrays replaced."""
    write_parameters(path, a_result(VARYING))
    with zipfile.ZipFile(path) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    members[f"{name}.npy"] = data
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for each, content in members.items():
            archive.writestr(each, content)
    return path


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("window_length", header("(1, 99999999999999)"), DAMAGED),
        ("window_length", header("(1, -5)") + bytes(40), DAMAGED),
        ("window_length", header("(1, 5)", "|O") + bytes(40), DAMAGED),
        ("window_length", header("(1, 5)") + bytes(39), DAMAGED),
        ("window_length", header("(1, 5)") + bytes(48), DAMAGED),
        ("window_length", header("(1, 5)", version=b"\x02\x00") + bytes(40), DAMAGED),
        ("window_length", header("(1, 5)", version=b"\x09\x00") + bytes(40), DAMAGED),
        ("window_length", header("(" * 9000), DAMAGED),
        ("window_length", header("(1, 5L)") + bytes(40), DAMAGED),
        ("window_length", header("(1, 5)", "<f7") + bytes(40), DAMAGED),
        ("window_length", b"", DAMAGED),
        ("window", header("()", "<U9999999") + bytes(4 * 9999999), DAMAGED),
        ("n_fft", header("()", "<i8") + (2**40).to_bytes(8, "little"), "'n_fft' 1099511627776 is"),
        ("samples", header("()", "<i8") + (2**50).to_bytes(8, "little"), "is far beyond what 5 fr"),
        ("frame_centers", header("(30000000,)") + bytes(240_000_000), "has shape (4,) where"),
    ],
)  # fmt: skip
def test_arrays_that_lie(tmp_path, name, data, message):
    path = with_member(tmp_path / "p.npz", name, data)
    with pytest.raises(InputError) as caught:
        read_parameters(path)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


READ = """
import resource, sys
from pathlib import Path
from dstft_cli.errors import InputError
from dstft_cli.results import read_parameters
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    read_parameters(Path(sys.argv[1]))
except InputError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_an_archive_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path):
    """All shapes fit each other: 20 million frames, in a file a thousand times smaller."""
    path = with_member(tmp_path / "p.npz", "n_fft", header("()", "<i8") + b"\x40" + bytes(7))
    T = 20_000_000
    with zipfile.ZipFile(path) as archive:
        kept = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, data in kept.items():
            sizes = {"frame_centers.npy": T, "times.npy": T, "hop_lengths.npy": T - 1}
            if name == "window_length.npy":
                data = header("(1, 1)") + np.float64(32.0).tobytes()
            if name not in sizes:
                archive.writestr(name, data)
                continue
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(header(f"({sizes[name]},)"))
                left = 8 * sizes[name]
                while left > 0:
                    left -= member.write(bytes(min(left, 1 << 24)))
    assert path.stat().st_size < 2_500_000
    ended = subprocess.run(
        [sys.executable, "-c", READ, path], capture_output=True, text=True, check=True
    )
    told, grown = ended.stdout.splitlines()
    assert told == f"{path}: 'frame_centers' does not increase: run dstft optimize again"
    assert int(grown) < 50_000  # kB


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (header("(0, 33, 5)", "<c8"), "has 0 channels, where 1 to 1024 are possible"),
        (header("(99999, 33, 5)", "<c8"), "has 99999 channels, where 1 to 1024 are possible"),
        (header("(33, 99999999999999)", "<c8"), "is not an .npy of dstft or is damaged"),
        (header("(-33, -5)", "<c8"), "is not an .npy of dstft or is damaged"),
        (header("(33, 5)", "<c8", b"\x02\x00"), "is not an .npy of dstft or is damaged"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff", "is not an .npy of dstft or is damaged"),
    ],
)
def test_transforms_that_lie(tmp_path, head, message):
    (tmp_path / "stft.npy").write_bytes(head + bytes(2000))
    with pytest.raises(InputError, match=message), open_stft(tmp_path / "stft.npy"):
        pass


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="NOT TESTED: needs named pipes")
@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("parameters.npz", read_parameters),
        ("result.json", read_record),
        ("stft.npy", lambda path: open_stft(path).__enter__()),
    ],
)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path, name, read):
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name} is not a file: run dstft optimize again"):
        read(tmp_path / name)


def test_a_record_of_terabytes_is_not_read(tmp_path):
    with open(tmp_path / "result.json", "wb") as file:
        file.truncate(2**42)
    with pytest.raises(InputError, match=r"result.json is above 33554432 bytes: run dstft"):
        read_record(tmp_path / "result.json")


def test_a_hop_that_would_make_too_many_frames(tmp_path):
    result = a_result(CONSTANT, centers=np.array([0.0, 1e-7]))
    write_parameters(tmp_path / "p.npz", result)
    stored = read_parameters(tmp_path / "p.npz")
    with pytest.raises(InputError, match=r"^the learned hop, 1e-07 samples, makes 1e\+13 frames"):
        transfer(stored, 4.0, 1_000_000, 8000.0)


def test_a_recording_that_ends_before_the_first_frame(tmp_path):
    write_parameters(tmp_path / "p.npz", a_result(VARYING, centers=np.arange(5) * 4.0 + 500))
    stored = read_parameters(tmp_path / "p.npz")
    with pytest.raises(InputError, match=r"^the recording ends before the first frame: choose"):
        transfer(stored, 300.0, 300, 8000.0)


def test_frames_are_added_without_end_to_end_scans(tmp_path):
    """A first frame far from the end, and the rest of the frames a sample apart."""
    write_parameters(tmp_path / "p.npz", a_result(VARYING, centers=np.array([0, 1, 2, 4, 5.0])))
    stored = read_parameters(tmp_path / "p.npz")
    got = transfer(stored, 1.0, stored.samples + 1, 8000.0)
    reach = 0.45 * 64
    assert got.frame_centers[-1] >= stored.samples - reach
    assert got.window_length.shape == (1, len(got.frame_centers))


def test_one_line_and_exit_code_1(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    soundfile.write("a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 2000), 8000)
    options = ["--n-fft", "64", "--save-stft", "--no-figures", "-q", "-o", "d"]
    assert main(["optimize", "a.wav", *options]) == 0
    with zipfile.ZipFile("d/parameters.npz", "a") as archive, pytest.warns(match="Duplicate"):
        archive.writestr("samples.npy", header("()", "<i8") + (2**60).to_bytes(8, "little"))
    told = "far beyond what 501 frames of 64 samples reach: run dstft optimize again\n"
    for arguments in (["apply", "d", "a.wav", "-o", "x"], ["reconstruct", "d", "-o", "x.wav"]):
        capsys.readouterr()
        assert main(arguments) == 1
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith("dstft: d/parameters.npz: 'samples' 1152921504606846976 is ")
        assert err.endswith(told)
        assert err.count("\n") == 1
        assert not list(tmp_path.glob("*x*"))
