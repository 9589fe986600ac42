"""Names and limits that the command line and the core share; imports nothing heavy."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # called as progress(stage, done, total)

WINDOWS = ("hann", "blackman", "nuttall", "gaussian", "kaiser")
NORMALIZATIONS = ("energy", "amplitude", "none")
WINDOW_MODES = ("fixed", "constant", "time", "frequency", "time-frequency")
ONE_LENGTH = ("fixed", "constant")  # window modes without lengths that vary
HOP_MODES = ("fixed", "constant", "time")
CRITERIA = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")
OPTIMIZERS = ("auto", "lbfgs", "adam", "sgd")
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("float32", "float64")
LIBRARIES = ("librosa", "torch", "scipy", "matlab")
FIGURE_FORMATS = ("png", "svg", "pdf")
SUBTYPES = ("PCM_16", "PCM_24", "FLOAT")
EXPERIMENTS = ("windows", "hops", "tracking", "classification", "all")

LARGEST_FFT = 1 << 20  # n_fft, samples
SHORTEST_WINDOW = 2.0  # samples; a shorter window could fall between two samples


def band_text(low: float | None, high: float | None) -> str:
    """The band of a criterion, e.g. `over 0 to 500 Hz`; empty for all frequencies."""
    if high is not None:
        return f"over {low or 0:g} to {high:g} Hz"
    return f"from {low:g} Hz on" if low else ""


def counted(number: int, noun: str) -> str:
    """`1 frame`, `2 frames`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
