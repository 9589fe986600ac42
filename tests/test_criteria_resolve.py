"""Criteria by name, by `module:object`, or as objects; what is refused, and in which words."""

import re

import numpy as np
import pytest
import torch

from dstft_cli.criteria import Criterion, resolve
from dstft_cli.errors import UsageError
from dstft_cli.names import CRITERIA

MODULE = '''
import torch

class Share:
    direction = "maximize"
    def moments(self, a):
        return a, a**2
    def value(self, sums, cells):
        return sums[1] / sums[0]**2 * cells

share = Share()

class Holder:
    inside = Share()

class Root:
    """One moment, without a list, and with a slope that has no limit at zero."""
    def moments(self, a):
        return a.sqrt()
    def value(self, sums, cells):
        return sums[0] / cells

class NoValue:
    def moments(self, a):
        return (a,)

class Sideways(Share):
    direction = "sideways"

class WrongShape(Share):
    def moments(self, a):
        return a.sum(), a

class Number(Share):
    def value(self, sums, cells):
        return 3.0

class Broken(Share):
    def moments(self, a):
        return a, self.missing

class NeedsArgument(Share):
    def __init__(self, something):
        self.something = something

class Steps(Share):
    def moments(self, a):
        return a, (a > 1).to(a.dtype)
'''


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Name of a module of criteria that can be imported."""
    name = f"criteria_of_{re.sub(r'[^a-z0-9]', '_', tmp_path.name.lower())}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / f"{name}_broken.py").write_text("raise RuntimeError('no luck')\n")
    monkeypatch.syspath_prepend(tmp_path)
    return name


@pytest.mark.parametrize("name", CRITERIA)
def test_names(name):
    criterion = resolve(name)
    assert isinstance(criterion, Criterion)
    assert criterion.name == name
    assert resolve(criterion) is criterion


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("entrpy",),
            "criterion 'entrpy' is unknown (did you mean entropy?): use entropy, renyi, kurtosis, "
            "concentration, l1l2, hoyer, lp, gini or module:object",
        ),
        (
            ("xyz",),
            "criterion 'xyz' is unknown: use entropy, renyi, kurtosis, "
            "concentration, l1l2, hoyer, lp, gini or module:object",
        ),
        (("renyi", 1.0), "order 1 of renyi: above 0 and not 1 (that is entropy)"),
        (("renyi", 0.0), "order 0 of renyi: above 0 and not 1 (that is entropy)"),
        (("renyi", -2.0), "order -2 of renyi: above 0 and not 1 (that is entropy)"),
        (("lp", 0.0), "order 0 of lp: above 0 and up to 1 is allowed"),
        (("lp", 1.5), "order 1.5 of lp: above 0 and up to 1 is allowed"),
        (("entropy", 2.0), "order 2: criterion entropy has none; renyi and lp have one"),
    ],
)
def test_refused_names_and_orders(arguments, message):
    with pytest.raises(UsageError, match=f"^{re.escape(message)}$"):
        resolve(*arguments)


@pytest.mark.parametrize("attribute", ["share", "Share", "Holder.inside"])
def test_object_of_a_module(module, attribute):
    criterion = resolve(f"{module}:{attribute}")
    assert criterion.name == f"{module}:{attribute}"
    assert criterion.direction == "maximize"
    assert criterion.sums_per_frame == 2
    a = torch.tensor([[[1.0, 2.0, 3.0]]])
    rows, slopes = criterion.rows(a, torch.ones_like(a))
    assert rows.tolist() == [[6.0, 14.0]]
    assert slopes.tolist() == [[3.0, 12.0]]
    score, gradient = criterion.score_gradient(np.array([6.0, 14.0]), 3.0)
    assert score == pytest.approx(-14 / 36 * 3)
    assert gradient == pytest.approx([2 * 14 / 6**3 * 3, -3 / 36])


def test_value_of_many_rows_of_sums(module):
    criterion = resolve(f"{module}:share")
    sums = torch.tensor([[6.0, 14.0], [2.0, 3.0], [1.0, 1.0]])
    expected = [14 / 36 * 5, 3 / 4 * 5, 5.0]
    assert criterion.value(sums, 5.0).tolist() == pytest.approx(expected)
    assert criterion.score(sums, 5.0).tolist() == pytest.approx([-value for value in expected])


def test_one_moment_and_a_slope_without_limit(module):
    criterion = resolve(f"{module}:Root")
    assert (criterion.direction, criterion.sums_per_frame) == ("minimize", 1)
    a = torch.tensor([[[0.0, 4.0]]])
    rows, slopes = criterion.rows(a, torch.ones_like(a))
    assert rows.tolist() == [[2.0]]
    assert slopes.tolist() == [[0.25]]


def test_moment_that_does_not_depend_on_the_cells_has_no_slope(module):
    a = torch.tensor([[[0.5, 4.0]]])
    rows, slopes = resolve(f"{module}:Steps").rows(a, torch.ones_like(a))
    assert rows.tolist() == [[4.5, 1.0]]
    assert slopes.tolist() == [[2.0, 0.0]]


def test_object_itself_is_named_after_its_class():
    class Mine:
        def moments(self, a):
            return (a,)

        def value(self, sums, cells):
            return sums[0] / cells

    assert resolve(Mine()).name == "Mine"


NEEDED = " (needed: direction, moments(a), value(sums, cells))"


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("{m}:NoValue", "criterion {m}:NoValue is not a criterion: it has no method value()"),
        (
            "{m}:Sideways",
            "criterion {m}:Sideways is not a criterion: direction 'sideways' is neither "
            "'minimize' nor 'maximize'",
        ),
        (
            "{m}:WrongShape",
            "criterion {m}:WrongShape is not a criterion: moments() must return tensors of the "
            "shape of its argument",
        ),
        (
            "{m}:Number",
            "criterion {m}:Number is not a criterion: value() must return a 0-dimensional tensor "
            "computed from sums",
        ),
        (
            "{m}:Broken",
            "criterion {m}:Broken is not a criterion: AttributeError: 'Broken' object has no "
            "attribute 'missing'",
        ),
        ("{m}:NeedsArgument", "criterion {m}:NeedsArgument is not a criterion: "),
        ("{m}:absent", "criterion {m}:absent: '{m}' has no 'absent': name an object in it"),
        (
            "{m}_absent:x",
            "criterion {m}_absent:x: module '{m}_absent' cannot be imported (No module named "
            "'{m}_absent'): put its folder on PYTHONPATH",
        ),
        (
            "{m}_broken:x",
            "criterion {m}_broken:x: importing '{m}_broken' failed: RuntimeError: no luck: mend",
        ),
    ],
)
def test_refused_objects(module, reference, message):
    with pytest.raises(UsageError) as refused:
        resolve(reference.format(m=module))
    text = str(refused.value)
    assert text.startswith(message.format(m=module))
    assert "\n" not in text
    assert text.endswith(NEEDED) == ("is not a criterion" in message)
