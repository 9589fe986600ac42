"""Code that computes a learned transform with another library: one window, one call.

The window is a formula of its real-valued length, as in `stft.transform`. Frames lie at whole multiples
of the hop, from the first sample on, with zeros around the signal. The result equals `stft.npy` up to
rounding. For Raven it is what to enter into its dialog, with the window in whole samples.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from dstft_cli._version import __version__
from dstft_cli.audio import Signal
from dstft_cli.errors import UsageError
from dstft_cli.records import FloatArray, Result, Sweep
from dstft_cli.settings import Settings


@dataclass(frozen=True)
class _Dialect:
    """The window in one language, a formula of the distance `v` from its centre."""

    distance: str  # of n_fft samples from the centre, in window lengths, within [-0.5, 0.5]
    of: str  # before the name of a function
    bessel: str  # I₀ of {}
    square: str
    norms: dict[str, str]
    becomes: str = "="
    end: str = ""
    comment: str = "#"


_NUMPY = _Dialect(
    "np.clip((np.arange({n_fft}) - {half}) / {length!r}, -0.5, 0.5)",
    "np.",
    "np.i0({})",
    "v**2",
    {"energy": "np.linalg.norm(w)", "amplitude": "w.sum()"},
)
_TORCH = _Dialect(
    "((torch.arange({n_fft}, dtype=torch.float64) - {half}) / {length!r}).clamp(-0.5, 0.5)",
    "torch.",
    "torch.special.i0({})",
    "v**2",
    {"energy": "torch.linalg.norm(w)", "amplitude": "w.sum()"},
)
_MATLAB = _Dialect(
    "min(max(((0:{last})' - {half}) / {length!r}, -0.5), 0.5)",
    "",
    "besseli(0, {})",
    "v.^2",
    {"energy": "norm(w)", "amplitude": "sum(w)"},
    end=";",
    comment="%",
)
_R = _Dialect(
    "pmin(pmax((0:{last} - {half}) / {length!r}, -0.5), 0.5)",
    "",
    "besselI({}, 0)",
    "v^2",
    {"energy": "sqrt(sum(w^2))", "amplitude": "sum(w)"},
    becomes="<-",
)
# by library: the language, what is imported, and the call
_LIBRARIES = {
    "librosa": (
        _NUMPY,
        ("import librosa", "import numpy as np", ""),
        "X = librosa.stft(x, n_fft={n_fft}, hop_length={hop}, win_length={n_fft}, window=w, "
        'center=True, pad_mode="constant")',
    ),
    "scipy": (
        _NUMPY,
        ("import numpy as np", "from scipy.signal import ShortTimeFFT", ""),
        "X = ShortTimeFFT(w, hop={hop}, fs={rate:g}, mfft={n_fft}, scale_to=None, phase_shift=None)"
        ".stft(x, p0=0, p1=1 + x.shape[-1] // {hop})",
    ),
    "torch": (
        _TORCH,
        ("import torch", ""),
        "X = torch.stft(x, n_fft={n_fft}, hop_length={hop}, win_length={n_fft}, window=w.to(x), "
        'center=True, pad_mode="constant", return_complex=True)',
    ),
    "torchaudio": (
        _TORCH,
        ("import torch", "import torchaudio", ""),
        "X = torchaudio.transforms.Spectrogram(n_fft={n_fft}, hop_length={hop}, window_fn=lambda n: "
        'w.to(x), power=None, center=True, pad_mode="constant")(x)',
    ),
    "r": (
        _R,
        (),
        "padded <- c(numeric({half}), x, numeric({n_fft}))\n"
        "X <- sapply(seq(0, length(x), by = {hop}), function(start) "
        "fft(w * padded[start + 1:{n_fft}])[1:{bins}])",
    ),
    "matlab": (
        _MATLAB,
        (),
        "X = stft([zeros({half}, size(x, 2)); x; zeros({half}, size(x, 2))], {rate:g}, 'Window', w, "
        "'OverlapLength', {overlapping}, 'FFTLength', {n_fft}, 'FrequencyRange', 'onesided');",
    ),
}


ODD_TOO = ("scipy", "r", "raven")  # do not centre frames of an odd n_fft differently
_RAVEN = {"hann": "Hann", "blackman": "Blackman"}


class Plain(NamedTuple):
    """A transform with one window; lengths in samples."""

    win_length: float
    n_fft: int
    hop_length: float
    window: str
    normalization: str
    sample_rate: float  # Hz
    samples: int | None = None  # of the signal; None: of any


def check_emitted(
    library: str,
    hop_length: float,
    n_fft: int,
    samples: int | None,
    window: str,
    *,
    again: str = "",
    whole_at: float | None = None,
) -> None:
    """Raises UsageError if `library` lacks the window or cannot place the frames of such a transform.

    A hop or an n_fft of 0 is not known yet.
    """
    use, wrong = again or "use", ""
    if hop_length != round(hop_length):
        remedy = f"{use} `hop_length` {max(int(hop_length), 1)}"
        if whole_at is not None:
            remedy = f"resample with `sr` {whole_at:g}"
        wrong = (
            f"hop length {hop_length:g} samples is not a whole number, as {library} needs: {remedy}"
        )
    elif n_fft % 2 and library not in ODD_TOO:
        wrong = (
            f"n_fft {n_fft} is odd, and {library} centres odd frames differently: use `emit` scipy, or "
            f"{use} an even `n_fft`"
        )
    elif library == "scipy" and samples is not None and samples < n_fft - n_fft // 2:
        wrong = (
            f"a signal of {samples} samples is shorter than half of n_fft {n_fft}, too short for scipy: "
            f"use `emit` torch, or {use} a lower `n_fft`"
        )
    elif library == "raven" and window not in _RAVEN:
        known = " or ".join(_RAVEN)
        wrong = f"Raven has no {window} window that ends at zero: {use} `window` {known}"
    elif library == "raven" and n_fft & (n_fft - 1):
        power = 1 << n_fft.bit_length()
        wrong = f"n_fft {n_fft} is no power of two, as Raven needs: {use} `n_fft` {power}"
    if wrong:
        raise UsageError(f"`emit` {library}: {wrong}")


def check_global(window_length: FloatArray, frame_centers: FloatArray, library: str) -> None:
    """Raises UsageError if window lengths or hops (samples) vary, or frames do not begin at 0."""
    hops = np.diff(frame_centers)
    uniform = frame_centers[0] == 0 and np.allclose(hops, hops[:1], rtol=0, atol=1e-6)
    if window_length.size != 1 or not uniform:
        raise UsageError(
            f"`emit` {library} needs a single window and a fixed hop from sample 0, but they vary here: "
            "learn with `window_mode` constant and `hop_mode` fixed"
        )


def emitted_call(
    result: Result, library: str, settings: Settings | None = None, signal: Signal | None = None
) -> str:
    """The imports, the window and the call, as lines of Python, MATLAB or R; or settings of Raven."""
    check_global(result.window_length, result.frame_centers, library)
    length, hop = float(result.window_length.flat[0]), result.hop_length
    kind = result.window, result.normalization
    plain = Plain(length, result.n_fft, hop, *kind, result.sample_rate, result.length)
    note = "all frames, as spectrogram.npy has with --npy-hop full"
    return emitted(plain, library, note, settings or Settings(), signal)


def emitted_verdict(
    sweep: Sweep, library: str, settings: Settings, signal: Signal | None = None
) -> str:
    """`emitted_call` for the best length of a sweep, of one recording or (None) of several.

    The hop is a quarter of it where none is given.
    """
    curve = sweep.curves[0]
    hop = max(float(curve.best_length // 4), 1.0)
    if settings.hop_length is not None:
        hop = settings.hop_length.samples(sweep.sample_rate)
    lengths, kind = (curve.best_length, sweep.n_fft_of(curve), hop), settings.window
    samples = None if signal is None else sweep.length
    plain = Plain(*lengths, kind, settings.normalization, sweep.sample_rate, samples)
    note = f"the best of a sweep by {curve.name}, where the length matters {curve.matters}"
    return emitted(plain, library, note, settings, signal)


def emitted(
    plain: Plain, library: str, note: str, settings: Settings, signal: Signal | None = None
) -> str:
    """The lines for one transform, with a note in the first comment."""
    length, n_fft, rate = plain.win_length, plain.n_fft, plain.sample_rate
    check_emitted(library, plain.hop_length, n_fft, plain.samples, plain.window)
    hop = round(plain.hop_length)
    comments = (
        f"dstft {__version__}: {plain.window} window of {length:.6g} samples "
        f"({length / rate * 1000:.4g} ms), normalization {plain.normalization}; {note}",
        _signal(plain, library, settings, signal),
    )
    if library == "raven":
        return _raven(plain, comments[0])
    language, imports, call = _LIBRARIES[library]
    values = {"n_fft": n_fft, "half": n_fft // 2, "last": n_fft - 1, "hop": hop, "length": length}
    values |= {"overlapping": n_fft - hop, "rate": rate, "bins": n_fft // 2 + 1}
    window = [f"v = {language.distance.format(**values)}", f"w = {_shape(plain.window, language)}"]
    if plain.normalization in language.norms:
        window.append(f"w = w / {language.norms[plain.normalization]}")
    reading = _reading(plain, library, settings, signal)
    more = ["import soundfile"] if reading.count("soundfile") else []
    lines = [
        *more,
        *imports,
        *(f"{language.comment} {text}" for text in comments),
        *([reading + language.end] if reading else []),
        *(line.replace("=", language.becomes, 1) + language.end for line in window),
        call.format(**values),
    ]
    return "\n".join(lines) + "\n"


def _raven(plain: Plain, comment: str) -> str:
    """What to enter into Configure Spectrogram of Raven."""
    size, hop = round(plain.win_length), round(plain.hop_length)
    if hop > size:
        raise UsageError(
            f"`emit` raven: hop {hop} samples is longer than the window, {size} samples, as Raven "
            "does not allow: use a lower `hop_length`"
        )
    return (
        f"# {comment}\n"
        f"# Raven Pro, Configure Spectrogram; at {plain.sample_rate:g} Hz\n"
        f"Window Type: {_RAVEN[plain.window]}\n"
        f"Window Size: {size} samples\n"
        f"Overlap: {100 * (1 - hop / size):.4g} %\n"
        f"Hop Size: {hop} samples\n"
        f"DFT Size: {plain.n_fft} samples\n"
    )


def _shape(window: str, d: _Dialect) -> str:
    """`h(v)` of `stft.transform`, within |v| ≤ ½."""
    cosines = {
        "hann": (0.5, 0.5),
        "blackman": (0.42, 0.5, 0.08),
        "nuttall": (0.355768, 0.487396, 0.144232, 0.012604),
    }
    if window in cosines:
        first, *others = cosines[window]
        terms = [f"{c} * {d.of}cos({2 * j} * {d.of}pi * v)" for j, c in enumerate(others, start=1)]
        return " + ".join([str(first), *terms])
    if window == "gaussian":  # standard deviation θ/6
        g, end, slope = f"{d.of}exp(-18 * {d.square})", math.exp(-4.5), -18 * math.exp(-4.5)
    else:  # Kaiser, β = 8.6
        peak = float(np.i0(8.6))
        g = d.bessel.format(f"8.6 * {d.of}sqrt(1 - 4 * {d.square})") + f" / {peak!r}"
        end, slope = 1 / peak, -(8.6**2) / peak
    return f"({g} - {end!r} + {-slope!r} * ({d.square} - 0.25)) / {1 - end + slope / 4!r}"


def _signal(plain: Plain, library: str, settings: Settings, signal: Signal | None) -> str:
    kinds = {"torch": "tensor", "torchaudio": "tensor", "matlab": "column", "r": "vector"}
    kind = kinds.get(library, "array")
    channels, highpass = settings.channel, settings.highpass
    of = "the mean of the channels" if channels == "mix" else f"channel {channels}"
    if channels == "all":
        kind, of = "columns" if library == "matlab" else kind, "all channels"
        of = "each channel in turn" if library == "r" else of
    text = f"x: {kind} of {of} at {plain.sample_rate:g} Hz"
    text += "" if plain.samples is None else f", {plain.samples} samples"
    if signal is not None and signal.offset:
        text += f" from {signal.offset:g} s on"
    if highpass is None:
        return text
    return (
        f"{text}, after scipy.signal.sosfilt(butter(4, {highpass:g}, 'highpass', fs=RATE, "
        "output='sos'), x - x[0]) at the file's RATE"
    )


def _reading(plain: Plain, library: str, settings: Settings, signal: Signal | None) -> str:
    """The line that reads a part of a file as `x`; empty where all is used, or it is changed."""
    if signal is None or signal.path == "-" or not signal.path.isprintable() or library == "r":
        return ""
    assert plain.samples is not None
    part = signal.offset > 0 or settings.duration is not None
    if not part or settings.sr is not None or settings.highpass is not None:
        return ""
    rate, count, channel, path = plain.sample_rate, plain.samples, settings.channel, signal.path
    start = round(signal.offset * rate)
    if library == "matlab":
        quoted = path.replace("'", "''")
        samples = f"audioread('{quoted}', [{start + 1}, {start + count}])"
        if channel == "mix":
            return f"x = mean({samples}, 2)"
        only = "" if channel == "all" else f"; x = x(:, {int(channel) + 1})"
        return f"x = {samples}{only}"
    if library == "librosa":  # rounds times down to samples
        times = [
            n / rate if int(n / rate * rate) == n else (n + 0.5) / rate for n in (start, count)
        ]
        mono = channel == "mix" or signal.channels == 1
        samples = f"librosa.load({path!r}, sr=None, mono={mono}, offset={times[0]!r}, "
        samples += f"duration={times[1]!r})[0]"
        if channel == "all" and mono:
            return f"x = {samples}[None]"
        return f"x = {samples}" + ("" if mono or channel == "all" else f"[{channel}]")
    samples = f'soundfile.read({path!r}, {count}, {start}, dtype="float32", always_2d=True)[0]'
    samples += {"mix": ".mean(axis=1)", "all": ".T"}.get(str(channel), f"[:, {channel}]")
    return f"x = torch.from_numpy({samples})" if "torch" in library else f"x = {samples}"
