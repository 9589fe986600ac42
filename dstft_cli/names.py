"""The words a user may type for each choice; light, so that `--help` needs no torch."""

WINDOWS = ("hann", "blackman", "nuttall", "gaussian", "kaiser")
NORMALIZATIONS = ("energy", "amplitude", "none")
WINDOW_MODES = ("fixed", "constant", "time")
CRITERIA = ("entropy", "renyi", "kurtosis", "concentration", "l1l2", "hoyer", "lp", "gini")
OPTIMIZERS = ("auto", "lbfgs", "adam", "sgd")
DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("float32", "float64")
FREQ_SCALES = ("linear", "log", "mel")
FIGURE_FORMATS = ("png", "svg", "pdf")
