"""The way back from a transform whose window lengths vary with frequency: least squares.

With `A` the transform and `⟨·,·⟩` the inner product of `cells.CellOperator`, the signal is the one
that minimizes

    Σ_i 1/K Σ_f c_f · |X[f, i] − (A x)[f, i]|² / ‖w[f, i]‖²,

every cell weighted as under energy normalization, and the signal itself where X is its transform.
Conjugate gradients find it, preconditioned by the diagonal of the normal equations,
`D[n] = Σ_i 1/K Σ_f c_f · w[n − t_i; θ[f, i]]² / ‖w[f, i]‖²`: with one length for all bins the first
step is weighted overlap-add, and the last.

The signal is solved for in `segments`.

Source: Griffin & Lim, IEEE TASSP 32 (1984); Björck, Numerical Methods for Least Squares Problems
(SIAM 1996), section 7.4 (conjugate gradients on the residual).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.bank_operator import AdjointBank, BankOperator
from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.cells import CellOperator
from dstft_cli.stft.coverage import check_invertible
from dstft_cli.stft.frames import Frames
from dstft_cli.stft.segment_problem import Operator, SegmentProblem
from dstft_cli.stft.segments import Segment, cut
from dstft_cli.stft.transform import Transform

FloatArray = NDArray[np.floating[Any]]
Array64 = NDArray[np.float64]

_BINS_PER_FFT = 20  # a matrix product for so many bins costs about as much as one FFT
_BANK_BYTES = 1 << 30  # of matrices that are kept from one iteration to the next
_HELD_BYTES = 1 << 30  # by the segments that are solved at a time


@dataclass(frozen=True)
class _Solved:
    samples: Array64
    iterations: int
    converged: bool
    remainder: float  # energy of what the signal does not explain, of the frames within
    energy: float  # of these frames
    uncovered: int
    weak: int


class LeastSquaresInverse:
    """Least squares from frames that come in blocks, in time order; used as `Inverse` is.

    Memory depends on n_fft, channels and threads, not on the number of frames. Transform and adjoint
    are computed in the precision of X, the signal in float64.

    Args:
        transform: FFT size, window family, normalization.
        centers: frame centres, samples, `[T]`, not decreasing.
        lengths: window lengths, samples, in (0, n_fft], `[F, 1]` or `[F, T]`; also `[1, 1]` and
            `[1, T]`.
        length: N, samples per channel, >= 1.
        channels: C.
        dtype: float32 or float64, the precision in which X was computed and is given.
        threads: segments at a time.

    Attributes:
        uncovered: samples that no window reaches: they are zero. Complete, as all that follow, once
            `samples` has ended.
        weak: further samples that in a sixteenth of the spectrum no window reaches, or only by its
            end: their error may exceed `coverage.WEAK_ERROR` of the level around them.
        iterations: of conjugate gradients, in the segment that took most.
        residual: `‖X − A x‖ / ‖X‖` over all frames, each cell weighted as above.
        converged: whether every segment came to its end before `MOST_ITERATIONS`.

    Raises:
        UsageError: shapes, lengths or the order of the centres are not as above.
    """

    def __init__(
        self,
        transform: Transform,
        centers: FloatArray,
        lengths: FloatArray,
        length: int,
        *,
        channels: int = 1,
        dtype: torch.dtype = torch.float32,
        threads: int = 1,
    ) -> None:
        check_invertible(transform.n_fft, centers, lengths, length)
        self.length = length
        self.channels = channels
        self.block = max((1 << 20) // (transform.n_fft * channels), 1)
        self.uncovered = 0
        self.weak = 0
        self.iterations = 0
        self.converged = True
        self._transform = transform
        self._dtype = dtype
        self._threads = threads
        self._centers = np.asarray(centers, np.float64)
        self._lengths = np.asarray(lengths, np.float64)
        self._remainder = 0.0
        self._energy = 0.0
        self._places, self._banks = self._find_banks()

    @property
    def residual(self) -> float:
        """`‖X − A x‖ / ‖X‖`; 0 for a transform that is zero."""
        return float(np.sqrt(self._remainder / self._energy)) if self._energy else 0.0

    def starts(self) -> range:
        """Number of the first frame of each block."""
        return range(0, len(self._centers), self.block)

    def samples(self, blocks: Iterable[Tensor]) -> Iterator[Array64]:
        """Finished samples, in order; can be used once.

        Args:
            blocks: `X` as complex `[C, n, F]`, in all T frames, in order.

        Yields:
            `[C, m]`, float64, N samples in all.
        """
        for solved in map_in_order(self._solve, self._jobs(blocks), self._workers()):
            self.uncovered += solved.uncovered
            self.weak += solved.weak
            self.iterations = max(self.iterations, solved.iterations)
            self.converged &= solved.converged
            self._remainder += solved.remainder
            self._energy += solved.energy
            yield solved.samples

    def segments(self) -> Iterator[Segment]:
        """Segments of the signal, in order."""
        values = self._transform.bins * self.channels
        return cut(self._centers, self.length, self._transform.n_fft, values, self._dtype)

    def _jobs(self, blocks: Iterable[Tensor]) -> Iterator[tuple[Segment, Tensor]]:
        """Segments with the frames they need, each frame held until the last one has it."""
        source = iter(blocks)
        kind = torch.complex64 if self._dtype == torch.float32 else torch.complex128
        held = torch.empty((self.channels, 0, self._transform.bins), dtype=kind)
        first = 0  # number of the first frame held
        for segment in self.segments():
            parts, count = [held], first + held.shape[1]
            while count < segment.frames.stop:
                block = next(source, None)
                if block is None:
                    raise _incomplete(count, len(self._centers))
                parts.append(block.to("cpu", kind))
                count += block.shape[1]
            held = torch.cat(parts, dim=1)
            held = held[:, max(segment.frames.start - first, 0) :]
            first = count - held.shape[1]
            begin = segment.frames.start - first
            yield segment, held[:, begin : begin + segment.frames.stop - segment.frames.start]
        count = first + held.shape[1] + sum(block.shape[1] for block in source)
        if count < len(self._centers):
            raise _incomplete(count, len(self._centers))

    def _workers(self) -> int:
        """Segments at a time: each holds its frames five times over, and twice as many wait."""
        frames = max(s.frames.stop - s.frames.start for s in self.segments())
        values = frames * self._transform.bins * self.channels
        held: int = 7 * values * (8 if self._dtype == torch.float32 else 16)
        return max(min(self._threads, _HELD_BYTES // max(held, 1)), 1)

    def _find_banks(self) -> tuple[NDArray[np.int64], list[AdjointBank]]:
        """Place of each frame between samples and the matrices of each place, where they pay."""
        if self._lengths.shape[1] > 1 or len(self._lengths) == 1:
            return np.empty(0, np.int64), []
        theta = torch.from_numpy(self._lengths[:, 0]).to(self._dtype)
        frames = Frames(np.empty((1, 1)), self._centers, self._transform.n_fft)
        few_lengths = len(torch.unique(theta)) * _BINS_PER_FFT <= len(theta)
        if few_lengths or not frames.few_fractions:
            return np.empty(0, np.int64), []
        groups = list(frames.groups())
        transform = self._transform
        size = 2 * transform.n_fft * transform.bins * theta.element_size()
        keep = sum(size if fraction else size // 2 for fraction, _ in groups) <= _BANK_BYTES
        places = np.zeros(len(frames), np.int64)
        banks = []
        for number, (fraction, members) in enumerate(groups):
            places[members] = number
            banks.append(
                AdjointBank(
                    transform.n_fft,
                    theta,
                    fraction,
                    transform.window,
                    transform.normalization,
                    keep=keep,
                )
            )
        return places, banks

    def _problem(self, segment: Segment) -> SegmentProblem:
        return SegmentProblem(
            partial(self._operator, segment.frames),
            self._centers[segment.frames] - segment.low,
            segment.high - segment.low,
            self._transform.n_fft,
            self._dtype,
        )

    def _own(self, segment: Segment) -> slice:
        """Of its frames those whose centres lie in the part that is kept."""
        centers = self._centers[segment.frames]
        begin, end = np.searchsorted(centers, [segment.start, segment.stop])
        first, last = segment.start == 0, segment.stop == self.length
        return slice(0 if first else int(begin), len(centers) if last else int(end))

    def _operator(self, frames: slice, fractions: Tensor) -> Operator:
        if self._banks:
            return BankOperator(self._banks, self._places[frames])
        part = self._lengths if self._lengths.shape[1] == 1 else self._lengths[:, frames]
        shape = (self._transform.bins, frames.stop - frames.start)
        return CellOperator(self._transform, fractions, np.broadcast_to(part, shape))

    def _solve(self, job: tuple[Segment, Tensor]) -> _Solved:
        segment, X = job
        if X.shape[1] == 0:
            size = segment.stop - segment.start
            return _Solved(np.zeros((self.channels, size)), 0, True, 0.0, 0.0, size, 0)
        problem = self._problem(segment)
        peak = X.abs().amax(dim=(1, 2))  # squares of very small or large values are no float32
        scale = peak.masked_fill(peak == 0, 1)
        X = X / scale[:, None, None]
        solution, rest, iterations, converged = problem.solve(X)
        own, levels = self._own(segment), scale.double().numpy()
        remainder, energy = (
            float((problem.energy(part[:, own], own) * levels**2).sum()) for part in (rest, X)
        )
        inside = slice(segment.start - segment.low, segment.stop - segment.low)
        return _Solved(
            samples=solution[:, inside] * levels[:, None],
            iterations=iterations,
            converged=converged,
            remainder=remainder,
            energy=energy,
            uncovered=int(np.count_nonzero(problem.lost[inside])),
            weak=int(np.count_nonzero(problem.weak[inside])),
        )


def _incomplete(count: int, total: int) -> ValueError:
    return ValueError(f"{count} of {total} frames came: the signal is incomplete")
