"""Work on the blocks of a signal's frames, of a size that fits the cache, and the sum of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import torch
from torch import Tensor

from dstft_cli.stft.blocks import map_in_order
from dstft_cli.stft.layout import Block, Gradients, Layout, Needs, of_frames

Done = TypeVar("Done")

BLOCK_SAMPLES = {"cpu": 1 << 18}  # of frames at a time: what fits the cache
_LARGE_BLOCK_SAMPLES = 1 << 25  # where there is none to fit
_MOST_CHANNELS = 16  # that share the windows of a block


def each_block(
    work: Callable[[Block], Done],
    layout: Layout,
    signal: Tensor,
    lengths: Tensor,
    *,
    windows: int = 1,
) -> Iterator[Done]:
    """`work` of all blocks, in order, on as many threads as torch uses; `windows`: of each frame."""
    samples = max(BLOCK_SAMPLES.get(signal.device.type, _LARGE_BLOCK_SAMPLES) // windows, 1)
    most_channels = 1 if lengths.shape == (1, 1) and layout.centers is None else _MOST_CHANNELS
    blocks: Iterable[Block] = layout.blocks(signal.shape[0], samples, most_channels=most_channels)
    threads = 1
    if signal.device.type == "cpu":
        blocks = list(blocks)
        threads = torch.get_num_threads() if len(blocks) > 1 else 1
    inference = torch.is_inference_mode_enabled()

    def here(block: Block) -> Done:
        # threads do not inherit modes; inside an operator, the first brings autograd's own back
        with torch.inference_mode(inference), torch.no_grad():
            return work(block)

    return map_in_order(here, blocks, threads)


class Sums:
    """Gradients with respect to signal `[C, N]`, centres `[T]` and lengths, added up over blocks.

    Args:
        layout, signal, lengths: those of the transform.
        needs: which gradients there are; the others stay None.
    """

    def __init__(self, layout: Layout, signal: Tensor, lengths: Tensor, needs: Needs) -> None:
        self._layout = layout
        self._signal = layout.empty_total(signal) if needs[0] else None
        self._centers = signal.new_zeros(layout.count) if needs[1] else None
        self._lengths = torch.zeros_like(lengths) if needs[2] else None

    def add(self, block: Block, parts: Gradients, bins: slice = slice(None)) -> None:
        """Adds those of a block: of its frames as `Layout.add` takes them, its centres, its lengths."""
        of_signal, of_centers, of_lengths = parts
        if self._signal is not None and of_signal is not None:
            self._layout.add(self._signal[block.channels], of_signal, block.start, block.stop)
        if self._centers is not None and of_centers is not None:
            self._centers[block.start : block.stop] += of_centers
        if self._lengths is not None and of_lengths is not None:
            of_frames(self._lengths, block)[bins].add_(of_lengths)

    def gradients(self) -> Gradients:
        """The sums so far."""
        of_signal = None if self._signal is None else self._signal[:, :-1]
        return of_signal, self._centers, self._lengths
