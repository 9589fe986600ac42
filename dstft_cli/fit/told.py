"""What is logged of a fit: what each stage found, and what became of it."""

from __future__ import annotations

import logging

import numpy as np
import torch

from dstft_cli.criteria import Criterion
from dstft_cli.fit.record import Candidate, Record
from dstft_cli.names import counted
from dstft_cli.records import StopReason

_STOPPED = {
    StopReason.CONVERGED: "converged",
    StopReason.STEP_LIMIT: "stopped at the step limit",
    StopReason.NON_FINITE: "stopped where the criterion became NaN or infinite",
}


_log = logging.getLogger("dstft_cli")


class Told:
    """Puts the stages of a fit into words, one line each.

    Args:
        criterion: whose values are told.
        record: of the fit.
    """

    def __init__(self, criterion: Criterion, record: Record) -> None:
        self._criterion = criterion
        self._record = record

    def table(self, count: int) -> None:
        """After `count` single lengths were tried."""
        start, fixed = self._record.start, self._record.fixed
        assert start is not None
        assert fixed is not None
        _log.info(
            f"table: {count} single windows tried, the best has {fixed.row[0]:.4g} samples: "
            f"{self._value(fixed)}, against {self._value(start)} at the start"
        )

    def search(self, found: Candidate, *, in_a_row: bool) -> None:
        """After the lengths of all rows, of which each may follow the one before, were chosen."""
        bound = ""
        if self._record.bound is not None:
            sums, cells = self._record.bound
            least = float(self._criterion.value(torch.from_numpy(sums), cells))
            bound = f"; proved: no choice from the table is better than {least:.5g}"
        changes = ""
        if in_a_row:
            changes = f", {np.count_nonzero(np.diff(found.row))} changes between neighbours"
        _log.info(
            f"search: {len(found.row)} lengths chosen from the table{changes}: "
            f"{self._value(found)}{bound}; {self._fate(found)}"
        )

    def descent(
        self, optimizer: str, variables: int, steps: int, why: StopReason, found: Candidate | None
    ) -> None:
        """After `steps` steps; `found` is None where the descent saw nothing finite."""
        text = f"descent: {optimizer}, {counted(variables, 'variable')}, {counted(steps, 'step')}, "
        text += _STOPPED[why]
        if found is not None:
            text += f": {self._value(found)}; {self._fate(found)}"
        _log.info(text)

    def _value(self, candidate: Candidate) -> str:
        value = float(self._criterion.value(torch.from_numpy(candidate.sums), candidate.cells))
        return f"{self._criterion.name} {value:.5g}"

    def _fate(self, candidate: Candidate) -> str:
        if self._record.best is candidate:
            return "kept"
        return "no gain, the price of change included: what was found before stays"
