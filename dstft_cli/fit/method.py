"""What a fit learns and how it looks for it, and what follows from both for its stages."""

from __future__ import annotations

from dataclasses import dataclass

from dstft_cli.names import ONE_LENGTH


@dataclass(frozen=True)
class Method:
    """What is learned, and how it is looked for.

    Attributes:
        window_mode, hop_mode: what is learned, of `names.WINDOW_MODES` and `names.HOP_MODES`.
        smoothness: μ.
        search: begin with the global search.
        optimizer: of the descent, `lbfgs`, `adam` or `sgd`; `auto`: L-BFGS, but Adam for frames that
            move one by one, whose criterion has many small dips.
        lr, max_steps, tolerance: see `descend`.
    """

    window_mode: str
    hop_mode: str
    smoothness: float
    search: bool
    optimizer: str
    lr: float | None
    max_steps: int
    tolerance: float

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
    def by_turns(self) -> bool:
        """Whether frames move under one length for all, and lengths are then searched anew.

        Together with lengths that vary with frequency they move at the cost of FFTs for each length
        of each frame, which is more than it gains.
        """
        per_bin = self.window_mode in ("frequency", "time-frequency")
        return self.learns_positions and per_bin and self._as_it_suits

    @property
    def descends_lengths_first(self) -> bool:
        """Whether lengths descend while the frames stay.

        Where they do not vary with frequency, they move together with frames that move. Those per
        patch cost FFTs for each length of each frame, more than it gains: they descend if asked to.
        """
        if self.window_mode == "time-frequency":
            return not self._as_it_suits
        per_bin = self.window_mode == "frequency"
        return self.learns_lengths and (per_bin or not self.learns_positions)

    @property
    def _as_it_suits(self) -> bool:
        """Whether there is a search, and no descent in particular is asked for."""
        return self.search and self.optimizer == "auto"
