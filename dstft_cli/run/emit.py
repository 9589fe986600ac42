"""The one call that computes a learned global transform in another library, as text.

The window is written out as a formula of its real-valued length, with the family, the centre and the
normalization of `stft.windows`; frames lie at whole multiples of the hop from the first sample on, with
zeros around the signal. So the call gives what `stft.npy` holds, but for rounding.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from dstft_cli._version import __version__
from dstft_cli.errors import UsageError
from dstft_cli.records import FloatArray, Result


@dataclass(frozen=True)
class _Dialect:
    """How a language writes a formula of a vector `v`."""

    cos: str
    exp: str
    sqrt: str
    bessel: str  # I₀, with its opening bracket
    pi: str
    square: str


_NUMPY = _Dialect("np.cos", "np.exp", "np.sqrt", "np.i0(", "np.pi", "v**2")
_TORCH = _Dialect("torch.cos", "torch.exp", "torch.sqrt", "torch.special.i0(", "torch.pi", "v**2")
_MATLAB = _Dialect("cos", "exp", "sqrt", "besseli(0, ", "pi", "v.^2")

_NORMS = {
    "energy": ("np.linalg.norm(w)", "torch.linalg.norm(w)", "norm(w)"),
    "amplitude": ("w.sum()", "w.sum()", "sum(w)"),
}


def check_emitted(
    hop_length: float,
    n_fft: int,
    samples: int,
    library: str,
    *,
    again: str = "",
    whole_at: float | None = None,
) -> None:
    """UsageError where a call of `library` cannot place the frames of such a transform.

    Args:
        hop_length: samples.
        n_fft: samples.
        samples: of the signal.
        library: one of `names.LIBRARIES`.
        again: what a user does to choose a hop or an n_fft, where an option alone is not enough.
        whole_at: sample rate at which the hop is a whole number, Hz, if it was learned at another one.
    """
    if hop_length != round(hop_length):
        remedy = f"{again or 'use'} `hop_length` {max(int(hop_length), 1)}"
        if whole_at is not None:
            remedy = f"resample with `sr` {whole_at:g}"
        raise UsageError(
            f"`emit` {library}: hop length {hop_length:g} samples is no whole number, which "
            f"{library} needs: {remedy}"
        )
    if n_fft % 2 and library != "scipy":
        raise UsageError(
            f"`emit` {library}: n_fft {n_fft} is odd, for which {library} places frames otherwise: "
            f"use `emit` scipy, or {again or 'use'} an even `n_fft`"
        )
    if library == "scipy" and samples < n_fft - n_fft // 2:
        raise UsageError(
            f"`emit` scipy: a signal of {samples} samples is shorter than half of n_fft {n_fft}, "
            f"which scipy refuses: use `emit` torch, or {again or 'use'} a lower `n_fft`"
        )


def check_global(window_length: FloatArray, frame_centers: FloatArray, library: str) -> None:
    """UsageError for window lengths or hops that vary, or frames that do not begin at 0; samples."""
    hops = np.diff(frame_centers)
    uniform = frame_centers[0] == 0 and np.allclose(hops, hops[:1], rtol=0, atol=1e-6)
    if window_length.size != 1 or not uniform:
        raise UsageError(
            f"`emit` {library} prints one call with one window and one hop from the first sample on, "
            "and here they vary: learn with `window_mode` constant and `hop_mode` fixed"
        )


def emitted_call(
    result: Result, library: str, channels: str = "mix", highpass: float | None = None
) -> str:
    """The imports, the window and the call, as lines of Python or MATLAB.

    Args:
        result: of one window length, and frames a whole hop apart.
        library: one of `names.LIBRARIES`.
        channels, highpass: the settings, told in a comment.

    Raises:
        UsageError: the transform varies over time or frequency, or its hop is no whole number.
    """
    check_global(result.window_length, result.frame_centers, library)
    check_emitted(result.hop_length, result.n_fft, result.length, library)
    writer = {"librosa": _librosa, "torch": _torch, "scipy": _scipy, "matlab": _matlab}[library]
    signal = _signal(result, library, channels)
    if highpass is not None:
        signal += (
            f", after scipy.signal.sosfilt(butter(4, {highpass:g}, 'highpass', fs=RATE, output='sos'), "
            "x - x[0]) at the file's RATE"
        )
    return "\n".join(writer(result, signal)) + "\n"


def _librosa(result: Result, signal: str) -> list[str]:
    return [
        "import librosa",
        "import numpy as np",
        "",
        *_numpy_window(result, signal),
        f"X = librosa.stft(x, n_fft={result.n_fft}, hop_length={round(result.hop_length)}, "
        f'win_length={result.n_fft}, window=w, center=True, pad_mode="constant")',
    ]


def _scipy(result: Result, signal: str) -> list[str]:
    hop = round(result.hop_length)
    return [
        "import numpy as np",
        "from scipy.signal import ShortTimeFFT",
        "",
        *_numpy_window(result, signal),
        f"X = ShortTimeFFT(w, hop={hop}, fs={result.sample_rate:g}, mfft={result.n_fft}, "
        f"scale_to=None, phase_shift=None).stft(x, p0=0, p1=1 + x.shape[-1] // {hop})",
    ]


def _torch(result: Result, signal: str) -> list[str]:
    return [
        "import torch",
        "",
        *_comments(result, signal, "#"),
        f"v = ((torch.arange({result.n_fft}, dtype=torch.float64) - {result.n_fft // 2}) "
        f"/ {_length(result)!r}).clamp(-0.5, 0.5)",
        *_formula(result, _TORCH, 1, "w = w / {}", ""),
        f"X = torch.stft(x, n_fft={result.n_fft}, hop_length={round(result.hop_length)}, "
        f"win_length={result.n_fft}, window=w.to(x), center=True, "
        'pad_mode="constant", return_complex=True)',
    ]


def _matlab(result: Result, signal: str) -> list[str]:
    half, hop = result.n_fft // 2, round(result.hop_length)
    zeros = f"zeros({half}, size(x, 2))"
    return [
        *_comments(result, signal, "%"),
        f"v = min(max(((0:{result.n_fft - 1})' - {half}) / {_length(result)!r}, -0.5), 0.5);",
        *_formula(result, _MATLAB, 2, "w = w / {}", ";"),
        f"X = stft([{zeros}; x; {zeros}], {result.sample_rate:g}, 'Window', w, "
        f"'OverlapLength', {result.n_fft - hop}, 'FFTLength', {result.n_fft}, "
        "'FrequencyRange', 'onesided');",
    ]


def _numpy_window(result: Result, signal: str) -> list[str]:
    return [
        *_comments(result, signal, "#"),
        f"v = np.clip((np.arange({result.n_fft}) - {result.n_fft // 2}) / {_length(result)!r}, "
        "-0.5, 0.5)",
        *_formula(result, _NUMPY, 0, "w = w / {}", ""),
    ]


def _formula(result: Result, dialect: _Dialect, column: int, divide: str, end: str) -> list[str]:
    """The window of `v`, the distance from its centre in window lengths, and its normalization."""
    lines = [f"w = {_shape(result.window, dialect)}{end}"]
    if result.normalization in _NORMS:
        lines.append(divide.format(_NORMS[result.normalization][column]) + end)
    return lines


def _shape(window: str, d: _Dialect) -> str:
    """`h(v)` of `stft.windows`, within |v| ≤ ½."""
    cosines = {
        "hann": (0.5, 0.5),
        "blackman": (0.42, 0.5, 0.08),
        "nuttall": (0.355768, 0.487396, 0.144232, 0.012604),
    }
    if window in cosines:
        first, *others = cosines[window]
        terms = [f"{c} * {d.cos}({2 * j} * {d.pi} * v)" for j, c in enumerate(others, start=1)]
        return " + ".join([str(first), *terms])
    if window == "gaussian":  # standard deviation θ/6
        g, end, slope = f"{d.exp}(-18 * {d.square})", math.exp(-4.5), -18 * math.exp(-4.5)
    elif window == "kaiser":  # β = 8.6
        peak = float(np.i0(8.6))
        g = f"{d.bessel}8.6 * {d.sqrt}(1 - 4 * {d.square})) / {peak!r}"
        end, slope = 1 / peak, -(8.6**2) / peak
    else:
        raise UsageError(f"`emit` knows no window {window}: use hann")
    return f"({g} - {end!r} + {-slope!r} * ({d.square} - 0.25)) / {1 - end + slope / 4!r}"


def _comments(result: Result, signal: str, mark: str) -> list[str]:
    milliseconds = _length(result) / result.sample_rate * 1000
    return [
        f"{mark} dstft {__version__}: {result.window} window of {_length(result):.6g} samples "
        f"({milliseconds:.4g} ms), normalization {result.normalization}",
        f"{mark} {signal}",
    ]


def _signal(result: Result, library: str, channels: str) -> str:
    """What `x` is to be."""
    kind = {"torch": "tensor", "matlab": "column"}.get(library, "array")
    if channels == "all":
        kind = "columns" if library == "matlab" else kind
        return f"x: {kind} of all channels at {result.sample_rate:g} Hz, {result.length} samples"
    of = "the mean of the channels" if channels == "mix" else f"channel {channels}"
    return f"x: {kind} of {of} at {result.sample_rate:g} Hz, {result.length} samples"


def _length(result: Result) -> float:
    return float(result.window_length.flat[0])
