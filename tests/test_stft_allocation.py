"""Blocks of frames reuse the memory of the blocks before: an evaluation maps hardly a page anew."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

# the second evaluation of four million samples of frames, in a process where nothing else ran
COUNT = """
import resource
import numpy as np
import torch
from dstft_cli.criteria import resolve
from dstft_cli.fit.evaluator import Compute, Evaluator
from dstft_cli.fit.centers import uniform_centers
from dstft_cli.stft import Transform

torch.set_num_threads({threads})
x = np.random.default_rng(0).standard_normal((1, 512 * 2047), dtype=np.float32)
centers = uniform_centers(x.shape[1], 512)
evaluator = Evaluator(
    x, centers, Transform(2048), resolve("entropy", None), compute=Compute(threads={threads})
)
lengths = np.geomspace(600, 2000, len(centers))[None]
evaluator.rows_and_slopes(lengths)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
evaluator.rows_and_slopes(lengths)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize("threads", [1, 2])
def test_an_evaluation_maps_hardly_a_page(threads: int) -> None:
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("NOT TESTED: the C library is not glibc, whose thresholds this is about")
    code = COUNT.format(threads=threads)
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=120
    )
    pages = 2048 * 2048 * 4 // 4096  # of the windowed frames alone, which are made anew twice
    assert int(done.stdout) < 2 * pages * threads
