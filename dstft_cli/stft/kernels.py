"""The transform of a whole signal in blocks of frames, and its adjoint derivatives.

For a real loss `L` and `G = ∂L/∂X` in torch's convention, `dL = Re Σ Ḡ dX`, the gradient with respect
to a windowed frame is `y[k] = Re Σ_f G[f] exp(2πj f k / K)`, an inverse FFT of G with half the weight where
a bin stands for two. With it,

    ∂L/∂frame = w·y,    ∂L/∂θ_i = Σ_k frame·y·∂w/∂θ = Re Σ_f Ḡ ∂X/∂θ,    ∂L/∂t_i = Σ_k frame·y·∂w/∂t,

and the gradient with respect to the signal adds up the first over frames. Blocks are computed again from
signal, centres and lengths, so nothing of the size of all frames is kept.

Source: Leiber et al., IEEE TSP 73 (2025), arXiv 2506.21440, equations of sections II and III.
"""

from __future__ import annotations

import torch
from torch import Tensor

from dstft_cli.stft.bin_kernel import bins_backward, bins_forward
from dstft_cli.stft.cell_kernel import cells_backward, cells_forward
from dstft_cli.stft.layout import Gradients, Layout, Needs
from dstft_cli.stft.row_kernel import rows_backward, rows_forward
from dstft_cli.stft.transform import Transform


def forward(transform: Transform, layout: Layout, signal: Tensor, lengths: Tensor) -> Tensor:
    """`X`, complex `[C, T, F]`, of a signal `[C, N]`."""
    kind = torch.complex64 if signal.dtype == torch.float32 else torch.complex128
    X = signal.new_empty((signal.shape[0], layout.count, transform.bins), dtype=kind)
    if lengths.shape[0] == 1:
        rows_forward(transform, layout, signal, lengths, X)
    elif lengths.shape[1] == 1 and layout.centers is None:
        bins_forward(transform, layout, signal, lengths, X)
    else:
        cells_forward(transform, layout, signal, lengths, X)
    return X


def backward(
    transform: Transform,
    layout: Layout,
    G: Tensor,
    signal: Tensor,
    lengths: Tensor,
    needs: Needs,
) -> Gradients:
    """Gradients with respect to signal `[C, N]`, centres `[T]` and lengths, where needed.

    Args:
        G: gradient with respect to X, `[C, T, F]`.
        needs: which gradients to compute; the others are None.
    """
    if lengths.shape[0] == 1:
        return rows_backward(transform, layout, G, signal, lengths, needs)
    if lengths.shape[1] == 1 and layout.centers is None:
        return bins_backward(transform, layout, G, signal, lengths, needs)
    return cells_backward(transform, layout, G, signal, lengths, needs)
