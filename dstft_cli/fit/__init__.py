"""Fitting the transform to a signal: the global search and the gradient descent.

`optimize`, `request`: the function and its arguments
`problem`, with `plan` for lengths, `n_fft` for the FFT size: the signal, with every default resolved
`local_fit`, with `local_plan`, `tiles`, `noise`, `local_search`, `local_modes`, `local_descent` and
`local_value`: the local criterion
`plane_fit` and the files below: the criterion of the whole plane
`evaluator`: the criterion and its gradient over the whole signal
`cells`, `band`: the same with a length per band or patch of the plane; the band of the criterion
`stages`, `steps`: start, search and descent, and the state of the fit after each
`table`: the moment table and its proved optimum
`path`: the best lengths with a penalty on change
`centers`, `variables`: frame centres; lengths as variables
`objective`, `descent`: the function to minimise, and its minimisation
`notes`: notes about the result
`sweep`, `local_sweep`, with `sweep_grids`, `sweep_evaluator` and `segments`: criteria against one
window length
"""

from dstft_cli.fit.optimize import fit
from dstft_cli.fit.request import Request, resolve_device

__all__ = ["Request", "fit", "resolve_device"]
