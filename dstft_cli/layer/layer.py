"""The transform as a layer of a neural network."""

from __future__ import annotations

import math
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from dstft_cli.errors import UsageError
from dstft_cli.layer.frozen import FrozenSTFT
from dstft_cli.layer.result import options_of
from dstft_cli.records import (
    HOP_MODES,
    NORMALIZATIONS,
    SHORTEST_WINDOW,
    WINDOW_MODES,
    WINDOWS,
    Result,
)
from dstft_cli.stft import Transform, differentiable_stft
from dstft_cli.stft.frames import center_dtype


class DSTFT(nn.Module):
    """Differentiable short-time Fourier transform with learnable window lengths and frame centres.

        X[f, i] = Σ_k x[⌊t_i⌋ + k] · w(k − frac(t_i); θ[f, i]) · exp(−2πj f (k + ⌊K/2⌋) / K)

    Window lengths are `θ = θ₀·exp(p)` within `[win_length_min, win_length_max]`, with the start
    length θ₀ and one parameter `p = ln(θ/θ₀)` each, zero at the start. So the start length is exact, and a
    learning rate is a relative change. On a bound, a gradient that points outwards is dropped and one that
    points inwards passes. The same holds for learned hops.

    Args:
        n_fft: FFT size K, samples, >= 2.
        hop_length: H, samples, > 0, real; None: n_fft // 4, or 1. Frames stand at `t_i = i·H` at the start.
        frame_centers: of the start instead, samples, increasing, within `[0, signal_length]`, `[T]`;
            H is then the shortest distance of two.
        win_length: of the start, samples: one for all, or a tensor that broadcasts to the shape of
            the window mode; None: n_fft.
        window_mode: which lengths are learned: `constant`, one, `[1, 1]`; `time`, one per frame,
            `[1, T]`; `frequency`, one per bin, `[F, 1]`; `time-frequency`, one per cell, `[F, T]`;
            `fixed`, none.
        hop_mode: which centres are learned: `fixed`, none; `constant`, the hop; `time`, every centre,
            each within `center_reach` hops of where it started.
        signal_length: N, samples: needed where there is a parameter for every frame, T = 1 + ⌊N/H⌋. With
            hop mode `constant` it keeps the number of frames, which otherwise follows the hop.
        win_length_min, win_length_max: samples; None: the greater of n_fft / 32 and 2, and n_fft.
        hop_length_min, hop_length_max: of hop mode `constant`, samples; None: half and twice of H.
        center_reach: of hop mode `time`, in hops, in (0, 0.5): gaps stay within
            `(1 ± 2·center_reach)·H`, so frames stay in order.
        window: window family, one of `records.WINDOWS`.
        normalization: `energy`, noise keeps its level; `amplitude`, a tone keeps its level; `none`.
        device, dtype: of the parameters. The transform is computed in the dtype and on the device of
            the signal.

    Shape:
        Real `[..., N]` to complex `[..., F, T]`, F = n_fft // 2 + 1, T = 1 + ⌊N/H⌋.

    Raises:
        UsageError: a value outside its range; a signal whose number of frames does not fit the
            parameters.

    Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440.

        >>> layer = DSTFT(512, 128, 300.0)
        >>> layer.window_length.item()
        300.0
        >>> power = layer(torch.randn(4, 8000)).abs().square()
        >>> power.shape
        torch.Size([4, 257, 63])
    """

    length_start: Tensor
    hop_start: Tensor
    center_floor: Tensor | None
    center_part: Tensor | None
    kind: Tensor

    def __init__(
        self,
        n_fft: int,
        hop_length: float | None = None,
        win_length: float | Tensor | None = None,
        *,
        window_mode: str = "constant",
        hop_mode: str = "fixed",
        signal_length: int | None = None,
        win_length_min: float | None = None,
        win_length_max: float | None = None,
        hop_length_min: float | None = None,
        hop_length_max: float | None = None,
        center_reach: float = 0.4,
        frame_centers: Tensor | None = None,
        window: str = "hann",
        normalization: str = "energy",
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__()
        for name, value, allowed in (
            ("window", window, WINDOWS),
            ("normalization", normalization, NORMALIZATIONS),
            ("window_mode", window_mode, WINDOW_MODES),
            ("hop_mode", hop_mode, HOP_MODES),
        ):
            if value not in allowed:
                raise UsageError(f"unknown `{name}` {value!r}: use {', '.join(allowed)}")
        _needed(n_fft == int(n_fft), f"`n_fft` {n_fft} is not a whole number of samples")
        n_fft = int(n_fft)
        hop = float(max(n_fft // 4, 1) if hop_length is None else hop_length)
        if frame_centers is not None:
            frame_centers = torch.as_tensor(frame_centers).detach().to("cpu", torch.float64)
            hop = _shortest_gap(frame_centers, signal_length, hop_mode)
        _needed(n_fft >= 2, f"`n_fft` {n_fft} samples: at least 2 are needed")
        _needed(hop > 0 and math.isfinite(hop), f"`hop_length` {hop:g} samples is not above 0")
        _needed(
            0 < center_reach < 0.5, f"`center_reach` {center_reach:g} hops is not between 0 and 0.5"
        )
        self.n_fft = n_fft
        self.hop_length_start = hop
        self.window_mode = window_mode
        self.hop_mode = hop_mode
        self.signal_length = signal_length
        self.window = window
        self.normalization = normalization
        self.center_reach = center_reach
        self.win_length_max = float(n_fft if win_length_max is None else win_length_max)
        shortest = max(n_fft / 32, SHORTEST_WINDOW) if win_length_min is None else win_length_min
        self.win_length_min = float(shortest)
        _needed(
            SHORTEST_WINDOW <= self.win_length_min <= self.win_length_max <= n_fft,
            f"`win_length_min` {self.win_length_min:g} and `win_length_max` {self.win_length_max:g} "
            f"samples: {SHORTEST_WINDOW:g} ≤ min ≤ max ≤ `n_fft` {n_fft} is needed",
        )
        place: Any = {"device": device, "dtype": dtype or torch.get_default_dtype()}
        self.register_buffer("center_floor", None)
        self.register_buffer("center_part", None)
        if frame_centers is not None:  # in two parts, for float32 does not hold the sum
            floor = frame_centers.floor()
            self.center_floor = floor.to(device, torch.int64)
            self.center_part = (frame_centers - floor).to(**place)
        self.log_hop: nn.Parameter | None = None
        self.center_shift: nn.Parameter | None = None
        self._start_lengths(n_fft if win_length is None else win_length, place)
        self._start_positions(hop_length_min, hop_length_max, place)
        kind = n_fft, WINDOWS.index(window), NORMALIZATIONS.index(normalization)
        self.register_buffer("kind", torch.tensor(kind, device=device))

    @classmethod
    def from_result(cls, result: Result | str | PathLike[str], **options: Any) -> DSTFT:
        """The layer that computes the transform of a result, to be learned further.

        A single window on a whole hop fits any signal; lengths per frame and learned centres fit
        signals of the length of the recording.

        Args:
            result: of `optimize`, or a directory that `dstft optimize` or `dstft apply` wrote. Its files
                are read as data: nothing in them is run.
            **options: of the constructor, which override, such as `window_mode`.

        Raises:
            InputError: there is no such result, or it is damaged.
        """
        return cls(**(options_of(result) | options))

    def freeze(self) -> FrozenSTFT:
        """A plain module of one `torch.stft` with the window and the hop learned so far.

        Raises:
            UsageError: it has not a single window, a whole hop and frames a hop apart.
        """
        with torch.no_grad():
            theta, hop = self.window_length.double().cpu(), float(self.hop_length)
            apart = torch.zeros(1)
            if self.signal_length is not None and self.log_hop is None:
                centers = self.frame_centers.cpu()
                apart = centers - torch.arange(len(centers), dtype=centers.dtype) * hop
        single = float(theta.min()) == float(theta.max())
        for right, reason in (
            (single, f"lengths are {_span(theta)} samples (`window_mode` {self.window_mode})"),
            (hop == round(hop), f"the hop is {hop:g} samples"),
            (not apart.any(), f"frames are not one hop apart (`hop_mode` {self.hop_mode})"),
        ):
            _needed(right, f"torch.stft has one window and one whole hop; here {reason}")
        kind = Transform(self.n_fft, self.window, self.normalization)
        window = kind.windows(None, theta.flatten()[:1])[0]
        return FrozenSTFT(window.to(self.log_length), self.n_fft, round(hop))

    @property
    def bins(self) -> int:
        """Number of frequency bins F."""
        return self.n_fft // 2 + 1

    @property
    def window_length(self) -> Tensor:
        """Window lengths θ, samples, `[1, 1]`, `[1, T]`, `[F, 1]` or `[F, T]`; autograd follows."""
        raw = self.length_start * self.log_length.exp()
        return _bounded(raw, self.win_length_min, self.win_length_max)

    @property
    def hop_length(self) -> Tensor:
        """Hop H, samples, a scalar; in hop mode `time`, that of the start."""
        if self.log_hop is None:
            return self.hop_start
        return _bounded(self.hop_start * self.log_hop.exp(), *self._hop_range)

    @property
    def frame_centers(self) -> Tensor:
        """Frame centres, samples, `[T]`, float64 (MPS: float32), for `signal_length`.

        Raises:
            UsageError: no `signal_length`; use `centers_of`.
        """
        if self.signal_length is None:
            raise UsageError("`frame_centers` needs `signal_length`: use `centers_of(N)`")
        return self.centers_of(self.signal_length)

    def centers_of(self, length: int) -> Tensor:
        """Frame centres, samples, `[T]`, float64 (on MPS float32), for a signal of `length` samples."""
        device = self.log_length.device
        kind = center_dtype(device)
        index = torch.arange(self._frames(length), dtype=kind, device=device)
        if self.log_hop is not None:
            return index * self.hop_length.to(kind)
        start = index * self.hop_length_start
        if self.center_floor is not None and self.center_part is not None:
            start = self.center_floor.to(kind) + self.center_part.to(kind)
        if self.center_shift is None:
            return start
        reach = self.center_reach
        shift = _bounded(self.center_shift.to(kind), -reach, reach)
        return _bounded(start + shift * self.hop_length_start, 0.0, float(length))

    def forward(self, signal: Tensor) -> Tensor:
        """Complex `[..., F, T]` of a real signal `[..., N]`."""
        if not isinstance(signal, Tensor):
            raise UsageError(f"signal of type {type(signal).__name__}: give a real torch.Tensor")
        length = signal.shape[-1] if signal.dim() else 0
        frames = self._frames(length)
        wanted = self.log_length.shape[1]
        _needed(
            wanted in (1, frames),
            f"signal of {length} samples has {frames} frames, the layer {wanted} window lengths: "
            f"give signals of `signal_length` {self.signal_length}",
        )
        moving = self.hop_mode != "fixed" or self.center_floor is not None
        return differentiable_stft(
            signal,
            self.window_length,
            self.n_fft,
            hop_length=None if moving else self.hop_length_start,
            centers=self.centers_of(length) if moving else None,
            window=self.window,
            normalization=self.normalization,
        )

    def extra_repr(self) -> str:
        """FFT size, modes, and the current lengths and hop in samples."""
        theta, hop = _span(self.window_length.detach()), _span(self.hop_length.detach())
        text = f"n_fft={self.n_fft}, hop_length={hop}, window_length={theta}"
        if self.center_shift is not None:
            text += f", centers={len(self.center_shift)}"
        return (
            f"{text}, window_mode={self.window_mode!r}, hop_mode={self.hop_mode!r}, "
            f"window={self.window!r}, normalization={self.normalization!r}"
        )

    def _frames(self, length: int) -> int:
        """T for a signal of `length` samples."""
        given, what = self.center_floor, "hop" if self.hop_mode == "constant" else "centres"
        learned = self.hop_mode != "fixed" and self.signal_length is not None
        fixed = given is not None or learned
        _needed(
            not fixed or length == self.signal_length,
            f"signal of {length} samples: the {what} were learned for `signal_length` "
            f"{self.signal_length}, give signals of that length",
        )
        if given is not None:
            return len(given)
        hop = self.hop_length_start
        if self.log_hop is not None and not fixed:
            hop = float(self.hop_length.detach())
        return 1 + int(length // hop)

    def _start_lengths(self, win_length: float | Tensor, place: Any) -> None:
        per_frame = self.window_mode in ("time", "time-frequency")
        shape = (
            self.bins if self.window_mode in ("frequency", "time-frequency") else 1,
            self._needed_frames("window_mode", self.window_mode) if per_frame else 1,
        )
        given = torch.as_tensor(win_length, **place).detach()
        try:
            start = given.broadcast_to(shape).clone()
        except RuntimeError:
            raise UsageError(
                f"`win_length` of shape {tuple(given.shape)} does not broadcast to {shape}"
            ) from None
        _needed(
            self.win_length_min <= float(start.min()) and float(start.max()) <= self.win_length_max,
            f"`win_length` {_span(start)} samples is outside {self.win_length_min:g}…"
            f"{self.win_length_max:g}: change it, `win_length_min` or `win_length_max`",
        )
        self.register_buffer("length_start", start)
        learned = self.window_mode != "fixed"
        self.log_length = nn.Parameter(torch.zeros_like(start), requires_grad=learned)

    def _start_positions(self, low: float | None, high: float | None, place: Any) -> None:
        hop = self.hop_length_start
        _needed(
            self.hop_mode == "constant" or (low is None and high is None),
            "`hop_length_min` and `hop_length_max` are for `hop_mode` 'constant'",
        )
        bottom = hop / 2 if low is None else low
        top = 2 * hop if high is None else high
        _needed(
            0 < bottom <= hop <= top,
            f"`hop_length_min` {bottom:g}, `hop_length` {hop:g} and `hop_length_max` {top:g} "
            "samples: 0 < min ≤ hop ≤ max is needed",
        )
        self.register_buffer("hop_start", torch.tensor(hop, **place))
        if self.hop_mode == "constant":
            self.log_hop = nn.Parameter(torch.zeros((), **place))
            if self.signal_length is not None:
                frames = self._needed_frames("hop_mode", self.hop_mode)
                top = min(top, self.signal_length / max(frames - 1, 1))  # all stay in the signal
        elif self.hop_mode == "time":
            frames = self._needed_frames("hop_mode", self.hop_mode)
            self.center_shift = nn.Parameter(torch.zeros(frames, **place))
        self._hop_range = (float(bottom), float(top))

    def _needed_frames(self, option: str, mode: str) -> int:
        """T for the signal length given at construction."""
        if self.signal_length is None or self.signal_length < 1:
            raise UsageError(
                f"`{option}` {mode!r} has a parameter for every frame: give `signal_length` above 0 "
                f"samples, not {self.signal_length}"
            )
        return self._frames(self.signal_length)

    def _load_from_state_dict(
        self, state_dict: dict[str, Any], prefix: str, *rest: Any, **named: Any
    ) -> None:
        """Loads weights of the same transform; others are an error that names both."""
        # weights of earlier versions do not say their kind
        kind = state_dict.setdefault(f"{prefix}kind", self.kind)
        hop = state_dict.get(f"{prefix}hop_start", self.hop_start)
        theirs, ours = _described(kind, hop), _described(self.kind, self.hop_start)
        if theirs == ours:
            super()._load_from_state_dict(state_dict, prefix, *rest, **named)
        else:
            errors: list[str] = rest[-1]
            errors.append(f"weights of a layer of {theirs}, where this one has {ours}")


class _Bound(torch.autograd.Function):
    """A clamp; on or beyond a bound only gradients that point inwards pass."""

    @staticmethod
    def forward(value: Tensor, low: float, high: float) -> Tensor:
        return value.clamp(low, high)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        value, ctx.low, ctx.high = inputs
        ctx.save_for_backward(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (value,) = ctx.saved_tensors
        (gradient,) = gradients
        outwards = ((value <= ctx.low) & (gradient > 0)) | ((value >= ctx.high) & (gradient < 0))
        return gradient.masked_fill(outwards, 0.0), None, None


def _bounded(value: Tensor, low: float, high: float) -> Tensor:
    bounded: Tensor = _Bound.apply(value, low, high)  # type: ignore[no-untyped-call]
    return bounded


def _needed(right: bool, message: str) -> None:
    if not right:
        raise UsageError(message)


def _described(kind: Tensor, hop: Tensor) -> str:
    """`n_fft`, hop, window and normalization in words."""
    n_fft, window, normalization = kind.tolist()
    words = f"{WINDOWS[window]} windows, normalization {NORMALIZATIONS[normalization]}"
    return f"n_fft {n_fft}, hop {float(hop):g}, {words}"


def _shortest_gap(centers: Tensor, length: int | None, hop_mode: str) -> float:
    gaps = centers.diff() if centers.dim() == 1 else centers[:0]
    inside = len(gaps) > 0 and float(centers[0]) >= 0 and float(centers[-1]) <= (length or 0)
    _needed(
        inside and float(gaps.min()) > 0 and hop_mode != "constant",
        "`frame_centers` needs two or more, increasing, within `signal_length`, and a `hop_mode` other "
        "than constant",
    )
    return float(gaps.min())


def _span(values: Tensor) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.6g}" if low == high else f"{low:.6g}…{high:.6g}"
