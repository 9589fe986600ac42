"""What a fit learns and how it looks for it, and what follows from both for its stages."""

from __future__ import annotations

from dataclasses import dataclass

from dstft_cli.fit.plan import LENGTHS_PER_OCTAVE
from dstft_cli.names import ONE_LENGTH

# neighbours are 3.5 % apart; entropies of recordings are 2e-4 nats below those with 10, 1e-4 above 40
_FINE_LENGTHS_PER_OCTAVE = 20


@dataclass(frozen=True)
class Method:
    """What is learned, and how it is looked for.

    Attributes:
        window_mode, hop_mode: what is learned, of `names.WINDOW_MODES` and `names.HOP_MODES`.
        smoothness: μ.
        search: begin with the global search.
        optimizer: of the descent, `lbfgs`, `adam` or `sgd`; `auto`: L-BFGS, but Adam for frames that
            move one by one, whose criterion has many small dips, and none for lengths that vary with
            frequency, see `descends_lengths_first`.
        lr, max_steps, tolerance: see `descend`.
        exact_search: whether the search finds the best lengths of the table, and not only good ones.
    """

    window_mode: str
    hop_mode: str
    smoothness: float
    search: bool
    optimizer: str
    lr: float | None
    max_steps: int
    tolerance: float
    exact_search: bool = True

    @property
    def learns_lengths(self) -> bool:
        """Whether window lengths are learned."""
        return self.window_mode != "fixed"

    @property
    def learns_positions(self) -> bool:
        """Whether frames move."""
        return self.hop_mode != "fixed"

    @property
    def varying(self) -> bool:
        """Whether window lengths vary within the transform."""
        return self.window_mode not in ONE_LENGTH

    @property
    def over_frequency(self) -> bool:
        """Whether window lengths vary with frequency."""
        return self.window_mode in ("frequency", "time-frequency")

    @property
    def by_turns(self) -> bool:
        """Whether frames move under one length for all, and lengths are then searched anew.

        Together with lengths that vary with frequency they move at the cost of FFTs for each length
        of each frame, which is more than it gains.
        """
        return self.learns_positions and self.over_frequency and self._as_it_suits

    @property
    def descends_lengths_first(self) -> bool:
        """Whether lengths descend while the frames stay.

        Where they do not vary with frequency, they move together with frames that move. Where they
        do, an evaluation costs an FFT for each length of each frame, and a search in a fine table
        finds better ones in less time: they descend if asked to.
        """
        if self.window_mode == "time-frequency":
            return not self._as_it_suits
        if self.window_mode == "frequency":
            return not self._searches_finely
        return self.learns_lengths and not self.learns_positions

    @property
    def lengths_per_octave(self) -> int:
        """How fine the table is that lengths are searched in, if memory holds it."""
        return _FINE_LENGTHS_PER_OCTAVE if self._searches_finely else LENGTHS_PER_OCTAVE

    @property
    def _searches_finely(self) -> bool:
        return self.window_mode == "frequency" and self._as_it_suits and self.exact_search

    @property
    def _as_it_suits(self) -> bool:
        """Whether there is a search, and no descent in particular is asked for."""
        return self.search and self.optimizer == "auto"
