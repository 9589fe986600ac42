"""What the command line and the core both must know; light, so that `--help` needs no torch."""

WINDOWS = ("hann", "blackman", "nuttall", "gaussian", "kaiser")
NORMALIZATIONS = ("energy", "amplitude", "none")
WINDOW_MODES = ("fixed", "constant", "time", "frequency")
CRITERIA = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")
OPTIMIZERS = ("auto", "lbfgs", "adam", "sgd")
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("float32", "float64")
FREQ_SCALES = ("linear", "log", "mel")
FIGURE_FORMATS = ("png", "svg", "pdf")
SUBTYPES = ("PCM_16", "PCM_24", "FLOAT")

# Price of one e-fold change of window length per n_fft of time, in nats of the criterion's score:
# the curve follows notes, syllables and events, not single frames.
DEFAULT_SMOOTHNESS = 0.1
