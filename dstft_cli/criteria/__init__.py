"""Criteria by name, or a user's own object."""

from __future__ import annotations

import difflib
import importlib
from typing import Any

import torch
from torch import Tensor

from dstft_cli.criteria.base import (
    Criterion,
    QuasiConvex,
    bin_sum,
    check_direction,
    sum_dtype,
)
from dstft_cli.criteria.builtin import (
    L1L2,
    Concentration,
    Entropy,
    Hoyer,
    Kurtosis,
    Lp,
    Ratio,
    Renyi,
)
from dstft_cli.criteria.gini import Gini
from dstft_cli.criteria.together import rows_together
from dstft_cli.errors import UsageError
from dstft_cli.names import CRITERIA

__all__ = [
    "L1L2",
    "Concentration",
    "Criterion",
    "Entropy",
    "Gini",
    "Hoyer",
    "Kurtosis",
    "Lp",
    "QuasiConvex",
    "Ratio",
    "Renyi",
    "UserCriterion",
    "bin_sum",
    "resolve",
    "rows_together",
    "sum_dtype",
]

_TABLE: dict[str, type[Criterion]] = {
    c.name: c for c in (Entropy, Renyi, Kurtosis, Concentration, L1L2, Hoyer, Lp, Gini)
}


class UserCriterion(Criterion):
    """A user's object with `direction`, `moments(a)` and `value(sums, cells)`; slopes by autograd.

    Raises:
        ValueError: the object is not a criterion; the message says what is missing.
    """

    scale_invariant = False

    def __init__(self, target: Any, name: str) -> None:
        self.name = name
        for method in ("moments", "value"):
            if not callable(getattr(target, method, None)):
                raise ValueError(f"it has no method {method}()")
        self.direction = check_direction(getattr(target, "direction", "minimize"))
        self._target = target
        self._try_out()

    def moments(self, a: Tensor) -> tuple[Tensor, ...]:
        moments = self._target.moments(a)
        return (moments,) if isinstance(moments, Tensor) else tuple(moments)

    def slopes(self, a: Tensor) -> tuple[Tensor | float, ...]:
        slopes: list[Tensor | float] = []
        with torch.enable_grad():
            leaf = a.detach().requires_grad_()
            for moment in self.moments(leaf):
                if not moment.requires_grad:
                    slopes.append(0.0)
                    continue
                (slope,) = torch.autograd.grad(moment.sum(), leaf, retain_graph=True)
                slopes.append(torch.nan_to_num(slope, nan=0.0, posinf=0.0, neginf=0.0))
        return tuple(slopes)

    def value(self, sums: Tensor, cells: float) -> Tensor:
        if sums.dim() > 1:  # the user's value() is promised one row of sums
            return torch.stack([self.value(row, cells) for row in sums])
        value: Tensor = self._target.value(sums, cells)
        return value

    def _try_out(self) -> None:
        a = torch.linspace(0.0, 2.0, 12).reshape(1, 3, 4)
        try:
            moments = self.moments(a)
            if not all(isinstance(m, Tensor) and m.shape == a.shape for m in moments):
                raise ValueError("moments() must return tensors of the shape of its argument")
            self.sums_per_frame = len(moments)
            sums = self.rows(a)[0].sum(0)
            value = self.value(sums.requires_grad_(), float(a.numel()))
            if not (isinstance(value, Tensor) and value.dim() == 0 and value.requires_grad):
                raise ValueError("value() must return a 0-dimensional tensor computed from sums")
        except ValueError:
            raise
        except Exception as error:
            raise ValueError(f"{type(error).__name__}: {error}".splitlines()[0]) from error


def resolve(criterion: str | Criterion | Any, order: float | None = None) -> Criterion:
    """The criterion of that name, `module:object`, or the object itself.

    Args:
        criterion: one of `names.CRITERIA`, `module:object`, or an object as `base` describes.
        order: α of `renyi` (> 0, not 1; default 3) or p of `lp` (in (0, 1]; default 0.5).

    Raises:
        UsageError: unknown name, module or object; not a criterion; an order out of range.
    """
    if isinstance(criterion, Criterion):
        return criterion
    if not isinstance(criterion, str):
        return _wrap(criterion, type(criterion).__name__)
    if criterion in ("renyi", "lp"):
        return _of_order(criterion, order)
    if order is not None:
        raise UsageError(f"order {order:g}: criterion {criterion} has none; renyi and lp have one")
    if criterion in _TABLE:
        return _TABLE[criterion]()
    if ":" in criterion:
        return _wrap(_load(criterion), criterion)
    near = difflib.get_close_matches(criterion, CRITERIA, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    raise UsageError(
        f"criterion {criterion!r} is unknown{hint}: use {', '.join(CRITERIA)} or module:object"
    )


def _of_order(name: str, order: float | None) -> Criterion:
    if name == "renyi":
        if order is not None and (order <= 0 or order == 1):
            raise UsageError(f"order {order:g} of renyi: above 0 and not 1 (that is entropy)")
        return Renyi() if order is None else Renyi(order)
    if order is not None and not 0 < order <= 1:
        raise UsageError(f"order {order:g} of lp: above 0 and up to 1 is allowed")
    return Lp() if order is None else Lp(order)


def _load(reference: str) -> Any:
    module_name, _, attribute = reference.partition(":")
    try:
        target: Any = importlib.import_module(module_name)
    except ImportError as error:
        raise UsageError(
            f"criterion {reference}: module {module_name!r} cannot be imported ({error}): "
            "put its folder on PYTHONPATH"
        ) from error
    except Exception as error:
        raise UsageError(
            f"criterion {reference}: importing {module_name!r} failed: "
            f"{type(error).__name__}: {error}: mend the module"
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


def _wrap(target: Any, name: str) -> Criterion:
    try:
        if isinstance(target, type):
            target = target()
        if isinstance(target, Criterion):
            return target
        return UserCriterion(target, name)
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"criterion {name} is not a criterion: {error} (needed: direction, moments(a), "
            "value(sums, cells))"
        ) from error
