"""Fitting the transform to a signal: the global search and the gradient descent.

| idea | where |
|---|---|
| the function, what it is asked for, and the device | `optimize`, `request` |
| FFT size, hop and ranges of lengths | `plan`, and `n_fft` and `anywhere` where it is left open |
| the signal, and the probe that compares FFT sizes | `problem` |
| the criterion and its gradient over the whole signal | `evaluator`, `power` |
| the frequencies it looks at | `band` |
| the same with a length per bin, or per patch of the plane | `frequency`, `cells` |
| start, search, descent, in order | `stages`, of `search_stage` and `descent_stage` |
| what the stages share: what is learned and how, and where the fit stands | `method`, `state`, `record` |
| the moment table and its proved optimum | `tabulate`, `search` |
| the optimum where change has a price | `smoothing`, `viterbi` |
| the optimizers, and what they descend | `descent`, `objective` |
| what is said of a fit | `notes`, `told` |
| criteria against one window length | `sweep`, of `sweep_grids`, `survey` and `stretches` |
"""

from dstft_cli.fit.optimize import fit, optimize
from dstft_cli.fit.request import Request, resolve_device

__all__ = ["Request", "fit", "optimize", "resolve_device"]
