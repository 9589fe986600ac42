"""Names and limits that the command line and the core share; imports nothing heavy."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # called as progress(stage, done, total)
Report = Callable[[str], None]  # takes lines of the log

WINDOWS = ("hann", "blackman", "nuttall", "gaussian", "kaiser")
NORMALIZATIONS = ("energy", "amplitude", "none")
WINDOW_MODES = ("fixed", "constant", "time", "frequency", "time-frequency")
ONE_LENGTH = ("fixed", "constant")  # window modes without lengths that vary
HOP_MODES = ("fixed", "constant", "time")
CRITERIA = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")
OPTIMIZERS = ("auto", "lbfgs", "adam", "sgd")
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("float32", "float64")
FREQ_SCALES = ("linear", "log", "mel")
LIBRARIES = ("librosa", "torch", "scipy", "matlab")
FIGURE_FORMATS = ("png", "svg", "pdf")
SUBTYPES = ("PCM_16", "PCM_24", "FLOAT")
EXPERIMENTS = ("windows", "hops", "tracking", "classification", "all")

LARGEST_FFT = 1 << 20  # n_fft, samples
SHORTEST_WINDOW = 2.0  # samples; a shorter window could fall between two samples

# Penalty on an e-fold change of window length per n_fft of time, or per bin, in nats of the
# criterion's score. With it lengths follow notes, syllables and partials, not single cells.
DEFAULT_SMOOTHNESS = 0.1
DEFAULT_SMOOTHNESS_ALONG_FREQUENCY = 0.5  # higher, for there are far more bins than partials


def default_smoothness(window_mode: str) -> float:
    """The default μ of a window mode."""
    along_frequency = window_mode in ("frequency", "time-frequency")
    return DEFAULT_SMOOTHNESS_ALONG_FREQUENCY if along_frequency else DEFAULT_SMOOTHNESS


def band_text(low: float | None, high: float | None) -> str:
    """The band of a criterion, e.g. `over 0 to 500 Hz`; empty for all frequencies."""
    if high is not None:
        return f"over {low or 0:g} to {high:g} Hz"
    return f"from {low:g} Hz on" if low else ""


def counted(number: int, noun: str) -> str:
    """`1 frame`, `2 frames`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
