"""Fitting the transform to a signal: the global search and the gradient descent.

`optimize`, `request`: the function and its arguments
`problem`, with `plan` for lengths, `n_fft` for the FFT size: the signal, with every default resolved
`evaluator`: the criterion and its gradient over the whole signal
`cells`, `band`: the same with a length per band or patch of the plane; the frequencies it looks at
`local_fit`, with `local_plan`, `tiles`, `noise`, `local_search`, `local_modes` and `local_descent`:
the local criterion; `plane_fit`, and all that follows: that of the whole plane
`stages`, `steps`: start, search and descent, each returning where the fit stands
`table`: the moment table and its proved optimum
`path`: the best lengths with a penalty on change
`centers`, `variables`: frame centres; lengths as variables
`objective`, `descent`: what descends, and how
`notes`: what a user should know of the result
`sweep`, `local_sweep`, of `sweep_grids`, `survey` and `stretches`: criteria against one window length
"""

from dstft_cli.fit.optimize import fit, optimize
from dstft_cli.fit.request import Request, resolve_device

__all__ = ["Request", "fit", "optimize", "resolve_device"]
