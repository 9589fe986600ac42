"""Fitting the transform to a signal: the global search and the gradient descent.

| idea | where |
|---|---|
| the function, and what it is asked for | `optimize`, `request` |
| the signal, with every default resolved | `problem`, with `plan` for lengths, `n_fft` for the FFT size |
| the criterion and its gradient over the whole signal | `evaluator` |
| the same with a length per band or patch of the plane; the frequencies it looks at | `cells`, `band` |
| start, search and descent, each returning where the fit stands | `stages`, `steps` |
| the moment table and its proved optimum | `table` |
| the cheapest lengths where change has a price | `path` |
| frame centres; lengths as variables | `centers`, `variables` |
| what descends, and how | `objective`, `descent` |
| what a user should know of the result | `notes` |
| criteria against one window length | `sweep`, of `sweep_grids`, `survey` and `stretches` |
"""

from dstft_cli.fit.optimize import fit, optimize
from dstft_cli.fit.request import Request, resolve_device

__all__ = ["Request", "fit", "optimize", "resolve_device"]
