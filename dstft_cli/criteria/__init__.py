"""Criteria by name, by `module:object`, or a user's own object.

The formulas are in `builtin` and `gini`; `base` defines a criterion.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from dstft_cli.criteria import builtin
from dstft_cli.criteria.base import Criterion, QuasiConvex, Slopes, bin_sum, frame_sum, sum_dtype
from dstft_cli.criteria.builtin import Gini, Kurtosis, Lp, Ratio, Renyi, rows_together
from dstft_cli.errors import DstftError, UsageError, printable

__all__ = [
    "Criterion",
    "Gini",
    "Kurtosis",
    "QuasiConvex",
    "Ratio",
    "bin_sum",
    "frame_sum",
    "resolve",
    "rows_together",
    "sum_dtype",
]

_BY_NAME: dict[str, type[Criterion]] = {c.name: c for c in (*builtin.SEPARABLE, Gini)}
_NEEDED = "a criterion has direction, moments(a) and value(sums, cells)"


class UserCriterion(Criterion):
    """A user's object with `direction`, `moments(a)` and `value(sums, cells)`; slopes by autograd.

    Raises:
        UsageError: the object is not a criterion, or its own code fails.
    """

    scale_invariant = False

    def __init__(self, target: Any, name: str) -> None:
        self.name = name
        self._target = target
        for method in ("moments", "value"):
            if not callable(getattr(target, method, None)):
                raise self._unfit(f"it has no method {method}()")
        self.direction = getattr(target, "direction", "minimize")
        if self.direction not in ("minimize", "maximize"):
            raise self._unfit(f"direction {self.direction!r} is neither 'minimize' nor 'maximize'")
        self._try_out()

    def moments(self, a: Tensor) -> tuple[Tensor, ...]:
        with _errors_of(f"criterion {self.name}: its moments()"):
            moments = self._target.moments(a)
        return (moments,) if isinstance(moments, Tensor) else tuple(moments)

    def slopes(self, a: Tensor) -> Slopes:
        def slope_of(moment: Tensor) -> Tensor | float:
            if not moment.requires_grad:
                return 0.0
            (slope,) = torch.autograd.grad(moment.sum(), leaf, retain_graph=True)
            return torch.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0)

        with torch.enable_grad():
            leaf = a.detach().requires_grad_()
            return tuple(slope_of(moment) for moment in self.moments(leaf))

    def value(self, sums: Tensor, cells: float) -> Tensor:
        if sums.dim() > 1:  # the user's value() gets one row of sums
            return torch.stack([self.value(row, cells) for row in sums])
        with _errors_of(f"criterion {self.name}: its value()"):
            value: Tensor = self._target.value(sums, cells)
        return value

    def elementwise(self, sums: Tensor, cells: float) -> Tensor:
        """The user's value(), which sees one `[J]` at a time."""
        with _errors_of(f"criterion {self.name}: its value() of many tiles at once (torch.vmap)"):
            of_rows = torch.vmap(lambda row: self._target.value(row, cells))
            value: Tensor = of_rows(sums.reshape(-1, sums.shape[-1])).reshape(sums.shape[:-1])
        return value if self.direction == "minimize" else -value

    def _try_out(self) -> None:
        a = torch.linspace(0.0, 2.0, 12).reshape(1, 3, 4)
        with _errors_of(f"criterion {self.name}: its moments()"):
            moments = self.moments(a)
        if not all(isinstance(m, Tensor) and m.shape == a.shape for m in moments):
            raise self._unfit("moments() must return tensors of the shape of its argument")
        self.sums_per_frame = len(moments)
        sums = self.rows(a)[0].sum(0)
        value = self.value(sums.requires_grad_(), float(a.numel()))
        if not (isinstance(value, Tensor) and value.dim() == 0 and value.requires_grad):
            raise self._unfit("value() must return a 0-dimensional tensor computed from sums")

    def _unfit(self, reason: str) -> UsageError:
        return UsageError(f"criterion {self.name} is not a criterion: {reason} ({_NEEDED})")


def resolve(criterion: str | Criterion | Any, order: float | None = None) -> Criterion:
    """The criterion of that name, `module:object`, or the object itself.

    Args:
        criterion: a name of the table in `docs/criteria.md`, `module:object`, or an object as `base`
            describes.
        order: α of `renyi` (> 0, not 1; default 3) or p of `lp` (in (0, 1]; default 0.5).

    Raises:
        UsageError: unknown name, module or object; not a criterion; an order out of range.
    """
    if isinstance(criterion, Criterion):
        return criterion
    if not isinstance(criterion, str):
        return _of_object(criterion, type(criterion).__name__)
    if order is not None:
        if criterion not in ("renyi", "lp"):
            raise UsageError(
                f"order {order:g}: criterion {criterion} has none; renyi and lp have one"
            )
        return Renyi(order) if criterion == "renyi" else Lp(order)
    if criterion in _BY_NAME:
        return _BY_NAME[criterion]()
    if ":" in criterion:
        return _of_object(_load(criterion), criterion)
    near = difflib.get_close_matches(criterion, _BY_NAME, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(
        f"criterion {criterion!r} is unknown{hint}: use {', '.join(_BY_NAME)} or module:object"
    )


def _of_object(target: Any, name: str) -> Criterion:
    if isinstance(target, type):
        with _errors_of(f"criterion {name}: making it"):
            target = target()
    return target if isinstance(target, Criterion) else UserCriterion(target, name)


def _load(reference: str) -> Any:
    module_name, _, attribute = reference.partition(":")
    try:
        with _errors_of(f"criterion {reference}: importing {module_name!r}"):
            target: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(
            f"criterion {reference}: module {module_name!r} cannot be imported ({error}): "
            "put its folder on PYTHONPATH"
        ) from error
    for part in attribute.split("."):
        try:
            target = getattr(target, part)
        except AttributeError:
            raise UsageError(
                f"criterion {reference}: {module_name!r} has no {attribute!r}: "
                "name an object in it that has moments() and value()"
            ) from None
    return target


@contextmanager
def _errors_of(whose: str) -> Iterator[None]:
    """Raises errors of the user's code as UsageError with their last line."""
    try:
        yield
    except (DstftError, ImportError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        said = f"{type(error).__name__}: {printable(lines[-1])}"
        raise UsageError(f"{whose} failed: {said}: correct its code") from error
