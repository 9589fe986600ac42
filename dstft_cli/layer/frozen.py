"""A transform that is learned no more, as a plain module that other programs can take."""

# torch.jit does not read annotations that `from __future__ import annotations` leaves as text
import torch
from torch import Tensor, nn


class FrozenSTFT(nn.Module):
    """One `torch.stft` with the window of a layer, made by `DSTFT.freeze`.

    Frames stand at whole multiples of the hop, from the first sample on, with zeros around the signal,
    so values are those of the layer. It goes through `torch.jit.script` and, composed with magnitudes,
    `torch.onnx.export`.

    Attributes:
        window: values of the window, normalized, `[n_fft]`; the transform is computed in their dtype.

    Shape:
        Real `[..., N]` to complex `[..., F, T]`, F = n_fft // 2 + 1, T = 1 + N // hop_length.
    """

    window: Tensor

    def __init__(self, window: Tensor, n_fft: int, hop_length: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.hop_length = hop_length
        self.register_buffer("window", window)

    def forward(self, signal: Tensor) -> Tensor:
        """Complex `[..., F, T]` of a real signal `[..., N]`."""
        half = self.n_fft // 2
        padded = nn.functional.pad(signal.to(self.window.dtype), [half, self.n_fft - half])
        X = torch.stft(
            padded.reshape(-1, padded.shape[-1]),
            self.n_fft,
            self.hop_length,
            window=self.window,
            center=False,
            return_complex=True,
        )
        return X.reshape(signal.shape[:-1] + X.shape[1:])

    def extra_repr(self) -> str:
        return f"n_fft={self.n_fft}, hop_length={self.hop_length}"
