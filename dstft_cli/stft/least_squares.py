"""Inverse of a transform whose window lengths vary with frequency: least squares.

With `A` the transform, the signal is the one that minimizes

    Σ_i 1/K Σ_f c_f · |X[f, i] − (A x)[f, i]|² / ‖w[f, i]‖²,

`c_f` being 2 where a bin stands for two, every cell weighted as under energy normalization, and the signal
itself where X is its transform. Conjugate gradients find it, preconditioned by the diagonal of the
normal equations, `D[n] = Σ_i 1/K Σ_f c_f · w[n − t_i; θ[f, i]]² / ‖w[f, i]‖²`: with one length for all bins
the first step is weighted overlap-add, and the last.

The signal is solved in segments. A segment takes all frames that reach it and its margins, and sets the
signal beyond the margins to zero. Its normal equations are a principal part of those of the whole signal,
and as well conditioned. They are banded, so errors from beyond the margins decay by orders of magnitude
per n_fft. Only the inner part of a segment is kept.

Source: Griffin & Lim, IEEE TASSP 32 (1984); Björck, Numerical Methods for Least Squares Problems
(SIAM 1996), section 7.4 (conjugate gradients on the residual).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dstft_cli.stft.bank import BankOperator, CellOperator, MatrixBank, few_lengths
from dstft_cli.stft.frames import Frames, map_in_order
from dstft_cli.stft.overlap_add import BlockInverse, incomplete, lost_and_weak
from dstft_cli.stft.transform import Transform

FloatArray = NDArray[np.floating[Any]]
Array64 = NDArray[np.float64]
_Solved = tuple[Array64, int, bool, float, float, int, int]
LengthOf = Callable[[int, int], NDArray[np.floating[Any]]]

MOST_ITERATIONS = 200
TOLERANCE = {torch.float32: 1e-7, torch.float64: 1e-11}  # of the gradient, per that of X
_BANDS = 16  # of bins, in each of which a sample should be covered
_BANK_BYTES = 1 << 30  # of matrices kept between iterations
_HELD_BYTES = 1 << 30  # by the segments that are solved at a time
SEGMENT = 32  # n_fft that a segment keeps
_MARGIN = {torch.float32: 4, torch.float64: 8}  # n_fft that it solves for beyond, at each end
# where frames lie as close as those of a map of lengths do: the error of the signal stays below 1e-5
_DENSE_TOLERANCE, _DENSE_MARGIN = 1e-5, 1
_MOST_VALUES = 3 << 21  # of the transform in a segment, where frames are dense


class LeastSquaresInverse(BlockInverse):
    """Least squares by conjugate gradients; arguments are those of `BlockInverse`.

    Where `length_of` is given, the lengths of frames `start … stop-1`, samples, `[F, n]`, are
    `length_of(start, stop)`, and `lengths` is not looked at: nothing as large as the plane is held.

    Transform and adjoint are computed in the precision of X, the signal in float64.

    Attributes:
        uncovered: samples that no window reaches, set to zero.
        weak: further samples that, in a sixteenth of the spectrum, only ends of windows reach, or none.
        iterations: of conjugate gradients, in the slowest segment.
        residual: `‖X − A x‖ / ‖X‖` over all frames, each cell weighted as above.
        converged: whether every segment converged before `MOST_ITERATIONS`.
    """

    def __init__(self, *given: Any, length_of: LengthOf | None = None, **options: Any) -> None:
        super().__init__(*given, **options)
        self._length_of = length_of
        dense = length_of is not None and self._dtype == torch.float32
        self._margin = _DENSE_MARGIN if dense else _MARGIN[self._dtype]
        self._tolerance = _DENSE_TOLERANCE if dense else TOLERANCE[self._dtype]
        self.iterations = 0
        self.converged = True
        self._remainder = 0.0
        self._energy = 0.0
        self._places, self._banks = self._find_banks()

    @property
    def residual(self) -> float:
        """`‖X − A x‖ / ‖X‖`; 0 for a transform that is zero."""
        return float(np.sqrt(self._remainder / self._energy)) if self._energy else 0.0

    def samples(self, blocks: Iterable[Tensor]) -> Iterator[Array64]:
        # a segment needs five times its frames, and twice as many segments wait
        frames = max(s.frames.stop - s.frames.start for s in self.segments())
        held = 7 * frames * self._transform.bins * self.channels * self._dtype.to_complex().itemsize
        threads = max(min(self._threads, _HELD_BYTES // max(held, 1)), 1)
        for solved in map_in_order(self._solve, self._jobs(blocks), threads):
            samples, iterations, converged, remainder, energy, uncovered, weak = solved
            self.uncovered += uncovered
            self.weak += weak
            self.iterations = max(self.iterations, iterations)
            self.converged &= converged
            self._remainder += remainder
            self._energy += energy
            yield samples

    def segments(self) -> Iterator[Segment]:
        """Segments of the signal, in order; shorter ones where frames are dense."""
        n_fft = self._transform.n_fft
        margin = self._margin * n_fft
        most = _MOST_VALUES // (self._transform.bins * self.channels)
        start = 0
        while start < self.length:
            low = max(start - margin, 0)
            first = int(np.searchsorted(self._centers, low - n_fft // 2 - 1))
            size = SEGMENT * n_fft
            while True:
                stop = min(start + size, self.length)
                high = min(stop + margin, self.length)
                reach = high + n_fft // 2 + 1
                last = int(np.searchsorted(self._centers, reach, side="right"))
                if last - first <= most or size <= 4 * n_fft:
                    break
                size -= n_fft
            yield Segment(start, stop, low, high, slice(first, last))
            start = stop

    def _jobs(self, blocks: Iterable[Tensor]) -> Iterator[tuple[Segment, Tensor]]:
        """Segments with the frames they need, each frame held until the last one has it."""
        source = iter(blocks)
        kind = self._dtype.to_complex()
        held = torch.empty((self.channels, 0, self._transform.bins), dtype=kind)
        first = 0  # number of the first frame held
        for segment in self.segments():
            parts, count = [held], first + held.shape[1]
            while count < segment.frames.stop:
                block = next(source, None)
                if block is None:
                    raise incomplete(count, len(self._centers))
                parts.append(block.to("cpu", kind))
                count += block.shape[1]
            held = torch.cat(parts, dim=1)
            held = held[:, max(segment.frames.start - first, 0) :]
            first = count - held.shape[1]
            begin = segment.frames.start - first
            yield segment, held[:, begin : begin + segment.frames.stop - segment.frames.start]
        count = first + held.shape[1] + sum(block.shape[1] for block in source)
        if count < len(self._centers):
            raise incomplete(count, len(self._centers))

    def _find_banks(self) -> tuple[NDArray[np.int64], list[MatrixBank]]:
        """Fractional position of each frame and the matrix of each position, where matrices pay."""
        frames = Frames(np.empty((1, 1)), self._centers, self._transform.n_fft)
        per_bin = self._lengths.shape[1] == 1 < len(self._lengths)
        if not per_bin or few_lengths(self._lengths) or not frames.few_fractions:
            return np.empty(0, np.int64), []
        theta = torch.from_numpy(self._lengths[:, 0]).to(self._dtype)
        fractions, places = frames.places()
        size = 2 * self._transform.n_fft * self._transform.bins * theta.element_size()
        keep = sum(size if fraction else size // 2 for fraction in fractions) <= _BANK_BYTES
        banks = [MatrixBank(self._transform, theta, place, keep=keep) for place in fractions]
        return places, banks

    def _operator(self, frames: slice, fractions: Tensor) -> CellOperator | BankOperator:
        if self._banks:
            return BankOperator(self._banks, self._places[frames])
        if self._length_of is not None:
            part = np.asarray(self._length_of(frames.start, frames.stop), np.float64)
        else:
            part = self._lengths if self._lengths.shape[1] == 1 else self._lengths[:, frames]
        shape = (self._transform.bins, frames.stop - frames.start)
        return CellOperator(self._transform, fractions, np.broadcast_to(part, shape), keep=True)

    def _solve(self, job: tuple[Segment, Tensor]) -> _Solved:
        """Samples, iterations, success, energies of rest and frames, uncovered and weak samples."""
        segment, X = job
        if X.shape[1] == 0:
            size = segment.stop - segment.start
            return np.zeros((self.channels, size)), 0, True, 0.0, 0.0, size, 0
        problem = SegmentProblem(
            partial(self._operator, segment.frames),
            self._centers[segment.frames] - segment.low,
            segment.high - segment.low,
            self._transform.n_fft,
            self._dtype,
            self._tolerance,
        )
        peak = X.abs().amax(dim=(1, 2))  # squares of very small or large values do not fit float32
        scale = peak.masked_fill(peak == 0, 1)
        X = X / scale[:, None, None]
        solution, rest, iterations, converged = problem.solve(X)
        begin, end = np.searchsorted(self._centers[segment.frames], [segment.start, segment.stop])
        first, last = segment.start == 0, segment.stop == self.length
        # each frame counts once
        own = slice(0 if first else int(begin), None if last else int(end))
        levels = scale.double().numpy()
        remainder, energy = (
            float((problem.energy(part[:, own], own) * levels**2).sum()) for part in (rest, X)
        )
        inside = slice(segment.start - segment.low, segment.stop - segment.low)
        uncovered, weak = (
            int(np.count_nonzero(which[inside])) for which in (problem.lost, problem.weak)
        )
        kept = solution[:, inside] * levels[:, None]
        return kept, iterations, converged, remainder, energy, uncovered, weak


@dataclass(frozen=True)
class Segment:
    """Samples `low … high-1` that are solved for, from all frames that reach them; some are kept."""

    start: int  # of the samples that are kept
    stop: int
    low: int
    high: int
    frames: slice


class SegmentProblem:
    """The least-squares problem of one segment of M samples."""

    def __init__(
        self,
        operator_of: Callable[[Tensor], CellOperator | BankOperator],
        centers: Array64,
        size: int,
        n_fft: int,
        dtype: torch.dtype,
        tolerance: float,
    ) -> None:
        self._tolerance = tolerance
        self._n_fft = n_fft
        self._dtype = dtype
        self._size = size
        self._centers = centers
        self._firsts = (np.floor(centers).astype(np.int64) - n_fft // 2).tolist()
        probe = self._frames(np.zeros((1, 1)))
        self._operator = operator_of(probe.fractions(0, len(probe)))
        energies = self._operator.energies()
        # a window shorter than a sample may fall between two samples: its cell is zero
        self._weights = energies.reciprocal().masked_fill_(energies <= 0, 0)
        # `c_f / K` of each bin in its band of the spectrum, `[F, B]`
        count = Transform(n_fft).bins_counted(torch.empty(0, dtype=torch.float64)).numpy()
        bins, share = np.arange(len(count)), np.zeros((len(count), min(_BANDS, len(count))))
        share[bins, bins * share.shape[1] // len(bins)] = count / n_fft
        self._count = torch.from_numpy(share.sum(axis=1))
        self._adjoint_weights = self._weights * self._count.to(dtype)
        self._inverse_diagonal = self._covered(share)

    def energy(self, X: Tensor, frames: slice = slice(None)) -> Array64:
        """`⟨X, X⟩` of each channel, cells weighted, `[C]`."""
        squared = torch.view_as_real(X).square().sum(-1) * self._weights[frames]
        return (squared.sum(1, dtype=torch.float64) @ self._count).numpy()

    def solve(self, X: Tensor) -> tuple[Array64, Tensor, int, bool]:
        """Signal `[C, M]`, `X − A x`, iterations, and whether they sufficed."""
        limit = self._tolerance * np.sqrt(self.energy(X))
        x = np.zeros((len(X), self._size))
        rest = X.clone()
        gradient = self._adjoint(rest)
        step = gradient * self._inverse_diagonal
        slope = (gradient * step).sum(axis=1)
        direction = step
        iterations = 0
        while True:
            active = np.sqrt(slope) > limit
            if not active.any() or iterations == MOST_ITERATIONS:
                return x, rest, iterations, not active.any()
            change = self._operator.spectra(self._frames(direction).block(0, len(self._centers)))
            curvature = self.energy(change)
            active &= curvature > 0
            size = np.divide(slope, curvature, out=np.zeros_like(slope), where=active)
            x += size[:, None] * direction
            rest -= change.mul_(torch.from_numpy(size).to(self._dtype)[:, None, None])
            gradient = self._adjoint(rest)
            np.multiply(gradient, self._inverse_diagonal, out=step)
            before, slope = slope, (gradient * step).sum(axis=1)
            turn = np.divide(slope, before, out=np.zeros_like(slope), where=active)
            direction = step + turn[:, None] * direction
            iterations += 1

    def _adjoint(self, X: Tensor) -> Array64:
        frames = self._operator.adjoint(X * self._adjoint_weights).numpy()
        K = self._n_fft
        padded = np.zeros((len(frames), self._size + 2 * K + 2))
        for i, first in enumerate(self._firsts):
            padded[:, first + K + 1 : first + 2 * K + 1] += frames[:, i]
        return padded[:, K + 1 : K + 1 + self._size]

    def _frames(self, x: Array64) -> Frames:
        return Frames(x, self._centers, self._n_fft, dtype=self._dtype)

    def _covered(self, share: Array64) -> Array64:
        """The preconditioner `1/D` `[M]`, zero where samples are lost; sets `lost` and `weak`."""
        K = self._n_fft
        kind = np.float32 if self._dtype == torch.float32 else np.float64
        weight = np.zeros((share.shape[1], self._size + 2 * K + 2), kind)
        top = np.zeros_like(weight)
        for rows, sums, tops in self._operator.squares(share):
            values, peaks = sums.numpy(), tops.numpy()[:, :, None]
            for i, first in enumerate(self._firsts[rows]):
                reach = slice(first + K + 1, first + 2 * K + 1)
                weight[:, reach] += values[i]
                np.maximum(top[:, reach], peaks[i], out=top[:, reach])
        inside = slice(K + 1, K + 1 + self._size)
        weight, top = weight[:, inside], top[:, inside]
        diagonal = weight.sum(axis=0)
        self.lost, weak = lost_and_weak(diagonal, top.sum(axis=0), self._dtype)
        for band, peak in zip(weight, top, strict=True):
            weak |= np.logical_or(*lost_and_weak(band, peak, self._dtype))
        self.weak = weak & ~self.lost
        return np.asarray(np.divide(1.0, diagonal, out=np.zeros(self._size), where=~self.lost))
