"""Fitting the transform to a signal: the global search and the gradient descent.

`optimize`, `request`: the function and its arguments
`problem`, with `plan` for lengths, `n_fft` for the FFT size: the signal, with every default resolved
`local_modes`, with `tiles`, `local_search` and `local_descent`: the local criterion
`stages` and the files below, until `notes`: the criterion of the whole plane
`evaluator`, `cells`: criterion and gradient, with a length per frame; per band or patch of the plane
`table`: the moment table and its proved optimum
`path`: the penalty on change, and the best lengths with it
`centers`: frame centres
`objective`, `descent`: the function to minimise, and its minimisation
`notes`: notes about the result
`sweep`, `sweep_grids`: criteria against one window length
`collection`: one sweep or fit for many recordings
`transfer`: the learned parameters on another recording
"""

from dstft_cli.fit.optimize import fit
from dstft_cli.fit.request import Request, resolve_device

__all__ = ["Request", "fit", "resolve_device"]
